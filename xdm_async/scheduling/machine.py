"""The machine that decides when a request may leave: ``step(event, now) -> actions``.

Everything that is decided is decided here, at once, with the time passed in. The shell around it
(`xdm_async.scheduling.scheduler`) brings events in, carries actions out, calls `Tick` at
``wake_at``, and decides nothing. Sums are in `xdm_async.budgets.bucket`, the order among those
who wait in `xdm_async.scheduling.flows`, who exists and what draws on what in
`xdm_async.scheduling.roster`, and whom to hold for a refusal that nothing explains in
`xdm_async.scheduling.suspicion`.
"""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

from ..budgets.bucket import DOUBTED, LOST_AFTER, Bucket, Finding, State
from ..budgets.budget import Budget, Plan, Report
from ..budgets.server_clock import ServerClock
from .events import (
    Action,
    Ask,
    BudgetStatus,
    Cancel,
    Close,
    Drop,
    Event,
    Go,
    Lose,
    Refund,
    Say,
    Settle,
    Tick,
)
from .flows import Flow, Owner, Place, Pool, Stage, Ticket
from .layout import fits
from .roster import Roster
from .suspicion import Suspicion

AT_ONCE = 128
"""Grants in one step; the rest follow in the next, so that the event loop breathes."""
LONG = 60.0
"""Seconds of waiting that are worth one line in the log."""

INFINITY = float("inf")


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
        self.wake_at = INFINITY
        """When `Tick` is due next."""
        self.waiting = 0
        self.in_flight = 0
        self.closed = False
        self.roster = Roster(plan, app)
        self._suspicion = Suspicion(self.roster)
        self._heap: list[tuple[float, int, Flow | Pool | Owner | Ticket]] = []
        self._serial = 0
        self._round_trip = 0.1
        self._random = random.Random(seed)
        self._warned: dict[str, float] = {}
        self._disbelieved: set[str] = set()
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
        flow = self.roster.flow(ticket)
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
                flow.unpark()
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
        self._at(max(now, event.sent + LOST_AFTER), ticket)
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
            if event.repeated:
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
                self._hold(ticket, reports, event, now)
            elif event.retry_after:
                for index in reports:
                    ticket.buckets[index].real.hold(now, event.retry_after)
        elif self._suspicion:
            self._suspicion.acquit(ticket, event.sent)
        self._learn(ticket, reports, event)
        for finding, bucket, report in findings:
            self._find(finding, bucket, report, event)
        self._restore_order(now)
        if event.refused and not self.closed:
            flow = self.roster.flow(ticket)
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
        for owner in self.roster.owners.values():
            for flow in owner.flows.values():
                for ticket in flow.tickets():
                    flow.remove(ticket)
                    self.waiting -= 1
                    ticket.stage = Stage.DONE
                    self._out.append(Drop(ticket))

    # Granting

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
        flow.park(at)
        if at < INFINITY:
            self._at(at, flow)
            if at - now > LONG and flow.blocker is not None:
                self._warn(flow.blocker, at, now)

    @staticmethod
    def _kept(flow: Flow) -> bool:
        """Whether what the app has left is kept for flows that have been served less."""
        pool = flow.pool
        return bool(pool.expected) and pool.tokens <= pool.kept_from(flow)

    def _revive(self, flow: Flow, now: float) -> None:
        """A parked flow's own buckets may give again: ask them."""
        at = self._own_ready_at(flow, now)
        if at <= now:
            flow.unpark()
            flow.pool.push(flow)
            self._pump(flow.pool, now)
        elif at != flow.due:
            flow.unpark()
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
            yield bucket.real, bool(probes >> index & 1)

    def _expire(self, ticket: Ticket, now: float) -> None:
        for bucket in ticket.buckets:
            bucket.real.expire(now)
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
        for pool in [pool for pool in self.roster.pools.values() if pool.shut]:
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
                if (
                    bucket.budget.report == report.family
                    and index not in assigned
                    and fits(bucket.budget, report, date)
                ):
                    real = bucket.real
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
        for index, report in reports.items():
            budget = ticket.buckets[index].budget
            if report.limit is None or report.limit == budget.limit:
                continue
            for bucket in ticket.buckets:
                if not bucket.reported and not bucket.doubted:
                    bucket.real.doubted = bucket.doubted = True
                    self._disbelieve(bucket.budget.name, budget, report.limit)
            return

    def _disbelieve(self, name: str, known: Budget, limit: int) -> None:
        """Say once for each budget why it is drawn on with care from now on."""
        if name not in self._disbelieved:
            self._disbelieved.add(name)
            self._say(
                logging.INFO,
                f"the server's limit of {known.name!r} is {limit}, the plan's {known.limit}: "
                f"{name!r}, which no header confirms, is drawn on by {DOUBTED} requests at a "
                "time (a plan with the server's limits is not)",
            )

    def _hold(self, ticket: Ticket, reports: dict[int, Report], event: Settle, now: float) -> None:
        """Hold what may be behind a refusal that no report explains."""
        visible = any(r.remaining for r in event.reports)
        for bucket in self._suspicion.suspects(ticket, reports, now):
            before = bucket.strikes
            bucket.strike(
                now,
                event.sent,
                self._random.random(),
                visible=visible,
                at_least=event.retry_after,
            )
            if bucket.strikes > before and bucket.strikes in (1, 4):
                self._say(
                    logging.INFO if bucket.strikes == 1 else logging.WARNING,
                    f"refused without an explanation ({bucket.strikes} in a row): "
                    f"{_called(bucket)} is held for "
                    f"{max(0.0, (bucket.opens_at(now) or now) - now):.1f} s",
                )

    # What the server shows of its own structure

    def _learn(self, ticket: Ticket, reports: dict[int, Report], event: Settle) -> None:
        """Reports that no bucket of the permit is about make new ones."""
        if len(reports) == len(event.reports) or event.date is None:
            return
        taken = set(map(id, reports.values()))
        for report in event.reports:
            if id(report) not in taken:
                budget = self.roster.learn(ticket, report, event.date)
                if budget is not None:
                    self._feed(ticket, budget, report, event)

    def _find(self, finding: Finding, bucket: Bucket, report: Report, event: Settle) -> None:
        """A report contradicts the plan: follow it."""
        if finding is Finding.SHARED:
            self.roster.join(event.ticket, bucket)
            return
        own = self.roster.split(event.ticket.route, bucket)
        if own is not None:
            self._feed(event.ticket, own, report, event)

    def _feed(self, ticket: Ticket, budget: Budget, report: Report, event: Settle) -> None:
        """Let a bucket that is new take in the answer that made it known."""
        for bucket in self.roster.flow(ticket).buckets:
            if bucket.budget.name == budget.name:
                probe = bucket.take(event.sent)
                self._settle_one(bucket, report, event, probe=probe)

    def _restore_order(self, now: float) -> None:
        """The roster has changed: say so, and line up whom it stirred."""
        roster = self.roster
        if roster.news:
            for sentence in roster.news:
                self._say(logging.INFO, sentence)
            roster.news.clear()
        if roster.stirred:
            stirred, roster.stirred = roster.stirred, []
            for flow in stirred:
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
            self.roster.owners.pop(owner.user_id, None)
        else:
            self._forget_later(owner, now)

    def _warn(self, bucket: Bucket, until: float, now: float) -> None:
        if self._warned.get(bucket.budget.name, -INFINITY) <= now:
            self._warned[bucket.budget.name] = until
            self._say(
                logging.WARNING,
                f"{_called(bucket)} is spent: the next request goes in {until - now:.0f} s",
            )

    def _say(self, level: int, text: str) -> None:
        self._out.append(Say(level, text))

    def statuses(self, now: float, user_id: str | None = None) -> list[BudgetStatus]:
        """Every bucket, or those that one account draws on, as they are at ``now``."""
        waiting: dict[int, int] = {}
        for owner in self.roster.owners.values():
            for flow in owner.flows.values():
                for bucket in self._blockers(flow, now):
                    waiting[id(bucket)] = waiting.get(id(bucket), 0) + flow.waiting
        buckets = list(self.roster.app_buckets.values())
        for owner in self.roster.owners.values():
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
