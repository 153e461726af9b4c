"""What do 100,000 waiters on one exhausted budget cost, and whom do they delay?

    python benchmarks/waiters.py [--waiters N] [--rounds N] [--json FILE]

A waiter is one task inside `Scheduler.send`, whose request has to wait since the one budget it
draws on (``dm.read``, 300 in 15 minutes) is spent; the sender below answers at once. Beside it:

- *bare*: a task that waits for a future of its own, by nothing but ``await``, as many coroutines
  deep as our waiter is (counted, not assumed); *bare, 1 deep* waits in the task's own coroutine;
- *aiolimiter*: a task that waits in ``async with limiter`` and then awaits the same sender; the
  limiter's whole capacity was acquired just before.

All tasks share one `Request`, so that what is counted is the waiting. Each figure comes from a
process of its own, which begins anew each round (the order changes); medians are printed.

- *bytes*: by tracemalloc, from before the tasks are made until all wait; *rss*: by what the
  process has grown meanwhile, in the runs without tracemalloc;
- *queue*: CPU to make one task and let it run until it waits;
- *serve*: CPU from the moment that the window has passed until the last task is done, each. Our
  first answer then says that the limit is a billion; aiolimiter's capacity is all tasks. The
  sender's work is in both, and in ours what the answer's headers mean. For the bare tasks it is
  to set each result and run each task. *serve, waiting alone* is that less the CPU of one that
  finds the budget open and waits for nothing (for the bare tasks less nothing);
- *cancel*: CPU to cancel one of them and let it unwind, of 1,000 and of all;
- *a free account*: the wall time from its call of `Scheduler.send` until the sender below has its
  request, while as many *accounts* as there are waiters, each with one request in line, wait for
  the 15 minutes of ``dm.write`` and share a day's budget of the app with the free one.

Loop and clock stand still but for one leap over the window, so nobody waits in earnest. Linux
only for *rss*. Numbers are printed and never judged.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable
from email.utils import formatdate
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from multidict import CIMultiDict

from xdm_async import plans
from xdm_async.budgets.budget import Plan
from xdm_async.scheduling.scheduler import Scheduler
from xdm_async.wire.exchange import Request, Response, Route

USER = "1234567890123456789"
READ = Route("dm_events.list", "GET", "/2/dm_events")
WRITE = Route("dm_conversations.send", "POST", "/2/dm_conversations/with/{participant_id}/messages")
WINDOW = 900.0
LEAP = 1_000.0
"""Seconds: the window and whatever guards its end."""
HUGE = 10**9
MIDNIGHT = 1_790_000_000.0
CANCELLED = 500
"""So many are cancelled and timed together."""
AT_EASE = 10_000
"""So many go through without waiting, one after the other, once all have been served."""
FREE = 200
"""So many free accounts ask, one after the other."""
LONGEST = 75.0
"""Seconds after which only what was never measured is."""
ALLOWED = 60.0
"""Seconds after which one process is given up."""


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when it is told."""

    moment = 1_000.0

    def time(self) -> float:
        """The moment that was last set."""
        return self.moment

    now = time


class Answering:
    """A `Sender` that answers at once: what it says of a budget can be changed."""

    def __init__(self, loop: StillLoop) -> None:
        self._loop = loop
        self.limit = 300
        self.remaining = 0
        self.calls = 0
        self.called_at = 0.0
        self._headers: CIMultiDict[str] | None = None

    def say(self, limit: int, remaining: int) -> None:
        """What is left from now on, in a window that has just opened."""
        at = MIDNIGHT + self._loop.moment
        self._headers = CIMultiDict(
            {
                "date": formatdate(at, usegmt=True),
                "x-rate-limit-limit": str(limit),
                "x-rate-limit-remaining": str(remaining),
                "x-rate-limit-reset": f"{at + WINDOW:.0f}",
            }
        )

    async def send(self, request: Request) -> Response:
        """Answer at once."""
        self.called_at = time.perf_counter()
        self.calls += 1
        assert self._headers is not None
        return Response(200, self._headers, b"", self._loop.moment, self._loop.moment)


# Those who wait


def scheduler_over(onward: Answering, plan: Plan, clock: StillLoop) -> Scheduler:
    """Our scheduler, with a line that is never full."""
    return Scheduler(onward, plan, clock=clock, max_waiting=(HUGE, HUGE))


Start = Callable[[int], Coroutine[Any, Any, Any]]
"""The coroutine of the waiter with this number."""


class Ours:
    """Waiters inside `Scheduler.send`."""

    def __init__(self, loop: StillLoop, count: int) -> None:
        self.onward = Answering(loop)
        self.request = Request(READ, "/2/dm_events", user_id=USER)
        self.scheduler = scheduler_over(self.onward, plans.DEFAULT, loop)

    async def exhaust(self) -> None:
        """One answer says that nothing is left."""
        self.onward.say(300, 0)
        await self.scheduler.send(self.request)

    def start(self, number: int) -> Coroutine[Any, Any, Any]:
        """One waiter."""
        return self.scheduler.send(self.request)

    def reopen(self) -> None:
        """The window has passed: the next answer allows all."""
        self.onward.say(HUGE, HUGE - 1)


class Aiolimiter:
    """Waiters inside ``async with AsyncLimiter``, and then the same sender."""

    def __init__(self, loop: StillLoop, count: int) -> None:
        from aiolimiter import AsyncLimiter

        self.onward = Answering(loop)
        self.onward.say(300, 0)
        self.request = Request(READ, "/2/dm_events", user_id=USER)
        self.limiter = AsyncLimiter(count, WINDOW)

    async def exhaust(self) -> None:
        """Acquire its whole capacity."""
        await self.limiter.acquire(self.limiter.max_rate)

    async def start(self, number: int) -> Response:
        """One waiter."""
        async with self.limiter:
            return await self.onward.send(self.request)

    def reopen(self) -> None:
        """Time alone does it."""


class Bare:
    """Tasks that wait for futures, some coroutines deep."""

    def __init__(self, loop: StillLoop, count: int, depth: int) -> None:
        self.depth = depth
        self.futures = [loop.create_future() for _ in range(count)]

    async def exhaust(self) -> None:
        """Nothing to do."""

    def start(self, number: int) -> Coroutine[Any, Any, Any]:
        """One waiter."""
        made = self._wait(self.futures[number])
        for _ in range(self.depth - 1):
            made = self._deeper(made)
        return made

    async def _wait(self, future: asyncio.Future[None]) -> None:
        await future

    async def _deeper(self, inner: Coroutine[Any, Any, Any]) -> None:
        await inner

    def reopen(self) -> None:
        """Let all go."""
        for future in self.futures:
            future.set_result(None)


def make(kind: str, loop: StillLoop, count: int, depth: int) -> Ours | Aiolimiter | Bare:
    if kind == "ours":
        return Ours(loop, count)
    if kind == "aiolimiter":
        return Aiolimiter(loop, count)
    return Bare(loop, count, depth)


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def depth_of(task: asyncio.Task[Any]) -> int:
    """How many coroutines lie between the task and the future it waits for, the first included."""
    depth, inner = 0, task.get_coro()
    while inner is not None and hasattr(inner, "cr_await"):
        depth, inner = depth + 1, inner.cr_await
    return depth


def rss() -> int:
    """Resident bytes of this process, as Linux counts them; else 0."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


# What one process measures


async def measure_memory(loop: StillLoop, kind: str, count: int, depth: int) -> dict[str, float]:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    waiters = make(kind, loop, count, depth)
    await waiters.exhaust()
    tasks = [asyncio.create_task(waiters.start(i)) for i in range(count)]
    await turns()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    check_all_wait(tasks)
    return {"bytes": grown / count, "depth": depth_of(tasks[0])}


async def measure_time(loop: StillLoop, kind: str, count: int, depth: int) -> dict[str, float]:
    waiters = make(kind, loop, count, depth)
    await waiters.exhaust()
    gc.collect()
    before = rss()
    began = time.process_time()
    tasks = [asyncio.create_task(waiters.start(i)) for i in range(count)]
    await turns()
    queued = time.process_time() - began
    grown = rss() - before
    check_all_wait(tasks)
    loop.moment += LEAP
    waiters.reopen()
    gc.collect()
    began = time.process_time()
    await asyncio.wait(tasks)
    served = time.process_time() - began
    assert not any(task.exception() for task in tasks)
    row = {
        "rss": grown / count,
        "queue_us": queued / count * 1e6,
        "serve_us": served / count * 1e6,
    }
    if not isinstance(waiters, Bare):
        tasks.clear()
        loop.moment += LEAP
        waiters.reopen()
        free = min(count, AT_EASE)
        gc.collect()
        began = time.process_time()
        for number in range(free):
            await waiters.start(number)
        row["free_us"] = (time.process_time() - began) / free * 1e6
    return row


async def measure_cancel(loop: StillLoop, kind: str, count: int, depth: int) -> dict[str, float]:
    waiters = make(kind, loop, count, depth)
    await waiters.exhaust()
    tasks = [asyncio.create_task(waiters.start(i)) for i in range(count)]
    await turns()
    check_all_wait(tasks)
    chosen = random.Random(0).sample(tasks, CANCELLED)
    gc.collect()
    gc.disable()
    began = time.process_time()
    for task in chosen:
        task.cancel()
    await turns()
    took = time.process_time() - began
    gc.enable()
    assert all(task.cancelled() for task in chosen)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {"cancel_us": took / CANCELLED * 1e6}


async def measure_free(loop: StillLoop, kind: str, count: int, depth: int) -> dict[str, float]:
    onward = Answering(loop)
    onward.say(200, 0)
    wide = {"dm.write.app.24h": HUGE}
    scheduler = scheduler_over(onward, plans.DEFAULT.override(wide), loop)
    tasks = []
    for number in range(count):
        request = Request(WRITE, "/", user_id=str(10**18 + number))
        await scheduler.send(request)
        tasks.append(asyncio.create_task(scheduler.send(request)))
    await turns()
    check_all_wait(tasks)
    gc.collect()
    waits = []
    for number in range(FREE):
        request = Request(WRITE, "/", user_id=str(2 * 10**18 + number))
        await turns()
        began = time.perf_counter()
        await scheduler.send(request)
        waits.append((onward.called_at - began) * 1e3)
    assert scheduler.waiting == count
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"median_ms": statistics.median(waits), "most_ms": max(waits)}


def check_all_wait(tasks: list[asyncio.Task[Any]]) -> None:
    done = sum(task.done() for task in tasks)
    if done:
        raise RuntimeError(f"{done} of {len(tasks)} did not wait")


MEASURES = {
    "memory": measure_memory,
    "time": measure_time,
    "cancel": measure_cancel,
    "free": measure_free,
}


# One process after the other

Row = dict[str, float]


def in_a_process(what: str, kind: str, count: int, depth: int = 1) -> Row:
    """One measurement by a fresh interpreter; empty when it took too long."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--measure", what, kind, str(count), str(depth)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=ALLOWED,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return {}
    row: Row = json.loads(done.stdout)
    return row


def kinds() -> list[str]:
    found = ["ours", "bare"]
    try:
        version("aiolimiter")
    except PackageNotFoundError:
        return found
    return [*found, "aiolimiter"]


Results = dict[tuple[str, str, int], list[Row]]


def compare(most: int, rounds: int, say: Callable[[str], None]) -> tuple[Results, int]:
    """Everything, round by round, while there is time; and how deep our waiters are."""
    began = time.monotonic()
    results: Results = {}
    few = max(CANCELLED * 2, most // 10)

    def run(what: str, kind: str, count: int, depth: int, name: str = "") -> Row:
        say(f"{what}: {kind}, {count:,}")
        row = in_a_process(what, kind, count, depth)
        results.setdefault((what, name or kind, count), []).append(row)
        return row

    depth = int(run("memory", "ours", most, 1)["depth"])
    for kind in kinds()[1:]:
        run("memory", kind, most, depth)
    run("memory", "bare", most, 1, "bare, 1 deep")
    jobs = [("time", kind, count) for kind in kinds() for count in (few, most)]
    jobs += [("cancel", kind, count) for kind in kinds() for count in (CANCELLED * 2, most)]
    run("free", "ours", 0, 1)
    run("free", "ours", most, 1)
    order = random.Random(0)
    for _ in range(rounds):
        for what, kind, count in order.sample(jobs, len(jobs)):
            if time.monotonic() - began < LONGEST or (what, kind, count) not in results:
                run(what, kind, count, depth)
    return results, depth


def median(rows: list[Row] | None, field: str) -> float | None:
    known = [row[field] for row in rows or () if field in row]
    return statistics.median(known) if known else None


def waiting_alone(rows: list[Row] | None) -> float | None:
    known = [row["serve_us"] - row.get("free_us", 0.0) for row in rows or () if row]
    return statistics.median(known) if known else None


# Telling


def shown(value: float | None, form: str = ",.1f", width: int = 12) -> str:
    return f"{'-' if value is None else format(value, form):>{width}}"


def over(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def table(results: Results, depth: int, most: int) -> Iterable[str]:
    counts = sorted({count for what, _, count in results if what == "time"})
    names = [*kinds(), "bare, 1 deep"]
    if "aiolimiter" not in names:
        yield "aiolimiter: not installed\n"
    yield f"{most:,} waiters; ours are {depth} coroutines deep"
    yield f"{'':16}{'bytes':>12}{'to bare':>12}{'rss':>12}"
    bare = median(results.get(("memory", "bare", most)), "bytes")
    for name in names:
        held = median(results.get(("memory", name, most)), "bytes")
        grown = median(results.get(("time", name, most)), "rss")
        yield (
            f"{name:16}{shown(held, ',.0f')}{shown(over(held, bare), '.2f')}{shown(grown, ',.0f')}"
        )
    yield ""
    titles = "".join(f"{f'{what} of {c:,}':>18}" for what in ("queue", "serve") for c in counts)
    yield f"{'µs CPU for one':16}{titles}  to aiolimiter"
    for name in kinds():
        cells = [
            median(results.get(("time", name, count)), field)
            for field in ("queue_us", "serve_us")
            for count in counts
        ]
        theirs = median(results.get(("time", "aiolimiter", most)), "serve_us")
        yield (
            f"{name:16}{''.join(shown(cell, ',.1f', 18) for cell in cells)}"
            f"{shown(over(cells[-1], theirs), '.2f', 15)}"
        )
    yield ""
    yield f"{'':16}{'finds it open':>18}{'serve, waiting alone':>24}  to aiolimiter"
    alone = {name: waiting_alone(results.get(("time", name, most))) for name in kinds()}
    for name in kinds():
        free = median(results.get(("time", name, most)), "free_us")
        yield (
            f"{name:16}{shown(free, ',.1f', 18)}{shown(alone[name], ',.1f', 24)}"
            f"{shown(over(alone[name], alone.get('aiolimiter')), '.2f', 15)}"
        )
    yield ""
    sizes = sorted({count for what, _, count in results if what == "cancel"})
    titles = "".join(f"{f'of {size:,}':>18}" for size in sizes)
    yield f"{'µs to cancel one':16}{titles}    ratio"
    for name in kinds():
        cells = [median(results.get(("cancel", name, size)), "cancel_us") for size in sizes]
        ratio = shown(over(cells[-1], cells[0]), ".2f", 9)
        yield f"{name:16}{''.join(shown(cell, ',.1f', 18) for cell in cells)}{ratio}"
    yield ""
    yield f"a free account waits, ms (of {FREE})      median        most"
    for (what, _, count), rows in results.items():
        if what == "free":
            waits = "".join(
                shown(median(rows, field), ",.3f") for field in ("median_ms", "most_ms")
            )
            yield f"behind {count:>7,} blocked accounts  {waits}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--waiters", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2, help="none goes on after 75 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, kind, count, depth = options.measure
        logging.getLogger("xdm_async").setLevel(logging.ERROR)  # that they wait is meant
        with asyncio.Runner(loop_factory=StillLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, StillLoop)
            row = runner.run(MEASURES[what](loop, kind, int(count), int(depth)))
        print(json.dumps(row), flush=True)
        os._exit(0)  # what is left to destroy is not worth the time

    def say(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    most = max(options.waiters, 2 * CANCELLED)
    print(f"Python {platform.python_version()}, medians of up to {options.rounds} rounds\n")
    results, depth = compare(most, max(options.rounds, 1), say)
    say("")
    for line in table(results, depth, most):
        print(line)
    if options.json is not None:
        data = {
            "python": platform.python_version(),
            "machine": platform.platform(),
            "depth": depth,
            "rows": [
                {"measure": what, "of": name, "count": count, "runs": rows}
                for (what, name, count), rows in results.items()
            ],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
