"""The one converter: JSON text to plain data, and plain data to models.

What makes a model of an object is in `hooks`; which models an answer is made of, in `pages` and
`bodies`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import attrs
import cattrs
import msgspec

from ..models.base import Model
from .exchange import JSON
from .hooks import ModelHook


def write_json(value: JSON) -> bytes:
    """Write compact JSON, or raise `ValueError` for half of a surrogate pair.

    Copied, since the writer hands out its whole buffer: too much to keep for each of thousands of
    messages that wait.
    """
    return bytes(memoryview(msgspec.json.encode(value)))


def read_json(body: bytes) -> JSON:
    """Read JSON, or raise `ValueError`.

    What the fast reader is too strict for (half of a surrogate pair in somebody's text, a number
    beyond 64 bits) must not cost a page: the standard library's reader has the second look.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return json.loads(body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model) and attrs.has(kind)


converter = cattrs.Converter(detailed_validation=False)


@converter.register_structure_hook_factory(_is_model)
def _model_hook(cls: Any, converter: cattrs.BaseConverter) -> ModelHook:
    return ModelHook(cls, cast(Callable[[Any], ModelHook], converter.get_structure_hook))


def hook_of(cls: type[Model]) -> ModelHook:
    """Give the hook of a model."""
    return cast(ModelHook, converter.get_structure_hook(cls))
