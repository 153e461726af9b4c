"""Since: from where a watch goes on, as the caller has given it.

A position that a `Watch` has saved, the id of an event, or an instant; everything behind it is
delivered. A position of a watch of many accounts holds one for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from ..errors import InvalidRequest
from ..models.ids import is_number
from . import positions
from .bounds import Bounds
from .positions import Bound, State
from .seen import Seen

SEVERAL = Bound(None, "the events of several accounts")
"""What a position of a watch of many accounts belongs to."""


@attrs.frozen
class Since:
    """Where each account's list begins."""

    floor: int | None = None
    position: str | None = None
    places: Mapping[str, State] = attrs.field(factory=dict)

    @classmethod
    def of(cls, since: str | int | datetime | None, *, many: bool) -> Since:
        """Read what a caller has given.

        Raises:
            InvalidRequest: it is no position of such a watch, no event id, and no instant.
        """
        if since is None:
            return cls()
        if not isinstance(since, str) or is_number(since):
            return cls(floor=Bounds.of(since, None).after)
        if "." not in since:
            raise InvalidRequest(
                "since must be a saved position, an event id of 1 to 19 digits or an aware "
                f"datetime, not a str of {len(since)} characters that is neither",
                argument="since",
            )
        if not many:
            return cls(position=since)
        places = positions.read("w", SEVERAL, since, "since").get("all")
        if not isinstance(places, dict) or not all(isinstance(p, dict) for p in places.values()):
            raise InvalidRequest("since is a damaged position: it cannot be read", argument="since")
        for place in places.values():
            Seen.of(place, "since")
        return cls(places=places)

    def begin(self, bound: Bound) -> Seen:
        """What is settled of one list; nothing is, where it begins with the moment of entering.

        Raises:
            InvalidRequest: the position is one of another account, or of another list.
        """
        if self.position is not None:
            return restored(bound, self.position, "since")
        place = None if bound.account is None else self.places.get(bound.account)
        if place is not None:
            return Seen.of(place, "since")
        return Seen(self.floor)


def restored(bound: Bound, position: str, argument: str) -> Seen:
    """What was settled of a list when a position in it was saved."""
    return Seen.of(positions.read("w", bound, position, argument), argument)
