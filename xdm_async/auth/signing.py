"""Signing: the link that authorizes each attempt afresh, just before it leaves.

It stands below the scheduler, so that a signature is never older than its permit.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ..wire.exchange import Request, Response, Route, Sender
from .credentials import Credentials, OAuth1, OAuth2
from .oauth1 import Signature
from .oauth2 import Bearer


class Authorizer(Protocol):
    """What a `Request` carries as its credentials: it can authorize one user's requests."""

    @property
    def lasting(self) -> bool:
        """Whether it stays as it is: nothing in it is ever renewed."""
        ...

    def check(self, route: Route) -> None:
        """Raise `InvalidRequest` if the server is known to refuse this route to this user."""
        ...

    def authorization(self, request: Request, url: str, now: float | None = None) -> str:
        """The ``Authorization`` header for one attempt; ``now`` is the server's time, if known."""
        ...


def authorizer(
    credentials: Credentials, *, consumer_key: str | None, consumer_secret: str | None
) -> Authorizer:
    """The authorizer that these credentials make."""
    if isinstance(credentials, OAuth2):
        return Bearer(credentials)
    assert isinstance(credentials, OAuth1)
    return Signature(credentials, consumer_key, consumer_secret)


class Signer:
    """A `Sender` that signs each attempt and passes it on."""

    def __init__(
        self,
        onward: Sender,
        base_url: str,
        server_time: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._onward = onward
        self._base = base_url
        self._server_time = server_time

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Authorize this attempt, and carry it out."""
        authorize: Authorizer = request.credentials  # type: ignore[assignment]  # opaque elsewhere
        request.authorization = authorize.authorization(
            request, self._base + request.path, self._server_time()
        )
        return self._onward.send(request)
