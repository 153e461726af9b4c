"""Look: one look at a list, from its newest event down to what is known.

Pure: it is told the pages that came, says which to ask for next, and in the end which events are
new. There is no way to ask for what is new: https://docs.x.com/x-api/direct-messages/lookup
"""

from __future__ import annotations

from ..errors import BadRequest, UnreadableAnswer
from ..models.events import Event
from ..models.pages import Page
from .bounds import number_of
from .seen import ABOVE, OVERLAP, Seen
from .walks import UNREADABLE_NEXT, Trail, cannot_be_read

_NOWHERE = 10**20
"""Further up than any event."""


class Look:
    """From the newest page to older ones, until nothing more can be new.

    A *deep* look goes down to the floor, or to the end of the list. Any other ends at the first
    page whose oldest event is known: in an account where many pages lie within the overlap, it
    costs no more than what is new does. What it passes over, since it showed late and lies among
    what is known, the next deep look finds. A look that comes to the floor is a whole one,
    whether it had to or not; after a whole one the floor can follow.

    An error loses nothing: ``token`` still leads to the page that did not come.
    """

    def __init__(self, seen: Seen, began: float, *, deep: bool) -> None:
        self._seen = seen
        self._began = began
        self._deep = deep
        self._floor = seen.floor
        self._trail = Trail()
        self._restarted_at: int | None = None
        self.newest: int | None = None
        self._found: dict[int, Event] = {}
        self._old: set[int] = set()
        self.token: str | None = None
        """What to ask for next with; None for the newest page."""
        self.begin: int | None = None
        """In a first look, events from this number on are new; none is where it is None."""
        self.oldest: int | None = None
        self.whole = False
        self.at_the_end = False
        self.unplaced = 0
        """Events whose ids are no numbers."""

    def take(self, page: Page[Event]) -> bool:
        """Take the page that ``token`` led to; whether the look is done.

        Raises:
            UnreadableAnswer: it cannot be told what comes next; the same page can be asked for
                again.
        """
        numbers = self._note(page)
        token = page.meta.next_token
        if self._floor is not None and any(number <= self._floor for number in numbers):
            self.whole = True
        elif not self._deep and numbers and self._seen.holds(min(numbers)):
            return True
        elif not token:
            if cannot_be_read(page, "next_token"):
                raise UnreadableAnswer(UNREADABLE_NEXT)
            self.whole = self.at_the_end = True
        elif self._trail.leads_on(token, self.token):
            self.token = token
        else:
            raise UnreadableAnswer(
                "a page of a list of events leads back to one that was read before: the list "
                "would never end"
            )
        return self.whole

    def conclude(self, now: float) -> list[Event]:
        """Give what is new, oldest first, and let it be known as found."""
        new = sorted(self._found)
        complete = None
        if self.whole and self.newest is not None:
            complete = self._seen.complete_up_to(self.newest, self._began, now)
        if self._seen.floor is None:
            self._seen.begin(self._floor or 0, self._old, new)
        else:
            self._seen.found(new, complete)
        return [self._found[number] for number in new]

    def restart(self) -> bool:
        """The server refuses ``token``: begin at the newest page again.

        Whether that is worth it at once: for the first time, and whenever the look had come
        further down than the time before.

        What was found is kept, and is not known: all of it is passed once more. A first look, in
        which what is there first is old, really begins anew.
        """
        deepest = _NOWHERE if self.oldest is None else self.oldest
        further = self._restarted_at is None or deepest < self._restarted_at
        if self._seen.floor is None:
            self._floor = self.newest = None
            self._found, self._old = {}, set()
        self._restarted_at = deepest
        self.token = None
        self._trail = Trail()
        return further

    def _note(self, page: Page[Event]) -> list[int]:
        placed = [(number_of(event), event) for event in page.data]
        numbers = [number for number, _ in placed if number is not None]
        self.unplaced += len(placed) - len(numbers)
        if not numbers:
            return numbers
        if self.newest is None:
            self.newest = max(numbers)
        self.oldest = min(numbers) if self.oldest is None else min(self.oldest, *numbers)
        if self._floor is None:
            self._floor = max(self.newest - ABOVE, 0)
            if self.begin is not None:
                self._floor = min(self._floor, self.begin - 1)
        for number, event in placed:
            if number is None:
                continue
            if self._seen.floor is None and (self.begin is None or number < self.begin):
                self._old.add(number)
            elif not self._seen.holds(number):
                self._found.setdefault(number, event)
        return numbers


def deep_is_due(last: float, now: float, gap: float = 0.0) -> bool:
    """Whether a look must be a deep one: once in each overlap, and at most one look in eight.

    Nothing is missed however seldom it is. Where requests come back slowly (one in ``gap``
    seconds), a further page costs more than it is worth to have a late event soon.
    """
    return now - last >= max(OVERLAP, 8.0 * gap)


def refuses_token(error: BadRequest) -> bool:
    """Whether a request was refused for its ``pagination_token``, as an expired one is."""
    return any("pagination_token" in str(problem) for problem in error.problems)
