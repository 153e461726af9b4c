"""What the machine promises, event by event, with the time passed in."""

import math
import random
import sys

import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.bucket import State
from xdm_async.budgets.budget import Budget, Plan
from xdm_async.scheduling.events import (
    Cancel,
    Close,
    Lose,
    Refund,
    Settle,
    Tick,
)
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import AT_ONCE

from .driver import EPOCH, READ, SEND, Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_the_first_request_of_a_user_goes_alone_and_the_others_wait_for_its_answer(
    driver: Driver,
) -> None:
    tickets = [driver.ask(route=READ) for _ in range(5)]
    assert driver.granted == tickets[:1]

    driver.now += 0.1
    driver.settle(tickets[0], driver.report(199, 200))
    assert driver.granted == tickets


def test_tickets_of_a_user_go_in_the_order_they_asked(driver: Driver) -> None:
    tickets = [driver.ask(route=READ) for _ in range(50)]
    driver.settle(tickets[0], driver.report(20, 200))
    assert driver.granted == tickets[:21]

    driver.step(Refund(tickets[3]))
    driver.step(Refund(tickets[1]))
    assert driver.granted == tickets[:23]


def test_a_refused_ticket_goes_again_before_those_behind_it(driver: Driver) -> None:
    first, second, third = (driver.ask() for _ in range(3))
    driver.settle(first, driver.report(0, 200), refused=True)
    assert first.stage is Stage.WAITING

    driver.advance(903)
    driver.settle(first, driver.report(199, 200))
    assert driver.granted == [first, first, second, third]


def test_a_permit_needs_a_token_of_every_budget_or_takes_none() -> None:
    plan = plans.DEFAULT.override({"dm.write.app.24h": 2})
    driver = Driver(plan)
    driver.known("1", left=150)
    driver.known("2", left=150)
    waiting = driver.ask("3")

    assert waiting.stage is Stage.WAITING
    assert {s.name: s.in_flight for s in driver.machine.statuses(driver.now)} == {
        "dm.write.app.24h": 0,
        "dm.write.user.15m": 0,
        "dm.write.user.24h": 0,
    }


def test_a_user_without_tokens_delays_nobody_else(driver: Driver) -> None:
    driver.known("1", left=0)
    driver.known("2", left=150)
    blocked = [driver.ask("1") for _ in range(1_000)]
    free = driver.ask("2")

    assert free.stage is Stage.GRANTED
    assert all(t.stage is Stage.WAITING for t in blocked)


def test_reads_of_a_user_do_not_wait_for_its_sends(driver: Driver) -> None:
    driver.known("1", left=0)
    driver.ask("1")
    assert driver.ask("1", READ).stage is Stage.GRANTED


def test_a_cancelled_waiter_leaves_the_line_and_the_next_one_takes_its_turn(driver: Driver) -> None:
    first, second, third = (driver.ask() for _ in range(3))
    driver.step(Cancel(second))
    assert driver.machine.waiting == 1

    driver.settle(first, driver.report(1, 200))
    assert driver.granted == [first, third]


def test_a_ticket_cancelled_between_grant_and_resumption_hands_its_token_on(
    driver: Driver,
) -> None:
    first, second, third = (driver.ask() for _ in range(3))
    driver.settle(first, driver.report(1, 200))
    assert driver.granted == [first, second]

    driver.step(Cancel(second))
    assert driver.granted == [first, second, third]


def test_a_permit_ends_once(driver: Driver) -> None:
    ticket = driver.ask()
    driver.step(Refund(ticket))
    with pytest.raises(RuntimeError, match="holds no permit"):
        driver.step(Refund(ticket))
    driver.step(Cancel(ticket))
    assert driver.machine.in_flight == 0


def test_a_lost_request_counts_until_the_server_must_have_forgotten_it(driver: Driver) -> None:
    driver.known(left=1)
    lost = driver.ask()
    driver.step(Lose(lost, driver.now))
    waiting = driver.ask()
    driver.advance(40)
    assert waiting.stage is Stage.WAITING

    driver.advance(870)
    assert waiting.stage is Stage.GRANTED


def test_a_probe_without_an_answer_lets_the_next_one_go_after_two_seconds(driver: Driver) -> None:
    first, second, third = (driver.ask() for _ in range(3))
    driver.advance(1.9)
    assert driver.granted == [first]

    driver.advance(0.2)
    assert driver.granted == [first, second]
    driver.advance(2.0)
    assert driver.granted == [first, second, third]


def test_a_window_is_waited_out_on_the_servers_clock_and_a_guard_second(driver: Driver) -> None:
    driver.known(left=0)
    waiting = driver.ask()
    reset = math.ceil(EPOCH + driver.now + 900)

    driver.advance(reset + 1 - EPOCH - driver.now - 0.01)
    assert waiting.stage is Stage.WAITING

    driver.advance(2.2)  # the Date of one answer leaves a second and a trip open
    assert waiting.stage is Stage.GRANTED


def test_the_app_starts_slowly_when_nothing_is_known_of_its_budget() -> None:
    driver = Driver()
    tickets = [driver.ask(str(user)) for user in range(40)]
    assert len(driver.granted) == 1
    for expected in (2 + 1, 4 + 3, 8 + 7):
        for ticket in [t for t in tickets if t.stage is Stage.GRANTED]:
            driver.settle(ticket, driver.report(199, 200))
        assert len(driver.granted) >= expected


def test_idle_time_earns_no_more_than_a_little_credit() -> None:
    plan = Plan("one", {"g": (Budget(1_000, 900.0, "app"),)}, {SEND: "g"})
    driver = Driver(plan)
    for _ in range(3_000):
        ticket = driver.ask("busy")
        if ticket.stage is Stage.GRANTED:
            driver.settle(ticket)
    late = [driver.ask("late") for _ in range(900)]
    before = len(driver.granted)
    driver.advance(950)
    for ticket in driver.granted[before:]:
        driver.settle(ticket)
    share = sum(t.user_id == "late" for t in driver.granted[before:])
    assert 0 < share < len(late)
    assert abs(share - 500) <= 16


def test_no_more_than_a_loop_turn_can_bear_go_in_one_step_and_the_rest_at_once_after_it() -> None:
    plan = Plan("free", {"g": (Budget(10**6, 900.0, "user", report="rate-limit"),)}, {SEND: "g"})
    driver = Driver(plan)
    tickets = [driver.ask() for _ in range(2_500)]
    driver.settle(tickets[0], driver.report(10**6 - 1, 10**6))
    assert len(driver.granted) == 1 + AT_ONCE
    assert driver.machine.wake_at == driver.now

    while driver.machine.wake_at == driver.now:
        driver.step(Tick())
    assert len(driver.granted) == 2_500


def test_a_hundred_thousand_waiters_need_one_timer_and_one_entry_a_flow(driver: Driver) -> None:
    for user in range(100):
        driver.known(str(user), left=0)
    for n in range(100_000):
        driver.ask(str(n % 100))
    assert driver.machine.waiting == 100_000
    assert len(driver.machine._heap) <= 300


def test_an_account_that_is_idle_is_forgotten_only_when_nothing_counts(driver: Driver) -> None:
    driver.known(left=199)
    assert list(driver.machine.roster.owners) == ["1"]

    driver.advance(86_000)
    assert list(driver.machine.roster.owners) == ["1"], "its day still counts one"
    driver.advance(600)
    assert driver.machine.roster.owners == {}


def test_a_closed_machine_drops_who_waits_and_who_comes(driver: Driver) -> None:
    granted, waiting = driver.ask(), driver.ask()
    driver.step(Close())
    late = driver.ask()
    assert driver.dropped == [waiting, late]

    driver.settle(granted, driver.report(0, 200), refused=True)
    assert driver.dropped == [waiting, late, granted]
    assert driver.machine.waiting == 0


def test_a_long_wait_is_said_once(driver: Driver) -> None:
    driver.known(left=0)
    for _ in range(20):
        driver.ask()
    said = [s for s in driver.said if "is spent" in s]
    assert len(said) == 1
    assert said[0].startswith("budget 'dm.write.user.15m' of user 1 is spent: the next request")


def test_retry_after_is_honoured(driver: Driver) -> None:
    ticket = driver.ask()
    driver.step(
        Settle(ticket, driver.now, driver.now, (), math.floor(EPOCH + driver.now), True, 30.0)
    )
    driver.advance(29.9)
    assert ticket.stage is Stage.WAITING
    driver.advance(0.2)
    assert ticket.stage is Stage.GRANTED


def test_a_route_that_no_plan_names_draws_on_nothing(driver: Driver) -> None:
    assert all(driver.ask(route="new.route").stage is Stage.GRANTED for _ in range(500))


def test_a_route_without_budgets_that_is_refused_is_held_all_the_same(driver: Driver) -> None:
    ticket = driver.ask(route="new.route")
    driver.settle(ticket, refused=True)
    assert ticket.stage is Stage.WAITING

    driver.advance(1.1)
    assert ticket.stage is Stage.GRANTED


def test_the_snapshot_says_what_waits_for_what(driver: Driver) -> None:
    driver.known(left=0)
    driver.ask()
    status = {s.name: s for s in driver.machine.statuses(driver.now, "1")}
    spent = status["dm.write.user.15m"]

    assert (spent.state, spent.limit, spent.remaining, spent.waiting) == (State.KNOWN, 200, 0, 1)
    assert spent.reset_in == pytest.approx(900, abs=2)
    assert status["dm.write.user.24h"].remaining == 999
    assert status["dm.write.app.24h"].waiting == 0


def test_any_interleaving_of_waiting_and_cancelling_keeps_the_counts_right() -> None:
    rng = random.Random(5)
    driver = Driver()
    tickets: list[Ticket] = []
    for _ in range(4_000):
        choice = rng.random()
        live = [t for t in tickets if t.stage is Stage.GRANTED]
        if choice < 0.5:
            tickets.append(driver.ask(str(rng.randrange(4)), rng.choice([SEND, READ])))
        elif choice < 0.7 and tickets:
            driver.step(Cancel(rng.choice(tickets)))
        elif choice < 0.9 and live:
            driver.settle(rng.choice(live))
        elif live:
            driver.step(Lose(rng.choice(live), driver.now))
        driver.advance(rng.choice([0.0, 0.1, 5.0]))
        assert driver.machine.waiting == sum(t.stage is Stage.WAITING for t in tickets)
        assert driver.machine.in_flight == sum(t.stage is Stage.GRANTED for t in tickets)
        assert all(s.in_flight >= 0 for s in driver.machine.statuses(driver.now))
        tickets = [t for t in tickets if t.stage < Stage.LOST]
    for ticket in tickets:
        driver.step(Cancel(ticket))
    assert driver.machine.waiting == driver.machine.in_flight == 0


def test_the_refusals_of_one_round_trip_are_said_once(driver: Driver) -> None:
    driver.settle(driver.ask(route=READ), driver.report(150, 300))
    tickets = [driver.ask(route=READ) for _ in range(40)]
    driver.now += 0.2
    for ticket in tickets:
        driver.settle(ticket, driver.report(100, 300), refused=True, ago=0.2)
    assert len([s for s in driver.said if "refused without an explanation" in s]) == 1


def test_a_plan_caught_wrong_is_said_once_for_each_budget_that_it_makes_doubtful(
    driver: Driver,
) -> None:
    for user in range(5):
        driver.settle(driver.ask(str(user)), driver.report(98, 99))
    said = [s for s in driver.said if "the server's limit" in s]
    assert len(said) == 2
    assert "'dm.write.user.24h', which no header confirms" in said[0]


def test_of_many_accounts_that_are_forgotten_nothing_is_left(driver: Driver) -> None:
    empty = sys.getsizeof(driver.machine.roster.owners)
    for number in range(3_000):
        driver.settle(driver.ask(f"u{number}", READ), driver.report(199, 200))
    assert len(driver.machine.roster.owners) == 3_000

    driver.advance(1_000)
    assert not driver.machine.roster.owners
    assert sys.getsizeof(driver.machine.roster.owners) <= empty
    assert driver.machine.wake_at == math.inf


def test_a_grant_that_came_to_nothing_is_no_service() -> None:
    """Of ten that the app has left each account gets five, whoever was granted in vain before."""
    driver = Driver(Plan("one", {"g": (Budget(10, 900.0, "app", report=None),)}, {SEND: "g"}))
    for _ in range(10):
        driver.step(Refund(driver.ask("unlucky")))
    driver.machine.roster.app_buckets["g.app.15m"].hold(driver.now, 10.0)
    for _ in range(20):
        driver.ask("unlucky"), driver.ask("other")
    driver.granted.clear()
    driver.advance(11)
    while driver.machine.in_flight:
        driver.settle(driver.granted[-driver.machine.in_flight])
    assert [t.user_id for t in driver.granted].count("unlucky") == 5
    assert len(driver.granted) == 10
