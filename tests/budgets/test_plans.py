"""The two published tables, number by number; a plan that names a route names one that is there."""

import pytest

from xdm_async.budgets import plans
from xdm_async.emulator.limits import DOCS_2026, DOCUMENTED
from xdm_async.endpoints import conversations, events, users
from xdm_async.errors import InvalidPlan

QUARTER, DAY = 900, 86_400
READS = [events.LIST, events.LIST_WITH, events.LIST_IN]
SENDS = [conversations.SEND, conversations.SEND_IN, conversations.CREATE]
BOTH = [plans.DEFAULT, plans.PAY_PER_USE]


def rules(plan, route):
    return [(b.limit, b.window, b.owner, b.report) for b in plan.groups[plan.routes[route.name]]]


@pytest.mark.parametrize("route", READS, ids=lambda route: route.name)
def test_by_default_the_reads_share_300_a_quarter_of_an_hour(route) -> None:
    assert plans.DEFAULT.routes[route.name] == "dm.read"
    assert rules(plans.DEFAULT, route) == [(300, QUARTER, "user", "rate-limit")]


@pytest.mark.parametrize("route", SENDS, ids=lambda route: route.name)
def test_by_default_the_sends_share_200_and_1000_and_the_apps_15000(route) -> None:
    assert plans.DEFAULT.routes[route.name] == "dm.write"
    assert rules(plans.DEFAULT, route) == [
        (200, QUARTER, "user", "rate-limit"),
        (1_000, DAY, "user", "user-24h"),
        (15_000, DAY, "app", "app-24h"),
    ]


@pytest.mark.parametrize("route", READS, ids=lambda route: route.name)
def test_pay_per_use_gives_each_read_15(route) -> None:
    assert rules(plans.PAY_PER_USE, route) == [(15, QUARTER, "user", "rate-limit")]


@pytest.mark.parametrize("route", SENDS, ids=lambda route: route.name)
def test_pay_per_use_gives_each_send_15_and_1440_and_the_apps_1440(route) -> None:
    assert rules(plans.PAY_PER_USE, route) == [
        (15, QUARTER, "user", "rate-limit"),
        (1_440, DAY, "user", "user-24h"),
        (1_440, DAY, "app", "app-24h"),
    ]


def test_pay_per_use_shares_nothing() -> None:
    assert len(set(plans.PAY_PER_USE.routes.values())) == len(plans.PAY_PER_USE.routes)


@pytest.mark.parametrize("plan", BOTH, ids=lambda plan: plan.name)
def test_who_one_is_costs_one_of_75(plan) -> None:
    assert rules(plan, users.ME) == [(75, QUARTER, "user", "rate-limit")]


@pytest.mark.parametrize("plan", BOTH, ids=lambda plan: plan.name)
def test_every_call_there_is_draws_on_a_group_and_no_other_route_is_named(plan) -> None:
    assert set(plan.routes) == {route.name for route in (*READS, *SENDS, events.GET, users.ME)}
    assert set(plan.routes.values()) == set(plan.groups)


@pytest.mark.parametrize(
    ("plan", "table"), [(plans.DEFAULT, DOCUMENTED), (plans.PAY_PER_USE, DOCS_2026)]
)
def test_the_emulator_has_read_the_same_numbers_elsewhere(plan, table) -> None:
    for group, budgets in plan.groups.items():
        ours = [(b.owner, b.limit, b.window) for b in budgets]
        assert ours == [tuple(rule) for rule in table[group]]


def test_names_are_what_errors_and_overrides_use() -> None:
    assert [b.name for b in plans.DEFAULT.groups["dm.write"]] == [
        "dm.write.user.15m",
        "dm.write.user.24h",
        "dm.write.app.24h",
    ]
    assert plans.PAY_PER_USE.budget("dm_conversations.send.app.24h").limit == 1_440


def test_a_plan_is_found_by_its_name() -> None:
    assert plans.named("default") is plans.DEFAULT
    assert plans.named("pay-per-use") is plans.PAY_PER_USE
    with pytest.raises(InvalidPlan, match="'pay-per-us'; the nearest one is 'pay-per-use'"):
        plans.named("pay-per-us")
