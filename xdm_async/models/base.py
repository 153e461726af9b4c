"""Model: what every model does alike; the fields are each model's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn, cast

import attrs


class _Nothing(dict[str, Any]):
    """An ``extra`` with nothing in it, which all models share that were sent nothing extra."""

    __slots__ = ()

    def __copy__(self) -> _Nothing:
        return self

    def __deepcopy__(self, _: Any) -> _Nothing:
        return self

    def __reduce__(self) -> str:
        return "NOTHING"


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("extra is what the server sent, and is not changed")


for _name in (
    *("__setitem__", "__delitem__", "__ior__"),
    *("update", "setdefault", "pop", "popitem", "clear"),
):
    setattr(_Nothing, _name, _refuse)

NOTHING = _Nothing()


class Model:
    """One thing the API says, frozen; its repr tells what is set and leaves out what is not."""

    __slots__ = ()

    _also: ClassVar[tuple[str, ...]] = ()
    """What the class knows and `as_json` tells beside the fields."""

    def __repr__(self) -> str:
        told = [f"{field.name}={value!r}" for field, value in self._set() if field.repr]
        return f"{type(self).__name__}({', '.join(told)})"

    def as_json(self) -> dict[str, Any]:
        """Give what is set as plain data that any JSON writer takes.

        Names are those of the attributes, and what an expansion brought stands where it is
        resolved. Instants are ISO 8601 in UTC, as the API writes them. What is in ``extra``
        stands beside the rest under its own names; only what has the name of something else
        there stays under ``extra``.
        """
        told = {name: getattr(self, name) for name in self._also}
        extra: dict[str, Any] = {}
        for field, value in self._set():
            if field.name == "extra":
                extra = dict(value)
            else:
                told[field.name] = _plain(value)
        twice = {name: extra.pop(name) for name in extra.keys() & told.keys()}
        if twice and "extra" in extra:
            twice["extra"] = extra.pop("extra")
        told |= extra
        if twice:
            told["extra"] = twice
        return told

    def _set(self) -> Iterator[tuple[attrs.Attribute[Any], Any]]:
        for field in attrs.fields(cast(Any, type(self))):
            value = getattr(self, field.name)
            if value is not None and value != () and value != "" and value != {}:
                yield field, value


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.as_json()
    if isinstance(value, datetime):
        return _printed(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _printed(instant: datetime) -> str:
    unit = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:  # at the ends of the calendar: it keeps the offset it came with
        return instant.isoformat(timespec=unit)
    return instant.replace(tzinfo=None).isoformat(timespec=unit) + "Z"
