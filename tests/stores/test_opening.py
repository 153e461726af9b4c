"""Which store is meant by what was given as ``store``, and which keys are keys."""

import sys

import pytest

from xdm_async.errors import InvalidRequest
from xdm_async.stores import MemoryStore, SqliteStore, open_store

from .conftest import KEY


def test_memory_is_a_store_of_its_own_each_time():
    assert isinstance(open_store("memory:"), MemoryStore)
    assert open_store("memory:") is not open_store("memory:")


def test_an_object_of_the_callers_is_itself():
    own = MemoryStore()
    assert open_store(own) is own


async def test_sqlite_is_a_file_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for url, path in (
        ("sqlite:here.db", "here.db"),
        ("sqlite:~/mine.db", "home/mine.db"),
        (f"sqlite:{tmp_path}/a b%20?c.db", "a b%20?c.db"),
    ):
        if sys.platform == "win32" and "?" in url:
            continue
        store = open_store(url)
        assert isinstance(store, SqliteStore)
        assert not (tmp_path / path).exists()  # nothing is made before it is opened
        await store.open()
        await store.aclose()
        assert (tmp_path / path).exists()


@pytest.mark.parametrize(
    "bad",
    [
        *("", "memory", "memory:x", "sqlite", "sqlite:", "sqlite::memory:", "sqlite:///x.db"),
        *("x.db", "sqlite:a\0b", "sqlite:~nobody-of-this-name/x.db", "redis://u:hunter2@h"),
        *(5, None, object()),
    ],
)
def test_what_is_no_store_is_refused(bad):
    with pytest.raises(InvalidRequest, match="store ") as caught:
        open_store(bad)
    assert caught.value.argument == "store"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "bad", [["secret"], [KEY, "secret"], [KEY + "\n"], [KEY[:-2]], [b"secret"], [None], "secret", 5]
)
def test_what_is_no_key_is_refused_and_not_shown(bad):
    with pytest.raises(InvalidRequest, match="vault_key is") as caught:
        open_store("sqlite:x.db", bad)
    assert caught.value.argument == "vault_key"
    assert "secret" not in str(caught.value)
    assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize("store", ["memory:", MemoryStore()])
def test_a_key_for_what_writes_nothing_down_is_refused(store):
    with pytest.raises(InvalidRequest, match="seals 'sqlite:PATH'") as caught:
        open_store(store, [KEY])
    assert caught.value.argument == "vault_key"


@pytest.mark.parametrize(
    ("key", "module", "package"),
    [(KEY, "cryptography.fernet", "cryptography"), ("keyring:", "keyring", "keyring")],
)
def test_a_key_without_its_package_says_how_to_get_it(monkeypatch, key, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    sentence = rf"needs {package}: pip install 'xdm_async\[vault\]'"
    with pytest.raises(InvalidRequest, match=sentence):
        open_store("sqlite:x.db", [key])
    assert isinstance(open_store("sqlite:x.db"), SqliteStore)
