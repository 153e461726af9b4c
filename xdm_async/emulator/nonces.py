"""Nonces and timestamps of OAuth 1.0a: whether a signed request is near, and is the first.

How far a clock may be off is X's to say; the five minutes here are what it is known by.
"""

from __future__ import annotations

from collections import deque
from typing import Final

CLOCK_TOLERANCE: Final = 300
"""Seconds an OAuth 1.0a timestamp may be off."""

Nonce = tuple[str, str, str]
"""Token, timestamp and nonce of a request."""


class Nonces:
    """The nonces of late. Always true: one is accepted once, while its timestamp would be."""

    def __init__(self) -> None:
        self._known: set[Nonce] = set()
        self._ages: deque[tuple[float, Nonce]] = deque()

    def fresh(self, nonce: Nonce, now: float) -> bool:
        """Whether this nonce is new; forgets those whose timestamps would be refused anyway."""
        while self._ages and self._ages[0][0] < now:
            self._known.discard(self._ages.popleft()[1])
        if nonce in self._known:
            return False
        self._known.add(nonce)
        self._ages.append((now + 2 * CLOCK_TOLERANCE, nonce))
        return True


def near(timestamp: str, now: float) -> bool:
    """Whether a timestamp is one, and not too far off."""
    return (
        timestamp.isascii()
        and timestamp.isdigit()
        and len(timestamp) < 15
        and abs(int(timestamp) - now) <= CLOCK_TOLERANCE
    )
