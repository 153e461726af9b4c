"""Bounds: from where to where a list is read, by the ids of events or by instants.

The API knows neither; a reader skips and stops by itself. An event's id holds the instant at
which it was made, so both kinds of bound become numbers that ids are compared with.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from ..endpoints import checks
from ..errors import InvalidRequest
from ..models.events import Event
from ..models.ids import EventId, is_number

Bound = str | int | datetime
"""An event id, or an aware datetime."""


def number_of(event: Event) -> int | None:
    """Give the number by which events are ordered; None for one whose id is no number."""
    return int(event.id) if is_number(event.id) else None


def instant_of(number: int) -> datetime | None:
    """Tell when an event of this id was made; None for an id from before the snowflakes."""
    return EventId(str(number)).instant


@attrs.frozen
class Bounds:
    """Events behind ``after`` and before ``before``, both by number and not themselves in it."""

    after: int | None = None
    before: int | None = None

    @classmethod
    def of(cls, since: Bound | None, until: Bound | None) -> Bounds:
        """Read what a caller has given.

        The event of an id is not in it, on either side; an instant is where ``since`` begins, and
        ends right before ``until``.

        Raises:
            InvalidRequest: one of them is no event id and no aware datetime, or nothing can lie
                between them.
        """
        after, at_once = _number(since, "since")
        before, _ = _number(until, "until")
        if after is not None and at_once:
            after -= 1
        if after is not None and before is not None and after + 1 >= before:
            raise InvalidRequest(
                "since must be before until: nothing lies between them", argument="since"
            )
        return cls(after, before)


def _number(bound: Bound | None, argument: str) -> tuple[int | None, bool]:
    """Give the number of a bound, and whether it was given as an instant."""
    if bound is None:
        return None, False
    if isinstance(bound, datetime):
        if bound.tzinfo is None or bound.utcoffset() is None:
            raise InvalidRequest(
                f"{argument} must be an aware datetime: say in which time zone, such as "
                "datetime.now(timezone.utc)",
                argument=argument,
            )
        return int(EventId.first_at(bound)), True
    return int(checks.event_id(bound, argument)), False
