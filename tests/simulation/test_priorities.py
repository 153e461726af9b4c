"""Who waits how long, by priority, and what the reserve has to do with it."""

from typing import Any

import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.priority import RESERVE, Priority
from xdm_async.simulation import TABLES, Arrival, Result, Table, Waits, parse_mix

from .test_days import result_of

BULK, NORMAL, INTERACTIVE = Priority

BUSY = "bulk=0.9:burst,interactive=0.1:steady"
"""A campaign at midnight, and somebody now and then."""


def of_2026(mix: str = BUSY, **changes: Any) -> Result:
    """With 1,440 a day of the app, and the reserve."""
    usual: dict[str, Any] = {
        "mix": parse_mix(mix, Arrival.BURST),
        "plan": plans.PAY_PER_USE,
        "limits": TABLES[Table.DOCS_2026],
        "reserve": RESERVE,
        "accounts": 100,
    }
    return result_of(**usual | changes)


def app_shares(result: Result, name: str) -> list[float]:
    return [use.used / use.possible for use in result.budgets[name]]


def test_with_room_for_all_nobody_waits() -> None:
    mix = parse_mix("bulk=0.2,normal=0.3,interactive=0.5", Arrival.STEADY)

    result = result_of(mix=mix, reserve=RESERVE)

    nobody = {"p50": 0.0, "p99": 0.0}
    assert result.as_json(0.0)["waits"] == {
        "interactive": {"count": 150} | nobody,
        "normal": {"count": 90} | nobody,
        "bulk": {"count": 60} | nobody,
    }


def test_what_never_left_has_waited_until_the_end_and_counts_for_its_own_priority() -> None:
    """200 may go in the one window there is: 100 of them, and 100 of the others' 300."""
    mix = parse_mix("interactive=0.25,bulk=0.75", Arrival.BURST)

    result = result_of(accounts=1, messages=400, hours=0.2, mix=mix)

    assert result.sent == 200
    assert result.waits[BULK] == Waits(300, 720.0, 720.0)
    assert result.waits[INTERACTIVE].count == 100
    assert result.waits[INTERACTIVE].p99 < 1


def test_of_one_account_the_most_urgent_goes_first() -> None:
    """The 450 were there a moment earlier, and yet the 150 are all in the first window's 200."""
    mix = parse_mix("bulk=0.75,interactive=0.25", Arrival.BURST)

    result = result_of(accounts=1, messages=600, mix=mix)

    assert result.waits[INTERACTIVE].p99 < 1
    assert result.waits[BULK].p50 == pytest.approx(900, abs=5)
    assert result.waits[BULK].p99 == pytest.approx(1_800, abs=10)


def test_interactive_messages_hardly_wait_while_bulk_saturates_three_days() -> None:
    result = of_2026(messages=70, hours=72.0)

    assert result.failures() == []
    assert result.refused_429 == 0
    assert result.waits[INTERACTIVE].count == 700
    assert result.waits[INTERACTIVE].p99 < 60
    assert result.waits[BULK].p50 > 86_400
    assert min(app_shares(result, "dm_conversations.send.app.24h")) >= 0.985
    assert result.jain >= 0.999


def test_without_the_reserve_bulk_leaves_nothing_to_interactive_messages() -> None:
    kept, free = of_2026(messages=20), of_2026(messages=20, reserve={})

    assert kept.waits[INTERACTIVE].p99 < 60
    assert free.waits[INTERACTIVE].p50 > 3_600
    assert free.sent == 1_440
    assert 0.985 * 1_440 <= kept.sent <= 1_440


@pytest.mark.parametrize("mix", ["bulk=1", "normal=1", "bulk=0.5,normal=0.5"])
def test_the_reserve_melts_so_that_almost_nothing_of_a_day_is_lost(mix: str) -> None:
    result = of_2026(mix, messages=50)

    assert 0.985 * 1_440 <= result.sent <= 1_440
    assert result.refused_429 == 0
    assert {use.used for use in result.budgets["dm_conversations.send.user.24h"]} == {14, 15}


def test_what_is_not_kept_from_interactive_messages_goes_at_once() -> None:
    result = of_2026("interactive=1", messages=14)

    assert result.sent == 1_400
    assert result.finish_seconds < 60


@pytest.mark.slow
def test_equal_seeds_come_out_equal_with_a_mix_too() -> None:
    mix = "bulk=0.6:burst,normal=0.3:daytime,interactive=0.1:steady"

    def comes_out(seed: int) -> Result:
        return of_2026(mix, messages=20, seed=seed, foreign=0.1)

    assert comes_out(5) == comes_out(5)
    assert comes_out(5) != comes_out(6)


@pytest.mark.parametrize("hours", [0.05, 6.0])
def test_what_is_not_kept_is_shared_equally_at_any_hour(hours: float) -> None:
    """Also before those who came late have caught up: what the first may take is less then."""
    result = of_2026("bulk=1", messages=50, hours=hours)

    got = [use.used for use in result.budgets["dm_conversations.send.user.24h"]]
    assert len(got) == 100
    assert max(got) - min(got) <= 1


@pytest.mark.slow
def test_of_100_000_a_day_15_000_go_in_equal_shares() -> None:
    """With the reserve a few of the last are never given away."""
    free = result_of(accounts=100, messages=1_000)
    kept = result_of(accounts=100, messages=1_000, reserve=RESERVE)

    assert free.sent == 15_000
    assert 0.985 * 15_000 <= kept.sent <= 15_000
    assert min(free.jain, kept.jain) >= 0.999
    assert free.refused_429 == kept.refused_429 == 0


@pytest.mark.slow
def test_days_of_100_accounts_with_1_000_each_keep_interactive_messages_quick() -> None:
    mix = parse_mix(BUSY, Arrival.BURST)

    result = result_of(accounts=100, messages=1_000, hours=72.0, mix=mix, reserve=RESERVE)

    assert result.refused_429 == 0
    assert result.waits[INTERACTIVE].count == 10_000
    assert result.waits[INTERACTIVE].p99 < 60
    assert min(app_shares(result, "dm.write.app.24h")) >= 0.985
    assert result.jain >= 0.999
