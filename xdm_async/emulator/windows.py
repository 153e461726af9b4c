"""Windows: strict rate limit counting, the server's side of the bargain.

Pure arithmetic, counted apart from the client's budgets: the caller says what time it is.
Nothing here knows of HTTP, sockets or users beyond their ids, so that a simulation of days can
import it. How one window counts is left to `counters`, the published numbers are data in
`limits`, and what a refusal looks like on the wire is decided in `service`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

import attrs

from .counters import KINDS, Budget, Counter, WindowKind, WindowRecord
from .limits import DOCS_2026, DOCUMENTED, FAMILIES, Limits, check_groups, group_of

__all__ = [
    "DOCS_2026",
    "DOCUMENTED",
    "Admission",
    "Budget",
    "Limits",
    "RateLimits",
    "Report",
    "ResetRounding",
    "WindowKind",
    "WindowRecord",
]

ResetRounding = Literal["ceil", "floor", "round"]

APP: Final = "app"
"""The owner of what all users of the app share, and of what the app asks for itself."""

_ROUNDINGS: Final[Mapping[ResetRounding, Callable[[float], int]]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
}
_OWNERS: Final = ("user", "app", "app-only")


@attrs.frozen
class Report:
    """One family of rate limit headers: `x-rate-limit`, `x-user-limit-24hour` or the app's."""

    family: str
    limit: int
    remaining: int
    reset: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The three headers of this family."""
        return (
            (f"{self.family}-limit", str(self.limit)),
            (f"{self.family}-remaining", str(self.remaining)),
            (f"{self.family}-reset", str(self.reset)),
        )


@attrs.frozen
class Admission:
    """Whether a request may pass, the budgets that refused it, and what the headers say."""

    refused_by: tuple[str, ...]
    reports: tuple[Report, ...]

    @property
    def admitted(self) -> bool:
        """No budget refused."""
        return not self.refused_by


class RateLimits:
    """Every budget of every owner, and the one question `draw` asks of them.

    Always true:

    - a request is counted in all budgets of its group or, when one is exhausted, in none;
    - endpoints of one group share its windows, and nothing else is shared.

    `count_refused` makes a refused request cost a unit in every budget that had one left.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        window_kind: WindowKind = "first-request",
        count_refused: bool = False,
        reset_rounding: ResetRounding = "ceil",
        day_headers: bool = False,
        records_kept: int = 1_000_000,
    ) -> None:
        table = {} if limits is None else limits
        check_groups(table)
        self._budgets = {endpoint: _budgets(*group_of(endpoint, table)) for endpoint in FAMILIES}
        self._kind = KINDS[window_kind]
        self._rounded = _ROUNDINGS[reset_rounding]
        self._count_refused = count_refused
        self._day_headers = day_headers
        self._counters: dict[tuple[str, str], Counter] = {}
        self._drawn: dict[tuple[str, str | None], tuple[Counter, ...]] = {}
        self._closed: deque[WindowRecord] = deque(maxlen=records_kept)
        self.refused: dict[str, int] = {}
        """How many requests each budget has turned away, by its name."""

    def draw(self, endpoint: str, user_id: str | None, now: float) -> Admission:
        """Count one request of a user, or of the app itself (None), or refuse it."""
        counters = self._counters_of(endpoint, user_id)
        exhausted = [counter for counter in counters if counter.remaining(now) <= 0]
        if not exhausted:
            for counter in counters:
                counter.count(now)
            return Admission((), self._reports(counters, now))
        for counter in exhausted:
            counter.refuse()
            name = counter.budget.name
            self.refused[name] = self.refused.get(name, 0) + 1
        if self._count_refused:
            for counter in counters:
                if counter not in exhausted:
                    counter.count(now)
        names = tuple([counter.budget.name for counter in exhausted])
        return Admission(names, self._reports(counters, now))

    def budgets(self, endpoint: str) -> tuple[Budget, ...]:
        """The budgets an endpoint draws on."""
        return self._budgets[endpoint]

    def windows(self, budget: str | None = None) -> list[WindowRecord]:
        """Every window so far, closed and open, by budget and owner, oldest first."""
        latest = (counter.record() for counter in self._counters.values())
        records = [*self._closed, *(record for record in latest if record is not None)]
        if budget is not None:
            records = [record for record in records if record.budget == budget]
        return sorted(records, key=lambda record: (record.budget, record.owner, record.opened_at))

    def _counters_of(self, endpoint: str, user_id: str | None) -> tuple[Counter, ...]:
        key = (endpoint, user_id)
        counters = self._drawn.get(key)
        if counters is None:
            wanted = ("app-only",) if user_id is None else ("user", "app")
            counters = self._drawn[key] = tuple(
                self._counter(budget, user_id if user_id and budget.owner == "user" else APP)
                for budget in self._budgets[endpoint]
                if budget.owner in wanted
            )
        return counters

    def _counter(self, budget: Budget, owner: str) -> Counter:
        key = (budget.name, owner)
        if key not in self._counters:
            self._counters[key] = self._kind(budget, owner, self._closed)
        return self._counters[key]

    def _reports(self, counters: tuple[Counter, ...], now: float) -> tuple[Report, ...]:
        """The shortest user budget is *the* limit; a longer one and the app's are day budgets."""
        reports: dict[str, Report] = {}
        for counter in counters:
            if counter.budget.owner == "app":
                family = "x-app-limit-24hour"
            elif "x-rate-limit" in reports:
                family = "x-user-limit-24hour"
            else:
                family = "x-rate-limit"
            if family == "x-rate-limit" or self._day_headers:
                reports[family] = Report(
                    family,
                    counter.budget.limit,
                    max(0, counter.remaining(now)),
                    self._rounded(counter.reset_at(now)),
                )
        return tuple(reports.values())


def _budgets(group: str, rows: object) -> tuple[Budget, ...]:
    """A group's rows as budgets, shortest window first, named like `dm.write.user.15m`."""
    if not isinstance(rows, (list, tuple)):
        raise ValueError(f"the budgets of {group!r} are a list, not {rows!r}")
    budgets: dict[str, Budget] = {}
    for row in rows:
        match row:
            case [str(owner), int(limit), int() | float() as window] if (
                owner in _OWNERS and limit > 0 and window > 0
            ):
                name = f"{group}.{owner}.{_span(window)}"
                if name in budgets:
                    raise ValueError(f"two budgets are called {name!r}")
                budgets[name] = Budget(name, owner, limit, float(window))
            case _:
                raise ValueError(
                    f"a budget of {group!r} is [{'|'.join(_OWNERS)}, limit, seconds], not {row!r}"
                )
    return tuple(sorted(budgets.values(), key=lambda budget: budget.window))


def _span(seconds: float) -> str:
    """900 is `15m`, 86400 is `24h`, 12 is `12s`."""
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
