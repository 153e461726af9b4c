"""One file, several processes: what holds when they meet, and when one is killed."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xdm_async.stores import Grant, SqliteStore

from .conftest import KEY

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """A process that runs ``worker.py``; told and heard by lines."""

    def __init__(self, path: Path, keys: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, WORKER, path, *keys],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> list[str]:
        """End it in the midst of whatever it does; gives what it had said before."""
        assert self.process.stdout is not None
        self.process.kill()
        said = self.process.stdout.read().split()
        self.process.wait()
        return said

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(*keys: str) -> Worker:
        workers.append(Worker(tmp_path / "store.db", keys))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


async def test_a_lock_has_one_holder_at_a_time_and_is_free_when_its_process_is_killed(
    start, tmp_path
):
    path = tmp_path / "number"
    path.write_text("0")
    one, two = start(), start()
    assert one.hear() == two.hear() == "ready"  # both have made the one file at once

    for worker in (one, two):
        worker.tell(f"count {path} 40")
    assert one.hear() == two.hear() == "done"
    assert path.read_text() == "80"

    one.tell("hold")
    assert one.hear() == "held"
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    here = asyncio.create_task(_lock(store))
    two.tell("hold")
    for _ in range(20):
        await store.vault.load("7")
    assert not here.done()
    assert one.kill() == []
    two.tell("leave")
    async with asyncio.timeout(20):
        await here
    assert (two.hear(), two.hear()) == ("held", "free")
    await store.aclose()


async def _lock(store):
    async with store.vault.lock("7"):
        pass


async def test_each_version_is_won_by_one_process(start, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.vault.put(Grant("7", "oauth2", "first", "refresh"))
    workers = [start(), start()]
    for worker in workers:
        assert worker.hear() == "ready"
    for name, worker in zip("ab", workers, strict=True):
        worker.tell(f"swap {name} 80")
        assert worker.hear() == "loaded"
    for n in range(80):
        for worker in (workers[n % 2], workers[1 - n % 2]):
            worker.tell("go")
        one, two = (worker.hear() for worker in workers)
        kept = await store.vault.load("7")
        assert one == two == f"{n + 2} {kept.token}"  # the one that lost was given the other's
        assert kept.version == n + 2
    await store.aclose()


def kill_and_look(start, path, rounds, seed, keys):
    chance = random.Random(seed)
    last = 0
    for _ in range(rounds):
        worker = start(*keys)
        assert worker.hear() == "ready"
        worker.tell(f"write {last}")
        for _ in range(chance.randrange(1, 30)):
            last = int(worker.hear())
        for _ in range(chance.randrange(40_000)):
            pass  # so that it is killed at any moment of a write
        said = [int(word) for word in worker.kill()]
        last = max([last, *said])
        kept, position = asyncio.run(_look(path, keys))
        assert kept in (last, last + 1)
        assert position in (last, kept)
        last = kept
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def _look(path, keys):
    store = SqliteStore(path, keys)
    await store.open()
    grant = await store.vault.load("7")
    position = await store.checkpoints.load("inbox")
    await store.aclose()
    number = int(grant.token[1:])
    assert grant.secret == f"r{number}" * 300
    return number, int(position[3:])


def test_a_kill_in_the_midst_of_writes_leaves_the_old_or_the_new(start, tmp_path):
    kill_and_look(start, tmp_path / "store.db", 3, 1, ())


@pytest.mark.slow
@pytest.mark.parametrize("keys", [(), (KEY,)], ids=["plain", "sealed"])
def test_many_kills_in_the_midst_of_writes_leave_the_old_or_the_new(start, tmp_path, keys):
    kill_and_look(start, tmp_path / "store.db", 25, 2, keys)
