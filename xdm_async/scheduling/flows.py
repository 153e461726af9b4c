"""Flows: who waits for what, and in which order those of one account leave.

A *flow* is one account drawing on one group of budgets. Its tickets leave by priority, and first
come, first served among equals; now and then a less urgent one goes before, so that nobody waits
for ever. The order between flows is the pool's (`xdm_async.scheduling.pool`). Nothing here knows
the time or a budget's sums: `xdm_async.scheduling.machine` asks the buckets, and puts flows where
the answers say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from ..budgets.bucket import Bucket
from ..budgets.priority import Priority

if TYPE_CHECKING:
    from .pool import Pool

INFINITY = float("inf")

SERVICE = 1_000_000
"""What one grant of weight 1 adds to a flow's attained service."""
IN_A_ROW = 16
"""Grants of one priority after which the next lower one that waits gets one."""


class Stage(IntEnum):
    """Where a ticket is on its way."""

    WAITING = 0
    GRANTED = 1
    LOST = 2
    DONE = 3


_WAITING = Stage.WAITING


class Ticket:
    """One request's place in line, and while it is granted its permit.

    A granted ticket holds one token of each of ``buckets``; ``probes`` marks those for which it
    is the one that finds out. ``sink`` is the shell's: whoever waits for the grant.
    """

    __slots__ = (
        "buckets",
        "cost",
        "deadline",
        "flow",
        "following",
        "previous",
        "priority",
        "probes",
        "route",
        "sink",
        "stage",
        "user_id",
    )

    def __init__(
        self,
        user_id: str,
        route: str,
        priority: Priority = Priority.NORMAL,
        weight: float = 1.0,
        deadline: float = INFINITY,
    ) -> None:
        self.user_id = user_id
        self.route = route
        self.priority = priority
        self.cost = SERVICE if weight == 1.0 else max(1, round(SERVICE / weight))
        """What it adds to its flow's attained service: with weight 2 it counts half."""
        self.deadline = deadline
        """When it is not wanted any more if it has not been granted."""
        self.stage = _WAITING
        self.probes = 0
        # From when it asks, is in line, is granted, or the shell says so; not there before.
        self.flow: Flow
        self.previous: Ticket | None
        self.following: Ticket | None
        self.buckets: tuple[Bucket, ...]
        self.sink: object

    def __repr__(self) -> str:
        return f"<Ticket {self.route} of {self.user_id}: {self.stage.name.lower()}>"


class Place(IntEnum):
    """Where a flow is."""

    IDLE = 0
    """Nobody waits in it."""
    READY = 1
    """In its pool's line, as far as its own buckets were last asked."""
    PARKED = 2
    """One of its own buckets gives nothing until a moment, or until an answer."""


class Line:
    """The waiting tickets of one flow and one priority, in order of arrival."""

    __slots__ = ("count", "first", "last", "priority", "returned", "run")

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.first: Ticket | None = None
        self.last: Ticket | None = None
        self.returned: Ticket | None = None
        """The last of those that were granted, could not go, and came back in their order."""
        self.count = 0
        self.run = 0
        """Grants since the next lower line last had one, while that waited."""


class Flow:
    """The waiting tickets of one account for one group of budgets.

    Always true: ``lines`` are the lines of those who wait, the most urgent first, and of those who
    have while others still do; ``waiting`` is how many tickets they hold.
    """

    __slots__ = (
        "blocker",
        "buckets",
        "due",
        "expected",
        "group",
        "lined",
        "lines",
        "own",
        "owner",
        "place",
        "pool",
        "rank",
        "served",
        "waiting",
    )

    def __init__(self, owner: Owner, group: str) -> None:
        self.owner = owner
        self.group = group
        self.buckets: tuple[Bucket, ...] = ()
        self.own = 0
        """How many of ``buckets`` are the account's own; they come first."""
        self.pool: Pool
        self.lines: Sequence[Line] = ()
        self.waiting = 0
        self.served = 0
        """Attained service, as the pool compares it."""
        self.lined = 0
        """In which of the pool's lines it has an entry for ``served``: a bit for each priority."""
        self.rank = Priority.BULK
        """While READY: in which of the pool's lines."""
        self.place = Place.IDLE
        self.due = 0.0
        self.expected = False
        """Parked only until an answer that is on its way: its pool keeps its share."""
        self.blocker: Bucket | None = None

    def __repr__(self) -> str:
        return (
            f"<Flow {self.group} of {self.owner.user_id}: {self.place.name.lower()}, "
            f"{self.waiting} waiting>"
        )

    @property
    def urgency(self) -> Priority:
        """The highest priority that waits here; somebody does."""
        return next(line.priority for line in self.lines if line.count)

    def park(self, due: float) -> None:
        """Its own buckets give nothing until ``due``, or until an answer."""
        self.place, self.due = Place.PARKED, due
        self.owner.parked += 1
        if self.blocker is not None and self.pool.buckets and self.blocker.expected:
            self.pool.expect(self, +1)

    def unpark(self) -> None:
        """Out of what it waited for, to be lined up again."""
        self.place = Place.IDLE
        self.owner.parked -= 1
        if self.expected:
            self.pool.expect(self, -1)

    def append(self, ticket: Ticket) -> None:
        """Join the end of the line of its priority."""
        line = self._line(ticket.priority)
        ticket.flow, ticket.stage = self, Stage.WAITING
        ticket.previous, ticket.following = line.last, None
        if line.last is None:
            line.first = ticket
        else:
            line.last.following = ticket
        line.last = ticket
        self._count(line, 1)

    def push_front(self, ticket: Ticket) -> None:
        """Back to the front of its line: it has been granted before those who wait."""
        line = self._line(ticket.priority)
        ticket.flow, ticket.stage = self, Stage.WAITING
        ticket.previous, ticket.following = None, line.first
        if line.first is None:
            line.last = ticket
        else:
            line.first.previous = ticket
        line.first = ticket
        self._count(line, 1)

    def put_back(self, ticket: Ticket) -> None:
        """Granted before, and not gone: before those who wait, behind those who came back so."""
        line = self._line(ticket.priority)
        before = line.returned
        line.returned = ticket
        if before is None:
            self.push_front(ticket)
            return
        ticket.flow, ticket.stage = self, Stage.WAITING
        ticket.previous, ticket.following = before, before.following
        if before.following is None:
            line.last = ticket
        else:
            before.following.previous = ticket
        before.following = ticket
        self._count(line, 1)

    def remove(self, ticket: Ticket) -> None:
        """Leave the line, from wherever in it; O(1)."""
        line = self._line(ticket.priority)
        if line.returned is ticket:
            line.returned = ticket.previous
        if ticket.previous is None:
            line.first = ticket.following
        else:
            ticket.previous.following = ticket.following
        if ticket.following is None:
            line.last = ticket.previous
        else:
            ticket.following.previous = ticket.previous
        ticket.previous = ticket.following = None
        self._count(line, -1)

    def choose(self, allowed: Sequence[bool]) -> Ticket | None:
        """Who goes next of those whose priority may go now; nobody before the most urgent does,
        but for a less urgent one after so many in a row.
        """
        chosen: Line | None = None
        for line in self.lines:
            if not line.count:
                continue
            if chosen is None and not allowed[line.priority]:
                return None
            if chosen is not None and (chosen.run < IN_A_ROW or not allowed[line.priority]):
                break
            chosen = line
        return None if chosen is None else chosen.first

    def served_one(self, ticket: Ticket) -> None:
        """This ticket leaves the line and is granted."""
        lines = self.lines
        if len(lines) > 1:
            for line in lines:
                if line.priority > ticket.priority:
                    line.run = 0
                elif line.priority == ticket.priority and self.waiting > self._down_to(line):
                    line.run += 1
        self.remove(ticket)
        self.served += ticket.cost
        self.lined = 0

    def serve(self, many: int) -> list[Ticket]:
        """So many leave the one line that there is, and are granted."""
        (line,) = (line for line in self.lines if line.count)
        gone = []
        ticket = line.first
        for _ in range(many):
            assert ticket is not None
            gone.append(ticket)
            self.served += ticket.cost
            if ticket is line.returned:
                line.returned = None
            following = ticket.following
            ticket.previous = ticket.following = None
            ticket = following
        self.lined = 0
        line.first = ticket
        if ticket is None:
            line.last = None
        else:
            ticket.previous = None
        self._count(line, -many)
        return gone

    def ahead_of(self, priority: Priority) -> int:
        """How many would go before one more ticket of this priority."""
        return sum(line.count for line in self.lines if line.priority >= priority)

    def tickets(self) -> Iterator[Ticket]:
        """Those who wait, the most urgent first; the lines may be changed meanwhile."""
        for line in tuple(self.lines):
            ticket = line.first
            while ticket is not None:
                following = ticket.following
                yield ticket
                ticket = following

    def _down_to(self, line: Line) -> int:
        """How many wait in this line and those above."""
        return sum(other.count for other in self.lines if other.priority >= line.priority)

    def _line(self, priority: Priority) -> Line:
        for line in self.lines:
            if line.priority == priority:
                return line
        line = Line(priority)
        self.lines = sorted((*self.lines, line), key=_most_urgent_first)
        return line

    def _count(self, line: Line, change: int) -> None:
        line.count += change
        self.waiting += change
        self.owner.waiting += change
        if self.waiting == change:
            self.pool.waiting += 1
        elif not self.waiting:
            self.pool.waiting -= 1
        if self.expected:
            self.pool.expected_waiting += change
        if not self.waiting:
            self.lines = ()


def _most_urgent_first(line: Line) -> int:
    return -line.priority


class Owner:
    """One account: its flows, and through them its buckets."""

    __slots__ = ("due", "flows", "parked", "user_id", "waiting")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.flows: tuple[Flow, ...] = ()
        self.parked = 0
        """How many of the flows are parked."""
        self.waiting = 0
        """How many tickets wait in them."""
        self.due = 0
        """In which round it is looked at for being forgotten; 0 where that is not planned."""

    def flow(self, group: str) -> Flow | None:
        """Its flow for a group of budgets, if there is one."""
        for flow in self.flows:
            if flow.group == group:
                return flow
        return None

    def buckets(self) -> dict[str, Bucket]:
        """Its own buckets by budget name: those of its flows."""
        return {b.budget.name: b for flow in self.flows for b in flow.buckets[: flow.own]}
