"""The result of a simulation: what the server counted, and how it compares to what was possible.

Plain sums over instants. How they came about is in `run`, how they are drawn in `svg`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from ..budgets.priority import Priority
from .setting import ROUTE
from .timeline import Timeline, peaks

if TYPE_CHECKING:
    from .run import Simulation


@attrs.frozen
class WindowUse:
    """One window of one budget and owner."""

    owner: str
    opened: float
    """Seconds after the start."""
    used: int
    possible: int
    """The limit, or what there was to send within the window where that is less: as much as this
    budget alone would have let pass."""


@attrs.frozen
class Waits:
    """How long the messages of one priority waited, in seconds from being there to leaving.

    What never left has waited until the end.
    """

    count: int
    p50: float
    p99: float


@attrs.frozen(kw_only=True)
class Result:
    """What came of it, as the server counted it."""

    wanted: int
    """Messages there were to send."""
    sent: int
    requests: int
    refused_429: int
    taken_by_others: int
    right_plan: bool
    """Whether the plan has the limits that the server has."""
    stalled: bool
    budgets: Mapping[str, Sequence[WindowUse]]
    limits: Mapping[str, tuple[int, float]]
    """By budget, the limit and the window in seconds."""
    jain: float
    """Fairness of what the accounts got: 1 where all got the same, 1/n where one got all."""
    waits: Mapping[Priority, Waits]
    """Of the priorities in the mix, the most urgent first."""
    finish_seconds: float
    lower_bound_seconds: float
    says: Sequence[tuple[float, str]]
    timeline: Timeline

    def as_json(self, wall_seconds: float) -> dict[str, object]:
        """Give the keys of ``xdm simulate --json``."""
        return {
            "sent": self.sent,
            "refused_429": self.refused_429,
            "budgets": {
                name: [attrs.asdict(use) | {"opened": round(use.opened, 3)} for use in uses]
                for name, uses in self.budgets.items()
            },
            "jain": round(self.jain, 6),
            "waits": {
                priority.name.lower(): {
                    "count": waits.count,
                    "p50": round(waits.p50, 3),
                    "p99": round(waits.p99, 3),
                }
                for priority, waits in self.waits.items()
            },
            "finish_seconds": round(self.finish_seconds, 3),
            "lower_bound_seconds": round(self.lower_bound_seconds, 3),
            "wall_seconds": round(wall_seconds, 3),
        }

    def failures(self) -> list[str]:
        """What the scheduler promises and did not keep, a few words each."""
        found = []
        if self.refused_429 and self.right_plan and not self.taken_by_others:
            found.append(
                f"{self.refused_429:,} requests were refused, though the plan is the server's "
                "and nobody else took anything"
            )
        if self.stalled:
            found.append("messages wait that nothing will ever wake")
        return found


def summed_up(run: Simulation) -> Result:
    """Sum up a simulation, wherever it is."""
    setting = run.setting
    budgets, bound = _uses(run)
    believed = {
        (budget.owner, budget.limit, budget.window)
        for budget in setting.plan.groups[setting.plan.routes[ROUTE]]
    }
    return Result(
        wanted=setting.accounts * setting.messages,
        sent=run.sent,
        requests=run.requests,
        refused_429=run.refused,
        taken_by_others=len(run.counted_at) - run.sent,
        right_plan=believed == {(b.owner, b.limit, b.window) for b in run.budgets},
        stalled=run.stalled,
        budgets=budgets,
        limits={budget.name: (budget.limit, budget.window) for budget in run.budgets},
        jain=jain([len(taken) for taken in run.taken_at]),
        waits=_waits(run),
        finish_seconds=run.finished_at,
        lower_bound_seconds=bound,
        says=tuple(run.says),
        timeline=_timeline(run),
    )


def jain(got: Sequence[int]) -> float:
    """Jain's index of fairness; 1 where nobody got anything."""
    squares = sum(count * count for count in got)
    return sum(got) ** 2 / (len(got) * squares) if squares else 1.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that this share of all is at or below; 0 where there are none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _waits(run: Simulation) -> dict[Priority, Waits]:
    priorities = {part.priority for part in run.setting.mix}
    waits: dict[Priority, list[float]] = {p: [] for p in sorted(priorities, reverse=True)}
    for priority, wait in run.waited():
        waits[priority].append(wait)
    for row in waits.values():
        row.sort()
    return {p: Waits(len(w), percentile(w, 0.50), percentile(w, 0.99)) for p, w in waits.items()}


def _uses(run: Simulation) -> tuple[dict[str, list[WindowUse]], float]:
    """Every window by budget, and the lower bound of the time that all of it takes.

    No client could have had what was counted in fewer seconds than the largest
    ``((units - 1) // limit) * window`` over every budget and owner.
    """
    end = run.clock(run.setting.seconds)
    all_asked: Sequence[float] = sorted(at for asked in run.asked_at for at in asked)
    all_taken: Sequence[float] = sorted(at for taken in run.taken_at for at in taken)
    uses: dict[str, list[WindowUse]] = {}
    bound = 0.0
    for budget in run.budgets:
        rows = uses[budget.name] = []
        units: dict[str, int] = {}
        for window in run.server.windows(budget.name):
            asked, taken = all_asked, all_taken
            if budget.owner == "user":
                account = int(window.owner) - 1
                asked, taken = run.asked_at[account], run.taken_at[account]
            before = bisect_left(taken, window.opened_at)
            ours = bisect_left(taken, window.closes_at) - before
            there = bisect_left(asked, min(window.closes_at, end)) - before
            possible = min(budget.limit, max(there, ours) + window.used - ours)
            opened = run.since_start(window.opened_at)
            rows.append(WindowUse(window.owner, opened, window.used, possible))
            units[window.owner] = units.get(window.owner, 0) + window.used
        if units:
            bound = max(bound, (max(units.values()) - 1) // budget.limit * budget.window)
    return uses, bound


def _timeline(run: Simulation) -> Timeline:
    seconds = run.setting.seconds
    asked = sorted(run.since_start(at) for times in run.asked_at for at in times)
    taken = sorted((run.since_start(at), 1) for times in run.taken_at for at in times)
    counted = [run.since_start(at) for at in run.counted_at]
    shares: dict[str, list[float]] = {}
    for budget in run.budgets:
        closes = sorted(
            (run.since_start(window.closes_at), window.used)
            for window in run.server.windows(budget.name)
        )
        owners = run.setting.accounts if budget.owner == "user" else 1
        capacity = budget.limit * owners
        shares[budget.name] = [level / capacity for level in peaks(counted, closes, seconds)]
    return Timeline(run.setting.hours, peaks(asked, taken, seconds), shares)
