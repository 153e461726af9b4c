"""Pacing: requests spread over time, without a task, a timer or a private name of aiolimiter."""

import asyncio

import pytest
from aiolimiter import AsyncLimiter

from tests.driven import drive
from tests.scheduling.test_scheduler import Server, request, scheduler_for, time, turns
from xdm_async import InvalidRequest, Priority
from xdm_async.scheduling.pacing import Pacer, pacer

BULK, NORMAL, INTERACTIVE = Priority


def for_all(limiter: AsyncLimiter) -> Pacer:
    made = pacer(limiter)
    assert made is not None
    return made


async def take_turns(pace: Pacer, count: int, priority: Priority = NORMAL) -> tuple[float, int]:
    """Take so many, each as soon as it may; how long it took, and how often it was asked."""
    start, asked = time(), 0
    for _ in range(count):
        while True:
            asked += 1
            now = time()
            at = pace.ready_at(priority, now)
            if at <= now:
                break
            await asyncio.sleep(at - now)
        pace.take(priority)
    return time() - start, asked


def test_one_in_a_second_leaves_once_in_a_second_whoever_sends() -> None:
    async def main() -> None:
        server = Server()
        scheduler = scheduler_for(server, pacer=pacer(AsyncLimiter(1, 1)))
        users = "1", "2", "3", "1", "2", "1"
        await asyncio.gather(*(scheduler.send(request(user)) for user in users))
        at = [sent.sent_at for sent in server.requests]
        assert at == pytest.approx([1_000, 1_001, 1_002, 1_003, 1_004, 1_005], abs=0.01)

    drive(main)


def test_only_the_priorities_that_are_paced_wait_for_it() -> None:
    async def main() -> None:
        server = Server()
        scheduler = scheduler_for(server, pacer=pacer({BULK: AsyncLimiter(1, 60)}))
        await scheduler.send(request())
        first = asyncio.create_task(scheduler.send(request(priority=BULK)))
        second = asyncio.create_task(scheduler.send(request(priority=BULK)))
        await turns()
        for priority in (NORMAL, INTERACTIVE):
            await scheduler.send(request(priority=priority))
        assert time() == pytest.approx(1_000, abs=0.001)
        await asyncio.gather(first, second)
        assert time() == pytest.approx(1_060, abs=0.01)

    drive(main)


def test_a_paced_caller_that_is_cancelled_leaves_its_turn_to_the_next() -> None:
    async def main() -> None:
        server = Server()
        scheduler = scheduler_for(server, pacer=pacer(AsyncLimiter(1, 10)))
        sends = [asyncio.create_task(scheduler.send(request())) for _ in range(3)]
        await asyncio.sleep(1)
        sends[1].cancel()
        await sends[2]
        assert time() == pytest.approx(1_010, abs=0.01)
        assert len(server.requests) == 2
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)

    drive(main)


@pytest.mark.parametrize(
    ("rate", "period"), [(1, 1), (1, 3600), (3, 10), (10, 1), (7, 0.1), (2.5, 1), (50, 1)]
)
def test_it_lets_go_at_the_limiters_rate_and_is_asked_twice_for_each_at_most(
    rate: float, period: float
) -> None:
    async def main() -> None:
        pace = for_all(AsyncLimiter(rate, period))
        count = int(4 * rate) + 3
        took, asked = await take_turns(pace, count)
        due = (count - rate) * period / rate  # the first `rate` of them go in a burst
        assert took == pytest.approx(due, rel=0.002, abs=0.002)
        assert took >= due - 1e-6
        assert asked <= 2 * count

    drive(main)


def test_a_moment_that_it_names_is_always_still_to_come() -> None:
    async def main() -> None:
        pace = for_all(AsyncLimiter(1, 1e-9))
        for _ in range(100):
            pace.take(NORMAL)
            now = time()
            at = pace.ready_at(NORMAL, now)
            assert at == now or at >= now + 0.001

    drive(main)


def test_who_else_uses_the_limiter_is_waited_for_too() -> None:
    async def main() -> None:
        limiter = AsyncLimiter(1, 1)
        pace = for_all(limiter)
        pace.take(NORMAL)
        at = pace.ready_at(NORMAL, time())
        await asyncio.sleep(at - time())
        await limiter.acquire()
        now = time()
        assert pace.ready_at(NORMAL, now) == pytest.approx(now + 1, abs=0.01)

    drive(main)


def test_taking_without_room_neither_waits_nor_leaves_anything_behind() -> None:
    async def main() -> None:
        limiter = AsyncLimiter(1, 1)
        pace = for_all(limiter)
        for _ in range(5):
            pace.take(NORMAL)
        now = time()
        assert pace.ready_at(NORMAL, now) == pytest.approx(now + 1, abs=0.01)
        assert not asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]

    drive(main)


def test_one_limiter_for_two_priorities_is_shared_by_them() -> None:
    async def main() -> None:
        limiter = AsyncLimiter(1, 1)
        pace = pacer({BULK: limiter, NORMAL: limiter})
        assert pace is not None
        pace.take(BULK)
        now = time()
        assert pace.ready_at(NORMAL, now) > now
        assert pace.ready_at(INTERACTIVE, now) == now
        pace.take(INTERACTIVE)

    drive(main)


def test_a_clock_that_jumps_is_not_waited_for() -> None:
    """After a suspend the machine's clock is far ahead of the loop's; only spans are compared."""

    async def main() -> None:
        pace = for_all(AsyncLimiter(1, 10))
        pace.take(NORMAL)
        assert pace.ready_at(NORMAL, 5.0) == pytest.approx(15, abs=0.01)
        assert pace.ready_at(NORMAL, 5_000.0) == pytest.approx(5_010, abs=0.01)
        await asyncio.sleep(10.01)
        assert pace.ready_at(NORMAL, 6_000.0) == 6_000

    drive(main)


def test_where_no_loop_runs_it_has_taken_nothing_yet() -> None:
    assert for_all(AsyncLimiter(1, 1)).ready_at(NORMAL, 5.0) == 5.0


def test_what_paces_nothing_is_nothing() -> None:
    assert pacer(None) is None
    assert pacer({}) is None


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (5, "pace is an aiolimiter.AsyncLimiter, a mapping of Priority to AsyncLimiter, or None, "
            "not 5"),
        ({"bulk": AsyncLimiter(1, 1)}, "pace has a Priority for each key, not 'bulk'"),
        ({0: AsyncLimiter(1, 1)}, "pace has a Priority for each key, not 0"),
        ({BULK: 5}, "pace of Priority.BULK is an aiolimiter.AsyncLimiter, not 5"),
        (AsyncLimiter(0.5, 1), "pace has limiters with a max_rate of at least 1 and a time_period "
            "above 0 (one request in 2 s is AsyncLimiter(1, 2)), not AsyncLimiter(0.5, 1)"),
        ({BULK: AsyncLimiter(1, -1)}, "pace has limiters with a max_rate of at least 1 and a "
            "time_period above 0 (one request in 2 s is AsyncLimiter(1, 2)), "
            "not AsyncLimiter(1, -1)"),
    ],
)  # fmt: skip
def test_a_pace_that_cannot_be_is_refused_in_one_sentence(bad: object, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        pacer(bad)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
    assert caught.value.argument == "pace"
