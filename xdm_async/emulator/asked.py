"""What is asked of a login: one request to its endpoints, and its parameters.

Parameters come once each (RFC 6749, 3.1 and 3.2); which of them are needed is for those who
answer to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import attrs

from .signatures import FORM

_MOST_PARAMETERS: Final = 100


class Unreadable(Exception):
    """Parameters that are no form, or come twice."""


@attrs.frozen
class Asked:
    """One request, as it came in."""

    method: str
    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    now: float

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the query; raises `Unreadable`."""
        return _read(self.query)

    @property
    def form(self) -> dict[str, str]:
        """Those of a body that is a form; raises `Unreadable`."""
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != FORM:
            raise Unreadable(f"Requests with bodies must have content-type of {FORM}.")
        try:
            return _read(self.body.decode())
        except UnicodeDecodeError:
            raise Unreadable("The body of this request is not a valid form.") from None


def _read(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise Unreadable("The parameters of this request cannot be read.") from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise Unreadable("A parameter of this request is given twice.")
    return parameters
