"""The server's clock: what time it can be there, learned from ``Date`` headers.

A ``Date`` is a whole second, truncated, written somewhere between sending the request and
receiving the answer. So the server's time minus our monotonic time lies in
``[date - received, date + 1 - sent]`` (plus what the clocks drift in between); every answer
narrows it. Two quartz clocks drift apart, so what was learned widens with age. No decision ever
needs our wall clock.
"""

from __future__ import annotations

DRIFT = 200e-6
"""Seconds that two clocks may drift apart in a second."""


class ServerClock:
    """Bounds on the server's time (seconds since 1970) at a moment of our monotonic clock.

    Always true, as long as the clocks drift less than `DRIFT` and nobody sets them:
    ``lower(now) <= the server's time <= upper(now)``.
    """

    __slots__ = ("at", "high", "known", "low")

    def __init__(self) -> None:
        self.known = False
        # The server's time minus ours at the moment ``at``.
        self.low = self.high = self.at = 0.0

    def observe(self, date: float, sent: float, received: float) -> None:
        """Learn from an answer that carried ``date``: the interval can only get narrower.

        Where it contradicts what was known, a clock was set: believe the newest.
        """
        low, high = date - received, date + 1.0 - sent + (received - sent) * DRIFT
        if self.known:
            slack = abs(received - self.at) * DRIFT
            narrow_low, narrow_high = max(low, self.low - slack), min(high, self.high + slack)
            if narrow_low <= narrow_high:
                low, high = narrow_low, narrow_high
        self.low, self.high, self.known = low, high, True
        self.at = received

    def lower(self, now: float) -> float:
        """The earliest that it can be on the server; minus infinity while nothing is known."""
        if not self.known:
            return float("-inf")
        return now + self.low - abs(now - self.at) * DRIFT

    def upper(self, now: float) -> float:
        """The latest that it can be on the server; infinity while nothing is known."""
        if not self.known:
            return float("inf")
        return now + self.high + abs(now - self.at) * DRIFT

    def sure_at(self, instant: float, now: float) -> float:
        """When, on our clock, the server will surely have reached ``instant``; never before now."""
        missing = instant - self.lower(now)
        return now if missing <= 0 else now + missing / (1.0 - DRIFT) + 1e-3
