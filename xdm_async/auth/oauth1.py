"""OAuth 1.0a user context on requests, signed by oauthlib (HMAC-SHA1, RFC 5849).

What is signed is the method, the URL and the query; a JSON body is not.
"""

from __future__ import annotations

from oauthlib.oauth1 import Client

from ..errors import InvalidRequest
from ..wire.exchange import Request, Route
from .credentials import OAuth1


class Signature:
    """Authorizes requests of one user with a signature that is fresh for each attempt."""

    def __init__(
        self, credentials: OAuth1, consumer_key: str | None, consumer_secret: str | None
    ) -> None:
        if not consumer_key or not consumer_secret:
            raise InvalidRequest(
                "OAuth 1.0a requests are signed with the app's keys too: give App a consumer_key "
                "and a consumer_secret",
                argument="consumer_key",
            )
        self._client = Client(
            consumer_key,
            client_secret=consumer_secret,
            resource_owner_key=credentials.token,
            resource_owner_secret=credentials.token_secret,
        )

    def check(self, route: Route) -> None:
        """Nothing can be told from an OAuth 1.0a token; the app's permission is the server's."""

    def authorization(self, request: Request, url: str) -> str:
        """The ``Authorization`` header with a nonce and a timestamp of its own."""
        _, headers, _ = self._client.sign(url, http_method=request.route.method)
        return str(headers["Authorization"])
