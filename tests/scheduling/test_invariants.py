"""Properties of SCHEDULER §2, 3 and 5 that take one situation, and all that may be in it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets.budget import Budget, Plan, Report
from xdm_async.scheduling.events import Action, Ask, Cancel, Event, Go, Settle, Tick
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import Machine

from .simulated import Answer, Server, simulate

SEND = "send"
EPOCH = 1_700_000_000.0
WINDOW = 900.0


def plan_of(user: int | None = 20, app: int | None = None) -> Plan:
    budgets = []
    if user is not None:
        budgets.append(Budget(user, WINDOW, "user", "user", report="rate-limit"))
    if app is not None:
        budgets.append(Budget(app, WINDOW, "app", "app", report="app-24h"))
    return Plan("small", {"g": tuple(budgets)}, {SEND: "g"})


class World:
    """A machine, the server behind it, and the requests between them, moved by a test."""

    def __init__(self, plan: Plan, **server: Any) -> None:
        rules = {"g": [(b.owner, b.limit, b.window) for b in plan.groups["g"]]}
        self.machine = Machine(plan, seed=1)
        self.server = Server(rules, {SEND: "g"}, **server)
        self.now = 1_000.0
        self.granted: list[Ticket] = []
        self.out: list[tuple[Ticket, float]] = []
        self.refusals = 0

    def step(self, event: Event) -> None:
        for action in self.machine.step(event, self.now):
            if isinstance(action, Go):
                self.granted.append(action.ticket)
                self.out.append((action.ticket, self.now))

    def ask(self, user: str = "u", many: int = 1) -> list[Ticket]:
        tickets = [Ticket(user, SEND) for _ in range(many)]
        for ticket in tickets:
            self.step(Ask(ticket))
        return tickets

    def deliver(self) -> list[tuple[Ticket, float, Answer]]:
        """All that is on its way reaches the server."""
        out, self.out = self.out, []
        return [(t, sent, self.server.handle(self.now, t.user_id, SEND)) for t, sent in out]

    def settle(self, ticket: Ticket, sent: float, answer: Answer) -> None:
        self.refusals += answer.refused
        self.step(Settle(ticket, sent, self.now, answer.reports, answer.date, answer.refused))

    def exchange(self, trip: float = 0.1) -> None:
        """All that is on its way is answered."""
        answers = self.deliver()
        self.pass_to(self.now + trip)
        for answer in answers:
            self.settle(*answer)

    def pass_to(self, end: float) -> None:
        while self.machine.wake_at <= end:
            self.now = max(self.now, self.machine.wake_at)
            self.step(Tick())
        self.now = end

    def finish(self) -> None:
        for _ in range(10_000):
            if self.out:
                self.exchange()
            elif self.machine.waiting:
                assert self.machine.wake_at < math.inf, "something stalls"
                self.pass_to(self.machine.wake_at)
            else:
                return
        pytest.fail("something stalls")

    @property
    def counts(self) -> list[Any]:
        owners = self.machine.roster.owners.values()
        buckets = [b for owner in owners for b in owner.buckets().values()]
        buckets += self.machine.roster.app_buckets.values()
        return [
            (b.used, b.pending, b.unreflected, b.rolling, b.tokens, b.limit, b.closes, b.state)
            for b in buckets
        ]


@given(data=st.data(), many=st.integers(2, 9))
def test_the_same_answers_at_the_same_instant_leave_the_same_counts_in_any_order(
    data: st.DataObject, many: int
) -> None:
    bare = data.draw(st.lists(st.booleans(), min_size=many, max_size=many))
    gaps = data.draw(st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=many, max_size=many))
    order = data.draw(st.permutations(range(many)))
    left = []
    for turn in (range(many), order):
        world = World(plan_of(20, 50), day_headers=True)
        world.ask()
        world.exchange()
        for gap in gaps:
            world.now += gap
            world.ask()
        answers = world.deliver()
        assert len(answers) == many
        for n in turn:
            ticket, sent, answer = answers[n]
            world.settle(ticket, sent, Answer(False, (), answer.date) if bare[n] else answer)
        left.append((world.counts, world.machine.statuses(world.now)))
    assert left[0] == left[1]


def test_a_report_that_does_not_say_what_remains_covers_nothing() -> None:
    world = World(plan_of(10))
    for bare in (True, True, False):
        world.ask()
        (ticket, sent, answer) = world.deliver()[0]
        reports = () if bare else (Report("rate-limit", 10, None, answer.reports[0].reset),)
        world.settle(ticket, sent, Answer(False, reports, answer.date))
        world.now += 30.0
    status = world.machine.statuses(world.now)[0]
    assert status.remaining == 10 - 3


@given(limit=st.integers(2, 20), more=st.integers(1, 60), waiting=st.integers(0, 70))
def test_a_raised_limit_is_used_in_the_step_that_tells_of_it(
    limit: int, more: int, waiting: int
) -> None:
    world = World(plan_of(limit))
    world.ask()
    world.exchange()
    world.ask(many=limit - 1 + waiting)
    assert len(world.granted) == limit

    world.server.windows["g", 0, "u"].limit = limit + more
    for answer in world.deliver()[:1]:
        world.settle(*answer)
    assert len(world.granted) == limit + min(more, waiting)
    world.finish()
    assert world.refusals == 0


@given(
    limit=st.integers(2, 40),
    cut=st.integers(1, 40),
    flying=st.integers(1, 39),
    waiting=st.integers(0, 60),
    seed=st.integers(0, 1_000),
)
def test_a_cut_limit_costs_at_most_what_was_in_flight(
    limit: int, cut: int, flying: int, waiting: int, seed: int
) -> None:
    cut, flying = min(cut, limit), min(flying, limit - 1)
    world = World(plan_of(limit))
    world.ask()
    world.exchange()
    world.ask(many=flying)

    world.server.rules = {"g": [("user", cut, WINDOW)]}
    world.server.windows["g", 0, "u"].limit = cut
    answers = world.deliver()
    random.Random(seed).shuffle(answers)
    world.settle(*answers[0])
    world.ask(many=waiting)
    for answer in answers[1:]:
        world.settle(*answer)
    world.finish()

    assert world.refusals <= max(0, flying - max(0, cut - 1))
    assert all(ticket.stage is Stage.DONE for ticket in world.granted)


@settings(max_examples=50)
@given(
    users=st.integers(2, 12),
    each=st.integers(1, 12),
    app=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
    gone=st.integers(0, 20),
)
def test_equal_flows_that_wait_differ_by_at_most_one_grant(
    users: int, each: int, app: int, order: random.Random, gone: int
) -> None:
    world = World(plan_of(None, app), day_headers=True)
    tickets = [Ticket(f"u{n % users}", SEND) for n in range(users * each)]
    order.shuffle(tickets)
    world.ask("first")  # who finds out what the app has, so that the others wait
    for ticket in tickets:
        world.step(Ask(ticket))
    for ticket in order.sample(tickets, min(gone, len(tickets))):
        if ticket.stage is Stage.WAITING:
            world.step(Cancel(ticket))
    left = {f"u{u}": 0 for u in range(users)}
    for ticket in tickets:
        left[ticket.user_id] += ticket.stage is not Stage.DONE
    world.finish()

    got = dict.fromkeys(left, 0)
    for ticket in world.granted:
        if ticket.user_id in got:
            got[ticket.user_id] += 1
            fair = [got[user] for user in got if got[user] < left[user]]
            assert not fair or got[ticket.user_id] - min(fair) <= 1
    assert got == left


@given(
    blocked=st.integers(1, 5),
    queued=st.integers(1, 50),
    others=st.integers(1, 5),
    each=st.integers(1, 10),
)
def test_flows_that_are_blocked_delay_nobody_and_hold_none_of_the_apps_tokens(
    blocked: int, queued: int, others: int, each: int
) -> None:
    limit = 20
    app = blocked * limit + others * (1 + each)
    world = World(plan_of(limit, 2 * app), day_headers=True)
    for user in range(blocked):
        world.ask(f"blocked{user}", limit + queued)
    for user in range(others):
        world.ask(f"free{user}")
    while world.out:
        world.exchange()
    assert world.machine.waiting == blocked * queued

    for user in range(others):
        for ticket in world.ask(f"free{user}", each):
            assert ticket.stage is Stage.GRANTED
    app_status = {s.name: s for s in world.machine.statuses(world.now)}["app"]
    assert app_status.in_flight == others * each


class Restless(Machine):
    """Ticks before every event, not only when the one timer says so."""

    def step(self, event: Event, now: float) -> list[Action]:
        return [*super().step(Tick(), now), *super().step(event, now)]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([0.0, 100.0, 2_000.0]),
    lost=st.sampled_from([0.0, 0.1]),
    headerless=st.sampled_from([0.0, 0.2]),
)
def test_one_timer_is_enough_and_ticks_between_change_nothing(
    seed: int, spread: float, lost: float, headerless: float
) -> None:
    plan = plan_of(8, 30)
    rng = random.Random(seed)
    asks = [(rng.uniform(0, spread), f"u{n % 3}", SEND) for n in range(60)]
    done = []
    for kind in (Machine, Restless):
        rules = {"g": [(b.owner, b.limit, b.window) for b in plan.groups["g"]]}
        server = Server(rules, {SEND: "g"}, headerless=headerless)
        run = simulate(
            plan, server, asks, until=9_000.0, lost=lost, seed=seed, machine=kind(plan, seed=1)
        )
        assert run.refusals == run.machine.waiting == 0
        done.append(run.done)
    assert done[0] == done[1]


@dataclass
class Suspended(Server):
    """While our machine sleeps the server's clock goes on, and ours may stand still."""

    asleep_at: float = 0.0
    slept: float = 0.0

    def clock(self, now: float) -> float:
        return super().clock(now) + (self.slept if now >= self.asleep_at else 0.0)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    asleep_at=st.floats(0.0, 2_000.0),
    slept=st.sampled_from([0.5, 5.0, 600.0, 899.0, 901.0, 5_000.0, 10**6]),
    kind=st.sampled_from(["first", "scheduled", "sliding"]),
    headerless=st.sampled_from([0.0, 0.2]),
)
def test_a_suspend_that_our_clock_does_not_count_refuses_nothing(
    seed: int, asleep_at: float, slept: float, kind: str, headerless: float
) -> None:
    plan = plan_of(8, 30)
    rng = random.Random(seed)
    asks = [(rng.uniform(0, 2_500.0), f"u{n % 3}", SEND) for n in range(60)]
    rules = {"g": [(b.owner, b.limit, b.window) for b in plan.groups["g"]]}
    server = Suspended(
        rules, {SEND: "g"}, kind=kind, headerless=headerless, asleep_at=asleep_at, slept=slept
    )
    run = simulate(plan, server, asks, until=20_000.0, seed=seed)

    assert run.refusals == 0
    assert len(run.done) == 60


@given(
    slept=st.sampled_from([0.0, 1.0, 899.0, 903.0, 10_000.0, 10**7]),
    flying=st.integers(0, 5),
    waiting=st.integers(0, 30),
    late=st.booleans(),
)
def test_a_suspend_that_our_clock_counts_refuses_nothing(
    slept: float, flying: int, waiting: int, late: bool
) -> None:
    """No timer rings meanwhile; answers of before may come after it."""
    world = World(plan_of(8, 30), day_headers=True)
    world.ask()
    world.exchange()
    world.ask(many=flying)
    answers = world.deliver() if late else []
    world.ask(many=waiting)

    world.now += slept
    for answer in answers:
        world.settle(*answer)
    world.step(Tick())
    world.finish()
    assert world.refusals == 0
    assert len(world.granted) == 1 + flying + waiting
