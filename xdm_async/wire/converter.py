"""The one converter: JSON bytes to models.

No page is lost to one odd field: `hooks` puts what a model cannot hold into its ``extra``, and an
event that makes no sense is an `UnknownEvent`. Only a body that is no JSON object, or a send's
answer that names no event, raises `UnreadableAnswer`.

What to do about a refusal is left to `problems`; what an answer should hold, to the endpoints.
"""

from __future__ import annotations

import json
from typing import Any, cast

import attrs
import cattrs
import orjson

from ..errors import Problem, UnreadableAnswer
from ..models.base import Model
from ..models.events import (
    Event,
    MessageCreate,
    ParticipantsJoin,
    ParticipantsLeave,
    UnknownEvent,
)
from ..models.ids import ConversationId, EventId
from ..models.messages import SentMessage
from ..models.objects import Media, Post, User
from ..models.pages import Includes, Meta, Page
from .exchange import JSON, Response, Route
from .hooks import Hook, Links, Raw, make_hook


def write_json(value: JSON) -> bytes:
    """Write compact JSON.

    Copied, since the writer hands out its whole buffer of some 4 KiB: too much to keep for each
    of thousands of messages that wait.
    """
    return bytes(memoryview(orjson.dumps(value)))


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model) and attrs.has(kind)


converter = cattrs.Converter(detailed_validation=False)


@converter.register_structure_hook_factory(_is_model)
def _model_hook(cls: Any, converter: cattrs.BaseConverter) -> Hook:
    return make_hook(cls, converter.get_structure_hook)


_user: Hook = converter.get_structure_hook(User)
_media: Hook = converter.get_structure_hook(Media)
_post: Hook = converter.get_structure_hook(Post)
_meta: Hook = converter.get_structure_hook(Meta)
_unknown_event: Hook = converter.get_structure_hook(UnknownEvent)
_message: Hook = converter.get_structure_hook(MessageCreate)
_events: dict[str, Hook] = {
    "ParticipantsJoin": converter.get_structure_hook(ParticipantsJoin),
    "ParticipantsLeave": converter.get_structure_hook(ParticipantsLeave),
}
_FLAT_ENTITIES = {"urls", "hashtags", "cashtags", "mentions"}


def _structure_event(raw: JSON, _: object = None, links: Links | None = None) -> Event:
    if raw.__class__ is not dict:
        return UnknownEvent(extra={"event": raw})
    kind = raw.get("event_type")
    if kind == "MessageCreate":
        message: MessageCreate = _message(raw, None, links)
        if message.extra and message.entities is None and message.extra.keys() & _FLAT_ENTITIES:
            # One of the specifications has what was recognised lie open on the event.
            rest = {key: value for key, value in raw.items() if key not in _FLAT_ENTITIES}
            rest["entities"] = {key: raw[key] for key in _FLAT_ENTITIES & raw.keys()}
            message = _message(rest, None, links)
        return message
    hook = _events.get(kind, _unknown_event) if kind.__class__ is str else _unknown_event
    return cast(Event, hook(raw, None, links))


def _structure_list(
    raw: Raw, names: tuple[str, ...], structure: Hook, links: Links
) -> tuple[Any, ...]:
    """Read the list under one of ``names``; what is in it and is no object stays in ``raw``."""
    for name in names:
        value = raw.get(name)
        if type(value) is list:
            del raw[name]
            odd = [item for item in value if item.__class__ is not dict]
            if odd:
                raw[name] = odd
                value = [item for item in value if item.__class__ is dict]
            return tuple([structure(item, None, links) for item in value])
    return ()


def _structure_includes(raw: JSON, links: Links) -> Includes:
    # Users and media first, since posts resolve theirs against them.
    users = _structure_list(raw, ("users",), _user, links)
    links.users = {user.id: user for user in users}
    media = _structure_list(raw, ("media",), _media, links)
    links.media = {item.media_key: item for item in media}
    posts = _structure_list(raw, ("tweets", "posts"), _post, links)
    links.posts = {post.id: post for post in posts}
    return Includes(users=users, media=media, posts=posts, extra=raw)


def _structure_page(raw: JSON, _: object = None) -> Page[Event]:
    links = Links()
    includes = raw.pop("includes", None)
    if includes.__class__ is dict:
        included = _structure_includes(includes, links)
    else:
        included = Includes()
        _keep(raw, "includes", includes)
    data = raw.pop("data", None)
    if data.__class__ is dict:
        data = [data]
    elif data.__class__ is not list:
        _keep(raw, "data", data)
        data = ()
    events = tuple([_structure_event(item, None, links) for item in data])
    meta = raw.pop("meta", None)
    if meta.__class__ is dict:
        about = _meta(meta, Meta, links)
    else:
        about = Meta()
        _keep(raw, "meta", meta)
    errors = _structure_errors(raw)
    return Page(data=events, includes=included, meta=about, errors=errors, extra=raw)


def _structure_errors(raw: Raw) -> tuple[Problem, ...]:
    """Partial errors: a list by most accounts, one object by one."""
    errors = raw.pop("errors", None)
    if errors.__class__ is dict:
        return (errors,)
    if errors.__class__ is list:
        return tuple(e if e.__class__ is dict else {"detail": e} for e in errors)
    _keep(raw, "errors", errors)
    return ()


def _keep(raw: Raw, key: str, value: JSON) -> None:
    if value is not None:
        raw[key] = value


converter.register_structure_hook_func(lambda kind: kind == Event, _structure_event)
converter.register_structure_hook_func(lambda kind: kind == Page[Event], _structure_page)


def read_json(body: bytes) -> JSON:
    """Read JSON, or raise `ValueError`.

    What the fast reader is too strict for (half of a surrogate pair in somebody's text, a number
    beyond 64 bits) must not cost a page: the standard library's reader has the second look.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


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
    return _structure_page(_read_object(route, response))


def read_user(route: Route, response: Response) -> User | None:
    """Read the one user of an answer, or give None where it holds only errors."""
    raw = _read_object(route, response)
    data = raw.get("data")
    if data.__class__ is dict:
        user: User = _user(data, User, None)
        if user.id:
            return user
    if raw.get("errors"):
        return None
    raise UnreadableAnswer(
        f"the answer to {route.name} ({response.status}, {len(response.body)} bytes) holds no user",
        status=response.status,
    )
