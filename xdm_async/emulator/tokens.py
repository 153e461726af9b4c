"""Tokens of OAuth 2.0 over HTTP: `/2/oauth2/token` and `/2/oauth2/revoke`.

It knows the App by its client_id, or by HTTP Basic with its secret, and words refusals as they
are documented. What a code or a refresh token is good for is left to `codes` and `grants`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import unquote_plus

from .answers import Answer, in_json
from .asked import Asked, Unreadable
from .codes import Codes
from .grants import Grants, Issued
from .switches import ClientType


class Denied(Exception):
    """A refusal as RFC 6749 has it: a status, an error, and a sentence about it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error

    def answer(self) -> Answer:
        """The refusal, as it goes over the wire."""
        return in_json(self.status, {"error": self.error, "error_description": str(self)})


class Tokens:
    """Turns codes and refresh tokens into tokens, and takes tokens back."""

    def __init__(
        self, app: Mapping[str, str], client_type: ClientType, codes: Codes, grants: Grants
    ) -> None:
        self._app = app
        self._client_type = client_type
        self._codes = codes
        self._grants = grants

    def token(self, asked: Asked) -> Answer:
        """POST /2/oauth2/token: a code or a refresh token for the next pair."""
        refreshing = False
        try:
            form = _read(asked)
            refreshing = form.get("grant_type") == "refresh_token"
            self._check_client(asked, form)
            match _needed(form, "grant_type"):
                case "authorization_code":
                    issued = self._exchange(form, asked.now)
                case "refresh_token":
                    issued = self._refresh(form, asked.now)
                case _:
                    what = "The grant_type is authorization_code or refresh_token."
                    raise Denied(400, "unsupported_grant_type", what)
        except Denied as denied:
            self._grants.refresh_failures += refreshing
            return denied.answer()
        return _pair(issued)

    def revoke(self, asked: Asked) -> Answer:
        """POST /2/oauth2/revoke: the end of a grant, by any token of it.

        A token that is not known is revoked already, as RFC 7009 has it.
        """
        try:
            form = _read(asked)
            self._check_client(asked, form)
            self._grants.end(_needed(form, "token"))
        except Denied as denied:
            return denied.answer()
        return in_json(200, {"revoked": True})

    def _exchange(self, form: Mapping[str, str], now: float) -> Issued:
        given, redirect_uri = _needed(form, "code"), _needed(form, "redirect_uri")
        verifier = _needed(form, "code_verifier")
        code = self._codes.take(given, now)
        if code is None:
            raise _invalid("Value passed for the authorization code was invalid.")
        if redirect_uri != code.redirect_uri:
            raise _invalid(
                "Value passed for the redirect uri did not match the uri of the authorization code."
            )
        if not code.proved_by(verifier):
            raise _invalid("Value passed for the code verifier did not match the code challenge.")
        return self._grants.issue(code.user, now, code.scopes)

    def _refresh(self, form: Mapping[str, str], now: float) -> Issued:
        issued = self._grants.refresh(_needed(form, "refresh_token"), now)
        if issued is None:
            raise _invalid("Value passed for the token was invalid.")
        return issued

    def _check_client(self, asked: Asked, form: Mapping[str, str]) -> None:
        """The App shows itself by its secret, or where it may be a public client by its id."""
        authorization, client_id = asked.headers.get("Authorization"), form.get("client_id")
        if authorization is None:
            if self._client_type == "confidential":
                raise _unauthorized("Missing valid authorization header")
            _needed(form, "client_id")
        elif self._client_type == "public" or not self._is_ours(authorization):
            raise _unauthorized("Missing valid authorization header")
        if client_id is not None and client_id != self._app["client_id"]:
            raise _unauthorized("Value passed for the client id was invalid.")

    def _is_ours(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        client_id, _, secret = given.partition(":")
        known = f"{self._app['client_id']}:{self._app['client_secret']}"
        # Both halves are form-encoded first (RFC 6749, 2.3.1).
        shown = f"{unquote_plus(client_id)}:{unquote_plus(secret)}"
        return scheme.lower() == "basic" and hmac.compare_digest(shown.encode(), known.encode())


def _read(asked: Asked) -> dict[str, str]:
    try:
        return asked.form
    except Unreadable as wrong:
        raise _invalid(str(wrong)) from None


def _needed(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise _invalid(f"Missing required parameter [{name}].")
    return value


def _invalid(description: str) -> Denied:
    return Denied(400, "invalid_request", description)


def _unauthorized(description: str) -> Denied:
    """What a client that is not who it says gets; with which status is not known, so the 401."""
    return Denied(401, "unauthorized_client", description)


def _pair(issued: Issued) -> Answer:
    body: dict[str, object] = {
        "token_type": "bearer",
        "expires_in": int(issued.life),
        "access_token": issued.access_token,
        "scope": " ".join(issued.scopes),
    }
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    return in_json(200, body)
