"""Request tokens of OAuth 1.0a, and what oauthlib's server half asks about them.

A request token is the App's question on its way to a user and back: who answered it, and by
which verifier the App may tell. oauthlib judges the requests, and asks here; what it hears is
kept to one App, HMAC-SHA1 and the emulator's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
from oauthlib.oauth1 import RequestValidator

from .authentication import Authentication
from .nonces import near
from .objects import User
from .problems import could_not_authenticate, timestamp_out_of_bounds
from .signatures import bases_of

if TYPE_CHECKING:  # the published stubs have properties and types that oauthlib does not hold to
    _Asked = object
else:
    _Asked = RequestValidator

OUT_OF_BAND: Final = "oob"
"""The callback of an App that has none: the user types a PIN."""

_NOBODY: Final = ""
_LONGEST: Final = 500


@attrs.define(eq=False)
class RequestToken:
    """One question; once a user said yes, `user` and `verifier` are set."""

    secret: str = attrs.field(repr=False)
    callback: str
    user: User | None = None
    verifier: str | None = attrs.field(default=None, repr=False)


RequestTokens = dict[str, RequestToken]
"""Those not yet turned into an access token, nor denied."""


class Validator(_Asked):
    """Answers for one request, at its moment.

    The names and arguments are oauthlib's, whose own documentation says what each is asked for.
    """

    def __init__(
        self,
        tokens: RequestTokens,
        authentication: Authentication,
        callbacks: Sequence[str],
        host: str,
        now: float,
    ) -> None:
        super().__init__()
        self.bases = tuple(bases_of(host))
        """The addresses that a client may have signed for, the one it asked first."""
        self._tokens = tokens
        self._authentication = authentication
        self._callbacks = callbacks
        self._now = now

    enforce_ssl = False
    allowed_signature_methods = ("HMAC-SHA1",)
    # oauthlib would look at the real clock; `validate_timestamp_and_nonce` looks at ours.
    timestamp_lifetime = float("inf")
    dummy_client = dummy_request_token = _NOBODY

    def _is_sane(self, value: str) -> bool:
        """A form of keys, tokens and nonces that leaves each client its own."""
        return value.isascii() and value.isprintable() and len(value) <= _LONGEST

    check_client_key = check_request_token = check_nonce = check_verifier = _is_sane

    # The client, and when it asks

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        """Whether it is the one App."""
        return client_key == self._authentication.app["consumer_key"]

    def get_client_secret(self, client_key: str, request: Any) -> str:
        """The App's; for whoever else a signature is wrong anyway."""
        return self._authentication.app["consumer_secret"]

    def validate_timestamp_and_nonce(
        self, client_key: str, timestamp: str, nonce: str, request: Any, **tokens: Any
    ) -> bool:
        """Whether the time is near; the nonce is spent only by a signature that is right."""
        if not near(timestamp, self._now):
            raise timestamp_out_of_bounds()
        return True

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        """Whether a login may end there."""
        return redirect_uri == OUT_OF_BAND or redirect_uri in self._callbacks

    # Realms: there are none

    def get_default_realms(self, client_key: str, request: Any) -> list[str]:
        """None."""
        return []

    def get_realms(self, token: str, request: Any) -> list[str]:
        """None."""
        return []

    def check_realms(self, realms: Sequence[str]) -> bool:
        """A realm says nothing to X, and is no reason to refuse."""
        return True

    def validate_requested_realms(
        self, client_key: str, realms: Sequence[str], request: Any
    ) -> bool:
        """As above."""
        return True

    # Request tokens

    def save_request_token(self, token: dict[str, str], request: Any) -> None:
        """Keep a new question."""
        kept = RequestToken(token["oauth_token_secret"], request.redirect_uri)
        self._tokens[token["oauth_token"]] = kept

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        """What the App was given along with it."""
        known = self._tokens.get(token)
        return _NOBODY if known is None else known.secret

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        """Whether there is such a question."""
        return token in self._tokens

    def verify_request_token(self, token: str, request: Any) -> bool:
        """Whether it is still open."""
        known = self._tokens.get(token)
        return known is not None and known.verifier is None

    def get_redirect_uri(self, token: str, request: Any) -> str:
        """Where the login is to end."""
        return self._tokens[token].callback

    def save_verifier(self, token: str, verifier: dict[str, str], request: Any) -> None:
        """A user said yes."""
        self._tokens[token].verifier = verifier["oauth_verifier"]

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        """Whether it is what the user was given to pass on."""
        known = self._tokens.get(token)
        return known is not None and known.verifier is not None and known.verifier == verifier

    def invalidate_request_token(self, client_key: str, token: str, request: Any) -> None:
        """It has served."""
        del self._tokens[token]

    def save_access_token(self, token: dict[str, str], request: Any) -> None:
        """Nothing: `access_token` has them made, and kept, by `authentication`."""

    # Beyond what oauthlib asks

    def access_token(self, request_token: str) -> dict[str, str]:
        """What the App gets in the end."""
        user = self._tokens[request_token].user
        assert user is not None
        made = self._authentication.issue_oauth1(user)
        return {
            "oauth_token": made["token"],
            "oauth_token_secret": made["token_secret"],
            "user_id": user.id,
            "screen_name": user.username,
        }

    def spend_nonce(self, token: str | None, timestamp: str, nonce: str) -> None:
        """A request that is signed well is good once."""
        if not self._authentication.nonces.fresh((token or _NOBODY, timestamp, nonce), self._now):
            raise could_not_authenticate()
