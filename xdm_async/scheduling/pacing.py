"""Pacing: how `aiolimiter` spreads requests over a window instead of letting them burst.

The machine asks when the next request of a priority may go, and says when one goes; nobody waits
here. The limiters count on the event loop's clock, the machine on its own: only spans cross over.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiolimiter import AsyncLimiter

from ..budgets.budget import shown
from ..budgets.priority import Priority
from ..errors import InvalidRequest

Pace = AsyncLimiter | Mapping[Priority, AsyncLimiter] | None
"""One limiter for every request of the App, or one for each of some priorities."""

_HALVINGS = 20
_LEAST = 0.001
"""Seconds that a refusal holds at least, so that nobody asks twice at one moment."""
_SLACK = 1e-6
"""Seconds more, so that sums of floats do not come out just below what was waited for."""


class _Paced:
    """One limiter, and when it was last found to have room again."""

    __slots__ = ("_due", "_limiter", "_until_one")

    def __init__(self, limiter: AsyncLimiter) -> None:
        self._limiter = limiter
        self._until_one = limiter.time_period / limiter.max_rate
        self._due = 0.0

    def ready_at(self, now: float) -> float:
        # What leaks out is time alone, so it cannot have room sooner than it was found to have.
        if now < self._due <= now + self._until_one + _LEAST:
            return self._due
        try:
            if self._limiter.has_capacity():
                return now
        except RuntimeError:  # asked where no loop runs, before any ran: nothing was taken yet
            return now
        self._due = now + max(_LEAST, self._missing() * self._until_one + _SLACK)
        return self._due

    def _missing(self) -> float:
        """The part of one request that has yet to leak out; the limiter only says yes or no."""
        room, too_much = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (room + too_much) / 2
            if self._limiter.has_capacity(middle):
                room = middle
            else:
                too_much = middle
        return 1.0 - room

    def take(self) -> None:
        if not self._limiter.has_capacity():
            return
        acquiring = self._limiter.acquire()
        try:
            acquiring.send(None)  # there is room, so it comes to its end without waiting
        except StopIteration:
            return
        acquiring.close()


class Pacer:
    """When the next request of a priority may go, as far as pace is concerned."""

    def __init__(self, paced: Mapping[Priority, _Paced]) -> None:
        self._paced = paced

    def ready_at(self, priority: Priority, now: float) -> float:
        """``now`` where it may go now, else a later moment at which it is worth asking again."""
        paced = self._paced.get(priority)
        return now if paced is None else paced.ready_at(now)

    def take(self, priority: Priority) -> None:
        """One goes now."""
        paced = self._paced.get(priority)
        if paced is not None:
            paced.take()


def pacer(pace: Pace) -> Pacer | None:
    """What a user says of pace, for the machine; None where nothing is paced.

    Raises:
        InvalidRequest: it is no limiter and no mapping of priorities to limiters, or one of them
            never lets a request go.
    """
    if pace is None:
        return None
    if isinstance(pace, AsyncLimiter):
        one = _paced(pace)
        return Pacer(dict.fromkeys(Priority, one))
    if not isinstance(pace, Mapping):
        raise InvalidRequest(
            "pace is an aiolimiter.AsyncLimiter, a mapping of Priority to AsyncLimiter, or None, "
            f"not {shown(pace)}",
            argument="pace",
        )
    each: dict[AsyncLimiter, _Paced] = {}
    paced: dict[Priority, _Paced] = {}
    for priority, limiter in pace.items():
        if not isinstance(priority, Priority):
            raise InvalidRequest(
                f"pace has a Priority for each key, not {shown(priority)}", argument="pace"
            )
        if not isinstance(limiter, AsyncLimiter):
            raise InvalidRequest(
                f"pace of Priority.{priority.name} is an aiolimiter.AsyncLimiter, "
                f"not {shown(limiter)}",
                argument="pace",
            )
        if limiter not in each:
            each[limiter] = _paced(limiter)
        paced[priority] = each[limiter]
    return Pacer(paced) if paced else None


def _paced(limiter: AsyncLimiter) -> _Paced:
    # Its room is max_rate, and one request wants 1 of it.
    if not 1 <= limiter.max_rate < float("inf") or not 0 < limiter.time_period < float("inf"):
        raise InvalidRequest(
            "pace has limiters with a max_rate of at least 1 and a time_period above 0 "
            "(one request in 2 s is AsyncLimiter(1, 2)), "
            f"not AsyncLimiter({limiter.max_rate!r}, {limiter.time_period!r})",
            argument="pace",
        )
    return _Paced(limiter)
