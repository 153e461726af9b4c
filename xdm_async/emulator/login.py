"""Login: the endpoints by which an App comes to the tokens of its users, OAuth 1.0a and 2.0.

It knows the paths and who answers at each. They stand beside the API: nobody is identified
before, no rate limit is drawn on, and browsers come here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .answers import Answer
from .asked import Asked
from .authentication import Authentication
from .codes import Codes
from .consent import Consent
from .login_oauth1 import LoginOAuth1
from .objects import User
from .switches import ClientType
from .tokens import Tokens

ROUTES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/2/oauth2/authorize"): "oauth2.authorize",
    ("POST", "/2/oauth2/authorize"): "oauth2.authorize",
    ("GET", "/i/oauth2/authorize"): "oauth2.authorize",
    ("POST", "/i/oauth2/authorize"): "oauth2.authorize",
    ("POST", "/2/oauth2/token"): "oauth2.token",
    ("POST", "/2/oauth2/revoke"): "oauth2.revoke",
    ("POST", "/oauth/request_token"): "oauth1.request_token",
    ("GET", "/oauth/authorize"): "oauth1.authorize",
    ("POST", "/oauth/authorize"): "oauth1.authorize",
    ("GET", "/oauth/authenticate"): "oauth1.authenticate",
    ("POST", "/oauth/authenticate"): "oauth1.authenticate",
    ("POST", "/oauth/access_token"): "oauth1.access_token",
    ("POST", "/1.1/oauth/invalidate_token.json"): "oauth1.invalidate_token",
}
"""Method and path -> the name under which a request is counted."""


class Login:
    """Both kinds of login, for the one App and its registered callbacks."""

    def __init__(
        self,
        authentication: Authentication,
        callbacks: Sequence[str],
        client_type: ClientType,
        users: Callable[[], Sequence[User]],
    ) -> None:
        app, grants = authentication.app, authentication.grants
        self._codes = Codes(authentication.mint)
        self._oauth1 = LoginOAuth1(authentication, callbacks, users)
        tokens = Tokens(app, client_type, self._codes, grants)
        self._answers: dict[str, Callable[[Asked], Answer]] = {
            "oauth2.authorize": Consent(app["client_id"], callbacks, self._codes, users).authorize,
            "oauth2.token": tokens.token,
            "oauth2.revoke": tokens.revoke,
            "oauth1.request_token": self._oauth1.request_token,
            "oauth1.authorize": self._oauth1.authorize,
            "oauth1.authenticate": self._oauth1.authorize,
            "oauth1.access_token": self._oauth1.access_token,
            "oauth1.invalidate_token": self._oauth1.invalidate,
        }

    def answer(self, name: str, asked: Asked) -> Answer:
        """Answer at one of the `ROUTES`."""
        return self._answers[name](asked)

    def forget(self, user: User) -> None:
        """A user is gone: what is under way for this user comes to nothing."""
        self._codes.forget(user)
        self._oauth1.forget(user)
