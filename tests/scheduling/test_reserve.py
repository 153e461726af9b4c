"""What the less urgent leave of the app's budgets to the more urgent, and how that melts."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets import outlook
from xdm_async.budgets.budget import Budget, Family, Plan
from xdm_async.budgets.priority import Priority
from xdm_async.scheduling.events import Refund
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.machine import Machine

from .driver import (
    BULK,
    HALF,
    INTERACTIVE,
    NORMAL,
    SEND,
    WINDOW,
    Driver,
    app_plan,
    is_granted,
    user_plan,
)
from .simulated import Server, simulate

DAY = 86_400.0


def granted(driver: Driver, priority: Priority, many: int = 500, user: str = "u") -> int:
    """How many of so many go at once; the rest give up."""
    tickets = driver.ask_many(many, user, priority=priority)
    driver.advance(0)
    got = sum(is_granted(tickets))
    driver.cancel(*(t for t in tickets if t.stage is Stage.WAITING))
    return got


def fresh(
    limit: int = 100, left: int | None = None, reserve: Mapping[Priority, float] = HALF
) -> Driver:
    """An app whose window has just opened."""
    driver = Driver(app_plan(limit), reserve=reserve)
    driver.app_known(left=limit if left is None else left, limit=limit)
    return driver


# How much is kept


def test_each_priority_stops_at_what_is_kept_from_it_and_interactive_never() -> None:
    driver = fresh()

    assert granted(driver, BULK) == 50
    assert granted(driver, NORMAL) == 35
    assert granted(driver, INTERACTIVE) == 15


def test_the_share_is_of_the_limit_that_the_server_names() -> None:
    driver = fresh(100)
    urgent = driver.ask("u", priority=INTERACTIVE)
    driver.settle(urgent, driver.report(998, 1_000, family="app-24h"))

    assert granted(driver, BULK, 1_500) == 498
    assert granted(driver, NORMAL, 1_500) == 350


def test_nothing_is_kept_of_a_budget_that_is_the_accounts_own() -> None:
    driver = Driver(user_plan(100), reserve=HALF)
    driver.known(left=99, limit=100)

    assert granted(driver, BULK, user="1") == 99


def test_nothing_is_kept_where_the_reserve_is_off() -> None:
    assert granted(fresh(reserve={}), BULK) == 100
    assert granted(fresh(reserve={BULK: 0.0}), BULK) == 100


def test_any_reserve_may_be_asked_for_and_interactive_keeps_to_its_own() -> None:
    driver = fresh(reserve={BULK: 0.8, NORMAL: 0.4, INTERACTIVE: 0.1})

    assert granted(driver, BULK) == 20
    assert granted(driver, NORMAL) == 40
    assert granted(driver, INTERACTIVE) == 30


def test_a_reserve_that_only_interactive_leaves_holds_only_interactive() -> None:
    driver = fresh(reserve={INTERACTIVE: 0.2})

    assert granted(driver, INTERACTIVE) == 80
    assert granted(driver, BULK, user="other") == 20


def test_bulk_goes_when_the_urgent_ones_of_its_account_that_were_held_are_gone() -> None:
    driver = fresh(reserve={INTERACTIVE: 0.2})
    assert granted(driver, INTERACTIVE) == 80, "and the others are cancelled"

    assert granted(driver, BULK) == 20


def test_interactive_keeps_to_its_own_reserve_when_it_has_queued_up_too() -> None:
    driver = Driver(app_plan(100), reserve={INTERACTIVE: 0.2})
    first = driver.ask("u", priority=INTERACTIVE)
    driver.ask_many(200, "u", priority=INTERACTIVE)
    driver.settle(first, driver.report(99, 100, family="app-24h"))
    driver.advance(0)

    assert len(driver.granted) == 1 + 79


def test_of_two_budgets_of_the_app_the_one_that_keeps_more_decides() -> None:
    budgets = (
        Budget(100, WINDOW, "app", "quarter", report="rate-limit"),
        Budget(100, DAY, "app", "day", report="app-24h"),
    )
    driver = Driver(Plan("two", {"g": budgets}, {SEND: "g"}), reserve=HALF)
    driver.settle(
        driver.ask("first", priority=INTERACTIVE),
        driver.report(90, 100),
        driver.report(60, 100, DAY, "app-24h"),
    )

    assert granted(driver, BULK) == 10


def test_a_budget_of_a_single_request_may_be_used_by_bulk() -> None:
    driver = Driver(app_plan(1), reserve=HALF)
    assert driver.ask("a", priority=BULK).stage is Stage.GRANTED


@pytest.mark.parametrize(
    ("headroom", "reserve"), [(6, HALF), (0, {BULK: 1.0})], ids=["large headroom", "all is kept"]
)
def test_bulk_goes_once_where_it_is_alone_however_much_is_kept(
    headroom: int, reserve: dict[Priority, float]
) -> None:
    """Nobody has used anything, so there is no window that could pass."""
    driver = Driver(app_plan(10, headroom=headroom), reserve=reserve)
    alone = driver.ask("a", priority=BULK)
    driver.advance(3 * WINDOW)
    assert alone.stage is Stage.GRANTED


# How it melts


def test_bulk_takes_what_melts_with_the_window_neither_early_nor_late() -> None:
    """The window has 900 s and 100 requests, so from 450 s on 25 are kept, and so forth."""
    driver = fresh()
    opened = driver.now
    driver.ask_many(200, "u", priority=BULK)
    driver.advance(850)

    assert driver.granted_at[50] == opened
    for n, at in enumerate(driver.granted_at[1:], 1):
        left = 100 - n
        # The server's second is not known better than by one, and it is guarded by one more.
        to_come = opened + WINDOW - at
        assert left + 1 > 50 * min(1.0, to_come / WINDOW), "early"
        if at > opened:
            assert left + 1 <= 50 * (to_come + 2.5) / WINDOW + 0.01, "late"


def test_bulk_that_is_held_goes_by_the_clock_alone_when_enough_has_melted() -> None:
    driver = fresh(left=20)
    waiting = driver.ask("u", priority=BULK)
    (status,) = driver.machine.statuses(driver.now)
    assert status.reset_in is not None
    # 20 of 100 are kept from 50 % when 40 % of the window are to come; the guard is a second.
    melted = driver.now + status.reset_in + 1.0 - 0.4 * WINDOW

    driver.advance_to(melted - 0.01)
    assert waiting.stage is Stage.WAITING
    driver.advance_to(melted + 0.01)
    assert waiting.stage is Stage.GRANTED


def test_the_one_timer_is_set_for_the_moment_that_enough_has_melted() -> None:
    driver = fresh(left=50)
    waiting = driver.ask("first", priority=BULK)
    for _ in range(20):  # the first may be for something else
        if waiting.stage is Stage.GRANTED:
            break
        assert driver.machine.wake_at < math.inf
        driver.now = driver.machine.wake_at
        driver.tick()
    assert waiting.stage is Stage.GRANTED


def test_a_refund_lets_bulk_go_that_has_just_been_held() -> None:
    driver = fresh(left=51)
    taken, waiting = driver.ask_many(2, "u", priority=BULK)
    assert is_granted([taken, waiting]) == [True, False]
    driver.step(Refund(taken))
    assert waiting.stage is Stage.GRANTED


@pytest.mark.parametrize("priority", [BULK, NORMAL])
def test_almost_everything_is_used_by_the_end_of_the_window(priority: Priority) -> None:
    driver = fresh(1_000)
    tickets = driver.ask_many(1_500, "u", priority=priority)
    driver.advance(WINDOW)

    assert sum(is_granted(tickets)) >= 985


def test_almost_every_window_is_used_when_all_is_bulk() -> None:
    plan = app_plan(400)
    server = Server({"g": [("app", 400, WINDOW)]}, {SEND: "g"}, day_headers=True)
    asks = [(0.001 * n, f"u{n % 7}", SEND) for n in range(2_100)]
    machine = Machine(plan, seed=1, reserve={NORMAL: 0.5})  # that is what simulate asks for
    run = simulate(plan, server, asks, until=DAY, machine=machine)

    assert run.refusals == 0
    assert len(run.done) == 2_100
    (window,) = server.windows.values()
    assert all(served >= 0.985 * 400 for served in window.served[:-1])


# Where nothing names the window: the units come back one by one


ROLLING = 6_400.0


def rolling(used: int, limit: int = 640) -> Driver:
    """An app's budget that no report names, with so many used now, all at one time."""
    driver = Driver(app_plan(limit, report=None, window=ROLLING), reserve=HALF)
    for _ in range(used):
        ticket = driver.ask("u", priority=INTERACTIVE)
        assert ticket.stage is Stage.GRANTED
        driver.settle(ticket)
    return driver


def test_where_no_window_is_named_half_is_kept_at_first_all_the_same() -> None:
    driver = rolling(20)
    assert granted(driver, BULK, user="u") == 640 - 20 - 320


def test_where_no_window_is_named_it_melts_until_the_oldest_unit_comes_back() -> None:
    driver = rolling(20)
    driver.ask_many(640, "u", priority=BULK)
    driver.advance(0)
    for part in (0.25, 0.5, 0.75, 0.9):
        driver.advance_to(1_000 + part * ROLLING)
        kept = 640 - len(driver.granted)
        # A unit comes back with its cell, up to a hundredth of the window later than alone.
        assert 320 * (1 - part) - 1 <= kept <= 320 * (1.02 - part)


def test_where_no_window_is_named_a_sixty_fourth_of_it_is_always_kept() -> None:
    driver = rolling(20)
    driver.ask_many(640, "u", priority=BULK)
    driver.advance(ROLLING - 1)
    assert 640 - len(driver.granted) == math.floor(320 / 64)

    assert granted(driver, INTERACTIVE, user="other") == 5


# The straight way keeps to it


@given(
    seed=st.integers(0, 10**6),
    limit=st.sampled_from([2, 10, 64, 100]),
    report=st.sampled_from(["app-24h", None]),
)
@settings(max_examples=60)
def test_the_straight_way_never_takes_what_is_kept(
    seed: int, limit: int, report: Family | None
) -> None:
    rng = random.Random(seed)
    driver = Driver(app_plan(limit, report=report), reserve=HALF)
    first = driver.ask("u", priority=INTERACTIVE)
    driver.settle(first, *([driver.report(limit - 1, limit, family="app-24h")] if report else []))
    bucket = driver.machine.roster.app_buckets["app"]
    ends = driver.now + 899
    while driver.now < ends:
        priority = rng.choice(list(Priority))
        left = bucket.tokens
        kept = outlook.kept(bucket, HALF.get(priority, 0.0), driver.now, driver.machine.clock)
        ticket = Ticket("u", SEND, priority)
        if driver.machine.admit(ticket, driver.now):
            assert left > kept
            if rng.random() < 0.3:
                driver.step(Refund(ticket))
        elif rng.random() < 0.2:
            driver.ask("u", priority=priority)
        driver.advance(rng.choice([0.0, 0.1, 5.0, 60.0]))


def burst(driver: Driver, many: int) -> int:
    """How much BULK of one account goes at once, asked for as the shell does."""
    return sum(is_granted([driver.ask_shortly("u", BULK) for _ in range(many)]))


def test_bulk_stops_at_half_of_a_window_that_an_answer_on_its_way_has_opened() -> None:
    """It left before the old window closed, was counted in the new one, and names it."""
    driver = Driver(app_plan(100, user=5_000, window=DAY), reserve=HALF)
    driver.app_known(left=99, limit=100, reset_in=DAY)
    driver.advance(DAY - 1)
    between = driver.ask("u", priority=INTERACTIVE)
    driver.advance(2)
    driver.settle(between, driver.report(99, 100, DAY - 1.5, "app-24h"), ago=2.0)

    assert burst(driver, 100) == 49


def test_bulk_stops_at_half_of_a_limit_that_has_just_been_raised() -> None:
    driver = Driver(app_plan(100, window=DAY), reserve=HALF)
    driver.app_known(left=99, limit=100, reset_in=DAY)
    urgent = driver.ask("u", priority=INTERACTIVE)
    driver.settle(urgent, driver.report(998, 1_000, DAY, "app-24h"))

    assert burst(driver, 1_000) == 498


def test_bulk_leaves_what_is_kept_when_the_oldest_units_have_just_come_back() -> None:
    """Until then little was kept; now half a day passes before the next ones do."""
    driver = Driver(app_plan(2_000, user=5_000, report=None, window=DAY), reserve=HALF)
    for many in (1_100, 800):
        for _ in range(many):
            driver.settle(driver.ask("u", priority=INTERACTIVE))
        driver.advance(DAY / 2)
    bucket = driver.machine.roster.app_buckets["app"]
    driver.advance_to(1_000 + DAY + 10)  # the cell has a minute, the clocks 17 seconds
    assert bucket.tokens == 100
    between = driver.ask("u", priority=INTERACTIVE)
    driver.advance(80)
    driver.settle(between)
    assert bucket.tokens == 2_000 - 801

    burst(driver, 1_500)
    assert bucket.tokens >= 499
