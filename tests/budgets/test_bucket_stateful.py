"""Any order of events, against a server that counts strictly: what SCHEDULER §2 calls invariant.

A stateful machine asks, sends, answers, loses, cancels, changes limits and lets time pass, event
by event; after each one the buckets are held against what the server has counted. The server is
`tests.scheduling.simulated`'s, which shares nothing with the buckets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from xdm_async.budgets.bucket import Bucket, State
from xdm_async.budgets.budget import Budget, Plan, Report
from xdm_async.scheduling.events import Ask, Cancel, Drop, Event, Go, Lose, Refund, Settle, Tick
from xdm_async.scheduling.flows import Ticket
from xdm_async.scheduling.machine import Machine

from ..scheduling.simulated import Answer, Server, Window

T = TypeVar("T")

EPOCH = 1_700_000_000.0
ROUTES = {"send": "write", "send_in": "write", "list": "read"}
USERS = ("u0", "u1", "u2")
DAY = 600.0
"""What stands for 24 hours here."""
LOST_AFTER = 30.0
SAME = 2.0
FIELDS = ("limit", "remaining", "reset")
MOST = 40
"""As many requests as one example keeps open."""

Key = tuple[str, int, str]
"""Group, which of its budgets, whose: as the server names its windows."""


@dataclass(eq=False)
class Flight:
    """A permit on its way: granted, sent, counted by the server, and then answered or lost."""

    ticket: Ticket
    believed: list[int]
    """The limit of each of its buckets, as they knew it at the grant."""
    sent: float = -1.0
    answer: Answer | None = None
    ends: list[float] = field(default_factory=list)
    """When the windows that counted it end on the server, before any rounding."""

    @property
    def group(self) -> str:
        return ROUTES[self.ticket.route]


class Traffic(RuleBasedStateMachine):
    """Requests of three users, in whatever order they are sent, counted and answered."""

    @initialize(
        limit=st.integers(1, 8),
        headroom=st.integers(0, 1),
        window=st.sampled_from([12.0, 60.0]),
        day_limit=st.sampled_from([6, 25]),
        app_limit=st.sampled_from([8, 60]),
        kind=st.sampled_from(["first", "first", "scheduled", "sliding"]),
        rounding=st.sampled_from(["floor", "round", "ceil"]),
        day_headers=st.booleans(),
        skew=st.sampled_from([0.0, 0.37, 0.99, -3_600.5, 3_600.0]),
    )
    def begin(
        self,
        limit: int,
        headroom: int,
        window: float,
        day_limit: int,
        app_limit: int,
        kind: str,
        rounding: str,
        day_headers: bool,
        skew: float,
    ) -> None:
        self.headroom = min(headroom, limit - 1)
        self.plan = Plan(
            "small",
            {
                "write": (
                    Budget(limit, window, "user", "write", self.headroom, "rate-limit"),
                    Budget(day_limit, DAY, "user", "day", 0, "user-24h"),
                    Budget(app_limit, DAY, "app", "app", 0, "app-24h"),
                ),
                "read": (Budget(limit + 2, window, "user", "read", 0, "rate-limit"),),
            },
            ROUTES,
        )
        self.server = Server(
            {
                group: [(b.owner, b.limit, b.window) for b in budgets]
                for group, budgets in self.plan.groups.items()
            },
            ROUTES,
            day_headers=day_headers,
            kind=kind,
            rounding=rounding,
            skew=EPOCH + skew,
        )
        self.machine = Machine(self.plan, seed=1)
        self.now = 1_000.0
        self.waiting: list[Ticket] = []
        self.open: list[Flight] = []
        self.ghosts: list[Flight] = []
        """Lost, and not yet counted by the server: they may be until 30 s after they were sent."""
        self.lost: list[tuple[Flight, float]] = []
        """Lost, and until when they must stay pending."""
        self.ended: list[Ticket] = []
        self.overdrawn: set[tuple[Key, float]] = set()
        """Windows whose limit was cut below what they had counted: a report of them says less."""
        self.changed = False
        self.real_ends: dict[tuple[Key, float], float] = {}
        """The end of a window, by the reset that a report named it with."""
        self.vague = math.inf
        """The least that was ever known of the server's clock."""
        self.seen: dict[int, tuple[Bucket, bool, float, int]] = {}

    # What the machine is told

    def step(self, event: Event) -> None:
        """One event, and the ticks that are due at once."""
        granted: list[Ticket] = []
        for _ in range(100):
            for action in self.machine.step(event, self.now):
                assert not isinstance(action, Drop)
                if isinstance(action, Go):
                    granted.append(action.ticket)
                    self.waiting.remove(action.ticket)
                    limits = [bucket.limit for bucket in action.ticket.buckets]
                    self.open.append(Flight(action.ticket, limits))
            event = Tick()
            if self.machine.wake_at > self.now:
                break
        else:
            pytest.fail("a busy loop")
        for ticket in granted:
            for bucket in ticket.buckets:
                bucket.turn(self.now, self.machine.clock)
                assert bucket.tokens >= 0, "given more than there is"

    def pass_to(self, end: float, *, asleep: bool = False) -> None:
        """Let time pass, with every tick when it is due, or with one at the end."""
        while not asleep and self.machine.wake_at <= end:
            self.now = max(self.now, self.machine.wake_at)
            self.step(Tick())
        self.now = end
        self.step(Tick())
        self.ghosts = [g for g in self.ghosts if self.now < g.sent + LOST_AFTER]
        self.lost = [(flight, until) for flight, until in self.lost if until > self.now]

    def count(self, flight: Flight) -> None:
        """The request reaches the server."""
        user, group = flight.ticket.user_id, flight.group
        flight.answer = self.server.handle(self.now, user, flight.ticket.route)
        windows = [self.server.windows[key] for key in self.keys(user, group)]
        flight.ends = [w.ends for w in windows]
        if flight.answer.refused:
            assert any(
                w.full and (believed > w.limit or self.is_overdrawn(key, w))
                for key, w, believed in zip(
                    self.keys(user, group), windows, flight.believed, strict=False
                )
            ), "refused"

    def end(self, flight: Flight) -> None:
        self.open.remove(flight)
        self.ended = [*self.ended[-4:], flight.ticket]

    def settle(self, flight: Flight, cut: str = "") -> None:
        """The answer arrives, with all its headers or some of them ``cut`` out."""
        answer = flight.answer
        assert answer is not None
        reports, date = answer.reports, answer.date
        if cut in ("reports", "headers"):
            reports = ()
        elif cut and not self.changed:  # numbers without their limit follow it a report later
            reports = tuple(
                Report(r.family, **{k: getattr(r, k) for k in FIELDS if k != cut}) for r in reports
            )
        if cut == "headers":
            date = None
        keys = list(self.keys(flight.ticket.user_id, flight.group))
        named = {b.report: n for n, b in enumerate(self.plan.groups[flight.group])}
        old: list[tuple[Bucket, int, float]] = []
        for report in reports:
            n = named[report.family]
            if report.reset is not None:
                self.real_ends[keys[n], report.reset] = flight.ends[n]
                if date is not None and self.server.kind != "sliding":
                    bucket = self.bucket(keys[n])
                    if bucket is not None and bucket.state is not State.ROLLING:
                        bucket.turn(self.now, self.machine.clock)
                        if self.machine.clock.lower(self.now) >= report.reset + 1.0:
                            old.append((bucket, bucket.used, bucket.closes))
        if answer.refused:
            self.open.remove(flight)
            self.waiting.append(flight.ticket)
        else:
            self.end(flight)
        self.step(
            Settle(flight.ticket, flight.sent, self.now, reports, date, refused=answer.refused)
        )
        for bucket, used, closes in old:
            assert (bucket.used, bucket.closes) == (used, closes), "an old report changed something"

    # What may happen, in any order

    @rule(
        user=st.sampled_from(USERS),
        route=st.sampled_from(["send", "send", "send_in", "list"]),
        many=st.sampled_from([1, 1, 2, 4, 9]),
    )
    def ask(self, user: str, route: str, many: int) -> None:
        for _ in range(many):
            if len(self.open) + len(self.waiting) < MOST:
                ticket = Ticket(user, route)
                self.waiting.append(ticket)
                self.step(Ask(ticket))

    @precondition(lambda self: any(f.sent < 0 for f in self.open))
    @rule(pick=st.integers(0, 7), many=st.sampled_from([1, 2, MOST]))
    def send(self, pick: int, many: int) -> None:
        for flight in chosen([f for f in self.open if f.sent < 0], pick, many):
            flight.sent = self.now

    @precondition(lambda self: any(on_the_way(f) for f in self.open))
    @rule(pick=st.integers(0, 7), many=st.sampled_from([1, 2, MOST]))
    def arrive(self, pick: int, many: int) -> None:
        for flight in chosen([f for f in self.open if on_the_way(f)], pick, many):
            self.count(flight)

    @precondition(lambda self: any(f.answer for f in self.open))
    @rule(
        pick=st.integers(0, 7),
        many=st.sampled_from([1, 1, 2, MOST]),
        cut=st.sampled_from(["", "", "", "", "reports", "reports", "headers", "reset", "limit"]),
    )
    def answer(self, pick: int, many: int, cut: str) -> None:
        for flight in chosen([f for f in self.open if f.answer], pick, many):
            self.settle(flight, cut)

    @precondition(lambda self: self.open)
    @rule(trip=st.sampled_from([0.02, 0.4, 3.0]))
    def exchange(self, trip: float) -> None:
        """All that may leave leaves, is counted and answered."""
        self.exchange_all_but(None, trip)

    def exchange_all_but(self, held: Flight | None, trip: float) -> None:
        for flight in self.open:
            if flight.sent < 0:
                flight.sent = self.now
        for flight in self.open:
            if on_the_way(flight):
                self.count(flight)
        self.pass_to(self.now + trip)
        for flight in [f for f in self.open if f.answer and f is not held]:
            self.settle(flight)

    @precondition(lambda self: any(f.answer for f in self.open))
    @rule(pick=st.integers(0, 7))
    def answer_when_its_window_is_over(self, pick: int) -> None:
        """And the next one has been named."""
        for flight in chosen([f for f in self.open if f.answer], pick, 1):
            self.pass_to(max(self.now, flight.ends[0] - self.server.skew + 3.0))
            self.ask(flight.ticket.user_id, flight.ticket.route, 1)
            self.exchange_all_but(flight, 0.02)
            self.settle(flight)

    @precondition(lambda self: any(f.sent >= 0 for f in self.open))
    @rule(pick=st.integers(0, 7))
    def lose(self, pick: int) -> None:
        for flight in chosen([f for f in self.open if f.sent >= 0], pick, 1):
            self.end(flight)
            until = max(self.now, flight.sent + LOST_AFTER)
            if until > self.now:
                self.lost.append((flight, until))
                if flight.answer is None:
                    self.ghosts.append(flight)
            self.step(Lose(flight.ticket, flight.sent))

    @precondition(lambda self: self.ghosts)
    @rule(pick=st.integers(0, 7))
    def arrive_though_lost(self, pick: int) -> None:
        for flight in chosen(self.ghosts, pick, 1):
            self.ghosts.remove(flight)
            self.count(flight)

    @precondition(lambda self: any(f.sent < 0 for f in self.open))
    @rule(pick=st.integers(0, 7), how=st.sampled_from([Refund, Cancel]))
    def give_back(self, pick: int, how: type[Refund] | type[Cancel]) -> None:
        """Refunded, or cancelled between grant and resumption."""
        for flight in chosen([f for f in self.open if f.sent < 0], pick, 1):
            self.end(flight)
            self.step(how(flight.ticket))

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 7))
    def give_up(self, pick: int) -> None:
        for ticket in chosen(self.waiting, pick, 1):
            self.waiting.remove(ticket)
            self.step(Cancel(ticket))

    @precondition(lambda self: self.ended)
    @rule(pick=st.integers(0, 7))
    def end_again(self, pick: int) -> None:
        for ticket in chosen(self.ended, pick, 1):
            if ticket not in [f.ticket for f in self.open] and ticket not in self.waiting:
                with pytest.raises(RuntimeError, match="holds no permit"):
                    self.machine.step(Refund(ticket), self.now)
                self.step(Cancel(ticket))

    @rule(
        seconds=st.sampled_from([0.01, 0.3, 1.0, 2.5, 11.0, 31.0, 61.0, DAY]),
        asleep=st.sampled_from([False, False, False, True]),
    )
    def advance(self, seconds: float, asleep: bool) -> None:
        self.pass_to(self.now + seconds, asleep=asleep)

    @precondition(lambda self: self.server.windows)
    @rule(
        pick=st.integers(0, 7),
        past=st.sampled_from([-4.0, -0.3, -0.01, 0.0, 0.3, 0.9, 1.2, 2.1]),
    )
    def reach_the_end_of_a_window(self, pick: int, past: float) -> None:
        for window in chosen(list(self.server.windows.values()), pick, 1):
            end = window.ends - self.server.skew + past
            if self.now < end:
                self.pass_to(end)

    @rule(group=st.sampled_from(["write", "read"]), limit=st.integers(2, 20))
    def change_the_limit(self, group: str, limit: int) -> None:
        """Of the budget that the headers show."""
        self.changed = True
        (owner, _, window), *others = self.server.rules[group]
        self.server.rules = {**self.server.rules, group: [(owner, limit, window), *others]}
        for key, w in self.server.windows.items():
            if key[:2] == (group, 0):
                w.limit = limit
                if w.count > limit:
                    self.overdrawn.add((key, self.named(w)))

    # What is always true

    @invariant()
    def all_is_well(self) -> None:
        self.every_permit_is_open_until_it_ends()
        self.every_bucket_counts_every_permit_once_in_all_of_its_group_or_in_none()
        self.the_server_has_counted_no_more_than_the_bucket_and_nothing_counting_is_forgotten()
        self.no_window_closes_early()
        self.used_does_not_fall_inside_a_window()
        self.who_may_go_has_gone()
        self.nothing_waits_without_a_timer_or_an_answer_to_wait_for()

    def every_permit_is_open_until_it_ends(self) -> None:
        assert self.machine.waiting == len(self.waiting)
        assert self.machine.in_flight == len(self.open)

    def every_bucket_counts_every_permit_once_in_all_of_its_group_or_in_none(self) -> None:
        held = [*self.open, *(flight for flight, _ in self.lost)]
        for key in self.all_keys():
            bucket = self.bucket(key)
            ours = sum(key in self.keys(f.ticket.user_id, f.group) for f in held)
            assert (0 if bucket is None else bucket.pending) == ours

    def the_server_has_counted_no_more_than_the_bucket_and_nothing_counting_is_forgotten(
        self,
    ) -> None:
        coming = [f for f in (*self.open, *self.ghosts) if f.answer is None]
        for key, window in self.server.windows.items():
            counted = self.counted(window)
            if counted and not self.is_overdrawn(key, window):
                counted += sum(key in self.keys(f.ticket.user_id, f.group) for f in coming)
                bucket = self.bucket(key)
                assert bucket is not None, "forgotten"
                assert counted <= bucket.limit - bucket.budget.headroom - bucket.tokens

    def no_window_closes_early(self) -> None:
        for key in self.all_keys():
            bucket = self.bucket(key)
            if bucket is not None and bucket.state is State.PROVISIONAL:
                ends = [
                    ends
                    for (named, reset), ends in self.real_ends.items()
                    if named == key and abs(reset - bucket.closes) <= SAME
                ]
                assert self.server.clock(self.now) >= min(ends) - 1e-3, "closed early"

    def used_does_not_fall_inside_a_window(self) -> None:
        before, self.seen = self.seen, {}
        for key in self.all_keys():
            bucket = self.bucket(key)
            if bucket is None:
                continue
            known = bucket.state is State.KNOWN
            _, was_known, closes, used = before.get(id(bucket), (bucket, False, 0.0, 0))
            if known and was_known and abs(closes - bucket.closes) <= SAME:
                assert bucket.used >= used, "used fell"
            self.seen[id(bucket)] = (bucket, known, bucket.closes, bucket.used)

    def who_may_go_has_gone(self) -> None:
        """A timer that was set when the server's clock was known less well may come later."""
        clock, now = self.machine.clock, self.now
        if clock.known:
            self.vague = min(self.vague, clock.lower(now) - now)
        for owner in self.machine.roster.owners.values():
            for flow in owner.flows:
                if not flow.waiting:
                    continue
                spare = len(self.waiting)
                assert any(
                    bucket.ready_at(now, clock, 1e6) > now
                    or bucket.closes + 1.5 > now + self.vague
                    or (bucket.budget.owner == "app" and bucket.tokens <= spare + bucket.limit / 6)
                    for bucket in flow.buckets
                ), "a token is there"

    def nothing_waits_without_a_timer_or_an_answer_to_wait_for(self) -> None:
        assert not self.waiting or self.open or self.lost or self.machine.wake_at < math.inf

    def teardown(self) -> None:
        """All that waits is served, and then nothing is remembered."""
        if not hasattr(self, "machine"):
            return
        for _ in range(2_000):
            if not self.waiting and not self.open:
                break
            if self.open:
                self.exchange(0.1)
            else:
                self.pass_to(self.machine.wake_at)
        else:
            pytest.fail("something stalls")
        for _ in range(1_000):
            if self.machine.wake_at == math.inf:
                break
            self.pass_to(self.machine.wake_at)
        for _ in range(3):
            self.pass_to(self.now + DAY)
            self.machine.statuses(self.now)
        assert self.machine.waiting == self.machine.in_flight == 0
        assert self.machine.roster.owners == {}
        assert self.machine.wake_at == math.inf
        for status in self.machine.statuses(self.now):
            assert (status.in_flight, status.waiting) == (0, 0)
            assert status.remaining == status.limit

    # Where to look

    def keys(self, user: str, group: str) -> list[Key]:
        budgets = self.plan.groups[group]
        return [
            (group, n, user if budget.owner == "user" else "app")
            for n, budget in enumerate(budgets)
        ]

    def all_keys(self) -> list[Key]:
        return sorted({k for user in USERS for group in self.plan.groups
                       for k in self.keys(user, group)})  # fmt: skip

    def bucket(self, key: Key) -> Bucket | None:
        group, n, owner = key
        name = self.plan.groups[group][n].name
        roster = self.machine.roster
        if owner == "app":
            return roster.app_buckets.get(name)
        return roster.owners[owner].buckets().get(name) if owner in roster.owners else None

    def counted(self, window: Window) -> int:
        t = self.server.clock(self.now)
        if window.kind == "sliding":
            return sum(at > t - window.window for at in window.times)
        return window.count if t < window.ends else 0

    def named(self, window: Window) -> float:
        return 0.0 if window.kind == "sliding" else window.ends

    def is_overdrawn(self, key: Key, window: Window) -> bool:
        return (key, self.named(window)) in self.overdrawn


def on_the_way(flight: Flight) -> bool:
    return flight.sent >= 0 and flight.answer is None


def chosen(options: list[T], pick: int, many: int) -> list[T]:
    """Up to so many of them, from wherever, in an order of their own."""
    start = pick % len(options) if options else 0
    turned = options[start:] + options[:start]
    return (turned if pick % 2 else turned[:1] + turned[:0:-1])[:many]


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=40, stateful_step_count=50)


@pytest.mark.slow
def test_much_more_traffic() -> None:
    run_state_machine_as_test(
        Traffic, settings=settings(max_examples=300, stateful_step_count=60, derandomize=False)
    )
