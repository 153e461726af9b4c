"""Calls: one authenticated request on its way to the function that answers it.

The types that endpoints share with the pipeline around them (`service`), and the reading of
JSON bodies and ids in paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs
import msgspec

from .authentication import Caller
from .lists import Lists
from .objects import User
from .parameters import Accepted, Query
from .problems import Fault, invalid_request, invalid_value
from .switches import Switches
from .world import World

USER_ID: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
CONVERSATION_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}|[0-9]{15,19}", re.ASCII)
USERNAME: Final = re.compile(r"[A-Za-z0-9_]{1,15}", re.ASCII)


@attrs.frozen
class Call:
    """One request, understood as far as every endpoint needs it."""

    world: World
    switches: Switches
    lists: Lists
    caller: Caller
    variables: Mapping[str, str]
    """The variable parts of the path."""
    query: Query
    content_type: str
    body: bytes = attrs.field(repr=False)
    now: float

    @property
    def user(self) -> User:
        """The user who asks, on endpoints that answer to users only."""
        assert self.caller.user is not None
        return self.caller.user

    def variable(self, name: str, form: re.Pattern[str]) -> str:
        """A variable of the path, or the 400 for one that is not of the required form."""
        value = self.variables[name]
        if form.fullmatch(value) is None:
            raise invalid_request([invalid_value(name, value)])
        return value

    def json(self) -> dict[str, object]:
        """The body: a JSON object, declared as such."""
        if self.content_type.partition(";")[0].strip().lower() != "application/json":
            what = "Requests with bodies must have content-type of application/json."
            raise invalid_request([Fault(what)])
        try:
            body = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise invalid_request([Fault("The body of this request is not valid JSON.")]) from None
        if not isinstance(body, dict):
            raise invalid_request([Fault("$: object expected")])
        return body


@attrs.frozen
class Reply:
    """What an endpoint answers: a body for JSON, and headers of its own."""

    status: int
    body: dict[str, object]
    headers: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Endpoint:
    """One entry of the API: where it is, who may call it, what it takes and who answers.

    `name` is also the name under which its requests are counted.
    """

    name: str
    method: str
    path: str
    answer: Callable[[Call], Reply]
    accepted: Accepted
    scopes: frozenset[str]
    direct_messages: bool = False
    """Needs OAuth 1.0a tokens made with the permission for Direct Messages."""
    app_only: bool = False
    """The app may ask for itself."""
