"""A timeline: backlog and use of the budgets over the hours, as so many columns of a chart.

Each column shows the most there was within it, so that nothing short is lost between two looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import attrs

T = TypeVar("T", int, float)

COLUMNS = 288
"""Of a chart; five minutes each, for a day."""


@attrs.frozen
class Timeline:
    """What a chart shows, column by column; all rows are of one length."""

    hours: float
    backlog: Sequence[int]
    """The most messages that waited at once."""
    budgets: Mapping[str, Sequence[float]]
    """By budget, the most of it that was used, over all of its owners; from 0 to 1."""

    def coarser(self, columns: int) -> Timeline:
        """The same in fewer columns."""
        return Timeline(
            self.hours,
            _fewer(self.backlog, columns),
            {name: _fewer(row, columns) for name, row in self.budgets.items()},
        )


def _fewer(row: Sequence[T], columns: int) -> list[T]:
    """The most of each stretch."""
    edges = [index * len(row) // columns for index in range(columns + 1)]
    return [max(row[low : max(high, low + 1)]) for low, high in pairwise(edges)]


def peaks(
    ups: Iterable[float], downs: Iterable[tuple[float, int]], seconds: float, columns: int = COLUMNS
) -> list[int]:
    """The highest level within each column; each instant of ``ups`` adds one to it.

    Both come in order of time; at one instant what goes down does so first.
    """
    falling = iter(downs)
    fall = next(falling, None)
    level, column = 0, 0
    highest = [0] * columns

    def reach(at: float) -> None:
        nonlocal column
        wanted = max(0, min(columns - 1, int(at / seconds * columns)))
        while column < wanted:
            column += 1
            highest[column] = level

    for up in ups:
        while fall is not None and fall[0] <= up:
            reach(fall[0])
            level -= fall[1]
            fall = next(falling, None)
        reach(up)
        level += 1
        highest[column] = max(highest[column], level)
    while fall is not None and fall[0] <= seconds:
        reach(fall[0])
        level -= fall[1]
        fall = next(falling, None)
    reach(seconds)
    return highest
