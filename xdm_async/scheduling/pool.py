"""Pools: who goes next between accounts that share the app's budgets.

Among the flows that are ready the one that has been served least goes first, whatever the number
of its requests: least attained service, with a bounded catch-up after idling. What is scarce is
kept for those who have been served less and will be ready with the next answer, and a part of it
from the less urgent.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from ..budgets.bucket import Bucket
from ..budgets.priority import Priority
from .flows import SERVICE, Flow, Place

CATCH_UP = 16 * SERVICE
"""How far a flow that was idle may be behind the others, and so ahead in line."""

INFINITY = float("inf")

_URGENT_FIRST = tuple(sorted(Priority, reverse=True))


class Levels:
    """Ready flows by attained service: O(1) for each, however many there are.

    A flow that went to another line, was served or is parked since leaves its entry behind: it is
    passed over when its turn comes. `Flow.lined` says in which lines it has an entry already, so
    that coming and going does not leave more than one in each.
    """

    __slots__ = ("_levels", "order")

    def __init__(self) -> None:
        self._levels: dict[int, deque[Flow]] = {}
        self.order: list[int] = []
        """A heap of the levels there are."""

    def push(self, flow: Flow, *, first: bool) -> None:
        """Behind its equals, or before them."""
        level = self._levels.get(flow.served)
        if level is None:
            level = self._levels[flow.served] = deque()
            heapq.heappush(self.order, flow.served)
        if first:
            level.appendleft(flow)
        else:
            level.append(flow)

    def pop(self) -> Flow:
        """Out of the lowest level there is."""
        served = self.order[0]
        level = self._levels[served]
        flow = level.popleft()
        if not level:
            heapq.heappop(self.order)
            del self._levels[served]
        return flow


class Pool:
    """The ready flows that share the same buckets of the app, least served first.

    ``expected`` counts the flows that only wait for an answer on its way (a probe's): without a
    share kept for them, those whose answer came first would take all that is left.
    """

    __slots__ = (
        "_lines",
        "buckets",
        "due",
        "expected",
        "expected_served",
        "expected_waiting",
        "floor",
        "fresh_until",
        "kept",
        "kept_until",
        "only",
        "shut",
        "waiting",
    )

    def __init__(self, buckets: tuple[Bucket, ...]) -> None:
        self.buckets = buckets
        self.only = buckets[0] if len(buckets) == 1 else None
        """The one bucket of the app, where there is just one."""
        self.waiting = 0
        """How many flows of this pool have someone waiting."""
        self.shut = False
        """Whether flows are ready and may not go."""
        self.due = 0.0
        self.expected = 0
        self.expected_served = 0
        self.expected_waiting = 0
        self.kept: Sequence[float] = (0.0, 0.0, 0.0)
        """By priority, the tokens of the app that it may not touch, as last worked out."""
        self.kept_until = -INFINITY
        """How long that may be relied on."""
        self.fresh_until = -INFINITY
        """How long nobody is in line and ``kept`` is all there is to know."""
        self._lines = tuple(Levels() for _ in Priority)
        self.floor = 0

    def __bool__(self) -> bool:
        bulk, normal, interactive = self._lines
        return bool(bulk.order or normal.order or interactive.order)

    def welcome(self, flow: Flow) -> None:
        """A flow that was idle does not bring more than a little credit along."""
        if flow.served < self.floor - CATCH_UP:
            flow.served, flow.lined = self.floor - CATCH_UP, 0

    def pass_by(self, flow: Flow, cost: int) -> None:
        """A flow is served at once, since nobody is in line: as if pushed and popped."""
        served = self.floor - CATCH_UP
        if flow.served > served:
            served = flow.served
            if served > self.floor:
                self.floor = served
        flow.served, flow.lined = served + cost, 0

    def give_back(self, flow: Flow, cost: int) -> None:
        """A grant came to nothing: as if the flow had not been served."""
        if not flow.expected:
            flow.served, flow.lined = max(0, flow.served - cost), 0
            if flow.place is Place.READY:
                self.push(flow)

    def push(self, flow: Flow, *, first: bool = False) -> None:
        """A flow is ready: behind its equals, or back before them where it was just popped."""
        flow.place, flow.rank = Place.READY, flow.urgency
        if not flow.lined & 1 << flow.rank:
            flow.lined |= 1 << flow.rank
            self._lines[flow.rank].push(flow, first=first)

    def upgrade(self, flow: Flow) -> None:
        """Someone more urgent has come to a flow that is in line."""
        if flow.urgency > flow.rank:
            self.push(flow)

    def pop(self, allowed: Sequence[bool]) -> Flow | None:
        """The flow that has been served least of those whose priority may go, and among equals
        the one that is ready longest.
        """
        while True:
            best: Priority | None = None
            served = 0
            for priority in _URGENT_FIRST:
                order = self._lines[priority].order
                if order and allowed[priority] and (best is None or order[0] < served):
                    best, served = priority, order[0]
            if best is None:
                return None
            flow = self._lines[best].pop()
            if flow.served != served:
                continue
            flow.lined &= ~(1 << best)
            if flow.place is not Place.READY or flow.rank is not best:
                continue
            if served > self.floor:
                self.floor = served
            return flow

    def in_line(self, priority: Priority) -> bool:
        """Whether anyone of this priority may be in line."""
        return bool(self._lines[priority].order)

    def freshen(self) -> None:
        """Something that stands in the way of others has come or gone."""
        self.fresh_until = -INFINITY if self.shut or self.expected else self.kept_until

    def expect(self, flow: Flow, sign: int) -> None:
        """Begin (+1) or cease (-1) to keep a share for a flow."""
        flow.expected = sign > 0
        self.expected += sign
        self.expected_served += sign * flow.served
        self.expected_waiting += sign * flow.waiting
        self.freshen()

    def kept_from(self, flow: Flow) -> int:
        """Tokens of the app that this flow may not touch: what brings the expected ones level."""
        behind = (self.expected * flow.served - self.expected_served) // SERVICE
        return max(0, min(behind, self.expected_waiting))

    @property
    def tokens(self) -> int:
        """What the scarcest of the app's buckets has left."""
        return min(bucket.tokens for bucket in self.buckets)
