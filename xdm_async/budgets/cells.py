"""Cells: units that come back one by one, one window after each was counted.

Counted together in cells of time, so that the memory is bounded whatever the limit; a unit comes
back when its whole cell does, so never early.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from .server_clock import DRIFT

INFINITY = float("inf")
_DRIFTED = 1.0 + DRIFT


class Cells:
    """Units counted over the last window.

    Always true: no span of one window, by a clock that drifts from ours less than `DRIFT`, holds
    a unit that is not in ``total``.
    """

    __slots__ = ("_before", "_past", "_window", "latest", "until")

    def __init__(self, window: float) -> None:
        self._window = window
        self.latest = 0
        """The units of the newest cell; one more is added to it as long as it is not ``until``."""
        self.until = -INFINITY
        self._past: array[float] | None = None
        """The cells before: when each comes back, and its units, in turn."""
        self._before = 0
        """The units of these."""

    def __bool__(self) -> bool:
        return self.total > 0

    def __iter__(self) -> Iterator[tuple[float, int]]:
        past = self._past or ()
        for index in range(0, len(past), 2):
            yield past[index], int(past[index + 1])
        if self.latest:
            yield self.until + self._window * _DRIFTED, self.latest

    @property
    def total(self) -> int:
        """How many there are."""
        return self._before + self.latest

    def count(self, at: float, units: int) -> None:
        """Count units that come back one window from ``at``."""
        if at >= self.until:
            self.turn(at)
            self._put_away()
            size = min(self._window / 64.0, 60.0)
            span = self._window * _DRIFTED
            self.until = (at + span) // size * size + size - span
        self.latest += units

    def turn(self, now: float) -> None:
        """Give back what has served its window."""
        past = self._past
        if past is not None:
            gone = 0
            while gone < len(past) and past[gone] <= now:
                self._before -= int(past[gone + 1])
                gone += 2
            if gone:
                del past[:gone]
                if not past:
                    self._past = None
        if self.until + self._window * _DRIFTED <= now:
            self.latest, self.until = 0, -INFINITY

    def since(self, sent: float) -> int:
        """How many of them may have been counted at ``sent`` or later."""
        span = self._window * _DRIFTED
        return sum(units for back, units in self if back - span >= sent)

    def move_to(self, other: Cells) -> None:
        """Count all of them there too, as late as they are counted here."""
        span = self._window * _DRIFTED
        for back, units in self:
            other.count(back - span, units)

    def back_at(self, units: int) -> float:
        """When so many have come back; infinity where there are not so many."""
        for back, count in self:
            units -= count
            if units <= 0:
                return back
        return INFINITY

    @property
    def first_at(self) -> float:
        """When the next units come back."""
        return self._past[0] if self._past else self.last_at

    @property
    def last_at(self) -> float:
        """When the last ones have."""
        return self.until + self._window * _DRIFTED

    def _put_away(self) -> None:
        if self.latest:
            if self._past is None:
                self._past = array("d")
            self._past.extend((self.last_at, self.latest))
            self._before += self.latest
            self.latest = 0
