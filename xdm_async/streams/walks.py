"""Walks: which page of a list comes next, and which of its events are still to be given.

Two directions: a `Descent` goes from the newest event to the oldest by ``next_token``, an `Ascent`
from a known event to the newest by ``previous_token``. Both are told the pages that came, say
what to ask for next, and know the place behind which all is still to be given. Who fetches the
pages, and when, is left to `paginator`.

The rules of paging: https://docs.x.com/x-api/fundamentals/pagination
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import attrs

from ..errors import InvalidRequest
from ..models.events import Event
from ..models.pages import Page
from .bounds import Bounds, instant_of, number_of
from .positions import State

HISTORY = timedelta(days=30)
"""How far back the API's lists reach: https://docs.x.com/x-api/direct-messages/lookup"""
_SOON = timedelta(minutes=1)
"""A read that was interrupted for no longer is not worth a word about what passed the cut."""
_CUT_IS_FUZZY = timedelta(hours=1)


@attrs.define
class Place:
    """The last event that was given, and how many after it whose ids are no numbers."""

    last: int | None = None
    unplaced: int = 0

    def moved(self, events: Iterable[Event]) -> Place:
        """The place behind these events as well."""
        place = Place(self.last, self.unplaced)
        for event in events:
            number = number_of(event)
            if number is None:
                place.unplaced += 1
            else:
                place.last, place.unplaced = number, 0
        return place


Gap = tuple[datetime, datetime]


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

    def state(self, place: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``, on the page last taken or on the next."""
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


class _Fresh:
    """Leaves out what came already: events repeated at a border are on the pages beside it."""

    def __init__(self) -> None:
        self._recent: deque[set[str]] = deque(maxlen=2)

    def of(self, events: Iterable[Event]) -> list[Event]:
        seen: set[str] = set()
        fresh: list[Event] = []
        for event in events:
            if event.id in seen or any(event.id in ids for ids in self._recent):
                continue
            if event.id:
                seen.add(event.id)
            fresh.append(event)
        if seen:
            self._recent.append(seen)
        return fresh


class Descent:
    """From the newest event to the oldest; only a page without ``next_token`` is the last."""

    def __init__(self, state: State, bounds: Bounds, now: datetime) -> None:
        began = state.get("b")
        self._began = now if began is None else datetime.fromtimestamp(began, UTC)
        self._resumed = began is not None
        self._bounds = bounds
        self.token: str | None = state.get("t")
        self.ended = bool(state.get("e"))
        self.broken: str | None = None
        self._at_the_end = False
        self._asked = self.token
        self._previous: str | None = state.get("p")
        self._newest: int | None = state.get("m")
        self._oldest: int | None = None
        self._behind: Place | None = None
        place = place_of(state)
        if place.last is not None or place.unplaced:
            self._behind = place
        self._trail, self._fresh = Trail(), _Fresh()

    def take(self, page: Page[Event]) -> list[Event]:
        """Give what is still to be given of a page, newest first."""
        self._note(page)
        events: list[Event] = list(page.data)
        if self._behind is not None:
            events = self._still_behind(events, self._behind)
        events, passed = self._within_bounds(self._fresh.of(events))
        self._asked = self.token
        self._step(page, passed)
        return events

    def _note(self, page: Page[Event]) -> None:
        """Remember where the list began, for who wants to read what is newer."""
        numbers = [n for n in map(number_of, page.data) if n is not None]
        if numbers:
            if self._newest is None:
                self._newest = max(numbers)
            self._oldest = min(numbers)
        if self._previous is None:
            self._previous = page.meta.previous_token

    def _still_behind(self, events: list[Event], place: Place) -> list[Event]:
        """Leave out what was given before this walk was taken up again."""
        numbers = [number_of(event) for event in events]
        cut = 0
        if place.last is not None:
            for index, number in enumerate(numbers):
                if number is not None and number >= place.last:
                    cut = index + 1
        while place.unplaced and cut < len(events) and numbers[cut] is None:
            place.unplaced -= 1
            cut += 1
        if any(number is not None for number in numbers[cut:]):
            self._behind = None
        return events[cut:]

    def _within_bounds(self, events: list[Event]) -> tuple[list[Event], bool]:
        after, before = self._bounds.after, self._bounds.before
        if after is None and before is None:
            return events, False
        kept: list[Event] = []
        passed = False
        for event in events:
            number = number_of(event)
            if number is not None:
                if after is not None and number <= after:
                    passed = True
                    continue
                if before is not None and number >= before:
                    continue
            kept.append(event)
        return kept, passed

    def _step(self, page: Page[Event], passed: bool) -> None:
        token = page.meta.next_token
        if passed:
            self.ended = True
        elif not token:
            # A token that is there and cannot be read is not the end, and must not look like it.
            if "meta" in page.extra or page.meta.extra.get("next_token") is not None:
                self.broken = "a page of a list of events has a next_token that cannot be read"
            else:
                self.ended = self._at_the_end = True
        elif self._trail.leads_on(token, self.token):
            self.token = token
        else:
            self.broken = (
                "a page of a list of events leads back to one that was read before: the list "
                "would never end"
            )

    def begin_anew(self, place: Place) -> bool:
        """Go down from the newest page again, past what was given."""
        if self.token is None:
            return False
        self.token = self._asked = None
        self._trail = Trail()
        if place.last is not None or place.unplaced:
            self._behind = attrs.evolve(place)
        return True

    def state(self, place: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``."""
        stays = on_page or (self.ended and not self._at_the_end)
        state: State = {
            "t": self._asked if stays else self.token,
            "a": place.last,
            "n": place.unplaced or None,
            "p": self._previous,
            "m": self._newest,
            "e": 1 if self.ended and not stays else None,
        }
        return {"b": int(self._began.timestamp())} | {
            key: value for key, value in state.items() if value is not None
        }

    def gap(self, now: datetime) -> Gap | None:
        """What passed the cut between the first page and the last, where that took its time."""
        if not (self._resumed and self._at_the_end) or now - self._began < _SOON:
            return None
        cut = now - HISTORY
        oldest = None if self._oldest is None else instant_of(self._oldest)
        if oldest is not None and oldest < cut - _CUT_IS_FUZZY:
            return None  # a list that reaches further back has no such cut
        begin = self._began - HISTORY
        since = None if self._bounds.after is None else instant_of(self._bounds.after)
        if since is not None:
            begin = max(begin, since)
        return (begin, cut) if begin < cut else None


class Ascent:
    """From a known event to the newest, oldest first.

    It climbs by ``previous_token``. Where none is known, or the server has forgotten it, it goes
    down from the newest page until the known event is reached, and climbs from there.
    """

    def __init__(self, state: State, bounds: Bounds, now: datetime) -> None:
        place = place_of(state) if state.get("d") == "n" else Place(state.get("m"))
        self._bounds = bounds
        self._mark = place.last if place.last is not None else -1
        if bounds.after is not None:
            self._mark = max(self._mark, bounds.after)
        self._start = self._mark
        self._unplaced = place.unplaced
        self.token: str | None = state.get("p")
        self._climbing = self.token is not None
        self._depth = 0
        self._asked = self.token
        self._first: int | None = None
        self._stopped = False
        self.ended = False
        self.broken: str | None = None
        self._trail, self._fresh = Trail(), _Fresh()

    def take(self, page: Page[Event]) -> list[Event]:
        """Give what is still to be given of a page, oldest first."""
        self._asked = self.token if self._climbing else None
        if self._climbing:
            self._climb(page)
        elif not self._reached(page):
            return []
        events = self._newer(self._fresh.of(reversed(page.data)))
        if self._first is None:
            self._first = next((n for n in map(number_of, events) if n is not None), None)
        return events

    def _climb(self, page: Page[Event]) -> None:
        # Past the newest event the server has nothing, or the same again: both are the end.
        token = page.meta.previous_token
        if token and self._trail.leads_on(token, self.token):
            self.token = token
        else:
            self.ended = True

    def _reached(self, page: Page[Event]) -> bool:
        """Whether, on the way down, this page holds the known event, or is the last."""
        known = any(n is not None and n <= self._mark for n in map(number_of, page.data))
        token = page.meta.next_token
        if not known and token:
            if self._trail.leads_on(token, self.token):
                self.token = token
                self._depth += 1
            else:
                self.broken = (
                    "a page of a list of events leads back to one that was read before: the list "
                    "would never end"
                )
            return False
        self._trail = Trail()
        if not self._depth:  # it is the newest page: nothing is above it
            self.ended = True
            self.token = page.meta.previous_token
            self._climbing = self.token is not None
        elif page.meta.previous_token:
            self.token, self._climbing = page.meta.previous_token, True
        else:
            self.broken = "a page of a list of events has no previous_token, though newer ones are"
        return True

    def _newer(self, events: list[Event]) -> list[Event]:
        kept: list[Event] = []
        mark = self._mark
        for event in events:
            number = number_of(event)
            if number is None:
                if self._unplaced:
                    self._unplaced -= 1
                    continue
            elif number <= mark:
                continue
            elif self._bounds.before is not None and number >= self._bounds.before:
                self.ended = self._stopped = True
                continue
            else:
                self._mark, self._unplaced = max(self._mark, number), 0
            kept.append(event)
        return kept

    def begin_anew(self, place: Place) -> bool:
        """Go down from the newest page to the place, and climb from there."""
        if self.token is None:
            return False
        if place.last is not None:
            self._mark = max(self._mark, place.last)
        self._unplaced = place.unplaced
        self.token, self._climbing, self._depth = None, False, 0
        self._trail = Trail()
        return True

    def state(self, place: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``."""
        token = self.token if self._climbing else None
        if on_page or self._stopped:
            token = self._asked
        last = place.last if place.last is not None else self._start
        state: State = {
            "a": last if last >= 0 else None,
            "m": last if last >= 0 else None,
            "n": place.unplaced or None,
            "p": token,
        }
        return {"d": "n"} | {key: value for key, value in state.items() if value is not None}

    def gap(self, now: datetime) -> Gap | None:
        """What passed the cut between the known event and the first that was found."""
        cut = now - HISTORY
        known = None if self._start < 0 else instant_of(self._start)
        first = None if self._first is None else instant_of(self._first)
        if known is None or known >= cut or not self.ended:
            return None
        return None if first is not None and first < cut - _CUT_IS_FUZZY else (known, cut)


def place_of(state: State) -> Place:
    """Give the place that a state was saved at."""
    return Place(state.get("a"), state.get("n", 0))


def checked(state: State, argument: str) -> State:
    """Refuse a state whose parts are of other kinds than a walk has saved."""
    kinds = {"t": str, "p": str, "a": int, "n": int, "m": int, "b": int, "e": int, "d": str}
    for key, kind in kinds.items():
        if key in state and type(state[key]) is not kind:
            raise InvalidRequest(f"{argument} is a damaged position", argument=argument)
    return state
