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
        self.apart: set[str] = set()
        """Groups of routes that the server proved to count apart: nothing joins them again."""

    def group_of(self, route: str) -> str:
        """The group that a route draws on; a route no plan names is a group of its own."""
        group = self.routes.get(route)
        if group is None:
            group = self.routes[route] = route
            self.groups.setdefault(route, ())
        return group

    def split(self, route: str, budget: Budget) -> str:
        """The server counts ``route`` apart in ``budget``: a group of its own; its name."""
        group = self.routes[route]
        own = attrs.evolve(budget, name=f"{budget.name}/{route}")
        name = f"{group}/{route}"
        self.groups[name] = tuple(own if b == budget else b for b in self.groups[group])
        self.routes[route] = name
        self.apart.add(name)
        return name

    def join(self, group: str, other: str) -> dict[str, str]:
        """The server counts two groups as one: budget names of ``other`` -> those they become."""
        renamed: dict[str, str] = {}
        members = []
        for budget in self.groups[other]:
            twin = next(
                (
                    b
                    for b in self.groups[group]
                    if (b.owner, b.window, b.report) == (budget.owner, budget.window, budget.report)
                ),
                budget,
            )
            if twin.name != budget.name:
                renamed[budget.name] = twin.name
            members.append(twin)
        self.groups[other] = tuple(members)
        return renamed

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
