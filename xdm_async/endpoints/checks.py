"""What the API would refuse is refused here, before a token of any budget is spent.

Each check gives back the value as it goes over the wire, or raises `InvalidRequest` with the
argument's name, the shape of what came, and the rule. A message's text never appears in one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ..errors import InvalidRequest
from ..models.ids import ConversationId, is_number, parse_conversation_id

MAX_TEXT = 10_000
MAX_OTHERS = 49
"""A group has up to 50 participants, and the caller is one of them."""


def user_id(value: str | int, argument: str) -> str:
    """Check the id of a user, as 1 to 19 digits; an `int` is taken as well."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and is_number(text):
        return text
    raise InvalidRequest(
        f"{argument} must be a user id of 1 to 19 digits, not {_shape(value)}", argument=argument
    )


def event_id(value: str | int, argument: str = "event_id") -> str:
    """Check the id of an event, as 1 to 19 digits; an `int` is taken as well."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and is_number(text):
        return text
    raise InvalidRequest(
        f"{argument} must be an event id of 1 to 19 digits, not {_shape(value)}", argument=argument
    )


def conversation_id(value: str | int, argument: str = "dm_conversation_id") -> ConversationId:
    """Check the id of a conversation, or its address on x.com; a 1:1 comes in numeric order."""
    text = str(value) if type(value) is int else value
    found = parse_conversation_id(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidRequest(
            f"{argument} must be two user ids joined by '-', a group's number of 15 to 19 "
            f"digits, or the address of either on x.com, not {_shape(value)}",
            argument=argument,
        )
    return found


def participants(values: Iterable[str | int]) -> list[str]:
    """Check the others of a new group, 1 to 49 user ids; the caller is in it unnamed."""
    name = "participant_ids"
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidRequest(
            f"{name} must be a list of user ids, not {_shape(values)}; "
            "to write to one user, use send",
            argument=name,
        )
    ids = [user_id(value, f"{name}[{i}]") for i, value in enumerate(values)]
    if not 1 <= len(ids) <= MAX_OTHERS:
        raise InvalidRequest(
            f"{name} holds {len(ids)} ids: a group takes 1 to {MAX_OTHERS} others besides you",
            argument=name,
        )
    return ids


def text(value: str) -> str:
    """Check the text of a message: not empty, at most 10,000 characters.

    The documents give the number and not the unit; code points after NFC is how X counts posts.
    https://docs.x.com/fundamentals/counting-characters
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"text must be a str, not {_kind(value)}", argument="text")
    if not value:
        raise InvalidRequest("text is empty: a message needs text", argument="text")
    # NFC makes a text at most three times as long, so a short one need not be normalised.
    if 3 * len(value) > MAX_TEXT:
        length = len(value if value.isascii() else unicodedata.normalize("NFC", value))
        if length > MAX_TEXT:
            raise InvalidRequest(
                f"text has {length} characters, a message takes at most {MAX_TEXT}",
                argument="text",
            )
    return value


def _kind(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__}"


def _shape(value: object) -> str:
    """Tell what came without repeating it all: it may be a text that got into the wrong place."""
    if isinstance(value, str):
        if not value:
            return "an empty str"
        seen = value if len(value) <= 40 and not value.isspace() and _harmless(value) else None
        return f"{seen!r}" if seen is not None else f"a str of {len(value)} characters"
    if type(value) is int:
        return f"{value}" if -(10**24) < value < 10**24 else "a far larger number"
    return _kind(value)


def _harmless(value: str) -> bool:
    """Whether it looks like an id or a name, and not like somebody's message."""
    return value.isascii() and all(c.isalnum() or c in "@_-." for c in value)
