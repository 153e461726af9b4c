"""Rounds: whose turn it is, among many; one task and one timer for all of them.

Whoever is not due costs a place in a heap and nothing else. A turn is a task while it lasts, and
only so many are begun at a time. One that has lasted a while waits for something (its budget, a
slow server) and is not counted any more, so that such ones cannot keep the others from theirs.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ..clock import Clock

T = TypeVar("T")

AT_ONCE = 64
"""Turns that are begun and not counted as waiting."""
COUNTED = 5.0
"""Seconds after which a turn is not counted any more."""


class Rounds(Generic[T]):
    """A heap of those who are due, and the one task that gives them their turns.

    Always true: each is in the heap once, or has its turn, or is held by nobody here.
    """

    def __init__(self, turn: Callable[[T], Awaitable[None]], clock: Clock) -> None:
        self._turn = turn
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0
        self._begun: dict[int, float] = {}
        self._stirred = asyncio.Event()

    def __len__(self) -> int:
        """How many are in the heap."""
        return len(self._heap)

    def at(self, due: float, whose: T) -> None:
        """Let it be this one's turn at a moment of the clock."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, whose))
        if self._heap[0][1] == self._count:
            self._stirred.set()

    async def run(self) -> None:
        """Give turns until cancelled; ends only with all turns that it began."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._stirred.clear()
                wake_at = self._begin(group)
                delay = None if wake_at is None else max(0.0, wake_at - self._clock.now())
                try:
                    async with asyncio.timeout(delay):
                        await self._stirred.wait()
                except TimeoutError:
                    pass

    def _begin(self, group: asyncio.TaskGroup) -> float | None:
        """Begin the turns that are due; when to look again, None where only a stir can tell."""
        now = self._clock.now()
        while self._begun:
            oldest = next(iter(self._begun))
            if now < self._begun[oldest] + COUNTED:
                break
            del self._begun[oldest]
        while self._heap and self._heap[0][0] <= now:
            if len(self._begun) >= AT_ONCE:
                return next(iter(self._begun.values())) + COUNTED
            _, number, whose = heapq.heappop(self._heap)
            self._begun[number] = now
            group.create_task(self._take(number, whose))
        return self._heap[0][0] if self._heap else None

    async def _take(self, number: int, whose: T) -> None:
        try:
            await self._turn(whose)
        finally:
            full = len(self._begun) >= AT_ONCE
            self._begun.pop(number, None)
            if full:
                self._stirred.set()
