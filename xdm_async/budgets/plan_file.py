"""Plan files: a TOML text -> the `Plan` it means, or one sentence on what is wrong in it.

A file says what differs from a published plan, ``base`` (`plans.DEFAULT`, if it names none)::

    base = "default"

    [budgets."dm.write.user.15m"]     # changes a budget, as Plan.override does
    limit = 100

    [groups.mine]                     # adds a group, or takes the place of one
    budgets = [{owner = "user", limit = 10, window = 900}]

    [routes]                          # route name -> group
    "dm_events.get" = "mine"

A route may be one that this version does not send yet. Nothing here opens a file: `Plan.load` does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, TypeGuard

from ..errors import InvalidPlan
from . import plans
from .budget import Budget, Plan, nearest, shown

_KEYS = ("base", "budgets", "groups", "routes")
_OF_A_GROUP = ("budgets",)
_OF_A_BUDGET = ("limit", "window", "owner", "name", "headroom", "report")
_NEEDED = ("limit", "window", "owner")


def parse(text: str, file: str) -> Plan:
    """The plan that ``text`` means, named after ``file`` without its folder and suffix.

    Raises:
        InvalidPlan: whatever is wrong in it, naming the file, the key and the rule.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:
        # Not only TOMLDecodeError: a number of 5,000 digits and 1,000 open brackets raise these.
        why = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise InvalidPlan(f"plan file {file!r} is not TOML: {why}", argument="plan") from exc
    try:
        return _plan(table, PurePath(file).stem)
    except InvalidPlan as refused:
        raise InvalidPlan(f"plan file {file!r}: {refused}", argument=refused.argument) from refused


def _plan(table: Mapping[str, Any], name: str) -> Plan:
    _only(table, _KEYS, "a plan")
    base = _base(table.get("base", plans.DEFAULT.name))
    groups = {key: _group(key, value) for key, value in _table(table, "groups").items()}
    plan = Plan(name, {**base.groups, **groups}, {**base.routes, **_routes(table)})
    # Last, so that what changes a budget finds those of the file's own groups too, and is not
    # lost in silence where a group of the file took the place of the one it meant.
    return plan.override(_changes(table, plan))


def _base(name: object) -> Plan:
    if not isinstance(name, str) or name not in plans.BY_NAME:
        known = " or ".join(map(repr, plans.BY_NAME))
        hint = nearest(name, plans.BY_NAME) if isinstance(name, str) else ""
        raise InvalidPlan(f"base is {known}, not {shown(name)}{hint}", argument="base")
    return plans.BY_NAME[name]


def _group(name: str, value: object) -> tuple[Budget, ...]:
    where = f"groups.{_key(name)}"
    if not _is_table(value):
        raise InvalidPlan(
            f"{where} is a table with the key 'budgets', not {shown(value)}", argument=name
        )
    _only(value, _OF_A_GROUP, where, _unquoted(value, '[groups."dm.read"]'))
    members = value.get("budgets")
    if not isinstance(members, list):
        told = f"not {shown(members)}" if "budgets" in value else "and it is missing"
        raise InvalidPlan(f"{where}.budgets is a list of tables, {told}", argument="budgets")
    return tuple(_budget(member, f"{where}.budgets[{at}]") for at, member in enumerate(members))


def _budget(value: object, where: str) -> Budget:
    if not _is_table(value):
        raise InvalidPlan(
            f"{where} is a table such as {{owner = 'user', limit = 10, window = 900}}, "
            f"not {shown(value)}",
            argument="budgets",
        )
    _only(value, _OF_A_BUDGET, where)
    for key in _NEEDED:
        if key not in value:
            raise InvalidPlan(f"{where} needs the key {key!r}", argument=key)
    try:
        return Budget(**value)
    except InvalidPlan as refused:
        raise InvalidPlan(f"in {where}, {refused}", argument=refused.argument) from refused


def _routes(table: Mapping[str, Any]) -> dict[str, str]:
    routes = _table(table, "routes")
    for route, group in routes.items():
        if not isinstance(group, str):
            hint = _unquoted({route: group}, '"users.me" = "dm.read"')
            raise InvalidPlan(
                f"routes.{_key(route)} is the name of a group, not {shown(group)}{hint}",
                argument=route,
            )
    return dict(routes)


def _changes(table: Mapping[str, Any], plan: Plan) -> Mapping[str, Any]:
    changes = _table(table, "budgets")
    names = {budget.name for budgets in plan.groups.values() for budget in budgets}
    for name, change in changes.items():
        hint = _unquoted(change, '[budgets."dm.write.user.15m"]')
        if name not in names and hint:
            raise InvalidPlan(f"there is no budget {_key(name)}{hint}", argument=name)
        if not _is_table(change):
            raise InvalidPlan(
                f"budgets.{_key(name)} is a table such as {{limit = 100}}, not {shown(change)}",
                argument=name,
            )
    return changes


def _only(table: Mapping[str, Any], keys: Iterable[str], where: str, hint: str = "") -> None:
    for key in table:
        if key not in keys:
            raise InvalidPlan(
                f"{where} has no key {shown(key)}{hint or nearest(key, keys)}", argument=key
            )


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not _is_table(value):
        raise InvalidPlan(f"{key} is a table, not {shown(value)}", argument=key)
    return value


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _unquoted(value: object, example: str) -> str:
    """What to say where a name with dots was left without quotes, which TOML reads as tables."""
    if _is_table(value) and any(map(_is_table, value.values())):
        return f"; a name with dots stands in quotes, as in {example}"
    return ""


def _key(name: str) -> str:
    """A key as TOML spells it: bare where it can be."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare and len(name) <= 80 else shown(name)
