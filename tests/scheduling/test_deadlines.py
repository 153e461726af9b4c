"""Who does not want to wait for ever, and who may not even get in line."""

from __future__ import annotations

import gc
import math

import pytest

from xdm_async.budgets.budget import Budget, Plan
from xdm_async.scheduling.events import Ask, Close, Lose
from xdm_async.scheduling.flows import Stage, Ticket

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
    is_granted,
    user_plan,
)

OPENS = WINDOW + 1.0
"""A window that was named right now is over when its guard second is, give or take a little."""


def turned_away(driver: Driver, ticket: Ticket) -> tuple[str, str, float]:
    """Whom and what a ticket that was turned away right now would have waited for."""
    at, exhaust = driver.exhausted[-1]
    assert exhaust.ticket is ticket
    assert ticket.stage is Stage.DONE
    assert at == driver.now
    assert not exhaust.full
    return exhaust.budget, exhaust.owner, exhaust.ready_in


def spent_user(limit: int = 5) -> Driver:
    driver = Driver(user_plan(limit))
    driver.known("7", left=0, limit=limit)
    return driver


# At the door


def test_whose_turn_comes_after_its_deadline_is_turned_away_at_once() -> None:
    driver = spent_user()
    ticket = driver.ask("7", max_wait=OPENS - 2)

    budget, owner, ready_in = turned_away(driver, ticket)
    assert (budget, owner) == ("user", "7")
    assert ready_in == pytest.approx(OPENS, abs=0.5)
    assert driver.machine.waiting == 0


def test_whose_turn_comes_in_time_waits_for_it() -> None:
    driver = spent_user()
    ticket = driver.ask("7", max_wait=OPENS + 1)
    driver.advance(OPENS + 5)

    assert driver.granted[-1] is ticket
    assert driver.exhausted == []


def test_those_ahead_in_line_take_whole_windows() -> None:
    driver = spent_user(limit=5)
    driver.ask_many(4, "7")
    assert driver.ask("7", max_wait=OPENS + 1).stage is Stage.WAITING
    sixth = driver.ask("7", max_wait=OPENS + WINDOW - 2)

    *_, ready_in = turned_away(driver, sixth)
    assert ready_in == pytest.approx(OPENS + WINDOW, abs=0.5)
    assert driver.ask("7", max_wait=OPENS + WINDOW + 1).stage is Stage.WAITING


def test_only_those_who_go_before_it_are_ahead_of_a_ticket() -> None:
    driver = spent_user(limit=5)
    driver.ask_many(20, "7", priority=BULK)

    assert driver.ask("7", priority=INTERACTIVE, max_wait=OPENS + 1).stage is Stage.WAITING
    assert driver.ask("7", priority=BULK, max_wait=OPENS + 1).stage is Stage.DONE


def test_where_no_window_is_named_the_oldest_unit_is_waited_for() -> None:
    driver = Driver(user_plan(3, report=None))
    for ticket in driver.ask_many(2, "7"):
        driver.settle(ticket)
    driver.advance(100)
    driver.settle(driver.ask("7"))

    first = driver.ask("7", max_wait=790)
    *who, ready_in = turned_away(driver, first)
    assert who == ["user", "7"]
    assert 800 <= ready_in <= 816, "its cell comes back as one"
    assert is_granted(driver.ask_many(2, "7", max_wait=820)) == [False, False]
    assert driver.machine.waiting == 2
    third = driver.ask("7", max_wait=890)
    *_, ready_in = turned_away(driver, third)
    assert 900 <= ready_in <= 916


def test_a_hold_is_waited_for() -> None:
    driver = Driver(user_plan(5))
    refused = driver.ask("7")
    driver.settle(refused, refused=True)  # held for half a second at least
    ticket = driver.ask("7", max_wait=0.4)

    *who, ready_in = turned_away(driver, ticket)
    assert who == ["user", "7"]
    assert 0.5 <= ready_in <= 1.0
    in_time = driver.ask("7", max_wait=5.0)
    driver.advance(1.0)
    driver.settle(refused, driver.report(4, 5))
    assert in_time.stage is Stage.GRANTED


def test_the_budget_of_the_app_is_named_where_that_is_spent() -> None:
    driver = Driver(app_plan(10, user=5))
    driver.app_known(left=0, limit=10, reset_in=600.0)
    ticket = driver.ask("7", max_wait=590)

    *who, ready_in = turned_away(driver, ticket)
    assert who == ["app", "app"]
    assert ready_in == pytest.approx(601, abs=0.5)


@pytest.mark.parametrize(
    ("user", "app", "expected"), [(300, 600, ("app", "app")), (600, 300, ("user", "7"))]
)
def test_of_two_spent_budgets_the_one_that_opens_last_is_named(
    user: float, app: float, expected: tuple[str, str]
) -> None:
    driver = Driver(app_plan(10, user=5))
    driver.settle(driver.ask("7"), driver.report(0, 5, user), driver.report(0, 10, app, "app-24h"))
    ticket = driver.ask("7", max_wait=500)

    *who, ready_in = turned_away(driver, ticket)
    assert tuple(who) == expected
    assert ready_in == pytest.approx(601, abs=0.5)


def test_what_is_kept_from_its_priority_counts_at_the_door() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    driver.app_known(left=20, limit=100)
    melts = 0.6 * WINDOW

    *who, ready_in = turned_away(driver, driver.ask("7", priority=BULK, max_wait=melts - 5))
    assert who == ["app", "app"]
    assert ready_in == pytest.approx(melts, abs=2)
    in_time = driver.ask("7", priority=BULK, max_wait=melts + 5)
    assert driver.ask("7", priority=NORMAL, max_wait=1).stage is Stage.GRANTED
    driver.advance(melts + 4)
    assert in_time.stage is Stage.WAITING, "the other one has taken what would have been its own"


def test_the_door_is_open_while_nothing_is_known() -> None:
    driver = Driver(user_plan(5))
    driver.ask("7")
    assert driver.ask("7", max_wait=0.001).stage is Stage.WAITING


def test_the_door_is_open_where_the_unknown_window_may_end_soon() -> None:
    """The window may have been open for long: one that began with the clock, or before us."""
    driver = Driver(user_plan(2))
    first, second = driver.ask_many(2, "7")
    third = driver.ask("7", max_wait=600)
    driver.settle(first, driver.report(1, 2, 100.0))
    driver.settle(second, driver.report(0, 2, 100.0))
    driver.advance(110)

    assert third.stage is Stage.GRANTED


# max_wait of nothing


def test_who_does_not_wait_at_all_goes_where_it_may_go_at_once() -> None:
    driver = Driver(user_plan(5))
    assert driver.ask("7", max_wait=0).stage is Stage.GRANTED
    assert driver.ask("8", max_wait=-1).stage is Stage.GRANTED


def test_who_does_not_wait_at_all_is_turned_away_where_it_would_have_to() -> None:
    driver = spent_user()
    *_, ready_in = turned_away(driver, driver.ask("7", max_wait=0))
    assert ready_in == pytest.approx(OPENS, abs=0.5)

    driver = Driver(user_plan(5))
    driver.ask("7")
    *who, ready_in = turned_away(driver, driver.ask("7", max_wait=0))
    assert who == ["user", "7"]
    assert ready_in >= 0
    assert driver.machine.waiting == 0


def test_who_does_not_wait_at_all_leaves_nothing_in_the_line_of_its_account() -> None:
    driver = Driver(user_plan(5))
    first = driver.ask("7")
    driver.ask_many(3, "7", max_wait=0)
    last = driver.ask("7")
    driver.settle(first, driver.report(1, 5))

    assert driver.granted == [first, last]


# While it waits


@pytest.mark.parametrize("max_wait", [0.25, 1.0, 1.999])
def test_a_wait_for_an_answer_ends_at_its_deadline_and_not_before(max_wait: float) -> None:
    driver = Driver(user_plan(5))
    driver.ask("7")
    ticket = driver.ask("7", max_wait=max_wait)
    deadline = driver.now + max_wait
    assert driver.machine.wake_at == deadline

    driver.advance(max_wait - 0.001)
    assert ticket.stage is Stage.WAITING
    driver.advance(5)
    ((at, exhaust),) = driver.exhausted
    assert (at, exhaust.ticket) == (deadline, ticket)
    assert (exhaust.budget, exhaust.owner, exhaust.full) == ("user", "7", False)
    assert ticket.stage is Stage.DONE


def test_where_a_turn_and_a_deadline_come_at_the_same_instant_the_turn_wins() -> None:
    """A probe that is overdue after two seconds lets one more go, and just one."""
    driver = Driver(user_plan(5))
    driver.ask("7")
    first, second = driver.ask_many(2, "7", max_wait=2.0)
    driver.advance(2.0)

    assert first.stage is Stage.GRANTED
    assert [(at, e.ticket) for at, e in driver.exhausted] == [(driver.now, second)]


def test_deadlines_are_met_in_their_own_order_whoever_asked_first() -> None:
    driver = Driver(user_plan(5))
    driver.ask("7")
    late, soon = driver.ask("7", max_wait=1.5), driver.ask("7", max_wait=0.5)
    driver.advance(1.9)

    assert [e.ticket for _, e in driver.exhausted] == [soon, late]
    assert driver.machine.waiting == 0


def test_a_thousand_deadlines_at_one_instant_do_not_stop_the_loop() -> None:
    driver = Driver(user_plan(5_000))
    driver.ask("7")
    tickets = driver.ask_many(1_000, "7", max_wait=1.0)
    driver.now = driver.machine.wake_at
    driver.tick()
    assert 0 < len(driver.exhausted) < len(tickets)
    assert driver.machine.wake_at <= driver.now

    driver.advance(0)
    assert [e.ticket for _, e in driver.exhausted] == tickets


def test_who_is_behind_one_that_gave_up_moves_up() -> None:
    driver = spent_user(limit=1)
    gives_up = driver.ask("7", max_wait=OPENS + 10)
    behind = driver.ask("7")
    driver.cancel(gives_up)
    driver.advance(OPENS + 1)
    assert behind.stage is Stage.GRANTED


# Refused


def test_a_refused_one_whose_next_turn_is_too_late_is_told_at_once() -> None:
    driver = Driver(user_plan(5))
    ticket = driver.ask("7", max_wait=300)
    driver.advance(1)
    driver.settle(ticket, driver.report(0, 5), refused=True)

    *who, ready_in = turned_away(driver, ticket)
    assert who == ["user", "7"]
    assert ready_in == pytest.approx(OPENS, abs=1.1)
    assert (driver.machine.waiting, driver.machine.in_flight) == (0, 0)


def test_a_refused_one_whose_next_turn_is_in_time_waits_for_it() -> None:
    driver = Driver(user_plan(5))
    ticket = driver.ask("7", max_wait=2_000)
    driver.settle(ticket, driver.report(0, 5), refused=True)
    driver.advance(OPENS + 2)

    assert driver.granted == [ticket, ticket]
    assert driver.exhausted == []


def test_a_refused_one_whose_deadline_passed_while_it_was_away_is_told_at_once() -> None:
    driver = Driver(user_plan(5))
    ticket = driver.ask("7", max_wait=1)
    driver.advance(5)
    assert driver.exhausted == [], "it is on its way"
    driver.settle(ticket, refused=True)

    turned_away(driver, ticket)


def test_a_refused_one_that_waits_again_is_told_once() -> None:
    driver = Driver(user_plan(5))
    ticket = driver.ask("7", max_wait=1_000)
    for _ in range(2):
        driver.settle(ticket, driver.report(0, 5, 400), refused=True)
        driver.advance(402)
    driver.settle(ticket, refused=True)
    driver.advance(3_000)
    assert len([e for _, e in driver.exhausted if e.ticket is ticket]) <= 1
    assert driver.granted.count(ticket) + len(driver.exhausted) >= 4


# What is over leaves nothing behind


def test_the_deadline_of_one_that_was_granted_does_not_fire() -> None:
    driver = Driver(user_plan(5))
    first = driver.ask("7")
    waited = driver.ask("7", max_wait=1.0)
    driver.settle(first, driver.report(4, 5))
    assert waited.stage is Stage.GRANTED

    driver.advance(10)
    assert waited.stage is Stage.GRANTED
    driver.settle(waited, driver.report(3, 5))
    driver.advance(10)
    assert driver.exhausted == []


def test_the_deadline_of_one_that_was_cancelled_or_lost_does_not_fire() -> None:
    driver = Driver(user_plan(5))
    first = driver.ask("7")
    cancelled, lost = driver.ask_many(2, "7", max_wait=3.0)
    driver.cancel(cancelled)
    driver.settle(first, driver.report(4, 5))
    driver.step(Lose(lost, driver.now))
    driver.advance(10)

    assert driver.exhausted == []
    assert driver.machine.waiting == 0


def tickets_alive() -> int:
    gc.collect()
    return sum(isinstance(o, Ticket) for o in gc.get_objects())


@pytest.mark.parametrize("priority", [BULK, NORMAL])
def test_those_who_gave_up_long_before_their_deadlines_do_not_pile_up(priority: int) -> None:
    driver = spent_user()
    before = tickets_alive()
    for _ in range(8_000):
        driver.cancel(driver.ask("7", max_wait=80_000.0))

    assert driver.machine.waiting == 0
    assert tickets_alive() - before <= 1_100


def test_those_who_were_granted_long_before_their_deadlines_do_not_pile_up() -> None:
    driver = Driver(user_plan(10**6))
    driver.settle(driver.ask("7"), driver.report(10**6 - 1, 10**6))
    driver.granted.clear()
    before = tickets_alive()
    for n in range(3_000):
        ticket = driver.ask("7", max_wait=80_000.0)
        driver.settle(ticket, driver.report(10**6 - 2 - n, 10**6))
    driver.granted.clear()

    assert tickets_alive() - before <= 1_100


def test_when_all_is_over_no_deadline_is_left() -> None:
    driver = spent_user()
    for n in range(500):
        ticket = driver.ask("7", max_wait=1_000.0 + n)
        if n % 2:
            driver.cancel(ticket)
    driver.advance(3_000)
    while driver.machine.in_flight:
        driver.settle(next(t for t in driver.granted if t.stage is Stage.GRANTED))
    driver.granted.clear()
    driver.exhausted.clear()
    del ticket
    driver.advance(10_000)

    assert driver.machine.wake_at == math.inf
    assert tickets_alive() == 0


# The line is full


def test_of_one_account_no_more_than_so_many_wait() -> None:
    driver = Driver(user_plan(5), max_waiting=(3, 100))
    for user in "78":
        driver.known(user, left=0, limit=5)
    waiting = driver.ask_many(3, "7")
    fourth = driver.ask("7")

    ((_, exhaust),) = driver.exhausted
    assert exhaust.ticket is fourth
    assert (exhaust.budget, exhaust.owner, exhaust.full) == ("user", "7", True)
    assert exhaust.ready_in == pytest.approx(OPENS, abs=0.5)
    assert driver.machine.waiting == 3
    assert driver.ask("8").stage is Stage.WAITING, "another account has a line of its own"

    driver.cancel(waiting[1])
    assert driver.ask("7").stage is Stage.WAITING
    assert driver.ask("7").stage is Stage.DONE


def test_of_one_account_those_of_all_its_budgets_count_together() -> None:
    driver = Driver(max_waiting=(3, 100))
    driver.known("7", left=0)
    driver.settle(driver.ask("7", READ), driver.report(0, 300))
    driver.ask_many(2, "7")
    assert driver.ask("7", READ).stage is Stage.WAITING
    assert driver.ask("7", READ).stage is Stage.DONE
    assert driver.exhausted[-1][1].full


def test_in_all_no_more_than_so_many_wait() -> None:
    driver = Driver(user_plan(5), max_waiting=(100, 5))
    for user in range(6):
        driver.known(str(user), left=0, limit=5)
    waiting = [driver.ask(str(user)) for user in range(5)]
    assert driver.ask("5").stage is Stage.DONE
    assert [e.full for _, e in driver.exhausted] == [True]
    assert driver.ask("new").stage is Stage.GRANTED, "it does not wait"

    driver.cancel(waiting[0], waiting[0], waiting[4])
    assert [t.stage for t in (driver.ask("5"), driver.ask("5"), driver.ask("5"))] == [
        Stage.WAITING,
        Stage.WAITING,
        Stage.DONE,
    ]
    assert driver.machine.waiting == 5


def test_there_is_room_again_when_those_who_waited_went_or_were_told() -> None:
    driver = Driver(user_plan(5), max_waiting=(2, 2))
    first = driver.ask("7")
    driver.ask("7", max_wait=1.0)
    waits = driver.ask("7")
    assert driver.ask("7").stage is Stage.DONE
    driver.advance(1.0)
    assert driver.ask("7").stage is Stage.WAITING
    driver.settle(first, driver.report(4, 5))
    assert waits.stage is Stage.GRANTED
    assert driver.machine.waiting == 0


def test_a_refused_one_has_its_place_in_a_full_line_all_the_same() -> None:
    driver = Driver(user_plan(5), max_waiting=(2, 2))
    refused = driver.ask("7")
    driver.ask_many(2, "7")
    driver.settle(refused, driver.report(0, 5), refused=True)

    assert refused.stage is Stage.WAITING
    assert driver.exhausted == []


def test_who_would_not_wait_is_not_turned_away_from_a_full_line() -> None:
    """BULK fills the line, held by the reserve; INTERACTIVE would go past it at once."""
    driver = Driver(app_plan(100), reserve=HALF, max_waiting=(3, 100))
    driver.app_known(left=50, limit=100)
    driver.ask_many(3, "7", priority=BULK)

    assert driver.ask("7", priority=INTERACTIVE).stage is Stage.GRANTED


# Closed


def test_closing_drops_those_with_deadlines_once_and_tells_them_nothing_more() -> None:
    driver = spent_user()
    waiting = driver.ask_many(3, "7", max_wait=OPENS + 5)
    driver.step(Close())
    assert driver.dropped == waiting

    driver.advance(2 * WINDOW)
    late = Ticket("7", SEND, deadline=driver.now)
    driver.step(Ask(late))
    assert driver.dropped == [*waiting, late]
    assert driver.exhausted == []
    assert driver.machine.waiting == 0


def test_a_deadline_of_one_that_waits_for_the_start_of_the_app_is_met_too() -> None:
    plan = Plan("app", {"g": (Budget(5, WINDOW, "app", "only"),)}, {SEND: "g"})
    driver = Driver(plan)
    driver.ask("7")
    ticket = driver.ask("8", max_wait=1.0)
    driver.advance(1.0)

    ((at, exhaust),) = driver.exhausted
    assert (at, exhaust.ticket, exhaust.budget, exhaust.owner) == (1_001.0, ticket, "only", "app")


def test_where_every_token_is_on_its_way_a_whole_window_passes_at_least() -> None:
    """No answer has named a window yet, and each unit will count for one from its answer on."""
    driver = Driver(user_plan(2, report=None))
    driver.ask_many(2, "7")
    *who, ready_in = turned_away(driver, driver.ask("7", max_wait=WINDOW - 1))

    assert who == ["user", "7"]
    assert ready_in == WINDOW
    assert driver.ask("7", max_wait=WINDOW).stage is Stage.WAITING
