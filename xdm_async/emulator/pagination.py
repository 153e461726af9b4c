"""Pages: pagination tokens, and the cut of a feed that a token asks for.

A token is a position, not a snapshot: the id of the oldest (`next`) or the newest (`previous`)
event of the page that carried it. What may be asked is left to `parameters`, what a page looks
like to `rendering`.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from operator import attrgetter
from typing import Final

import attrs

from .objects import Event, EventType, Feed

_NEXT: Final = b"\x0a\x2a\xa5"
_PREVIOUS: Final = b"\x0a\xea\xc2"
_END: Final = b"\x00"
_LENGTH: Final = 24
_BY_NUMBER: Final = attrgetter("number")


@attrs.frozen
class Position:
    """Where a page begins: after this event, towards the older or the newer ones."""

    number: int
    older: bool

    def token(self) -> str:
        """The position as a token: base32hex of 12 bytes, padded with Z."""
        tag = _NEXT if self.older else _PREVIOUS
        packed = tag + self.number.to_bytes(8, "big") + _END
        return base64.b32hexencode(packed).decode().replace("=", "Z")


def position_of(token: str) -> Position | None:
    """The position a token stands for, or None if it is not one of ours."""
    if len(token) != _LENGTH or "=" in token:
        return None
    try:
        packed = base64.b32hexdecode(token.replace("Z", "="))
    except (binascii.Error, ValueError):
        return None
    tag, number, end = packed[:3], packed[3:11], packed[11:]
    if tag not in (_NEXT, _PREVIOUS) or end != _END:
        return None
    return Position(int.from_bytes(number, "big"), tag == _NEXT)


@attrs.frozen
class Page:
    """A page, newest event first, and the positions on both of its sides.

    The positions are those of what was looked at: a filter that comes after the cut may leave
    a page short, or even empty in the middle of a feed.
    """

    events: list[Event]
    older: Position | None
    newer: Position | None


def cut(
    feed: Feed,
    *,
    position: Position | None,
    size: int,
    event_types: Collection[EventType],
    oldest_number: int = 0,
    filter_after_cut: bool = False,
    always_older: bool = True,
) -> Page:
    """One page of a feed, at most `size` events not older than `oldest_number`.

    `always_older` keeps the position towards older events even on the page that holds the
    oldest, as recorded; without it that page ends a scan.
    """
    types: Collection[EventType] = feed.keys() if filter_after_cut else event_types
    found: list[Event] = []
    for event_type in types:
        events = feed.get(event_type, [])
        begin = bisect_left(events, oldest_number, key=_BY_NUMBER)
        if position is None or position.older:
            end = len(events)
            if position is not None:
                end = bisect_left(events, position.number, key=_BY_NUMBER)
            found += events[max(begin, end - size) : end]
        else:
            begin = max(begin, bisect_right(events, position.number, key=_BY_NUMBER))
            found += events[begin : begin + size]
    found.sort(key=_BY_NUMBER)
    found = found[-size:] if position is None or position.older else found[:size]
    found.reverse()
    if not found:
        return Page([], None, None)
    oldest, newest = found[-1].number, found[0].number
    older = always_older or any(
        bisect_left(feed.get(event_type, []), oldest_number, key=_BY_NUMBER)
        < bisect_left(feed.get(event_type, []), oldest, key=_BY_NUMBER)
        for event_type in types
    )
    if filter_after_cut:
        found = [event for event in found if event.event_type in event_types]
    return Page(found, Position(oldest, True) if older else None, Position(newest, False))
