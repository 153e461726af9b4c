"""Time that passes only when nothing else is going on: real sockets, driven clocks.

Everything of a test (server, client, their timers) lives in one event loop on loopback, where
what is written can be read at once. So when the selector has nothing for a moment, nothing is
under way, and the next timer may as well be now: a day of windows passes in seconds, over real
HTTP.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_790_000_000.0
_QUIET = 0.005
"""Seconds without a readable socket after which nothing can be under way on loopback."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would sleep for its next timer, its time jumps there instead."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(min(timeout, _QUIET))
        if not events:
            self.jump(timeout)
        return events


class DrivenLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the timers' own."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.jump = self._jump
        self._ahead = 0.0
        super().__init__(selector)

    def _jump(self, seconds: float) -> None:
        self._ahead += seconds

    def time(self) -> float:
        return 1_000.0 + self._ahead


class DrivenClock:
    """The client's clock, on the driven loop's time."""

    def __init__(self, loop: DrivenLoop | None = None) -> None:
        self._loop = loop

    def now(self) -> float:
        return (self._loop or asyncio.get_running_loop()).time()


def server_clock() -> float:
    """The emulator's clock: seconds since 1970, as far as the driven loop has come."""
    return EPOCH + asyncio.get_running_loop().time()


def drive(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine with driven time."""
    with asyncio.Runner(loop_factory=DrivenLoop) as runner:
        return runner.run(main())
