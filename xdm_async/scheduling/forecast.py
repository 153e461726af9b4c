"""Forecasts: when a request could leave at the earliest, and what it waits for.

Lower bounds, from what is known now: nobody else takes anything, every answer is good. What they
promise to be too late, is; what they promise to be in time, may be late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..budgets.bucket import Bucket
from ..budgets.priority import Priority
from ..budgets.server_clock import ServerClock
from .flows import SERVICE, Flow, Owner

INFINITY = float("inf")


class Forecast:
    """Looks ahead in the buckets of a flow; changes nothing."""

    def __init__(self, clock: ServerClock, reserve: Sequence[float]) -> None:
        self._clock = clock
        self._reserve = reserve
        """By priority, the share that is kept from it of a budget that accounts share."""

    def soonest(
        self, flow: Flow, priority: Priority, n: int, now: float, *, others: int = 0
    ) -> tuple[float, Bucket | None]:
        """When the n-th request from now can leave, and the bucket that decides it: none where
        it is now. ``others`` leave the app's tokens to fewer.
        """
        latest: float = now
        blocker: Bucket | None = None
        for index, bucket in enumerate(flow.buckets):
            shared = index >= flow.own
            at = bucket.nth_at(n + others if shared else n, now, self._clock)
            share = self._reserve[priority]
            if shared and share and at <= now:
                at = bucket.spare_at(share, now, self._clock)
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
                at = bucket.spare_at(share, now, self._clock)
            if at > latest:
                latest, found = at, bucket
        return found

    def before(self, flow: Flow, n: int, owners: Iterable[Owner]) -> int:
        """How many requests of other accounts the app's tokens go to before its n-th: as many as
        bring each of them level with it.
        """
        if not flow.pool.waiting:
            return 0
        then = flow.served + n * SERVICE
        return sum(
            min(other.waiting, max(0, (then - other.served) // SERVICE))
            for owner in owners
            for other in owner.flows
            if other.pool is flow.pool and other.waiting and owner.user_id != flow.owner.user_id
        )
