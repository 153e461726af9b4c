"""Authentication: who is asking, and whether the credentials allow it.

It keeps the keys of the one App, gives out tokens, and turns the Authorization header of a
request into a `Caller` or a refusal. How tokens are asked for over HTTP (login, refresh,
revocation) is left to `login`, how long the grants of OAuth 2.0 last to `grants`, and how a
signature is computed to `signatures`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import attrs

from .asked import Asked
from .grants import Grants
from .mint import Mint
from .nonces import Nonces, near
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
from .switches import Switches

FULL_ACCESS: Final = "read-write-directmessages"
ALL_SCOPES: Final = (
    "dm.read",
    "dm.write",
    "tweet.read",
    "users.read",
    "media.write",
    "offline.access",
)


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
class _Pair:
    caller: Caller
    secret: str = attrs.field(repr=False)


class Authentication:
    """The keys of the App and every token it was given.

    Always true: a signature is accepted once. Nothing here prints a secret.
    """

    def __init__(self, seed: int, switches: Switches | None = None) -> None:
        self.mint = Mint(seed)
        self.app = {
            "client_id": self.mint.made_of(34),
            "client_secret": self.mint.made_of(50),
            "consumer_key": self.mint.made_of(25),
            "consumer_secret": self.mint.made_of(50),
        }
        self.app_only_token = f"{'A' * 21}{self.mint.made_of(40)}%2F{self.mint.made_of(30)}%3D"
        self.grants = Grants(self.mint, switches or Switches())
        self.nonces = Nonces()
        self._itself = Caller(None)
        self._pairs: dict[str, _Pair] = {}

    def issue_oauth1(self, user: User, access_level: str = FULL_ACCESS) -> dict[str, str]:
        """A new OAuth 1.0a token, of the form `<user id>-<random>`."""
        token, secret = f"{user.id}-{self.mint.made_of(40)}", self.mint.made_of(45)
        self._pairs[token] = _Pair(Caller(user, access_level=access_level), secret)
        return {"token": token, "token_secret": secret}

    def issue_oauth2(
        self,
        user: User,
        now: float,
        scopes: Collection[str] = ALL_SCOPES,
        expires_in: float | None = None,
    ) -> dict[str, Any]:
        """A new OAuth 2.0 access token; a refresh token only with `offline.access`."""
        issued = self.grants.issue(user, now, scopes, expires_in)
        return {
            "access_token": issued.access_token,
            "refresh_token": issued.refresh_token,
            "expires_at": issued.expires_at,
            "scopes": list(scopes),
        }

    def forget(self, user: User) -> None:
        """Every token of a user is as unknown as if nobody had been given it."""
        self.grants.end_all(user)
        for token in [token for token, pair in self._pairs.items() if pair.caller.user is user]:
            del self._pairs[token]

    def invalidate(self, asked: Asked) -> str:
        """Take back the OAuth 1.0a token that signed this; raises `Unauthenticated`."""
        signed = _read(asked)
        self._signer(signed, asked)
        del self._pairs[signed.token]
        return signed.token

    def identify(self, asked: Asked) -> Caller:
        """Who sent this request; raises `Unauthenticated`."""
        authorization = asked.headers.get("Authorization")
        if authorization is None:
            raise Unauthenticated(unauthorized())
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._bearer(credentials.strip(), asked.now)
        return self._signer(_read(asked), asked)

    def _bearer(self, token: str, now: float) -> Caller:
        bearer = self.grants.bearer(token)
        if bearer is None:
            if token == self.app_only_token:
                return self._itself
            raise Unauthenticated(unauthorized())
        if now >= bearer.expires_at:
            raise Unauthenticated(unauthorized(), bearer.grant.user)
        return Caller(bearer.grant.user, bearer.grant.rights)

    def _signer(self, signed: Signed, asked: Asked) -> Caller:
        pair = self._pairs.get(signed.token)
        if pair is None:
            raise Unauthenticated(invalid_token())
        user = pair.caller.user
        if not near(signed.timestamp, asked.now):
            raise Unauthenticated(timestamp_out_of_bounds(), user)
        if signed.consumer_key != self.app["consumer_key"] or not signed.by(
            self.app["consumer_secret"], pair.secret, bases_of(asked.headers.get("Host", ""))
        ):
            raise Unauthenticated(could_not_authenticate(), user)
        if not self.nonces.fresh((signed.token, signed.timestamp, signed.nonce), asked.now):
            raise Unauthenticated(could_not_authenticate(), user)
        return pair.caller


def _read(asked: Asked) -> Signed:
    """A signed request, taken apart; raises `Unauthenticated` for one that is none."""
    authorization = asked.headers.get("Authorization", "")
    if authorization.partition(" ")[0].lower() == "oauth":
        form = asked.body if asked.headers.get("Content-Type", "").startswith(FORM) else b""
        text = form.decode("utf-8", "replace")
        signed = read_signed(asked.method, asked.path, asked.query, authorization, text)
        if signed is not None:
            return signed
    raise Unauthenticated(bad_authentication())
