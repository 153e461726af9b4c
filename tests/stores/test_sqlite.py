"""The store's file: who may read it, and what is wrong with it, each as a sentence."""

import asyncio
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import attrs
import pytest

from xdm_async.stores import Grant, SqliteStore, StoreFailed

GRANT = Grant("7", "oauth2", "planted-access", "planted-refresh", username="ada")
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


async def opened(path):
    store = SqliteStore(path)
    await store.open()
    return store


async def filled(path, owners=1):
    store = await opened(path)
    for n in range(owners):
        await store.vault.put(attrs.evolve(GRANT, owner=f"{n + 7}"))
    return store


async def refused(path, sentence):
    """Opening it fails with a sentence, twice, and changes nothing; gives the error."""
    before = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
    store = SqliteStore(path)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=sentence) as caught:
            await store.open()
    await store.aclose()
    assert {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()} == before
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert str(path) in str(caught.value) or str(path.parent) in str(caught.value)
    return caught.value


# Opening and closing


async def test_what_was_written_is_there_after_closing_and_opening_again(path):
    store = await filled(path)
    await store.checkpoints.save("inbox", "w1.a")
    await store.aclose()
    with pytest.raises(StoreFailed, match="is not open"):
        await store.vault.load("7")
    for again in (store, SqliteStore(path)):
        await again.open()
        await again.open()
        assert await again.vault.load("7") == attrs.evolve(GRANT, version=1)
        assert await again.checkpoints.load("inbox") == "w1.a"
        await again.aclose()
        await again.aclose()
    assert sorted(os.listdir(path.parent)) == ["store.db", "store.db.locks"]


async def test_closing_waits_for_what_is_under_way(path):
    store = await opened(path)
    writes = [
        asyncio.create_task(store.vault.put(attrs.evolve(GRANT, owner=f"{n}"))) for n in range(20)
    ]
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(*writes)
    store = await opened(path)
    assert len(await store.vault.grants()) == 20
    await store.aclose()


async def test_opening_right_after_a_cancelled_close_is_in_order(path):
    store = await filled(path, 20)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await store.open()
    assert await store.vault.load("7") is not None
    await store.aclose()


async def test_an_open_waits_for_a_close_that_still_waits_for_a_write(path):
    store = await filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(store.vault.put(GRANT))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    opening = asyncio.create_task(store.open())
    for _ in range(2000):
        await asyncio.sleep(0)
    assert not opening.done()
    holder.execute("ROLLBACK")
    holder.close()
    await opening
    assert (await write).version == 2
    assert (await store.vault.load("7")).version == 2
    await store.aclose()


async def test_a_cancelled_open_is_done_by_the_next(path):
    for turns in range(4):
        store = SqliteStore(path)
        task = asyncio.create_task(store.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await store.open()
        await store.vault.put(GRANT)
        await store.aclose()


async def test_many_open_one_new_file_at_once(path):
    stores = [SqliteStore(path) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].vault.put(GRANT)
    assert [(await store.vault.load("7")).version for store in stores] == [1] * 6
    for store in stores:
        await store.aclose()


async def test_the_event_loop_goes_on_while_another_holds_the_file(path):
    store = await filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(store.vault.put(GRANT))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not write.done()
    holder.execute("ROLLBACK")
    holder.close()
    assert (await write).version == 2
    await store.aclose()


async def test_a_file_held_for_too_long_is_a_sentence(path, monkeypatch):
    monkeypatch.setattr("xdm_async.stores.database._BUSY", 0.01)
    store = await filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match=r"held by another process .* nothing was written"):
        await store.vault.put(GRANT)
    assert (await store.vault.load("7")).version == 1
    holder.execute("ROLLBACK")
    holder.close()
    assert (await store.vault.put(GRANT)).version == 2
    await store.aclose()


async def test_a_write_is_on_the_disk_when_it_returns(path):
    """WAL and synchronous=FULL: the log is flushed by each commit."""
    store = await filled(path)
    modes = await store._database.read(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]
    )
    assert modes == ["wal", 2, 1]
    await store.aclose()


async def test_a_token_is_looked_up_in_an_index(path):
    store = await filled(path)
    plan = await store._database.read(
        lambda db: db.execute(
            "EXPLAIN QUERY PLAN SELECT owner FROM fingerprints WHERE fingerprint = 'x'"
        ).fetchone()[-1]
    )
    assert "USING COVERING INDEX fingerprints_owners" in plan
    await store.aclose()


# Modes


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022])
async def test_all_files_are_their_owners_alone_from_the_first_moment(path, mask, monkeypatch):
    made = []
    system_open = os.open

    def watching(name, flags, mode=0o777, **kwargs):
        handle = system_open(name, flags, mode, **kwargs)
        if str(path) in str(name):
            made.append((stat.S_IMODE(os.fstat(handle).st_mode) & 0o077, bool(flags & os.O_EXCL)))
        return handle

    folder = path.parent / "deep" / "private"
    old = os.umask(mask)
    monkeypatch.setattr("os.open", watching)
    try:
        store = await filled(folder / "store.db")
        async with store.vault.lock("7"):
            found = {p: stat.S_IMODE(p.stat().st_mode) for p in folder.parent.rglob("*")}
        await store.aclose()
    finally:
        os.umask(old)
    names = {p.name for p in found}
    assert names >= {"store.db", "store.db-wal", "store.db-shm", "store.db.locks", "opening"}
    for p, mode in found.items():
        assert mode == (0o700 if p.is_dir() else 0o600), p
    assert stat.S_IMODE((path.parent / "deep").stat().st_mode) == 0o700
    assert not [mode for mode, _ in made if mode]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666])
async def test_a_file_that_others_can_read_or_write_is_refused(path, mode):
    await (await filled(path)).aclose()
    path.chmod(mode)
    await refused(path, rf"can be read or written by other users \(mode {mode:04o}\).*chmod 600 ")
    path.chmod(0o600)
    await (await opened(path)).aclose()


@posix
async def test_a_log_that_others_can_read_is_refused(path):
    await (await filled(path)).aclose()
    beside = path.with_name("store.db-wal")
    beside.write_bytes(b"")
    beside.chmod(0o644)
    await refused(path, r"store\.db-wal can be read .*chmod 600 .*store\.db-wal")


@posix
async def test_a_folder_that_others_can_write_into_is_refused_and_a_sticky_one_is_not(path):
    await (await filled(path)).aclose()
    path.parent.chmod(0o770)
    await refused(path, r"can be written by other users \(mode 0770\).*chmod go-w ")
    for mode in (0o1777, 0o755):
        path.parent.chmod(mode)
        await (await opened(path)).aclose()
    path.parent.chmod(0o700)


@posix
async def test_a_file_of_another_user_is_refused(path, monkeypatch):
    await (await filled(path)).aclose()
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    await refused(path, r"belongs to another user \(uid [0-9]+, this is 4711\)")


@posix
async def test_a_link_is_followed(path, tmp_path):
    (tmp_path / "real").mkdir()
    path.symlink_to(tmp_path / "real" / "kept.db")
    await (await filled(path)).aclose()
    assert sorted(os.listdir(tmp_path / "real")) == ["kept.db", "kept.db.locks"]
    assert path.is_symlink()


@pytest.fixture
def unprivileged():
    """A folder of a user whom modes bind, and this process as that user."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for p in (folder, *folder.rglob("*")):
            p.chmod(0o700)
        shutil.rmtree(folder)


@posix
async def test_a_read_only_folder_is_a_sentence(unprivileged):
    unprivileged.chmod(0o500)
    await refused(unprivileged / "store.db", r"cannot be read and written by this user")
    await refused(unprivileged / "deep" / "store.db", r"cannot be read and written by this user")
    unprivileged.chmod(0o700)
    await (await filled(unprivileged / "store.db")).aclose()
    unprivileged.chmod(0o500)
    await refused(unprivileged / "store.db", r"cannot be read and written by this user")


@posix
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o200])
async def test_a_file_that_its_owner_may_not_read_or_write_is_a_sentence(unprivileged, mode):
    path = unprivileged / "store.db"
    await (await filled(path)).aclose()
    before = path.read_bytes()
    path.chmod(mode)
    store = SqliteStore(path)
    with pytest.raises(StoreFailed, match="cannot be read and written by this user"):
        await store.open()
    await store.aclose()
    path.chmod(0o600)
    assert path.read_bytes() == before


# What is wrong with the file


async def read(path):
    """Read all that a store gives."""
    store = SqliteStore(path)
    try:
        await store.open()
        await store.vault.grants()
        await store.vault.find("x")
        await store.checkpoints.load("inbox")
    finally:
        await store.aclose()


async def test_another_kind_of_file_is_a_sentence_and_left_alone(path):
    for content in (b"my diary " * 1000, b"x", b"SQLite format 3\0" + b"\xff" * 5000):
        path.write_bytes(content)
        path.chmod(0o600)
        await refused(path, "is not a store of xdm_async")
        assert os.listdir(path.parent) == ["store.db"]


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_another_programs_database_is_a_sentence_and_left_alone(path, mode):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("CREATE TABLE grants (owner)")
    db.execute("INSERT INTO grants VALUES ('theirs')")
    db.commit()
    db.close()
    path.chmod(0o600)
    await refused(path, "is not a store of xdm_async")
    assert os.listdir(path.parent) == ["store.db"]


async def test_a_newer_schema_is_a_sentence(path):
    await (await filled(path)).aclose()
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET value = 2 WHERE name = 'schema'")
    db.commit()
    db.close()
    await refused(path, r"newer xdm_async \(schema 2, this one knows 1\): upgrade")


async def test_a_folder_or_a_path_through_a_file_is_a_sentence(path):
    path.mkdir()
    await refused(path, "is not a file")
    (path / "file").write_text("x")
    await refused(path / "file" / "store.db", "is not a folder")
    await refused(path / "file" / "deep" / "store.db", "could not be used")


async def test_a_file_cut_short_is_a_sentence(path):
    await (await filled(path, 60)).aclose()
    data = path.read_bytes()
    for size in (100, 4096, 5000, len(data) // 2):
        path.write_bytes(data[:size])
        with pytest.raises(StoreFailed, match=r"damaged"):
            await read(path)
        assert path.read_bytes() == data[:size]


async def test_damage_anywhere_is_a_sentence_and_reading_changes_nothing(path):
    await (await filled(path, 60)).aclose()
    whole = path.read_bytes()
    chance = random.Random(7)
    told = []
    for _ in range(25):
        data = bytearray(whole)
        start = chance.randrange(len(data))
        data[start : start + 600] = chance.randbytes(len(data[start : start + 600]))
        path.write_bytes(data)
        try:
            await read(path)
        except StoreFailed as exc:
            told.append("".join(traceback.format_exception(exc)))
        assert path.read_bytes() == bytes(data)
    assert told
    assert "planted" not in "".join(told)


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be moved there")
@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
async def test_a_file_that_goes_while_it_is_open_is_a_sentence(path, what):
    store = await filled(path)
    if what == "deleted":
        path.unlink()
    else:
        path.rename(path.with_name("elsewhere.db"))
    if what == "replaced":
        path.write_bytes(b"")
    for call in (store.vault.put(GRANT), store.vault.load("7")):
        with pytest.raises(StoreFailed, match="moved, deleted or replaced while it was open"):
            await call
    await store.aclose()


async def test_a_full_disk_is_a_sentence_and_what_was_there_is_kept(path, monkeypatch):
    connect = sqlite3.connect
    database = []

    def watched(*args, **kwargs):
        database.append(connect(*args, check_same_thread=False, **kwargs))
        return database[-1]

    monkeypatch.setattr("sqlite3.connect", watched)
    store = await filled(path)
    database[0].execute("PRAGMA max_page_count=12")
    big = attrs.evolve(GRANT, secret="planted" * 20_000, version=1)
    for call in (store.vault.put(big), store.vault.swap(big)):
        with pytest.raises(StoreFailed, match=r"is full: what was there is kept") as caught:
            await call
        assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert await store.vault.load("7") == attrs.evolve(GRANT, version=1)
    assert (await store.vault.put(GRANT)).version == 2
    await store.aclose()


_LIMITED = """
import asyncio, resource, sys
from xdm_async.stores import Grant, SqliteStore, StoreFailed
async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    n = 0
    try:
        while n < 1000:
            await store.vault.put(Grant("7", "oauth2", f"a{n}", "r" * 5000))
            n += 1
    except StoreFailed as exc:
        print(n, exc)
    await store.aclose()
asyncio.run(main())
"""


@posix
async def test_a_file_that_may_not_grow_keeps_what_was_written_last(path):
    """A limit of the system on the size of files stands for a disk that fails."""
    ran = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", _LIMITED, path],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    written, _, sentence = ran.stdout.partition(" ")
    assert "disk" in sentence, ran
    store = await opened(path)
    assert (await store.vault.load("7")).token == f"a{int(written) - 1}"
    await store.aclose()
