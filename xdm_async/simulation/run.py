"""A simulation as it runs: the machine is told what happens, and its grants travel to the server.

The machine is the scheduler's own; the windows are the emulator's; between them is a road that
takes its time. Everything here is in order of time, and what is random comes from the seed. What
came of it is summed up in `result`.
"""

from __future__ import annotations

import heapq
import math
import random
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Final, cast

from ..budgets.budget import Family
from ..budgets.budget import Report as Told
from ..budgets.priority import Priority
from ..emulator.windows import RateLimits, Report
from ..scheduling.events import Action, Ask, Go, Say, Settle, Tick
from ..scheduling.flows import Ticket
from ..scheduling.machine import Machine
from .result import Result, summed_up
from .setting import ROUTE, Setting, arrivals, foreign

MIDNIGHT: Final = 1_767_225_600.0
"""When it starts, in seconds since 1970: a first of January."""

_FAMILIES: Final[Mapping[str, Family]] = {
    "x-rate-limit": "rate-limit",
    "x-user-limit-24hour": "user-24h",
    "x-app-limit-24hour": "app-24h",
}


class Simulation:
    """One setting on its way from its first second to its last.

    Always true:

    - ``now`` never goes back, and nothing happens after ``setting.seconds``;
    - every request is seen by the server once, between its grant and its answer.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now = 0.0
        """Seconds since the start."""
        self.asked = 0
        """Messages that were there to be sent so far."""
        self.sent = 0
        """Messages that the server has taken."""
        self.requests = 0
        self.refused = 0
        """Requests of ours that the server answered with 429."""
        self.finished_at = 0.0
        """When the answer to the last message taken came in, or will."""
        self.says: list[tuple[float, str]] = []
        """What the machine wrote to its log, and when."""
        rng = random.Random(setting.seed)
        self._random = rng
        self._machine = Machine(setting.plan, seed=setting.seed, reserve=setting.reserve)
        self._ours = arrivals(setting, rng)
        probe = RateLimits(setting.limits)
        self.budgets = tuple(b for b in probe.budgets(ROUTE) if b.owner != "app-only")
        self._others = foreign(setting, self.budgets, rng)
        most = len(self._ours) + len(self._others)
        self.server = RateLimits(setting.limits, records_kept=most * max(1, len(self.budgets)) + 1)
        self._next_other = 0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        """What is on its way: requests, answers, and others who come again."""
        self._serial = 0
        self._epoch = MIDNIGHT + setting.clock_skew
        self.asked_at = [array("d") for _ in range(setting.accounts)]
        """By account, when its messages were there to be sent; the server's clock."""
        self.taken_at = [array("d") for _ in range(setting.accounts)]
        """By account, when the server took them; the server's clock."""
        self.counted_at = array("d")
        """When the server counted anything, of others too; the server's clock."""
        self.waits = array("d", [math.nan]) * len(self._ours)
        """By message, from being there to leaving; nan while the server has not taken it."""

    def __repr__(self) -> str:
        return f"<Simulation: {self.sent} of {self.asked} sent at {self.now:.0f} s>"

    @property
    def backlog(self) -> int:
        """How many messages wait for their turn."""
        return self._machine.waiting

    @property
    def stalled(self) -> bool:
        """Whether messages wait and nothing will ever happen: never, if the machine is right."""
        return bool(self._machine.waiting) and math.isinf(self._upcoming())

    def clock(self, at: float) -> float:
        """What the server's clock shows ``at`` seconds after the start."""
        return self._epoch + at

    def since_start(self, shown: float) -> float:
        """Seconds after the start at which the server's clock shows this."""
        return shown - self._epoch

    def advance(self, events: int) -> bool:
        """Let so many things happen, in order; whether more will within the hours."""
        machine, until = self._machine, self.setting.seconds
        for _ in range(events):
            at = self._upcoming()
            if at > until:
                return False
            if at > self.now:
                self.now = at
            if machine.wake_at <= at:
                self._carry_out(machine.step(Tick(), self.now))
            elif self._later and self._later[0][0] <= at:
                heapq.heappop(self._later)[2]()
            elif self.asked < len(self._ours) and self._ours[self.asked][0] <= at:
                self._ask()
            else:
                self._next_other += 1
                self._foreign(self._others[self._next_other - 1][1])
        return True

    def waited(self) -> Iterator[tuple[Priority, float]]:
        """How urgent each message was and how long it waited, or will have when the hours end."""
        priorities = [part.priority for part in self.setting.mix]
        for (at, _, part), wait in zip(islice(self._ours, self.asked), self.waits, strict=False):
            yield priorities[part], self.setting.seconds - at if math.isnan(wait) else wait

    def result(self) -> Result:
        """Sum up what came of it."""
        return summed_up(self)

    def _upcoming(self) -> float:
        at = self._machine.wake_at
        if self._later and self._later[0][0] < at:
            at = self._later[0][0]
        if self.asked < len(self._ours) and self._ours[self.asked][0] < at:
            at = self._ours[self.asked][0]
        if self._next_other < len(self._others) and self._others[self._next_other][0] < at:
            at = self._others[self._next_other][0]
        return at

    def _ask(self) -> None:
        _, account, part = self._ours[self.asked]
        self.asked_at[account].append(self.clock(self.now))
        ticket = Ticket(str(account + 1), ROUTE, self.setting.mix[part].priority)
        ticket.sink = self.asked
        self.asked += 1
        self._carry_out(self._machine.step(Ask(ticket), self.now))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Go):
                # Half of it is the road, and the rest now and then much longer than usual.
                trip = self.setting.latency * (0.5 + self._random.expovariate(2.0))
                there = self.now + trip * self._random.random()
                arrive = partial(self._arrive, action.ticket, self.now, self.now + trip)
                self._at(there, arrive)
            elif isinstance(action, Say):
                self.says.append((self.now, action.text))

    def _at(self, at: float, what: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._later, (at, self._serial, what))

    def _arrive(self, ticket: Ticket, sent: float, received: float) -> None:
        """The server's side of one request: counted or refused, and its answer under way."""
        clock = self.clock(self.now)
        admission = self.server.draw(ROUTE, ticket.user_id, clock)
        self.requests += 1
        if admission.admitted:
            self.sent += 1
            self.taken_at[int(ticket.user_id) - 1].append(clock)
            self.counted_at.append(clock)
            message = cast(int, ticket.sink)
            self.waits[message] = sent - self._ours[message][0]
            self.finished_at = max(self.finished_at, received)
        else:
            self.refused += 1
        reports = tuple([_told(report) for report in admission.reports])
        date = float(math.floor(clock))
        answer = Settle(ticket, sent, received, reports, date, not admission.admitted)
        self._at(received, partial(self._settle, answer))

    def _settle(self, answer: Settle) -> None:
        self._carry_out(self._machine.step(answer, self.now))

    def _foreign(self, account: int) -> None:
        """Others send with this account's token; refused by the shortest window, they come again.

        They know its reset as well as we do, and most of them are there before we dare to.
        """
        clock = self.clock(self.now)
        admission = self.server.draw(ROUTE, str(account + 1), clock)
        if admission.admitted:
            self.counted_at.append(clock)
        elif admission.refused_by == (self.budgets[0].name,):
            opens = self.since_start(admission.reports[0].reset)
            again = max(opens, self.now) + self._random.expovariate(2.0)
            self._at(again, partial(self._foreign, account))


def _told(report: Report) -> Told:
    family = _FAMILIES[report.family]
    return Told(family, report.limit, report.remaining, float(report.reset))
