"""The server's windows as arithmetic; the same over HTTP is in test_rate_limits.py."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.emulator.limits import DOCS_2026, FAMILIES
from xdm_async.emulator.windows import RateLimits

SEND = "dm_conversations.send"
SEND_IN = "dm_conversations.send_in"
LIST = "dm_events.list"
START = 1_700_000_000.0

arrivals = st.lists(st.floats(0, 40, allow_nan=False), min_size=1, max_size=120).map(sorted)


def limits_of(*rows: Any, **switches: Any) -> RateLimits:
    return RateLimits({"dm.write": list(rows)}, **switches)


def admitted(limits: RateLimits, times: list[float], user: str = "1") -> list[float]:
    return [at for at in times if limits.draw(SEND, user, at).admitted]


@given(arrivals, st.integers(1, 8), st.floats(0.5, 30))
def test_no_window_admits_more_than_its_limit(
    times: list[float], limit: int, window: float
) -> None:
    limits = limits_of(["user", limit, window])
    passed = admitted(limits, times)
    for record in limits.windows():
        inside = [at for at in passed if record.opened_at <= at < record.closes_at]
        assert len(inside) == record.used <= limit
        assert record.opened_at in inside
    assert sum(record.used for record in limits.windows()) == len(passed)
    for earlier, later in pairwise(limits.windows()):
        assert later.opened_at >= earlier.closes_at


@given(arrivals, st.integers(1, 8), st.floats(0.5, 30))
def test_a_request_is_refused_only_by_a_window_that_is_used_up(
    times: list[float], limit: int, window: float
) -> None:
    limits = limits_of(["user", limit, window])
    for at in times:
        admission = limits.draw(SEND, "1", at)
        if not admission.admitted:
            record = limits.windows()[-1]
            assert record.used == limit
            assert record.opened_at <= at < record.closes_at


@given(arrivals, st.integers(1, 8), st.floats(0.5, 30))
def test_no_span_of_a_sliding_window_holds_more_than_its_limit(
    times: list[float], limit: int, window: float
) -> None:
    limits = limits_of(["user", limit, window], window_kind="sliding")
    passed = admitted(limits, times)
    for at in passed:
        assert sum(1 for other in passed if at <= other and other - at < window - 1e-6) <= limit
    (record,) = limits.windows()
    assert record.used <= limit
    assert record.refused == len(times) - len(passed)


@given(arrivals, st.integers(1, 8))
def test_scheduled_windows_begin_with_the_clock_whoever_asks_when(
    times: list[float], limit: int
) -> None:
    limits = limits_of(["user", limit, 5], window_kind="scheduled")
    passed = admitted(limits, times)
    asked = Counter(int(at // 5) for at in times)
    assert Counter(int(at // 5) for at in passed) == {
        window: min(limit, count) for window, count in asked.items()
    }
    assert all(record.opened_at % 5 == 0 for record in limits.windows())


def test_a_window_opens_with_its_first_request_and_reopens_exactly_at_its_end() -> None:
    limits = limits_of(["user", 2, 12])
    times = [START + s for s in (3.5, 9, 15.499, 15.5, 15.5, 15.5, 27.499, 27.5)]
    assert admitted(limits, times) == [START + s for s in (3.5, 9, 15.5, 15.5, 27.5)]
    assert [(w.opened_at - START, w.used, w.refused) for w in limits.windows()] == [
        (3.5, 2, 1),
        (15.5, 2, 2),
        (27.5, 1, 0),
    ]


def test_a_request_counts_in_all_its_budgets_or_in_none() -> None:
    limits = limits_of(["user", 2, 10], ["user", 3, 100], ["app", 4, 100])
    for user in ("1", "1", "1", "2", "2", "2"):
        limits.draw(SEND, user, START)
    used = {(w.budget, w.owner): w.used for w in limits.windows()}
    assert used == {
        ("dm.write.user.10s", "1"): 2,
        ("dm.write.user.10s", "2"): 2,
        ("dm.write.user.100s", "1"): 2,
        ("dm.write.user.100s", "2"): 2,
        ("dm.write.app.100s", "app"): 4,
    }
    assert limits.refused == {"dm.write.user.10s": 2, "dm.write.app.100s": 1}


def test_a_refused_request_costs_a_unit_elsewhere_only_when_switched_on() -> None:
    def day_left(**switches: Any) -> int:
        limits = limits_of(["user", 1, 10], ["user", 5, 100], **switches)
        for _ in range(3):
            limits.draw(SEND, "1", START)
        return limits.windows("dm.write.user.100s")[0].used

    assert day_left() == 1
    assert day_left(count_refused=True) == 3


def test_the_sends_share_a_budget_and_the_reads_do_not_touch_it() -> None:
    limits = RateLimits()
    for endpoint in (SEND, SEND_IN, "dm_conversations.create", LIST):
        limits.draw(endpoint, "1", START)
    used = {w.budget: (w.used, w.limit) for w in limits.windows()}
    assert used == {
        "dm.write.user.15m": (3, 200),
        "dm.write.user.24h": (3, 1000),
        "dm.write.app.24h": (3, 15_000),
        "dm.read.user.15m": (1, 300),
    }


def test_the_table_of_2026_counts_every_endpoint_for_itself() -> None:
    limits = RateLimits(DOCS_2026)
    assert all(admission_of(limits, SEND) for _ in range(15))
    assert not admission_of(limits, SEND)
    assert admission_of(limits, SEND_IN)
    assert all(
        budget.name.startswith(endpoint)
        for endpoint in FAMILIES
        for budget in limits.budgets(endpoint)
    )


def admission_of(limits: RateLimits, endpoint: str) -> bool:
    return limits.draw(endpoint, "1", START).admitted


def test_an_endpoint_of_a_table_overrides_its_family() -> None:
    limits = RateLimits({"dm.write": [["user", 5, 10]], SEND: [["user", 1, 10]]})
    assert [admission_of(limits, SEND) for _ in range(2)] == [True, False]
    assert [admission_of(limits, SEND_IN) for _ in range(6)] == [True] * 5 + [False]


def test_a_family_of_the_callers_table_overrides_documented_endpoints() -> None:
    limits = RateLimits({"users.lookup": [["user", 1, 10]]})
    assert admission_of(limits, "users.get")
    assert not admission_of(limits, "users.by_username")


def test_an_empty_list_is_no_limit() -> None:
    limits = RateLimits({"dm.write": []})
    assert all(admission_of(limits, SEND) for _ in range(1_000))
    assert limits.draw(SEND, "1", START).reports == ()


def test_the_app_itself_draws_on_its_own_pool() -> None:
    limits = RateLimits()
    limits.draw("users.get", None, START)
    limits.draw("users.get", "1", START)
    assert [(w.budget, w.used) for w in limits.windows()] == [
        ("users.get.app-only.15m", 1),
        ("users.get.user.15m", 1),
    ]


def test_the_shortest_user_budget_is_reported_and_the_day_on_a_switch() -> None:
    rows = (["app", 9, 60], ["user", 7, 50], ["user", 5, 12])
    short = limits_of(*rows).draw(SEND, "1", START).reports
    assert [(r.family, r.limit, r.remaining, r.reset) for r in short] == [
        ("x-rate-limit", 5, 4, 1_700_000_012)
    ]
    full = limits_of(*rows, day_headers=True).draw(SEND, "1", START).reports
    assert {(r.family, r.limit, r.remaining, r.reset) for r in full} == {
        ("x-rate-limit", 5, 4, 1_700_000_012),
        ("x-user-limit-24hour", 7, 6, 1_700_000_050),
        ("x-app-limit-24hour", 9, 8, 1_700_000_060),
    }


@pytest.mark.parametrize(
    ("rounding", "at", "reset"),
    [("ceil", 0.25, 13), ("ceil", 0, 12), ("floor", 0.75, 12), ("round", 0.75, 13)],
)
def test_a_reset_is_whole_seconds_rounded_as_switched(rounding: Any, at: float, reset: int) -> None:
    limits = limits_of(["user", 5, 12], reset_rounding=rounding)
    (report,) = limits.draw(SEND, "1", START + at).reports
    assert report.reset == START + reset


def test_a_reset_stays_while_its_window_is_open_and_creeps_when_it_slides() -> None:
    def resets(kind: Any) -> list[float]:
        limits = limits_of(["user", 2, 10], window_kind=kind)
        times = (0, 4, 10, 14)
        return [limits.draw(SEND, "1", START + at).reports[0].reset - START for at in times]

    assert resets("first-request") == [10, 10, 20, 20]
    assert resets("sliding") == [10, 10, 14, 20]


def test_a_counter_of_a_long_gone_window_is_kept_in_the_records_up_to_a_bound() -> None:
    limits = limits_of(["user", 1, 1], records_kept=3)
    for second in range(10):
        limits.draw(SEND, "1", START + second)
    assert [w.opened_at - START for w in limits.windows()] == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"dm.writes": []}, "no rate limit group 'dm.writes'"),
        ({"dm.write": [["owner", 1, 1]]}, "a budget of 'dm.write' is"),
        ({"dm.write": [["user", 0, 1]]}, "a budget of 'dm.write' is"),
        ({"dm.write": [["user", 1]]}, "a budget of 'dm.write' is"),
        ({"dm.write": "many"}, "the budgets of 'dm.write' are a list"),
        ({"dm.write": [["user", 1, 60], ["user", 2, 60]]}, "two budgets are called"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(limits: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RateLimits(limits)
