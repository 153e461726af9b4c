"""The plan may be wrong: either table configured, either one in force, shared or counted apart."""

import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.budget import Plan
from xdm_async.scheduling.flows import Ticket
from xdm_async.scheduling.machine import Machine

from .simulated import Rules, Server, simulate
from .tables import APART_ROUTES, APART_RULES, READS, SENDS, SHARED_ROUTES, SHARED_RULES
from .test_never_refused import check_that_nothing_is_refused

DAY = 86_400.0

SHARED_SMALL: Rules = {
    "read": [("user", 15, 900)],
    "write": [("user", 15, 900), ("user", 1440, DAY), ("app", 1440, DAY)],
}
"""Today's numbers, shared by each family."""
APART_LARGE: Rules = {route: [("user", 300, 900)] for route in READS} | {
    route: [("user", 200, 900), ("user", 1000, DAY), ("app", 15_000, DAY)] for route in SENDS
}
"""The documented numbers, each endpoint for itself."""

SERVERS = {
    "documented, shared": (SHARED_RULES, SHARED_ROUTES),
    "documented, apart": (APART_LARGE, APART_ROUTES),
    "today's, shared": (SHARED_SMALL, SHARED_ROUTES),
    "today's, apart": (APART_RULES, APART_ROUTES),
}


@pytest.mark.parametrize("users", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "day_headers",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["no day headers", "day headers"],
)
@pytest.mark.parametrize("table", SERVERS)
@pytest.mark.parametrize("plan", [plans.DEFAULT, plans.PAY_PER_USE], ids=lambda p: p.name)
def test_any_plan_on_any_server_costs_a_dozen_refusals_a_window_at_most(
    plan: Plan, table: str, day_headers: bool, users: int
) -> None:
    rules, routes = SERVERS[table]
    each = 4_000 // users
    mix = (*SENDS, *READS)
    asks = [(0.003 * n, f"u{u}", mix[n % 6]) for u in range(users) for n in range(each)]
    server = Server(rules, routes, day_headers=day_headers)
    run = simulate(plan, server, asks, until=20 * DAY)

    assert server.worst <= 12
    assert len(run.done) == users * each, "something stalls"


@pytest.mark.parametrize("plan", [plans.DEFAULT, plans.PAY_PER_USE], ids=lambda p: p.name)
def test_a_server_that_counts_apart_is_known_to_after_its_first_answers(plan: Plan) -> None:
    server = Server(APART_RULES, APART_ROUTES)
    asks = [(7.0 * n, "u0", SENDS[n % 3]) for n in range(45)]
    run = simulate(plan, server, asks, until=890)

    assert run.refusals == 0
    assert len(run.done) == 45


STEEP = {"limit": 7, "day_limit": 10, "app_limit": 23, "users": 3, "each": 28, "seed": 30_576}
BROAD = {
    "limit": 8,
    "day_limit": 60,
    "app_limit": 97,
    "users": 1,
    "each": 39,
    "seed": 1_847_203_479,
}


@pytest.mark.parametrize(
    ("found", "rounding", "day_headers"),
    [(STEEP, "floor", False), (BROAD, "round", True)],
    ids=["two ends a second apart", "refused before it was seen to slide"],
)
def test_a_server_that_slides_is_not_taken_for_one_that_counts_apart(
    found: dict[str, int], rounding: str, day_headers: bool
) -> None:
    """Found by chance: round trips of most of a window make two ends look like two windows."""
    check_that_nothing_is_refused(
        window=12.0,
        spread=0.0,
        trips=(0.2, 8.0),
        kind="gcra",
        rounding=rounding,
        day_headers=day_headers,
        headerless=0.0,
        lost=0.0,
        cancelled=0.0,
        **found,
    )


def test_routes_that_were_split_are_one_again_once_their_windows_slide() -> None:
    machine = Machine(plans.DEFAULT, reserve={})
    bucket = machine.roster.flow(Ticket("u0", SENDS[0])).buckets[0]
    own = machine.roster.split(SENDS[1], bucket)
    assert own is not None
    apart = machine.roster.flow(Ticket("u0", SENDS[1])).buckets[0]
    assert apart is not bucket

    machine.roster.reunite(apart, 0.0)

    assert machine.roster.flow(Ticket("u0", SENDS[1])).buckets[0] is bucket
    assert machine.roster.split(SENDS[1], bucket) is None, "two ends prove nothing any more"


def test_routes_found_to_share_a_budget_are_never_refused_from_then_on() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    asks = [(0.01 * n, "u0", SENDS[n % 3]) for n in range(900)]
    run = simulate(plans.PAY_PER_USE, server, asks, until=DAY)

    assert run.refusals == 0
    assert server.windows["write", 0, "u0"].served[:2] == [200, 200]
    assert any("together" in said for said in run.said)


def test_a_budget_the_plan_does_not_know_is_learned_from_its_report() -> None:
    plan = Plan("bare", {"w": plans.DEFAULT.groups["dm.write"][:1]}, dict.fromkeys(SENDS, "w"))
    rules = {"write": [("user", 200, 900), ("user", 30, DAY), ("app", 50, DAY)]}
    server = Server(rules, dict.fromkeys(SENDS, "write"), day_headers=True)
    asks = [(float(n), f"u{n % 2}", SENDS[0]) for n in range(80)]
    run = simulate(plan, server, asks, until=DAY / 2)

    assert server.windows["write", 2, "app"].served == [50]
    assert run.refusals <= 2


def test_a_server_that_only_ever_refuses_costs_a_handful_of_requests() -> None:
    rules = {"write": [("user", 0, DAY)]}
    for silent in (False, True):
        server = Server(rules, dict.fromkeys(SENDS, "write"), silent=silent)
        run = simulate(plans.DEFAULT, server, [(0.0, "u0", SENDS[0])] * 50, until=60)
        assert 1 <= run.refusals <= 7
        assert run.machine.waiting == 50


def test_refusals_that_end_let_everything_go_on() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES, silent=True)
    outage = [(0.0, "u0", SENDS[0])] * 20
    real = server.handle

    def handle(now: float, user: str, route: str):  # type: ignore[no-untyped-def]
        answer = real(now, user, route)
        answer.refused = answer.refused or now < 45.0
        return answer

    server.handle = handle  # type: ignore[method-assign]
    run = simulate(plans.DEFAULT, server, outage, until=DAY)

    assert len(run.done) == 20
    assert run.finished_at < 120
    assert run.refusals <= 8


def test_somebody_else_using_the_same_token_is_made_room_for() -> None:
    server = Server(SHARED_RULES, SHARED_ROUTES)
    strangers = [(9.0 * n, "u0", SENDS[0]) for n in range(90)]
    asks = [(4.0 * n, "u0", SENDS[1]) for n in range(225)]
    run = simulate(plans.DEFAULT, server, asks, foreign=strangers, until=DAY)

    assert run.refusals <= 2
    assert server.windows["write", 0, "u0"].served[0] == 200


def test_an_exhausted_app_is_found_out_though_each_user_is_told_of_tokens_left() -> None:
    plan = plans.DEFAULT
    rules = {"write": [("user", 200, 900), ("user", 1000, DAY), ("app", 60, DAY)]}
    server = Server(rules, dict.fromkeys(SENDS, "write"))
    asks = [(1.0 * n, f"u{n % 10}", SENDS[0]) for n in range(100)]
    run = simulate(plan, server, asks, until=2 * DAY)

    assert len(run.done) == 100
    assert server.worst <= 14
    assert any("of the app is held" in said for said in run.said)
