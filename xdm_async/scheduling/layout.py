"""Layout: which buckets a route draws on, as the plan says and as the server corrects it.

The two published tables disagree on what shares a budget, so a plan may be wrong. What the
reports prove is kept here, once for all accounts, since it is the server's structure: a route
that is counted apart, two groups that are one, a budget the plan does not know.
"""

from __future__ import annotations

import attrs

from ..budgets.budget import Budget, Plan, Report

SLACK = 2.0
"""Seconds by which a reset may lie beyond the window it closes: both ends are rounded."""


class Layout:
    """The plan, and what the server has shown to be different."""

    def __init__(self, plan: Plan) -> None:
        self.groups: dict[str, tuple[Budget, ...]] = dict(plan.groups)
        self.routes: dict[str, str] = dict(plan.routes)
        self.apart: dict[str, str] = {}
        """Groups of routes that the server proved to count apart -> the group each was of: nothing
        joins them again, but that the proof was none."""
        self._whole: dict[str, str] = {}
        """Budgets of routes counted apart -> the budget that each was split from."""
        self.sliding: set[str] = set()
        """Budgets whose windows turned out to slide: two ends at a time are no proof for them."""

    def group_of(self, route: str) -> str:
        """The group that a route draws on; a route no plan names is a group of its own."""
        group = self.routes.get(route)
        if group is None:
            group = self.routes[route] = route
            self.groups.setdefault(route, ())
        return group

    def split(self, route: str, budget: Budget) -> Budget:
        """The server counts ``route`` apart in ``budget``: a group and a budget of its own."""
        group = self.routes[route]
        own = attrs.evolve(budget, name=f"{budget.name}/{route}")
        name = f"{group}/{route}"
        self.groups[name] = tuple(own if b == budget else b for b in self.groups[group])
        self.routes[route] = name
        self.apart[name] = group
        self._whole[own.name] = budget.name
        return own

    def slides(self, budget: Budget) -> list[tuple[str, str]]:
        """A budget's windows slide: the groups that were wrongly split off -> (of what, what)."""
        whole = self._whole.get(budget.name, budget.name)
        self.sliding.add(whole)
        found = [
            (parent, group)
            for group, parent in self.apart.items()
            if any(self._whole.get(b.name) == whole for b in self.groups[group])
        ]
        for _, group in found:
            del self.apart[group]
        return found

    def like(self, group: str) -> list[str]:
        """The other groups that could be one with this: budgets of the same shape, not apart."""

        def shape(name: str) -> list[tuple[object, ...]]:
            return [(b.owner, b.window, b.report) for b in self.groups[name]]

        if group in self.apart:
            return []
        return [
            other
            for other in self.groups
            if other != group and other not in self.apart and shape(other) == shape(group)
        ]

    def join(self, group: str, other: str) -> dict[str, Budget]:
        """The server counts two groups as one: budget names of ``other`` -> what they become.

        Groups that were found to be one with ``other`` before come along.
        """
        becomes: dict[str, Budget] = {}
        for budget in self.groups[other]:
            for twin in self.groups[group]:
                if (twin.owner, twin.window, twin.report) == (
                    budget.owner,
                    budget.window,
                    budget.report,
                ) and twin.name != budget.name:
                    becomes[budget.name] = twin
                    break
        for part, whole in self._whole.items():
            if whole in becomes:
                self._whole[part] = becomes[whole].name
        for name, members in self.groups.items():
            self.groups[name] = tuple(becomes.get(b.name, b) for b in members)
        return becomes

    def learn(self, group: str, report: Report, date: float) -> Budget | None:
        """A report that no budget of the group explains: a budget of its own, if it says enough."""
        if report.limit is None or report.remaining is None or report.reset is None:
            return None
        span = report.reset - date
        if not 0 < span <= 32 * 86_400 or report.limit < 1:
            return None
        window = max(900.0 if report.family == "rate-limit" else 86_400.0, span)
        budget = Budget(
            report.limit,
            window,
            "app" if report.family == "app-24h" else "user",
            name=f"{group}.learned.{report.family}",
            report=report.family,
        )
        if any(b.name == budget.name for b in self.groups[group]):
            return None
        self.groups[group] = (*self.groups[group], budget)
        return budget


def fits(budget: Budget, report: Report, date: float | None) -> bool:
    """Whether this report can be about this budget: its family, and a reset inside its window."""
    if budget.report != report.family:
        return False
    return report.reset is None or date is None or report.reset - date <= budget.window + SLACK
