"""Token answers: what a token endpoint said -> tokens, or whose fault it is that there are none.

A grant is given up for good only where the answer says that the grant is meant: whatever could be
an outage, a proxy's page or a mistake of the app keeps it. Nothing raised here holds a token:
of what the server says in words, only what reads as words is told. When to ask again, and what
becomes of the grant, is left to `xdm_async.auth`.

The facts: https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl

import attrs

from .converter import read_json
from .exchange import Response
from .headers import read_retry_after
from .problems import problem_suffix, read_problems


def _hidden(value: object) -> str:
    return "None" if value is None else "'…'"


@attrs.frozen
class Tokens:
    """What the token endpoint gave."""

    access_token: str = attrs.field(repr=_hidden)
    refresh_token: str | None = attrs.field(repr=_hidden)
    """None without the scope offline.access."""
    expires_in: float | None
    """Seconds from the answer; None where the answer says nothing that can be true."""
    scopes: tuple[str, ...]
    """Those that were granted; empty where the answer does not tell."""


class _Refusal(Exception):
    """It reads as one sentence, ``description``, and holds no token."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class GrantRefused(_Refusal):
    """The token or the code is no good, for ever: the user must authorize the app again."""


class ClientRefused(_Refusal):
    """The app itself was not accepted: its keys, its callback URL, its clock. The grant stands."""


class TokenEndpointFailed(_Refusal):
    """An outage, a limit or nonsense: the grant may stand, and another try may help.

    ``status`` is the HTTP status: a 2xx says that tokens were made, and cannot be read.
    ``retry_after`` is in how many seconds the server wants to be asked again, if it says so.
    """

    def __init__(
        self, description: str, *, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.retry_after = retry_after


_LONGEST = 10 * 365 * 86_400.0
"""No access token lives longer: ``expires_in`` beyond it is an instant, or nonsense."""

_ABOUT_GRANT = re.compile(r"(?i)\b(token|code|verifier|redirect[ _]uri)\b")
_ABOUT_CLIENT = re.compile(r"(?i)\bclient([ _](id|secret))?\b|\bauthorization header\b")
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
_CLIENT = (
    "the app's own keys were not accepted: check client_id and client_secret (a confidential "
    "client needs both, a public one has no secret)"
)
_LOGIN = "the user must authorize the app again"

_OAUTH1: Mapping[int, str] = {
    32: "the signature was not accepted: check that consumer_key and consumer_secret belong "
    "together, are this app's, and are complete",
    99: "the app's own keys were not accepted: check consumer_key and consumer_secret",
    135: "the timestamp is out of bounds: set this machine's clock",
    215: "the request carried no authorization that could be read: check consumer_key and "
    "consumer_secret",
    415: "the callback URL is not approved for this app: register it in the developer portal, "
    "letter for letter (https://example.com is not https://www.example.com)",
    417: "this app is registered as a desktop app, which has no callback URL: log in with a PIN "
    "(callback_url=None), or register a callback URL in the developer portal",
}
"""Codes that are the app's matter, and what to do about each."""
_PHRASES: tuple[tuple[str, int], ...] = (
    ("callback url not approved", 415),
    ("desktop applications only support", 417),
    ("timestamp out of bounds", 135),
    ("invalid or expired token", 89),
    ("invalid request token", 89),
    ("request token missing", 89),
    ("oauth_verifier", 89),
)
"""The same in words: these endpoints also answer in plain text and XML, not always with a code."""
_OAUTH1_LOGIN = (
    "the request token or the PIN is wrong, expired, or was used before: begin the login again"
)


def read_tokens(response: Response) -> Tokens:
    """Read what the OAuth 2.0 token endpoint answered to a code or a refresh token.

    Raises:
        GrantRefused: the refresh token or the code is no good.
        ClientRefused: the app's keys were not accepted.
        TokenEndpointFailed: anything else that is no tokens.
    """
    status = response.status
    found = _object(response.body)
    if status < 200 or status >= 300:
        raise _refused(response, found)
    if found is None:
        raise _failed(
            response,
            f"is no whole JSON object ({len(response.body)} bytes): it was cut short, or "
            "something between answered in its place",
        )
    access_token = _token(found.get("access_token"))
    if access_token is None:
        raise _failed(response, "holds no access_token that could be sent")
    kind = found.get("token_type")
    if isinstance(kind, str) and kind.strip().lower() != "bearer":
        raise _failed(response, "holds a token of another type than bearer")
    return Tokens(
        access_token,
        _token(found.get("refresh_token")),
        _lifetime(found.get("expires_in")),
        _scopes(found.get("scope")),
    )


def read_revoked(response: Response) -> None:
    """Read what the revoke endpoint answered: nothing to tell if the token is revoked now.

    Raises:
        GrantRefused: there is no such token (any more): the server has nothing to revoke.
        ClientRefused: the app's keys were not accepted.
        TokenEndpointFailed: anything else that does not say that it is done.
    """
    found = _object(response.body)
    if response.status < 200 or response.status >= 300:
        raise _refused(response, found)
    # The body is nowhere documented: only one that denies it, or somebody's page, counts as a no.
    if (found is None and response.body) or (found or {}).get("revoked") is False:
        raise _failed(response, "does not say that the token is revoked")


def read_oauth1_tokens(response: Response) -> dict[str, str]:
    """Read the form that ``request_token`` and ``access_token`` of OAuth 1.0a answer with.

    It has ``oauth_token`` and ``oauth_token_secret``, and what else the server wrote:
    ``oauth_callback_confirmed``, or ``user_id`` and ``screen_name``.

    Raises:
        GrantRefused: the request token, the verifier or the PIN is no good.
        ClientRefused: the app's keys, its callback URL or this machine's clock is not accepted.
        TokenEndpointFailed: anything else that is no tokens.
    """
    if response.status < 200 or response.status >= 300:
        raise _refused_oauth1(response)
    found = dict(parse_qsl(response.body.decode("utf-8", "replace"), keep_blank_values=True))
    if _token(found.get("oauth_token")) is None or _token(found.get("oauth_token_secret")) is None:
        raise _failed(response, "holds no oauth_token with its secret")
    return found


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = read_json(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _token(value: object) -> str | None:
    """A token that fits into a header; None for whatever else."""
    return value if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) else None


def _lifetime(value: object) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,20}(\.[0-9]{1,20})?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is a float: an integer may be too long for one.
    return float(value) if 0 < value <= _LONGEST and isfinite(value) else None


_SCOPE = re.compile(r"[a-z][a-z0-9._:/-]{0,63}")
"""What a scope looks like: scopes are told, so that nothing else may pass for one."""


def _scopes(value: object) -> tuple[str, ...]:
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    fit = (name for name in names if isinstance(name, str) and _SCOPE.fullmatch(name))
    return tuple(dict.fromkeys(fit))


def _refused(response: Response, found: dict[str, Any] | None) -> _Refusal:
    status = response.status
    if status == 429 or not 400 <= status < 500 or (found is None and response.body):
        return _failed(response, "is no tokens")
    found = found or {}
    error, told = found.get("error"), found.get("error_description")
    words = told if isinstance(told, str) else ""
    if error in _CLIENT_ERRORS or (error == "invalid_request" and _ABOUT_CLIENT.search(words)):
        return ClientRefused(_CLIENT + _said(words))
    if error == "invalid_grant" or (
        status == 400 and error == "invalid_request" and _ABOUT_GRANT.search(words)
    ):
        return GrantRefused(f"the token or the code is no good any more{_said(words)}: {_LOGIN}")
    problems = read_problems(response.body)
    if any(problem_suffix(problem) == "client-forbidden" for problem in problems):
        return ClientRefused(
            "the app may not ask for tokens: it must be active and attached to a Project in the "
            "developer portal"
        )
    if status == 401 or any(problem.get("code") in (32, 99, 215) for problem in problems):
        return ClientRefused(_CLIENT + _said(words))
    return _failed(response, f"is no tokens{_said(words or str(error or ''))}")


def _refused_oauth1(response: Response) -> _Refusal:
    status = response.status
    if status == 429 or not 400 <= status < 500 or b"<html" in response.body[:500].lower():
        return _failed(response, "is no tokens")
    for code in _codes(response.body):
        if code == 89:
            return GrantRefused(_OAUTH1_LOGIN)
        if code in _OAUTH1:
            return ClientRefused(_OAUTH1[code])
    problems = read_problems(response.body)
    if any(problem_suffix(problem) == "client-forbidden" for problem in problems):
        return ClientRefused(
            "the app may not log users in: it must be active and attached to a Project in the "
            "developer portal"
        )
    if status == 401:
        return ClientRefused(
            "the server does not say what it did not accept: check consumer_key and "
            "consumer_secret, then begin the login again"
        )
    return _failed(response, "is no tokens")


def _codes(body: bytes) -> list[int]:
    """The codes of a refusal: in JSON, in XML, or guessed from its words."""
    found = [code for p in read_problems(body) if type(code := p.get("code")) is int]
    text = body[:4000].decode("utf-8", "replace").lower()
    found += [int(code) for code in re.findall(r"<error code=[\"']([0-9]{1,5})[\"']", text)]
    return found + [code for phrase, code in _PHRASES if phrase in text]


def _failed(response: Response, what: str) -> TokenEndpointFailed:
    return TokenEndpointFailed(
        f"the answer of the token endpoint ({response.status}) {what}",
        status=response.status,
        retry_after=read_retry_after(response.headers),
    )


_WORD = re.compile(r"[a-z_]{1,20}|[A-Z][a-z]{0,19}|OAuth")


def _said(words: str) -> str:
    """What the server said, as the end of a sentence: a word is told, what else there is is not."""
    told = " ".join(
        word if _WORD.fullmatch(word.strip(".,;:()[]'\"`")) else "…" for word in words.split()[:30]
    )
    return f" (the server says: {told.rstrip('.')})" if told else ""
