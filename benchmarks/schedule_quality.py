"""How often is a backlog refused, and how late does it finish, sent by whom?

    python benchmarks/schedule_quality.py [--json FILE]

One user's backlog goes to one simulated server, in virtual time: the emulator's own windows
(`xdm_async.emulator.windows`: 200 in 15 minutes, 1,000 in 24 hours, each opened by the first
request it counts), 60 ms there and 60 ms back, never a lost byte. ``Date`` is truncated to whole
seconds, a reset is rounded up, down or to the nearest, and the server's clock begins at several
phases of a second. Backlogs:

- *three windows*: 600 messages;
- *150 spent*: the same, when something else has used 150 of the first window, 300 s ago;
- *two days*: 1,500, more than a day allows; as most of X's answers are, without the day's
  headers, and with them.

The bound is what nobody can beat: each request arrives at the very moment that the server has
room for it, all that fit at once, and the last answer takes its 60 ms. Senders:

- *ours*: all messages at once in `Scheduler.send`, the default plan, no reserve, and a loop and
  clock of virtual time;
- *tweepy*: `tweepy.Client.create_direct_message` one after the other, and
  `tweepy.asynchronous.AsyncClient`'s, all at once, both with ``wait_on_rate_limit``. tweepy's own
  code, with its HTTP session exchanged for the server and its clock for the virtual one;
- *aiolimiter*: all at once; each acquires of ``AsyncLimiter(200, 900)`` and sends; refused, it
  sleeps until the reset it was told and a second more, and acquires again;
- *backoff*: all at once; each retries by `backoff.on_predicate` with ``expo`` (full jitter, as it
  comes) of at most 900 s.

What is printed is the worst of each figure over all roundings and phases, not the best. Who takes
long to simulate is spared some of them, which is said beside it; nobody but ours reads the day's
headers, so nobody else is asked again where they come. CPU costs no time here: what is compared
is when requests leave. Numbers are printed and never judged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import platform
import random
import selectors
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from multidict import CIMultiDict

from xdm_async import plans
from xdm_async.emulator.windows import RateLimits, ResetRounding
from xdm_async.scheduling.scheduler import Scheduler
from xdm_async.wire.exchange import Request, Response, Route

SEND = Route("dm_conversations.send", "POST", "/2/dm_conversations/with/{participant_id}/messages")
USER = "1234567890123456789"
LIMITS = {"dm.write": (("user", 200, 900), ("user", 1_000, 86_400))}
THERE = BACK = 0.06
EPOCH = 1_790_000_000.0
ROUNDINGS: tuple[ResetRounding, ...] = ("ceil", "floor", "round")
PHASES = (0.0, 0.3, 0.6, 0.95)
LONGEST = 4.0
"""Seconds of real time after which a peer's further settings of one backlog are left out."""


class Backlog(NamedTuple):
    """What is to be sent, and what was before it."""

    messages: int
    spent: int = 0
    spent_before: float = 300.0
    day_headers: bool = False


BACKLOGS = {
    "three windows": Backlog(600),
    "three windows, 150 spent": Backlog(600, spent=150),
    "two days": Backlog(1_500),
    "two days, day headers": Backlog(1_500, day_headers=True),
}


class Setting(NamedTuple):
    """How the server shows its time."""

    rounding: ResetRounding
    phase: float


SETTINGS = [Setting(rounding, phase) for rounding in ROUNDINGS for phase in PHASES]


class Server:
    """The server: what it counts, and its answers as headers; time is counted from the start."""

    def __init__(self, backlog: Backlog, setting: Setting) -> None:
        self.limits = RateLimits(
            LIMITS, reset_rounding=setting.rounding, day_headers=backlog.day_headers
        )
        self._epoch = EPOCH + setting.phase
        self.requests = 0
        self.refused = 0
        self.finished = 0.0
        for _ in range(backlog.spent):
            self.limits.draw(SEND.name, USER, self._epoch - backlog.spent_before)

    def time(self, at: float) -> float:
        """What its clock shows so many seconds after the start."""
        return self._epoch + at

    def arrive(self, at: float) -> tuple[int, dict[str, str]]:
        """Take a request in: the status and the headers of its answer."""
        clock = self.time(at)
        admission = self.limits.draw(SEND.name, USER, clock)
        self.requests += 1
        headers = {"date": formatdate(math.floor(clock), usegmt=True)}
        for report in admission.reports:
            headers.update(report.headers())
        if admission.admitted:
            self.finished = max(self.finished, at + BACK)
            return 201, headers
        self.refused += 1
        return 429, headers


def bound(backlog: Backlog) -> float:
    """When the last answer is in, if each request arrives as soon as there is room."""
    server = Server(backlog, Setting("ceil", 0.0))
    at, left = THERE, backlog.messages
    while left:
        admission = server.limits.draw(SEND.name, USER, server.time(at))
        if admission.admitted:
            left -= 1
            continue
        closing = {record.budget: record.closes_at for record in server.limits.windows()}
        at = max(closing[name] for name in admission.refused_by) - server.time(0.0)
    return at + BACK


# Virtual time


class _Jumping(selectors.DefaultSelector):
    """Where the loop would sleep, its time jumps to where it would wake."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        if timeout > 0:
            self.jump(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps."""

    def __init__(self) -> None:
        selector = _Jumping()
        selector.jump = self._jump
        self._moment = 0.0
        super().__init__(selector)

    def _jump(self, seconds: float) -> None:
        self._moment += seconds

    def time(self) -> float:
        """Seconds since the start."""
        return self._moment

    now = time


async def exchange(server: Server) -> tuple[int, dict[str, str]]:
    """One request over the road and back."""
    await asyncio.sleep(THERE)
    answer = server.arrive(asyncio.get_running_loop().time())
    await asyncio.sleep(BACK)
    return answer


def virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(main(loop))


async def all_at_once(count: int, send: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    await asyncio.gather(*(send() for _ in range(count)))


# The senders


class Road:
    """A `Sender` to the server."""

    def __init__(self, server: Server, loop: VirtualLoop) -> None:
        self._server = server
        self._loop = loop

    async def send(self, request: Request) -> Response:
        """Carry it there and back."""
        request.left, request.sent_at = 1, self._loop.time()
        status, headers = await exchange(self._server)
        return Response(status, CIMultiDict(headers), b"", request.sent_at, self._loop.time())


def scheduler(onward: Road, clock: VirtualLoop) -> Scheduler:
    """Our scheduler as it is measured: the default plan, no reserve."""
    return Scheduler(onward, plans.DEFAULT, clock=clock, reserve={})


def ours(server: Server, count: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        link = scheduler(Road(server, loop), loop)

        async def send() -> None:
            await link.send(Request(SEND, "/", user_id=USER))

        await all_at_once(count, send)

    virtually(main)


_SENT = {"data": {"dm_conversation_id": "1-2", "dm_event_id": "3"}}


def tweepy_client(server: Server, count: int) -> None:
    import tweepy.client

    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    @contextlib.contextmanager
    def request(*_: object, **__: object) -> Iterator[object]:
        sleep(THERE)
        status, headers = server.arrive(now)
        sleep(BACK)
        yield SimpleNamespace(
            status_code=status, reason="", headers=headers, content=b"", json=lambda: _SENT
        )

    client = tweepy.client.Client("token", wait_on_rate_limit=True)
    client.session.request = request
    tweepy.client.time = SimpleNamespace(time=lambda: server.time(now), sleep=sleep)
    try:
        for _ in range(count):
            client.create_direct_message(participant_id=1, text="hi", user_auth=False)
    finally:
        tweepy.client.time = time


def tweepy_async_client(server: Server, count: int) -> None:
    import tweepy.asynchronous.client as module

    async def main(loop: VirtualLoop) -> None:
        @contextlib.asynccontextmanager
        async def request(*_: object, **__: object) -> AsyncIterator[object]:
            status, headers = await exchange(server)

            async def json() -> object:
                return _SENT

            async def read() -> bytes:
                return b""

            yield SimpleNamespace(status=status, reason="", headers=headers, read=read, json=json)

        client = module.AsyncClient("token", wait_on_rate_limit=True)
        client.session = SimpleNamespace(request=request)
        module.time = SimpleNamespace(time=lambda: server.time(loop.time()))

        async def send() -> None:
            await client.create_direct_message(participant_id=1, text="hi", user_auth=False)

        try:
            await all_at_once(count, send)
        finally:
            module.time = time

    virtually(main)


def aiolimiter_with_retry(server: Server, count: int) -> None:
    from aiolimiter import AsyncLimiter

    async def main(loop: VirtualLoop) -> None:
        limiter = AsyncLimiter(200, 900)

        async def send() -> None:
            while True:
                async with limiter:
                    status, headers = await exchange(server)
                if status != 429:
                    return
                reset = int(headers["x-rate-limit-reset"])
                await asyncio.sleep(max(0.0, reset - server.time(loop.time())) + 1.0)

        await all_at_once(count, send)

    virtually(main)


def backoff_expo(server: Server, count: int) -> None:
    import backoff

    def refused(status: int) -> bool:
        return status == 429

    async def main(_: VirtualLoop) -> None:
        @backoff.on_predicate(backoff.expo, refused, max_value=900)
        async def send() -> int:
            status, _ = await exchange(server)
            return status

        await all_at_once(count, send)

    random.seed(0)  # its jitter is drawn from the module's generator
    virtually(main)


SENDERS: dict[str, Callable[[Server, int], None]] = {
    "ours": ours,
    "tweepy, one by one": tweepy_client,
    "tweepy, all at once": tweepy_async_client,
    "aiolimiter and retry": aiolimiter_with_retry,
    "backoff, expo": backoff_expo,
}


# Measuring and telling


class Outcome(NamedTuple):
    """What came of one backlog, or the worst of several."""

    refused: int
    requests: int
    finished: float
    ratio: float


def measure(name: str, backlog: Backlog, best: float) -> tuple[list[Outcome], str]:
    """The outcome in every setting, and why there is none or not of all."""
    outcomes: list[Outcome] = []
    began = time.monotonic()
    for setting in SETTINGS:
        if name != "ours" and time.monotonic() - began > LONGEST:
            return outcomes, f"{len(outcomes)} of {len(SETTINGS)} settings"
        server = Server(backlog, setting)
        try:
            SENDERS[name](server, backlog.messages)
        except ImportError:
            return outcomes, "not installed"
        except RecursionError:
            return outcomes, f"RecursionError after {server.requests:,} requests"
        taken = server.requests - server.refused
        if taken != backlog.messages:
            raise RuntimeError(f"{name}: {taken} of {backlog.messages} were taken")
        outcomes.append(
            Outcome(server.refused, server.requests, server.finished, server.finished / best)
        )
    return outcomes, ""


def worst(outcomes: list[Outcome]) -> Outcome:
    return Outcome(*(max(values) for values in zip(*outcomes, strict=True)))


def line(name: str, outcomes: list[Outcome], note: str) -> str:
    if not outcomes:
        return f"  {name:24}{note:>12}"
    seen = worst(outcomes)
    return (
        f"  {name:24}{seen.refused:>12,}{seen.requests:>12,}{seen.finished:>12,.1f}"
        f"{seen.ratio:>12.5f}  {note}".rstrip()
    )


Results = dict[str, tuple[float, dict[str, tuple[list[Outcome], str]]]]


def compare(say: Callable[[str], None]) -> Iterable[str]:
    results: Results = {}
    yield f"{'':26}{'refused':>12}{'requests':>12}{'finish, s':>12}{'to bound':>12}"
    for title, backlog in BACKLOGS.items():
        best = bound(backlog)
        yield f"{title}: {backlog.messages:,} messages, bound {best:,.2f} s"
        rows = {}
        for name in ("ours",) if backlog.day_headers else SENDERS:
            rows[name] = measure(name, backlog, best)
            yield line(name, *rows[name])
        results[title] = (best, rows)
    say(json.dumps(as_json(results), indent=2))


def as_json(results: Results) -> dict[str, Any]:
    """All of it as plain data, for whoever compares two runs."""
    return {
        "python": platform.python_version(),
        "settings": [setting._asdict() for setting in SETTINGS],
        "backlogs": {
            title: {
                "bound": best,
                "senders": {
                    name: {"note": note, "outcomes": [outcome._asdict() for outcome in outcomes]}
                    for name, (outcomes, note) in rows.items()
                },
            }
            for title, (best, rows) in results.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    for name in ("xdm_async", "tweepy", "backoff"):  # that they wait is meant
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def keep(text: str) -> None:
        if options.json is not None:
            options.json.write_text(text + "\n")

    print(f"the worst of {len(SETTINGS)} settings: {', '.join(ROUNDINGS)} x phases of a second\n")
    for row in compare(keep):
        print(row, flush=True)


if __name__ == "__main__":
    main()
