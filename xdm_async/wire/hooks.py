"""Hooks: functions that make a model of a raw JSON object, generated from the model's own fields.

Every hook is total: it makes a model of any JSON object, whatever is in it. A value of a kind
that a field cannot hold goes to the model's ``extra`` as it came, beside what the model does not
know, and the field keeps its default. What an answer is made of is left to `converter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args, get_origin, get_type_hints

import attrs

from ..models.ids import ConversationId, UserId
from ..models.objects import Media, Post, User

_CLASSIC_NAMES = {
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

Raw = dict[str, Any]
Hook = Callable[..., Any]
"""As cattrs wants them, ``hook(raw, type)``, and with the `Links` as a third argument."""


class _Interned(dict[str, Any]):
    """The ids of one kind on one page, each made once: the same few stand on every event."""

    def __init__(self, kind: type[str]) -> None:
        self.kind = kind

    def __missing__(self, text: str) -> Any:
        self[text] = found = self.kind(text)
        return found


class Links:
    """What one answer brought along, by id: the hooks of events and posts resolve against it."""

    __slots__ = ("conversation_ids", "media", "posts", "user_ids", "users")

    def __init__(self) -> None:
        self.user_ids = _Interned(UserId)
        self.conversation_ids = _Interned(ConversationId)
        self.users: dict[str, User] = {}
        self.media: dict[str, Media] = {}
        self.posts: dict[str, Post] = {}


def _found(known: Mapping[str, Any], ids: Iterable[str]) -> tuple[Any, ...]:
    return tuple([known[i] for i in ids if i in known])


_RESOLVED = {
    "sender": ("sender_id", "links.users.get({it})"),
    "author": ("author_id", "links.users.get({it})"),
    "participants": ("participant_ids", "found(links.users, {it})"),
    "media": ("attachments", "found(links.media, {it}.media_keys)"),
    "posts": ("referenced_posts", "found(links.posts, [post.id for post in {it}])"),
}
"""Fields that are no keys of the wire: which other field they resolve, and how, as source."""


@attrs.frozen
class _Reader:
    """How a value of one kind is read, as source: what it must be, and what is made of it."""

    test: str
    make: str = "{v}"
    names: Mapping[str, Any] = attrs.field(factory=dict)

    def compiled(self) -> Callable[[Any, Links], Any]:
        """Give the same as a function, which raises `ValueError` for a value of another kind."""
        source = f"lambda v, links: ({self.make}) if {self.test} else odd(v)".format(v="v")
        return cast(Callable[[Any, Links], Any], eval(source, {**self.names, "odd": _odd}))


def _odd(value: object) -> None:
    raise ValueError(f"not to be read as this field: a {type(value).__name__}")


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _reader(kind: Any, hook_for: Callable[[Any], Hook]) -> _Reader:
    kinds = [k for k in get_args(kind) if k not in (type(None), Ellipsis)]
    if get_origin(kind) is tuple:
        each = _reader(kinds[0], hook_for)
        test = each.test.format(v="item")
        test = f"{{v}}.__class__ is list and all([{test} for item in {{v}}])"
        make = f"tuple([{each.make.format(v='item')} for item in {{v}}])"
        return _Reader(test, make, each.names)
    if kinds:  # it may also be None
        return _reader(kinds[0], hook_for)
    if kind in (str, int, bool):
        return _Reader(f"{{v}}.__class__ is {kind.__name__}")
    if kind is float:
        return _Reader("({v}.__class__ is float or {v}.__class__ is int)")
    if kind is datetime:
        make = "at({v}) if {v}[-1:] == 'Z' else instant({v})"
        names = {"at": datetime.fromisoformat, "instant": _instant}
        return _Reader("{v}.__class__ is str", make, names)
    if kind is UserId:
        return _Reader("{v}.__class__ is str", "links.user_ids[{v}]")
    if kind is ConversationId:
        return _Reader("{v}.__class__ is str", "links.conversation_ids[{v}]")
    name = kind.__name__
    if issubclass(kind, str):
        return _Reader("{v}.__class__ is str", f"{name}({{v}})", {name: kind})
    hook = hook_for(kind)
    return _Reader("{v}.__class__ is dict", f"{name}({{v}}, None, links)", {name: hook})


class Generator:
    """Generates the hooks of one model, one for each shape (the keys of an object) it meets.

    The objects of a page have few shapes, so each is soon met again, and its hook has nothing
    to look up: it unpacks the values, tests them, and fills the slots. What does not pass a
    test, and shapes beyond ``MOST_SHAPES``, are read field by field instead.
    """

    MOST_SHAPES = 64

    def __init__(self, cls: Any, hook_for: Callable[[Any], Hook]) -> None:
        hints = get_type_hints(cls)
        self.cls = cls
        # The frozen initialiser of attrs costs three times as much as filling the slots of a
        # draft of the same layout, which then becomes the model. (Python 3.11 takes it for the
        # same layout only without a slot for weak references, hence `weakref_slot=False`.)
        self.draft = type(f"{cls.__name__}Draft", cls.__bases__, {"__slots__": cls.__slots__})
        self.defaults = {
            field.name: hints[field.name]() if field.default is attrs.NOTHING else field.default
            for field in attrs.fields(cls)
            if field.name != "extra"
        }
        self.resolved = {
            name: (source, resolve)
            for name, (source, resolve) in _RESOLVED.items()
            if name in self.defaults and source in self.defaults
        }
        self.readers = {
            name: _reader(hints[name], hook_for)
            for name in self.defaults
            if name not in self.resolved
        }
        self.compiled = {name: reader.compiled() for name, reader in self.readers.items()}
        # The class of an event says its type already.
        self.implied = {"event_type"} & (vars(cls).keys() - self.defaults.keys())
        self.hooks: dict[tuple[str, ...], Hook] = {}

    def hook_of(self, shape: tuple[str, ...]) -> Hook:
        """Give the hook of a shape that is met for the first time."""
        if len(self.hooks) >= self.MOST_SHAPES:
            return self.plainly
        hook = self.hooks[shape] = self.generate(shape)
        return hook

    def plainly(self, raw: Raw, links: Links) -> Any:
        """Read field by field: what is null is absent, what is odd or unknown is extra."""
        extra = {key: value for key, value in raw.items() if key not in self.implied}
        values = dict(self.defaults)
        for name, read in self.compiled.items():
            for key in _keys(name):
                if extra.get(key) is None:
                    extra.pop(key, None)
                    continue
                try:
                    values[name] = read(extra[key], links)
                except ValueError:
                    continue
                del extra[key]
                break
        for name, (source, resolve) in self.resolved.items():
            if values[source]:
                scope = {"found": _found, "links": links, "it": values[source]}
                values[name] = eval(resolve.format(it="it"), scope)
        return self.cls(**values, extra=extra)

    def generate(self, shape: tuple[str, ...]) -> Hook:
        """Generate the hook of one shape; none of the server's words gets into its source."""
        unread = {key: f"v{i}" for i, key in enumerate(shape)}
        values = "".join(f"{v}, " for v in unread.values())
        scope: Raw = {"Draft": self.draft, "cls": self.cls, "plainly": self.plainly}
        scope["found"] = _found
        tests, fill, there = [], [], set()
        for name, default in self.defaults.items():
            scope[f"{name}_default"] = default
            reader = self.readers.get(name)
            v = reader and next((unread.pop(key) for key in _keys(name) if key in unread), None)
            if reader and v:
                tests.append(reader.test.format(v=v))
                fill.append(f"model.{name} = {reader.make.format(v=v)}")
                scope |= reader.names
                there.add(name)
            elif reader or self.resolved[name][0] not in there:
                fill.append(f"model.{name} = {name}_default")
            else:
                source, resolve = self.resolved[name]
                fill.append(f"model.{name} = {resolve.format(it=f'model.{source}')}")
        extra = {key: v for key, v in unread.items() if key not in self.implied}
        scope |= {f"{v}_key": key for key, v in extra.items()}
        fill.append(f"model.extra = {{{', '.join(f'{v}_key: {v}' for v in extra.values())}}}")
        lines = [
            "def hook(raw, links):",
            f"    ({values}) = raw.values()" if values else "",
            f"    if not ({' and '.join(tests)}): return plainly(raw, links)" if tests else "",
            "    model = Draft()",
            "    try:",
            *(f"        {line}" for line in fill),
            "    except ValueError:  # of an instant that is none",
            "        return plainly(raw, links)",
            "    model.__class__ = cls",
            "    return model",
        ]
        exec("\n".join(lines), scope)
        return cast(Hook, scope["hook"])


def make_hook(cls: Any, hook_for: Callable[[Any], Hook]) -> Hook:
    """Make the hook of a model; ``hook_for`` knows those of the models inside it."""
    generator = Generator(cls, hook_for)
    hooks, hook_of = generator.hooks, generator.hook_of

    def structure(raw: Raw, _: object = None, links: Links | None = None) -> Any:
        shape = tuple(raw)
        return (hooks.get(shape) or hook_of(shape))(raw, links or Links())

    return structure


def _keys(name: str) -> tuple[str, ...]:
    """Tell what a field may be called on the wire."""
    return (_CLASSIC_NAMES[name], name) if name in _CLASSIC_NAMES else (name,)
