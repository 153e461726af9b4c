"""Who goes next: by priority within an account, by service between accounts."""

from __future__ import annotations

import gc
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets.priority import Priority
from xdm_async.scheduling.events import Refund
from xdm_async.scheduling.flows import IN_A_ROW, Flow, Stage, Ticket

from .driver import (
    BULK,
    HALF,
    INTERACTIVE,
    NORMAL,
    READ,
    Driver,
    app_plan,
    is_granted,
    user_plan,
)

# Within an account


def queued(driver: Driver, *priorities: Priority, left: int) -> list[Ticket]:
    """Tickets of one account that have queued up behind its first request; now ``left`` go."""
    first = driver.ask(priority=INTERACTIVE)
    tickets = [driver.ask(priority=priority) for priority in priorities]
    driver.granted.clear()
    driver.settle(first, driver.report(left, left + 1))
    driver.advance(0)
    return tickets


def test_of_one_account_the_most_urgent_goes_first_and_equals_in_the_order_they_asked() -> None:
    driver = Driver(user_plan(100))
    order = [BULK, NORMAL, INTERACTIVE, BULK, INTERACTIVE, NORMAL]
    tickets = queued(driver, *order, left=99)

    assert driver.granted == [tickets[n] for n in (2, 4, 1, 5, 0, 3)]


@given(st.lists(st.sampled_from(Priority), max_size=IN_A_ROW))
def test_any_few_tickets_of_one_account_leave_by_priority_and_then_by_arrival(
    order: list[Priority],
) -> None:
    driver = Driver(user_plan(100))
    tickets = queued(driver, *order, left=99)

    assert driver.granted == sorted(tickets, key=lambda t: (-t.priority, tickets.index(t)))


@pytest.mark.parametrize(
    ("upper", "lower"), [(INTERACTIVE, NORMAL), (INTERACTIVE, BULK), (NORMAL, BULK)]
)
def test_after_sixteen_in_a_row_the_next_lower_priority_gets_one(
    upper: Priority, lower: Priority
) -> None:
    driver = Driver(user_plan(500))
    queued(driver, *[lower] * 5, *[upper] * 100, left=499)

    expected = ([*[upper] * IN_A_ROW, lower] * 5) + [upper] * (100 - 5 * IN_A_ROW)
    assert driver.priorities == expected


def test_three_priorities_nest_and_each_gets_its_turn() -> None:
    driver = Driver(user_plan(2_000))
    queued(driver, *[BULK] * 9, *[NORMAL] * 100, *[INTERACTIVE] * 900, left=1_999)

    one = [*[INTERACTIVE] * IN_A_ROW, NORMAL]
    cycle = [*(one * IN_A_ROW), *[INTERACTIVE] * IN_A_ROW, BULK]
    assert driver.priorities[: 3 * len(cycle)] == cycle * 3
    assert len(driver.granted) == 1_009


def test_a_run_begins_anew_when_the_lower_priority_had_its_turn() -> None:
    driver = Driver(user_plan(100))
    queued(driver, NORMAL, *[INTERACTIVE] * 20, left=99)
    assert driver.priorities.index(NORMAL) == IN_A_ROW

    waiting = [driver.ask(priority=NORMAL) for _ in range(3)]
    assert all(is_granted(waiting)), "nobody is before them"


def test_urgent_ones_that_come_one_by_one_do_not_starve_the_others_of_their_account() -> None:
    """One request a window, and each time someone urgent has come meanwhile."""
    driver = Driver(user_plan(1))
    driver.known(left=0, limit=1)
    patient = driver.ask(priority=BULK)
    for _ in range(3 * IN_A_ROW):
        driver.ask(priority=INTERACTIVE)
        driver.advance(905)
        driver.settle(driver.granted[-1], driver.report(0, 1))
    assert patient.stage is Stage.DONE


@given(
    upper=st.integers(6, 60),
    lower=st.integers(1, 12),
    each=st.integers(1, 5),
)
@settings(max_examples=40)
def test_nobody_starves_as_long_as_the_urgent_queue_up(upper: int, lower: int, each: int) -> None:
    """The urgent never run out; the others still leave, one for every sixteen."""
    driver = Driver(user_plan(each, report=None))
    for ticket in driver.ask_many(each, priority=INTERACTIVE):
        driver.settle(ticket)
    patient = driver.ask_many(lower, priority=BULK)
    driver.ask_many(upper, priority=INTERACTIVE)
    done = len(driver.granted)
    while not all(t.stage is Stage.DONE for t in patient):
        driver.advance(920)
        for ticket in driver.granted[done:]:
            driver.settle(ticket)
            if ticket.priority is INTERACTIVE:
                driver.ask(priority=INTERACTIVE)
        done = len(driver.granted)
        assert done < (IN_A_ROW + 1) * (lower + 1) + each


def test_a_refused_ticket_goes_first_among_its_equals_and_not_before_the_more_urgent() -> None:
    driver = Driver(user_plan(100))
    refused = driver.ask(priority=NORMAL)
    others = [driver.ask(priority=priority) for priority in (NORMAL, BULK, INTERACTIVE)]
    driver.settle(refused, driver.report(0, 100), refused=True)
    driver.granted.clear()

    driver.advance(903)
    assert driver.granted == [others[2]], "the probe of the new window"
    driver.settle(others[2], driver.report(99, 100))
    assert driver.granted == [others[2], refused, others[0], others[1]]


def test_several_refused_tickets_go_again_before_those_who_never_went() -> None:
    driver = Driver(user_plan(100))
    driver.known(left=3, limit=100)
    tickets = driver.ask_many(6)
    for ticket in (tickets[2], tickets[1], tickets[0]):
        driver.settle(ticket, driver.report(0, 100), refused=True)
    driver.granted.clear()
    driver.advance(903)
    driver.settle(tickets[0], driver.report(99, 100))

    assert driver.granted == tickets


# An urgent one comes to an account that is in line already


def held(driver: Driver, *users: str) -> list[Ticket]:
    """BULK of some accounts, each in line and held by the reserve."""
    driver.app_known(left=50, limit=100)
    tickets = [driver.ask(user, priority=BULK) for user in users]
    assert not any(is_granted(tickets))
    return tickets


def test_an_urgent_one_goes_at_once_though_its_account_is_in_line_for_the_reserve() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    (bulk,) = held(driver, "a")

    assert driver.ask("a", priority=NORMAL).stage is Stage.GRANTED
    assert driver.ask("a", priority=INTERACTIVE).stage is Stage.GRANTED
    assert bulk.stage is Stage.WAITING
    driver.advance(905)
    assert bulk.stage is Stage.GRANTED


def test_an_urgent_one_is_served_before_the_bulk_of_its_account_when_the_app_opens() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    driver.app_known(left=0, limit=100)
    bulk = driver.ask("a", priority=BULK)
    urgent = driver.ask("a", priority=INTERACTIVE)
    driver.granted.clear()

    driver.advance(905)
    driver.settle(urgent, driver.report(99, 100, family="app-24h"))
    driver.advance(0)
    assert driver.granted == [urgent, bulk]


@pytest.mark.parametrize("times", [1, 2, 50])
def test_a_cancelled_urgent_one_leaves_its_account_in_line_once(times: int) -> None:
    """Entries that it left in the line are passed over: no account goes twice for one turn."""
    driver = Driver(app_plan(100), reserve=HALF)
    driver.app_known(left=0, limit=100)
    bulk = [driver.ask(user, priority=BULK) for user in "abab"]
    for _ in range(times):
        for priority in (NORMAL, INTERACTIVE):
            driver.cancel(driver.ask("a", priority=priority))
    driver.granted.clear()

    driver.advance(905)
    driver.settle(driver.granted[0], driver.report(99, 100, family="app-24h"))
    driver.advance(0)
    assert [t.user_id for t in driver.granted] in (["a", "b"] * 2, ["b", "a", "a", "b"])
    assert set(driver.granted) == set(bulk)
    assert len(driver.granted) == len(bulk)
    assert not driver.waiting_in_lines


def test_accounts_stay_level_while_urgent_ones_of_some_come_and_go() -> None:
    driver = Driver(app_plan(400), reserve=HALF)
    driver.app_known(left=0, limit=400)
    for user in "abcd":
        driver.ask_many(200, user, priority=BULK)
        for _ in range(ord(user) % 3):
            driver.cancel(driver.ask(user, priority=INTERACTIVE))
    driver.granted.clear()
    driver.advance(905)
    driver.settle(driver.granted[0], driver.report(399, 400, family="app-24h"))
    driver.advance(0)

    assert len(driver.granted) == 200, "to the reserve"
    got = dict.fromkeys("abcd", 0)
    for ticket in driver.granted:
        got[ticket.user_id] += 1
        assert max(got.values()) - min(got.values()) <= 1


def test_an_account_whose_only_ticket_is_gone_costs_the_others_nothing() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    driver.app_known(left=0, limit=100)
    gone = [driver.ask(str(user), priority=INTERACTIVE) for user in range(20)]
    stays = driver.ask("stays", priority=BULK)
    driver.cancel(*gone)
    driver.advance(905)

    assert stays.stage is Stage.GRANTED
    again = driver.ask("3", priority=INTERACTIVE)
    driver.settle(stays, driver.report(99, 100, family="app-24h"))
    assert again.stage is Stage.GRANTED


def test_the_lines_are_empty_again_after_many_urgent_ones_went_past_what_is_held() -> None:
    """Each leaves an entry behind in the line of the held; none of them stays."""
    driver = Driver(app_plan(1_000, window=86_400.0), reserve=HALF)
    driver.app_known(left=500, limit=1_000, reset_in=86_400.0)
    bulk = driver.ask("a", priority=BULK)
    for n in range(300):
        urgent = driver.ask("a", priority=INTERACTIVE)
        assert urgent.stage is Stage.GRANTED
        driver.settle(urgent, driver.report(499 - n, 1_000, 86_400.0, "app-24h"))
    driver.advance(86_410)
    assert bulk.stage is Stage.GRANTED
    driver.settle(bulk, driver.report(999, 1_000, 86_400.0, "app-24h"))
    driver.advance(2 * 86_400)

    machine = driver.machine
    assert (machine.waiting, machine.in_flight) == (0, 0)
    assert not driver.waiting_in_lines
    assert machine.roster.owners == {}
    assert machine.wake_at == math.inf
    driver.granted.clear()
    del bulk, urgent
    gc.collect()
    assert not [o for o in gc.get_objects() if isinstance(o, Flow | Ticket)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Priority), st.booleans())))
@settings(max_examples=60)
def test_whoever_comes_and_goes_all_who_stay_leave_once(
    asks: list[tuple[str, Priority, bool]],
) -> None:
    driver = Driver(app_plan(200), reserve=HALF)
    driver.app_known(left=0, limit=200)
    tickets = [(driver.ask(user, priority=priority), stays) for user, priority, stays in asks]
    driver.cancel(*(ticket for ticket, stays in tickets if not stays))
    left = [ticket for ticket, stays in tickets if stays]
    driver.granted.clear()
    for _ in range(6):
        driver.advance(905)
        for ticket in driver.granted:
            if ticket.stage is Stage.GRANTED:
                driver.settle(ticket, driver.report(199, 200, family="app-24h"))

    assert len(driver.granted) == len(left)
    assert set(driver.granted) == set(left)
    assert driver.machine.waiting == 0
    assert not driver.waiting_in_lines


# Nobody stands in the way


def test_bulk_that_the_reserve_holds_delays_nobody_more_urgent() -> None:
    driver = Driver(app_plan(100), reserve=HALF)
    held(driver, *map(str, range(30)))

    for user in ("0", "1", "new"):
        assert driver.ask(user, priority=NORMAL).stage is Stage.GRANTED
    normal = driver.ask_many(40, "2", priority=NORMAL)
    assert sum(is_granted(normal)) == 50 - 15 - 3
    assert driver.ask("3", priority=INTERACTIVE).stage is Stage.GRANTED


def test_accounts_whose_own_budget_is_spent_delay_nobody_of_any_priority() -> None:
    driver = Driver(app_plan(1_000, user=20), reserve=HALF)
    for user in range(30):
        driver.settle(
            driver.ask(f"blocked{user}", priority=INTERACTIVE),
            driver.report(0, 20),
            driver.report(900, 1_000, family="app-24h"),
        )
    blocked = [driver.ask(f"blocked{n % 30}", priority=Priority(n % 3)) for n in range(300)]

    for priority in Priority:
        assert driver.ask(f"free{priority}", priority=priority).stage is Stage.GRANTED
    assert not any(is_granted(blocked))


def test_sends_that_are_held_do_not_delay_the_reads_of_their_account() -> None:
    driver = Driver(reserve=HALF)
    driver.known("1", left=0)
    driver.ask_many(5, "1", priority=BULK)

    assert driver.ask("1", READ, BULK).stage is Stage.GRANTED


def share_kept_for_a_newcomer(driver: Driver) -> None:
    """Three tokens above what is kept from BULK, and a new account with much to send."""

    def urgent(user: str) -> None:
        ticket = driver.ask(user, priority=INTERACTIVE)
        assert ticket.stage is Stage.GRANTED
        driver.settle(ticket, driver.report(49, 50))

    driver.app_known(left=66, limit=100)
    for user in "aaaaabbbbbbbb":
        urgent(user)
    newcomer = driver.ask_many(11, "newcomer", priority=INTERACTIVE)
    assert is_granted(newcomer) == [True] + 10 * [False]


def test_bulk_that_waits_for_a_newcomers_share_delays_nobody_more_urgent() -> None:
    """What is left is kept for the newcomer from BULK; INTERACTIVE may take it all the same."""
    driver = Driver(app_plan(100, user=50), reserve=HALF)
    share_kept_for_a_newcomer(driver)
    bulk = driver.ask("a", priority=BULK)
    assert bulk.stage is Stage.WAITING

    assert driver.ask("b", priority=INTERACTIVE).stage is Stage.GRANTED


def test_an_urgent_one_may_go_where_bulk_would_wait_for_a_newcomers_share() -> None:
    """As before, and nobody is in line."""
    driver = Driver(app_plan(100, user=50), reserve=HALF)
    share_kept_for_a_newcomer(driver)

    assert driver.ask("b", priority=INTERACTIVE).stage is Stage.GRANTED


@pytest.mark.parametrize("gives_up", ["answered", "cancelled"])
def test_who_waits_for_a_newcomers_share_goes_when_that_is_not_wanted_any_more(
    gives_up: str,
) -> None:
    driver = Driver(app_plan(100, user=50))
    driver.app_known(left=8, limit=100)
    for _ in range(5):
        driver.settle(driver.ask("a"), driver.report(49, 50))
    probe, *others = driver.ask_many(11, "newcomer")
    waiting = driver.ask("a")
    assert is_granted([probe, *others, waiting]) == [True] + 11 * [False]

    if gives_up == "answered":
        driver.settle(probe, driver.report(0, 50))
    else:
        driver.cancel(*others)
    assert waiting.stage is Stage.GRANTED


# Weights


def saturated(driver: Driver, weights: dict[str, float], each: int, left: int) -> list[str]:
    """Accounts that want more than the app may: whose requests leave, in turn."""
    first = driver.ask("first")
    for n in range(each):
        for user, weight in weights.items():
            if n or user != "first":
                driver.ask(user, weight=weight)
    driver.granted.clear()
    driver.settle(first, driver.report(left, left + 1, family="app-24h"))
    driver.advance(0)
    assert len(driver.granted) == min(left, each * len(weights))
    return [ticket.user_id for ticket in driver.granted]


def test_an_account_of_weight_two_gets_twice_as_much_at_any_time() -> None:
    users = saturated(Driver(app_plan(300)), {"two": 2.0, "one": 1.0}, 400, 300)

    two = 0
    for n, user in enumerate(users, 1):
        two += user == "two"
        assert abs(two - 2 * (n - two)) <= 2
    assert two == 200


@given(
    heavy=st.sampled_from([1.0, 1.5, 3.0, 10.0, 1_000.0]),
    light=st.sampled_from([1.0, 0.7, 0.1, 0.001]),
)
def test_shares_are_as_the_weights_within_one_request(heavy: float, light: float) -> None:
    users = saturated(Driver(app_plan(300)), {"heavy": heavy, "light": light}, 400, 300)

    got = {"heavy": 0, "light": 0}
    for user in users:
        got[user] += 1
        apart = abs(got["heavy"] / heavy - got["light"] / light)
        assert apart <= max(1 / heavy, 1 / light) * 1.001


def test_the_lightest_goes_too_when_the_heaviest_has_had_its_turn() -> None:
    users = saturated(Driver(app_plan(300)), {"heavy": 1_000.0, "light": 0.001}, 100, 300)

    assert users.count("light") == users.count("heavy") == 100
    assert users[2:100] == ["heavy"] * 98


def test_a_thousand_accounts_get_equal_shares_however_much_each_has_queued() -> None:
    driver = Driver(app_plan(3_500))
    first = driver.ask("first")
    wants = {str(user): 4 + user % 7 for user in range(1_000)}
    for user, many in wants.items():
        driver.ask_many(many, user)
    driver.granted.clear()
    driver.settle(first, driver.report(3_500, 3_501, family="app-24h"))
    driver.advance(0)

    got = dict.fromkeys(wants, 0)
    for ticket in driver.granted:
        got[ticket.user_id] += 1
    assert sum(got.values()) == 3_500
    assert set(got.values()) == {3, 4}


def test_a_refunded_turn_is_had_by_the_account_that_lost_it() -> None:
    driver = Driver(app_plan(10))
    saturated(driver, {"a": 1.0, "b": 1.0}, 20, 10)
    gone = driver.granted[3]
    driver.step(Refund(gone))

    assert len(driver.granted) == 11
    assert driver.granted[-1].user_id == gone.user_id
