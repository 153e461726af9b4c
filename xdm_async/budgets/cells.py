"""Cells: units that come back one by one, one window after each was counted.

Counted together in cells of time, so that the memory is bounded whatever the limit; a unit comes
back when its whole cell does, so never early.
"""

from __future__ import annotations

from .server_clock import DRIFT


class Cells:
    """Units counted over the last window.

    Always true: no span of one window, by a clock that drifts from ours less than `DRIFT`, holds
    a unit that is not in ``total``.
    """

    __slots__ = ("_cells", "_size", "_span", "total")

    def __init__(self, window: float) -> None:
        self._span = window * (1.0 + DRIFT)
        self._size = min(window / 64.0, 60.0)
        self._cells: list[list[float]] = []
        self.total = 0

    def __bool__(self) -> bool:
        return bool(self._cells)

    def count(self, at: float, units: int) -> None:
        """Count units that come back one window from ``at``."""
        ends = (at + self._span) // self._size * self._size + self._size
        self.total += units
        cells = self._cells
        if cells and cells[-1][0] >= ends:
            cells[-1][1] += units
        else:
            cells.append([ends, units])

    def turn(self, now: float) -> None:
        """Give back what has served its window."""
        cells = self._cells
        gone = 0
        while gone < len(cells) and cells[gone][0] <= now:
            self.total -= int(cells[gone][1])
            gone += 1
        if gone:
            del cells[:gone]

    def since(self, sent: float) -> int:
        """How many of them may have been counted at ``sent`` or later."""
        return sum(int(units) for ends, units in self._cells if ends - self._span >= sent)

    def move_to(self, other: Cells) -> None:
        """Count all of them there too, as late as they are counted here."""
        for ends, units in self._cells:
            other.count(ends - self._span, int(units))

    @property
    def first_at(self) -> float:
        """When the next units come back."""
        return self._cells[0][0]

    @property
    def last_at(self) -> float:
        """When the last ones have."""
        return self._cells[-1][0]
