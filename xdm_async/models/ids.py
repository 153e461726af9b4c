"""Identifiers: strings on the wire that order as the numbers they are.

Equality and hash stay those of `str`, so that an id is found under ``"944480690"`` in any dict;
only the order is numeric, since string order is wrong as soon as lengths differ. What shape an
id must have is told here by plain predicates; refusing one is left to the endpoints.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Self

MAX_DIGITS = 19

_OLDEST_SNOWFLAKE = 10**14
"""Smaller numbers were given out one by one and say nothing about time."""
_SNOWFLAKE_EPOCH = datetime.fromtimestamp(1_288_834_974, UTC) + timedelta(milliseconds=657)
_MILLISECOND = timedelta(milliseconds=1)


def is_number(text: str) -> bool:
    """Whether ``text`` is 1 to 19 ASCII digits: the documented shape of every numeric id."""
    return 0 < len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal()


class NumericId(str):
    """A string of digits that orders as a number, also against a plain `str` or `int`.

    A value of the server's that is not a number sorts behind all numbers, by its text.
    """

    __slots__ = ()

    @property
    def instant(self) -> datetime | None:
        """When what it names was made, to the millisecond; None for ids from before snowflakes.

        ``created_at`` is the same, cut to whole seconds.
        """
        return snowflake_instant(self)

    @classmethod
    def first_at(cls, instant: datetime) -> Self:
        """Give the smallest id that can have been made at an aware datetime."""
        milliseconds = -((_SNOWFLAKE_EPOCH - instant) // _MILLISECOND)
        return cls(max(0, milliseconds) << 22)

    def __lt__(self, other: str | int) -> bool:
        return _rank(self) < _rank(other)

    def __le__(self, other: str | int) -> bool:
        return _rank(self) <= _rank(other)

    def __gt__(self, other: str | int) -> bool:
        return _rank(self) > _rank(other)

    def __ge__(self, other: str | int) -> bool:
        return _rank(self) >= _rank(other)


def _rank(value: str | int) -> tuple[bool, int, str]:
    if isinstance(value, int):
        return (False, value, str(value))
    if value.isascii() and value.isdecimal() and len(value) <= 4 * MAX_DIGITS:
        return (False, int(value), str(value))
    return (True, 0, str(value))


def snowflake_instant(text: str) -> datetime | None:
    """Give the instant inside a snowflake: the milliseconds are all but its lowest 22 bits."""
    if not is_number(text) or int(text) < _OLDEST_SNOWFLAKE:
        return None
    return _SNOWFLAKE_EPOCH + (int(text) >> 22) * _MILLISECOND


class UserId(NumericId):
    """The id of a user: ``944480690``."""

    __slots__ = ()


class EventId(NumericId):
    """The id of a Direct Message event, a snowflake: newer events have larger ids."""

    __slots__ = ()


class PostId(NumericId):
    """The id of a post."""

    __slots__ = ()


class MediaId(NumericId):
    """The id of an uploaded medium; the part of a media key after its ``_``."""

    __slots__ = ()


_PAIR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")
_GROUP = re.compile(r"[0-9]{15,19}")
_URL = re.compile(
    r"(?:https?://)?(?:www\.|mobile\.)?(?:x|twitter)\.com/(?:messages|i/chat)/([0-9-]+)(?:[/?#].*)?",
    re.IGNORECASE | re.ASCII,
)


class ConversationId(str):
    """The id of a conversation: ``smaller-larger`` of two user ids, or the number of a group."""

    __slots__ = ()

    @property
    def is_group(self) -> bool:
        """Whether this is a group; a 1:1 conversation has both user ids in its own."""
        return "-" not in self

    @property
    def instant(self) -> datetime | None:
        """When a group was made; None for a 1:1 conversation, which always was."""
        return snowflake_instant(self)


def parse_conversation_id(text: str) -> ConversationId | None:
    """Read a conversation id, or give None where ``text`` is not of the documented shape.

    The two ids of a 1:1 conversation come back in their numeric order, whichever way round they
    were written: the server knows the conversation under no other name. The address of a
    conversation on x.com is read as well: ``https://x.com/messages/944480690-906948460078698496``.
    """
    if url := _URL.fullmatch(text):
        text = url[1]
    if pair := _PAIR.fullmatch(text):
        one, two = pair.groups()
        return ConversationId(text if int(one) <= int(two) else f"{two}-{one}")
    return ConversationId(text) if _GROUP.fullmatch(text) else None


class PaginationToken(str):
    """An opaque position between two pages, as ``next_token`` and ``previous_token`` name it."""

    __slots__ = ()
