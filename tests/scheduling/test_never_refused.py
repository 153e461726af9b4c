"""The rule at the heart: never refused, and every full window used to its last unit."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.budgets import plans

from .simulated import ROUNDINGS, Run, Server, simulate
from .tables import APART_ROUTES, APART_RULES, READS, SENDS, SHARED_ROUTES, SHARED_RULES

DAY = 86_400.0
Asks = list[tuple[float, str, str]]


def backlog(users: int, each: int, routes: tuple[str, ...]) -> Asks:
    return [
        (0.001 * n, f"u{u}", routes[n % len(routes)]) for u in range(users) for n in range(each)
    ]


def full_windows(run: Run) -> list[tuple[int, int]]:
    """Per window that was not an owner's last: (units served, limit)."""
    return [
        (served, w.limit) for w in run.server.windows.values() for served in w.served[:-1] if served
    ]


@pytest.mark.parametrize("day_headers", [False, True], ids=["", "day headers"])
def test_three_windows_of_sends_are_never_refused_and_use_every_unit(day_headers: bool) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, day_headers=day_headers)
    run = simulate(plans.DEFAULT, server, backlog(1, 600, SENDS), until=DAY)

    assert run.refusals == 0
    assert len(run.done) == 600
    assert server.windows["write", 0, "u0"].served == [200, 200, 200]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("phase", [0.0, 0.03, 0.25, 0.5, 0.75, 0.97])
@pytest.mark.parametrize("spent", [0, 150], ids=["", "three quarters of the first are spent"])
def test_three_windows_take_a_quarter_of_a_percent_longer_than_they_must(
    rounding: str, phase: float, spent: int
) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, rounding=rounding, skew=1_700_000_000.0 + phase)
    run = simulate(
        plans.DEFAULT,
        server,
        [(300.0, "u0", SENDS[0]) for _ in range(600)],
        until=DAY,
        round_trip=(0.12, 0.12),
        foreign=[(0.001 * n, "u0", SENDS[0]) for n in range(spent)],
    )

    assert run.refusals == 0
    assert len(run.done) == 600
    opened, windows = (0.0, 3) if spent else (300.0, 2)
    bound = opened + windows * 900.0 - 300.0
    assert run.finished_at - 300.0 <= 1.0025 * bound


def test_a_day_of_one_user_uses_all_thousand_and_goes_on_when_the_day_is_over() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    run = simulate(plans.DEFAULT, server, backlog(1, 2_400, SENDS), until=3 * DAY)

    assert run.refusals == 0
    assert len(run.done) == 2_400
    assert server.windows["write", 1, "u0"].served == [1_000, 1_000, 400]


@pytest.mark.slow
@pytest.mark.parametrize("day_headers", [False, True], ids=["", "day headers"])
def test_a_day_of_the_app_uses_all_fifteen_thousand(day_headers: bool) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, day_headers=day_headers)
    run = simulate(plans.DEFAULT, server, backlog(20, 900, SENDS), until=2 * DAY)

    assert run.refusals == 0
    assert len(run.done) == 18_000
    assert server.windows["write", 2, "app"].served == [15_000, 3_000]


@pytest.mark.slow
def test_a_day_of_the_app_is_shared_equally_from_the_first_second_on() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    run = simulate(plans.DEFAULT, server, backlog(100, 180, SENDS), until=2 * DAY)

    assert run.refusals == 0
    first_day = [user for at, user, _ in run.done if at < DAY / 2]
    shares = [first_day.count(f"u{u}") for u in range(100)]
    assert sum(shares) == 15_000
    assert max(shares) - min(shares) <= 1


def test_accounts_that_want_more_than_the_app_may_end_up_with_equal_shares() -> None:
    rules = {"write": [("user", 200, 900), ("user", 1000, DAY), ("app", 1_000, 900)]}
    plan = plans.DEFAULT.override({"dm.write.app.24h": {"limit": 1_000, "window": 900}})
    server = Server(rules, dict.fromkeys(SENDS, "write"))
    run = simulate(plan, server, backlog(20, 300, SENDS), until=DAY)

    assert run.refusals == 0
    assert server.windows["write", 2, "app"].served[:3] == [1_000] * 3
    third = [user for at, user, _ in run.done if at < 3 * 900]
    shares = [third.count(f"u{u}") for u in range(20)]
    assert max(shares) - min(shares) <= 1


def test_reads_and_sends_do_not_touch_each_other() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    run = simulate(plans.DEFAULT, server, backlog(2, 1_000, (*READS, *SENDS)), until=DAY)

    assert run.refusals == 0
    assert [w.served[:-1] for key, w in server.windows.items() if key[0] == "read"] == [
        [300],
        [300],
    ]


@pytest.mark.parametrize("kind", ["first", "scheduled", "sliding", "gcra"])
@pytest.mark.parametrize("rounding", ["floor", "round", "ceil"])
def test_any_kind_of_window_and_any_rounding_of_its_reset_is_met(kind: str, rounding: str) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, kind=kind, rounding=rounding, day_headers=True)
    run = simulate(plans.DEFAULT, server, backlog(2, 700, SENDS), until=DAY)

    assert run.refusals == 0
    assert len(run.done) == 1_400


@pytest.mark.parametrize("skew", [-3_600.0, 3_600.0, 0.37])
def test_a_server_clock_that_is_off_changes_nothing(skew: float) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, skew=1_700_000_000 + skew)
    run = simulate(plans.DEFAULT, server, backlog(1, 500, SENDS), until=DAY)

    assert run.refusals == 0
    assert server.windows["write", 0, "u0"].served == [200, 200, 100]


@pytest.mark.parametrize("rate", [1 - 150e-6, 1 + 150e-6])
def test_clocks_that_drift_apart_do_not_open_a_window_early(rate: float) -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, rate=rate)
    run = simulate(plans.DEFAULT, server, backlog(1, 2_200, SENDS), until=3 * DAY)

    assert run.refusals == 0
    assert len(run.done) == 2_200


def test_answers_without_date_or_without_any_report_are_met_by_rolling_windows() -> None:
    for server in (
        Server(SHARED_RULES, SHARED_ROUTES, dateless=True),
        Server(SHARED_RULES, SHARED_ROUTES, silent=True),
    ):
        run = simulate(plans.DEFAULT, server, backlog(1, 600, SENDS), until=DAY)
        assert run.refusals == 0
        assert server.windows["write", 0, "u0"].served == [200, 200, 200]


CONDITIONS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "limit": st.integers(1, 40),
        "window": st.sampled_from([10.0, 12.0, 60.0, 900.0]),
        "day_limit": st.integers(1, 90),
        "app_limit": st.integers(1, 120),
        "users": st.integers(1, 4),
        "each": st.integers(1, 60),
        "spread": st.sampled_from([0.0, 1.0, 100.0, 2_000.0]),
        "trips": st.sampled_from([(0.0, 0.001), (0.05, 0.3), (0.2, 8.0)]),
        "kind": st.sampled_from(["first", "scheduled", "sliding", "gcra"]),
        "rounding": st.sampled_from(["floor", "round", "ceil"]),
        "day_headers": st.booleans(),
        "headerless": st.sampled_from([0.0, 0.0, 0.2]),
        "lost": st.sampled_from([0.0, 0.0, 0.1]),
        "cancelled": st.sampled_from([0.0, 0.0, 0.2]),
    }
)


def check_that_nothing_is_refused(
    *,
    seed: int,
    limit: int,
    window: float,
    day_limit: int,
    app_limit: int,
    users: int,
    each: int,
    spread: float,
    trips: tuple[float, float],
    kind: str,
    rounding: str,
    day_headers: bool,
    headerless: float,
    lost: float,
    cancelled: float,
) -> None:
    rules = {
        "write": [
            ("user", limit, window),
            ("user", day_limit, 9_600.0),
            ("app", app_limit, 9_600.0),
        ]
    }
    routes = dict.fromkeys(SENDS, "write")
    plan = plans.DEFAULT.override(
        {
            "dm.write.user.15m": {"limit": limit, "window": window},
            "dm.write.user.24h": {"limit": day_limit, "window": 9_600.0},
            "dm.write.app.24h": {"limit": app_limit, "window": 9_600.0},
        }
    )
    rng = random.Random(seed)
    asks = [
        (rng.uniform(0, spread), f"u{u}", rng.choice(SENDS))
        for u in range(users)
        for _ in range(each)
    ]
    server = Server(
        rules,
        routes,
        day_headers=day_headers,
        kind=kind,
        rounding=rounding,
        headerless=headerless,
        rng=random.Random(seed),
    )
    windows = math.ceil(each * users / min(limit, day_limit, app_limit)) + 2
    run = simulate(
        plan,
        server,
        asks,
        until=windows * 10_000.0 + spread + each * users * 40.0,
        round_trip=trips,
        lost=lost,
        cancelled=cancelled,
        seed=seed,
    )

    assert run.refusals == 0
    assert run.machine.waiting == 0
    assert run.machine.in_flight == 0
    if not lost and not cancelled:
        assert len(run.done) == users * each


@settings(max_examples=60, deadline=None)
@given(CONDITIONS)
def test_whatever_happens_nothing_is_refused_and_everything_arrives(
    conditions: dict[str, Any],
) -> None:
    check_that_nothing_is_refused(**conditions)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, derandomize=False)
@given(CONDITIONS)
def test_whatever_else_happens_nothing_is_refused_and_everything_arrives(
    conditions: dict[str, Any],
) -> None:
    check_that_nothing_is_refused(**conditions)


def test_a_full_run_forgets_every_account_once_its_windows_have_passed() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    run = simulate(plans.DEFAULT, server, backlog(50, 3, SENDS), until=3 * DAY)

    assert run.refusals == 0
    assert run.machine.roster.owners == {}


def test_endpoints_that_the_server_counts_apart_are_each_used_to_the_last_unit() -> None:
    server = Server(APART_RULES, APART_ROUTES)
    run = simulate(plans.PAY_PER_USE, server, backlog(1, 90, SENDS), until=DAY)

    assert run.refusals == 0
    assert all(served == limit for served, limit in full_windows(run))
    assert [server.windows[route, 0, "u0"].served for route in SENDS] == [[15, 15]] * 3


def test_a_reset_that_creeps_keeps_its_window_open() -> None:
    """A sliding window that looks like a fixed one: it ends no window after its first answer."""
    check_that_nothing_is_refused(
        seed=1,
        limit=5,
        window=10.0,
        day_limit=8,
        app_limit=22,
        users=4,
        each=51,
        spread=1.0,
        trips=(0.05, 0.3),
        kind="sliding",
        rounding="floor",
        day_headers=False,
        headerless=0.2,
        lost=0.1,
        cancelled=0.2,
    )
