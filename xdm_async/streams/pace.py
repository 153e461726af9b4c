"""Pace: when a list may be asked again, and when it should be.

Pure sums; the caller says what time it is, and brings the chance along. A watch has credits of
its own, apart from the budget that they are a share of: each request costs one. They bound what
it may do; how lively the list is decides what it does with them.
"""

from __future__ import annotations

from random import Random

from .source import Allowance

LIVELY = 1.0
"""Seconds between two polls while events come in."""
IDLE = 60.0
"""Seconds between two polls where nothing has happened for long."""
GROWTH = 1.06
"""What each poll that finds nothing makes the next one wait longer: so the wait is a second, and a
sixteenth of the time that nothing has happened for; a minute after a quarter of an hour."""
RESERVE = 5.0
"""Credits that polls leave for going through further pages, a quarter of all at most."""
JITTER = 0.1
"""So much earlier, at most, a poll comes; the second one of all, anywhere in its time: accounts
that began together do not stay together."""
UNKNOWN = Allowance(limit=120, window=900.0, remaining=120)
"""What is assumed where no budget is known: of half of it, one request in 15 s."""
_MOST_BACKOFF = 60.0
_ROUNDING = 1e-9


class Pace:
    """The credits of one list, and how lively it is.

    ``due`` requests come back in each window, ``limit * share`` of them, one every ``gap``
    seconds; ``capacity`` is as many, and 1 at least.

    Always true:

    - in no span of one window are more than ``capacity + limit * share`` credits spent, and over
      a long time no more than ``limit * share`` in each window;
    - while the list is lively (`interval` is no more than ``gap``), no wait is longer than ``gap``,
      as long as the share is there: what is left of a window that others have used, or that was
      lively from its beginning, is spread over the rest of it;
    - one turn from lively to idle costs half of the credits at most, beyond what comes back.
    """

    def __init__(self, share: float, chance: Random, now: float, *, interval: float) -> None:
        self._share = share
        self._chance = chance
        self._contested = False
        self._spread = 0.0
        self._heard = self._apart = False
        self._set(UNKNOWN)
        self._credits = self.capacity
        self._at = now
        self.interval = interval
        """Seconds that the next poll should wait, were there credits enough."""

    def _set(self, allowance: Allowance) -> None:
        due = max(1, allowance.limit) * self._share
        self._rule = allowance.limit, allowance.window
        self.capacity = max(1.0, due)
        self.gap = allowance.window / due
        self._reserve = min(RESERVE, self.capacity / 4)

    def learn(self, allowance: Allowance | None, now: float) -> None:
        """Hear what the budget is now. Fewer credits hold at once, more come with time."""
        allowance = allowance or UNKNOWN
        if (allowance.limit, allowance.window) != self._rule:
            credits = self.credits(now)
            self._set(allowance)
            self._credits = min(credits, self.capacity) if self._heard else self.capacity
        self._heard = True
        self._contested = allowance.waiting > 0 or 10 * allowance.remaining < allowance.limit
        # What is no more than the share must do until the window ends, whoever has used the rest.
        scarce = allowance.remaining <= allowance.limit * self._share
        self._spread = 0.0
        if scarce and allowance.reset_in is not None:
            self._spread = allowance.reset_in / max(1, allowance.remaining)

    def credits(self, now: float) -> float:
        """How many there are."""
        self._credits = min(self.capacity, self._credits + max(0.0, now - self._at) / self.gap)
        self._at = now
        return self._credits

    def wait(self, now: float) -> float:
        """Seconds until a request may leave; 0 where it may now."""
        missing = 1.0 - self.credits(now)
        return missing * self.gap if missing > _ROUNDING else 0.0

    def spend(self, now: float) -> None:
        """A request leaves."""
        self._credits = max(0.0, self.credits(now) - 1.0)

    def refund(self) -> None:
        """It did not leave after all."""
        self._credits = min(self.capacity, self._credits + 1.0)

    def after(self, found: bool, now: float) -> float:
        """Seconds that the next poll waits after one that found events, or nothing.

        Below the reserve, polls take what comes back and no more; while others wait for the same
        budget, they do as well.
        """
        credits = self.credits(now)
        # An idle list whose credits are gone takes half of what comes back, and so recovers.
        idle = max(IDLE, self.gap * (2.0 - credits / self.capacity))
        # So many polls bring it from lively to idle as half of the credits can pay.
        growth = max(GROWTH, (idle / LIVELY) ** min(2.0 / self.capacity, 1.0))
        self.interval = LIVELY if found else min(idle, self.interval * growth)
        early = JITTER if self._apart else 1.0
        self._apart = True
        wait = self.interval * (1.0 - early * self._chance.random())
        above = 1.0 + self._reserve - credits
        if above > 0:
            wait = max(wait, min(1.0, above) * self.gap, self.wait(now))
        wait = max(wait, self._spread)
        return max(wait, self.gap) if self._contested else wait


def backoff(failures: int, chance: Random) -> float:
    """Seconds to wait after so many failures in a row: anything up to twice as long each time."""
    return chance.uniform(0.0, min(_MOST_BACKOFF, 2.0 ** min(failures - 1, 10)))
