"""Whole days of the scheduler's own machine, held against what the server counted."""

from typing import Any

import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.priority import Priority
from xdm_async.simulation import TABLES, Arrival, Part, Result, Setting, Simulation, Table


def setting(arrival: Arrival = Arrival.BURST, **changes: Any) -> Setting:
    """A day with all budgets for everybody: nothing is kept from anyone."""
    usual: dict[str, Any] = {
        "accounts": 20,
        "messages": 15,
        "hours": 24.0,
        "plan": plans.DEFAULT,
        "limits": TABLES[Table.DOCUMENTED],
        "latency": 0.12,
        "foreign": 0.0,
        "clock_skew": 0.0,
        "seed": 1,
        "mix": (Part(Priority.NORMAL, 1.0, arrival),),
        "reserve": {},
    }
    return Setting(**usual | changes)


def result_of(**changes: Any) -> Result:
    simulation = Simulation(setting(**changes))
    while simulation.advance(10_000):
        assert simulation.now <= simulation.setting.seconds
    return simulation.result()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arrival",
    [
        Arrival.BURST,
        Arrival.STEADY,
        Arrival.DAYTIME,
    ],
)
def test_a_day_of_1000_accounts_is_sent_whole_and_never_refused(arrival: Arrival) -> None:
    result = result_of(accounts=1_000, arrival=arrival)

    assert result.sent == result.requests == 15_000
    assert result.refused_429 == 0
    assert result.jain == 1.0
    assert result.failures() == []
    (app,) = result.budgets["dm.write.app.24h"]
    assert (app.owner, app.used, app.possible) == ("app", 15_000, 15_000)


@pytest.mark.slow
def test_of_more_than_the_app_allows_each_account_gets_the_same() -> None:
    result = result_of(accounts=100, messages=160)

    assert (result.sent, result.refused_429) == (15_000, 0)
    assert result.jain >= 0.999
    assert {use.used for use in result.budgets["dm.write.user.24h"]} == {150}


def test_every_window_of_a_backlog_is_used_to_its_last_unit() -> None:
    """600 messages are three windows of 200, the last of which opens two windows later."""
    result = result_of(accounts=1, messages=600)

    windows = result.budgets["dm.write.user.15m"]
    assert [(use.used, use.possible) for use in windows] == [(200, 200)] * 3
    assert [round(use.opened / 900) for use in windows] == [0, 1, 2]
    assert result.lower_bound_seconds == 1_800
    assert 1_800 <= result.finish_seconds <= 1_800 * 1.005


def test_a_second_day_brings_the_apps_budget_back() -> None:
    limits = TABLES[Table.DOCS_2026]

    result = result_of(accounts=96, messages=30, hours=48.0, plan=plans.PAY_PER_USE, limits=limits)

    assert (result.sent, result.refused_429) == (2_880, 0)
    name = "dm_conversations.send.app.24h"
    assert [use.used for use in result.budgets[name]] == [1_440, 1_440]
    assert result.lower_bound_seconds == 86_400


def test_nothing_happens_after_the_last_hour() -> None:
    result = result_of(accounts=1, messages=600, hours=0.5)

    assert result.sent == 400
    assert result.waits[Priority.NORMAL].p99 == pytest.approx(1_800, abs=1)
    assert not result.stalled


@pytest.mark.parametrize("skew", [3_600.0, pytest.param(-3_600.0, marks=pytest.mark.slow)])
def test_a_clock_an_hour_off_changes_nothing(skew: float) -> None:
    def comes_out(clock_skew: float) -> dict[str, object]:
        return result_of(messages=300, clock_skew=clock_skew).as_json(0.0)

    assert comes_out(skew) == comes_out(0.0)


@pytest.mark.parametrize("arrival", Arrival)
def test_equal_seeds_come_out_equal_and_others_do_not(arrival: Arrival) -> None:
    def comes_out(seed: int) -> Result:
        return result_of(messages=40, seed=seed, foreign=0.2, arrival=arrival)

    assert comes_out(5) == comes_out(5)
    assert comes_out(5) != comes_out(6)


def test_what_others_take_is_missing_from_ours() -> None:
    """They are after a quarter; in the first window we come first, later mostly they do."""
    result = result_of(accounts=3, messages=1_000, foreign=0.25)

    assert 550 <= result.taken_by_others <= 750
    assert result.sent + result.taken_by_others == 3_000
    assert [use.used for use in result.budgets["dm.write.user.24h"]] == [1_000] * 3


def test_a_wrong_plan_is_refused_a_little_and_is_no_failure() -> None:
    """The server allows 15 where the plan says 200, and 1,440 of the app where it says 15,000."""
    result = result_of(accounts=100, messages=50, limits=TABLES[Table.DOCS_2026])

    assert result.sent == 1_440
    assert 0 < result.refused_429 <= 24
    assert not result.right_plan
    assert result.failures() == []


def test_the_plan_of_2026_suits_the_table_of_2026() -> None:
    result = result_of(
        accounts=100, messages=50, plan=plans.PAY_PER_USE, limits=TABLES[Table.DOCS_2026]
    )

    assert (result.sent, result.refused_429) == (1_440, 0)
    assert result.right_plan


def test_a_refusal_with_the_right_plan_and_nobody_else_is_a_failure() -> None:
    simulation = Simulation(setting())
    simulation.advance(10_000)
    assert simulation.result().failures() == []

    simulation.refused = 1

    (failure,) = simulation.result().failures()
    assert failure.startswith("1 requests were refused")


def test_a_round_trip_may_take_no_time_at_all() -> None:
    result = result_of(messages=300, latency=0.0)

    assert (result.sent, result.refused_429) == (20 * 300, 0)


def test_the_timeline_shows_the_peaks_of_the_backlog_and_of_the_budgets() -> None:
    timeline = result_of(accounts=1, messages=600).timeline

    # The first three columns are five minutes each: all of the first window is used, 400 wait.
    assert timeline.backlog[0] == 600
    assert list(timeline.backlog[1:3]) == [400, 400]
    assert timeline.backlog[-1] == 0
    assert timeline.budgets["dm.write.user.15m"][1] == 1.0
    assert timeline.budgets["dm.write.user.24h"][-2] == 0.6
