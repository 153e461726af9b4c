"""The machine that decides when a request may leave: ``step(event, now) -> actions``.

Everything that is decided is decided here, at once, with the time passed in. The shell around it
(`xdm_async.scheduling.scheduler`) brings events in, carries actions out, calls `Tick` at
``wake_at``, and decides nothing. Sums are in `xdm_async.budgets.bucket`, the order among those
who wait in `xdm_async.scheduling.flows`, what the server proved of its own structure in
`xdm_async.scheduling.layout`.
"""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..budgets.bucket import Bucket, Finding, State
from ..budgets.budget import Budget, Plan, Report
from ..budgets.server_clock import ServerClock
from .flows import Flow, Owner, Place, Pool, Stage, Ticket
from .layout import Layout, fits

AT_ONCE = 128
"""Grants in one step; the rest follow in the next, so that the event loop breathes."""
LONG = 60.0
"""Seconds of waiting that are worth one line in the log."""
TOGETHER = 10.0
"""Refusals of three owners within this many seconds mean the app's budget."""

INFINITY = float("inf")


@attrs.define(eq=False)
class Ask:
    """A request wants to leave."""

    ticket: Ticket


@attrs.define(eq=False)
class Cancel:
    """Whoever held the ticket is gone: it leaves the line, or gives its permit back unused."""

    ticket: Ticket


@attrs.define(eq=False)
class Refund:
    """Provably nothing was sent on this permit."""

    ticket: Ticket


@attrs.define(eq=False)
class Lose:
    """Bytes left on this permit, and no answer will come."""

    ticket: Ticket
    sent: float


@attrs.define(eq=False)
class Settle:
    """An answer's headers are in. ``refused`` is a 429 that waiting can cure."""

    ticket: Ticket
    sent: float
    received: float
    reports: tuple[Report, ...] = ()
    date: float | None = None
    refused: bool = False
    retry_after: float = 0.0
    repeated: int = 0
    """How often the bytes left beyond the first time, each of which the server may have counted."""


@attrs.define(eq=False)
class Tick:
    """It is ``wake_at``, or later."""


@attrs.define(eq=False)
class Close:
    """No more grants: all who wait are dropped."""


Event = Ask | Cancel | Refund | Lose | Settle | Tick | Close


@attrs.define(eq=False)
class Go:
    """This ticket is granted: its request may leave now."""

    ticket: Ticket


@attrs.define(eq=False)
class Drop:
    """This ticket will never be granted: the machine is closed."""

    ticket: Ticket


@attrs.define(eq=False)
class Say:
    """A line for the log."""

    level: int
    text: str


Action = Go | Drop | Say


@attrs.frozen
class BudgetStatus:
    """What one bucket looks like at a moment; ``reset_in`` in seconds from then, if any."""

    name: str
    owner: str
    state: State
    limit: int
    remaining: int
    in_flight: int
    waiting: int
    reset_in: float | None


class Machine:
    """Grants permits so that no budget of any owner is ever overdrawn.

    Always true:

    - a permit is given for all buckets of its group in one step, or for none;
    - each permit ends exactly once: settled, lost or refunded;
    - tickets of one flow are granted in the order they asked, and a refused one goes again first;
    - a flow that is not ready holds no token of the app, and delays nobody;
    - if a token is there and a waiter may have it, it has been granted when ``step`` returns (or
      ``wake_at`` is now, where more than `AT_ONCE` go at once).
    """

    def __init__(self, plan: Plan, *, app: str = "app", seed: int | None = None) -> None:
        self.clock = ServerClock()
        self.layout = Layout(plan)
        self.wake_at = INFINITY
        """When `Tick` is due next."""
        self.waiting = 0
        self.in_flight = 0
        self.closed = False
        self.owners: dict[str, Owner] = {}
        self.app_buckets: dict[str, Bucket] = {}
        self._app = app
        self._pools: dict[tuple[str, ...], Pool] = {}
        self._heap: list[tuple[float, int, Flow | Pool | Owner | Ticket]] = []
        self._serial = 0
        self._round_trip = 0.1
        self._random = random.Random(seed)
        self._blamed: dict[str, dict[str, tuple[float, str]]] = {}
        """Budget of the app -> owner -> when and on which route it was refused, none succeeding
        on that route since."""
        self._selective: set[str] = set()
        """Of these, those where other routes have succeeded since."""
        self._warned: dict[str, float] = {}
        self._out: list[Action] = []
        self._left = AT_ONCE
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            Ask: self._ask,
            Cancel: self._cancel,
            Refund: self._refund,
            Lose: self._lose,
            Settle: self._settle,
            Tick: self._tick,
            Close: self._close,
        }

    def step(self, event: Event, now: float) -> list[Action]:
        """Take one event in at ``now``; what follows from it, in order."""
        out: list[Action] = []
        self._out = out
        self._left = AT_ONCE
        self._handlers[type(event)](event, now)
        self.wake_at = self._heap[0][0] if self._heap else INFINITY
        return out

    # Events

    def _ask(self, event: Ask, now: float) -> None:
        ticket = event.ticket
        if self.closed:
            ticket.stage = Stage.DONE
            self._out.append(Drop(ticket))
            return
        flow = self._flow(ticket)
        if (
            flow.place is Place.IDLE
            and not flow.pool
            and self._ready_at(flow, now) <= now
            and not self._kept(flow)
        ):
            flow.pool.pass_by(flow)
            self._grant(flow, ticket, now)
            return
        flow.append(ticket)
        self.waiting += 1
        if flow.place is Place.IDLE:
            self._line_up(flow, now)

    def _cancel(self, event: Cancel, now: float) -> None:
        ticket = event.ticket
        if ticket.stage is Stage.GRANTED:
            self._refund(Refund(ticket), now)
        elif ticket.stage is Stage.WAITING and ticket.flow is not None:
            flow = ticket.flow
            flow.remove(ticket)
            self.waiting -= 1
            ticket.stage = Stage.DONE
            if flow.first is None and flow.place is Place.PARKED:
                self._unpark(flow)
                flow.place = Place.IDLE
                self._forget_later(flow.owner, now)

    def _refund(self, event: Refund, now: float) -> None:
        ticket = event.ticket
        for bucket, probe in self._end(ticket):
            bucket.refund(probe)
        self._after(ticket, now)

    def _lose(self, event: Lose, now: float) -> None:
        ticket = event.ticket
        for bucket, probe in self._end(ticket):
            bucket.lose(probe)
        ticket.stage = Stage.LOST
        self._at(max(now, event.sent + 30.0), ticket)
        self._after(ticket, now)

    def _settle(self, event: Settle, now: float) -> None:
        ticket, date = event.ticket, event.date
        if date is not None:
            self.clock.observe(date, event.sent, event.received)
        self._round_trip += (event.received - event.sent - self._round_trip) / 8.0
        reports = self._assign(ticket, event.reports, date)
        findings = []
        explained = False
        for index, (bucket, probe) in enumerate(self._end(ticket)):
            report = reports.get(index)
            for _ in range(event.repeated):
                bucket.pending += 1
                self._settle_one(bucket, None, event, probe=False)
            finding = self._settle_one(bucket, report, event, probe=probe)
            if finding is not Finding.NOTHING and report is not None:
                findings.append((finding, bucket, report))
            if event.refused and report is not None and report.remaining == 0:
                explained |= bucket.spent(now, self.clock)
        self._doubt(ticket, reports)
        if event.refused:
            if not explained:
                self._suspect(ticket, reports, event, now)
            elif event.retry_after:
                for index in reports:
                    self._real(ticket.buckets[index]).hold(now, event.retry_after)
        else:
            if self._blamed:
                self._acquit(ticket, event.sent)
        self._learn(ticket, reports, event, now)
        for finding, bucket, report in findings:
            if finding is Finding.APART:
                own = self._split(ticket.route, bucket, now)
                if own is not None:
                    self._feed(ticket, own, report, event)
            else:
                self._join(ticket, bucket, now)
        if event.refused and not self.closed:
            flow = self._flow(ticket)
            flow.push_front(ticket)
            self.waiting += 1
            if flow.place is Place.IDLE:
                self._line_up(flow, now)
        elif event.refused:
            self._out.append(Drop(ticket))
        self._after(ticket, now)

    def _tick(self, event: Tick, now: float) -> None:
        while self._heap and self._heap[0][0] <= now and self._left > 0:
            at, _, what = heapq.heappop(self._heap)
            if isinstance(what, Flow):
                if what.place is Place.PARKED and what.due == at:
                    self._revive(what, now)
            elif isinstance(what, Pool):
                if what.due == at:
                    what.due = 0.0
                    self._pump(what, now)
            elif isinstance(what, Owner):
                what.due = 0.0
                self._forget(what, now)
            else:
                self._expire(what, now)

    def _close(self, event: Close, now: float) -> None:
        self.closed = True
        for owner in self.owners.values():
            for flow in owner.flows.values():
                for ticket in flow.tickets():
                    flow.remove(ticket)
                    self.waiting -= 1
                    ticket.stage = Stage.DONE
                    self._out.append(Drop(ticket))

    # Granting

    def _flow(self, ticket: Ticket) -> Flow:
        owner = self.owners.get(ticket.user_id)
        if owner is None:
            owner = self.owners[ticket.user_id] = Owner(ticket.user_id)
        group = self.layout.routes.get(ticket.route)
        if group is None:
            group = self.layout.group_of(ticket.route)
        flow = owner.flows.get(group)
        if flow is None:
            flow = owner.flows[group] = Flow(owner, group)
            self._furnish(flow)
        return flow

    def _furnish(self, flow: Flow) -> None:
        """Give the flow the buckets of its group, as the layout has it now."""
        own: dict[str, Bucket] = {}
        shared: dict[str, Bucket] = {}
        for budget in self.layout.groups[flow.group]:
            if budget.owner == "user":
                bucket = flow.owner.buckets.get(budget.name)
                if bucket is None:
                    bucket = flow.owner.buckets[budget.name] = Bucket(budget, flow.owner.user_id)
                own[budget.name] = bucket
            else:
                bucket = self.app_buckets.get(budget.name)
                if bucket is None:
                    bucket = self.app_buckets[budget.name] = Bucket(budget, self._app)
                shared[budget.name] = bucket
        flow.buckets = (*own.values(), *shared.values())
        flow.own = len(own)
        key = tuple(shared)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(tuple(shared.values()))
        flow.pool = pool

    def _ready_at(self, flow: Flow, now: float) -> float:
        """When all of its buckets, its own and the app's, may give."""
        latest = now
        for bucket in flow.buckets:
            at = bucket.ready_at(now, self.clock, self._round_trip)
            if at > latest:
                latest, flow.blocker = at, bucket
        return latest

    def _own_ready_at(self, flow: Flow, now: float) -> float:
        latest = now
        for bucket in flow.buckets[: flow.own]:
            at = bucket.ready_at(now, self.clock, self._round_trip)
            if at > latest:
                latest, flow.blocker = at, bucket
        return latest

    def _line_up(self, flow: Flow, now: float) -> None:
        """Put an idle flow that someone waits in where it belongs."""
        flow.pool.welcome(flow)
        at = self._own_ready_at(flow, now)
        if at <= now:
            flow.pool.push(flow)
            self._pump(flow.pool, now)
        else:
            self._park(flow, at, now)

    def _park(self, flow: Flow, at: float, now: float) -> None:
        flow.place = Place.PARKED
        flow.owner.parked += 1
        flow.due = at
        blocker = flow.blocker
        if blocker is not None and flow.pool.buckets and blocker.expected:
            flow.pool.expect(flow, +1)
        if at < INFINITY:
            self._at(at, flow)
            if at - now > LONG and blocker is not None:
                self._warn(blocker, at, now)

    @staticmethod
    def _unpark(flow: Flow) -> None:
        flow.owner.parked -= 1
        if flow.expected:
            flow.pool.expect(flow, -1)

    @staticmethod
    def _kept(flow: Flow) -> bool:
        """Whether what the app has left is kept for flows that have been served less."""
        pool = flow.pool
        return bool(pool.expected) and pool.tokens <= pool.kept_from(flow)

    def _revive(self, flow: Flow, now: float) -> None:
        """A parked flow's own buckets may give again: ask them."""
        at = self._own_ready_at(flow, now)
        if at <= now:
            self._unpark(flow)
            flow.pool.push(flow)
            self._pump(flow.pool, now)
        elif at != flow.due:
            self._unpark(flow)
            self._park(flow, at, now)

    def _pump(self, pool: Pool, now: float) -> None:
        """Grant to the ready flows of a pool until the app's buckets or the flows are done."""
        while pool:
            if self._left <= 0:
                pool.due = now
                self._at(now, pool)
                return
            latest, blocker = now, None
            for bucket in pool.buckets:
                at = bucket.ready_at(now, self.clock, self._round_trip)
                if at > latest:
                    latest, blocker = at, bucket
            if latest > now:
                pool.shut = True
                if latest < INFINITY and pool.due != latest:
                    pool.due = latest
                    self._at(latest, pool)
                    if latest - now > LONG and blocker is not None:
                        self._warn(blocker, latest, now)
                return
            flow = pool.pop()
            if flow.pool is not pool:  # the layout changed while it was in line here
                flow.pool.push(flow)
                self._pump(flow.pool, now)
                continue
            ticket = flow.first
            if ticket is None:
                flow.place = Place.IDLE
                self._forget_later(flow.owner, now)
                continue
            at = self._own_ready_at(flow, now)
            if at > now:
                self._park(flow, at, now)
                continue
            if self._kept(flow):
                pool.push(flow, first=True)
                pool.shut = True
                return
            flow.remove(ticket)
            self.waiting -= 1
            flow.served += 1
            self._grant(flow, ticket, now)
            if flow.first is None:
                flow.place = Place.IDLE
            else:
                pool.push(flow)
        pool.shut = False

    def _grant(self, flow: Flow, ticket: Ticket, now: float) -> None:
        probes = 0
        for index, bucket in enumerate(flow.buckets):
            if bucket.take(now):
                probes |= 1 << index
        ticket.flow, ticket.buckets, ticket.probes = flow, flow.buckets, probes
        ticket.stage = Stage.GRANTED
        flow.in_flight += 1
        self.in_flight += 1
        self._left -= 1
        self._out.append(Go(ticket))

    # How a permit ends

    @staticmethod
    def _real(bucket: Bucket) -> Bucket:
        while bucket.merged is not None:
            bucket = bucket.merged
        return bucket

    def _end(self, ticket: Ticket) -> Iterator[tuple[Bucket, bool]]:
        """Close a permit, once: its buckets, and for which of them it was a probe."""
        if ticket.stage is not Stage.GRANTED:
            raise RuntimeError(f"{ticket!r} holds no permit")
        assert ticket.flow is not None
        ticket.stage = Stage.DONE
        ticket.flow.in_flight -= 1
        self.in_flight -= 1
        probes = ticket.probes
        for index, bucket in enumerate(ticket.buckets):
            yield self._real(bucket), bool(probes >> index & 1)

    def _expire(self, ticket: Ticket, now: float) -> None:
        for bucket in ticket.buckets:
            self._real(bucket).expire(now)
        ticket.stage = Stage.DONE
        self._after(ticket, now)

    def _after(self, ticket: Ticket, now: float) -> None:
        """A permit has ended: whoever waited for just that may go now."""
        assert ticket.flow is not None
        owner = ticket.flow.owner
        if owner.parked:
            for flow in list(owner.flows.values()):
                if flow.place is Place.PARKED:
                    self._revive(flow, now)
        for pool in list(self._pools.values()):
            if pool.shut:
                self._pump(pool, now)
        if not owner.due:
            self._forget_later(owner, now)

    def _settle_one(
        self, bucket: Bucket, report: Report | None, event: Settle, *, probe: bool
    ) -> Finding:
        return bucket.settle(
            report,
            route=event.ticket.route,
            probe=probe,
            refused=event.refused,
            sent=event.sent,
            received=event.received,
            date=event.date,
            clock=self.clock,
        )

    def _assign(
        self, ticket: Ticket, reports: tuple[Report, ...], date: float | None
    ) -> dict[int, Report]:
        """Which bucket of the permit each report is about: its family, its window, its limit."""
        assigned: dict[int, Report] = {}
        for report in reports:
            best, best_rank = -1, (-1, -1, -INFINITY)
            for index, bucket in enumerate(ticket.buckets):
                if index not in assigned and fits(bucket.budget, report, date):
                    real = self._real(bucket)
                    rank = (
                        int(report.reset is not None and real.closes == report.reset),
                        int(real.limit == report.limit),
                        -bucket.budget.window,
                    )
                    if rank > best_rank:
                        best, best_rank = index, rank
            if best >= 0:
                assigned[best] = report
        return assigned

    def _doubt(self, ticket: Ticket, reports: dict[int, Report]) -> None:
        """A plan caught wrong about a limit is not trusted where no header confirms it."""
        if len(reports) == len(ticket.buckets):
            return
        if any(
            report.limit is not None and report.limit != ticket.buckets[index].budget.limit
            for index, report in reports.items()
        ):
            for bucket in ticket.buckets:
                if not bucket.reported:
                    self._real(bucket).doubted = True

    # Refusals that nothing explains

    def _suspect(
        self, ticket: Ticket, reports: dict[int, Report], event: Settle, now: float
    ) -> None:
        """Hold what may be behind it: the request's buckets that no report speaks for."""
        silent = [self._real(b) for i, b in enumerate(ticket.buckets) if i not in reports]
        apps = [b for b in silent if b.budget.owner == "app"]
        suspects = [b for b in apps if b.strikes]
        if not suspects:
            suspects = [self._culprit(b, ticket, now) for b in apps if self._blame(b, ticket, now)]
        if not suspects:
            suspects = [b for b in silent if b.budget.owner == "user"]
        if not suspects:
            suspects = [self._real(b) for b in ticket.buckets if b.budget.owner == "user"][:1]
        if not suspects:
            suspects = [self._unseen(ticket, now)]
        visible = any(r.remaining for r in event.reports)
        for bucket in suspects:
            bucket.strike(
                now,
                event.sent,
                self._random.random(),
                visible=visible,
                at_least=event.retry_after,
            )
            if bucket.strikes in (1, 4):
                self._out.append(
                    Say(
                        logging.INFO if bucket.strikes == 1 else logging.WARNING,
                        f"refused without an explanation ({bucket.strikes} in a row): "
                        f"{_called(bucket)} is held for "
                        f"{max(0.0, (bucket.opens_at(now) or now) - now):.1f} s",
                    )
                )

    def _blame(self, bucket: Bucket, ticket: Ticket, now: float) -> bool:
        """Whether so many owners were refused, none succeeding, that it must be the app's."""
        blamed = self._blamed.setdefault(bucket.budget.name, {})
        blamed[ticket.user_id] = (now, ticket.route)
        bucket.slow_down()
        recent = sum(1 for at, _ in blamed.values() if now - at <= TOGETHER)
        others = sum(p.waiting for p in self._pools.values() if bucket in p.buckets)
        return recent >= 3 or (len(blamed) >= 2 and len(blamed) >= others)

    def _acquit(self, ticket: Ticket, sent: float) -> None:
        """A success: refusals of its route before it had another reason, those of other routes
        are their route's own.
        """
        for bucket in ticket.buckets:
            name = self._real(bucket).budget.name
            blamed = self._blamed.get(name)
            if blamed is None:
                continue
            for user_id, (at, route) in list(blamed.items()):
                if at < sent and route == ticket.route:
                    del blamed[user_id]
                elif at < sent:
                    self._selective.add(name)
            if not blamed:
                del self._blamed[name]
                self._selective.discard(name)

    def _culprit(self, bucket: Bucket, ticket: Ticket, now: float) -> Bucket:
        """The app's bucket; where other routes succeed meanwhile, one that this route has apart."""
        name = bucket.budget.name
        del self._blamed[name]
        if name not in self._selective:
            return bucket
        self._selective.discard(name)
        self._split(ticket.route, bucket, now)
        apart = self._flow(ticket).buckets
        culprit = next((b for b in apart if b.budget.name not in self._names(ticket)), bucket)
        culprit.doubted = True
        return culprit

    @staticmethod
    def _names(ticket: Ticket) -> set[str]:
        return {bucket.budget.name for bucket in ticket.buckets}

    def _unseen(self, ticket: Ticket, now: float) -> Bucket:
        """A budget that nothing shows, of this owner and group."""
        group = self.layout.group_of(ticket.route)
        name = f"{group}.unseen"
        budget = Budget(10**9, 900.0, "user", name=name)
        self.layout.groups[group] = (*self.layout.groups[group], budget)
        self._refurnish([group], now)
        return self._flow(ticket).owner.buckets[name]

    # What the server shows of its own structure

    def _learn(self, ticket: Ticket, reports: dict[int, Report], event: Settle, now: float) -> None:
        if len(reports) == len(event.reports) or event.date is None:
            return
        taken = set(map(id, reports.values()))
        group = self.layout.group_of(ticket.route)
        for report in event.reports:
            if id(report) in taken:
                continue
            budget = self.layout.learn(group, report, event.date)
            if budget is not None:
                self._refurnish([group], now)
                self._feed(ticket, budget, report, event)
                self._out.append(
                    Say(
                        logging.INFO,
                        f"the server reports a budget that plan group {group!r} does not have: "
                        f"{budget.limit} per {budget.window:g} s, from now on {budget.name!r}",
                    )
                )

    def _feed(self, ticket: Ticket, budget: Budget, report: Report, event: Settle) -> None:
        """Let a bucket that is new take in the answer that made it known."""
        for bucket in self._flow(ticket).buckets:
            if bucket.budget.name == budget.name:
                probe = bucket.take(event.sent)
                self._settle_one(bucket, report, event, probe=probe)

    def _split(self, route: str, bucket: Bucket, now: float) -> Budget | None:
        """The server counts ``route`` apart in ``bucket``: the budget that it has from now on."""
        old = self.layout.group_of(route)
        if bucket.budget not in self.layout.groups[old]:
            return None
        own = self.layout.split(route, bucket.budget)
        new = self.layout.group_of(route)
        for owner in list(self.owners.values()):
            flow = owner.flows.get(old)
            moved: Flow | None = None
            for waiter in list(flow.tickets()) if flow is not None else ():
                if waiter.route == route and flow is not None:
                    flow.remove(waiter)
                    moved = self._flow(waiter)
                    moved.append(waiter)
            if moved is not None and moved.place is Place.IDLE:
                self._line_up(moved, now)
        self._out.append(
            Say(
                logging.INFO,
                f"the server counts {route!r} apart in {bucket.budget.name!r}: "
                f"from now on {own.name!r}, in group {new!r}",
            )
        )
        return own

    def _join(self, ticket: Ticket, bucket: Bucket, now: float) -> None:
        """Another group's bucket with the same limit and the same reset explains the strangers."""
        group = self.layout.group_of(ticket.route)
        owner = self._flow(ticket).owner
        for other in self.layout.like(group):
            for budget in self.layout.groups[other]:
                if (budget.owner, budget.report) != (bucket.budget.owner, bucket.budget.report):
                    continue
                twins = owner.buckets if budget.owner == "user" else self.app_buckets
                twin = twins.get(budget.name)
                if (
                    twin is not None
                    and twin is not bucket
                    and twin.state is State.KNOWN
                    and twin.closes == bucket.closes
                    and twin.limit == bucket.limit
                ):
                    self._merge(other, group, now)
                    return

    def _merge(self, group: str, other: str, now: float) -> None:
        becomes = self.layout.join(group, other)
        if not becomes:
            return
        for buckets in (self.app_buckets, *(o.buckets for o in self.owners.values())):
            for old, budget in becomes.items():
                gone = buckets.pop(old, None)
                if gone is None:
                    continue
                kept = buckets.get(budget.name)
                if kept is not None:
                    kept.absorb(gone)
                else:
                    gone.budget = budget
                    buckets[budget.name] = gone
        groups = [
            name
            for name, members in self.layout.groups.items()
            if any(budget in becomes.values() for budget in members)
        ]
        self._refurnish(groups, now)
        self._out.append(
            Say(
                logging.INFO,
                f"the server counts plan groups {group!r} and {other!r} together: from now on "
                f"{', '.join(sorted({b.name for b in becomes.values()}))} for both",
            )
        )

    def _refurnish(self, groups: list[str], now: float) -> None:
        """The layout has changed: every flow of these groups draws on what it says now.

        First all of them, then nobody waits in vain: a grant must not find half a layout.
        """
        idle = []
        for owner in self.owners.values():
            for group in groups:
                flow = owner.flows.get(group)
                if flow is None:
                    continue
                pool = flow.pool
                if flow.place is Place.PARKED:
                    self._unpark(flow)
                    flow.place = Place.IDLE
                    idle.append(flow)
                self._furnish(flow)
                if flow.pool is not pool and flow.first is not None:
                    pool.waiting -= 1
                    flow.pool.waiting += 1
        for flow in idle:
            if flow.place is Place.IDLE and flow.first is not None:
                self._line_up(flow, now)

    # Time, memory, words

    def _at(self, at: float, what: Flow | Pool | Owner | Ticket) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, what))

    def _forget_later(self, owner: Owner, now: float) -> None:
        if owner.due or any(f.waiting or f.in_flight for f in owner.flows.values()):
            return
        at = max((b.clear_at(now, self.clock) for b in owner.buckets.values()), default=now)
        owner.due = max(at, now + 1.0)
        self._at(owner.due, owner)

    def _forget(self, owner: Owner, now: float) -> None:
        """Drop an account that nobody uses and whose buckets hold nothing; else look again."""
        if any(f.first or f.in_flight or f.place for f in owner.flows.values()):
            return
        for bucket in owner.buckets.values():
            bucket.turn(now, self.clock)
        if all(b.idle for b in owner.buckets.values()):
            self.owners.pop(owner.user_id, None)
        else:
            self._forget_later(owner, now)

    def _warn(self, bucket: Bucket, until: float, now: float) -> None:
        if self._warned.get(bucket.budget.name, -INFINITY) <= now:
            self._warned[bucket.budget.name] = until
            self._out.append(
                Say(
                    logging.WARNING,
                    f"{_called(bucket)} is spent: the next request goes in {until - now:.0f} s",
                )
            )

    def statuses(self, now: float, user_id: str | None = None) -> list[BudgetStatus]:
        """Every bucket, or those that one account draws on, as they are at ``now``."""
        waiting: dict[int, int] = {}
        for owner in self.owners.values():
            for flow in owner.flows.values():
                for bucket in self._blockers(flow, now):
                    waiting[id(bucket)] = waiting.get(id(bucket), 0) + flow.waiting
        buckets = list(self.app_buckets.values())
        for owner in self.owners.values():
            if user_id is None or owner.user_id == user_id:
                buckets.extend(owner.buckets.values())
        return [self._status(b, waiting.get(id(b), 0), now) for b in buckets]

    def _blockers(self, flow: Flow, now: float) -> list[Bucket]:
        """What the first in line waits for now."""
        if flow.first is None:
            return []
        return [b for b in flow.buckets if b.ready_at(now, self.clock, self._round_trip) > now]

    def _status(self, bucket: Bucket, waiting: int, now: float) -> BudgetStatus:
        bucket.turn(now, self.clock)
        at = bucket.opens_at(now)
        if at is None and bucket.state is State.KNOWN:
            at = self.clock.sure_at(bucket.closes, now)
        return BudgetStatus(
            bucket.budget.name,
            bucket.owner,
            bucket.state,
            bucket.limit,
            max(0, bucket.tokens),
            bucket.pending,
            waiting,
            None if at is None else max(0.0, at - now),
        )


def _called(bucket: Bucket) -> str:
    if bucket.budget.owner == "app":
        return f"budget {bucket.budget.name!r} of the app"
    return f"budget {bucket.budget.name!r} of user {bucket.owner}"
