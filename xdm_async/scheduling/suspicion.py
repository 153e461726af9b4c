"""Suspicion: which bucket is behind a refusal that no report explains.

A budget that we cannot see is spent: one of the request's that no header reports, the account's
or the app's. It is the app's when several accounts are refused and none succeeds in between; and
only one route's share of it, when other routes go on succeeding.
"""

from __future__ import annotations

from ..budgets.bucket import Bucket
from ..budgets.budget import Report
from .flows import Ticket
from .roster import Roster

TOGETHER = 10.0
"""Refusals of three owners within this many seconds mean the app's budget."""


class Suspicion:
    """Remembers who was refused, until somebody succeeds."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.blamed: dict[str, dict[str, tuple[float, str]]] = {}
        """Budget of the app -> owner -> when and on which route it was refused, none succeeding
        on that route since."""
        self._selective: set[str] = set()
        """Of these, those where other routes have succeeded since."""

    def __bool__(self) -> bool:
        return bool(self.blamed)

    def suspects(self, ticket: Ticket, reports: dict[int, Report], now: float) -> list[Bucket]:
        """The buckets to hold, given the reports that the refusal came with, by bucket index."""
        buckets = [b.real for b in ticket.buckets]
        silent = [b for i, b in enumerate(buckets) if i not in reports]
        apps = [b for b in silent if b.budget.owner == "app"]
        return (
            [b for b in apps if b.strikes]
            or [self._culprit(b, ticket) for b in apps if self._blame(b, ticket, now)]
            or [b for b in silent if b.budget.owner == "user"]
            or [b for b in buckets if b.budget.owner == "user"][:1]
            or [self._roster.unseen(ticket)]
        )

    def acquit(self, ticket: Ticket, sent: float) -> None:
        """A success, sent at ``sent``: refusals of its route before had another reason, and those
        of other routes are their route's own.
        """
        for bucket in ticket.buckets:
            name = bucket.real.budget.name
            blamed = self.blamed.get(name)
            if blamed is None:
                continue
            for user_id, (at, route) in list(blamed.items()):
                if at < sent and route == ticket.route:
                    del blamed[user_id]
                elif at < sent:
                    self._selective.add(name)
            if not blamed:
                del self.blamed[name]
                self._selective.discard(name)

    def _blame(self, bucket: Bucket, ticket: Ticket, now: float) -> bool:
        """Whether so many owners were refused, none succeeding, that it must be the app's."""
        blamed = self.blamed.setdefault(bucket.budget.name, {})
        blamed[ticket.user_id] = (now, ticket.route)
        bucket.slow_down()
        recent = sum(1 for at, _ in blamed.values() if now - at <= TOGETHER)
        others = sum(p.waiting for p in self._roster.pools.values() if bucket in p.buckets)
        return recent >= 3 or (len(blamed) >= 2 and len(blamed) >= others)

    def _culprit(self, bucket: Bucket, ticket: Ticket) -> Bucket:
        """The app's bucket; where other routes succeed meanwhile, one that this route has apart."""
        name = bucket.budget.name
        del self.blamed[name]
        if name not in self._selective:
            return bucket
        self._selective.discard(name)
        own = self._roster.split(ticket.route, bucket)
        if own is None:
            return bucket
        self._roster.flow(ticket)
        culprit = self._roster.app_buckets[own.name]
        culprit.doubt()
        return culprit
