"""Granted, and could not go: such a ticket goes before those of its line, and in its own order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets.priority import Priority
from xdm_async.scheduling.events import Ask, Refund
from xdm_async.scheduling.flows import IN_A_ROW, Stage, Ticket
from xdm_async.scheduling.machine import Machine

from .driver import INTERACTIVE, NORMAL, SEND, Driver, user_plan


def spent(limit: int = 100) -> Driver:
    """An account that has nothing left in this window."""
    driver = Driver(user_plan(limit))
    driver.known(left=0, limit=limit)
    driver.granted.clear()
    return driver


def back(driver: Driver, priority: Priority = NORMAL, max_wait: float = float("inf")) -> Ticket:
    ticket = Ticket("1", SEND, priority, deadline=driver.now + max_wait)
    driver.step(Ask(ticket, again=True))
    return ticket


def test_those_that_came_back_go_first_and_in_the_order_in_which_they_came() -> None:
    driver = spent()
    waiting = driver.ask_many(3)
    returned = [back(driver) for _ in range(3)]
    driver.advance(2_000)
    assert driver.granted == [*returned, *waiting]


def test_one_that_came_back_goes_before_none_that_is_more_urgent() -> None:
    driver = spent()
    waiting, urgent = driver.ask(), driver.ask(priority=INTERACTIVE)
    returned = back(driver)
    driver.advance(2_000)
    assert driver.granted == [urgent, returned, waiting]


def test_those_that_were_refused_and_those_that_came_back_go_before_the_others() -> None:
    driver = Driver(user_plan(4))
    driver.settle(driver.ask(), driver.report(1, 4))
    refused, *waiting = driver.ask_many(3)
    returned = [back(driver)]
    driver.settle(refused, driver.report(0, 4), refused=True)
    returned.append(back(driver))
    driver.granted.clear()
    driver.advance(1_000)
    assert driver.granted == [refused, *returned, waiting[0]]


def test_one_that_comes_back_to_a_full_line_is_let_in() -> None:
    driver = Driver(user_plan(100), max_waiting=(2, 2))
    driver.known(left=0, limit=100)
    driver.ask_many(2)
    assert back(driver).stage is Stage.WAITING


def test_one_that_comes_back_is_not_too_late_for_those_behind_it() -> None:
    """With one in a window, it goes in the next one, and not after the three who wait."""
    driver = spent(limit=1)
    driver.ask_many(3)
    returned = back(driver, max_wait=1_000)
    assert returned.stage is Stage.WAITING
    driver.advance(1_000)
    assert driver.granted[:1] == [returned]
    assert not driver.exhausted


def test_one_whose_max_wait_is_over_when_it_comes_back_is_turned_away() -> None:
    driver = spent()
    driver.ask()
    assert back(driver, max_wait=-1).stage is Stage.DONE
    assert len(driver.exhausted) == 1


def test_what_a_whole_line_gives_back_is_granted_again_in_order_and_no_token_is_lost() -> None:
    driver = Driver(user_plan(100))
    driver.known(left=60, limit=100)
    tickets, others = driver.ask_many(60), driver.ask_many(60)
    for ticket in tickets:
        driver.step(Refund(ticket))
    assert all(ticket.stage is Stage.GRANTED for ticket in others)
    returned = [back(driver) for _ in range(60)]
    driver.granted.clear()
    for ticket in others:
        driver.step(Refund(ticket))
    assert driver.granted == returned
    assert driver.machine.in_flight == 60
    assert driver.machine.waiting == 0


WAYS = st.tuples(st.sampled_from(["ask", "back", "leave"]), st.sampled_from(Priority))


@settings(max_examples=150)
@given(st.lists(WAYS, max_size=IN_A_ROW), st.integers(0, IN_A_ROW), st.data())
def test_whoever_leaves_meanwhile_the_order_stays(ways, many, data) -> None:
    driver = spent()
    asked: list[Ticket] = []
    returned: list[Ticket] = []
    for way, priority in ways:
        if way == "ask":
            asked.append(driver.ask(priority=priority))
        elif way == "back":
            returned.append(back(driver, priority))
        elif leaving := asked + returned:
            gone = data.draw(st.sampled_from(leaving))
            driver.cancel(gone)
            (asked if gone in asked else returned).remove(gone)
    expected = sorted([*returned, *asked], key=lambda ticket: -ticket.priority)
    machine: Machine = driver.machine
    assert machine.waiting == len(expected)
    (flow,) = machine.roster.owners["1"].flows
    for line in flow.lines:
        tickets = [t for t in expected if t.priority == line.priority]
        backwards, ticket = [], line.last
        while ticket is not None:
            backwards.append(ticket)
            ticket = ticket.previous
        assert backwards == tickets[::-1]
        assert line.count == len(tickets)
    driver.advance(2_000)
    assert driver.granted == expected
