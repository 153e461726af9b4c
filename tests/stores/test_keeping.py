"""Where positions go, by what was given as ``checkpoint``."""

import os

import pytest

from xdm_async.errors import InvalidRequest
from xdm_async.stores import MemoryCheckpoints, keeper


class Own:
    def __init__(self):
        self.position = None

    async def load(self):
        return self.position

    async def save(self, position):
        self.position = position


def test_no_checkpoint_is_none():
    assert keeper(None, MemoryCheckpoints()) is None


async def test_a_name_is_kept_in_the_apps_store():
    store = MemoryCheckpoints()
    await keeper("inbox", store)("7").save("w1.a")
    assert await store.load("inbox") == "w1.a"
    assert await keeper("inbox", store)("7").load() == "w1.a"


async def test_of_many_accounts_each_has_a_position_of_its_own():
    store = MemoryCheckpoints()
    keep = keeper("inbox", store, many=True)
    await keep("7").save("w1.a")
    await keep("8").save("w1.b")
    assert await store.load("inbox/7") == "w1.a"
    assert await keep("8").load() == "w1.b"


async def test_a_path_is_a_file_or_a_directory_of_files(tmp_path):
    await keeper(tmp_path / "inbox", MemoryCheckpoints())("7").save("w1.a")
    keep = keeper(tmp_path / "all", MemoryCheckpoints(), many=True)
    await keep("7").save("w1.b")
    await keep("8").save("w1.c")
    assert (tmp_path / "inbox").read_text() == "w1.a\n"
    assert sorted(os.listdir(tmp_path / "all")) == ["7.position", "8.position"]


async def test_an_object_of_the_callers_is_asked_itself():
    own = Own()
    await keeper(own, MemoryCheckpoints())("7").save("w1.a")
    assert own.position == "w1.a"
    store = MemoryCheckpoints()
    await keeper(store, MemoryCheckpoints(), many=True)("7").save("w1.b")
    assert await store.load("7") == "w1.b"


@pytest.mark.parametrize("bad", ["", "  ", "a\nb", "x" * 201, 5, b"inbox", object(), True])
@pytest.mark.parametrize("many", [False, True])
def test_what_is_no_checkpoint_is_refused(bad, many):
    with pytest.raises(InvalidRequest, match="checkpoint is a name") as caught:
        keeper(bad, MemoryCheckpoints(), many=many)
    assert caught.value.argument == "checkpoint"


def test_an_object_for_one_is_none_for_many_and_the_other_way_round():
    with pytest.raises(InvalidRequest, match=r"load\(name\) and save\(name, position\)"):
        keeper(Own(), MemoryCheckpoints(), many=True)
    with pytest.raises(InvalidRequest, match=r"load\(\) and save\(position\)"):
        keeper(MemoryCheckpoints(), MemoryCheckpoints())
