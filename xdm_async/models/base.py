"""Model: what every model does alike; the fields are each model's own."""

from __future__ import annotations

from typing import Any, cast

import attrs


class Model:
    """One thing the API says, frozen; its repr tells what is set and leaves out what is not."""

    __slots__ = ()

    def __repr__(self) -> str:
        told = []
        for field in attrs.fields(cast(Any, type(self))):
            value = getattr(self, field.name)
            if field.repr and value is not None and value != () and value != "" and value != {}:
                told.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(told)})"
