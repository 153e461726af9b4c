"""Turns inside a process, and the system's locks on files between them."""

import asyncio
import os
import shutil
import stat
import sys

import pytest

from xdm_async.stores import StoreFailed
from xdm_async.stores.locks import FILES, FileLocks
from xdm_async.stores.turns import Turns


@pytest.fixture
def locks(tmp_path):
    made = FileLocks(tmp_path / "store.db.locks", tmp_path / "store.db")
    made.prepare()
    return made


async def test_turns_are_handed_on_in_the_order_of_asking():
    turns, order = Turns(), []

    async def visit(n):
        async with turns.hold("7"):
            order.append(n)
            await asyncio.sleep(0)

    await asyncio.gather(*(visit(n) for n in range(20)))
    assert order == list(range(20))


async def test_turns_that_nobody_holds_are_not_remembered():
    turns = Turns()

    async def visit():
        async with turns.hold("7"):
            pass

    async with turns.hold("7"):
        waiting = [asyncio.create_task(visit()) for _ in range(5)]
        await asyncio.sleep(0)
        assert repr(turns) == "<Turns: 1 held, 5 waiting>"
        waiting[0].cancel()
    await asyncio.wait(waiting)
    assert repr(turns) == "<Turns: 0 held, 0 waiting>"


async def test_many_owners_share_a_limited_number_of_files_of_their_owner_alone(locks, tmp_path):
    old = os.umask(0)
    try:
        for n in range(300):
            async with locks.hold(f"{n}"):
                pass
    finally:
        os.umask(old)
    files = list((tmp_path / "store.db.locks").iterdir())
    assert 200 < len(files) <= min(300, FILES)
    if sys.platform != "win32":
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files by /proc")
async def test_no_file_stays_open_after_locks_that_were_held_awaited_or_cancelled(locks, tmp_path):
    other = FileLocks(tmp_path / "store.db.locks", tmp_path / "store.db")
    before = len(os.listdir("/proc/self/fd"))

    async def visit():
        async with other.hold("7"):
            pass

    async with locks.hold("7"):
        waiting = [asyncio.create_task(visit()) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        waiting[0].cancel()
    await asyncio.wait(waiting)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted there")
async def test_a_lock_folder_that_was_cleaned_up_is_made_again(locks, tmp_path):
    async with locks.hold("7"):
        shutil.rmtree(tmp_path / "store.db.locks")
    async with asyncio.timeout(20), locks.hold("7"):
        assert stat.S_IMODE((tmp_path / "store.db.locks").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted there")
async def test_a_lock_on_a_file_that_was_just_deleted_is_not_taken_for_one(
    locks, tmp_path, monkeypatch
):
    """Another would make the file anew, and hold that."""
    from xdm_async.stores.locks import _lock

    asked = []

    def lock(handle):
        if not asked:
            shutil.rmtree(tmp_path / "store.db.locks")
        asked.append(handle)
        return _lock(handle)

    monkeypatch.setattr("xdm_async.stores.locks._lock", lock)
    async with locks.hold("7"):
        assert len(asked) == 2
        other = FileLocks(tmp_path / "store.db.locks", tmp_path / "store.db")
        waiting = asyncio.create_task(_through(other))
        while len(asked) < 5:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def _through(locks):
    async with locks.hold("7"):
        pass


async def test_what_keeps_a_lock_from_being_made_is_a_sentence(locks, tmp_path, monkeypatch):
    def too_many(*args):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.open", too_many)
    with pytest.raises(StoreFailed, match="too many files open"):
        async with locks.hold("7"):
            pass
    monkeypatch.undo()
    async with asyncio.timeout(20), locks.hold("7"):
        pass


def test_an_opening_that_lasts_too_long_is_a_sentence(locks, tmp_path):
    other = FileLocks(tmp_path / "store.db.locks", tmp_path / "store.db")
    with (
        locks.hold_blocking("opening", 0),
        pytest.raises(StoreFailed, match="opened by another process"),
        other.hold_blocking("opening", 0),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_a_lock_folder_that_is_open_to_others_is_refused(locks, tmp_path):
    (tmp_path / "store.db.locks").chmod(0o750)
    with pytest.raises(StoreFailed, match=r"mode 0750.*chmod 700 .*store\.db\.locks"):
        locks.prepare()
