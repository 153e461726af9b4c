"""The machine that decides when a request may leave: ``step(event, now) -> actions``.

Everything that is decided is decided here, at once, with the time passed in. The shell around it
(`xdm_async.scheduling.scheduler`) brings events in, carries actions out, calls `Tick` at
``wake_at``, and decides nothing. What each event means is here; who goes next is in `.granting`,
with the order among those who wait in `.flows` and `.pool`; who exists and what draws on what in
`.roster`; what an answer teaches in `.answers`; sums in `xdm_async.budgets`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from ..budgets import outlook
from ..budgets.bucket import LOST_AFTER, Bucket
from ..budgets.budget import Plan, Report
from ..budgets.plain import settle_plainly
from ..budgets.priority import RESERVE, Priority
from .answers import Answers
from .deadlines import Deadlines
from .events import (
    Action,
    Ask,
    BudgetStatus,
    Cancel,
    Close,
    Drop,
    Event,
    Exhaust,
    Lose,
    Refund,
    Room,
    Settle,
    Tick,
)
from .flows import Flow, Owner, Place, Stage, Ticket
from .forecast import Forecast
from .forgetting import Forgetting
from .granting import AT_ONCE, Granting, Pacer
from .pool import Pool

FINE = 1e-3
"""Seconds by which the server's clock is worth knowing better."""
AGED = 10.0
"""Seconds after which a look at the server's clock is worth it though it tells nothing new."""
SLOWEST = 5.0
"""Seconds: an answer that took longer says nothing about how long they usually take."""
MAX_WAITING = (10_000, 1_000_000)
"""Who may wait, of one account and in all; more are turned away at once."""

INFINITY = float("inf")
_GRANTED, _DONE = Stage.GRANTED, Stage.DONE


class Machine(Granting):
    """Grants permits so that no budget of any owner is ever overdrawn.

    Always true:

    - each permit ends exactly once: settled, lost or refunded;
    - a refused request goes again before those of its flow and priority that wait;
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
        super().__init__(plan, app=app, reserve=reserve, pacer=pacer)
        self.wake_at = INFINITY
        """When `Tick` is due next."""
        self._max_waiting = max_waiting
        self._owners, self._routes = self.roster.owners, self.roster.layout.routes
        self._answers = Answers(self.roster, self.clock, seed)
        self._blamed = self._answers.suspicion.blamed
        self._forecast = Forecast(self.roster, self.clock, self._reserve)
        self._deadlines = Deadlines()
        self._forgetting = Forgetting()
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
        self.wake_at = min(at, self._deadlines.first_at)
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
            flow.served, flow.lined = served + ticket.cost, 0
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
        clock = self.clock
        if (
            date - received > clock.low + FINE
            or date + 1.0 - sent < clock.high - FINE
            or received - clock.at > AGED
        ):
            clock.observe(date, sent, received)
        settled = settle_plainly(ticket.buckets, reports, received)
        if settled >= 0:
            return settled
        trip = received - sent
        self._round_trip += ((trip if trip < SLOWEST else SLOWEST) - self._round_trip) / 8.0
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
        if ticket.deadline < INFINITY and self._too_late(flow, ticket, now, first=event.again):
            self._turn_away(flow, ticket, now)
            return
        each, all_of_them = self._max_waiting
        full = flow.owner.waiting >= each or self.waiting >= all_of_them
        if event.again:
            full = False
            flow.put_back(ticket)
        else:
            flow.append(ticket)
        self._join(flow, ticket, now)
        if full and ticket.stage is Stage.WAITING:
            self._leave(flow, ticket, now)
            self._turn_away(flow, ticket, now, full=True)

    def _cancel(self, event: Cancel, now: float) -> None:
        ticket = event.ticket
        if ticket.stage is Stage.GRANTED:
            self._refund(Refund(ticket), now)
        elif ticket.stage is Stage.WAITING:
            self._leave(ticket.flow, ticket, now)

    def _refund(self, event: Refund, now: float) -> None:
        ticket = event.ticket
        self._end(ticket)
        for index, bucket in enumerate(ticket.buckets):
            bucket.real.refund(bool(ticket.probes >> index & 1))
        ticket.flow.pool.give_back(ticket.flow, ticket.cost)
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
        shape = _shape(ticket)
        self._out.extend(self._answers.take_in(event, now))
        if _shape(ticket) != shape:
            for pool in self.roster.pools.values():
                pool.kept_until = -INFINITY
                pool.freshen()
        self._line_up_stirred(now)
        if event.refused and not self.closed:
            flow = self.roster.flow(ticket)
            flow.pool.give_back(flow, ticket.cost)
            soonest, _ = self._forecast.soonest(flow, ticket.priority, 1, now, at_the_earliest=True)
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
        while self._left > 0:
            ticket = self._deadlines.pop(now)
            if ticket is None:
                break
            self._leave(ticket.flow, ticket, now)
            self._turn_away(ticket.flow, ticket, now)
            self._left -= 1

    def _close(self, event: Close, now: float) -> None:
        self.closed = True
        for pool in self.roster.pools.values():
            pool.kept_until = -INFINITY
            pool.freshen()
        for owner in self.roster.owners.values():
            for flow in owner.flows:
                for ticket in flow.tickets():
                    self._leave(flow, ticket, now)
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
                self._leave(flow, ticket, now)
                self._turn_away(flow, ticket, now)
            else:
                self._deadlines.add(ticket, self.waiting + self.in_flight)

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

    def _too_late(self, flow: Flow, ticket: Ticket, now: float, *, first: bool) -> bool:
        """Whether even the earliest turn comes after a ticket's deadline; ``first`` in its line."""
        ahead = 0 if first else flow.ahead_of(ticket.priority)
        soonest, _ = self._forecast.soonest(
            flow, ticket.priority, ahead + 1, now, at_the_earliest=True
        )
        return soonest > ticket.deadline

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

    # Time, memory, words

    def _forget_later(self, owner: Owner, now: float) -> None:
        buckets = owner.buckets().values()
        at = max((outlook.clear_at(b, now, self.clock) for b in buckets), default=now)
        due = self._forgetting.plan(owner, max(at, now + 1.0))
        if due is not None:
            self._at(due, self._forgetting)

    def _forget(self, now: float) -> None:
        """Drop the accounts that nobody uses and whose buckets hold nothing."""
        gone = []
        for owner in self._forgetting.due(now):
            owner.due = 0
            buckets = owner.buckets().values()
            for bucket in buckets:
                bucket.turn(now, self.clock)
            busy = any(f.waiting or f.place for f in owner.flows)
            if busy or not all(bucket.idle for bucket in buckets):
                self._forget_later(owner, now)
            else:
                gone.append(owner)
        self.roster.forget(gone)
        if self._forgetting.behind(now):
            self._at(now, self._forgetting)
            self._left = 0

    # To be looked at

    def _blocker(self, flow: Flow, priority: Priority, now: float) -> Bucket | None:
        found = self._forecast.blocker(flow, priority, now, self._round_trip)
        if found is None and self._pacer is None and flow.buckets:
            return flow.buckets[-1]  # others go first in what all of them share
        return found

    def blocker(self, ticket: Ticket, now: float) -> tuple[str, str, float | None] | None:
        """What a waiting ticket waits for: budget, owner, and in how many seconds it opens (None
        where only an answer can tell); nothing where no budget keeps it.
        """
        if ticket.stage is not Stage.WAITING:
            return None
        flow = ticket.flow
        bucket = self._blocker(flow, ticket.priority, now)
        if bucket is None:
            return None
        at, _ = self._forecast.soonest(flow, ticket.priority, 1, now)
        return bucket.budget.name, bucket.owner, at - now if at > now else None

    def eta(
        self, user_id: str, group_or_route: str, n: int, priority: Priority, now: float
    ) -> float:
        """In how many seconds ``n`` more requests could have left, after those that wait.

        Raises:
            KeyError: no route and no group of the plan has this name.
        """
        return self._forecast.eta(user_id, group_or_route, n, priority, now)

    def room(self, user_id: str, route: str, now: float) -> Room | None:
        """What is left for an account on a route; None where no budget is known."""
        return self._forecast.room(user_id, route, now)

    def statuses(self, now: float, user_id: str | None = None) -> list[BudgetStatus]:
        """Every bucket, or those that one account draws on, as they are at ``now``."""
        return self._forecast.statuses(now, user_id, self._round_trip)


def _shape(ticket: Ticket) -> list[tuple[bool, float, int]]:
    """What the reserve of the app's buckets goes by: whether a window is known, which, how wide."""
    return [
        (bucket.known, bucket.reset, bucket.limit) for bucket in ticket.buckets[ticket.flow.own :]
    ]
