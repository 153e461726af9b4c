"""OAuth 2.0 bearer tokens on requests, and what they may ask for."""

from __future__ import annotations

from ..errors import InvalidRequest
from ..wire.exchange import Request, Route
from .credentials import OAuth2


class Bearer:
    """Authorizes requests of one user with an OAuth 2.0 access token."""

    lasting = True

    def __init__(self, credentials: OAuth2) -> None:
        self._header = f"Bearer {credentials.access_token}"
        self._app_only = credentials.for_app_only
        self._scopes = frozenset(credentials.scopes)

    def check(self, route: Route) -> None:
        """Refuse what the server would refuse: app-only tokens, and scopes known to be missing."""
        if self._app_only:
            raise InvalidRequest(
                f"{route.name} needs a user's token: an app-only token acts for no user, and the "
                "API refuses it on every Direct Message endpoint",
                argument="credentials",
            )
        if self._scopes:
            missing = [scope for scope in route.scopes if scope not in self._scopes]
            if missing:
                raise InvalidRequest(
                    f"{route.name} needs the scopes {' '.join(route.scopes)}, and this token was "
                    f"not granted {' '.join(missing)}: let the user authorize the app again",
                    argument="credentials",
                )

    def authorization(self, request: Request, url: str, now: float | None = None) -> str:
        """The ``Authorization`` header; the same for every attempt."""
        return self._header
