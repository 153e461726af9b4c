"""Source: one list of events of one account, as whatever reads it needs it.

How a page is fetched and when it may be is decided further down the road; here it is a coroutine,
beside what a reader should know to go easy on a budget: what is left of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import attrs

from ..clock import wall_time
from ..endpoints.events import FetchPage
from ..models.events import Reader
from .positions import Bound


@attrs.frozen
class Allowance:
    """What is left at the moment of the tightest budget that a list draws on."""

    limit: int
    """Requests per window."""
    window: float
    """Seconds."""
    remaining: int
    """Requests that could leave now, were nobody else to send any."""
    waiting: int = 0
    """Requests that wait for this budget."""
    reset_in: float | None = None
    """Seconds until what is left is whole again; None where that is not known."""

    @property
    def comfortable(self) -> bool:
        """Whether a request more hurts nobody: half of the budget is left, and nobody waits."""
        return not self.waiting and 2 * self.remaining > self.limit


def _unknown() -> None:
    return None


async def _at_once() -> None:
    return None


def _unnoticed(share: float) -> Callable[[], None]:
    return _unknown


@attrs.frozen
class Source:
    """One list of events: its pages, newest event first, and whose they are."""

    fetch: FetchPage
    query: str = "all events"
    """What is read of the account, in words that tell it from whatever else could be."""
    reader: Reader | None = None
    """The account, for the events to reply by."""
    identify: Callable[[], Awaitable[str]] | None = None
    """Finds out whose account it is, where that is not known yet."""
    allowance: Callable[[], Allowance | None] = _unknown
    """What is left of its budget; None where no budget is known."""
    give_way: Callable[[], Awaitable[None]] = _at_once
    """Waits, before a further page, where a watch of the same account is to keep its share."""
    watching: Callable[[float], Callable[[], None]] = _unnoticed
    """Says that a watch with this share begins; gives back what says that it has ended."""
    now: Callable[[], datetime] = wall_time
    """The time on the server as far as it is known, for what is said of the 30 days."""
    server_time: Callable[[], float | None] = _unknown
    """The earliest that it can be on the server, in seconds since 1970; None where not known."""

    @property
    def bound(self) -> Bound:
        """What a position in this list belongs to."""
        return Bound(None if self.reader is None else self.reader.user_id, self.query)
