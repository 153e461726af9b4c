"""Granting: who goes, of all who wait, and who waits for what until when.

A flow is asked when something may have changed for it: its own buckets first, then the app's in
the pool that it shares. What an event means is `xdm_async.scheduling.machine`'s business.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..budgets import outlook
from ..budgets.bucket import Bucket
from ..budgets.budget import Plan
from ..budgets.priority import Priority
from ..budgets.server_clock import ServerClock
from .answers import called
from .events import Action, Go, Say
from .flows import Flow, Place, Stage, Ticket
from .forgetting import Forgetting
from .pool import Pool
from .roster import Roster

AT_ONCE = 128
"""Grants in one step; the rest follow in the next, so that the event loop breathes."""
LONG = 60.0
"""Seconds of waiting that are worth one line in the log."""

INFINITY = float("inf")
_EVERYBODY = (True,) * len(Priority)


class Pacer(Protocol):
    """Spreads requests over time, beyond what the budgets ask for."""

    def ready_at(self, priority: Priority, now: float) -> float:
        """When the next request of this priority may go; ``now`` or before if it may."""
        ...

    def take(self, priority: Priority) -> None:
        """One goes."""
        ...


class Granting:
    """The lines and pools, and the timers of those who wait.

    Always true:

    - a permit is given for all buckets of its group in one step, or for none;
    - tickets of one flow and priority are granted in the order they asked;
    - a flow that is not ready holds no token of the app, and delays nobody.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        app: str,
        reserve: Mapping[Priority, float],
        pacer: Pacer | None,
    ) -> None:
        self.clock = ServerClock()
        self.waiting = 0
        self.in_flight = 0
        self.closed = False
        self.roster = Roster(plan, app)
        self._reserve = tuple(reserve.get(priority, 0.0) for priority in Priority)
        self._pacer = pacer
        self._round_trip = 0.1
        self._heap: list[tuple[float, int, Flow | Pool | Ticket | Forgetting]] = []
        self._serial = 0
        self._shut: set[Pool] = set()
        """The pools where flows are in line and wait for an answer or a moment."""
        self._warned: dict[str, float] = {}
        self._out: list[Action] = []
        """What the step that is under way comes to."""
        self._left = AT_ONCE
        """How many more it may grant."""

    def _leave(self, flow: Flow, ticket: Ticket, now: float) -> None:
        """A ticket gives its place up."""
        flow.remove(ticket)
        self.waiting -= 1
        ticket.stage = Stage.DONE
        stirs = flow.expected  # then what was kept for it is for others
        if not flow.waiting and flow.place is Place.PARKED:
            flow.unpark()
        elif not flow.waiting:
            flow.place = Place.IDLE
        elif flow.waiting and flow.place is Place.READY and flow.urgency < flow.rank:
            flow.pool.push(flow)  # in the line of those who are still there
            stirs = True
        if stirs and flow.pool.shut and not self.closed:
            self._pump(flow.pool, now)

    # Who may go

    def _at_once(self, flow: Flow, ticket: Ticket, now: float) -> bool:
        """Whether a ticket may go without getting in line."""
        pool, priority = flow.pool, ticket.priority
        return (
            self._own_ready_at(flow, now) <= now
            and (self._plenty(pool, now) or self._app_ready_at(pool, now)[priority] <= now)
            and not self._kept(flow, priority)
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
                kept[priority] = max(kept[priority], outlook.kept(bucket, share, now, self.clock))
                stays = outlook.stays(bucket, now, self.clock)
                fresh = min(fresh, stays - now, bucket.budget.window / 1024.0)
                at = outlook.spare_at(bucket, share, now, self.clock)
                times[priority] = max(times[priority], at)
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
        barred = -1
        while pool:
            if self._left <= 0:
                self._shut_until(pool, now)
                self._shut.discard(pool)  # no answer is waited for
                return
            allowed: Sequence[bool] = _EVERYBODY
            times: Sequence[float] = ()
            if barred >= 0 or not self._plenty(pool, now):
                times = self._app_ready_at(pool, now)
                allowed = [at <= now and p > barred for p, at in enumerate(times)]
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
                barred = ticket.priority  # whoever is more urgent has more to take from
                pool.push(flow, first=True)
                continue
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
        later = [times[p] for p in Priority if pool.in_line(p) and times[p] > now]
        self._shut_until(pool, min(later, default=INFINITY))
        for bucket in pool.buckets:
            ready_at = bucket.ready_at(now, self.clock, self._round_trip)
            if now + LONG < ready_at < INFINITY:
                self._warn(bucket, ready_at, now)
            elif ready_at <= now and bucket.tokens <= max(pool.kept):
                self._warn_of_reserve(bucket, now)

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
        if pool.only is not None:
            return now < pool.only.sure and pool.only.tokens > kept
        return all(now < bucket.sure and bucket.tokens > kept for bucket in pool.buckets)

    def _serve_plainly(self, flow: Flow, now: float) -> None:
        """Grant at once to as many of a flow as need nothing decided, one after the other."""
        pool = flow.pool
        if (
            flow.waiting > flow.ahead_of(flow.urgency)
            or pool.expected
            or not self._plenty(pool, now)
        ):
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
            ticket.stage = Stage.GRANTED
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

    def _after(self, ticket: Ticket, now: float) -> None:
        """A permit has ended: whoever waited for just that may go now."""
        owner = ticket.flow.owner
        if owner.parked:
            for flow in owner.flows:
                if flow.place is Place.PARKED:
                    self._revive(flow, now)
        for pool in tuple(self._shut):
            self._pump(pool, now)

    # Timers, words

    def _at(self, at: float, what: Flow | Pool | Ticket | Forgetting) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, what))

    def _warn(self, bucket: Bucket, until: float, now: float) -> None:
        if self._warned.get(bucket.budget.name, -INFINITY) <= now:
            self._warned[bucket.budget.name] = until
            text = f"{called(bucket)} is spent: the next request goes in {until - now:.0f} s"
            self._out.append(Say(logging.WARNING, text))

    def _warn_of_reserve(self, bucket: Bucket, now: float) -> None:
        window = bucket.budget.window
        until = bucket.over_at(now, self.clock) if bucket.known else now + window
        if until - now > LONG and self._warned.get(bucket.budget.name, -INFINITY) <= now:
            self._warned[bucket.budget.name] = until
            text = (
                f"what is left of {called(bucket)} is kept for more urgent requests: the others "
                "go one by one as that melts"
            )
            self._out.append(Say(logging.WARNING, text))
