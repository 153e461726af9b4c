"""Roster: who exists, and what draws on what: accounts, their flows, every bucket, the pools.

It follows the layout: when the server has shown that a route is counted apart, that two groups
are one, or that there is a budget nobody planned, the roster moves tickets, merges buckets and
gives every flow the buckets it has from then on. Whom that stirred, the machine lines up again.
"""

from __future__ import annotations

from ..budgets.bucket import Bucket, State
from ..budgets.budget import Budget, Plan, Report
from .flows import Flow, Owner, Place, Ticket
from .layout import Layout
from .pool import Pool


class Roster:
    """Accounts by user id, the app's buckets by budget name, pools by what they share.

    Always true: a flow's buckets are those of its group in the layout, the account's own first;
    a bucket that was merged into another is in no flow.
    """

    def __init__(self, plan: Plan, app: str) -> None:
        self.layout = Layout(plan)
        self.owners: dict[str, Owner] = {}
        self.app_buckets: dict[str, Bucket] = {}
        self.pools: dict[tuple[str, ...], Pool] = {}
        self.stirred: list[Flow] = []
        """Flows with someone waiting that a change has made idle."""
        self.news: list[str] = []
        """What was learned of the server's structure, a sentence each."""
        self.app = app
        self._most = 0

    def flow(self, ticket: Ticket) -> Flow:
        """The flow that a ticket belongs to, made where it does not exist yet."""
        owner = self.owners.get(ticket.user_id)
        if owner is None:
            owner = self.owners[ticket.user_id] = Owner(ticket.user_id)
        group = self.layout.routes.get(ticket.route)
        if group is None:
            group = self.layout.group_of(ticket.route)
        return owner.flow(group) or self._settle_in(owner, group)

    def visitor(self, user_id: str, group: str) -> Flow:
        """The flow of an account, as it is or as it would be: nothing is remembered of it."""
        owner = self.owners.get(user_id)
        known = owner.flow(group) if owner is not None else None
        if known is not None:
            return known
        guest = Owner(user_id)
        if owner is not None:
            guest.flows = owner.flows
        return self._settle_in(guest, group)

    def forget(self, gone: list[Owner]) -> None:
        """Drop these accounts, and what room their places took where most are gone."""
        owners = self.owners
        self._most = max(self._most, len(owners))
        for owner in gone:
            if owners.get(owner.user_id) is owner:
                del owners[owner.user_id]
        if 4 * len(owners) < self._most:
            left, self._most = dict(owners), len(owners)
            owners.clear()  # a dict keeps its size while it is only deleted from
            owners.update(left)

    def _settle_in(self, owner: Owner, group: str) -> Flow:
        flow = Flow(owner, group)
        self._furnish(flow)
        owner.flows = (*owner.flows, flow)
        return flow

    def unseen(self, ticket: Ticket) -> Bucket:
        """A bucket for a budget that nothing shows, of this owner and group."""
        group = self.layout.group_of(ticket.route)
        name = f"{group}.unseen"
        budget = Budget(10**9, 900.0, "user", name=name)
        self.layout.groups[group] = (*self.layout.groups[group], budget)
        self._refurnish([group])
        return self.flow(ticket).owner.buckets()[name]

    def learn(self, ticket: Ticket, report: Report, date: float) -> Budget | None:
        """A report that no budget of the plan explains: the budget that it makes known."""
        group = self.layout.group_of(ticket.route)
        budget = self.layout.learn(group, report, date)
        if budget is not None:
            self._refurnish([group])
            self.news.append(
                f"the server reports a budget that plan group {group!r} does not have: "
                f"{budget.limit} per {budget.window:g} s, from now on {budget.name!r}"
            )
        return budget

    def split(self, route: str, bucket: Bucket) -> Budget | None:
        """The server counts ``route`` apart in ``bucket``: the budget that it has from now on."""
        old = self.layout.group_of(route)
        if (
            bucket.budget not in self.layout.groups[old]
            or bucket.budget.name in self.layout.sliding
        ):
            return None
        own = self.layout.split(route, bucket.budget)
        for owner in list(self.owners.values()):
            flow = owner.flow(old)
            if flow is None:
                continue
            for waiter in list(flow.tickets()):
                if waiter.route == route:
                    flow.remove(waiter)
                    moved = self.flow(waiter)
                    moved.append(waiter)
                    if moved.waiting == 1 and moved.place is Place.IDLE:
                        self.stirred.append(moved)
        self.news.append(
            f"the server counts {route!r} apart in {bucket.budget.name!r}: from now on {own.name!r}"
        )
        return own

    def reunite(self, bucket: Bucket, now: float) -> None:
        """Its windows slide: that two routes named two ends of one was no proof to split them."""
        for group, other in self.layout.slides(bucket.budget):
            self._merge(group, other, now)

    def join(self, ticket: Ticket, bucket: Bucket, now: float) -> None:
        """Strangers draw on ``bucket``: another group's, if its limit and reset are the same."""
        group = self.layout.group_of(ticket.route)
        own = self.flow(ticket).owner.buckets()
        for other in self.layout.like(group):
            for budget in self.layout.groups[other]:
                if (budget.owner, budget.report) != (bucket.budget.owner, bucket.budget.report):
                    continue
                twins = own if budget.owner == "user" else self.app_buckets
                twin = twins.get(budget.name)
                if (
                    twin is not None
                    and twin is not bucket
                    and twin.state is State.KNOWN
                    and twin.reset == bucket.reset
                    and twin.limit == bucket.limit
                ):
                    self._merge(other, group, now)
                    return

    def _merge(self, group: str, other: str, now: float) -> None:
        becomes = self.layout.join(group, other)
        if not becomes:
            return
        for buckets in (self.app_buckets, *(o.buckets() for o in self.owners.values())):
            for old, budget in becomes.items():
                gone = buckets.pop(old, None)
                if gone is None:
                    continue
                kept = buckets.get(budget.name)
                if kept is not None:
                    kept.absorb(gone, now)
                else:
                    gone.budget = budget
                    buckets[budget.name] = gone
        changed = set(becomes.values())
        self._refurnish([g for g, members in self.layout.groups.items() if changed & set(members)])
        self.news.append(
            f"the server counts plan groups {group!r} and {other!r} together: from now on "
            f"{', '.join(sorted(budget.name for budget in changed))} for both"
        )

    def _furnish(self, flow: Flow) -> None:
        """Give the flow the buckets of its group, as the layout has it now."""
        had = flow.owner.buckets()
        had.update((b.budget.name, b) for b in flow.buckets[: flow.own])
        own: dict[str, Bucket] = {}
        shared: dict[str, Bucket] = {}
        for budget in self.layout.groups[flow.group]:
            if budget.owner == "user":
                bucket = had.get(budget.name)
                if bucket is None:
                    bucket = Bucket(budget, flow.owner.user_id)
                own[budget.name] = bucket
            else:
                bucket = self.app_buckets.get(budget.name)
                if bucket is None:
                    bucket = self.app_buckets[budget.name] = Bucket(budget, self.app)
                shared[budget.name] = bucket
        flow.buckets = (*own.values(), *shared.values())
        flow.own = len(own)
        key = tuple(shared)
        pool = self.pools.get(key)
        if pool is None:
            pool = self.pools[key] = Pool(tuple(shared.values()))
        flow.pool = pool

    def _refurnish(self, groups: list[str]) -> None:
        """The layout has changed: every flow of these groups draws on what it says now."""
        for owner in self.owners.values():
            for group in groups:
                flow = owner.flow(group)
                if flow is None:
                    continue
                pool = flow.pool
                if flow.place is Place.PARKED:
                    flow.unpark()
                    self.stirred.append(flow)
                self._furnish(flow)
                if flow.pool is not pool:
                    flow.lined = 0
                    if flow.waiting:
                        pool.waiting -= 1
                        flow.pool.waiting += 1
