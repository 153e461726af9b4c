"""Flows: who waits for what, and who goes next among those who may.

A *flow* is one account drawing on one group of budgets; its tickets leave first come, first
served. A *pool* is all flows that share the same budgets of the app; among those that are ready
the one that has been served least goes first, and what is scarce is kept for those who have been
served less and will be ready with the next answer. Nothing here knows the time or a budget's sums:
`xdm_async.scheduling.machine` asks the buckets, and puts flows where the answers say.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from enum import IntEnum

from ..budgets.bucket import Bucket

CATCH_UP = 16
"""How many requests a flow that was idle may be behind the others, and so ahead in line."""


class Stage(IntEnum):
    """Where a ticket is on its way."""

    WAITING = 0
    GRANTED = 1
    LOST = 2
    DONE = 3


class Ticket:
    """One request's place in line, and while it is granted its permit.

    A granted ticket holds one token of each of ``buckets``; ``probes`` marks those for which it
    is the one that finds out. ``sink`` is the shell's: whoever waits for the grant.
    """

    __slots__ = (
        "buckets",
        "flow",
        "following",
        "previous",
        "probes",
        "route",
        "sink",
        "stage",
        "user_id",
    )

    def __init__(self, user_id: str, route: str) -> None:
        self.user_id = user_id
        self.route = route
        self.stage = Stage.WAITING
        self.buckets: tuple[Bucket, ...] = ()
        self.probes = 0
        self.flow: Flow | None = None
        self.previous: Ticket | None = None
        self.following: Ticket | None = None
        self.sink: object = None

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


class Flow:
    """The waiting tickets of one account for one group of budgets, in order of arrival."""

    __slots__ = (
        "blocker",
        "buckets",
        "due",
        "expected",
        "first",
        "group",
        "in_flight",
        "last",
        "own",
        "owner",
        "place",
        "pool",
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
        self.first: Ticket | None = None
        self.last: Ticket | None = None
        self.waiting = 0
        self.in_flight = 0
        self.served = 0
        """Attained service: grants so far, as the pool compares them."""
        self.place = Place.IDLE
        self.due = 0.0
        self.expected = False
        """Parked only until an answer that is on its way: its pool keeps its share."""
        self.blocker: Bucket | None = None

    def __repr__(self) -> str:
        return (
            f"<Flow {self.group} of {self.owner.user_id}: {self.place.name.lower()}, "
            f"{self.waiting} waiting, {self.in_flight} in flight>"
        )

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
        """Join the end of the line."""
        ticket.flow, ticket.stage = self, Stage.WAITING
        ticket.previous, ticket.following = self.last, None
        if self.last is None:
            self.first = ticket
            self.pool.waiting += 1
        else:
            self.last.following = ticket
        self.last = ticket
        self._count(1)

    def push_front(self, ticket: Ticket) -> None:
        """Back to the front of the line: it has been granted before those who wait."""
        ticket.flow, ticket.stage = self, Stage.WAITING
        ticket.previous, ticket.following = None, self.first
        if self.first is None:
            self.last = ticket
            self.pool.waiting += 1
        else:
            self.first.previous = ticket
        self.first = ticket
        self._count(1)

    def remove(self, ticket: Ticket) -> None:
        """Leave the line, from wherever in it; O(1)."""
        if ticket.previous is None:
            self.first = ticket.following
        else:
            ticket.previous.following = ticket.following
        if ticket.following is None:
            self.last = ticket.previous
        else:
            ticket.following.previous = ticket.previous
        ticket.previous = ticket.following = None
        self._count(-1)
        if self.first is None:
            self.pool.waiting -= 1

    def _count(self, change: int) -> None:
        self.waiting += change
        if self.expected:
            self.pool.expected_waiting += change

    def tickets(self) -> Iterator[Ticket]:
        """Those who wait, in order; the line may be changed meanwhile."""
        ticket = self.first
        while ticket is not None:
            following = ticket.following
            yield ticket
            ticket = following


class Owner:
    """One account: its buckets by budget name, its flows by group."""

    __slots__ = ("buckets", "due", "flows", "parked", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.buckets: dict[str, Bucket] = {}
        self.flows: dict[str, Flow] = {}
        self.parked = 0
        """How many of the flows are parked."""
        self.due = 0.0
        """When it is next looked at for being forgotten; 0 where that is not planned."""


class Pool:
    """The ready flows that share the same buckets of the app, least served first.

    ``expected`` counts the flows that only wait for an answer on its way (a probe's): without a
    share kept for them, those whose answer came first would take all that is left.
    """

    __slots__ = (
        "_floor",
        "_levels",
        "_order",
        "buckets",
        "due",
        "expected",
        "expected_served",
        "expected_waiting",
        "shut",
        "waiting",
    )

    def __init__(self, buckets: tuple[Bucket, ...]) -> None:
        self.buckets = buckets
        self.waiting = 0
        """How many flows of this pool have someone waiting."""
        self.shut = False
        """Whether a bucket of the app gives nothing while flows are ready."""
        self.due = 0.0
        self.expected = 0
        self.expected_served = 0
        self.expected_waiting = 0
        self._levels: dict[int, deque[Flow]] = {}
        self._order: list[int] = []
        self._floor = 0

    def __bool__(self) -> bool:
        return bool(self._order)

    def welcome(self, flow: Flow) -> None:
        """A flow that was idle does not bring more than a little credit along."""
        flow.served = max(flow.served, self._floor - CATCH_UP)

    def pass_by(self, flow: Flow) -> None:
        """A flow is served at once, since nobody is in line: as if pushed and popped."""
        self.welcome(flow)
        self._floor = max(self._floor, flow.served)
        flow.served += 1

    def push(self, flow: Flow, *, first: bool = False) -> None:
        """A flow is ready: behind its equals, or back before them where it was just popped."""
        flow.place = Place.READY
        level = self._levels.get(flow.served)
        if level is None:
            level = self._levels[flow.served] = deque()
            heapq.heappush(self._order, flow.served)
        if first:
            level.appendleft(flow)
        else:
            level.append(flow)

    def pop(self) -> Flow:
        """The flow that has been served least, and among equals the one that is ready longest."""
        served = self._order[0]
        level = self._levels[served]
        flow = level.popleft()
        if not level:
            heapq.heappop(self._order)
            del self._levels[served]
        if served > self._floor:
            self._floor = served
        return flow

    def expect(self, flow: Flow, sign: int) -> None:
        """Begin (+1) or cease (-1) to keep a share for a flow."""
        flow.expected = sign > 0
        self.expected += sign
        self.expected_served += sign * flow.served
        self.expected_waiting += sign * flow.waiting

    def kept_from(self, flow: Flow) -> int:
        """Tokens of the app that this flow may not touch: what brings the expected ones level."""
        behind = self.expected * flow.served - self.expected_served
        return max(0, min(behind, self.expected_waiting))

    @property
    def tokens(self) -> int:
        """What the scarcest of the app's buckets has left."""
        return min(bucket.tokens for bucket in self.buckets)
