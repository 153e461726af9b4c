"""Feeds a machine one event after the other, at times that a test chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from xdm_async.budgets import plans
from xdm_async.budgets.budget import Budget, Family, Plan, Report
from xdm_async.budgets.priority import RESERVE, Priority
from xdm_async.scheduling.events import Ask, Cancel, Drop, Event, Exhaust, Go, Say, Settle, Tick
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import Machine

SEND, READ = "dm_conversations.send", "dm_events.list"
EPOCH = 1_700_000_000.0
WINDOW = 900.0
BULK, NORMAL, INTERACTIVE = Priority
HALF = {BULK: 0.5, NORMAL: 0.15}
"""The reserve as it is by default, in numbers that a test can count on."""
assert dict(RESERVE) == HALF


def app_plan(
    limit: int,
    *,
    user: int | None = None,
    headroom: int = 0,
    report: Family | None = "app-24h",
    window: float = WINDOW,
) -> Plan:
    """One budget of the app, and perhaps one of each user."""
    budgets = [Budget(limit, window, "app", "app", headroom, report)]
    if user is not None:
        budgets.append(Budget(user, window, "user", "user", report="rate-limit"))
    return Plan("small", {"g": tuple(budgets)}, {SEND: "g"})


def user_plan(limit: int, *, report: Family | None = "rate-limit", window: float = WINDOW) -> Plan:
    """One budget of each user."""
    return Plan(
        "small", {"g": (Budget(limit, window, "user", "user", report=report),)}, {SEND: "g"}
    )


class Driver:
    """Feeds a machine events at times that a test chooses."""

    def __init__(
        self, plan: Plan = plans.DEFAULT, *, reserve: Mapping[Priority, float] = {}, **options: Any
    ) -> None:
        self.machine = Machine(plan, seed=1, reserve=reserve, **options)
        self.now = 1_000.0
        self.granted: list[Ticket] = []
        self.granted_at: list[float] = []
        self.dropped: list[Ticket] = []
        self.exhausted: list[tuple[float, Exhaust]] = []
        self.said: list[str] = []

    def step(self, event: Event) -> None:
        for action in self.machine.step(event, self.now):
            if isinstance(action, Go):
                self.granted.append(action.ticket)
                self.granted_at.append(self.now)
            elif isinstance(action, Drop):
                self.dropped.append(action.ticket)
            elif isinstance(action, Exhaust):
                self.exhausted.append((self.now, action))
            elif isinstance(action, Say):
                self.said.append(action.text)

    def ask(
        self,
        user: str = "1",
        route: str = SEND,
        priority: Priority = NORMAL,
        *,
        weight: float = 1.0,
        max_wait: float = math.inf,
    ) -> Ticket:
        ticket = Ticket(user, route, priority, weight, self.now + max_wait)
        self.step(Ask(ticket))
        return ticket

    def ask_many(self, many: int, *args: Any, **options: Any) -> list[Ticket]:
        return [self.ask(*args, **options) for _ in range(many)]

    def ask_shortly(self, user: str, priority: Priority, route: str = SEND) -> Ticket:
        """As the shell asks: by the straight way where there is one."""
        ticket = Ticket(user, route, priority)
        if self.machine.admit(ticket, self.now):
            self.granted.append(ticket)
            self.granted_at.append(self.now)
        else:
            self.step(Ask(ticket))
        return ticket

    def report(
        self,
        remaining: int,
        limit: int,
        reset_in: float = WINDOW,
        family: Family = "rate-limit",
    ) -> Report:
        return Report(family, limit, remaining, math.ceil(EPOCH + self.now + reset_in))

    def settle(
        self, ticket: Ticket, *reports: Report, refused: bool = False, ago: float = 0.1
    ) -> None:
        date = math.floor(EPOCH + self.now)
        self.step(Settle(ticket, self.now - ago, self.now, reports, date, refused))

    def known(self, user: str = "1", *, left: int, limit: int = 200) -> None:
        """Let one request of the user report a window with so many tokens left."""
        self.settle(self.ask(user), self.report(left, limit))

    def app_known(self, *, left: int, limit: int, reset_in: float = WINDOW) -> None:
        """Let an urgent request report that the app has so many tokens left."""
        ticket = self.ask("first", priority=INTERACTIVE)
        assert ticket.stage is Stage.GRANTED
        self.settle(ticket, self.report(left, limit, reset_in, "app-24h"))

    def cancel(self, *tickets: Ticket) -> None:
        for ticket in tickets:
            self.step(Cancel(ticket))

    def tick(self) -> None:
        self.step(Tick())

    def advance(self, seconds: float) -> None:
        self.advance_to(self.now + seconds)

    def advance_to(self, end: float) -> None:
        while self.machine.wake_at <= end:
            self.now = max(self.now, self.machine.wake_at)
            self.tick()
        self.now = end

    @property
    def priorities(self) -> list[Priority]:
        """Of those who have been granted, in turn."""
        return [ticket.priority for ticket in self.granted]

    @property
    def waiting_in_lines(self) -> bool:
        """Whether any flow is still in the line of a pool."""
        return any(self.machine.roster.pools.values())


def is_granted(tickets: list[Ticket]) -> list[bool]:
    return [ticket.stage is Stage.GRANTED for ticket in tickets]
