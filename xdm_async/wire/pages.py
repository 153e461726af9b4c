"""Pages: what a list of events is made of, and in which order it is read.

What an answer includes comes first, users before all and posts last, since they resolve the rest;
then the events, which resolve them all. A page that is as the documents say is read by `structs`.
One that is not goes through `hooks`, which put what a model cannot hold into its ``extra``, and an
event that makes no sense is an `UnknownEvent`: no page is lost to one odd field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Union, cast

import attrs
import msgspec

from ..errors import Problem
from ..models.base import NOTHING, Model
from ..models.events import (
    Event,
    MessageCreate,
    ParticipantsJoin,
    ParticipantsLeave,
    UnknownEvent,
)
from ..models.ids import is_number
from ..models.included import Place, Poll, Topic
from ..models.objects import Media, Post, User
from ..models.pages import Includes, Meta, Page
from .converter import converter, hook_of
from .exchange import JSON
from .hooks import Raw
from .links import Links, Person
from .structs import STRUCTS, SaidTwice, many

_EVENTS = (MessageCreate, ParticipantsJoin, ParticipantsLeave)
_INCLUDED: dict[str, type[Model]] = {
    "media": Media,
    "polls": Poll,
    "places": Place,
    "topics": Topic,
    "posts": Post,
}


@attrs.frozen
class _Way:
    """One way of reading: what makes the models of what an answer includes, by its name."""

    make: Mapping[str, Callable[[Any, Links], Any]]
    id_of: Callable[[Any], object]
    """The id of something that is not read yet."""


_plain = _Way(
    {name: hook_of(cls).read for name, cls in _INCLUDED.items()}, lambda raw: raw.get("id")
)


class _Users:
    """Users by what the server said of them, word for word: the same few are on every page.

    One of whom the same was said before is the same object again. Users are frozen and resolve
    nothing, so pages, and the accounts that read them, can share them.
    """

    MOST = 1_000

    def __init__(self) -> None:
        fast = STRUCTS.of(User)
        self._build = fast.build
        self._decode = msgspec.json.Decoder(fast.struct).decode
        self._known: dict[bytes, tuple[str, Person]] = {}

    def read(self, raws: Iterable[msgspec.Raw], links: Links) -> tuple[User, ...]:
        """Read the users of an answer, and let them be found by its events and posts."""
        known, people = self._known, links.people
        users: list[User] = []
        for raw in raws:
            said = bytes(raw)
            found = known.get(said)
            if found is None:
                user: User = self._build(self._decode(said), links)
                if len(known) >= self.MOST:
                    known.clear()
                found = known[said] = str(user.id), (user.id, user)
            key, person = found
            people[key] = person
            users.append(cast(User, person[1]))
        return tuple(users)


def _read_includes(
    way: _Way,
    users: tuple[User, ...],
    listed: Mapping[str, Sequence[Any]],
    extra: Mapping[str, Any],
    links: Links,
) -> Includes:
    """Read what is included beside the users, who come first; posts resolve the others."""

    def all_of(name: str) -> tuple[Any, ...]:
        items, make = listed[name], way.make[name]
        return tuple([make(item, links) for item in items]) if items else ()

    media: tuple[Media, ...] = all_of("media")
    links.media = {item.media_key: item for item in media}
    polls: tuple[Poll, ...] = all_of("polls")
    links.polls = {poll.id: poll for poll in polls}
    places: tuple[Place, ...] = all_of("places")
    links.places = {place.id: place for place in places}
    posts = _read_posts(way, listed["posts"], links)
    return Includes(
        users=users,
        media=media,
        polls=polls,
        places=places,
        topics=all_of("topics"),
        posts=posts,
        extra=extra,
    )


def _read_posts(way: _Way, items: Sequence[Any], links: Links) -> tuple[Post, ...]:
    """Read posts, the oldest first: each finds those that it refers to, and none finds itself."""
    make, made = way.make["posts"], {}
    for place in sorted(range(len(items)), key=lambda place: _age(way.id_of(items[place]))):
        post: Post = make(items[place], links)
        made[place] = links.posts[str(post.id)] = post
    return tuple([made[place] for place in range(len(items))])


def _age(text: object) -> int:
    return int(text) if isinstance(text, str) and is_number(text) else 0


# As the documents say


class _Fast:
    """Reads a whole page the fast way; made when the first one comes, since it takes a while."""

    def __init__(self) -> None:
        events = [STRUCTS.of(cls) for cls in _EVENTS]
        self._events = {fast.struct: fast for fast in events}
        self._users = _Users()
        included = {name: STRUCTS.of(cls) for name, cls in _INCLUDED.items()}
        self._way = _Way({name: fast.build for name, fast in included.items()}, attrgetter("id"))
        self._meta = STRUCTS.of(Meta)
        lists = {name: many(fast.struct) for name, fast in included.items()}
        lists["tweets"], lists["users"] = lists["posts"], many(msgspec.Raw)
        page = {
            "data": many(Union[tuple(fast.struct for fast in events)]),  # noqa: UP007
            "includes": _struct("Includes", lists),
            "meta": self._meta.struct,
            "errors": many(dict[str, Any]),
        }
        self._decode = msgspec.json.Decoder(_struct("Page", page)).decode

    def read(self, body: bytes) -> Page[Event]:
        """Read a page that is as the documents say.

        Raises:
            MsgspecError: it is not, or it is no JSON.
            SaidTwice: something stands there under both of its names.
        """
        found: Any = self._decode(body)
        links = Links()
        includes = Includes()
        if found.includes:
            listed = {name: getattr(found.includes, name) for name in _INCLUDED}
            if found.includes.tweets:
                if listed["posts"]:
                    raise SaidTwice
                listed["posts"] = found.includes.tweets
            users = self._users.read(found.includes.users, links)
            includes = _read_includes(self._way, users, listed, NOTHING, links)
        return Page(
            data=self._read_events(found.data, links),
            includes=includes,
            meta=self._meta.build(found.meta, links) if found.meta else Meta(),
            errors=found.errors,
            extra=NOTHING,
        )

    def _read_events(self, structs: tuple[Any, ...], links: Links) -> tuple[Event, ...]:
        kinds = set(map(type, structs))
        if len(kinds) == 1:
            return tuple(self._events[kinds.pop()].build_all(structs, links))
        return tuple([self._events[one.__class__].build(one, links) for one in structs])


def _struct(name: str, fields: Mapping[str, Any]) -> type[msgspec.Struct]:
    listed = [(key, kind, ()) for key, kind in fields.items()]
    return msgspec.defstruct(name, listed, forbid_unknown_fields=True, gc=False)


fast = cache(_Fast)


# Whatever comes


_BY_TYPE = {cls.event_type: hook_of(cls) for cls in _EVENTS}


def _read_event(raw: JSON, links: Links) -> Event:
    if raw.__class__ is not dict:
        return UnknownEvent(extra={"event": raw})
    kind: JSON = raw.get("event_type")
    hook = _BY_TYPE.get(kind) if kind.__class__ is str else None
    event: Event = (hook or hook_of(UnknownEvent)).read(raw, links)
    return event


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


def structure_page(raw: JSON, _: object = None) -> Page[Event]:
    """Read a page, whatever is in it; ``raw`` becomes its ``extra``."""
    links = Links()
    includes = raw.pop("includes", None)
    if includes.__class__ is dict:
        listed = {
            name: _take_list(includes, *(("tweets", name) if name == "posts" else (name,)))
            for name in _INCLUDED
        }
        read = hook_of(User).read
        users = tuple([read(user, links) for user in _take_list(includes, "users")])
        for user in users:
            links.people[str(user.id)] = (user.id, user)
        included = _read_includes(_plain, users, listed, includes, links)
    else:
        included = Includes()
        _keep(raw, "includes", includes)
    data = raw.pop("data", None)
    if data.__class__ is dict:
        data = [data]
    elif data.__class__ is not list:
        _keep(raw, "data", data)
        data = []
    meta = raw.pop("meta", None)
    if meta.__class__ is dict:
        about = hook_of(Meta).read(meta, links)
    else:
        about = Meta()
        _keep(raw, "meta", meta)
    errors = _structure_errors(raw)
    return Page(
        data=tuple([_read_event(event, links) for event in data]),
        includes=included,
        meta=about,
        errors=errors,
        extra=raw,
    )


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
    return _read_event(raw, Links())


converter.register_structure_hook_func(lambda kind: kind == Event, _structure_event)
converter.register_structure_hook_func(lambda kind: kind == Page[Event], structure_page)
