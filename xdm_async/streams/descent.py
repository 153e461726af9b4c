"""Descent: from the newest event to the oldest, by ``next_token``."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from ..models.events import Event
from ..models.pages import Page
from .bounds import Bounds, instant_of, number_of
from .positions import State
from .walks import (
    CIRCLE,
    CUT_IS_FUZZY,
    HISTORY,
    SOON,
    UNREADABLE_NEXT,
    Fresh,
    Gap,
    Place,
    Trail,
    cannot_be_read,
    first_number,
    given_on_page,
    place_of,
)


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
        place.unplaced = self._skip = self._skip_asked = state.get("s", place.unplaced)
        if place.last is not None or place.unplaced:
            self._behind = place
        self._above = self.token is None and place.last is not None
        self._trail, self._fresh = Trail(), Fresh()

    def take(self, page: Page[Event]) -> list[Event]:
        """Give what is still to be given of a page, newest first."""
        self._note(page)
        events: list[Event] = list(page.data)
        if self._behind is not None:
            events = self._still_behind(events, self._behind)
        events, passed = self._within_bounds(self._fresh.of(events))
        self._asked, self._skip_asked = self.token, self._skip
        self._skip = 0 if self._behind is None else self._behind.unplaced
        self._step(page, passed)
        return events

    def _note(self, page: Page[Event]) -> None:
        """Remember where the list began, for who wants to read what is newer."""
        if self._newest is None:
            self._newest = first_number(page.data)
        oldest = first_number(reversed(page.data))
        if oldest is not None:
            self._oldest = oldest
        if self._previous is None:
            self._previous = page.meta.previous_token

    def _still_behind(self, events: list[Event], place: Place) -> list[Event]:
        """Leave out what was given before this walk was taken up again."""
        numbers = [number_of(event) for event in events]
        if self._above and place.last is not None:
            # From the newest page down: all that lies above the place was given, or is newer.
            if not any(number is not None and number <= place.last for number in numbers):
                return []
            self._above = False
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
            if cannot_be_read(page, "next_token"):
                self.broken = UNREADABLE_NEXT
            else:
                self.ended = self._at_the_end = True
        elif self._trail.leads_on(token, self.token):
            self.token = token
        else:
            self.broken = CIRCLE

    def begin_anew(self, place: Place) -> bool:
        """Go down from the newest page again, past what was given."""
        if self.token is None:
            return False
        self.token = self._asked = None
        self._skip, self._above = place.unplaced, place.last is not None
        self._trail = Trail()
        if place.last is not None or place.unplaced:
            self._behind = attrs.evolve(place)
        return True

    def state(self, place: Place, begun: Place, *, on_page: bool) -> State:
        """What is to be kept to go on behind ``place``."""
        stays = on_page or (self.ended and not self._at_the_end)
        token, skip = self.token, self._skip
        if self._above:
            token, skip = None, place.unplaced
        elif stays:
            token, skip = self._asked, given_on_page(place, begun, self._skip_asked)
        state: State = {
            "t": token,
            "a": place.last,
            "n": place.unplaced or None,
            "s": None if skip == place.unplaced else skip,
            "p": self._previous,
            "m": self._newest,
            "e": 1 if self.ended and not stays else None,
        }
        return {"b": int(self._began.timestamp())} | {
            key: value for key, value in state.items() if value is not None
        }

    def gap(self, now: datetime) -> Gap | None:
        """What passed the cut between the first page and the last, where that took its time."""
        if not (self._resumed and self._at_the_end) or now - self._began < SOON:
            return None
        cut = now - HISTORY
        oldest = None if self._oldest is None else instant_of(self._oldest)
        if oldest is not None and oldest < cut - CUT_IS_FUZZY:
            return None  # a list that reaches further back has no such cut
        begin = self._began - HISTORY
        since = None if self._bounds.after is None else instant_of(self._bounds.after)
        if since is not None:
            begin = max(begin, since)
        return (begin, cut) if begin < cut else None
