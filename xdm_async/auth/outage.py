"""Outages: while the token endpoint fails, it is asked seldom, whoever wants tokens."""

from __future__ import annotations

import random

FIRST, LONGEST = 0.5, 30.0
"""Seconds between two tries: the first, and at most."""


class Outage:
    """What is known of a run of failures; says how long to wait. Full jitter, doubling."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._random = rng or random.Random()
        self._failures = 0
        self._until = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until it may be asked again; 0 where nothing is wrong."""
        return max(0.0, self._until - now)

    def failed(self, now: float, retry_after: float | None = None) -> None:
        """It has failed once more; of many that fail at the same time, one counts."""
        if now >= self._until:
            self._failures += 1
            step = min(LONGEST, FIRST * 2.0 ** min(10, self._failures - 1))
            self._until = now + step * self._random.uniform(0.5, 1.0)
        if retry_after is not None:
            self._until = max(self._until, now + min(retry_after, 2.0 * LONGEST))

    def over(self) -> None:
        """It has answered."""
        self._failures, self._until = 0, float("-inf")
