"""Ascent: from a known event to the newest, by ``previous_token``."""

from __future__ import annotations

from datetime import datetime

from ..models.events import Event
from ..models.pages import Page
from .bounds import Bounds, instant_of, number_of
from .positions import State
from .walks import (
    CIRCLE,
    CUT_IS_FUZZY,
    HISTORY,
    UNREADABLE_NEXT,
    UNREADABLE_PREVIOUS,
    Fresh,
    Gap,
    Place,
    Trail,
    cannot_be_read,
    first_number,
    given_on_page,
    place_of,
)


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
        self._tail = place.unplaced
        self._skip = self._skip_asked = state.get("s", place.unplaced)
        self.token: str | None = state.get("p")
        self._climbing = self.token is not None
        self._depth = 0
        self._lowest: Page[Event] | None = None
        """On the way down, the last page that had any events, and how deep it was."""
        self._lowest_depth = 0
        self._asked = self.token
        self._first: int | None = None
        self._stopped = False
        self.ended = False
        self.broken: str | None = None
        self._trail, self._fresh = Trail(), Fresh()

    def take(self, page: Page[Event]) -> list[Event]:
        """Give what is still to be given of a page, oldest first."""
        self._asked, self._skip_asked = self.token if self._climbing else None, self._skip
        if self._climbing:
            self._climb(page)
        else:
            landing = self._landing(page)
            if landing is None:
                return []
            page = landing
        events = self._newer(list(reversed(page.data)))
        if self._first is None:
            self._first = first_number(events)
        return events

    def _climb(self, page: Page[Event]) -> None:
        # Past the newest event the server has nothing, or the same again: both are the end.
        token = page.meta.previous_token
        if not token and cannot_be_read(page, "previous_token"):
            self.broken = UNREADABLE_PREVIOUS
        elif not token or token == self.token:
            self.ended = True
        elif self._trail.leads_on(token, self.token):
            self.token = token
        else:
            self.broken = CIRCLE

    def _landing(self, page: Page[Event]) -> Page[Event] | None:
        """The page to climb from: the one with the known event, or the last that has any."""
        known = any(n is not None and n <= self._mark for n in map(number_of, page.data))
        token = page.meta.next_token
        if not known and token:
            if not self._trail.leads_on(token, self.token):
                self.broken = CIRCLE
            self.token = token
            if page.data or self._lowest is None:
                self._lowest, self._lowest_depth = page, self._depth
            self._depth += 1
            return None
        if not known and cannot_be_read(page, "next_token"):
            self.broken = UNREADABLE_NEXT
            return None
        if not page.data and self._lowest is not None:
            page, self._depth = self._lowest, self._lowest_depth
        self._lowest = None
        self._trail = Trail()
        if page.meta.previous_token:
            self.token, self._climbing = page.meta.previous_token, True
        elif self._depth:
            self.broken = "a page of a list of events has no previous_token, though newer ones are"
        else:
            self.token = None
        if not self._depth:  # it is the newest page: nothing is above it
            self.ended = True
        return page

    def _newer(self, events: list[Event]) -> list[Event]:
        cut = 0
        for index, event in enumerate(events):
            number = number_of(event)
            if number is not None and number <= self._mark:
                cut = index + 1
        # Where the mark is on the page, what was given behind it is behind it here.
        skip = self._tail if cut else self._skip
        kept: list[Event] = []
        for event in events[cut:]:
            number = number_of(event)
            if number is None:
                if skip:
                    skip -= 1
                    continue
            elif self._bounds.before is not None and number >= self._bounds.before:
                self.ended = self._stopped = True
                break
            else:
                self._mark, skip = max(self._mark, number), 0
            kept.append(event)
        self._skip = skip
        kept = self._fresh.of(kept)
        for event in kept:
            self._tail = self._tail + 1 if number_of(event) is None else 0
        return kept

    def begin_anew(self, place: Place) -> bool:
        """Go down from the newest page to the place, and climb from there."""
        if self.token is None:
            return False
        if place.last is not None:
            self._mark = max(self._mark, place.last)
        self._tail = self._skip = place.unplaced
        self.token, self._climbing, self._depth, self._lowest = None, False, 0, None
        self._trail = Trail()
        return True

    def state(self, place: Place, begun: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``."""
        token = self.token if self._climbing else None
        skip = self._skip
        if on_page or self._stopped:
            token, skip = self._asked, given_on_page(place, begun, self._skip_asked)
        last = place.last if place.last is not None else self._start
        state: State = {
            "a": last if last >= 0 else None,
            "m": last if last >= 0 else None,
            "n": place.unplaced or None,
            "s": None if skip == place.unplaced else skip,
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
        return None if first is not None and first < cut - CUT_IS_FUZZY else (known, cut)
