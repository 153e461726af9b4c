"""Forecasts: when a request could leave at the earliest, what it waits for, how things stand.

Lower bounds, from what is known now: nobody else takes anything, every answer is good. What they
promise to be too late, is; what they promise to be in time, may be late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..budgets import outlook
from ..budgets.bucket import Bucket, State
from ..budgets.priority import Priority
from ..budgets.server_clock import ServerClock
from .events import BudgetStatus, Room
from .flows import SERVICE, Flow
from .roster import Roster

INFINITY = float("inf")


class Forecast:
    """Looks at the buckets and ahead; changes nothing."""

    def __init__(self, roster: Roster, clock: ServerClock, reserve: Sequence[float]) -> None:
        self._roster = roster
        self._clock = clock
        self._reserve = reserve
        """By priority, the share that is kept from it of a budget that accounts share."""

    def soonest(
        self,
        flow: Flow,
        priority: Priority,
        n: int,
        now: float,
        *,
        others: int = 0,
        at_the_earliest: bool = False,
    ) -> tuple[float, Bucket | None]:
        """When the n-th request from now can leave, and the bucket that decides it: none where
        it is now. ``others`` leave the app's tokens to fewer; ``at_the_earliest`` a window that
        nobody has named yet may be over at once.
        """
        latest: float = now
        blocker: Bucket | None = None
        for index, bucket in enumerate(flow.buckets):
            shared = index >= flow.own
            at = outlook.nth_at(
                bucket,
                n + others if shared else n,
                now,
                self._clock,
                at_the_earliest=at_the_earliest,
            )
            share = self._reserve[priority]
            if shared and share and at <= now:
                at = outlook.spare_at(bucket, share, now, self._clock)
            if latest < at < INFINITY:
                latest, blocker = at, bucket
        return latest, blocker

    def blocker(self, flow: Flow, priority: Priority, now: float, trip: float) -> Bucket | None:
        """The bucket that the next in line waits for, as far as one does."""
        latest, found = now, None
        for index, bucket in enumerate(flow.buckets):
            at = bucket.ready_at(now, self._clock, trip)
            share = self._reserve[priority]
            if index >= flow.own and share and at <= now:
                at = outlook.spare_at(bucket, share, now, self._clock)
            if at > latest:
                latest, found = at, bucket
        return found

    def eta(
        self, user_id: str, group_or_route: str, n: int, priority: Priority, now: float
    ) -> float:
        """In how many seconds ``n`` more requests could have left, after those that wait."""
        layout = self._roster.layout
        group = layout.routes.get(group_or_route, group_or_route)
        if group not in layout.groups:
            raise KeyError(group_or_route)
        flow = self._roster.visitor(user_id, group)
        last = flow.ahead_of(priority) + n
        at, _ = self.soonest(flow, priority, last, now, others=self._before(flow, last))
        return at - now

    def room(self, user_id: str, route: str, now: float) -> Room | None:
        """What is left for an account on a route; None where no budget is known."""
        layout = self._roster.layout
        group = layout.routes.get(route, route)
        if not layout.groups.get(group):
            return None
        flow = self._roster.visitor(user_id, group)
        parts: list[tuple[int, float, int, Bucket]] = []
        for index, bucket in enumerate(flow.buckets):
            bucket.turn(now, self._clock)
            shared = 1 if index < flow.own else max(1, len(self._roster.owners))
            limit, left = max(1, bucket.limit // shared), max(0, bucket.tokens) // shared
            parts.append((limit, bucket.budget.window, left, bucket))
        limit, window, _, _ = min(parts, key=lambda part: part[0] / part[1])
        _, _, left, scarcest = min(parts, key=lambda part: part[2])
        resets_at = self._ends_at(scarcest, now)
        reset_in = None if resets_at is None else max(0.0, resets_at - now)
        return Room(limit, window, min(limit, left), flow.waiting, scarcest.budget.name, reset_in)

    def statuses(self, now: float, user_id: str | None, trip: float) -> list[BudgetStatus]:
        """Every bucket, or those that one account draws on, as they are at ``now``."""
        waiting: dict[int, int] = {}
        owners = self._roster.owners
        for owner in owners.values():
            for flow in owner.flows:
                for bucket in self._blockers(flow, now, trip):
                    waiting[id(bucket)] = waiting.get(id(bucket), 0) + flow.waiting
        buckets = list(self._roster.app_buckets.values())
        for owner in owners.values():
            if user_id is None or owner.user_id == user_id:
                buckets.extend(owner.buckets().values())
        return [self._status(b, waiting.get(id(b), 0), now) for b in buckets]

    def _blockers(self, flow: Flow, now: float, trip: float) -> list[Bucket]:
        """What the first in line waits for now."""
        if not flow.waiting:
            return []
        found = [b for b in flow.buckets if b.ready_at(now, self._clock, trip) > now]
        if not found:
            kept = self.blocker(flow, flow.urgency, now, trip)
            found = [kept] if kept is not None else []
        return found

    def _status(self, bucket: Bucket, waiting: int, now: float) -> BudgetStatus:
        bucket.turn(now, self._clock)
        at = self._ends_at(bucket, now)
        kept = 0.0
        if bucket.budget.owner == "app" and any(self._reserve):
            kept = outlook.kept(bucket, max(self._reserve), now, self._clock)
        return BudgetStatus(
            bucket.budget.name,
            bucket.owner,
            bucket.state,
            bucket.limit,
            max(0, bucket.tokens),
            bucket.pending,
            waiting,
            None if at is None else max(0.0, at - now),
            math.ceil(kept),
        )

    def _ends_at(self, bucket: Bucket, now: float) -> float | None:
        """When its window ends, its next unit comes back, or its hold is over."""
        at = outlook.opens_at(bucket, now)
        if at is None and bucket.state is State.KNOWN:
            at = self._clock.sure_at(bucket.closes, now)
        return at

    def _before(self, flow: Flow, n: int) -> int:
        """How many requests of other accounts the app's tokens go to before its n-th: as many as
        bring each of them level with it.
        """
        if not flow.pool.waiting:
            return 0
        then = flow.served + n * SERVICE
        return sum(
            min(other.waiting, max(0, (then - other.served) // SERVICE))
            for owner in self._roster.owners.values()
            for other in owner.flows
            if other.pool is flow.pool and other.waiting and owner.user_id != flow.owner.user_id
        )
