"""What do 100,000 accounts hold in memory while their budgets count, and what is left after?

    python benchmarks/accounts.py [--accounts N] [--json FILE]

Each account draws on three budgets as `plans.DEFAULT` has them for ``dm.write``: the user's 200
in 15 minutes, the user's 1,000 in a day, the app's 15,000 in a day (here a billion, so that it
lets all of them go). The scheduler's machine is driven by itself in a time of its own: every
account asks, is granted and is settled by an answer whose ``x-rate-limit-*`` count on; the day's
headers come in no answer or in all. Then time leaps two days and `Tick` is called whenever the
machine wants it, until it wants no more. Three lives of an account:

- *one*: a single message, all accounts within 100 s;
- *ten*: ten messages, one a minute (a fiftieth of the accounts);
- *a day*: 960 messages, one each 90 s (a two-thousandth of them: what the app's own buckets hold
  is divided by few here), which is as scattered as a day can be.

Bytes are tracemalloc's, over those of a machine that has done nothing, by account: *counting*
after the last answer, while all three budgets still count; *left* after the leap, where what is
left is mostly the tables that once had room for all (one dict's slots), and no account. The id
of an account (a string of 19 digits, 68 bytes) is part of it. Each line is measured by a process
of its own. Numbers are printed and never judged.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from xdm_async import plans
from xdm_async.budgets.budget import Report
from xdm_async.scheduling.events import Ask, Settle, Tick
from xdm_async.scheduling.flows import Ticket
from xdm_async.scheduling.machine import Machine

ROUTE = "dm_conversations.send"
ROUND_TRIP = 0.12
MIDNIGHT = 1_790_000_000.0
WINDOW, DAY = 900.0, 86_400.0
HUGE = 10**9
PLAN = plans.DEFAULT.override({"dm.write.app.24h": HUGE})


class Life(NamedTuple):
    """How many messages each account sends, one in how many seconds, and by which part of all."""

    messages: int
    every: float
    share: int


LIVES = {"one": Life(1, 100.0, 1), "ten": Life(10, 60.0, 50), "a day": Life(960, 90.0, 2_000)}


class Server:
    """What the server has counted: of each account, and of the app."""

    def __init__(self, accounts: int, *, days: bool) -> None:
        self._days = days
        self._opened = [-DAY] * accounts
        self._used = [0] * accounts
        self._day_opened = [-DAY] * accounts
        self._day_used = [0] * accounts
        self._app_opened = -DAY
        self._app_used = 0

    def reports(self, account: int, at: float) -> tuple[Report, ...]:
        """Count one request, and say what is left."""
        if at >= self._opened[account] + WINDOW:
            self._opened[account], self._used[account] = at, 0
        self._used[account] += 1
        short = self._report("rate-limit", 200, self._used[account], self._opened[account] + WINDOW)
        if not self._days:
            return (short,)
        if self._day_used[account] == 0:
            self._day_opened[account] = at
        if self._app_used == 0:
            self._app_opened = at
        self._day_used[account] += 1
        self._app_used += 1
        return (
            short,
            self._report(
                "user-24h", 1_000, self._day_used[account], self._day_opened[account] + DAY
            ),
            self._report("app-24h", HUGE, self._app_used, self._app_opened + DAY),
        )

    @staticmethod
    def _report(family: str, limit: int, used: int, closes: float) -> Report:
        return Report(family, limit, limit - used, float(math.ceil(MIDNIGHT + closes)))  # type: ignore[arg-type]


def tick(machine: Machine, now: float) -> None:
    while machine.wake_at <= now:
        machine.step(Tick(), now)


def permit(machine: Machine, server: Server, account: int, now: float) -> None:
    """One message of one account, from asking to its answer."""
    # The string is made anew, as it would be by whoever reads it from a database.
    ticket = Ticket(str(10**18 + account), ROUTE)
    machine.step(Ask(ticket), now)
    there = now + ROUND_TRIP / 2
    answer = Settle(
        ticket,
        now,
        now + ROUND_TRIP,
        server.reports(account, there),
        float(math.floor(MIDNIGHT + there)),
    )
    machine.step(answer, now + ROUND_TRIP)


def measure(life: Life, accounts: int, *, days: bool) -> dict[str, float]:
    """One line of the table."""
    server = Server(accounts, days=days)
    machine = Machine(PLAN)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    counted = 0
    began = time.process_time()
    now = 1_000.0
    for message in range(life.messages):
        for account in range(accounts):
            now = 1_000.0 + (message + account / accounts) * life.every
            tick(machine, now)
            permit(machine, server, account, now)
            counted += 1
    asked = time.process_time() - began
    gc.collect()
    # The server's own numbers: floats and ints in the lists that were made before.
    server_memory = server_bytes(server)
    held = tracemalloc.get_traced_memory()[0] - before - server_memory
    owners = len(machine.roster.owners)
    if machine.waiting or owners != accounts:
        raise RuntimeError(f"{machine.waiting} wait, {owners} of {accounts} accounts count")
    began = time.process_time()
    now += 2 * DAY
    ticks = 0
    while machine.wake_at < math.inf:
        now = max(now, machine.wake_at)
        machine.step(Tick(), now)
        ticks += 1
    forgot = time.process_time() - began
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - before - server_memory
    return {
        "accounts": accounts,
        "messages": counted,
        "counting": held / accounts,
        "left": left / accounts,
        "owners_left": len(machine.roster.owners),
        "ticks": ticks,
        "us_to_forget": forgot / accounts * 1e6,
        "us_per_message": asked / counted * 1e6,
    }


def server_bytes(server: Server) -> int:
    """What the server's lists have come to hold, which is not ours."""
    seen: dict[int, int] = {}
    for values in vars(server).values():
        if isinstance(values, list):
            for value in values:
                if not (isinstance(value, int) and -5 <= value <= 256):
                    seen[id(value)] = sys.getsizeof(value)
    return sum(seen.values())


def in_a_process(life: str, accounts: int, *, days: bool) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--measure", life, str(accounts), str(int(days))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    row: dict[str, float] = json.loads(done.stdout)
    return row


def table(rows: list[tuple[str, bool, dict[str, float]]]) -> Iterable[str]:
    yield (
        f"{'life':8}{'day headers':>12}{'accounts':>10}{'counting':>11}{'left':>8}"
        f"{'accounts left':>15}{'µs to forget':>14}"
    )
    for life, days, row in rows:
        yield (
            f"{life:8}{'all' if days else 'none':>12}{row['accounts']:>10,.0f}"
            f"{row['counting']:>9,.0f} B{row['left']:>6,.0f} B"
            f"{row['owners_left']:>15,.0f}{row['us_to_forget']:>14.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        logging.getLogger("xdm_async").setLevel(logging.ERROR)
        life, accounts, days = options.measure
        print(json.dumps(measure(LIVES[life], int(accounts), days=days == "1")), flush=True)
        os._exit(0)  # what is left to destroy is not worth the time
    print(f"Python {platform.python_version()}; µs under tracemalloc, several times the usual\n")
    rows = []
    for name, life in LIVES.items():
        accounts = max(1, options.accounts // life.share)
        rows += [(name, d, in_a_process(name, accounts, days=d)) for d in (False, True)]
    for line in table(rows):
        print(line)
    if options.json is not None:
        data = {
            "python": platform.python_version(),
            "machine": platform.platform(),
            "rows": [{"life": life, "day_headers": days} | row for life, days, row in rows],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
