"""Clock: the one place on the road that reads the time.

``now`` is a monotonic reading in seconds that only differences make sense of. Where the system has
one, it is the clock that goes on while the machine sleeps, so that a window of the server's that
passed during a suspend is seen to have passed. `wall_time` is what the machine takes for the time
of day, which may be wrong.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

_SUSPEND_AWARE = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """What the road needs to know of time."""

    def now(self) -> float:
        """Seconds on a clock that never steps back; its zero means nothing."""
        ...


class SystemClock:
    """The machine's own monotonic clock."""

    def now(self) -> float:
        """Seconds since some fixed moment, sleep of the machine included where it can be."""
        if _SUSPEND_AWARE is not None:
            return time.clock_gettime(_SUSPEND_AWARE)
        return time.monotonic()


def wall_time() -> datetime:
    """The time of day as this machine has it: good for words to people, and for nothing else."""
    return datetime.now(UTC)
