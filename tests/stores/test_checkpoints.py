"""What every store promises of checkpoints."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xdm_async.stores import (
    Checkpoints,
    FileCheckpoint,
    FileCheckpoints,
    MemoryCheckpoints,
    SqliteStore,
)

NAMES = ["944480690", "inbox/944480690", "inbox", ".", "..", "a b", "Ä/ö", "%2F", "A", "a", ".new"]


@pytest.fixture(params=["memory", "file", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Checkpoints]:
    if request.param == "memory":
        yield MemoryCheckpoints()
    elif request.param == "file":
        yield FileCheckpoints(tmp_path / "positions")
    else:
        database = SqliteStore(tmp_path / "store.db")
        await database.open()
        yield database.checkpoints
        await database.aclose()


async def test_a_name_that_was_never_saved_has_no_position(store):
    assert await store.load("inbox") is None


async def test_the_last_position_is_the_one(store):
    for position in ("w1.abc", "w1.defghi", "w1.x"):
        await store.save("inbox", position)
        assert await store.load("inbox") == position


async def test_names_are_apart_whatever_they_hold(store):
    for n, name in enumerate(NAMES):
        await store.save(name, f"w1.{n}")
    assert [await store.load(name) for name in NAMES] == [f"w1.{n}" for n in range(len(NAMES))]


async def test_a_long_position_comes_back_whole(store):
    position = "w1." + "a-Z_9" * 20_000
    await store.save("inbox", position)
    assert await store.load("inbox") == position


async def test_saves_of_many_names_at_once_are_all_kept(store):
    await asyncio.gather(*(store.save(f"inbox/{n}", f"w1.{n}") for n in range(50)))
    assert [await store.load(f"inbox/{n}") for n in range(50)] == [f"w1.{n}" for n in range(50)]


async def test_a_cancelled_save_leaves_one_of_both_and_a_later_one_wins(store):
    await store.save("inbox", "w1.first")
    for _ in range(20):
        task = asyncio.create_task(store.save("inbox", "w1.second"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await store.load("inbox") in ("w1.first", "w1.second")
        await store.save("inbox", "w1.third")
        assert await store.load("inbox") == "w1.third"


async def test_no_store_shows_positions_in_its_repr(store):
    await store.save("inbox", "w1.secretly")
    assert "secretly" not in repr(store)


# Files


async def test_another_object_on_the_same_file_goes_on_with_it(tmp_path):
    path = tmp_path / "deep" / "inbox"
    await FileCheckpoint(path).save("w1.abc")
    assert await FileCheckpoint(path).load() == "w1.abc"
    await FileCheckpoints(tmp_path / "many").save("1", "w1.x")
    assert await FileCheckpoints(str(tmp_path / "many")).load("1") == "w1.x"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
async def test_a_file_is_its_owners_alone_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "inbox"
    path.write_text("w1.old")
    path.chmod(0o644)
    await FileCheckpoint(path).save("w1.abc")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["inbox"]


async def test_what_a_killed_process_has_left_is_taken_away(tmp_path):
    path = tmp_path / "inbox"
    await FileCheckpoint(path).save("w1.abc")
    (tmp_path / ".inbox.new").write_text("w1.par")
    assert await FileCheckpoint(path).load() == "w1.abc"
    assert os.listdir(tmp_path) == ["inbox"]
    (tmp_path / ".inbox.new").write_text("w1.par")
    await FileCheckpoint(path).save("w1.def")
    assert os.listdir(tmp_path) == ["inbox"]


async def test_a_save_that_fails_leaves_the_position_before_and_nothing_beside(
    tmp_path, monkeypatch
):
    path = tmp_path / "inbox"
    file = FileCheckpoint(path)
    await file.save("w1.abc")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await file.save("w1.def")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["inbox"]
    assert await file.load() == "w1.abc"
    await file.save("w1.def")
    assert await file.load() == "w1.def"


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
async def test_a_link_is_followed_and_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "inbox"
    link.symlink_to(tmp_path / "real" / "position")
    await FileCheckpoint(link).save("w1.abc")
    assert link.is_symlink()
    assert os.listdir(tmp_path / "real") == ["position"]
    assert await FileCheckpoint(link).load() == "w1.abc"


async def test_an_empty_file_is_no_position_and_one_that_cannot_be_is_refused(tmp_path):
    path = tmp_path / "inbox"
    path.write_text("\n")
    assert await FileCheckpoint(path).load() is None
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="decode"):
        await FileCheckpoint(path).load()
    with pytest.raises(OSError, match="directory"):
        await FileCheckpoint(tmp_path).load()
