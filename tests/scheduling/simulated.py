"""A server's rate limits and the road to it, as arithmetic: for holding the machine against.

Its own code, written from the platform's facts; it shares nothing with the buckets. Windows open
with the first counted request, or on the clock, or slide, or are GCRA; the clock is off, resets
are rounded as somebody liked, answers take their time, come out of order, or not at all.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xdm_async.budgets.budget import Plan, Report
from xdm_async.scheduling.events import Action, Ask, Cancel, Drop, Go, Lose, Say, Settle, Tick
from xdm_async.scheduling.flows import Ticket
from xdm_async.scheduling.machine import Machine

Rules = Mapping[str, Sequence[tuple[str, int, float]]]
"""Group -> (owner, limit, window) of each of its budgets."""

ROUNDINGS: dict[str, Callable[[float], float]] = {
    "floor": math.floor,
    "round": round,
    "ceil": math.ceil,
}


class Window:
    """One budget of one owner on the server."""

    def __init__(self, limit: int, window: float, kind: str) -> None:
        self.limit, self.window, self.kind = limit, window, kind
        self.ends = -math.inf
        self.count = 0
        self.times: deque[float] = deque()
        self.tat = -math.inf
        self.served: list[int] = []
        self.refused: list[int] = []

    def turn(self, t: float) -> None:
        if self.kind == "sliding":
            while self.times and self.times[0] <= t - self.window:
                self.times.popleft()
            self.count = len(self.times)
            self.ends = t + self.window
            if not self.served:
                self.served, self.refused = [0], [0]
        elif self.kind == "gcra":
            step = self.window / self.limit
            backlog = max(0.0, self.tat - t)
            self.count = math.ceil(backlog / step - 1e-9)
            self.ends = max(t + step, self.tat)
            if not self.served:
                self.served, self.refused = [0], [0]
        elif t >= self.ends:
            if self.kind == "scheduled":
                self.ends = (t // self.window + 1) * self.window
            else:
                self.ends = t + self.window
            self.count = 0
            self.served.append(0)
            self.refused.append(0)

    @property
    def full(self) -> bool:
        return self.count >= self.limit

    def add(self, t: float) -> None:
        self.count += 1
        self.served[-1] += 1
        if self.kind == "sliding":
            self.times.append(t)
        elif self.kind == "gcra":
            self.tat = max(self.tat, t) + self.window / self.limit


@dataclass
class Answer:
    refused: bool
    reports: tuple[Report, ...]
    date: float | None


@dataclass
class Server:
    """What the other side counts, refuses and reports."""

    rules: Rules
    routes: Mapping[str, str]
    day_headers: bool = False
    kind: str = "first"
    rounding: str = "ceil"
    skew: float = 1_700_000_000.0
    rate: float = 1.0
    """How fast its clock runs, measured by ours."""
    headerless: float = 0.0
    """Share of the answers that carry no report (edge errors)."""
    silent: bool = False
    """No report on any answer, refusals included."""
    dateless: bool = False
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    windows: dict[tuple[str, int, str], Window] = field(default_factory=dict)

    def clock(self, now: float) -> float:
        return now * self.rate + self.skew

    def _of(self, user: str, route: str, t: float) -> list[Window]:
        group = self.routes[route]
        found = []
        for i, (owner, limit, window) in enumerate(self.rules[group]):
            key = (group, i, user if owner == "user" else "app")
            if key not in self.windows:
                self.windows[key] = Window(limit, window, self.kind)
            self.windows[key].turn(t)
            found.append(self.windows[key])
        return found

    def spend(self, now: float, user: str, route: str) -> None:
        """Somebody else uses the same token."""
        t = self.clock(now)
        windows = self._of(user, route, t)
        if not any(w.full for w in windows):
            for w in windows:
                w.add(t)

    def handle(self, now: float, user: str, route: str) -> Answer:
        t = self.clock(now)
        windows = self._of(user, route, t)
        refused = any(w.full for w in windows)
        for w in windows:
            if refused:
                w.refused[-1] += w.full
            else:
                w.add(t)
                w.turn(t)
        reports: list[Report] = []
        if not self.silent and self.rng.random() >= self.headerless:
            owners = [owner for owner, _, _ in self.rules[self.routes[route]]]
            for i, (owner, w) in enumerate(zip(owners, windows, strict=True)):
                family = "app-24h" if owner == "app" else ("user-24h" if i else "rate-limit")
                if family == "rate-limit" or self.day_headers:
                    reset = ROUNDINGS[self.rounding](w.ends)
                    reports.append(Report(family, w.limit, max(0, w.limit - w.count), reset))
        return Answer(refused, tuple(reports), None if self.dateless else math.floor(t))

    @property
    def refusals(self) -> int:
        return sum(sum(w.refused) for w in self.windows.values())

    @property
    def worst(self) -> int:
        """The most refusals that one budget gave in one window."""
        return max((max(w.refused) for w in self.windows.values()), default=0)


@dataclass
class Run:
    """What came of it."""

    machine: Machine
    server: Server
    done: list[tuple[float, str, str]] = field(default_factory=list)
    granted: list[tuple[float, Ticket]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    refusals: int = 0
    now: float = 0.0

    @property
    def finished_at(self) -> float:
        return self.done[-1][0]


def simulate(
    plan: Plan,
    server: Server,
    asks: Iterable[tuple[float, str, str]],
    *,
    until: float,
    round_trip: tuple[float, float] = (0.08, 0.16),
    lost: float = 0.0,
    cancelled: float = 0.0,
    foreign: Iterable[tuple[float, str, str]] = (),
    seed: int = 1,
    machine: Machine | None = None,
) -> Run:
    """Let requests ask at their times, carry them to the server and back, until all is done.

    A ``lost`` request reaches the server, and its answer never comes back. A ``cancelled`` one
    is given up at a random moment: waiting, granted, or on its way.
    """
    rng = random.Random(seed)
    machine = machine or Machine(plan, seed=seed, reserve={})
    run = Run(machine, server)
    queue: list[tuple[float, int, str, Any]] = []
    serial = 0

    def later(at: float, kind: str, what: Any) -> None:
        nonlocal serial
        serial += 1
        heapq.heappush(queue, (at, serial, kind, what))

    def carry_out(actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Go):
                run.granted.append((run.now, action.ticket))
                trip = rng.uniform(*round_trip)
                later(run.now + trip * rng.random(), "arrive", (action.ticket, run.now, trip))
            elif isinstance(action, Say):
                run.said.append(action.text)
            else:
                assert not isinstance(action, Drop)

    for at, user, route in asks:
        later(at, "ask", Ticket(user, route))
    for at, user, route in foreign:
        later(at, "foreign", (user, route))
    gone: set[Ticket] = set()
    arrived: set[Ticket] = set()
    while queue or machine.wake_at < math.inf:
        soon = queue[0][0] if queue else math.inf
        if min(soon, machine.wake_at) > until:
            break
        if machine.wake_at <= soon:
            run.now = max(run.now, machine.wake_at)
            carry_out(machine.step(Tick(), run.now))
            continue
        run.now, _, kind, what = heapq.heappop(queue)
        if kind == "foreign":
            server.spend(run.now, *what)
            continue
        ticket = what if isinstance(what, Ticket) else what[0]
        if ticket in gone:
            continue
        if kind == "ask":
            carry_out(machine.step(Ask(ticket), run.now))
            if rng.random() < cancelled:
                later(run.now + rng.expovariate(1 / 5.0), "cancel", ticket)
        elif kind == "cancel":
            gone.add(ticket)
            on_its_way = ticket in arrived
            carry_out(
                machine.step(Lose(ticket, run.now) if on_its_way else Cancel(ticket), run.now)
            )
        elif kind == "arrive":
            _, sent, trip = what
            arrived.add(ticket)
            answer = server.handle(run.now, ticket.user_id, ticket.route)
            received = max(run.now, sent + trip)
            if rng.random() < lost:
                later(sent + 20.0, "lost", (ticket, sent))
            else:
                later(received, "answer", (ticket, sent, received, answer))
        elif kind == "lost":
            gone.add(ticket)
            carry_out(machine.step(Lose(ticket, what[1]), run.now))
        else:
            _, sent, received, answer = what
            run.refusals += answer.refused
            arrived.discard(ticket)
            if not answer.refused:
                gone.add(ticket)
                run.done.append((run.now, ticket.user_id, ticket.route))
            carry_out(
                machine.step(
                    Settle(ticket, sent, received, answer.reports, answer.date, answer.refused),
                    run.now,
                )
            )
    return run
