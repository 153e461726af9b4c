"""Bodies: what the body of a good answer says.

Only one that is no JSON object, or a send's answer that names no event, raises `UnreadableAnswer`.
What to do about a refusal is left to `problems`; what an answer should hold, to the endpoints.
"""

from __future__ import annotations

import logging
from typing import cast

import msgspec

from ..errors import UnreadableAnswer
from ..models.events import Event
from ..models.ids import ConversationId, EventId
from ..models.messages import SentMessage
from ..models.objects import User
from ..models.pages import Page
from .converter import hook_of, read_json
from .exchange import JSON, Response, Route
from .hooks import Raw
from .links import Links
from .pages import fast, structure_page

_log = logging.getLogger("xdm_async")


def _read_object(route: Route, response: Response) -> Raw:
    try:
        found = read_json(response.body)
    except ValueError:
        found = None
    if found.__class__ is not dict:
        # The body itself is not told, nor a cause that quotes it: it may hold a message.
        raise UnreadableAnswer(
            f"the answer to {route.name} ({response.status}, {len(response.body)} bytes) "
            "is no JSON object",
            status=response.status,
        )
    return cast(Raw, found)


def read_sent(route: Route, response: Response) -> SentMessage:
    """Read what a send was answered; without an event id in it the outcome is unknown.

    The conversation's id is empty in the answer that has none: the message is sent all the same.
    """
    data = _read_object(route, response).get("data")
    if type(data) is dict:
        event_id, where = data.get("dm_event_id"), data.get("dm_conversation_id")
        if event_id.__class__ is str or event_id.__class__ is int:
            where = where if where.__class__ is str or where.__class__ is int else ""
            return SentMessage(ConversationId(where), EventId(event_id))
    raise UnreadableAnswer(
        f"the answer to {route.name} ({response.status}, {len(response.body)} bytes) "
        "names no dm_event_id: the message may have been sent",
        status=response.status,
    )


def read_page(route: Route, response: Response) -> Page[Event]:
    """Read one page of events, with its expansions resolved on the events."""
    try:
        return fast().read(response.body)
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        found = _read_object(route, response)
        # A path and two types: nothing of what the answer says.
        _log.debug("an answer to %s is read field by field: %s", route.name, exc)
        return structure_page(found)


def read_user(route: Route, response: Response) -> User | None:
    """Read the one user of an answer, or give None where it holds only errors."""
    raw = _read_object(route, response)
    data: JSON = raw.get("data")
    if data.__class__ is dict:
        user: User = hook_of(User).read(data, Links())
        if user.id:
            return user
    if raw.get("errors"):
        return None
    raise UnreadableAnswer(
        f"the answer to {route.name} ({response.status}, {len(response.body)} bytes) holds no user",
        status=response.status,
    )
