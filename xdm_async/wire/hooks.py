"""Hooks: functions that make a model of whatever JSON object comes.

Every hook is total. A value of a kind that a field cannot hold goes to the model's ``extra`` as it
came, beside what the model does not know, and the field keeps its default. A page that is as the
documents say is read by `structs` alone, and comes here only where it is not: then each object by
itself goes the fast way, less what is unknown of it, and only one with an odd value is read field
by field. What an answer is made of is left to `converter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast, get_args, get_origin

import attrs
import msgspec

from ..models.base import Model
from ..models.ids import ConversationId, UserId
from .fields import Layout, keys_of
from .links import Links
from .structs import STRUCTS, Fast, draft_of

LYING_OPEN = frozenset({"urls", "hashtags", "cashtags", "mentions"})
"""What one of the specifications has on a message itself, not in its ``entities``."""

Raw = dict[str, Any]


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
    return _Reader(f"{name}({{v}}, links)", names={name: hook_for(kind).read})


class ModelHook:
    """The hook of one model, as cattrs wants it: ``hook(raw, type)``."""

    def __init__(self, cls: Any, hook_for: Callable[[Any], ModelHook]) -> None:
        self._cls = cls
        self._hook_for = hook_for

    def __call__(self, raw: Any, _: object = None) -> Any:
        """Read an object that has nothing around it."""
        return self.read(raw, Links())

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self._cls)

    @cached_property
    def _draft(self) -> Any:
        return draft_of(self._cls)

    @cached_property
    def _readers(self) -> dict[str, Callable[[Any, Links], Any]]:
        kinds = self._layout.kinds.items()
        return {name: _reader(kind, self._hook_for).compiled() for name, kind in kinds}

    @cached_property
    def _implied(self) -> frozenset[str]:
        """What is on the wire and said by the class already: the type of an event."""
        return frozenset({"event_type"} & (vars(self._cls).keys() - self._layout.defaults.keys()))

    @cached_property
    def _lies_open(self) -> bool:
        """Whether entities may lie open on an object of this kind: on a message."""
        return bool(self._implied) and "entities" in self._layout.kinds

    @cached_property
    def _fast(self) -> Fast | None:
        """The fast way; None for a model without one."""
        return None if "event_type" in self._layout.kinds else STRUCTS.of(self._cls)

    @cached_property
    def _known(self) -> frozenset[str]:
        known = {key for name in self._layout.kinds for key in keys_of(name)}
        return frozenset(known) | self._implied

    def read(self, raw: Raw, links: Links) -> Any:
        """Read an object, whatever is in it.

        Raises:
            TypeError: it is no object; to the model around it, an odd value.
        """
        if raw.__class__ is not dict:
            raise TypeError
        fast = self._fast
        if fast is None:
            return self.plainly(raw, links)
        extra = {key: raw[key] for key in raw.keys() - self._known}
        if self._lies_open and extra.keys() & LYING_OPEN:
            return self.plainly(raw, links)
        known = {key: raw[key] for key in raw if key not in extra} if extra else raw
        try:
            model = fast.build(msgspec.convert(known, fast.struct), links)
        except (msgspec.ValidationError, ValueError, RecursionError):
            return self.plainly(raw, links)
        if extra:
            object.__setattr__(model, "extra", extra)  # nobody has seen it yet
        return model

    def plainly(self, raw: Raw, links: Links) -> Any:
        """Read field by field: what is null is absent, what is odd or unknown is extra."""
        layout = self._layout
        extra = {key: value for key, value in raw.items() if key not in self._implied}
        if self._lies_open:
            _gather(extra)
        model = self._draft()
        for name, default in layout.defaults.items():
            setattr(model, name, default)
        for name, read in self._readers.items():
            for key in keys_of(name):
                value = extra.get(key)
                if value is None:
                    extra.pop(key, None)
                    continue
                if value.__class__ is dict and _lists_models(layout.kinds[name]):
                    value = [value]  # as the older specification has some lists
                try:
                    setattr(model, name, read(value, links))
                except (TypeError, ValueError):
                    continue
                del extra[key]
                break
        for name, (source, resolve) in layout.resolved.items():
            if getattr(model, source) not in (None, ()):
                setattr(model, name, eval(resolve, {"model": model, "links": links}))
        model.extra = extra
        model.__class__ = self._cls
        return model


def _gather(message: Raw) -> None:
    """Put what lies open on a message into its ``entities``, where it has none."""
    there = message.keys() & LYING_OPEN
    if there and message.get("entities") is None:
        message["entities"] = {key: message.pop(key) for key in there}


def _lists_models(kind: Any) -> bool:
    kinds = get_args(kind)
    return get_origin(kind) is tuple and isinstance(kinds[0], type) and issubclass(kinds[0], Model)
