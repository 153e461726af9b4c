"""Walks: which page of a list comes next, and which of its events are still to be given.

Two directions: a `Descent` goes from the newest event to the oldest, an `Ascent` from a known
event to the newest. Both are told the pages that came, say what to ask for next, and know the
place behind which all is still to be given. Here is what they have in common. Who fetches the
pages, and when, is left to `paginator`.

The rules of paging: https://docs.x.com/x-api/fundamentals/pagination
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Protocol

import attrs

from ..errors import InvalidRequest
from ..models.events import Event
from ..models.pages import Page
from .bounds import number_of
from .positions import State

HISTORY = timedelta(days=30)
"""How far back the API's lists reach: https://docs.x.com/x-api/direct-messages/lookup"""
SOON = timedelta(minutes=1)
"""A read that was interrupted for no longer is not worth a word about what passed the cut."""
CUT_IS_FUZZY = timedelta(hours=1)
CIRCLE = (
    "a page of a list of events leads back to one that was read before: the list would never end"
)

UNREADABLE_NEXT = "a page of a list of events has a next_token that cannot be read"
UNREADABLE_PREVIOUS = "a page of a list of events has a previous_token that cannot be read"


_ID = attrgetter("id")


@attrs.define
class Place:
    """The last event that was given, and how many after it whose ids are no numbers."""

    last: int | None = None
    unplaced: int = 0

    def moved(self, events: Sequence[Event]) -> Place:
        """The place behind these events as well."""
        unplaced = 0
        for event in reversed(events):
            number = number_of(event)
            if number is not None:
                return Place(number, unplaced)
            unplaced += 1
        return Place(self.last, self.unplaced + unplaced)


def given_on_page(place: Place, begun: Place, skipped: int) -> int:
    """How many events without a number a page begins with that are to be skipped next time."""
    if place.last != begun.last:
        return place.unplaced
    return skipped + place.unplaced - begun.unplaced


Gap = tuple[datetime, datetime]

_IDS = 10**19
_INSTANTS = 250_000_000_000
"""Seconds since 1970 that a datetime can still tell."""
_MOST = {"a": _IDS, "n": _IDS, "s": _IDS, "m": _IDS, "b": _INSTANTS, "e": 1}


class Walk(Protocol):
    """One direction through a list."""

    token: str | None
    """What to ask for next with; None for the newest page."""
    ended: bool
    broken: str | None
    """Why no further page can be asked for, though the end was not reached."""

    def take(self, page: Page[Event]) -> list[Event]:
        """Give the events of the page that ``token`` led to, and step on to the next."""
        ...

    def begin_anew(self, place: Place) -> bool:
        """The server refuses ``token``: find another way to this place, if there is one."""
        ...

    def state(self, place: Place, begun: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``, on the page last taken or on the next.

        ``begun`` is the place at which that page began.
        """
        ...

    def gap(self, now: datetime) -> Gap | None:
        """The span of which events may be missing, since they have passed the API's 30 days."""
        ...


class Trail:
    """Where a walk has been, as far as that must be known to notice a circle.

    Every so often, at growing distances, the place is marked: a circle of any length comes back
    to a mark at last (Brent), and nothing but the mark is remembered.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._landmark: str | None = None

    def leads_on(self, token: str | None, current: str | None) -> bool:
        """Whether a token leads to where the walk has not been, as far as is known."""
        if token in (current, self._landmark):
            return False
        self._steps += 1
        if self._steps.bit_count() == 1:
            self._landmark = token
        return True


class Fresh:
    """Leaves out what came already: events repeated at a border are on the pages beside it."""

    def __init__(self) -> None:
        self._recent: deque[set[str]] = deque(maxlen=2)

    def of(self, events: Iterable[Event]) -> list[Event]:
        """Give those of a page that are new; one without an id always is."""
        page = list(events)
        ids: set[str] = set(map(_ID, page))
        if len(ids) < len(page) or "" in ids or not all(map(ids.isdisjoint, self._recent)):
            page, ids = self._sifted(page)
        if ids:
            self._recent.append(ids)
        return page

    def _sifted(self, page: list[Event]) -> tuple[list[Event], set[str]]:
        seen: set[str] = set()
        fresh: list[Event] = []
        for event in page:
            if event.id in seen or any(event.id in ids for ids in self._recent):
                continue
            if event.id:
                seen.add(event.id)
            fresh.append(event)
        return fresh, seen


def cannot_be_read(page: Page[Event], name: str) -> bool:
    """Whether a token is there and cannot be read: not the end, and it must not look like it."""
    return "meta" in page.extra or page.meta.extra.get(name) is not None


def first_number(events: Iterable[Event]) -> int | None:
    """Give the number of the first of these events that has one."""
    return next((n for n in map(number_of, events) if n is not None), None)


def place_of(state: State) -> Place:
    """Give the place that a state was saved at."""
    return Place(state.get("a"), state.get("n", 0))


def checked(state: State, argument: str) -> State:
    """Refuse a state whose parts are of other kinds than a walk has saved."""
    damaged = any(key in state and type(state[key]) is not str for key in ("t", "p", "d"))
    for key, most in _MOST.items():
        number = state.get(key, 0)
        damaged |= type(number) is not int or not 0 <= number <= most
    if damaged:
        raise InvalidRequest(f"{argument} is a damaged position", argument=argument)
    return state
