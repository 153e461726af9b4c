"""What is promised: when a request could leave, and what it waits for."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets.bucket import State
from xdm_async.budgets.budget import Budget, Plan
from xdm_async.budgets.priority import Priority
from xdm_async.scheduling.events import Action, Ask, Event
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import Machine

from .driver import (
    BULK,
    HALF,
    INTERACTIVE,
    NORMAL,
    READ,
    SEND,
    WINDOW,
    Driver,
    app_plan,
    user_plan,
)
from .simulated import Server, simulate

OPENS = WINDOW + 1.0
"""A window that was named right now is over when its guard second is, give or take a little."""


def eta(
    driver: Driver, n: int = 1, user: str = "1", priority: Priority = NORMAL, name: str = SEND
) -> float:
    return driver.machine.eta(user, name, n, priority, driver.now)


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=0.6)


# When


def test_a_fresh_account_may_go_at_once_up_to_its_limit() -> None:
    driver = Driver(user_plan(20))
    assert eta(driver) == eta(driver, 20) == 0


def test_what_has_been_used_is_not_there_any_more() -> None:
    driver = Driver(user_plan(20))
    driver.known(left=15, limit=20)

    assert eta(driver, 15) == 0
    assert eta(driver, 16) == near(OPENS)


def test_time_that_passes_is_time_that_is_not_to_come() -> None:
    driver = Driver(user_plan(20))
    driver.known(left=0, limit=20)
    driver.advance(600)

    assert eta(driver) == near(OPENS - 600)


@pytest.mark.parametrize("windows", [0, 1, 2, 10])
def test_more_than_a_window_bears_takes_whole_windows(windows: int) -> None:
    driver = Driver(user_plan(20))
    driver.known(left=15, limit=20)

    assert eta(driver, 15 + 20 * windows + 1) == near(OPENS + WINDOW * windows)
    assert eta(driver, 15 + 20 * windows + 20) == near(OPENS + WINDOW * windows)


def test_headroom_is_not_counted_on() -> None:
    driver = Driver(app_plan(20, headroom=5))
    assert eta(driver, 15) == 0
    assert eta(driver, 16) > 0


def test_those_who_wait_already_go_before() -> None:
    driver = Driver(user_plan(5))
    driver.known(left=0, limit=5)
    driver.ask_many(4)

    assert eta(driver, 1) == near(OPENS)
    assert eta(driver, 2) == near(OPENS + WINDOW)


def test_those_who_are_less_urgent_do_not_go_before() -> None:
    driver = Driver(user_plan(5))
    driver.known(left=0, limit=5)
    driver.ask_many(5, priority=BULK)
    driver.ask_many(5, priority=NORMAL)

    assert eta(driver, priority=INTERACTIVE) == near(OPENS)
    assert eta(driver, priority=NORMAL) == near(OPENS + WINDOW)
    assert eta(driver, priority=BULK) == near(OPENS + 2 * WINDOW)


def test_other_accounts_that_wait_take_their_share_of_the_apps_budget() -> None:
    driver = Driver(app_plan(10))
    driver.app_known(left=0, limit=10)
    for user in "abcd":
        driver.ask_many(50, user)

    # Each request of the new one comes after one of each of the others.
    assert eta(driver, 2, "new") == near(OPENS)
    assert eta(driver, 3, "new") == near(OPENS + WINDOW)
    assert eta(driver, 5, "new") == near(OPENS + 2 * WINDOW)


def test_other_accounts_take_no_more_than_they_wait_for() -> None:
    driver = Driver(app_plan(10))
    driver.app_known(left=0, limit=10)
    for user in "abcd":
        driver.ask(user)

    assert eta(driver, 6, "new") == near(OPENS)
    assert eta(driver, 7, "new") == near(OPENS + WINDOW)


def test_other_accounts_that_wait_for_their_own_budgets_change_nothing_there() -> None:
    driver = Driver(user_plan(5))
    driver.known("a", left=0, limit=5)
    driver.ask_many(50, "a")
    assert eta(driver, 5, "b") == 0


def test_the_reserve_is_waited_for_until_it_has_melted() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    driver.app_known(left=20, limit=100)

    assert eta(driver, priority=INTERACTIVE) == eta(driver, priority=NORMAL) == 0
    assert eta(driver, priority=BULK) == pytest.approx(0.6 * WINDOW, abs=2)


def test_where_no_window_is_named_units_come_back_as_they_went() -> None:
    driver = Driver(user_plan(3, report=None))
    for _ in range(3):
        driver.settle(driver.ask())
        driver.advance(100)

    for n in (1, 2, 3):
        back = 1_000 + 100 * (n - 1) + WINDOW - driver.now
        assert back <= eta(driver, n) <= back + 15, "a cell comes back as one"
    assert eta(driver, 4) >= WINDOW


def test_a_hold_is_counted_in() -> None:
    driver = Driver(user_plan(5))
    driver.settle(driver.ask(), refused=True)
    assert 0.5 <= eta(driver) <= 1.0


def test_a_group_may_be_named_as_well_as_its_route() -> None:
    driver = Driver(user_plan(5))
    driver.known(left=0, limit=5)
    assert eta(driver, name="g") == eta(driver, name=SEND) > 0


def test_a_name_that_the_plan_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        eta(Driver(), name="nonsense")


@pytest.mark.parametrize("known", [False, True])
def test_to_look_ahead_leaves_nothing_behind(known: bool) -> None:
    driver = Driver()
    if known:
        driver.settle(driver.ask(route=READ), driver.report(10, 300))
    before = driver.machine.statuses(driver.now)
    flows = {o.user_id: o.flows for o in driver.machine.roster.owners.values()}
    for n in range(50):
        assert eta(driver, 1, "1" if known else str(n)) == 0

    assert {o.user_id: o.flows for o in driver.machine.roster.owners.values()} == flows
    after = [s for s in driver.machine.statuses(driver.now) if s.owner != "app"]
    assert after == [s for s in before if s.owner != "app"]


# What it waits for


def blocker(driver: Driver, ticket: Ticket) -> tuple[str, str, float | None] | None:
    return driver.machine.blocker(ticket, driver.now)


def test_nothing_is_waited_for_by_one_that_is_granted_or_done() -> None:
    driver = Driver(user_plan(5))
    ticket = driver.ask()
    assert blocker(driver, ticket) is None
    driver.settle(ticket, driver.report(4, 5))
    assert blocker(driver, ticket) is None


def test_where_nothing_is_known_an_answer_is_waited_for() -> None:
    driver = Driver(user_plan(5))
    driver.ask("7")
    assert blocker(driver, driver.ask("7")) == ("user", "7", None)


def test_the_end_of_a_named_window_is_waited_for() -> None:
    driver = Driver(user_plan(5))
    driver.known("7", left=0, limit=5)
    first = driver.ask("7")
    assert blocker(driver, first) == ("user", "7", near(OPENS))

    driver.advance(300)
    assert blocker(driver, first) == ("user", "7", near(OPENS - 300))


def test_those_behind_it_do_not_change_what_the_first_in_line_waits_for() -> None:
    driver = Driver(user_plan(5))
    driver.known("7", left=0, limit=5)
    first, *_ = driver.ask_many(6, "7")

    assert blocker(driver, first) == ("user", "7", near(OPENS))


def test_after_a_named_window_an_answer_is_waited_for() -> None:
    driver = Driver(user_plan(5))
    driver.known("7", left=0, limit=5)
    _, second = driver.ask_many(2, "7")
    driver.advance(OPENS + 1)

    (status,) = driver.machine.statuses(driver.now)
    assert status.state is State.PROVISIONAL
    assert blocker(driver, second) == ("user", "7", None)


def test_where_no_window_is_named_a_unit_is_waited_for() -> None:
    driver = Driver(user_plan(1, report=None))
    driver.settle(driver.ask("7"))
    name, owner, opens_in = blocker(driver, driver.ask("7")) or ("", "", None)

    assert (name, owner) == ("user", "7")
    assert opens_in is not None
    assert 900 <= opens_in <= 916


def test_the_end_of_a_hold_is_waited_for() -> None:
    driver = Driver(user_plan(5))
    refused = driver.ask("7")
    driver.settle(refused, refused=True)
    name, owner, opens_in = blocker(driver, refused) or ("", "", None)

    assert (name, owner) == ("user", "7")
    assert opens_in is not None
    assert 0.5 <= opens_in <= 1.0


def test_what_the_app_has_spent_or_keeps_is_waited_for_under_the_apps_name() -> None:
    driver = Driver(app_plan(100, user=50), reserve=HALF)
    driver.app_known(left=50, limit=100)
    kept = driver.ask("7", priority=BULK)
    name, owner, opens_in = blocker(driver, kept) or ("", "", None)
    assert (name, owner) == ("app", "app")
    assert opens_in is not None
    assert 0 < opens_in < 5

    driver = Driver(app_plan(100, user=50))
    driver.app_known(left=0, limit=100)
    assert blocker(driver, driver.ask("7")) == ("app", "app", near(OPENS))


def test_the_account_that_is_in_line_behind_others_waits_for_what_they_share() -> None:
    """Its own budget has room, and so has the app's, but all of that is on its way."""
    driver = Driver(app_plan(2))
    driver.app_known(left=1, limit=2)
    driver.ask("a")
    assert blocker(driver, driver.ask("b")) == ("app", "app", near(OPENS))


# A promise is kept: never earlier than promised


class Promising(Machine):
    """Says of every ticket that asks when it could leave at the earliest."""

    promised: dict[Ticket, float]

    def step(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, Ask):
            ticket = event.ticket
            wait = self.eta(ticket.user_id, ticket.route, 1, ticket.priority, now)
            self.promised[ticket] = now + wait
        return super().step(event, now)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    limit=st.integers(1, 12),
    day=st.integers(1, 40),
    many=st.integers(1, 80),
    spread=st.sampled_from([0.0, 10.0, 3_000.0]),
    kind=st.sampled_from(["first", "sliding"]),
    day_headers=st.booleans(),
)
def test_nobody_leaves_before_the_moment_that_was_promised_as_the_earliest(
    seed: int, limit: int, day: int, many: int, spread: float, kind: str, day_headers: bool
) -> None:
    """But for the second that the ``Date`` of a first answer leaves open."""
    budgets = (
        Budget(limit, WINDOW, "user", "user", report="rate-limit"),
        Budget(day, 9_000.0, "user", "day", report="user-24h"),
    )
    plan = Plan("two", {"g": budgets}, {SEND: "g"})
    server = Server(
        {"g": [("user", limit, WINDOW), ("user", day, 9_000.0)]},
        {SEND: "g"},
        kind=kind,
        day_headers=day_headers,
    )
    rng = random.Random(seed)
    asks = [(rng.uniform(0, spread), "u", SEND) for _ in range(many)]
    machine = Promising(plan, seed=1, reserve={})
    machine.promised = {}
    until = 9_600.0 * (many / min(limit, day) + 2)
    run = simulate(plan, server, asks, until=until, seed=seed, machine=machine)

    assert run.refusals == 0
    assert len(run.granted) == many
    for at, ticket in run.granted:
        assert ticket.stage is Stage.DONE
        assert at >= machine.promised[ticket] - 1.1
    assert machine.wake_at == math.inf or machine.wake_at > run.now


# How much


def room(driver: Driver, user: str = "1") -> tuple[int, float, int, int]:
    found = driver.machine.room(user, SEND, driver.now)
    assert found is not None
    return found.limit, found.window, found.remaining, found.waiting


def test_room_is_what_is_left_of_the_scarcest_budget_at_the_rate_of_the_tightest() -> None:
    day = Budget(30, 10 * WINDOW, "user", name="day")
    driver = Driver(
        Plan("two", {SEND: (Budget(20, WINDOW, "user", name="short"), day)}, {SEND: SEND})
    )
    assert room(driver) == (30, 10 * WINDOW, 20, 0)
    for _ in range(20):
        driver.ask()
    assert room(driver) == (30, 10 * WINDOW, 0, 0)
    driver.ask()
    driver.ask()
    assert room(driver) == (30, 10 * WINDOW, 0, 2)
    found = driver.machine.room("1", SEND, driver.now)
    assert found is not None
    assert found.budget == "short"


def test_room_follows_what_the_headers_say_and_knows_when_the_window_ends() -> None:
    driver = Driver(user_plan(20))
    driver.known(left=3, limit=15)
    assert room(driver) == (15, WINDOW, 3, 0)
    found = driver.machine.room("1", SEND, driver.now)
    assert found is not None
    assert found.reset_in == pytest.approx(WINDOW, abs=1.5)


def test_room_in_a_budget_of_the_app_is_the_accounts_part_of_it() -> None:
    driver = Driver(app_plan(100))
    for user in "1234":
        driver.ask(user)
    assert room(driver) == (25, WINDOW, 24, 0)


def test_there_is_no_room_to_speak_of_where_no_budget_is_known_and_asking_makes_none() -> None:
    driver = Driver(user_plan(20))
    assert driver.machine.room("1", "nowhere", driver.now) is None
    assert room(driver, "stranger") == (20, WINDOW, 20, 0)
    assert driver.machine.statuses(driver.now) == []
