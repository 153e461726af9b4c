"""Budgets and plans: what cannot be is refused by the name of the key and of the rule."""

from collections.abc import Callable

import attrs
import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.budget import Budget, Plan, Report
from xdm_async.errors import InvalidPlan, InvalidRequest, NotSent

GOOD = {"limit": 10, "window": 900.0, "owner": "user", "name": "b"}


@pytest.mark.parametrize(
    ("key", "bad", "rule"),
    [
        ("limit", 0, "a whole number from 1 to"),
        ("limit", -1, "a whole number from 1 to"),
        ("limit", 1.5, "a whole number from 1 to"),
        ("limit", True, "a whole number from 1 to"),
        ("limit", "10", "a whole number from 1 to"),
        ("limit", None, "a whole number from 1 to"),
        ("limit", 10**13, "a whole number from 1 to"),
        ("window", 5e-324, "a number of seconds from 0.001 to"),
        ("window", 0, "a number of seconds from 0.001 to"),
        ("window", -900, "a number of seconds from 0.001 to"),
        ("window", float("nan"), "a number of seconds from 0.001 to"),
        ("window", float("inf"), "a number of seconds from 0.001 to"),
        ("window", 1e9, "a number of seconds from 0.001 to 31,622,400"),
        ("window", True, "a number of seconds from 0.001 to"),
        ("window", "15m", "a number of seconds from 0.001 to"),
        ("owner", "team", "'user' or 'app'"),
        ("owner", None, "'user' or 'app'"),
        ("headroom", -1, "a whole number from 0 to below its limit of 10"),
        ("headroom", 10, "a whole number from 0 to below its limit of 10"),
        ("headroom", 0.5, "a whole number from 0 to below its limit of 10"),
        ("report", "x-rate-limit", "'rate-limit', 'user-24h', 'app-24h' or None"),
        ("report", "", "'rate-limit', 'user-24h', 'app-24h' or None"),
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_is_refused_by_key_and_rule(key, bad, rule) -> None:
    with pytest.raises(InvalidPlan) as caught:
        Budget(**(GOOD | {key: bad}))
    told = str(caught.value)
    assert told.startswith(f"{key} of budget 'b' is {rule}")
    assert repr(bad) in told
    assert caught.value.argument == key


def test_a_refusal_of_a_plan_is_a_value_error_that_sent_nothing() -> None:
    with pytest.raises(ValueError, match="limit of a budget is") as caught:
        Budget(0, 900.0, "user")
    assert isinstance(caught.value, InvalidRequest)
    assert isinstance(caught.value, NotSent)


@pytest.mark.parametrize("key", ["limit", "window", "headroom", "owner", "report"])
def test_a_number_with_too_many_digits_to_write_is_refused_too(key: str) -> None:
    with pytest.raises(InvalidPlan, match=f"^{key} of budget 'b' is .* not an absurd int$"):
        Budget(**(GOOD | {key: 10**5_000}))


def test_the_ends_of_each_range_are_inside_it() -> None:
    Budget(1, 0.001, "app")
    Budget(10**12, 366 * 86_400, "user", headroom=10**12 - 1, report="app-24h")


def test_a_budget_without_a_name_is_named_after_its_group() -> None:
    spelled = {900: "15m", 86_400: "24h", 12: "12s", 0.5: "0.5s", 90: "90s", 60: "1m", 7200: "2h"}
    for window, word in spelled.items():
        plan = Plan("p", {"dm.write": (Budget(1, window, "user"),)}, {})
        assert plan.groups["dm.write"][0].name == f"dm.write.user.{word}"


def test_a_name_that_was_given_is_kept() -> None:
    plan = Plan("p", {"g": [Budget(1, 900, "app", name="mine")]}, {"r": "g"})
    assert plan.groups["g"] == (Budget(1, 900, "app", name="mine"),)


def test_one_budget_may_be_in_many_groups() -> None:
    shared = Budget(100, 86_400, "app", name="all")
    plan = Plan("p", {"a": (shared,), "b": (shared,)}, {})
    assert plan.budget("all") is shared


def test_two_budgets_of_one_name_are_refused() -> None:
    one, two = Budget(1, 900, "user", name="x"), Budget(2, 900, "user", name="x")
    with pytest.raises(InvalidPlan, match="two different budgets are named 'x'") as caught:
        Plan("p", {"a": (one,), "b": (two,)}, {})
    assert caught.value.argument == "groups"
    with pytest.raises(InvalidPlan, match=r"two different budgets are named 'a\.user\.15m'"):
        Plan("p", {"a": (Budget(1, 900, "user"), Budget(2, 900, "user"))}, {})


def test_a_route_of_a_group_that_is_not_there_is_refused_with_the_nearest() -> None:
    groups = {"dm.read": (Budget(1, 900, "user"),), "dm.write": (Budget(1, 900, "app"),)}
    with pytest.raises(InvalidPlan) as caught:
        Plan("p", groups, {"dm_events.list": "dm.raed"})
    assert str(caught.value) == (
        "route 'dm_events.list' draws on group 'dm.raed', which plan 'p' does not have; "
        "the nearest one is 'dm.read'"
    )
    assert caught.value.argument == "routes"
    with pytest.raises(InvalidPlan, match=r"plan 'p' does not have$"):
        Plan("p", {}, {"r": "g"})


def test_what_was_handed_in_may_change_without_changing_the_plan() -> None:
    groups = {"g": [Budget(1, 900, "user")]}
    routes = {"r": "g"}
    plan = Plan("p", groups, routes)
    groups["g"].clear()
    routes.clear()
    assert len(plan.groups["g"]) == 1
    assert plan.routes == {"r": "g"}


PLAN = Plan(
    "p",
    {
        "w": (
            Budget(200, 900, "user", report="rate-limit"),
            Budget(1000, 86_400, "user", report="user-24h"),
        ),
        "r": (Budget(300, 900, "user", report="rate-limit"),),
    },
    {"send": "w", "list": "r"},
)


def test_an_override_is_a_limit_or_some_keys_and_leaves_the_rest() -> None:
    changed = PLAN.override(
        {"w.user.15m": 100, "w.user.24h": {"limit": 50, "window": 3600, "headroom": 5}}
    )
    assert changed.budget("w.user.15m") == attrs.evolve(PLAN.budget("w.user.15m"), limit=100)
    assert changed.budget("w.user.24h") == Budget(
        50, 3600, "user", name="w.user.24h", headroom=5, report="user-24h"
    )
    assert changed.groups["r"] == PLAN.groups["r"]
    assert changed.routes == PLAN.routes
    assert PLAN.budget("w.user.15m").limit == 200


def test_an_override_can_say_that_no_header_reports_a_budget() -> None:
    assert PLAN.override({"r.user.15m": {"report": None}}).budget("r.user.15m").report is None
    assert PLAN.override({}) == PLAN


def test_an_override_of_a_budget_in_many_groups_holds_in_all_of_them() -> None:
    shared = Budget(100, 86_400, "app", name="all")
    plan = Plan("p", {"a": (shared,), "b": (shared,)}, {}).override({"all": 7})
    assert [budgets[0].limit for budgets in plan.groups.values()] == [7, 7]


@pytest.mark.parametrize(
    ("change", "told", "argument"),
    [
        ({"w.usr.15m": 1}, "plan 'p' has no budget 'w.usr.15m'; the nearest one is 'w.user.15m'",
         "w.usr.15m"),
        ({"w.user.15m": {"limt": 1}},
         "budget 'w.user.15m' has no key 'limt' to change; the nearest one is 'limit'", "limt"),
        ({"w.user.15m": {"owner": "app"}},
         "budget 'w.user.15m' has no key 'owner' to change; the nearest one is ", "owner"),
        ({"w.user.15m": {"name": "x"}}, "budget 'w.user.15m' has no key 'name' to change", "name"),
        ({"w.user.15m": 0}, "limit of budget 'w.user.15m' is a whole number from 1", "limit"),
        ({"w.user.15m": "many"}, "limit of budget 'w.user.15m' is a whole number from 1", "limit"),
        ({"w.user.15m": None}, "limit of budget 'w.user.15m' is a whole number from 1", "limit"),
        ({"w.user.15m": {"window": 0}}, "window of budget 'w.user.15m' is a number", "window"),
        ({"w.user.15m": {"headroom": 200}}, "headroom of budget 'w.user.15m' is a whole number",
         "headroom"),
        ({"w.user.15m": {"report": "x"}}, "report of budget 'w.user.15m' is", "report"),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_is_refused_by_key_and_rule(change, told, argument) -> None:
    with pytest.raises(InvalidPlan) as caught:
        PLAN.override(change)
    assert str(caught.value).startswith(told)
    assert caught.value.argument == argument


def test_a_report_is_nothing_but_what_was_read() -> None:
    assert Report("rate-limit") == Report("rate-limit", None, None, None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Report("rate-limit").limit = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: plans.DEFAULT.override(5),  # type: ignore[arg-type]
        lambda: Plan("p", {"a": 5}, {}),  # type: ignore[dict-item]
        lambda: Plan("p", {"a": [5]}, {}),  # type: ignore[dict-item]
        lambda: Plan("p", [], {}),  # type: ignore[arg-type]
        lambda: Plan("p", {}, []),  # type: ignore[arg-type]
        lambda: Budget(1, 1.0, "user", name=5),  # type: ignore[arg-type]
    ],
)
def test_what_is_of_the_wrong_kind_is_a_sentence_too(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidPlan, match=r"not (int|list)"):
        wrong()
