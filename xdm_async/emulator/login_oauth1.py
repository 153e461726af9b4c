"""Login by OAuth 1.0a: `/oauth/request_token`, the page, `/oauth/access_token`, and the way out.

oauthlib's server half judges the requests, by what `request_tokens` tells it; here are the words
in which X refuses them, and the page in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from oauthlib.oauth1 import AccessTokenEndpoint, AuthorizationEndpoint, RequestTokenEndpoint

from . import consent_page
from .answers import HTML, Answer, in_json, refusal
from .asked import Asked, Unreadable
from .authentication import Authentication, Unauthenticated
from .consent import decided
from .objects import User
from .problems import (
    Problem,
    bad_authentication,
    callback_not_approved,
    could_not_authenticate,
    invalid_token,
)
from .request_tokens import OUT_OF_BAND, RequestTokens, Validator

_ACCESS: Final = ("Your posts", "Your profile", "Your Direct Messages, to read and to send")


class LoginOAuth1:
    """Hands out request tokens, asks users, and trades their answers for access tokens."""

    def __init__(
        self,
        authentication: Authentication,
        callbacks: Sequence[str],
        users: Callable[[], Sequence[User]],
    ) -> None:
        self._authentication = authentication
        self._mint = authentication.mint
        self._callbacks = callbacks
        self._users = users
        self._tokens: RequestTokens = {}

    def request_token(self, asked: Asked) -> Answer:
        """POST /oauth/request_token: the first of the three steps."""
        endpoint = _RequestTokens(self._validator(asked), lambda: self._mint.made_of(27))
        return _judged(endpoint.create_request_token_response, asked)

    def authorize(self, asked: Asked) -> Answer:
        """`/oauth/authorize` and `/oauth/authenticate`: the question, and the decision."""
        try:
            token = asked.parameters.get("oauth_token", "")
        except Unreadable as wrong:
            return consent_page.refused(str(wrong))
        question = self._tokens.get(token)
        if question is None or question.verifier is not None:
            return consent_page.refused("The request token is unknown, or was used before.")
        users = self._users()
        if asked.method == "GET":
            return consent_page.consent(_ACCESS, users)
        chosen = decided(asked, users)
        if isinstance(chosen, Answer):
            return chosen
        by_pin = question.callback == OUT_OF_BAND
        if chosen is None:
            del self._tokens[token]
            if by_pin:
                return consent_page.said(200, "Cancelled", "The app was not given access.")
            return consent_page.sent_on(question.callback, {"denied": token})
        question.user = chosen
        make = self._mint.pin if by_pin else lambda: self._mint.made_of(32)
        endpoint: Any = AuthorizationEndpoint(self._validator(asked), make)
        uri = f"{asked.path}?{urlencode({'oauth_token': token})}"
        headers, _, _ = endpoint.create_authorization_response(uri)
        if by_pin:
            text = "Return to the app and enter this PIN to complete the authorization:"
            return consent_page.said(200, "Authorized", text, code=question.verifier)
        return Answer(302, b"", (("location", headers["Location"]),), page=True)

    def access_token(self, asked: Asked) -> Answer:
        """POST /oauth/access_token: a verifier for the token and its secret."""
        return _judged(_AccessTokens(self._validator(asked)).create_access_token_response, asked)

    def invalidate(self, asked: Asked) -> Answer:
        """POST /1.1/oauth/invalidate_token.json: the token that signed this is taken back."""
        try:
            token = self._authentication.invalidate(asked)
        except Unauthenticated as refused:
            return refusal(refused.problem)
        return in_json(200, {"access_token": token})

    def forget(self, user: User) -> None:
        """A user is gone, and what the user has just allowed."""
        for token in [token for token, known in self._tokens.items() if known.user is user]:
            del self._tokens[token]

    def _validator(self, asked: Asked) -> Validator:
        host = asked.headers.get("Host", "")
        return Validator(self._tokens, self._authentication, self._callbacks, host, asked.now)


class _SignedForAny:
    """An endpoint of oauthlib that takes a signature over any address the emulator goes by."""

    request_validator: Validator

    def _check_signature(self, request: Any, is_token_request: bool = False) -> bool:
        asked, *others = self.request_validator.bases
        target = request.uri.removeprefix(asked)
        for base in (asked, *others):
            request.uri = base + target
            if super()._check_signature(request, is_token_request):  # type: ignore[misc]
                return True
        return False


class _RequestTokens(_SignedForAny, RequestTokenEndpoint):  # type: ignore[misc]
    def validate_request_token_request(self, request: Any) -> tuple[bool, Any]:
        """The judgement of oauthlib, with the reasons of a refusal told apart."""
        valid, request = super().validate_request_token_request(request)
        found = request.validator_log
        if not (found["client"] and found["signature"]):
            raise could_not_authenticate()
        if not found["callback"]:
            raise callback_not_approved()
        self.request_validator.spend_nonce(None, request.timestamp, request.nonce)
        return valid, request


class _AccessTokens(_SignedForAny, AccessTokenEndpoint):  # type: ignore[misc]
    def validate_access_token_request(self, request: Any) -> tuple[bool, Any]:
        """As above; a request token that is not known is told apart, a wrong verifier is not."""
        token = request.resource_owner_key
        valid, request = super().validate_access_token_request(request)
        found = request.validator_log
        if found["client"] and not found["resource_owner"]:
            raise invalid_token()
        if not valid:
            raise could_not_authenticate()
        self.request_validator.spend_nonce(token, request.timestamp, request.nonce)
        return valid, request

    def create_access_token(self, request: Any, credentials: Any) -> str:
        """The token and whose it is, as a form."""
        return urlencode(self.request_validator.access_token(request.resource_owner_key))


def _judged(respond: Callable[..., tuple[Any, str | None, int]], asked: Asked) -> Answer:
    """What oauthlib makes of a signed request, or the words of X for why not."""
    query = f"?{asked.query}" if asked.query else ""
    try:
        _, body, status = respond(
            f"http://{asked.headers.get('Host', '')}{asked.path}{query}",
            asked.method,
            asked.body.decode("utf-8", "replace"),
            dict(asked.headers),
        )
    except Problem as problem:
        return refusal(problem)
    except ValueError:  # of a query or a form that cannot be read
        return refusal(bad_authentication())
    if status == 200 and body is not None:
        return Answer(200, body.encode(), media_type=HTML)
    if body is not None and "invalid_signature_method" in body:
        return refusal(could_not_authenticate())
    return refusal(bad_authentication())
