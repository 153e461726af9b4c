"""Seen: which events of a list are settled, where the list may show some of them late.

Pure sums over the numbers of events. ``/2/dm_events`` has been seen to show a message a second
and more after it was sent, so that a younger one may come before it: the newest number that was
seen says nothing of the older ones. What is known is therefore a floor, and by number whatever
lies above it. How the list is read is left to `look`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

import attrs

from ..errors import InvalidRequest
from .positions import State

OVERLAP = 60.0
"""Seconds, by the events' own numbers, that an event may show later than a younger one.

The recorded delays are of a second or two. A minute is far above them, and the price of it is
small: in all but the busiest accounts the newest page reaches further back anyway, and elsewhere
the minute is read once a minute. What shows later still is never yielded.
"""
ABOVE = int(OVERLAP * 1000) << 22
"""The overlap as a difference of numbers: the upper bits of a snowflake count milliseconds."""

_MOST = 10**20


@attrs.define
class Seen:
    """What is settled of one list.

    Always true:

    - every event up to ``floor`` is settled: it was finished by the consumer, or is older than
      what was asked for;
    - of those above it, ``known`` are settled, and no others;
    - what was found and is not finished is in neither, so that whoever goes on from ``state``
      finds it again.
    """

    floor: int | None = None
    """None until the list was looked at."""
    known: set[int] = attrs.field(factory=set)
    _waiting: deque[int] = attrs.field(factory=deque, init=False)
    _target: int = attrs.field(default=-1, init=False)
    _mark: tuple[int, float] | None = attrs.field(default=None, init=False, eq=False)

    @classmethod
    def of(cls, state: State, argument: str) -> Seen:
        """Read what `state` has written; `InvalidRequest` where it cannot have."""
        floor, steps = state.get("f"), state.get("k", [])
        if floor is None and not steps:
            return cls()
        if (
            not _is_count(floor)
            or not isinstance(steps, list)
            or not all(_is_count(step) for step in steps)
        ):
            raise InvalidRequest(
                f"{argument} is a damaged position: it cannot be read", argument=argument
            )
        known: set[int] = set()
        number = floor
        for step in steps:
            number += step
            known.add(number)
        return cls(floor, known)

    def state(self) -> State:
        """What is settled, as a position keeps it: the known ones as steps from the floor up."""
        if self.floor is None:
            return {}
        steps: list[int] = []
        last = self.floor
        for number in sorted(self.known):
            steps.append(number - last)
            last = number
        return {"f": self.floor, "k": steps} if steps else {"f": self.floor}

    def holds(self, number: int) -> bool:
        """Whether an event is settled, or was found and waits."""
        if self.floor is None:
            return False
        return number <= self.floor or number in self.known or number in self._waiting

    def begin(self, floor: int, old: Collection[int], new: Sequence[int]) -> None:
        """The first look at a list: ``old`` was there before, ``new`` is to be yielded."""
        self.floor = floor
        self.known = {number for number in old if number > floor}
        self._waiting.extend(new)

    def found(self, new: Sequence[int], complete: int | None) -> None:
        """A look found these, oldest first.

        ``complete`` is where the floor may go once they are finished; None where the look did
        not go down to the floor.
        """
        if complete is not None:
            self._target = max(self._target, complete)
        self._waiting.extend(new)
        if not new:
            self._settle()

    def complete_up_to(self, newest: int, began: float, now: float) -> int:
        """After a whole look: the number up to which nothing more is to come.

        It is an overlap below the newest number that the look has shown; or what was the newest
        an overlap before it began, by our own clock, on which only differences count. So a list
        in which nothing happens has its floor where its newest event is, and one page is enough
        to look at it, however much lies within the overlap of that event.
        """
        complete = newest - ABOVE
        if self._mark is None:
            self._mark = newest, now
        elif began - self._mark[1] >= OVERLAP:
            complete = max(complete, self._mark[0])
            self._mark = newest, now
        return complete

    def finish(self, number: int) -> None:
        """The consumer is done with the event that it was given first."""
        if not self._waiting or self._waiting[0] != number:
            raise RuntimeError("events are finished in the order in which they were found")
        self._waiting.popleft()
        self.known.add(number)
        # Those that wait are in ascending order now: what came before them is gone.
        self._settle()

    def _settle(self) -> None:
        if self.floor is None:
            return
        floor = min(self._target, self._waiting[0] - 1) if self._waiting else self._target
        if floor > self.floor:
            self.floor = floor
            self.known = {number for number in self.known if number > floor}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST
