"""What is at rest: with a key no token can be read from the files, and no key overwrites."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import attrs
import keyring
import pytest
from cryptography.fernet import Fernet
from keyring.backend import KeyringBackend

from xdm_async.stores import Grant, SqliteStore, StoreFailed, fingerprint

OLD, NEW, WRONG = (Fernet.generate_key().decode() for _ in range(3))
GRANT = Grant("7", "oauth2", "planted-access", "planted-refresh", username="ada")

_GREP = """
import pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob('*'):
    if path.is_file() and b'planted' in path.read_bytes():
        print(path.name)
"""


def found_in(folder: Path) -> list[str]:
    """The files that have a planted token in them, read by another process.

    In this one, closing a file would let go of the locks that SQLite has on it.
    """
    ran = subprocess.run(
        [sys.executable, "-S", "-c", _GREP, folder], capture_output=True, text=True, check=True
    )
    return sorted(ran.stdout.split())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


async def opened(path, *keys):
    store = SqliteStore(path, keys)
    await store.open()
    return store


async def filled(path, *keys, owners=40):
    store = await opened(path, *keys)
    for n in range(owners):
        await store.vault.put(attrs.evolve(GRANT, owner=f"{n}", secret=f"planted-{n}"))
    return store


async def secrets_of(path, *keys):
    store = await opened(path, *keys)
    grants = await store.vault.grants()
    await store.aclose()
    return {grant.owner: grant.secret for grant in grants}


SECRETS = {f"{n}": f"planted-{n}" for n in range(40)}


async def test_with_a_key_no_file_holds_a_token_while_open_or_closed(path, tmp_path):
    store = await filled(path, NEW)
    grant = await store.vault.load("7")
    await store.vault.swap(attrs.evolve(grant, token="planted-b", spent=(fingerprint("x"),)))
    assert found_in(tmp_path) == []
    await store.aclose()
    assert found_in(tmp_path) == []
    assert await secrets_of(path, NEW) == SECRETS


async def test_without_a_key_the_tokens_are_in_the_file(path, tmp_path):
    """So that the test above would notice."""
    store = await filled(path)
    assert "store.db-wal" in found_in(tmp_path)
    await store.aclose()
    assert found_in(tmp_path) == ["store.db"]


async def test_a_key_for_a_file_that_is_not_sealed_seals_all_of_it(path, tmp_path):
    before = await filled(path)
    await before.vault.forget("39")
    await before.aclose()
    store = await opened(path, NEW)
    assert found_in(tmp_path) == []
    assert (await store.vault.find(fingerprint("planted-3"))).owner == "3"
    await store.aclose()
    assert found_in(tmp_path) == []
    assert await secrets_of(path, NEW) == {k: v for k, v in SECRETS.items() if k != "39"}


async def test_what_a_killed_process_left_in_the_log_is_sealed_too(path, tmp_path):
    living = await filled(tmp_path / "living.db", owners=1)
    for end in ("", "-wal"):  # as a kill leaves them
        shutil.copy(tmp_path / f"living.db{end}", tmp_path / f"store.db{end}")
        (tmp_path / f"store.db{end}").chmod(0o600)
    await living.vault.forget("0")
    await living.aclose()
    assert found_in(tmp_path) == ["store.db-wal"]
    store = await opened(path, NEW)
    assert found_in(tmp_path) == []
    assert (await store.vault.load("0")).secret == "planted-0"
    await store.aclose()


@pytest.mark.parametrize("left", ["7", "nobody"])
async def test_sealing_leaves_nothing_in_the_free_places_of_the_file(path, tmp_path, left):
    await (await filled(path)).aclose()
    db = sqlite3.connect(path)
    db.execute("PRAGMA secure_delete=OFF")
    db.execute(f"DELETE FROM grants WHERE owner != '{left}'")
    db.commit()
    db.close()
    assert found_in(tmp_path) == ["store.db"]
    await (await opened(path, NEW)).aclose()
    assert found_in(tmp_path) == []


async def test_a_new_key_in_front_seals_anew_and_the_old_one_can_go(path):
    await (await filled(path, OLD)).aclose()
    assert await secrets_of(path, NEW, OLD) == SECRETS
    assert await secrets_of(path, NEW) == SECRETS
    with pytest.raises(StoreFailed, match="no vault_key opens"):
        await opened(path, OLD)


async def test_a_file_that_is_sealed_as_the_first_key_says_is_not_written_when_opened(path):
    await (await filled(path, NEW)).aclose()
    before = path.read_bytes()
    assert await secrets_of(path, NEW, OLD) == SECRETS
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ((), "is sealed: give the key it was sealed with as vault_key"),
        ((WRONG,), "no vault_key opens the store .*: give the key it was sealed with"),
        ((WRONG, OLD), "no vault_key opens the store"),
        (("keyring:",), "the system keyring has no key for the store"),
        (("keyring:", WRONG), "no vault_key opens the store"),
    ],
)
async def test_a_wrong_key_or_none_is_a_sentence_and_changes_nothing(
    path, keys, sentence, system_keyring
):
    await (await filled(path, NEW)).aclose()
    before = path.read_bytes()
    store = SqliteStore(path, keys)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=sentence) as caught:
            await store.open()
        with pytest.raises(StoreFailed, match="is not open"):
            await store.vault.load("7")
    await store.aclose()
    assert path.read_bytes() == before
    assert system_keyring.kept == {}
    told = "".join(traceback.format_exception(caught.value))
    assert not [key for key in (NEW, OLD, WRONG) if key in told]
    assert "planted" not in told
    assert await secrets_of(path, NEW) == SECRETS


async def test_one_who_has_a_file_open_unsealed_cannot_write_tokens_once_another_seals_it(path):
    plain = await filled(path)
    grant = await plain.vault.load("7")
    sealing = await opened(path, NEW)
    for call in (plain.vault.load("7"), plain.vault.swap(grant), plain.vault.put(GRANT)):
        with pytest.raises(StoreFailed, match="is sealed: give the key"):
            await call
    assert found_in(path.parent) == []
    await plain.aclose()
    assert await sealing.vault.load("7") == grant
    await sealing.aclose()


async def test_one_who_has_both_keys_goes_on_with_the_new_one_once_another_seals_anew(path):
    both = await filled(path, OLD, NEW)
    only = await filled(path, OLD)
    await (await opened(path, NEW, OLD)).aclose()
    await both.vault.put(GRANT)
    with pytest.raises(StoreFailed, match="no vault_key opens"):
        await only.vault.put(GRANT)
    await both.aclose()
    await only.aclose()
    assert await secrets_of(path, NEW) == {**SECRETS, "7": "planted-refresh"}


async def test_a_sealing_that_fails_half_way_leaves_the_file_as_it_was(path, monkeypatch):
    await (await filled(path, OLD)).aclose()
    before = path.read_bytes()
    encrypt, times = Fernet.encrypt, 0

    def fail(self, data):
        nonlocal times
        times += 1
        if times > 20:
            raise OSError(28, "No space left on device")
        return encrypt(self, data)

    monkeypatch.setattr(Fernet, "encrypt", fail)
    store = SqliteStore(path, [NEW, OLD])
    with pytest.raises(StoreFailed, match="is full"):
        await store.open()
    monkeypatch.undo()
    assert path.read_bytes() == before
    await store.open()
    await store.aclose()
    assert await secrets_of(path, NEW) == SECRETS


async def test_many_open_one_unsealed_file_with_a_key_at_once(path):
    await (await filled(path)).aclose()
    stores = [SqliteStore(path, [NEW]) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        assert (await store.vault.load("7")).secret == "planted-7"
        await store.aclose()


async def test_no_key_or_token_shows_in_a_repr_or_a_log(path, caplog):
    caplog.set_level("DEBUG")
    store = await filled(path, NEW)
    seen = [*map(repr, (store, *vars(store).values())), caplog.text]
    seen += [repr(part) for part in vars(store.vault).values()]
    assert not [text for text in seen if "planted" in text or NEW in text]
    await store.aclose()


# The system's keyring


class Keyring(KeyringBackend):
    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


@pytest.fixture
def system_keyring():
    before = keyring.get_keyring()
    backend = Keyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


async def test_the_keyring_gets_a_key_of_each_stores_own_on_first_use(
    path, tmp_path, system_keyring
):
    await (await filled(path, "keyring:")).aclose()
    assert found_in(tmp_path) == []
    await (await filled(tmp_path / "other.db", "keyring:")).aclose()
    assert len(set(system_keyring.kept.values())) == len(system_keyring.kept) == 2
    assert await secrets_of(path, "keyring:") == SECRETS
    path.rename(tmp_path / "moved.db")
    assert await secrets_of(tmp_path / "moved.db", "keyring:") == SECRETS


async def test_a_store_moves_from_a_key_to_the_keyring_and_back(path, system_keyring):
    await (await filled(path, OLD)).aclose()
    assert await secrets_of(path, "keyring:", OLD) == SECRETS
    assert await secrets_of(path, "keyring:") == SECRETS
    assert await secrets_of(path, NEW, "keyring:") == SECRETS
    assert await secrets_of(path, NEW) == SECRETS


async def test_a_keyring_that_has_lost_the_key_gets_no_new_one(path, system_keyring):
    await (await filled(path, "keyring:")).aclose()
    system_keyring.kept.clear()
    with pytest.raises(StoreFailed, match=r"has no key for the store .*service xdm_async, name"):
        await opened(path, "keyring:")
    assert system_keyring.kept == {}


async def test_a_keyring_that_does_not_answer_is_a_sentence(path, system_keyring, monkeypatch):
    def locked(*args):
        raise RuntimeError("of some backend")

    monkeypatch.setattr(system_keyring, "get_password", locked)
    with pytest.raises(StoreFailed, match=r"keyring did not answer \(RuntimeError\): unlock it"):
        await opened(path, "keyring:")


async def test_an_entry_of_the_keyring_that_is_no_key_is_a_sentence(path, system_keyring):
    await (await filled(path, "keyring:")).aclose()
    for name in system_keyring.kept:
        system_keyring.kept[name] = "planted"
    with pytest.raises(StoreFailed, match="has no key") as caught:
        await opened(path, "keyring:")
    assert "planted" not in str(caught.value)
