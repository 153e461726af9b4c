"""Structs: the fast way from JSON to models, for answers that are as the documents say.

For each model msgspec gets a Struct of the same fields, and reads bytes straight into them. It
takes nothing else: a key that no Struct knows, or a value of another kind, is an error, and the
answer is then read by `hooks`, which loses nothing. Of each Struct, a function that is generated
from the model's fields makes the model: there is nothing left to test, so it only fills slots.

Both ways give the same model; a test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
import msgspec

from ..models.base import NOTHING, Model
from ..models.ids import ConversationId, UserId
from .fields import Layout, keys_of
from .links import Links

Build = Callable[[Any, Links], Any]
"""Makes the model of a Struct; raises `SaidTwice` for one that has a field under both its names."""
BuildAll = Callable[[Iterable[Any], Links], list[Any]]

_PAIRED = {"sender_id": "sender", "author_id": "author"}
"""An id and the user it names, which are looked up in one go."""

_INSTANT = Annotated[datetime, msgspec.Meta(tz=True)]


class SaidTwice(ValueError):
    """An object has a field under both of its names."""


@attrs.frozen
class Fast:
    """How one model is read the fast way."""

    struct: type[msgspec.Struct]
    build: Build
    build_all: BuildAll
    """The same for many, in a loop of its own."""


def many(kind: Any) -> Any:
    """The type of a tuple of any length."""
    return tuple.__class_getitem__((kind, ...))


def draft_of(cls: Any) -> Any:
    """Make a subclass that is not frozen: filling its slots is seven times as fast as attrs' own
    initialiser of a frozen class, and it then becomes the model.
    """
    draft: Any = type(f"{cls.__name__}Draft", (cls,), {"__slots__": ()})
    for name in ("__init__", "__setattr__", "__delattr__"):
        setattr(draft, name, getattr(object, name))
    return draft


class _Structs:
    """The Structs of models and the functions that build the models, each made once."""

    def __init__(self) -> None:
        self._made: dict[Any, Fast] = {}

    def of(self, cls: Any) -> Fast:
        """Give, or make, those of a model and of all the models in it."""
        found = self._made.get(cls)
        if found is None:
            layout = Layout(cls)
            found = Fast(self._struct(cls, layout), *self._builders(cls, layout))
            self._made[cls] = found
        return found

    def _struct(self, cls: Any, layout: Layout) -> type[msgspec.Struct]:
        fields: list[Any] = []
        for name, kind in layout.kinds.items():
            for key in keys_of(name):
                wire = self._type(kind)
                default = (layout.defaults[name],) if name not in layout.needed else ()
                fields.append((key, wire, *default))
        # The class of an event says its type, and its type the class.
        tag = {}
        if "event_type" in vars(cls) and "event_type" not in layout.kinds:
            tag = {"tag_field": "event_type", "tag": cls.event_type}
        return msgspec.defstruct(
            cls.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False, **tag
        )

    def _type(self, kind: Any) -> Any:
        """What a value of this kind is on the wire."""
        if get_origin(kind) is tuple:
            return many(self._type(get_args(kind)[0]))
        if get_origin(kind) is Mapping:
            return dict[str, Any]
        if get_args(kind):
            return Union[tuple(self._type(k) for k in get_args(kind))]  # noqa: UP007
        if kind is datetime:
            return _INSTANT
        if issubclass(kind, Model):
            return self.of(kind).struct
        return str if issubclass(kind, str) else kind

    def _builders(self, cls: Any, layout: Layout) -> tuple[Build, BuildAll]:
        scope: dict[str, Any] = {"Draft": draft_of(cls), "cls": cls, "SaidTwice": SaidTwice}
        scope |= {"NOTHING": NOTHING}
        scope |= {f"{name}_default": default for name, default in layout.defaults.items()}
        named: dict[str, list[tuple[str, str]]] = {}
        for name, (source, resolve) in layout.resolved.items():
            named.setdefault(source, []).append((name, resolve))
        lines = ["model = Draft()"]
        for name, kind in layout.kinds.items():
            lines += self._fill(name, kind, layout, scope, named.get(name, []))
        lines += ["model.extra = NOTHING", "model.__class__ = cls"]
        begin = ["people, conversation_ids = links.people, links.conversation_ids"]
        one = ["def build(s, links):", *begin, *lines, "return model"]
        many = ["def build_all(items, links):", *begin, "made = []", "for s in items:"]
        many += [f"    {line}" for line in (*lines, "made.append(model)")] + ["return made"]
        exec("\n    ".join(one) + "\n" + "\n    ".join(many), scope)
        return scope["build"], scope["build_all"]

    def _fill(
        self,
        name: str,
        kind: Any,
        layout: Layout,
        scope: dict[str, Any],
        named: list[tuple[str, str]],
    ) -> list[str]:
        """The lines that fill a slot, and those of what it names: slots, and how each resolves."""
        classic, *today = keys_of(name)
        make = self._make(kind, scope)
        if today:
            lines = [
                f"v = s.{classic}",
                f"if v is {name}_default: v = s.{today[0]}",
                f"elif s.{today[0]} is not {name}_default: raise SaidTwice",
            ]
        elif make == "{v}" or name in layout.needed:
            return [f"model.{name} = {make.format(v=f's.{classic}')}"]
        else:
            lines = [f"v = s.{classic}"]
        if name in _PAIRED:
            both = f"model.{name}, model.{_PAIRED[name]}"
            return [*lines, f"{both} = people[v] if v is not None else (None, None)"]
        there = "v" if layout.defaults[name] == () else "v is not None"
        made = make.format(v="v")
        if not named:
            return [*lines, f"model.{name} = {made} if {there} else {name}_default"]
        slots = (name, *(slot for slot, _ in named))
        return [
            *lines,
            f"if {there}:",
            f"    model.{name} = {made}",
            *(f"    model.{slot} = {resolve}" for slot, resolve in named),
            "else:",
            *(f"    model.{slot} = {slot}_default" for slot in slots),
        ]

    def _make(self, kind: Any, scope: dict[str, Any]) -> str:
        """How a value of the wire becomes one of this kind, as source."""
        if get_origin(kind) is Mapping:
            return "{v}"
        kinds = [k for k in get_args(kind) if k not in (type(None), Ellipsis)]
        if get_origin(kind) is tuple:
            each = self._make(kinds[0], scope).format(v="item")
            if each.startswith("build_"):
                return f"tuple(build_all_{kinds[0].__name__}({{v}}, links))"
            return "{v}" if each == "item" else f"tuple([{each} for item in {{v}}])"
        if len(kinds) == 2:  # a text, or more than that
            (whole,) = [self._make(k, scope) for k in kinds if k is not str]
            return f"({{v}} if {{v}}.__class__ is str else {whole})"
        if kinds:  # it may also be None
            return self._make(kinds[0], scope)
        if kind is UserId:
            return "people[{v}][0]"
        if kind is ConversationId:
            return "conversation_ids[{v}]"
        name = kind.__name__
        if issubclass(kind, Model):
            fast = self.of(kind)
            scope |= {f"build_{name}": fast.build, f"build_all_{name}": fast.build_all}
            return f"build_{name}({{v}}, links)"
        if issubclass(kind, str) and kind is not str:
            scope[name] = kind
            return f"{name}({{v}})"
        return "{v}"


STRUCTS = _Structs()
