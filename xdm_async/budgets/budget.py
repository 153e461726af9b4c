"""Budgets and plans: what the server allows, as data; and reports: what it says is left.

A *budget* is a rule of the server: ``limit`` requests per ``window``, owned by a user or by the
app. A *plan* says which route draws on which group of budgets. Nothing here counts anything; what
is left of a budget is a `xdm_async.budgets.bucket.Bucket`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from ..errors import InvalidPlan

Owner = Literal["user", "app"]
Family = Literal["rate-limit", "user-24h", "app-24h"]
"""The header family that reports a budget: ``x-rate-limit-*``, ``x-user-limit-24hour-*``,
``x-app-limit-24hour-*``."""

_OWNERS = ("user", "app")
_FAMILIES = ("rate-limit", "user-24h", "app-24h", None)
_MOST = 10**12
_SHORTEST, _LONGEST = 0.001, 366 * 86_400.0


def _spell(window: float) -> str:
    """``900`` as ``15m``, ``86400`` as ``24h``, ``12`` as ``12s``."""
    for size, unit, least in ((3600, "h", 3600), (60, "m", 60)):
        if window >= least and window % size == 0:
            return f"{window / size:g}{unit}"
    return f"{window:g}s"


@attrs.frozen
class Budget:
    """A rule of the server: ``limit`` requests per ``window`` seconds, owned by a user or the app.

    ``name`` says which in errors, logs and `App.budgets`; a plan names it after its group where it
    is left empty. ``headroom`` units of the limit are never spent. ``report`` is the header
    family that tells what is left (None: no header ever does).
    """

    limit: int = attrs.field()
    window: float = attrs.field()
    owner: Owner = attrs.field()
    name: str = ""
    headroom: int = attrs.field(default=0)
    report: Family | None = attrs.field(default=None)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be, naming the key and the rule."""
        _expect(self.name, str, "name", "a string")
        where = f"budget {self.name!r}" if self.name else "a budget"
        if not _whole(self.limit) or not 1 <= self.limit <= _MOST:
            raise InvalidPlan(
                f"limit of {where} is a whole number from 1 to {_MOST:,}, not {shown(self.limit)}",
                argument="limit",
            )
        if not _number(self.window) or not _SHORTEST <= self.window <= _LONGEST:
            raise InvalidPlan(
                f"window of {where} is a number of seconds from {_SHORTEST:g} to {_LONGEST:,.0f}, "
                f"not {shown(self.window)}",
                argument="window",
            )
        if self.owner not in _OWNERS:
            raise InvalidPlan(
                f"owner of {where} is 'user' or 'app', not {shown(self.owner)}", argument="owner"
            )
        if not _whole(self.headroom) or not 0 <= self.headroom < self.limit:
            raise InvalidPlan(
                f"headroom of {where} is a whole number from 0 to below its limit of "
                f"{self.limit}, not {shown(self.headroom)}",
                argument="headroom",
            )
        if self.report not in _FAMILIES:
            raise InvalidPlan(
                f"report of {where} is 'rate-limit', 'user-24h', 'app-24h' or None, "
                f"not {shown(self.report)}",
                argument="report",
            )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    # Comparing says the rest: nan is above nothing, and a whole number may be too long for a float.
    return isinstance(value, int | float) and not isinstance(value, bool)


@attrs.frozen(slots=True)
class Report:
    """One header family of one response; what was absent or unreadable is None.

    ``reset`` is the end of the window in seconds since 1970 on the server's clock.
    """

    family: Family
    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


def _named(groups: Mapping[str, Iterable[Budget]]) -> dict[str, tuple[Budget, ...]]:
    """Every budget with a name of its own: ``group.owner.window`` where it has none yet."""
    named: dict[str, tuple[Budget, ...]] = {}
    _expect(groups, Mapping, "groups", "a mapping of group names to budgets")
    for group, budgets in groups.items():
        _expect(budgets, Iterable, f"group {group!r}", "a series of budgets")
        for budget in budgets:
            _expect(budget, Budget, f"a member of group {group!r}", "a Budget")
        named[group] = tuple(
            budget
            if budget.name
            else attrs.evolve(budget, name=f"{group}.{budget.owner}.{_spell(budget.window)}")
            for budget in budgets
        )
    return named


def _copied(routes: Mapping[str, str]) -> dict[str, str]:
    _expect(routes, Mapping, "routes", "a mapping of route names to group names")
    return dict(routes)


def _expect(value: object, kind: type, argument: str, wanted: str) -> None:
    if not isinstance(value, kind):
        raise InvalidPlan(f"{argument} is {wanted}, not {type(value).__name__}", argument=argument)


@attrs.frozen
class Plan:
    """Which routes draw on which budgets: ``groups`` of budgets, and each route's group.

    One request draws one unit of every budget of its group. A route that no group is named for
    draws on nothing. Always true: budget names are unique unless they name one and the same
    budget, and every route's group exists.
    """

    name: str
    groups: Mapping[str, tuple[Budget, ...]] = attrs.field(converter=_named)
    routes: Mapping[str, str] = attrs.field(converter=_copied)

    def __attrs_post_init__(self) -> None:
        """Refuse names that nothing stands behind."""
        for route, group in self.routes.items():
            if group not in self.groups:
                raise InvalidPlan(
                    f"route {route!r} draws on group {group!r}, which plan {self.name!r} does not "
                    f"have{nearest(group, self.groups)}",
                    argument="routes",
                )
        seen: dict[str, Budget] = {}
        for budgets in self.groups.values():
            for budget in budgets:
                if seen.setdefault(budget.name, budget) != budget:
                    raise InvalidPlan(
                        f"two different budgets are named {budget.name!r} in plan {self.name!r}",
                        argument="groups",
                    )

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """The plan of a TOML file: what differs from a published one.

        ::

            base = "default"
            [budgets."dm.write.user.15m"]
            limit = 100
            [groups.mine]
            budgets = [{owner = "user", limit = 10, window = 900}]
            [routes]
            "dm_events.get" = "mine"

        Raises:
            InvalidPlan: the file cannot be read, or something in it cannot be; the sentence names
                the file, the key and the rule.
        """
        from .plan_file import parse  # not above: a plan file starts from a plan

        try:
            text = Path(path).read_text("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise InvalidPlan(
                f"plan file {str(path)!r} is UTF-8 text, and its byte {exc.start} is not",
                argument="plan",
            ) from exc
        except OSError as exc:
            raise InvalidPlan(
                f"plan file {str(path)!r} cannot be read: {exc.strerror or exc}", argument="plan"
            ) from exc
        except (TypeError, ValueError) as exc:  # no path at all, or with a NUL in it
            raise InvalidPlan(
                f"a plan file is named by a path, not {shown(path)}", argument="plan"
            ) from exc
        return parse(text, str(path))

    def budget(self, name: str) -> Budget:
        """The budget of this name; `InvalidPlan` with the nearest one where there is none."""
        names = {b.name: b for budgets in self.groups.values() for b in budgets}
        if name not in names:
            raise InvalidPlan(
                f"plan {self.name!r} has no budget {name!r}{nearest(name, names)}", argument=name
            )
        return names[name]

    def override(self, budgets: Mapping[str, int | Mapping[str, Any]]) -> Plan:
        """This plan with some budgets changed, by name.

        A number is a new limit; a mapping changes ``limit``, ``window``, ``headroom`` or
        ``report``::

            plans.DEFAULT.override({"dm.write.user.15m": 100,
                                    "dm.write.app.24h": {"limit": 9000, "headroom": 50}})

        Raises:
            InvalidPlan: for an unknown budget or key, with the nearest one that exists, and for
                a value that cannot be.
        """
        changed: dict[str, Budget] = {}
        _expect(budgets, Mapping, "override", "a mapping of budget names to changes")
        for name, change in budgets.items():
            budget = self.budget(name)
            changes = change if isinstance(change, Mapping) else {"limit": change}
            for key in changes:
                if key not in _CHANGEABLE:
                    raise InvalidPlan(
                        f"budget {name!r} has no key {key!r} to change{nearest(key, _CHANGEABLE)}",
                        argument=key,
                    )
            changed[name] = attrs.evolve(budget, **changes)
        groups = {
            group: tuple(changed.get(b.name, b) for b in members)
            for group, members in self.groups.items()
        }
        return Plan(self.name, groups, self.routes)


_CHANGEABLE = ("limit", "window", "headroom", "report")


def shown(value: object) -> str:
    """``repr(value)``, cut where it is long; some values have too many digits or levels for one."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"an absurd {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:79]}…"


def nearest(name: str, names: Iterable[str]) -> str:
    """``; the nearest one is 'x'`` where there is one."""
    close = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.0)
    return f"; the nearest one is {close[0]!r}" if close else ""
