"""Counters: what one owner has used of one budget, in each of three kinds of windows.

Pure arithmetic over one budget and one owner; the caller says what time it is. Which budgets a
request draws on, and what is said about them, is left to `windows`.

A window of the documented kind is fixed: it opens with the first request it counts, holds for
its whole length however many follow, and the next request after its end opens another.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

import attrs

WindowKind = Literal["first-request", "scheduled", "sliding"]


@attrs.frozen
class Budget:
    """A rule: at most `limit` requests of one owner in `window` seconds."""

    name: str
    owner: str
    limit: int
    window: float


@attrs.frozen
class WindowRecord:
    """What one window of one owner counted; `used` never exceeds `limit`."""

    budget: str
    owner: str
    opened_at: float
    closes_at: float
    limit: int
    used: int
    refused: int


class Counter:
    """What one owner has used of one budget: the common face of the three kinds of windows.

    Always true: no window admits more than ``budget.limit``, and a window that is exhausted
    admits again exactly at `reset_at`.
    """

    def __init__(self, budget: Budget, owner: str, archive: deque[WindowRecord]) -> None:
        self.budget = budget
        self.owner = owner
        self._archive = archive
        self._refused = 0

    def remaining(self, now: float) -> int:
        """How many requests may still pass at `now`."""
        raise NotImplementedError

    def reset_at(self, now: float) -> float:
        """When more becomes available; for a window not open, when it would close."""
        raise NotImplementedError

    def count(self, now: float) -> None:
        """Count one request; the caller has seen that one remains."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Note that a request was turned away here."""
        self._refused += 1

    def record(self) -> WindowRecord | None:
        """The latest window, or None if nothing was ever counted."""
        raise NotImplementedError


class FirstRequestWindow(Counter):
    """A fixed window that opens with the first request it counts (the documented kind)."""

    def __init__(self, budget: Budget, owner: str, archive: deque[WindowRecord]) -> None:
        super().__init__(budget, owner, archive)
        self._opened_at = -math.inf
        self._closes_at = -math.inf
        self._used = 0

    def remaining(self, now: float) -> int:
        """What is left of the open window, or a whole one."""
        return self.budget.limit - self._used if now < self._closes_at else self.budget.limit

    def reset_at(self, now: float) -> float:
        """The end of the open window, or of one opened now."""
        return self._closes_at if now < self._closes_at else self._opening(now) + self.budget.window

    def count(self, now: float) -> None:
        """Count one request, in a new window if the last has ended."""
        if now >= self._closes_at:
            last = self.record()
            if last is not None:
                self._archive.append(last)
            self._opened_at = self._opening(now)
            self._closes_at = self._opened_at + self.budget.window
            self._used = self._refused = 0
        self._used += 1

    def record(self) -> WindowRecord | None:
        """The window opened last."""
        if self._opened_at == -math.inf:
            return None
        return WindowRecord(
            self.budget.name,
            self.owner,
            self._opened_at,
            self._closes_at,
            self.budget.limit,
            self._used,
            self._refused,
        )

    def _opening(self, now: float) -> float:
        return now


class ScheduledWindow(FirstRequestWindow):
    """A fixed window aligned to the clock: 12:00, 12:15, 12:30 and so on."""

    def _opening(self, now: float) -> float:
        return now // self.budget.window * self.budget.window


class SlidingWindow(Counter):
    """At most `limit` requests in any span of one window; each unit comes back by itself.

    It has a single record: `used` is the most that any span has held so far.
    """

    def __init__(self, budget: Budget, owner: str, archive: deque[WindowRecord]) -> None:
        super().__init__(budget, owner, archive)
        self._returns: deque[float] = deque()
        self._opened_at = -math.inf
        self._peak = 0

    def remaining(self, now: float) -> int:
        """What the span that ends now has left."""
        while self._returns and self._returns[0] <= now:
            self._returns.popleft()
        return self.budget.limit - len(self._returns)

    def reset_at(self, now: float) -> float:
        """When the oldest unit comes back."""
        self.remaining(now)
        return self._returns[0] if self._returns else now + self.budget.window

    def count(self, now: float) -> None:
        """Count one request; it comes back one window from now."""
        if self._opened_at == -math.inf:
            self._opened_at = now
        self._returns.append(now + self.budget.window)
        self._peak = max(self._peak, len(self._returns))

    def record(self) -> WindowRecord | None:
        """The one record there is."""
        if self._opened_at == -math.inf:
            return None
        closes_at = self._returns[-1] if self._returns else self._opened_at + self.budget.window
        return WindowRecord(
            self.budget.name,
            self.owner,
            self._opened_at,
            closes_at,
            self.budget.limit,
            self._peak,
            self._refused,
        )


KINDS: Final[Mapping[WindowKind, type[Counter]]] = {
    "first-request": FirstRequestWindow,
    "scheduled": ScheduledWindow,
    "sliding": SlidingWindow,
}
"""The classes of counters by the name of their kind."""
