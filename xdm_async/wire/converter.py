"""The one converter: JSON bytes to models.

Every hook is total: it makes a model of any JSON object, whatever is in it. A value of a kind
that a field cannot hold goes to the model's ``extra`` as it came, beside what the model does not
know, and the field keeps its default; so no page is lost to an odd field. Only a body that is no
JSON object, or a send's answer that names no event, raises `UnreadableAnswer`.

Hooks are generated once per class, through cattrs' hook factory, as straight-line code: each
takes its fields out of the raw dict, and what is left in the dict is ``extra``. So a hook uses
its dict up. What to do about a refusal is left to `problems`.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Union

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
from ..models.ids import ConversationId, EventId, UserId
from ..models.messages import SentMessage
from ..models.objects import Media, Post, User
from ..models.pages import Includes, Meta, Page
from .exchange import JSON, Response, Route

write_json = orjson.dumps

CLASSIC_NAMES = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "media_source_post_ids": "media_source_tweet_id",
    "most_recent_post_id": "most_recent_tweet_id",
    "note_post": "note_tweet",
    "pinned_post_id": "pinned_tweet_id",
    "post_count": "tweet_count",
    "posts": "tweets",
    "referenced_posts": "referenced_tweets",
    "repost_count": "retweet_count",
}
"""Today's names of what the wire still calls otherwise; both are read."""


class _Interned(dict[str, UserId]):
    """The user ids of one page: the same few names stand on every event."""

    def __missing__(self, text: str) -> UserId:
        self[text] = UserId(text)
        return self[text]


class Links:
    """What one answer brought along, by id: the hooks of events and posts resolve against it."""

    __slots__ = ("media", "posts", "user_ids", "users")

    def __init__(self) -> None:
        self.user_ids = _Interned()
        self.users: dict[str, User] = {}
        self.media: dict[str, Media] = {}
        self.posts: dict[str, Post] = {}


_RESOLVED = {
    "sender": ("sender_id", "users.get({0})"),
    "author": ("author_id", "users.get({0})"),
    "participants": ("participant_ids", "tuple([users[i] for i in {0} if i in users])"),
    "media": ("attachments", "tuple([media[k] for k in {0}.media_keys if k in media])"),
    "posts": ("referenced_posts", "tuple([posts[r.id] for r in {0} if r.id in posts])"),
}
"""Fields that are no keys of the wire: which field they resolve, and how."""


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


_Names = dict[str, Any]
Hook = Callable[..., Any]
"""As cattrs wants them, ``hook(raw, type)``, and with the `Links` as a third."""


def _read(kind: Any, name: str, scope: _Names) -> tuple[str, str]:
    """The test that a value ``v`` is of a kind, and the expression that makes the field of it."""
    kinds = [k for k in typing.get_args(kind) if k is not type(None)]
    if typing.get_origin(kind) in (Union, types.UnionType) and len(kinds) == 1:
        (kind,) = kinds
    if typing.get_origin(kind) is tuple:
        test, expression = _read(kinds[0], name, scope)
        test = f"v.__class__ is list and all([{test} for v in v])"
        if expression == "v":
            return test, "tuple(v)"
        return test, f"tuple([{expression} for v in v])"
    scope[f"{name}_kind"] = kind
    if kind is float:
        return "(v.__class__ is float or v.__class__ is int)", "v"
    if kind in (str, int, bool):
        return f"v.__class__ is {kind.__name__}", "v"
    if kind is datetime:
        return "v.__class__ is str", "instant(v)"
    if kind is UserId:
        return "v.__class__ is str", "user_ids[v]"
    if isinstance(kind, type) and issubclass(kind, str):
        return "v.__class__ is str", f"{name}_kind(v)"
    scope[f"{name}_hook"] = converter.get_structure_hook(kind)
    return "v.__class__ is dict", f"{name}_hook(v, {name}_kind, links)"


def _make_hook(cls: Any, _: cattrs.BaseConverter) -> Hook:
    """Generate the hook of one model: ``hook(raw, type, links)``."""
    # The frozen initialiser of attrs costs three times as much as filling the slots of a draft
    # of the same layout, which then becomes the model.
    draft = type(f"{cls.__name__}Draft", cls.__bases__, {"__slots__": cls.__slots__})
    scope: _Names = {"Draft": draft, "model": cls, "Links": Links, "instant": _instant}
    hints = typing.get_type_hints(cls)
    names = [field.name for field in attrs.fields(cls)]
    lines = [
        "def hook(raw, _=None, links=None):",
        "    if links is None: links = Links()",
        "    user_ids, users = links.user_ids, links.users",
        "    media, posts = links.media, links.posts",
        "    pop = raw.pop",
        "    model_ = Draft()",
    ]
    for field in attrs.fields(cls):
        name, kind = field.name, hints[field.name]
        if name == "extra":
            continue
        source, expression = _RESOLVED.get(name, ("", ""))
        if source in names:
            value = f"model_.{source}"
            resolve = expression.format(value)
            if "tuple" in expression:
                resolve = f"{resolve} if {value} else ()"
            lines.append(f"    model_.{name} = {resolve}")
            continue
        if field.default is attrs.NOTHING:
            scope[f"{name}_default"] = kind()
        else:
            scope[f"{name}_default"] = field.default
        test, expression = _read(kind, name, scope)
        key = CLASSIC_NAMES.get(name, name)
        lines.append(f"    v = pop({key!r}, None)")
        if key != name:
            lines += [
                f"    key = {key!r}",
                "    if v is None:",
                f"        v = pop({name!r}, None)",
                f"        key = {name!r}",
            ]
        put_back = [
            f"        model_.{name} = {name}_default",
            f"        if v is not None: raw[{'key' if key != name else repr(key)}] = v",
        ]
        lines.append(f"    if {test}:")
        if kind is datetime or datetime in typing.get_args(kind):
            lines += ["        try:", f"            model_.{name} = {expression}"]
            lines += ["        except ValueError:"]
            lines += ["    " + line for line in put_back]
        else:
            lines.append(f"        model_.{name} = {expression}")
        lines += ["    else:", *put_back]
    lines += [
        "    model_.extra = raw if raw else {}",
        "    model_.__class__ = model",
        "    return model_",
    ]
    exec("\n".join(lines), scope)
    return typing.cast(Hook, scope["hook"])


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model) and kind.__bases__ == (Model,)


converter = cattrs.Converter(detailed_validation=False)
converter.register_structure_hook_factory(_is_model, _make_hook)

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
_FLAT_ENTITIES = ("urls", "hashtags", "cashtags", "mentions")


def _structure_event(raw: JSON, _: object = None, links: Links | None = None) -> Event:
    if raw.__class__ is not dict:
        return UnknownEvent(extra={"event": raw})
    kind = raw.get("event_type")
    if kind == "MessageCreate":
        hook = _message
        # One of the specifications has what it recognised lie open on the event.
        if "urls" in raw or "hashtags" in raw or "cashtags" in raw or "mentions" in raw:
            flat = {key: raw.pop(key) for key in _FLAT_ENTITIES if key in raw}
            raw.setdefault("entities", flat)
    elif kind.__class__ is str and kind in _events:
        hook = _events[kind]
    else:
        return typing.cast(Event, _unknown_event(raw, UnknownEvent, links))
    del raw["event_type"]
    return typing.cast(Event, hook(raw, None, links))


def _structure_list(
    raw: _Names, names: tuple[str, ...], structure: Hook, links: Links
) -> tuple[Any, ...]:
    """The list under one of ``names``; what is in it and is no object stays in ``raw``."""
    for name in names:
        value = raw.get(name)
        if value.__class__ is list:
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


def _structure_errors(raw: _Names) -> tuple[Problem, ...]:
    """Partial errors: a list by most accounts, one object by one."""
    errors = raw.pop("errors", None)
    if errors.__class__ is dict:
        return (errors,)
    if errors.__class__ is list:
        return tuple(e if e.__class__ is dict else {"detail": e} for e in errors)
    _keep(raw, "errors", errors)
    return ()


def _keep(raw: _Names, key: str, value: JSON) -> None:
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


def _read_object(route: Route, response: Response) -> _Names:
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
    return typing.cast(_Names, found)


def read_sent(route: Route, response: Response) -> SentMessage:
    """Read what a send was answered; without an event id in it the outcome is unknown.

    The conversation's id is empty in the answer that has none: the message is sent all the same.
    """
    data = _read_object(route, response).get("data")
    if data.__class__ is dict:
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
