"""The one converter: JSON bytes to models.

No page is lost to one odd field: `hooks` puts what a model cannot hold into its ``extra``, and an
event that makes no sense is an `UnknownEvent`. Only a body that is no JSON object, or a send's
answer that names no event, raises `UnreadableAnswer`.

What to do about a refusal is left to `problems`; what an answer should hold, to the endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from ..models.ids import ConversationId, EventId, is_number
from ..models.included import Place, Poll, Topic
from ..models.messages import SentMessage
from ..models.objects import Media, Post, User
from ..models.pages import Includes, Meta, Page
from .exchange import JSON, Response, Route
from .hooks import BySize, ModelHook, Raw
from .links import Links


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
def _model_hook(cls: Any, converter: cattrs.BaseConverter) -> ModelHook:
    return ModelHook(cls, cast(Callable[[Any], ModelHook], converter.get_structure_hook))


def _by_size(cls: type[Model]) -> BySize:
    return cast(ModelHook, converter.get_structure_hook(cls)).by_size


_user, _media, _post = _by_size(User), _by_size(Media), _by_size(Post)
_poll, _place, _topic = _by_size(Poll), _by_size(Place), _by_size(Topic)
_meta = _by_size(Meta)
_unknown_event = _by_size(UnknownEvent)
_events = {
    cls.__name__: _by_size(cls) for cls in (MessageCreate, ParticipantsJoin, ParticipantsLeave)
}


def _read_events(raws: list[JSON], links: Links) -> tuple[Event, ...]:
    made: list[Event] = []
    for raw in raws:
        try:
            made.append(_events[raw["event_type"]][len(raw)](raw, links))
        except (KeyError, TypeError):  # of no known kind, or no event at all
            made.append(_read_other(raw, links))
    return tuple(made)


def _read_other(raw: JSON, links: Links) -> UnknownEvent:
    if raw.__class__ is not dict:
        return UnknownEvent(extra={"event": raw})
    return cast(UnknownEvent, _unknown_event[len(raw)](raw, links))


def _take_list(raw: Raw, *names: str) -> list[Raw]:
    """Take out the list under one of ``names``; what is in it and is no object stays there."""
    for name in names:
        value: JSON = raw.get(name)
        if value.__class__ is list:
            del raw[name]
            odd = [item for item in value if item.__class__ is not dict]
            if odd:
                raw[name] = odd
                return [item for item in value if item.__class__ is dict]
            return cast(list[Raw], value)
    return []


def _read_includes(raw: Raw, links: Links) -> Includes:
    # Users first and posts last, since posts resolve the others.
    users: tuple[User, ...] = _read_all(_user, _take_list(raw, "users"), links)
    for user in users:
        links.people[str(user.id)] = (user.id, user)
    media: tuple[Media, ...] = _read_all(_media, _take_list(raw, "media"), links)
    links.media = {item.media_key: item for item in media}
    polls: tuple[Poll, ...] = _read_all(_poll, _take_list(raw, "polls"), links)
    links.polls = {poll.id: poll for poll in polls}
    places: tuple[Place, ...] = _read_all(_place, _take_list(raw, "places"), links)
    links.places = {place.id: place for place in places}
    topics: tuple[Topic, ...] = _read_all(_topic, _take_list(raw, "topics"), links)
    posts = _read_posts(_take_list(raw, "tweets", "posts"), links)
    return Includes(
        users=users,
        media=media,
        posts=posts,
        polls=polls,
        places=places,
        topics=topics,
        extra=raw,
    )


def _read_all(by_size: BySize, raws: list[Raw], links: Links) -> tuple[Any, ...]:
    return tuple([by_size[len(raw)](raw, links) for raw in raws])


def _read_posts(raws: list[Raw], links: Links) -> tuple[Post, ...]:
    """Read posts, the oldest first: each finds those that it refers to, and none finds itself."""
    made = {}
    for place in sorted(range(len(raws)), key=lambda place: _age(raws[place])):
        post: Post = _post[len(raws[place])](raws[place], links)
        made[place] = links.posts[str(post.id)] = post
    return tuple([made[place] for place in range(len(raws))])


def _age(raw: Raw) -> int:
    text: JSON = raw.get("id")
    return int(text) if text.__class__ is str and is_number(text) else 0


def _structure_page(raw: JSON, _: object = None) -> Page[Event]:
    links = Links()
    includes = raw.pop("includes", None)
    if includes.__class__ is dict:
        included = _read_includes(includes, links)
    else:
        included = Includes()
        _keep(raw, "includes", includes)
    data = raw.pop("data", None)
    if data.__class__ is dict:
        data = [data]
    elif data.__class__ is not list:
        _keep(raw, "data", data)
        data = []
    events = _read_events(data, links)
    meta = raw.pop("meta", None)
    if meta.__class__ is dict:
        about = _meta[len(meta)](meta, links)
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


def _structure_event(raw: JSON, _: object = None) -> Event:
    return _read_events([raw], Links())[0]


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
    data: JSON = raw.get("data")
    if data.__class__ is dict:
        user: User = _user[len(data)](data, Links())
        if user.id:
            return user
    if raw.get("errors"):
        return None
    raise UnreadableAnswer(
        f"the answer to {route.name} ({response.status}, {len(response.body)} bytes) holds no user",
        status=response.status,
    )
