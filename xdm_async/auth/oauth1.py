"""OAuth 1.0a user context on requests, signed by oauthlib (HMAC-SHA1, RFC 5849).

What is signed is the method, the URL and the query; a JSON body is not.
"""

from __future__ import annotations

from typing import Any, TypeGuard
from urllib.parse import urlsplit

from oauthlib.oauth1 import Client
from oauthlib.oauth1.rfc5849 import signature

from ..errors import InvalidRequest
from ..wire.exchange import Request, Route
from .credentials import OAuth1


class Signature:
    """Authorizes requests of one user with a signature that is fresh for each attempt."""

    lasting = True

    def __init__(
        self, credentials: OAuth1, consumer_key: str | None, consumer_secret: str | None
    ) -> None:
        key, secret = _keys((consumer_key, consumer_secret))
        self._client = _Quiet(
            key,
            client_secret=secret,
            resource_owner_key=credentials.token,
            resource_owner_secret=credentials.token_secret,
        )

    def check(self, route: Route) -> None:
        """Nothing can be told from an OAuth 1.0a token; the app's permission is the server's."""

    def authorization(self, request: Request, url: str, now: float | None = None) -> str:
        """The ``Authorization`` header with a nonce and a timestamp of its own.

        ``now`` is the server's time where it is known: a machine whose clock is wrong would
        otherwise be refused ("Timestamp out of bounds", code 135).
        """
        self._client.timestamp = None if now is None else str(int(now))
        _, headers, _ = self._client.sign(url, http_method=request.route.method)
        return str(headers["Authorization"])


def sign_step(
    url: str,
    consumer: tuple[str | None, str | None],
    *,
    token: str | None = None,
    secret: str | None = None,
    callback: str | None = None,
    verifier: str | None = None,
) -> str:
    """The ``Authorization`` header of one step of a login.

    Raises:
        InvalidRequest: the App has no consumer key and secret.
    """
    client = _Quiet(
        *_keys(consumer),
        resource_owner_key=token,
        resource_owner_secret=secret,
        callback_uri=callback,
        verifier=verifier,
    )
    _, headers, _ = client.sign(url, http_method="POST")
    return str(headers["Authorization"])


def _keys(consumer: tuple[object, object]) -> tuple[str, str]:
    key, secret = consumer
    if not _key(key) or not _key(secret):
        raise InvalidRequest(
            "OAuth 1.0a requests are signed with the app's keys too: give App a consumer_key "
            "and a consumer_secret",
            argument="consumer_key",
        )
    return key, secret


def _key(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


class _Quiet(Client):  # type: ignore[misc]  # oauthlib is untyped
    """oauthlib's client without its debug log, which tells tokens and signatures as they are."""

    def get_oauth_signature(self, request: Any) -> str:
        """The HMAC-SHA1 signature of what oauthlib has put together."""
        untyped: Any = self
        url, headers, body = untyped._render(request)
        covered: Any = signature.collect_parameters(
            uri_query=urlsplit(url).query, body=body, headers=headers
        )
        text = signature.signature_base_string(
            request.http_method,
            signature.base_string_uri(url),
            signature.normalize_parameters(covered),
        )
        return str(signature.sign_hmac_sha1_with_client(text, self))
