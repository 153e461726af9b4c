"""What does a permit cost, over one budget and over three, beside what other limiters ask?

    python benchmarks/permit_cost.py [--rounds N] [--permits N] [--json FILE]

Every figure is CPU time of one process for one request that nothing holds up:

- *ours*: a permit taken and settled by the scheduler's machine, as `permit` below says it, with
  the reports of the answer already parsed. Over one budget (``dm.read``) and over three
  (``dm.write``: the user's 15 minutes, the user's day, the app's day). ``x-rate-limit-*`` is in
  every answer, the day's headers with and without;
- *aiolimiter*: one ``await acquire()``, and three in a row, each of a limiter of its own;
- *pyrate-limiter*: ``try_acquire_async`` on its in-memory bucket, of one rate and of three;
- *throttled-py*: ``await limit()`` with the token bucket it takes by itself, in memory, once and
  three times in a row.

They learn nothing from an answer and need no settling, so our figure buys more than theirs. All
limits are so wide that nobody ever waits. Ours lives in a time of its own, a permit each 0.1 s
and an answer after 0.12 s, so that windows close and open as they do in life; the others read
the clock. One is measured after the other, in an order that changes with each round; ratios are
of the same round.

Below is the whole of `Scheduler.send` over a sender that answers at once, headers and all: what
it costs more than to await that sender alone. Numbers are printed and never judged.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import platform
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from email.utils import formatdate
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from multidict import CIMultiDict

from xdm_async import plans
from xdm_async.budgets.budget import Family, Report
from xdm_async.scheduling.events import Ask, Settle
from xdm_async.scheduling.flows import Ticket
from xdm_async.scheduling.machine import Machine
from xdm_async.scheduling.scheduler import Scheduler
from xdm_async.testing import FakeClock
from xdm_async.wire.exchange import Request, Response, Route

USER = "1234567890123456789"
WIDE = 10**7
"""A limit that is never reached."""
WINDOW, DAY = 900.0, 86_400.0
ROUND_TRIP = 0.12
EVERY = 0.1
"""Seconds from one of our permits to the next."""
FRESH = 100
"""Answers that are made at a time: each is met soon after, as one that was just parsed is."""
MIDNIGHT = 1_790_000_000.0
"""What the server's clock shows at the start."""

PLAN = plans.DEFAULT.override(
    {budget.name: WIDE for group in plans.DEFAULT.groups.values() for budget in group}
)
ONE = Route("dm_events.list", "GET", "/2/dm_events")
THREE = Route("dm_conversations.send", "POST", "/2/dm_conversations/with/{participant_id}/messages")


class Answer(NamedTuple):
    """What the server says to one request, as the machine is told."""

    sent: float
    received: float
    reports: tuple[Report, ...]
    date: float


class Server:
    """A server that counts and never refuses: windows open with the first request, as X's do."""

    def __init__(self, *, days: bool) -> None:
        self._families: list[tuple[Family, float]] = [("rate-limit", WINDOW)]
        if days:
            self._families += [("user-24h", DAY), ("app-24h", DAY)]
        self._closes = [0.0] * len(self._families)
        self._used = [0] * len(self._families)
        self._now = 1_000.0

    def answers(self, count: int) -> Iterator[Answer]:
        """The answers to so many requests, one after the other."""
        for _ in range(count):
            sent = self._now
            there = MIDNIGHT + sent + ROUND_TRIP / 2
            reports = []
            for index, (family, window) in enumerate(self._families):
                if there >= self._closes[index]:
                    self._closes[index], self._used[index] = there + window, 0
                self._used[index] += 1
                remaining, reset = WIDE - self._used[index], math.ceil(self._closes[index])
                reports.append(Report(family, WIDE, remaining, float(reset)))
            yield Answer(sent, sent + ROUND_TRIP, tuple(reports), float(math.floor(there)))
            self._now += EVERY


# The contestants: each gives back the seconds of CPU that so many permits took

Contestant = Callable[[int], Awaitable[float]]


def ours(route: Route, *, days: bool) -> Contestant:
    machine, server = Machine(PLAN), Server(days=days)
    name = route.name

    async def measured(count: int) -> float:
        took = 0.0
        gc.collect()
        for _ in range(0, count, FRESH):
            answers = list(server.answers(FRESH))
            began = time.process_time()
            for sent, received, reports, date in answers:
                ticket = Ticket(USER, name)
                if not machine.admit(ticket, sent):
                    machine.step(Ask(ticket), sent)
                settled = machine.conclude(ticket, sent, received, reports, date)
                if settled >= 0:
                    answer = Settle(ticket, sent, received, reports, date, settled=settled)
                    machine.step(answer, received)
            took += time.process_time() - began
        if machine.waiting or machine.in_flight:
            raise RuntimeError("a permit was held up")
        return took

    return measured


async def timed(count: int, *acquires: Callable[[], Awaitable[Any]]) -> float:
    gc.collect()
    if len(acquires) == 1:
        (first,) = acquires
        began = time.process_time()
        for _ in range(count):
            await first()
        return time.process_time() - began
    first, second, third = acquires
    began = time.process_time()
    for _ in range(count):
        await first()
        await second()
        await third()
    return time.process_time() - began


def aiolimiter_(budgets: int) -> Contestant:
    from aiolimiter import AsyncLimiter

    acquires = [AsyncLimiter(WIDE, window).acquire for window in (WINDOW, DAY, DAY)[:budgets]]
    return lambda count: timed(count, *acquires)


def pyrate_limiter_(budgets: int) -> Contestant:
    from pyrate_limiter import Limiter, Rate

    async def measured(count: int) -> float:
        # A limiter each time: its bucket keeps every permit of the window. The limits of one
        # bucket have to grow with the windows.
        rates = [Rate(WIDE * (i + 1), int(WINDOW * 1e3) * 4**i) for i in range(budgets)]
        limiter = Limiter(rates)
        try:
            return await timed(count, limiter.try_acquire_async)
        finally:
            limiter.close()

    return measured


def throttled_py_(budgets: int) -> Contestant:
    from datetime import timedelta

    from throttled.asyncio import MemoryStore, Throttled, per_duration

    store = MemoryStore()
    limits = [
        Throttled(
            key=f"budget-{index}",
            quota=per_duration(timedelta(seconds=window), WIDE, burst=WIDE),
            store=store,
        ).limit
        for index, window in enumerate((WINDOW, DAY, DAY)[:budgets])
    ]
    return lambda count: timed(count, *limits)


CONTESTANTS: dict[str, Callable[[], Contestant]] = {
    "aiolimiter, one": lambda: aiolimiter_(1),
    "aiolimiter, three": lambda: aiolimiter_(3),
    "ours, one budget": lambda: ours(ONE, days=False),
    "ours, three, 15 min reported": lambda: ours(THREE, days=False),
    "ours, three, all reported": lambda: ours(THREE, days=True),
    "pyrate-limiter, one": lambda: pyrate_limiter_(1),
    "pyrate-limiter, three": lambda: pyrate_limiter_(3),
    "throttled-py, one": lambda: throttled_py_(1),
    "throttled-py, three": lambda: throttled_py_(3),
}

# The whole of Scheduler.send


class Answering:
    """A `Sender` that answers at once, with the next of the answers laid out for it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.answers: Iterator[Response] = iter(())

    async def send(self, request: Request) -> Response:
        """Hand out the next answer; its time has come with it."""
        response = next(self.answers)
        self._clock.time = response.received_at
        return response


def response(answer: Answer) -> Response:
    headers = CIMultiDict({"date": formatdate(answer.date, usegmt=True)})
    stems = {
        "rate-limit": "x-rate-limit",
        "user-24h": "x-user-limit-24hour",
        "app-24h": "x-app-limit-24hour",
    }
    for report in answer.reports:
        stem = stems[report.family]
        headers[f"{stem}-limit"] = str(report.limit)
        headers[f"{stem}-remaining"] = str(report.remaining)
        headers[f"{stem}-reset"] = f"{report.reset:.0f}"
    return Response(200, headers, b"", answer.sent, answer.received)


def whole(route: Route, *, days: bool, bare: bool) -> Contestant:
    clock = FakeClock()
    onward, server = Answering(clock), Server(days=days)
    send = onward.send if bare else Scheduler(onward, PLAN, clock=clock).send
    request = Request(route, "/", user_id=USER)

    async def measured(count: int) -> float:
        answers = [response(answer) for answer in server.answers(count)]
        onward.answers = iter(answers)
        gc.collect()
        began = time.process_time()
        for _ in range(count):
            await send(request)
        return time.process_time() - began

    return measured


WHOLE = {
    "one budget": (ONE, False),
    "three, 15 min reported": (THREE, False),
    "three, all reported": (THREE, True),
}


async def compare(rounds: int, permits: int) -> tuple[dict[str, list[float]], list[str]]:
    """Microseconds a permit of everyone, round by round; and who is not installed."""
    running: dict[str, Contestant] = {}
    missing = []
    for name, make in CONTESTANTS.items():
        try:
            running[name] = make()
            await running[name](10)
        except ImportError:
            running.pop(name, None)
            missing.append(name)
    for name, (route, days) in WHOLE.items():
        running[f"send, {name}"] = whole(route, days=days, bare=False)
        running[f"bare, {name}"] = whole(route, days=days, bare=True)
    for contestant in running.values():
        await contestant(min(permits, 500))
    order = random.Random(0)
    costs: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name in order.sample(list(running), len(running)):
            costs[name].append(await running[name](permits) / permits * 1e6)
    return costs, missing


# Telling


def median_ratio(costs: dict[str, list[float]], of: str, to: str) -> float | None:
    if of not in costs or to not in costs:
        return None
    return statistics.median(a / b for a, b in zip(costs[of], costs[to], strict=True))


def extra(costs: dict[str, list[float]], name: str) -> list[float]:
    """What `Scheduler.send` costs beyond its onward sender, round by round."""
    pairs = zip(costs[f"send, {name}"], costs[f"bare, {name}"], strict=True)
    return [whole - bare for whole, bare in pairs]


def table(costs: dict[str, list[float]], missing: list[str]) -> Iterable[str]:
    yield f"{'':31}{'µs CPU a permit':>18}{'to one':>10}{'to three':>10}   of aiolimiter"
    yield f"{'':31}{'median (least)':>18}"
    for name in CONTESTANTS:
        if name in missing:
            yield f"{name:31}{'not installed':>18}"
            continue
        ratios = [median_ratio(costs, name, f"aiolimiter, {n}") for n in ("one", "three")]
        yield (
            f"{name:31}{statistics.median(costs[name]):>9.2f} {f'({min(costs[name]):.2f})':>8}"
            + "".join(f"{'-' if r is None else format(r, '.2f'):>10}" for r in ratios)
        )
    yield ""
    yield "Scheduler.send beyond its onward sender, µs CPU a request: median (least)"
    for name in WHOLE:
        more = extra(costs, name)
        yield f"{name:31}{statistics.median(more):>9.2f} {f'({min(more):.2f})':>8}"


def as_json(costs: dict[str, list[float]], missing: list[str]) -> dict[str, Any]:
    """All of it as plain data, for whoever compares two runs."""
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "missing": missing,
        "us_per_permit": {
            name: {
                "median": round(statistics.median(values), 3),
                "least": round(min(values), 3),
                "to_one_aiolimiter": median_ratio(costs, name, "aiolimiter, one"),
                "to_three_aiolimiters": median_ratio(costs, name, "aiolimiter, three"),
            }
            for name, values in costs.items()
            if name in CONTESTANTS
        },
        "us_per_send_beyond_onward": {
            name: round(statistics.median(extra(costs, name)), 3) for name in WHOLE
        },
    }


def installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--permits", type=int, default=4_000, help="of each in a round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    rounds, permits = max(options.rounds, 1), max(options.permits, 1)
    peers = ", ".join(map(installed, ("aiolimiter", "pyrate-limiter", "throttled-py")))
    print(f"Python {platform.python_version()}, {peers}; {rounds} rounds of {permits:,} each\n")
    costs, missing = asyncio.run(compare(rounds, permits))
    for line in table(costs, missing):
        print(line)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(costs, missing), indent=2) + "\n")


if __name__ == "__main__":
    main()
