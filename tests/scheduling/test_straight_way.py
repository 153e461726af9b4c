"""`Machine.admit` and `Machine.conclude` come to the same as the `Ask` and `Settle` they spare."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets import plans
from xdm_async.budgets.bucket import State
from xdm_async.budgets.budget import Budget, Family, Plan, Report
from xdm_async.budgets.priority import RESERVE, Priority
from xdm_async.scheduling.events import Action, Ask, Close, Event, Go, Settle
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import Machine

from .driver import (
    EPOCH,
    INTERACTIVE,
    NORMAL,
    SEND,
    WINDOW,
    Driver,
    app_plan,
    is_granted,
    user_plan,
)
from .simulated import Run, Server, simulate
from .tables import SENDS
from .test_never_refused import CONDITIONS


class Plain(Machine):
    """Every event by the long way; every third ticket is of another priority."""

    asked = 0

    def step(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, Ask):
            event.ticket.priority = Priority((self.asked + 1) % len(Priority))
            self.asked += 1
        return self.decide(event, now)

    def decide(self, event: Event, now: float) -> list[Action]:
        return super().step(event, now)


class Shortcut(Plain):
    """The straight way first, as the shell goes it, and the long way where that is none."""

    admitted = concluded = 0

    def decide(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, Ask) and self.admit(event.ticket, now):
            self.admitted += 1
            return [Go(event.ticket)]
        if isinstance(event, Settle) and not event.refused and not event.repeated:
            if event.date is not None:  # as closely as the long way looks at it
                self.clock.observe(event.date, event.sent, event.received)
            event.settled = self.conclude(
                event.ticket, event.sent, event.received, event.reports, event.date
            )
            if event.settled < 0:
                self.concluded += 1
                return []
        return super().decide(event, now)


def run_of(kind: type[Plain], conditions: dict[str, Any], reserve: bool) -> Run:
    limits = [conditions[key] for key in ("limit", "day_limit", "app_limit")]
    names = ("dm.write.user.15m", "dm.write.user.24h", "dm.write.app.24h")
    spans = (conditions["window"], 9_600.0, 9_600.0)
    owners = ("user", "user", "app")
    plan = plans.DEFAULT.override(
        {n: {"limit": k, "window": w} for n, k, w in zip(names, limits, spans, strict=True)}
    )
    rng = random.Random(conditions["seed"])
    asks = [
        (rng.uniform(0, conditions["spread"]), f"u{u}", rng.choice(SENDS))
        for u in range(conditions["users"])
        for _ in range(conditions["each"])
    ]
    server = Server(
        {"write": list(zip(owners, limits, spans, strict=True))},
        dict.fromkeys(SENDS, "write"),
        rng=random.Random(conditions["seed"]),
        **{key: conditions[key] for key in ("day_headers", "kind", "rounding", "headerless")},
    )
    windows = math.ceil(len(asks) / min(limits)) + 2
    return simulate(
        plan,
        server,
        asks,
        until=windows * 10_000.0 + conditions["spread"] + len(asks) * 40.0,
        round_trip=conditions["trips"],
        lost=conditions["lost"],
        cancelled=conditions["cancelled"],
        seed=conditions["seed"],
        machine=kind(plan, seed=1, reserve=RESERVE if reserve else {}),
    )


def statuses(run: Run) -> list[tuple[str, str, State, int, int, int, int]]:
    found = run.machine.statuses(run.now)
    return sorted(
        (s.name, s.owner, s.state, s.limit, s.remaining, s.in_flight, s.waiting) for s in found
    )


def check_that_both_ways_come_to_the_same(conditions: dict[str, Any], reserve: bool) -> Shortcut:
    """Both machines take the same days; how often the second went straight."""
    long, straight = (run_of(kind, conditions, reserve) for kind in (Plain, Shortcut))

    assert [(t.user_id, t.route, t.priority) for _, t in long.granted] == [
        (t.user_id, t.route, t.priority) for _, t in straight.granted
    ]
    assert [at for at, _ in long.granted] == pytest.approx(
        [at for at, _ in straight.granted], rel=0, abs=1e-6
    )
    assert long.refusals == straight.refusals == 0
    assert statuses(long) == statuses(straight)
    assert isinstance(straight.machine, Shortcut)
    return straight.machine


# The usual round trip is known a little less well by the straight way; where trips take less
# than half a second nothing depends on it.
QUICK = {"trips": st.sampled_from([(0.0, 0.001), (0.05, 0.3)])}


@settings(max_examples=40)
@given(CONDITIONS, st.fixed_dictionaries(QUICK), st.booleans())
def test_under_any_conditions_both_ways_come_to_the_same(
    conditions: dict[str, Any], quick: dict[str, Any], reserve: bool
) -> None:
    few = {"each": min(30, conditions["each"])}
    check_that_both_ways_come_to_the_same(conditions | quick | few, reserve)


ROOMY = {
    "limit": st.integers(30, 100),
    "day_limit": st.integers(80, 400),
    "app_limit": st.integers(150, 900),
    "window": st.sampled_from([60.0, 900.0]),
    "spread": st.sampled_from([60.0, 2_000.0]),
    "each": st.integers(40, 120),
    "users": st.integers(1, 3),
    "headerless": st.just(0.0),
}


@settings(max_examples=40)
@given(CONDITIONS, st.fixed_dictionaries(ROOMY | QUICK), st.booleans())
def test_where_there_is_room_both_ways_come_to_the_same(
    conditions: dict[str, Any], roomy: dict[str, Any], reserve: bool
) -> None:
    check_that_both_ways_come_to_the_same(conditions | roomy, reserve)


def test_where_there_is_room_the_straight_way_is_the_usual_one() -> None:
    conditions = {
        "seed": 1,
        "limit": 100,
        "window": 900.0,
        "day_limit": 400,
        "app_limit": 900,
        "users": 2,
        "each": 90,
        "spread": 800.0,
        "trips": (0.05, 0.3),
        "kind": "first",
        "rounding": "ceil",
        "day_headers": True,
        "headerless": 0.0,
        "lost": 0.0,
        "cancelled": 0.0,
    }
    machine = check_that_both_ways_come_to_the_same(conditions, reserve=True)
    assert machine.admitted > 0.6 * machine.asked
    assert machine.concluded > 0.6 * machine.asked


# In


def test_who_is_not_granted_at_once_has_not_been_there_at_all() -> None:
    driver = Driver(app_plan(10, user=5))
    driver.settle(driver.ask("7"), driver.report(4, 5), driver.report(0, 10, family="app-24h"))
    before = driver.machine.statuses(driver.now)
    ticket = Ticket("7", SEND)

    assert not driver.machine.admit(ticket, driver.now)
    assert driver.machine.statuses(driver.now) == before
    assert (driver.machine.waiting, driver.machine.in_flight) == (0, 0)
    driver.step(Ask(ticket))
    assert ticket.stage is Stage.WAITING


def test_strangers_and_strange_routes_go_the_long_way() -> None:
    driver = Driver(user_plan(5))
    assert not driver.machine.admit(Ticket("7", SEND), driver.now)
    driver.known("7", left=4, limit=5)
    assert not driver.machine.admit(Ticket("7", "strange"), driver.now)
    assert driver.machine.admit(Ticket("7", SEND), driver.now)


def test_nobody_goes_straight_past_those_in_line() -> None:
    driver = Driver(user_plan(5))
    first, waiting = driver.ask_many(2, "7")
    assert not driver.machine.admit(Ticket("7", SEND), driver.now)
    driver.settle(first, driver.report(4, 5))
    assert waiting.stage is Stage.GRANTED

    driver.known("8", left=0, limit=5)
    driver.ask("8")
    assert not driver.machine.admit(Ticket("8", SEND), driver.now)
    assert driver.machine.admit(Ticket("7", SEND), driver.now), "another account's line"


def test_nobody_goes_straight_past_a_line_for_the_app() -> None:
    driver = Driver(app_plan(10), reserve={NORMAL: 0.5})
    driver.app_known(left=5, limit=10)
    waiting = driver.ask("first", priority=NORMAL)
    assert waiting.stage is Stage.WAITING
    assert not driver.machine.admit(Ticket("first", SEND, INTERACTIVE), driver.now)
    assert driver.ask("first", priority=INTERACTIVE).stage is Stage.GRANTED


def test_no_window_that_may_be_over_is_drawn_on_the_straight_way() -> None:
    driver = Driver(user_plan(5))
    driver.known("7", left=4, limit=5)
    driver.now += WINDOW + 5
    assert not driver.machine.admit(Ticket("7", SEND), driver.now)
    assert driver.ask("7").stage is Stage.GRANTED
    assert driver.ask("7").stage is Stage.WAITING, "one finds out"


def test_a_closed_machine_admits_nobody() -> None:
    for plan in (user_plan(5), app_plan(5, user=5)):
        driver = Driver(plan)
        driver.known("7", left=4, limit=5)
        driver.step(Close())
        assert not driver.machine.admit(Ticket("7", SEND), driver.now)


def test_as_many_go_straight_as_there_are_tokens() -> None:
    driver = Driver(user_plan(50))
    driver.known("7", left=49, limit=50)
    tickets = [driver.ask_shortly("7", NORMAL) for _ in range(60)]

    assert is_granted(tickets) == [True] * 49 + [False] * 11
    assert driver.machine.in_flight == 49


# Out


def named(driver: Driver, family: Family, left: int, limit: int) -> Report:
    return Report(family, limit, left, math.ceil(EPOCH + 1_000 + WINDOW))


THREE = Plan(
    "three",
    {
        "g": (
            Budget(20, WINDOW, "user", "first", report="rate-limit"),
            Budget(30, WINDOW, "user", "second", report="user-24h"),
            Budget(40, WINDOW, "app", "third", report="app-24h"),
        )
    },
    {SEND: "g"},
)


def counts(driver: Driver) -> dict[str, tuple[State, int, int, int]]:
    return {
        s.name: (s.state, s.limit, s.remaining, s.in_flight)
        for s in driver.machine.statuses(driver.now)
    }


@pytest.mark.parametrize("odd", [0, 1, 2, None])
@pytest.mark.parametrize("kind", ["raised", "absent", "without reset"])
def test_each_bucket_takes_an_answer_in_once_wherever_the_straight_way_ends(
    odd: int | None, kind: str
) -> None:
    """One report is not plain, so from there on the answer is taken in by the long way."""
    found = []
    for straight in (False, True):
        driver = Driver(THREE)
        families: tuple[Family, ...] = ("rate-limit", "user-24h", "app-24h")
        limits = [20, 30, 40]

        def reports(
            gone: int, driver: Driver = driver, families: Any = families, limits: Any = limits
        ) -> list[Report]:
            return [named(driver, f, k - gone, k) for f, k in zip(families, limits, strict=True)]

        driver.settle(driver.ask("7"), *reports(1))
        ticket, other = driver.ask_many(2, "7")
        driver.now += 0.1
        answer = reports(2)
        if odd is not None:
            plain = answer.pop(odd)
            if kind == "raised":
                answer.insert(odd, named(driver, plain.family, 97, 99))
            elif kind == "without reset":
                answer.insert(odd, Report(plain.family, plain.limit, plain.remaining))
        event = Settle(ticket, driver.now - 0.1, driver.now, tuple(answer), EPOCH + 1_000)
        if straight:
            event.settled = driver.machine.conclude(
                ticket, event.sent, event.received, event.reports, event.date
            )
            assert event.settled == (-1 if odd is None else odd)
        if event.settled >= 0:
            assert ticket.stage is Stage.GRANTED
            driver.step(event)
        assert ticket.stage is Stage.DONE
        assert driver.machine.in_flight == 1
        found.append(counts(driver))
        assert other.stage is Stage.GRANTED
    assert found[0] == found[1]
    if odd is None:
        assert [c[2] for c in found[0].values()] == [37, 17, 27]


def test_a_unit_that_nothing_reports_is_counted_once_when_a_new_cell_begins_midway() -> None:
    driver = Driver()
    for n in range(12):
        driver.settle(driver.ask("7"), named(driver, "rate-limit", 199 - n, 200))
    driver.advance(100)
    ticket = driver.ask_shortly("7", NORMAL)
    answer = (named(driver, "rate-limit", 187, 200),)
    date = math.floor(EPOCH + driver.now)
    settled = driver.machine.conclude(ticket, driver.now, driver.now, answer, date)
    assert settled == 1, "of three"
    driver.step(Settle(ticket, driver.now, driver.now, answer, date, settled=settled))

    found = {name: (left, flying) for name, (_, _, left, flying) in counts(driver).items()}
    assert found == {
        "dm.write.user.15m": (187, 0),
        "dm.write.user.24h": (1_000 - 13, 0),
        "dm.write.app.24h": (15_000 - 13, 0),
    }


def test_an_answer_that_others_wait_for_goes_the_long_way_and_lets_them_go() -> None:
    driver = Driver(user_plan(1, report=None))
    driver.settle(driver.ask("7"))
    driver.advance(920)
    ticket, waiting = driver.ask_many(2, "7")
    assert is_granted([ticket, waiting]) == [True, False]
    assert driver.machine.conclude(ticket, driver.now, driver.now, (), EPOCH + driver.now) == 0
    assert ticket.stage is Stage.GRANTED


def test_a_probe_and_an_answer_without_date_and_one_for_a_permit_that_ended_go_the_long_way() -> (
    None
):
    driver = Driver(user_plan(5))
    machine = driver.machine
    probe = driver.ask("7")
    answer = (named(driver, "rate-limit", 4, 5),)
    assert machine.conclude(probe, driver.now, driver.now, answer, EPOCH + driver.now) == 0
    driver.settle(probe, *answer)
    ticket = driver.ask_shortly("7", NORMAL)
    answer = (named(driver, "rate-limit", 3, 5),)
    assert machine.conclude(ticket, driver.now, driver.now, answer, None) == 0
    assert machine.conclude(ticket, driver.now, driver.now, answer, EPOCH + driver.now) == -1
    assert machine.conclude(ticket, driver.now, driver.now, answer, EPOCH + driver.now) == 0
    with pytest.raises(RuntimeError, match="holds no permit"):
        driver.settle(ticket, *answer)
    assert machine.in_flight == 0


@pytest.mark.parametrize("straight", [False, True])
def test_a_few_slow_answers_long_ago_do_not_make_an_overdue_probe_wait_longer(
    straight: bool,
) -> None:
    """A probe without an answer lets the next one go after two seconds, or four usual trips."""
    driver = Driver(user_plan(200))
    driver.known("7", left=199, limit=200)
    for n in range(100):
        trip = 5.0 if n < 3 else 0.1
        ticket = driver.ask("7")
        driver.now += trip
        answer = (named(driver, "rate-limit", 198 - n, 200),)
        date = math.floor(EPOCH + driver.now)
        event = Settle(ticket, driver.now - trip, driver.now, answer, date)
        if straight:
            event.settled = driver.machine.conclude(
                ticket, event.sent, event.received, answer, date
            )
        if event.settled >= 0:
            driver.step(event)
    driver.advance_to(1_000 + WINDOW + 10)
    probe, waiting = driver.ask_many(2, "7")
    assert is_granted([probe, waiting]) == [True, False]
    driver.advance(2.1)
    assert waiting.stage is Stage.GRANTED


@pytest.mark.parametrize("every", [0.003, 0.1, 0.7, 4.0, 31.0])
def test_the_straight_way_knows_the_servers_clock_within_some_milliseconds(every: float) -> None:
    """It looks only where there is news: what that saves is paid in milliseconds of drift."""
    plan = user_plan(10**6)
    closely = Driver(plan)
    shortly = Driver(plan)
    for driver in (closely, shortly):
        driver.known(left=10**6 - 1, limit=10**6)
    server = EPOCH + 0.37
    for number in range(400):
        now = 1_000.0 + (number + 1) * every
        date = float(math.floor(server + now))
        closely.machine.clock.observe(date, now - 0.05, now + 0.05)
        ticket = Ticket("1", SEND)
        if not shortly.machine.admit(ticket, now - 0.05):
            shortly.now = now - 0.05
            shortly.step(Ask(ticket))
        opened = 1_000.0 + (now - 1_000.0) // WINDOW * WINDOW
        reports = (Report("rate-limit", 10**6, 10**6 - 2 - number, EPOCH + opened + WINDOW),)
        shortly.now = now + 0.05
        answer = (now - 0.05, now + 0.05, reports, date)
        settled = shortly.machine.conclude(ticket, *answer)
        if settled >= 0:
            shortly.step(Settle(ticket, *answer, settled=settled))
        a, b = closely.machine.clock, shortly.machine.clock
        assert a.lower(now) - 0.01 <= b.lower(now) <= server + now
        assert server + now <= b.upper(now) <= a.upper(now) + 0.01
