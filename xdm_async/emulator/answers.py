"""Answers: what goes back over the wire, whoever made it up.

An answer of the API is JSON and is dressed as the platform dresses them; a *page* is for the
browser of a person who is to allow something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs
import msgspec

from .problems import Problem

JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

Silence = Literal["cut", "stall"]
"""No answer at all: the connection is closed, or kept open for as long as the client waits."""


@attrs.frozen
class Answer:
    """What goes back: status, body (empty: none) and the headers the API itself sets."""

    status: int
    body: bytes = attrs.field(repr=False)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    media_type: str = JSON
    page: bool = False
    """For a browser: it keeps cookies, and gets none from here."""


def in_json(
    status: int, body: Mapping[str, object], headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """An answer with this body."""
    return Answer(status, msgspec.json.encode(body), headers)


def refusal(problem: Problem, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A problem, as it goes over the wire."""
    body = b"" if problem.body is None else msgspec.json.encode(problem.body)
    return Answer(problem.status, body, headers)
