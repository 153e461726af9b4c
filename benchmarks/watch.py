"""What does it cost to watch accounts in which nothing happens, and how soon is a message seen?

    python benchmarks/watch.py [--accounts N] [--seconds S] [--messages M] [--json FILE]

The emulator serves in a process of its own; everything is real HTTP on loopback, in real time,
through the whole road (permit, signing, aiohttp, models). Two questions:

- *idle*: N accounts in which nothing happens, each with a page of 100 old events or with none,
  are polled as a watch polls at its laziest (once in 54 to 60 s each). The CPU seconds of this
  process over S seconds, by S: the share of a core. Entering, which polls each account once, is
  measured by itself.
- *lively*: one account gets M messages, each a few seconds after the last was seen (2 to 8, 5 on
  average), under the documented 300 requests per 15 minutes. The time from the moment that the
  server has stored a message to the moment that the consumer has it, less what the way to the
  other process takes.

Each line is measured by a process of its own. Numbers are printed and never judged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from xdm_async import App, Event, OAuth2, Page
from xdm_async.emulator import Emulator
from xdm_async.reading import live_source
from xdm_async.streams.pace import IDLE
from xdm_async.streams.source import Source
from xdm_async.streams.watch import Watch

OLD_EVENTS = 100


async def serve(accounts: int, events: int) -> None:
    """The server's side: one line says where; each line that comes in lets a message arrive."""
    ago = 20 * 86_400.0

    def clock() -> float:
        return time.time() - ago

    async with Emulator(clock=clock) as x:
        writer = x.add_user("writer")
        users = [x.add_user() for _ in range(accounts)]
        for n in range(events):
            for user in users:
                x.deliver(writer, user, f"An old message with the number {n}")
            ago -= 3_600
        ago = 0.0
        tokens = [x.token(user)["access_token"] for user in users]
        ready = {"url": x.url, "users": [[u.id, t] for u, t in zip(users, tokens, strict=True)]}
        print(json.dumps(ready), flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            x.deliver(writer, users[0], "hello")
            print(time.time(), flush=True)


class Server:
    """The emulator in another process."""

    def __init__(self, accounts: int, events: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(accounts), str(events)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        about = json.loads(self._line())
        self.url: str = about["url"]
        self.users: list[tuple[str, str]] = about["users"]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def deliver(self) -> float:
        """Let a message arrive; when the server has stored it."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def watch(app: App, server: Server) -> Watch:
    """A watch of all the accounts there are."""
    sources = [
        live_source(app.account(OAuth2(token), user_id=user_id)._hands)
        for user_id, token in server.users
    ]
    return Watch(sources, many=True, chance=random.Random(1))


async def idle(accounts: int, events: int, seconds: float) -> dict[str, float]:
    """CPU of accounts in which nothing happens, once their first minute is over."""
    server = Server(accounts, events)
    polls = 0
    try:
        async with App(base_url=server.url) as app:
            began, cpu = time.monotonic(), time.process_time()
            watching = watch(app, server)
            async with watching:
                entered = time.monotonic() - began, time.process_time() - cpu

                def tally() -> None:
                    nonlocal polls
                    polls += 1

                for watched in watching._all:
                    watched.source = counted(watched.source, tally)
                # The second polls are spread over the first minute.
                await asyncio.sleep(IDLE)
                polls, began, cpu = 0, time.monotonic(), time.process_time()
                await asyncio.sleep(seconds)
                took, used = time.monotonic() - began, time.process_time() - cpu
                tasks = len(asyncio.all_tasks())
    finally:
        server.stop()
    return {
        "accounts": accounts,
        "events": events,
        "enter_seconds": entered[0],
        "enter_cpu": entered[1],
        "seconds": took,
        "polls": polls,
        "cpu_share": used / took,
        "ms_per_poll": used / max(polls, 1) * 1e3,
        "tasks": tasks,
    }


def counted(source: Source, count: Callable[[], None]) -> Source:
    """The same list, whose requests are counted."""

    async def fetch(token: str | None) -> Page[Event]:
        count()
        return await source.fetch(token)

    return attrs.evolve(source, fetch=fetch)


async def lively(messages: int) -> dict[str, float]:
    """How long after it was stored a message is seen."""
    server = Server(1, OLD_EVENTS)
    chance = random.Random(1)
    delays: list[float] = []
    try:
        async with App(base_url=server.url) as app, watch(app, server) as events:
            for _ in range(messages):
                await asyncio.sleep(chance.uniform(2.0, 8.0))
                stored = server.deliver()
                await anext(events)
                delays.append(time.time() - stored)
    finally:
        server.stop()
    return {
        "messages": messages,
        "median": statistics.median(delays),
        "p90": sorted(delays)[int(0.9 * len(delays))],
        "most": max(delays),
    }


def in_a_process(*line: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--measure", *line],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    row: dict[str, float] = json.loads(done.stdout)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--messages", type=int, default=30)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(*options.serve))
        return
    if options.measure:
        what, *numbers = options.measure
        if what == "idle":
            accounts, events, seconds = numbers
            print(json.dumps(asyncio.run(idle(int(accounts), int(events), float(seconds)))))
        else:
            print(json.dumps(asyncio.run(lively(int(numbers[0])))))
        return
    print(f"Python {platform.python_version()}\n")
    print(
        f"{'accounts':>8}{'old events':>12}{'entering':>11}{'CPU of it':>11}{'polls/s':>9}"
        f"{'ms CPU/poll':>13}{'of a core':>11}{'tasks':>7}"
    )
    rows = []
    for events in (0, OLD_EVENTS):
        row = in_a_process("idle", str(options.accounts), str(events), str(options.seconds))
        rows.append(row)
        print(
            f"{row['accounts']:>8,}{row['events']:>12}{row['enter_seconds']:>9.1f} s"
            f"{row['enter_cpu']:>9.1f} s{row['polls'] / row['seconds']:>9.1f}"
            f"{row['ms_per_poll']:>13.2f}{row['cpu_share']:>10.1%}{row['tasks']:>8}"
        )
    seen = in_a_process("lively", str(options.messages))
    print(
        f"\na message of a lively conversation is seen after {seen['median']:.2f} s (median), "
        f"{seen['p90']:.2f} s (nine of ten), {seen['most']:.2f} s (the latest of "
        f"{seen['messages']})"
    )
    if options.json is not None:
        data = {
            "python": platform.python_version(),
            "machine": platform.platform(),
            "idle": rows,
            "lively": seen,
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
