"""Login by OAuth 1.0a: a request token, the user's consent, and an access token for it.

With a callback address the browser brings a verifier back; without one the user is shown a PIN and
types it in. oauthlib signs all of it.

The facts: https://docs.x.com/fundamentals/authentication/oauth-1-0a/obtaining-user-access-tokens
"""

from __future__ import annotations

from typing import Generic, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from ..errors import AuthorizationNeeded, InvalidRequest, RenewalFailed
from ..stores.base import Grant
from ..wire.exchange import Request, Response, Route, Sender
from ..wire.token_answers import (
    ClientRefused,
    GrantRefused,
    TokenEndpointFailed,
    read_oauth1_tokens,
)
from .login import Settle
from .oauth1 import sign_step

REQUEST_TOKEN = Route("oauth1.request_token", "POST", "/oauth/request_token")
ACCESS_TOKEN = Route("oauth1.access_token", "POST", "/oauth/access_token")
INVALIDATE = Route("oauth1.invalidate_token", "POST", "/1.1/oauth/invalidate_token.json")

T = TypeVar("T")


class _KeysRefused(RenewalFailed):
    """The server does not accept what signed the request."""


class OAuth1Endpoint:
    """The three calls of OAuth 1.0a, signed with the app's keys; no state, no second try."""

    def __init__(
        self, sender: Sender, base_url: str, consumer: tuple[str | None, str | None]
    ) -> None:
        self._sender = sender
        self._base = base_url
        self._consumer = consumer

    async def request_token(self, callback_url: str | None) -> tuple[str, str]:
        """A request token and its secret; without a callback address for a PIN."""
        found = await self._call(REQUEST_TOKEN, callback=callback_url or "oob")
        return found["oauth_token"], found["oauth_token_secret"]

    async def access_token(self, token: str, secret: str, verifier: str) -> dict[str, str]:
        """The user's token, its secret, and whose they are."""
        try:
            return await self._call(ACCESS_TOKEN, token=token, secret=secret, verifier=verifier)
        except _KeysRefused as exc:
            # They were accepted for the request token: it is what the user brought along.
            reason = f"the PIN or the callback was not accepted ({exc})"
            raise AuthorizationNeeded(
                f"the login failed: {reason}; begin another, and type the PIN as it is shown",
                reason=reason,
            ) from None

    async def invalidate(self, token: str, secret: str) -> None:
        """End a user's token at the server.

        Raises:
            GrantRefused: there is no such token (any more).
            ClientRefused: the app's keys were not accepted.
            TokenEndpointFailed: anything else that does not say that it is done.
        """
        answer = await self._send(INVALIDATE, token=token, secret=secret)
        if not 200 <= answer.status < 300:
            read_oauth1_tokens(answer)  # raises what a refusal means

    def address(self, token: str, *, sign_in: bool) -> str:
        """Where the user consents; to sign in, only where the app is not allowed yet."""
        what = "authenticate" if sign_in else "authorize"
        return f"{self._base}/oauth/{what}?oauth_token={quote(token, safe='')}"

    async def _call(self, route: Route, **signed: str) -> dict[str, str]:
        try:
            return read_oauth1_tokens(await self._send(route, **signed))
        except GrantRefused as exc:
            raise AuthorizationNeeded(f"the login failed: {exc}", reason=str(exc)) from None
        except ClientRefused as exc:
            raise _KeysRefused(f"the login failed: {exc}") from None
        except TokenEndpointFailed as exc:
            raise RenewalFailed(f"the login failed: {exc}") from None

    async def _send(self, route: Route, **signed: str) -> Response:
        url = f"{self._base}{route.template}"
        header = sign_step(url, self._consumer, **signed)
        return await self._sender.send(
            Request(route, route.template, body=b"", form=True, authorization=header)
        )


class OAuth1Authorization(Generic[T]):
    """One login on its way: send the user to ``url``, and complete it with what they bring back."""

    def __init__(
        self, endpoint: OAuth1Endpoint, pair: tuple[str, str], *, sign_in: bool, settle: Settle[T]
    ) -> None:
        self._endpoint = endpoint
        self._token, self._secret = pair
        self._settle = settle
        self.url = endpoint.address(self._token, sign_in=sign_in)
        """The address to send the user to, in a browser."""

    def __repr__(self) -> str:
        return "<OAuth1Authorization>"

    async def complete(self, callback_url_or_pin: str) -> T:
        """Exchange the verifier or the PIN for the user's token, keep it, and open the account.

        Sends ``POST /oauth/access_token``. The token does not run out.

        Args:
            callback_url_or_pin: the whole address that the browser was sent to, or the PIN that
                the user was shown.

        Raises:
            InvalidRequest: it is neither, or belongs to another login.
            AuthorizationNeeded: the user said no, or the PIN is wrong, used up or too old.
            RenewalFailed: the app's own keys are not accepted, or the server fails.
            StoreFailed: the token cannot be kept.
        """
        verifier = self._verifier(callback_url_or_pin)
        found = await self._endpoint.access_token(self._token, self._secret, verifier)
        token, user_id = found["oauth_token"], found.get("user_id", "")
        return await self._settle(
            Grant(
                user_id if user_id.isdecimal() else token.partition("-")[0],
                "oauth1",
                token,
                found["oauth_token_secret"],
                username=found.get("screen_name") or None,
            )
        )

    def _verifier(self, given: str) -> str:
        problem = (
            "callback_url_or_pin is the address that the browser was sent back to, with its query, "
            "or the PIN that X has shown"
        )
        if not isinstance(given, str) or len(given) > 10_000:
            raise InvalidRequest(problem, argument="callback_url_or_pin")
        given = given.strip()
        if given.isascii() and given.isalnum():
            return given
        try:
            query = parse_qs(urlsplit(given).query)
        except ValueError:
            query = {}
        if "denied" in query:
            reason = "the user did not allow it"
            raise AuthorizationNeeded(f"the login ended: {reason}", reason=reason)
        verifier, token = query.get("oauth_verifier"), query.get("oauth_token")
        if not verifier or not token:
            raise InvalidRequest(problem, argument="callback_url_or_pin")
        if token != [self._token]:
            raise InvalidRequest(
                "callback_url_or_pin belongs to another login; nothing was exchanged",
                argument="callback_url_or_pin",
            )
        return verifier[0]
