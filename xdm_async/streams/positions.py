"""Positions: where a reader stands, as a short string that can be kept anywhere.

A position is versioned and bound: it names what kind of reader saved it, and holds fingerprints
of the account and of what was read, so that going on with it elsewhere is refused before anything
is asked. What a state says is its reader's business; here it is packed and unpacked. It holds ids
and pagination tokens, and no secret.

    e1.eyJhIjoi…        the kind, the version, and base64url of compact JSON
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from ..errors import InvalidRequest

VERSION = 1
_VERSIONS = re.compile(r"[0-9]{1,9}")

Kind = Literal["e", "w"]
_SAVED_BY = {"e": "an EventStream", "w": "a Watch"}

State = dict[str, Any]


@attrs.frozen
class Bound:
    """What a position belongs to: whose account, and what was read of it.

    ``account`` is None as long as it is not known whose it is; it then matches any.
    """

    account: str | None
    query: str

    def prints(self) -> tuple[str | None, str]:
        """Give the fingerprints of both."""
        account = None if self.account is None else _print(self.account)
        return account, _print(self.query)


def write(kind: Kind, bound: Bound, state: Mapping[str, Any]) -> str:
    """Pack a state into a position."""
    account, query = bound.prints()
    body = json.dumps({"u": account, "q": query, **state}, separators=(",", ":")).encode()
    return f"{kind}{VERSION}.{base64.urlsafe_b64encode(body).decode().rstrip('=')}"


def read(kind: Kind, bound: Bound, position: str, argument: str) -> State:
    """Unpack a position into the state it holds.

    Raises:
        InvalidRequest: it is no position, or one of a later version, of another kind of reader,
            of another account or of another query; the sentence says which.
    """
    if not isinstance(position, str):
        raise InvalidRequest(
            f"{argument} must be a saved position, a str, not {type(position).__name__}",
            argument=argument,
        )
    head, dot, packed = position.partition(".")
    if not dot or head[:1] not in _SAVED_BY or not _VERSIONS.fullmatch(head[1:]):
        raise InvalidRequest(f"{argument} is not a saved position", argument=argument)
    if head[0] != kind:
        raise InvalidRequest(
            f"{argument} is a position that {_SAVED_BY[head[0]]} has saved, "
            f"not one of {_SAVED_BY[kind]}",
            argument=argument,
        )
    if int(head[1:]) > VERSION:
        raise InvalidRequest(
            f"{argument} is a position of version {head[1:]}, saved by a later xdm_async; "
            f"this one reads up to version {VERSION}",
            argument=argument,
        )
    try:
        state = json.loads(base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", True))
        if not isinstance(state, dict):
            raise ValueError
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidRequest(
            f"{argument} is a damaged position: it cannot be read", argument=argument
        ) from None
    account, query = bound.prints()
    saved_account, saved_query = state.pop("u", None), state.pop("q", None)
    if account is not None and saved_account is not None and saved_account != account:
        raise InvalidRequest(
            f"{argument} is a position in the events of another account than {bound.account}",
            argument=argument,
        )
    if saved_query != query:
        raise InvalidRequest(
            f"{argument} is a position of another stream than this one, which reads {bound.query}",
            argument=argument,
        )
    return state


def _print(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()
