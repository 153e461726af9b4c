"""Buckets: what is left of a budget, and whether the next request may go.

Pure arithmetic. Nothing here waits, reads a clock or knows of a network: the caller says what
time it is (``now``, on one monotonic clock) and what is known of the server's clock. A *budget*
is the server's rule; a *bucket* is what is left of one budget for one owner. Who waits for a
bucket, and who goes first, is the business of `xdm_async.scheduling`.
"""

from __future__ import annotations

from enum import Enum

from .budget import Budget, Report
from .cells import Cells
from .hold import Hold
from .server_clock import DRIFT, ServerClock

GUARD = 1.0
"""Seconds after ``reset`` at which a window counts as closed: resets are floored, rounded or
ceiled to whole seconds, and we do not know which."""
SHORTEST = 10.0
"""Windows below this are never waited out by their ``reset``: the guard would cost too much."""
SAME = 2.0
"""Two resets that differ by no more than this name one window."""
FULL = 1024
"""A start that has doubled this far is over."""
PATIENCE = 2.0
"""A probe that has no answer after this long (or four round trips) lets the next one go."""
DOUBTED = 2
"""How many may be on their way in a budget that no header shows, once the plan was caught wrong
about a sibling: so many refusals it costs to run into the end of it."""
LOST_AFTER = 30.0
"""How long after it was sent a request without an answer may still be counted by the server."""

INFINITY = float("inf")
_NEVER = -INFINITY


class State(Enum):
    """What is known of a bucket, and so what it gives (SCHEDULER: the five states)."""

    COLD = "cold"
    """Nothing known: one request goes and finds out."""
    KNOWN = "known"
    """A report named the end of this window."""
    PROVISIONAL = "provisional"
    """The window is over, the next one not yet named: one request goes and finds out."""
    ROLLING = "rolling"
    """No report names a window: each unit comes back one window after its answer."""
    HELD = "held"
    """Refused and unexplained: nothing until the hold ends, then one request."""


class Finding(Enum):
    """What a report says about the plan itself, beyond its numbers."""

    NOTHING = 0
    APART = 1
    """The server counts this route in a window of its own."""
    SHARED = 2
    """Someone else draws on this budget: perhaps a route that the plan counts apart."""
    SLIDES = 3
    """One route named two ends of one open window: two routes that do so prove nothing."""


class Bucket:
    """The tokens of one budget that one owner still has in the server's current window.

    Always true:

    - ``tokens = limit - headroom - used - pending - unreflected - rolling``, and a take needs one;
    - while a window is KNOWN, the server has counted no more of ours in it than
      ``used + pending + unreflected``; in any other state ``used`` and ``unreflected`` are 0;
    - while ROLLING, no span of one window holds more than ``limit`` of ours;
    - every take leaves ``pending`` exactly once: settled, lost or refunded;
    - ``used`` never falls inside a window.
    """

    __slots__ = (
        "_apart",
        "_hold",
        "_limit_sent",
        "_named_by",
        "_opened",
        "_probe_at",
        "_probes",
        "_ramp",
        "_shuts",
        "_slides",
        "_state",
        "_unreflected",
        "budget",
        "cells",
        "closes",
        "doubted",
        "limit",
        "merged",
        "mine",
        "owner",
        "pending",
        "plain",
        "reported",
        "reset",
        "sure",
        "tokens",
        "used",
    )

    def __init__(self, budget: Budget, owner: str) -> None:
        self.budget = budget
        self.owner = owner
        self.limit = budget.limit
        """What the newest-sent response said, else what the plan says."""
        self.used = 0
        """The most that any report of this window has shown as gone."""
        self.pending = 0
        """Takes not yet ended, of any window."""
        self.tokens = budget.limit - budget.headroom
        """What is left, by the sum above; the states may still give less."""
        self.reset = 0.0
        """What the first report of the KNOWN window called its end."""
        self.closes = 0.0
        """The end of the KNOWN window on the server's clock, at the latest."""
        self.sure = -INFINITY
        """Until when ``tokens`` may be had without a question."""
        self.plain = 0
        """What a plain answer moves (`xdm_async.budgets.plain`): numbers of the KNOWN window (1),
        or the latest of the units that ROLL (2); 0 where no answer is plain."""
        self.mine = 0
        """Of ``used``, what this bucket's own requests account for."""
        self.reported = False
        """Whether any answer ever carried this budget's report."""
        self.doubted = False
        """The plan was wrong about a sibling, and no header confirms this budget."""
        self.merged: Bucket | None = None
        """The bucket that this one turned out to be; it counts for both."""
        self._state = State.COLD if budget.report is not None else State.ROLLING
        self._named_by = ""
        self._limit_sent = -INFINITY
        self._unreflected: list[float] | None = None
        self.cells: Cells | None = None
        self._apart: dict[str, tuple[float, float, float]] | None = None
        """Of a route that named another end: the first, the latest, and the date of that."""
        self._opened = INFINITY
        """When a window that no report shows must have opened: with our first request, or with
        the one that ended the last hold."""
        self._slides = False
        self._probes = 0
        self._probe_at = -INFINITY
        self._ramp = 1
        self._hold: Hold | None = None
        self._shuts = 0.0
        """When, on our clock, a KNOWN window is over whatever its ``reset``: one window (and the
        guard) after the answer that named it, since it was open by then."""
        self._weigh()

    def __repr__(self) -> str:
        return (
            f"<Bucket {self.budget.name} of {self.owner}: {self.state.value}, limit {self.limit}, "
            f"used {self.used}, pending {self.pending}, unreflected {self.unreflected}, "
            f"rolling {self.rolling}>"
        )

    # What it is now

    @property
    def state(self) -> State:
        """The state as SCHEDULER names it; a refusal without explanation covers the others."""
        return State.HELD if self.strikes else self._state

    @property
    def real(self) -> Bucket:
        """Itself, or the bucket that counts for it since they turned out to be one."""
        bucket = self
        while bucket.merged is not None:
            bucket = bucket.merged
        return bucket

    @property
    def unreflected(self) -> int:
        """Answered without this budget's report, and not yet covered by a later one."""
        return len(self._unreflected) if self._unreflected else 0

    @property
    def rolling(self) -> int:
        """Units of the last window that are counted by time, not by reports."""
        return self.cells.total if self.cells is not None else 0

    @property
    def known(self) -> bool:
        """Whether a report named the end of the window, held or not."""
        return self._state is State.KNOWN

    @property
    def held_until(self) -> float:
        """When the last hold ends, or has ended."""
        return self._hold.until if self._hold is not None else -INFINITY

    @property
    def strikes(self) -> int:
        """Refusals in a row that no report explained, one a round trip."""
        return self._hold.strikes if self._hold is not None else 0

    @property
    def idle(self) -> bool:
        """Whether forgetting it would lose nothing."""
        return not (self.pending or self.rolling or self.strikes or self._state is State.KNOWN)

    def turn(self, now: float, clock: ServerClock) -> None:
        """Let time do its part: close a window that is surely over, give rolling units back."""
        hold = self._hold
        if hold is not None and not hold.strikes and max(hold.until, hold.struck_at) < now - 60.0:
            self._hold = None
            self._weigh()
        if self._state is State.KNOWN and self.over_at(now, clock) <= now:
            self._state = State.PROVISIONAL
            self._close()
            self._weigh()
        if self.cells is not None and self.cells.first_at <= now:
            self.cells.turn(now)
            if not self.cells:
                self.cells = None
            self._weigh()

    def over_at(self, now: float, clock: ServerClock) -> float:
        """When the KNOWN window is surely over; ``now`` where it is."""
        return max(now, min(self._shuts, clock.sure_at(self.closes + GUARD, now)))

    def ready_at(self, now: float, clock: ServerClock, round_trip: float) -> float:
        """When the next request may go: ``now`` or before if it may, infinity if only an answer
        can tell, else the moment to ask again.
        """
        self.turn(now, clock)
        if self._hold is not None and self._hold.until > now:
            return self._hold.until
        if self.tokens < 1:
            if self._state is State.KNOWN:
                return self.over_at(now, clock)
            return self.cells.first_at if self.cells else INFINITY
        at_once = self._at_once
        if at_once and self._probes >= at_once:
            return self._probe_at + max(PATIENCE, 4.0 * round_trip)
        return now

    @property
    def _at_once(self) -> int:
        """How many may be on their way while it is not sure what is left; 0 is any number."""
        if self.strikes:
            return 1
        if self._state is State.KNOWN:
            return 0
        if self._state is not State.ROLLING:
            return self._ramp if self.budget.owner == "app" else 1
        if self.doubted and not self.reported:
            return min(DOUBTED, self._ramp)
        return self._ramp if self.budget.owner == "app" and self._ramp < FULL else 0

    @property
    def expected(self) -> bool:
        """Whether it waits for nothing but the answer to a probe that is not yet overdue."""
        return 0 < self._at_once == self._probes and self.tokens > 0

    def _weigh(self) -> None:
        """Something has changed: sum up what is left, and until when that is beyond question."""
        self.tokens = (
            self.limit
            - self.budget.headroom
            - self.used
            - self.pending
            - self.unreflected
            - self.rolling
        )
        if (
            self._hold is not None
            or self._at_once
            or self.merged is not None
            or self._opened == INFINITY
            or self._unreflected
            or self._apart is not None
        ):
            self.sure, self.plain = -INFINITY, 0
        elif self._state is State.KNOWN:
            self.sure, self.plain = self._shuts, 1
        else:
            self.sure, self.plain = INFINITY, 2

    # How a permit begins and ends

    def take(self, now: float) -> bool:
        """Hold one token; True when the request is a probe, which its end must say again."""
        self.pending += 1
        self.tokens -= 1
        if self._opened == INFINITY:
            self._opened = now
        if not self._at_once:
            return False
        self._probes += 1
        self._probe_at = now
        return True

    def take_again(self) -> None:
        """The bytes of one permit left once more: the server may have counted that too."""
        self.pending += 1
        self.tokens -= 1

    def refund(self, probe: bool) -> None:
        """Provably nothing was sent: as if it had never been taken."""
        self.pending -= 1
        self.tokens += 1
        self._probes -= probe

    def lose(self, probe: bool) -> None:
        """No answer will come: the next probe may go, while the unit itself stays pending."""
        self._probes -= probe

    def expire(self, now: float) -> None:
        """A lost request is counted no later than this: from now on it is unreflected."""
        self.pending -= 1
        self._settle_unreported(now, probe=False)
        self._weigh()

    def settle(
        self,
        report: Report | None,
        *,
        route: str,
        probe: bool,
        refused: bool,
        sent: float,
        received: float,
        date: float | None,
        clock: ServerClock,
    ) -> Finding:
        """Close one take with what the answer said, and say what that means for the plan."""
        self.pending -= 1
        self._probes -= probe
        self.turn(received, clock)
        hold = self._hold
        if not refused and (hold is None or sent >= hold.struck_at):
            if hold is not None and hold.strikes:
                self._opened = sent
                hold.strikes = 0
            if self._ramp < FULL:
                self._ramp = min(FULL, self._ramp * 2)
        finding = self._take_in(report, route, probe, refused, sent, received, date, clock)
        self._weigh()
        return finding

    def _take_in(
        self,
        report: Report | None,
        route: str,
        probe: bool,
        refused: bool,
        sent: float,
        received: float,
        date: float | None,
        clock: ServerClock,
    ) -> Finding:
        """What the answer says about this budget, if anything."""
        if report is None:
            self._settle_unreported(received, probe)
            return Finding.NOTHING
        self.reported = True
        if report.limit is not None and sent >= self._limit_sent:
            self._limit_sent = sent
            if report.limit != self.limit:
                self.limit = report.limit
        gone = None
        if report.remaining is not None:
            limit = self.limit if report.limit is None else report.limit
            gone = max(0, limit - report.remaining)
        if refused and gone == 0:
            return Finding.NOTHING  # no window is open: the reset is only where one would end
        reset = report.reset
        if reset is None or date is None:
            if self._state is State.KNOWN:
                self._reflect(gone, sent, received)
            else:
                self._roll(received, gone)
            return Finding.NOTHING
        if self._slides or self.budget.window < SHORTEST:
            self._roll(received, gone)
            return Finding.NOTHING
        if reset <= date - 1.0:
            seen_out = self._state is State.KNOWN or abs(reset - self.reset) <= SAME
            if not seen_out:  # it never names a window that is open
                self._roll(received, gone)
            return Finding.NOTHING
        return self._settle_known(reset, gone, route, sent, received, date, clock, refused)

    def _settle_unreported(self, at: float, probe: bool) -> None:
        if self._state is State.KNOWN:
            if self._unreflected is None:
                self._unreflected = []
            self._unreflected.append(at)
        else:
            if probe:
                self._state = State.ROLLING
            self._count(at, 1)

    def _settle_known(
        self,
        reset: float,
        gone: int | None,
        route: str,
        sent: float,
        received: float,
        date: float,
        clock: ServerClock,
        refused: bool,
    ) -> Finding:
        """Take in a report that names a window: this one, an old one, or the next."""
        if clock.lower(received) >= reset + GUARD:
            return Finding.NOTHING  # so late that its window is over
        if refused and gone is not None and gone >= self.limit:
            self.hold(received, clock.sure_at(reset + GUARD, received) - received)
        if self._state is not State.KNOWN:
            if abs(reset - self.reset) <= SAME and sent < self._shuts:
                return Finding.NOTHING  # so late that we have closed its window
            self._open(reset, gone, route, sent, received)
        elif abs(reset - self.reset) <= SAME:
            if reset > self.closes:  # it creeps: perhaps no window that ends as a whole
                self.closes = reset
                self._extend(received)
            if self._apart:
                self._apart.pop(route, None)
            self._reflect(gone, sent, received)
        elif reset > self.reset and date > self.reset - SAME:
            self._close()
            self._open(reset, gone, route, sent, received)
        elif reset > self.reset or clock.upper(received) < reset - SAME:
            return self._two_windows(reset, gone, route, sent, received, date)
        if gone is not None and gone > self.mine + self.pending + self.unreflected:
            return Finding.SHARED
        return Finding.NOTHING

    def _two_windows(
        self,
        reset: float,
        gone: int | None,
        route: str,
        sent: float,
        received: float,
        date: float,
    ) -> Finding:
        """Two resets are open at once: the window slides, or this route is counted apart.

        A fixed window of another route still names the very same reset seconds later; a sliding
        one has moved. Until that is clear the larger count and the later end stand for both.
        """
        self._reflect(gone, sent, received)
        self.closes = max(self.closes, reset)
        self._extend(received)
        if self._apart is None:
            self._apart = {}
        first, latest, since = self._apart.setdefault(route, (reset, reset, date))
        if route == self._named_by or abs(first - reset) > 1.0:
            self._slide(received)
            return Finding.SLIDES
        if reset != latest:  # perhaps it creeps, perhaps the server rounds as it likes
            self._apart[route] = (first, reset, date)
        elif abs(date - since) > SAME:
            return Finding.APART
        return Finding.NOTHING

    def _extend(self, received: float) -> None:
        """Not over before one window after this answer."""
        self._shuts = max(self._shuts, received + self.budget.window * (1.0 + DRIFT) + GUARD)

    def _open(
        self, reset: float, gone: int | None, route: str, sent: float, received: float
    ) -> None:
        """A window is named. What settled before this request was sent is in its numbers, if it
        tells any.
        """
        covers = sent if gone is not None else -INFINITY
        late = [t for t in self._unreflected or () if t >= covers]
        covered = self.unreflected + self.rolling
        if self.cells is not None:
            late.extend([received] * self.cells.since(covers))
            self.cells = None
        self.mine = 1 + covered - len(late)
        if gone is None:
            late.append(received)
        self._unreflected = late or None
        self._state, self.reset, self.closes = State.KNOWN, reset, reset
        self._shuts = received + self.budget.window * (1.0 + DRIFT) + GUARD
        self._named_by, self._apart = route, None
        self.used = gone or 0

    def _close(self) -> None:
        """The window is over: what its reports counted goes.

        What no report has covered may be of the next window already, or count on if the server's
        windows slide: it comes back in its own time, or with the first report that covers it.
        """
        self.used = self.mine = 0
        for settled in self._unreflected or ():
            self._count(settled, 1)
        self._unreflected = None
        if self.budget.owner == "app":
            self._ramp = 1

    def _reflect(self, gone: int | None, sent: float, received: float) -> None:
        """This window's report: raise ``used``, and drop what the report covers."""
        if gone is None:
            self._unreflected = [*(self._unreflected or ()), received]
            return
        self.mine += 1
        if gone > self.used:
            self.used = gone
        if self._unreflected:
            late = [t for t in self._unreflected if t >= sent]
            self.mine += len(self._unreflected) - len(late)
            self._unreflected = late or None

    # Rolling

    def _slide(self, now: float) -> None:
        """No fixed window after all: everything known so far counts from now."""
        self._slides = True
        units = self.used
        self.used = self.mine = 0
        self._apart = None
        self._state = State.ROLLING
        for settled in self._unreflected or ():
            self._count(settled, 1)
        self._unreflected = None
        if units:
            self._count(now, units)

    def _roll(self, at: float, gone: int | None) -> None:
        """An answer that names no window: its unit counts by time, and so do strangers'."""
        units = 1
        self._state = State.ROLLING
        if gone is not None:
            units += max(0, gone - self.rolling - units - self.pending)
        self._count(at, units)

    def _count(self, at: float, units: int) -> None:
        """Count units that come back one window from ``at``."""
        if self.cells is None:
            self.cells = Cells(self.budget.window)
        self.cells.count(at, units)

    # Refusals that nothing explains

    def strike(
        self, now: float, sent: float, spread: float, *, visible: bool, at_least: float = 0.0
    ) -> None:
        """Refused, and no report says why: hold, longer each time, then let one go and see.

        ``spread`` in [0, 1) makes holds of many owners end apart. ``visible`` says that the
        refusal came with reports that have something left: then a long budget that no header
        shows is spent, and asking often is useless. ``at_least`` is a ``Retry-After``.
        """
        hold = self._hold
        if hold is None:
            hold = self._hold = Hold()
        if sent >= hold.struck_at:
            self._ramp = 1
            hold.strike(
                self.budget.window,
                now,
                spread,
                opened=self._opened,
                visible=visible,
                reported=self.reported,
            )
        self.hold(now, at_least)

    def doubt(self) -> None:
        """The plan was caught wrong about a sibling: draw with care where no header confirms."""
        self.doubted = True
        self._weigh()

    def slow_down(self) -> None:
        """Refused, and this one may be why: start again with one at a time."""
        self._ramp = 1
        self._weigh()

    def hold(self, now: float, seconds: float) -> None:
        """The server asked for a pause (``Retry-After``): nothing goes before it is over."""
        if self._hold is None:
            self._hold = Hold()
        self._hold.until = max(self._hold.until, now + seconds)
        self._weigh()

    def spent(self, now: float, clock: ServerClock) -> bool:
        """Whether it has no token, and time will tell when it has one again."""
        self.turn(now, clock)
        if self._hold is not None and self._hold.until > now:
            return True
        return self.tokens < 1 and (self._state is State.KNOWN or bool(self.cells))

    # What turned out to be one budget

    def absorb(self, other: Bucket, now: float) -> None:
        """``other`` is this same budget of the server's: count for both from now on."""
        if self._slides or other._slides:
            self._slide(now)
            other._slide(now)
        elif other._state is State.KNOWN and self._state is not State.KNOWN:
            self._state, self.reset, self.closes = State.KNOWN, other.reset, other.closes
            self._named_by = other._named_by
            if self.cells is not None:
                self._unreflected = [self.cells.last_at] * self.rolling
                self.cells = None
        other.merged, other.sure, other.plain = self, -INFINITY, 0
        self.pending += other.pending
        self.mine += other.mine
        self.used = max(self.used, other.used)
        self._probes += other._probes
        self.doubted |= other.doubted
        if other._hold is not None:
            if self._hold is None:
                self._hold = Hold()
            self._hold.absorb(other._hold)
        self._opened = min(self._opened, other._opened)
        self._shuts = max(self._shuts, other._shuts)
        if self._limit_sent < other._limit_sent:
            self.limit, self._limit_sent = other.limit, other._limit_sent
        for settled in other._unreflected or ():
            if self._state is State.KNOWN:
                self._unreflected = [*(self._unreflected or ()), settled]
            else:
                self._count(settled, 1)
        if other.cells is not None and self._state is State.KNOWN:
            late = [other.cells.last_at] * other.rolling
            self._unreflected = [*(self._unreflected or ()), *late]
        elif other.cells is not None:
            self.cells = self.cells or Cells(self.budget.window)
            other.cells.move_to(self.cells)
        self._weigh()
