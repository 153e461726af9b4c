"""The machine that decides when a request may leave: ``step(event, now) -> actions``.

Everything that is decided is decided here, at once, with the time passed in. The shell around it
(`xdm_async.scheduling.scheduler`) brings events in, carries actions out, calls `Tick` at
``wake_at``, and decides nothing. Sums are in `xdm_async.budgets.bucket`, the order among those
who wait in `xdm_async.scheduling.flows` and `.pool`, who exists and what draws on what in
`.roster`, and what an answer teaches in `.answers`.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..budgets.bucket import LOST_AFTER, Bucket, State, settle_plainly
from ..budgets.budget import Plan, Report
from ..budgets.priority import RESERVE, Priority
from ..budgets.server_clock import ServerClock
from .answers import Answers, called
from .events import (
    Action,
    Ask,
    BudgetStatus,
    Cancel,
    Close,
    Drop,
    Event,
    Exhaust,
    Go,
    Lose,
    Refund,
    Say,
    Settle,
    Tick,
)
from .flows import Flow, Owner, Place, Stage, Ticket
from .forecast import Forecast
from .forgetting import Forgetting
from .pool import Pool
from .roster import Roster

AT_ONCE = 128
"""Grants in one step; the rest follow in the next, so that the event loop breathes."""
LONG = 60.0
"""Seconds of waiting that are worth one line in the log."""
OFTEN = 0.05
"""Seconds between two looks at the server's clock, where nothing else asks for one."""
SLOWEST = 5.0
"""Seconds: an answer that took longer says nothing about how long they usually take."""
MAX_WAITING = (10_000, 1_000_000)
"""Who may wait, of one account and in all; more are turned away at once."""

INFINITY = float("inf")
_EVERYBODY = (True,) * len(Priority)
_GRANTED, _DONE = Stage.GRANTED, Stage.DONE


class Pacer(Protocol):
    """Spreads requests over time, beyond what the budgets ask for."""

    def ready_at(self, priority: Priority, now: float) -> float:
        """When the next request of this priority may go; ``now`` or before if it may."""
        ...

    def take(self, priority: Priority) -> None:
        """One goes."""
        ...


class Machine:
    """Grants permits so that no budget of any owner is ever overdrawn.

    Always true:

    - a permit is given for all buckets of its group in one step, or for none;
    - each permit ends exactly once: settled, lost or refunded;
    - tickets of one flow and priority are granted in the order they asked, and a refused one goes
      again first;
    - a flow that is not ready holds no token of the app, and delays nobody;
    - if a token is there and a waiter may have it, it has been granted when ``step`` returns (or
      ``wake_at`` is now, where more than `AT_ONCE` go at once).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        app: str = "app",
        seed: int | None = None,
        reserve: Mapping[Priority, float] = RESERVE,
        max_waiting: tuple[int, int] = MAX_WAITING,
        pacer: Pacer | None = None,
    ) -> None:
        self.clock = ServerClock()
        self.wake_at = INFINITY
        """When `Tick` is due next."""
        self.waiting = 0
        self.in_flight = 0
        self.closed = False
        self.roster = Roster(plan, app)
        self._owners, self._routes = self.roster.owners, self.roster.layout.routes
        self._reserve = tuple(reserve.get(priority, 0.0) for priority in Priority)
        self._answers = Answers(self.roster, self.clock, seed)
        self._blamed = self._answers.suspicion.blamed
        self._forecast = Forecast(self.clock, self._reserve)
        self._max_waiting = max_waiting
        self._pacer = pacer
        self._heap: list[tuple[float, int, Flow | Pool | Ticket | Forgetting]] = []
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._forgetting = Forgetting()
        self._shut: set[Pool] = set()
        """The pools where flows are in line and may not go."""
        self._serial = 0
        self._round_trip = 0.1
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
        at = self._heap[0][0] if self._heap else INFINITY
        if self._deadlines and self._deadlines[0][0] < at:
            at = self._deadlines[0][0]
        self.wake_at = at
        return out

    # The straight way, where nothing needs to be decided

    def admit(self, ticket: Ticket, now: float) -> bool:
        """What `Ask` comes to where nobody is in line and every bucket surely gives: whether the
        ticket is granted. If it is not, nothing has happened, and the `Ask` is to be made.
        """
        try:
            flows = self._owners[ticket.user_id].flows
            group = self._routes[ticket.route]
        except KeyError:
            return False
        for flow in flows:
            if flow.group == group:
                break
        else:
            return False
        pool = flow.pool
        if flow.place or now >= pool.fresh_until:
            return False
        kept = pool.kept[ticket.priority]
        if kept and (pool.only is None or pool.only.tokens <= kept):
            return False
        buckets = flow.buckets
        for bucket in buckets:
            if bucket.tokens < 1 or now >= bucket.sure:
                for taken in buckets:
                    if taken is bucket:
                        return False
                    taken.refund(probe=False)
            bucket.tokens -= 1
            bucket.pending += 1
        served = flow.served
        if served > pool.floor:  # as `Pool.pass_by` has it
            pool.floor = served
            flow.served = served + ticket.cost
        else:
            pool.pass_by(flow, ticket.cost)
        ticket.flow = flow
        ticket.buckets = buckets
        ticket.stage = _GRANTED
        self.in_flight += 1
        return True

    def conclude(
        self,
        ticket: Ticket,
        sent: float,
        received: float,
        reports: tuple[Report, ...],
        date: float | None,
    ) -> int:
        """What `Settle` comes to for a good answer that changes no bucket but its numbers, where
        nobody waits for them: -1 where it was one. Else how many buckets have taken it in, and
        the `Settle`, which says so, is to be made.
        """
        if (
            ticket.stage is not _GRANTED
            or ticket.probes
            or date is None
            or ticket.flow.owner.parked
            or self._shut
            or self._blamed
        ):
            return 0
        if received - self.clock.at > OFTEN:
            self.clock.observe(date, sent, received)
        settled = settle_plainly(ticket.buckets, reports, received)
        if settled >= 0:
            return settled
        if received - sent > self._round_trip:
            self._round_trip += (min(received - sent, SLOWEST) - self._round_trip) / 8.0
        ticket.stage = _DONE
        self.in_flight -= 1
        return -1

    # Events

    def _ask(self, event: Ask, now: float) -> None:
        ticket = event.ticket
        if self.closed:
            ticket.stage = Stage.DONE
            self._out.append(Drop(ticket))
            return
        flow = self.roster.flow(ticket)
        if not flow.owner.due:
            self._forget_later(flow.owner, now)
        if flow.place is Place.IDLE and not flow.pool and self._at_once(flow, ticket, now):
            flow.pool.pass_by(flow, ticket.cost)
            self._grant(flow, ticket, now)
            return
        each, all_of_them = self._max_waiting
        if flow.owner.waiting >= each or self.waiting >= all_of_them:
            self._turn_away(flow, ticket, now, full=True)
        elif ticket.deadline < INFINITY and self._too_late(flow, ticket, now):
            self._turn_away(flow, ticket, now)
        else:
            flow.append(ticket)
            self._join(flow, ticket, now)

    def _cancel(self, event: Cancel, now: float) -> None:
        ticket = event.ticket
        if ticket.stage is Stage.GRANTED:
            self._refund(Refund(ticket), now)
        elif ticket.stage is Stage.WAITING:
            self._leave(ticket.flow, ticket)

    def _refund(self, event: Refund, now: float) -> None:
        ticket = event.ticket
        self._end(ticket)
        for index, bucket in enumerate(ticket.buckets):
            bucket.real.refund(bool(ticket.probes >> index & 1))
        self._after(ticket, now)

    def _lose(self, event: Lose, now: float) -> None:
        ticket = event.ticket
        self._end(ticket)
        for index, bucket in enumerate(ticket.buckets):
            bucket.real.lose(bool(ticket.probes >> index & 1))
        ticket.stage = Stage.LOST
        self._at(max(now, event.sent + LOST_AFTER), ticket)
        self._after(ticket, now)

    def _settle(self, event: Settle, now: float) -> None:
        ticket = event.ticket
        if event.date is not None:
            self.clock.observe(event.date, event.sent, event.received)
        trip = min(event.received - event.sent, SLOWEST)
        self._round_trip += (trip - self._round_trip) / 8.0
        self._end(ticket)
        self._out.extend(self._answers.take_in(event, now))
        self._line_up_stirred(now)
        if event.refused and not self.closed:
            flow = self.roster.flow(ticket)
            soonest, _ = self._forecast.soonest(flow, ticket.priority, 1, now)
            if soonest > ticket.deadline:
                self._turn_away(flow, ticket, now)
            else:
                flow.push_front(ticket)
                self._join(flow, ticket, now)
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
            elif isinstance(what, Ticket):
                self._expire(what, now)
            else:
                self._forget(now)
        while self._deadlines and self._deadlines[0][0] <= now and self._left > 0:
            ticket = heapq.heappop(self._deadlines)[2]
            if ticket.stage is Stage.WAITING:
                flow = ticket.flow
                self._leave(flow, ticket)
                self._turn_away(flow, ticket, now)
                self._left -= 1

    def _close(self, event: Close, now: float) -> None:
        self.closed = True
        for pool in self.roster.pools.values():
            pool.kept_until = -INFINITY
            pool.freshen()
        for owner in self.roster.owners.values():
            for flow in owner.flows:
                for ticket in flow.tickets():
                    self._leave(flow, ticket)
                    self._out.append(Drop(ticket))

    # Waiting

    def _join(self, flow: Flow, ticket: Ticket, now: float) -> None:
        """A ticket has come to the line of a flow."""
        self.waiting += 1
        if flow.place is Place.IDLE:
            self._line_up(flow, now)
        elif flow.place is Place.READY:
            flow.pool.upgrade(flow)
            self._pump(flow.pool, now)
        if ticket.deadline < INFINITY and ticket.stage is Stage.WAITING:
            if ticket.deadline <= now:
                self._leave(flow, ticket)
                self._turn_away(flow, ticket, now)
            else:
                self._serial += 1
                heapq.heappush(self._deadlines, (ticket.deadline, self._serial, ticket))
                self._sweep()

    def _leave(self, flow: Flow, ticket: Ticket) -> None:
        """A ticket gives its place up."""
        flow.remove(ticket)
        self.waiting -= 1
        ticket.stage = Stage.DONE
        if not flow.waiting and flow.place is Place.PARKED:
            flow.unpark()

    def _turn_away(self, flow: Flow, ticket: Ticket, now: float, *, full: bool = False) -> None:
        """A ticket's turn comes too late for it, or the line is full."""
        ticket.stage = Stage.DONE
        ahead = flow.ahead_of(ticket.priority)
        at, bucket = self._forecast.soonest(flow, ticket.priority, ahead + 1, now)
        bucket = bucket or self._blocker(flow, ticket.priority, now)
        if bucket is not None:
            name, owner = bucket.budget.name, bucket.owner
        elif self._pacer is not None:
            name, owner = "pace", self.roster.app
            at = max(now, self._pacer.ready_at(ticket.priority, now))
        else:
            name, owner = flow.group, ticket.user_id
        self._out.append(Exhaust(ticket, name, owner, at - now, full))

    def _too_late(self, flow: Flow, ticket: Ticket, now: float) -> bool:
        """Whether even the earliest turn comes after a ticket's deadline."""
        ahead = flow.ahead_of(ticket.priority)
        return self._forecast.soonest(flow, ticket.priority, ahead + 1, now)[0] > ticket.deadline

    def _blocker(self, flow: Flow, priority: Priority, now: float) -> Bucket | None:
        found = self._forecast.blocker(flow, priority, now, self._round_trip)
        if found is None and self._pacer is None and flow.buckets:
            return flow.buckets[-1]  # others go first in what all of them share
        return found

    def _sweep(self) -> None:
        """Let go of the deadlines of those who are gone, before they are most of them."""
        if len(self._deadlines) > 2 * (self.waiting + self.in_flight) + 1000:
            self._deadlines = [
                entry for entry in self._deadlines if entry[2].stage <= Stage.GRANTED
            ]
            heapq.heapify(self._deadlines)

    # Granting

    def _at_once(self, flow: Flow, ticket: Ticket, now: float) -> bool:
        """Whether a ticket may go without getting in line."""
        return (
            self._own_ready_at(flow, now) <= now
            and self._app_ready_at(flow.pool, now)[ticket.priority] <= now
            and not self._kept(flow, ticket.priority)
        )

    def _own_ready_at(self, flow: Flow, now: float) -> float:
        """When all of the account's own buckets may give."""
        latest = now
        for bucket in flow.buckets[: flow.own]:
            if now < bucket.sure and bucket.tokens > 0:
                continue
            at = bucket.ready_at(now, self.clock, self._round_trip)
            if at > latest:
                latest, flow.blocker = at, bucket
        return latest

    def _app_ready_at(self, pool: Pool, now: float) -> list[float]:
        """When the app's buckets, and the pacing, may give to each priority."""
        latest = now
        for bucket in pool.buckets:
            latest = max(latest, bucket.ready_at(now, self.clock, self._round_trip))
        times = [latest] * len(Priority)
        if latest <= now:
            self._keep(pool, times, now)
        if self._pacer is not None and latest <= now:
            for priority in Priority:
                if times[priority] <= now:
                    times[priority] = self._pacer.ready_at(priority, now)
        return times

    def _keep(self, pool: Pool, times: list[float], now: float) -> None:
        """Work out what is kept of the app's tokens from the less urgent."""
        kept = [0.0] * len(Priority)
        fresh = -INFINITY if self._pacer is not None or self.closed else INFINITY
        for priority in Priority:
            share = self._reserve[priority]
            if not share:
                continue
            for bucket in pool.buckets:
                kept[priority] = max(kept[priority], bucket.kept(share, now, self.clock))
                fresh = min(fresh, bucket.budget.window / 1024.0)
                times[priority] = max(times[priority], bucket.spare_at(share, now, self.clock))
        pool.kept, pool.kept_until = kept, now + fresh
        pool.freshen()

    def _line_up(self, flow: Flow, now: float) -> None:
        """Put an idle flow that someone waits in where it belongs."""
        flow.pool.welcome(flow)
        at = self._own_ready_at(flow, now)
        if at <= now:
            flow.pool.push(flow)
            self._pump(flow.pool, now)
        else:
            self._park(flow, at, now)

    def _line_up_stirred(self, now: float) -> None:
        """The roster has changed: line up whom that stirred."""
        if self.roster.stirred:
            stirred, self.roster.stirred = self.roster.stirred, []
            for flow in stirred:
                if flow.place is Place.IDLE and flow.waiting:
                    self._line_up(flow, now)

    def _park(self, flow: Flow, at: float, now: float) -> None:
        flow.park(at)
        if at < INFINITY:
            self._at(at, flow)
            if at - now > LONG and flow.blocker is not None:
                self._warn(flow.blocker, at, now)

    @staticmethod
    def _kept(flow: Flow, priority: Priority) -> bool:
        """Whether what the app has left is kept for flows that have been served less."""
        pool = flow.pool
        if not pool.expected:
            return False
        return pool.tokens - pool.kept[priority] <= pool.kept_from(flow)

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
                self._shut_until(pool, now)
                self._shut.discard(pool)  # no answer is waited for
                return
            allowed: Sequence[bool] = _EVERYBODY
            times: Sequence[float] = ()
            if not self._plenty(pool, now):
                times = self._app_ready_at(pool, now)
                allowed = [at <= now for at in times]
                if not any(allowed):
                    self._wait_for(pool, times, now)
                    return
            flow = pool.pop(allowed)
            if flow is None:
                if not pool:
                    break
                self._wait_for(pool, times, now)
                return
            if flow.pool is not pool:  # the layout changed while it was in line here
                if flow.waiting:
                    flow.pool.push(flow)
                    self._pump(flow.pool, now)
                else:
                    flow.place = Place.IDLE
                continue
            ticket = flow.choose(allowed)
            if ticket is None:
                if flow.waiting:  # the urgent one that it was in line for is gone
                    pool.push(flow)
                else:
                    flow.place = Place.IDLE
                continue
            at = self._own_ready_at(flow, now)
            if at > now:
                self._park(flow, at, now)
                continue
            if self._kept(flow, ticket.priority):
                pool.push(flow, first=True)
                self._shut_until(pool, INFINITY)
                return
            flow.served_one(ticket)
            self.waiting -= 1
            self._grant(flow, ticket, now)
            if flow.waiting and not pool:  # it is alone
                self._serve_plainly(flow, now)
            if flow.waiting:
                pool.push(flow)
            else:
                flow.place = Place.IDLE
        if pool.shut:
            pool.shut = False
            self._shut.discard(pool)
            pool.freshen()

    def _wait_for(self, pool: Pool, times: Sequence[float], now: float) -> None:
        """Those in line may not go: look again when the first of them may."""
        at = min([times[p] for p in Priority if pool.in_line(p)], default=INFINITY)
        self._shut_until(pool, at)
        if LONG < at - now < INFINITY:
            for bucket in pool.buckets:
                if bucket.ready_at(now, self.clock, self._round_trip) > now + LONG:
                    self._warn(bucket, at, now)

    def _shut_until(self, pool: Pool, at: float) -> None:
        pool.shut = True
        pool.freshen()
        self._shut.add(pool)
        if at < INFINITY and pool.due != at:
            pool.due = at
            self._at(at, pool)

    def _plenty(self, pool: Pool, now: float) -> bool:
        """Whether the app surely has more than what is kept from anyone."""
        if self._pacer is not None or now >= pool.kept_until:
            return False
        kept = max(pool.kept)
        for bucket in pool.buckets:
            if now >= bucket.sure or bucket.tokens <= kept:
                return False
        return True

    def _serve_plainly(self, flow: Flow, now: float) -> None:
        """Grant at once to as many of a flow as need nothing decided, one after the other."""
        pool = flow.pool
        if len(flow.lines) > 1 or pool.expected or not self._plenty(pool, now):
            return
        many = min(self._left, flow.waiting)
        for bucket in flow.buckets[: flow.own]:
            if now >= bucket.sure:
                return
            many = min(many, bucket.tokens)
        for bucket in pool.buckets:
            many = min(many, math.ceil(bucket.tokens - pool.kept[flow.urgency]))
        if many <= 0:
            return
        for bucket in flow.buckets:
            bucket.tokens -= many
            bucket.pending += many
        buckets, out = flow.buckets, self._out
        for ticket in flow.serve(many):
            ticket.buckets = buckets
            ticket.probes = 0
            ticket.stage = _GRANTED
            out.append(Go(ticket))
        self.waiting -= many
        self.in_flight += many
        self._left -= many

    def _grant(self, flow: Flow, ticket: Ticket, now: float) -> None:
        probes = 0
        for index, bucket in enumerate(flow.buckets):
            if now < bucket.sure:
                bucket.tokens -= 1
                bucket.pending += 1
            elif bucket.take(now):
                probes |= 1 << index
        if self._pacer is not None:
            self._pacer.take(ticket.priority)
        ticket.flow, ticket.buckets, ticket.probes = flow, flow.buckets, probes
        ticket.stage = Stage.GRANTED
        self.in_flight += 1
        self._left -= 1
        self._out.append(Go(ticket))

    # How a permit ends

    def _end(self, ticket: Ticket) -> None:
        """Close a permit, once."""
        if ticket.stage is not Stage.GRANTED:
            raise RuntimeError(f"{ticket!r} holds no permit")
        ticket.stage = Stage.DONE
        self.in_flight -= 1

    def _expire(self, ticket: Ticket, now: float) -> None:
        for bucket in ticket.buckets:
            bucket.real.expire(now)
        ticket.stage = Stage.DONE
        self._after(ticket, now)

    def _after(self, ticket: Ticket, now: float) -> None:
        """A permit has ended: whoever waited for just that may go now."""
        owner = ticket.flow.owner
        if owner.parked:
            for flow in owner.flows:
                if flow.place is Place.PARKED:
                    self._revive(flow, now)
        for pool in tuple(self._shut):
            self._pump(pool, now)
        if not owner.due:
            self._forget_later(owner, now)

    # Time, memory, words

    def _at(self, at: float, what: Flow | Pool | Ticket | Forgetting) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, what))

    def _forget_later(self, owner: Owner, now: float) -> None:
        at = max((b.clear_at(now, self.clock) for b in owner.buckets().values()), default=now)
        due = self._forgetting.plan(owner, max(at, now + 1.0))
        if due is not None:
            self._at(due, self._forgetting)

    def _forget(self, now: float) -> None:
        """Drop the accounts that nobody uses and whose buckets hold nothing."""
        for owner in self._forgetting.due(now):
            owner.due = 0
            buckets = owner.buckets().values()
            for bucket in buckets:
                bucket.turn(now, self.clock)
            busy = any(f.waiting or f.place for f in owner.flows)
            if busy or not all(bucket.idle for bucket in buckets):
                self._forget_later(owner, now)
            elif self.roster.owners.get(owner.user_id) is owner:
                del self.roster.owners[owner.user_id]
        if self._forgetting.behind(now):
            self._at(now, self._forgetting)
            self._left = 0

    def _warn(self, bucket: Bucket, until: float, now: float) -> None:
        if self._warned.get(bucket.budget.name, -INFINITY) <= now:
            self._warned[bucket.budget.name] = until
            text = f"{called(bucket)} is spent: the next request goes in {until - now:.0f} s"
            self._out.append(Say(logging.WARNING, text))

    def statuses(self, now: float, user_id: str | None = None) -> list[BudgetStatus]:
        """Every bucket, or those that one account draws on, as they are at ``now``."""
        waiting: dict[int, int] = {}
        for owner in self.roster.owners.values():
            for flow in owner.flows:
                for bucket in self._blockers(flow, now):
                    waiting[id(bucket)] = waiting.get(id(bucket), 0) + flow.waiting
        buckets = list(self.roster.app_buckets.values())
        for owner in self.roster.owners.values():
            if user_id is None or owner.user_id == user_id:
                buckets.extend(owner.buckets().values())
        return [self._status(b, waiting.get(id(b), 0), now) for b in buckets]

    def _blockers(self, flow: Flow, now: float) -> list[Bucket]:
        """What the first in line waits for now."""
        if not flow.waiting:
            return []
        found = [b for b in flow.buckets if b.ready_at(now, self.clock, self._round_trip) > now]
        if not found:
            kept = self._forecast.blocker(flow, flow.urgency, now, self._round_trip)
            found = [kept] if kept is not None else []
        return found

    def blocker(self, ticket: Ticket, now: float) -> tuple[str, str, float | None] | None:
        """What a waiting ticket waits for: budget, owner, and in how many seconds it opens (None
        where only an answer can tell); nothing where it does not wait.
        """
        if ticket.stage is not Stage.WAITING:
            return None
        flow = ticket.flow
        bucket = self._blocker(flow, ticket.priority, now)
        if bucket is None:
            return None
        ahead = flow.ahead_of(ticket.priority)
        at, _ = self._forecast.soonest(flow, ticket.priority, ahead, now)
        return bucket.budget.name, bucket.owner, at - now if at > now else None

    def eta(
        self, user_id: str, group_or_route: str, n: int, priority: Priority, now: float
    ) -> float:
        """In how many seconds ``n`` more requests could have left, after those that wait.

        Raises:
            KeyError: no route and no group of the plan has this name.
        """
        layout = self.roster.layout
        group = layout.routes.get(group_or_route, group_or_route)
        if group not in layout.groups:
            raise KeyError(group_or_route)
        flow = self.roster.visitor(user_id, group)
        last = flow.ahead_of(priority) + n
        others = self._forecast.before(flow, last, self.roster.owners.values())
        at, _ = self._forecast.soonest(flow, priority, last, now, others=others)
        return at - now

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
