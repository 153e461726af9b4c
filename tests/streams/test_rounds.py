"""Turns are given when they are due, so many at a time, from one task with one timer."""

import asyncio
import contextlib

import pytest

from tests import driven
from xdm_async.streams.rounds import AT_ONCE, COUNTED, Rounds


@pytest.fixture
def drive(monkeypatch):
    monkeypatch.setattr(driven, "_QUIET", 0.0)
    return driven.drive


def now() -> float:
    return asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def running(turn):
    rounds = Rounds(turn, driven.DrivenClock())
    task = asyncio.create_task(rounds.run())
    await asyncio.sleep(0)
    try:
        yield rounds
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.all_tasks() == {asyncio.current_task()}


def test_each_turn_comes_when_it_is_due_and_in_order(drive):
    async def main():
        turns = []

        async def turn(name):
            turns.append((name, round(now() - begin)))

        begin = now()
        async with running(turn) as rounds:
            for name, due in [("c", 30), ("a", 10), ("b", 20), ("at once", 0)]:
                rounds.at(begin + due, name)
            await asyncio.sleep(25)
            rounds.at(begin + 26, "earlier than the next")
            await asyncio.sleep(10)
        assert turns == [
            ("at once", 0),
            ("a", 10),
            ("b", 20),
            ("earlier than the next", 26),
            ("c", 30),
        ]

    drive(main)


def test_no_more_than_so_many_are_begun_at_a_time(drive):
    async def main():
        under_way, most = 0, 0

        async def turn(name):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1

        async with running(turn) as rounds:
            begin = now()
            for name in range(10 * AT_ONCE):
                rounds.at(begin, name)
            await asyncio.sleep(9.5)
            assert most == AT_ONCE
            assert not len(rounds)

    drive(main)


def test_turns_that_hang_do_not_keep_the_others_from_theirs(drive):
    async def main():
        done = []

        async def turn(name):
            if name < 3 * AT_ONCE:
                await asyncio.sleep(10_000)
            done.append(name)

        async with running(turn) as rounds:
            begin = now()
            for name in range(3 * AT_ONCE + 10):
                rounds.at(begin, name)
            await asyncio.sleep(3 * COUNTED + 1)
            assert len(done) == 10

    drive(main)


def test_a_thousand_who_wait_are_one_task_and_one_timer(drive):
    async def main():
        async def turn(name):
            rounds.at(now() + 60, name)

        async with running(turn) as rounds:
            begin = now()
            for name in range(1_000):
                rounds.at(begin + 0.06 * name, name)
            await asyncio.sleep(90.01)
            assert len(asyncio.all_tasks()) == 2
            assert len(rounds) == 1_000
            loop = asyncio.get_running_loop()
            assert sum(not timer.cancelled() for timer in loop._scheduled) <= 2

    drive(main)
