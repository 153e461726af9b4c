"""Credentials: what proves who is asking, and what can be told from it before anything is sent.

Plain values, safe to print: secrets are in no repr. How a request is signed with them is in
`xdm_async.auth.oauth1` and `xdm_async.auth.oauth2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from math import isfinite

import attrs

from ..errors import InvalidRequest


def _hidden(value: object) -> str:
    return "None" if value is None else "'…'"


def _text(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    # A token with a line break or a space in it would end up as a broken header.
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise InvalidRequest(
            f"{attribute.name} is a string of visible ASCII characters", argument=attribute.name
        )


def _scopes(value: Iterable[str] | str) -> tuple[str, ...]:
    scopes: object = value.split() if isinstance(value, str) else value
    found = tuple(scopes) if isinstance(scopes, Iterable) else ()
    if not isinstance(scopes, Iterable) or not all(isinstance(scope, str) for scope in found):
        raise InvalidRequest(
            "scopes are a list of strings, or one string with spaces between", argument="scopes"
        )
    return found


def _instant(instance: object, attribute: attrs.Attribute[float | datetime], value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number and not (isinstance(value, datetime) and value.tzinfo is not None):
        raise InvalidRequest(
            f"{attribute.name} is a number of seconds since 1970 or a datetime with a timezone",
            argument=attribute.name,
        )


@attrs.frozen
class OAuth2:
    """An OAuth 2.0 user's bearer token.

    ``scopes`` are those that the user granted, where they are known: a call that needs another is
    refused before it is sent. ``app_only`` marks a token that speaks for the app and for no
    user; X's look it by themselves. ``refresh_token`` and ``expires_at`` (seconds since 1970, or
    an aware datetime) are kept with it as they were issued.
    """

    access_token: str = attrs.field(validator=_text, repr=_hidden)
    refresh_token: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(_text), repr=_hidden
    )
    expires_at: float | datetime | None = attrs.field(
        default=None, validator=attrs.validators.optional(_instant)
    )
    scopes: tuple[str, ...] = attrs.field(default=(), converter=_scopes)
    app_only: bool = attrs.field(default=False, kw_only=True)

    @property
    def for_app_only(self) -> bool:
        """Whether this is an app-only token, as said or as it looks."""
        return self.app_only or _APP_ONLY.match(self.access_token) is not None


_APP_ONLY = re.compile(r"A{16,}[A-Za-z0-9%]*%[0-9A-F]{2}[A-Za-z0-9%]*\Z")
"""App-only tokens open with a run of A (a packed number) and hold percent-encoded base64."""


@attrs.frozen
class OAuth1:
    """An OAuth 1.0a user's token and its secret; the consumer key and secret are the `App`'s."""

    token: str = attrs.field(validator=_text, repr=_hidden)
    token_secret: str = attrs.field(validator=_text, repr=_hidden)

    @property
    def user_id(self) -> str | None:
        """Whose token it is: X's begin with the user's id and a hyphen."""
        user_id, hyphen, _ = self.token.partition("-")
        return user_id if hyphen and re.fullmatch(r"[0-9]{1,19}", user_id) else None


Credentials = OAuth2 | OAuth1
