"""Hooks: functions that make a model of a raw JSON object, generated from the model's own fields.

Every hook is total: it makes a model of any JSON object, whatever is in it. A value of a kind
that a field cannot hold goes to the model's ``extra`` as it came, beside what the model does not
know, and the field keeps its default. What an answer is made of is left to `converter`.

Two ways lead to the same model. `ModelHook.plainly` reads field by field, and takes its time. For
each shape that it meets (the keys of an object) a `ModelHook` generates a function that has
nothing to look up: it takes the values, tests them, and fills the slots. Whatever such a function
does not expect, it leaves to the other way. Few shapes are on a page, and which function an object
goes to is guessed by its number of keys alone: it is the one that read the last object with as
many, and a wrong guess shows by a key that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args, get_origin, get_type_hints

import attrs

from ..models.base import Model
from ..models.ids import ConversationId, UserId
from .links import Links

CLASSIC_NAMES = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "media_source_post_ids": "media_source_tweet_id",
    "most_recent_post_id": "most_recent_tweet_id",
    "note_post": "note_tweet",
    "pinned_post_id": "pinned_tweet_id",
    "post_count": "tweet_count",
    "referenced_posts": "referenced_tweets",
    "repost_count": "retweet_count",
}
"""Today's names of what the wire mostly calls otherwise; both are read."""

RESOLVED = {
    "sender": ("sender_id", "links.people[model.sender_id][1]"),
    "author": ("author_id", "links.people[model.author_id][1]"),
    "participants": (
        "participant_ids",
        "tuple([u for i in model.participant_ids if (u := links.people[i][1]) is not None])",
    ),
    "media": (
        "attachments",
        "tuple([links.media[i] for i in model.attachments.media_keys if i in links.media])",
    ),
    "polls": (
        "attachments",
        "tuple([links.polls[i] for i in model.attachments.poll_ids if i in links.polls])",
    ),
    "place": ("geo", "links.places.get(model.geo.place_id)"),
    "posts": (
        "referenced_posts",
        "tuple([links.posts[p.id] for p in model.referenced_posts if p.id in links.posts])",
    ),
}
"""Fields that are no keys of the wire: which other field they resolve, and how, as source."""

PAIRED = {"sender_id": "sender", "author_id": "author"}
"""An id and the user it names, which are looked up in one go."""

LYING_OPEN = frozenset({"urls", "hashtags", "cashtags", "mentions"})
"""What one of the specifications has on a message itself, not in its ``entities``."""

Raw = dict[str, Any]
Read = Callable[[Raw, Links], Any]


@attrs.frozen
class _Reader:
    """How a value of one kind is read, as source: what it must be, and what is made of it.

    What is made may raise `ValueError` or `TypeError`, where it is found out so anyway that the
    value is of another kind.
    """

    make: str = "{v}"
    test: str = "True"
    names: Mapping[str, Any] = attrs.field(factory=dict)

    def compiled(self) -> Callable[[Any, Links], Any]:
        """Give the same as a function."""
        source = f"lambda v, links: ({self.make}) if {self.test} else odd(v)".format(v="v")
        return cast(Callable[[Any, Links], Any], eval(source, {**self.names, "odd": _odd}))


def _odd(value: object) -> None:
    raise ValueError(f"not to be read as this field: a {type(value).__name__}")


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _reader(kind: Any, hook_for: Callable[[Any], ModelHook]) -> _Reader:
    if get_origin(kind) is Mapping:
        return _Reader(test="{v}.__class__ is dict")
    kinds = [k for k in get_args(kind) if k not in (type(None), Ellipsis)]
    if get_origin(kind) is tuple:
        each = _reader(kinds[0], hook_for)
        test, make = "{v}.__class__ is list", "tuple({v})"
        if each.make != "{v}":
            make = f"tuple([{each.make.format(v='item')} for item in {{v}}])"
        if each.test != "True":
            test += f" and all([{each.test.format(v='item')} for item in {{v}}])"
        return _Reader(make, test, each.names)
    if len(kinds) == 2:  # a text, or more than that
        (whole,) = [_reader(k, hook_for) for k in kinds if k is not str]
        return attrs.evolve(whole, make=f"{{v}} if {{v}}.__class__ is str else {whole.make}")
    if kinds:  # it may also be None
        return _reader(kinds[0], hook_for)
    if kind in (str, int, bool):
        return _Reader(test=f"{{v}}.__class__ is {kind.__name__}")
    if kind is float:
        return _Reader(test="({v}.__class__ is float or {v}.__class__ is int)")
    if kind is datetime:
        make = "at if (at := instant({v})).tzinfo is UTC else aware(at)"
        return _Reader(make, names={"instant": datetime.fromisoformat, "aware": _aware, "UTC": UTC})
    if kind is UserId:
        return _Reader("links.people[{v}][0]")
    if kind is ConversationId:
        return _Reader("links.conversation_ids[{v}]")
    name = kind.__name__
    if issubclass(kind, str):
        return _Reader(f"{name}({{v}})", "{v}.__class__ is str", {name: kind})
    return _Reader(f"{name}[len({{v}})]({{v}}, links)", names={name: hook_for(kind).by_size})


class BySize(dict[int, Read]):
    """For each number of keys the function to try; one that finds out, where there is none."""

    def __init__(self, find_out: Read) -> None:
        self._find_out = find_out

    def __missing__(self, size: int) -> Read:
        return self._find_out


class ModelHook:
    """The hook of one model, as cattrs wants it: ``hook(raw, type)``.

    Where speed counts, it is ``hook.by_size[len(raw)](raw, links)``.
    """

    MOST_SHAPES = 64

    def __init__(self, cls: Any, hook_for: Callable[[Any], ModelHook]) -> None:
        self.by_size = BySize(self.find_out)
        self._by_shape: dict[frozenset[str], Read] = {}
        self._cls = cls
        # The frozen initialiser of attrs takes seven times as long as filling the slots of a
        # draft, a subclass that is not frozen, which then becomes the model.
        thawed = ("__init__", "__setattr__", "__delattr__")
        self._draft = type(f"{cls.__name__}Draft", (cls,), {"__slots__": ()})
        for name in thawed:
            setattr(self._draft, name, getattr(object, name))
        hints = get_type_hints(cls)
        self._defaults = {
            field.name: hints[field.name]() if field.default is attrs.NOTHING else field.default
            for field in attrs.fields(cls)
            if field.name != "extra"
        }
        self._resolved = {
            name: resolve
            for name, resolve in RESOLVED.items()
            if name in self._defaults and resolve[0] in self._defaults
        }
        self._readers = {
            name: _reader(hints[name], hook_for)
            for name in self._defaults
            if name not in self._resolved
        }
        self._compiled = {name: reader.compiled() for name, reader in self._readers.items()}
        self._lists = {name for name in self._readers if _lists_models(hints[name])}
        self._known = {key for name in self._readers for key in keys_of(name)}
        # The class of an event says its type already.
        self._implied = {"event_type"} & (vars(cls).keys() - self._defaults.keys())
        is_message = self._implied and "entities" in self._readers
        self._open = LYING_OPEN if is_message else frozenset[str]()

    def __call__(self, raw: Any, _: object = None) -> Any:
        """Read an object that has nothing around it."""
        return self.find_out(raw, Links())

    @property
    def shapes(self) -> int:
        """How many functions have been generated."""
        return len(self._by_shape)

    def find_out(self, raw: Raw, links: Links) -> Any:
        """Read by the function of the shape, and have it tried first for what is as long."""
        if raw.__class__ is not dict:
            raise TypeError  # for the model around it, to which this is an odd value
        shape = frozenset(raw)
        read = self._by_shape.get(shape)
        if read is None:
            if len(self._by_shape) >= self.MOST_SHAPES:
                return self.plainly(raw, links)
            if shape & self._open and "entities" not in shape:
                read = self._gather
            else:
                read = self.generate(tuple(raw))
            self._by_shape[shape] = read
        self.by_size[len(raw)] = read
        return read(raw, links)

    def _gather(self, raw: Raw, links: Links) -> Any:
        if "entities" in raw or not raw.keys() & self._open:  # the guess was wrong
            return self.find_out(raw, links)
        rest = {key: value for key, value in raw.items() if key not in self._open}
        rest["entities"] = {key: raw[key] for key in raw.keys() & self._open}
        return self.find_out(rest, links)

    def unexpected(self, raw: Raw, links: Links) -> Any:
        """Read an object that has an odd value. What is null is as good as absent."""
        if raw.__class__ is not dict:
            raise TypeError
        if None in raw.values():
            kept = {k: v for k, v in raw.items() if v is not None or k not in self._known}
            if len(kept) < len(raw):
                return self.find_out(kept, links)
        return self.plainly(raw, links)

    def plainly(self, raw: Raw, links: Links) -> Any:
        """Read field by field: what is null is absent, what is odd or unknown is extra."""
        extra = {key: value for key, value in raw.items() if key not in self._implied}
        model = self._draft()
        for name, default in self._defaults.items():
            setattr(model, name, default)
        for name, read in self._compiled.items():
            for key in keys_of(name):
                value = extra.get(key)
                if value is None:
                    extra.pop(key, None)
                    continue
                if name in self._lists and value.__class__ is dict:
                    value = [value]  # as the older specification has some lists
                try:
                    setattr(model, name, read(value, links))
                except (TypeError, ValueError):
                    continue
                del extra[key]
                break
        for name, (source, resolve) in self._resolved.items():
            if getattr(model, source):
                setattr(model, name, eval(resolve, {"model": model, "links": links}))
        model.extra = extra
        model.__class__ = self._cls
        return model

    def generate(self, shape: tuple[str, ...]) -> Read:
        """Generate the function of one shape; none of the server's words gets into its source."""
        values = {key: f"v{i}" for i, key in enumerate(shape)}
        scope: Raw = {f"k{i}": key for i, key in enumerate(shape)}
        scope |= {"Draft": self._draft, "cls": self._cls}
        scope |= {"find_out": self.find_out, "unexpected": self.unexpected}
        take = [f"v{i} = raw[k{i}]" for i in range(len(shape))]
        tests, fill, there = [], [], set()
        for name, default in self._defaults.items():
            reader = self._readers.get(name)
            v = reader and next((values.pop(key) for key in keys_of(name) if key in values), None)
            if reader and v:
                tests.append(reader.test.format(v=v))
                if name in PAIRED:
                    fill.append(f"model.{name}, model.{PAIRED[name]} = links.people[{v}]")
                else:
                    fill.append(f"model.{name} = {reader.make.format(v=v)}")
                scope |= reader.names
                there.add(name)
            elif reader or self._resolved[name][0] not in there:
                scope[f"{name}_default"] = default
                plain = default is None or default.__class__ in (str, tuple)
                fill.append(f"model.{name} = {repr(default) if plain else f'{name}_default'}")
            elif name not in PAIRED.values():
                fill.append(f"model.{name} = {self._resolved[name][1]}")
        extra = [i for i, key in enumerate(shape) if key in values and key not in self._implied]
        fill.append(f"model.extra = {{{', '.join(f'k{i}: v{i}' for i in extra)}}}")
        test = " and ".join(test for test in tests if test != "True") or "raw.__class__ is dict"
        lines = [
            "def read(raw, links):",
            "    try:",
            *(f"        {line}" for line in take),
            f"        if not ({test}):",
            "            return unexpected(raw, links)",
            "        model = Draft()",
            *(f"        {line}" for line in fill),
            "    except KeyError:  # the guess was wrong",
            "        return find_out(raw, links)",
            "    except (TypeError, ValueError):",
            "        return unexpected(raw, links)",
            "    model.__class__ = cls",
            "    return model",
        ]
        exec("\n".join(lines), scope)
        return cast(Read, scope["read"])


def keys_of(name: str) -> tuple[str, ...]:
    """Tell what a field may be called on the wire."""
    return (CLASSIC_NAMES[name], name) if name in CLASSIC_NAMES else (name,)


def _lists_models(kind: Any) -> bool:
    kinds = get_args(kind)
    return get_origin(kind) is tuple and isinstance(kinds[0], type) and issubclass(kinds[0], Model)
