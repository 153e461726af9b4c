"""Authentication: who is asking, and whether the credentials allow it.

It keeps the keys of the one App, gives out tokens, and turns the Authorization header of a
request into a `Caller` or a refusal. How tokens are asked for over HTTP (login, refresh,
revocation) is another matter and not decided here; how a signature is computed is left to
`signatures`.
"""

from __future__ import annotations

import base64
import random
import string
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from .objects import User
from .problems import (
    Problem,
    bad_authentication,
    could_not_authenticate,
    invalid_token,
    timestamp_out_of_bounds,
    unauthorized,
)
from .signatures import FORM, Signed, bases_of, read_signed

FULL_ACCESS: Final = "read-write-directmessages"
ALL_SCOPES: Final = (
    "dm.read",
    "dm.write",
    "tweet.read",
    "users.read",
    "media.write",
    "offline.access",
)
TOKEN_LIFE: Final = 7_200
"""Seconds an OAuth 2.0 access token lives."""

CLOCK_TOLERANCE: Final = 300
"""Seconds an OAuth 1.0a timestamp may be off."""

_ALPHABET: Final = string.ascii_letters + string.digits


@attrs.frozen
class Caller:
    """Who is asking, and with what rights; without a user it is the app itself."""

    user: User | None
    scopes: frozenset[str] = frozenset()
    access_level: str | None = None
    """What an OAuth 1.0a token may do; None for bearer tokens."""


class Unauthenticated(Exception):
    """A refusal, and the user whose credentials they seem to be, if that is known."""

    def __init__(self, problem: Problem, user: User | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.user = user


@attrs.frozen
class _Bearer:
    caller: Caller
    expires_at: float


@attrs.frozen
class _Pair:
    caller: Caller
    secret: str = attrs.field(repr=False)


class Authentication:
    """The keys of the App and every token it was given.

    Always true: a signature is accepted once. Nothing here prints a secret.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"credentials {seed}")
        self.app = {
            "client_id": self._made_of(34),
            "client_secret": self._made_of(50),
            "consumer_key": self._made_of(25),
            "consumer_secret": self._made_of(50),
        }
        self.app_only_token = f"{'A' * 21}{self._made_of(40)}%2F{self._made_of(30)}%3D"
        self._bearers: dict[str, _Bearer] = {
            self.app_only_token: _Bearer(Caller(None), float("inf")),
        }
        self._pairs: dict[str, _Pair] = {}
        self._nonces: set[tuple[str, str, str]] = set()
        self._nonce_ages: deque[tuple[float, tuple[str, str, str]]] = deque()

    def issue_oauth1(self, user: User, access_level: str = FULL_ACCESS) -> dict[str, str]:
        """A new OAuth 1.0a token, of the form `<user id>-<random>`."""
        token, secret = f"{user.id}-{self._made_of(40)}", self._made_of(45)
        self._pairs[token] = _Pair(Caller(user, access_level=access_level), secret)
        return {"token": token, "token_secret": secret}

    def issue_oauth2(
        self,
        user: User,
        now: float,
        scopes: Collection[str] = ALL_SCOPES,
        expires_in: float = TOKEN_LIFE,
    ) -> dict[str, Any]:
        """A new OAuth 2.0 access token; a refresh token only with `offline.access`."""
        access_token = self._opaque(now, "at")
        expires_at = now + expires_in
        self._bearers[access_token] = _Bearer(Caller(user, frozenset(scopes)), expires_at)
        return {
            "access_token": access_token,
            "refresh_token": self._opaque(now, "rt") if "offline.access" in scopes else None,
            "expires_at": expires_at,
            "scopes": list(scopes),
        }

    def forget(self, user: User) -> None:
        """Every token of a user is as unknown as if nobody had been given it."""
        for tokens in (self._bearers, self._pairs):
            for token in [token for token, known in tokens.items() if known.caller.user is user]:
                del tokens[token]

    def identify(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Caller:
        """Who sent this request; raises `Unauthenticated`."""
        authorization = headers.get("Authorization")
        if authorization is None:
            raise Unauthenticated(unauthorized())
        scheme, _, credentials = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                return self._bearer(credentials.strip(), now)
            case "oauth":
                form = body if headers.get("Content-Type", "").startswith(FORM) else b""
                text = form.decode("utf-8", "replace")
                signed = read_signed(method, path, query, authorization, text)
                if signed is None:
                    raise Unauthenticated(bad_authentication())
                return self._signer(signed, headers.get("Host", ""), now)
            case _:
                raise Unauthenticated(bad_authentication())

    def _bearer(self, token: str, now: float) -> Caller:
        bearer = self._bearers.get(token)
        if bearer is None:
            raise Unauthenticated(unauthorized())
        if now >= bearer.expires_at:
            raise Unauthenticated(unauthorized(), bearer.caller.user)
        return bearer.caller

    def _signer(self, signed: Signed, host: str, now: float) -> Caller:
        pair = self._pairs.get(signed.token)
        if pair is None:
            raise Unauthenticated(invalid_token())
        user = pair.caller.user
        if not _near(signed.timestamp, now):
            raise Unauthenticated(timestamp_out_of_bounds(), user)
        if signed.consumer_key != self.app["consumer_key"] or not signed.by(
            self.app["consumer_secret"], pair.secret, bases_of(host)
        ):
            raise Unauthenticated(could_not_authenticate(), user)
        if not self._fresh((signed.token, signed.timestamp, signed.nonce), now):
            raise Unauthenticated(could_not_authenticate(), user)
        return pair.caller

    def _fresh(self, nonce: tuple[str, str, str], now: float) -> bool:
        """Whether this nonce is new; forgets those whose timestamps would be refused anyway."""
        ages = self._nonce_ages
        while ages and ages[0][0] < now:
            self._nonces.discard(ages.popleft()[1])
        if nonce in self._nonces:
            return False
        self._nonces.add(nonce)
        ages.append((now + 2 * CLOCK_TOLERANCE, nonce))
        return True

    def _made_of(self, length: int) -> str:
        return "".join(self._rng.choices(_ALPHABET, k=length))

    def _opaque(self, now: float, kind: str) -> str:
        """An OAuth 2.0 token as X makes them: base64 around what means nothing to a client."""
        inside = f"{self._made_of(43)}:{int(now * 1000)}:1:1:{kind}:1"
        return base64.b64encode(inside.encode()).decode().rstrip("=")


def _near(timestamp: str, now: float) -> bool:
    return (
        timestamp.isascii()
        and timestamp.isdigit()
        and len(timestamp) < 15
        and abs(int(timestamp) - now) <= CLOCK_TOLERANCE
    )
