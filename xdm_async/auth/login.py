"""Login by OAuth 2.0: Authorization Code with PKCE.

The user is sent to an address of X's, decides there, and comes back to the app's own address with
a code, which is exchanged for tokens. What proves that it is the same browser (the state) and
the same app (the verifier) never leaves this machine before.

The facts: https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code; PKCE is
RFC 7636. Addresses are put together and read by oauthlib.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

from oauthlib.oauth2 import WebApplicationClient
from oauthlib.oauth2.rfc6749.errors import MismatchingStateError, MissingCodeError, OAuth2Error
from oauthlib.oauth2.rfc6749.parameters import parse_authorization_code_response, prepare_grant_uri

from ..errors import AuthorizationNeeded, InvalidRequest, NotSent, RenewalFailed
from ..stores.base import Grant
from ..wire.token_answers import ClientRefused, GrantRefused, TokenEndpointFailed, Tokens
from .tokens import TokenEndpoint

SCOPES = ("dm.read", "dm.write", "tweet.read", "users.read", "media.write", "offline.access")
"""All that a Direct Message client needs, and ``offline.access``, which gives a refresh token."""

_STATE = 500
"""Characters of a state at most."""

T = TypeVar("T")
Settle = Callable[[Grant], Awaitable[T]]
"""Finds out whose new grant it is, keeps it, and opens the account."""


class Authorization(Generic[T]):
    """One login on its way: send the user to ``url``, and complete it with where they come back to.

    It is good for one attempt, in this process. Its repr hides what must stay secret.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        authorize_url: str,
        redirect_uri: str,
        scopes: tuple[str, ...],
        state: str | None,
        settle: Settle[T],
    ) -> None:
        self._endpoint = endpoint
        self._settle = settle
        self._verifier = secrets.token_urlsafe(64)
        self._completed = False
        self._grant: Grant | None = None
        self.redirect_uri = redirect_uri
        """Where the user comes back to, exactly as it is registered for the app."""
        self.scopes = scopes
        """What the user is asked to allow."""
        self.state = _state(state)
        """What the callback must carry; keep it with the browser's session to find this again."""
        challenge = WebApplicationClient("").create_code_challenge(self._verifier, "S256")
        scheme, rest = authorize_url.split("://", 1)
        address = prepare_grant_uri(
            f"https://{rest}",  # oauthlib makes none that is not, not even on loopback
            endpoint.check(),
            "code",
            redirect_uri=redirect_uri,
            scope=list(scopes),
            state=self.state,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        self.url = f"{scheme}://{address.removeprefix('https://').replace('+', '%20')}"
        """The address to send the user to, in a browser."""

    def __repr__(self) -> str:
        return f"<Authorization by {self.redirect_uri}: {' '.join(self.scopes)}>"

    async def complete(self, callback_url: str) -> T:
        """Exchange what the user came back with for tokens, keep them, and open the account.

        Sends ``POST /2/oauth2/token``, and ``GET /2/users/me`` to know whose they are. A code
        holds for 30 seconds, and once; where it never left, or the tokens came and what follows
        fails, calling it again goes on.

        Args:
            callback_url: the whole address that the browser was sent to, or its path and query.

        Raises:
            InvalidRequest: it is no callback of this login: another state, or no code in it.
            AuthorizationNeeded: the user said no, or the code is used up or too old.
            RenewalFailed: the app's own keys are not accepted, or the token endpoint fails.
            StoreFailed: the tokens cannot be kept.
        """
        code = self._code(callback_url)
        if self._grant is not None:
            return await self._settled(self._grant)
        if self._completed:
            raise InvalidRequest(
                "this login was completed already: begin another with App.authorize",
                argument="callback_url",
            )
        self._completed = True
        try:
            tokens, given_at = await self._endpoint.exchange(
                code, self.redirect_uri, self._verifier
            )
        except GrantRefused as exc:
            reason = f"the code of the callback was not accepted ({exc})"
            raise AuthorizationNeeded(
                f"the login failed: {reason}; it holds for 30 seconds, and once: begin another",
                reason=reason,
            ) from None
        except (ClientRefused, TokenEndpointFailed) as exc:
            raise RenewalFailed(f"the login failed: {exc}") from None
        except NotSent:  # the code is as it was
            self._completed = False
            raise
        self._grant = _grant(tokens, given_at, self.scopes)
        return await self._settled(self._grant)

    async def _settled(self, grant: Grant) -> T:
        account = await self._settle(grant)
        self._grant = None
        return account

    def _code(self, callback_url: str) -> str:
        problem = "callback_url is the address that the browser was sent back to, with its query"
        if not isinstance(callback_url, str) or len(callback_url) > 10_000:
            raise InvalidRequest(problem, argument="callback_url")
        try:
            query = urlsplit(callback_url.strip()).query
            said = [name for name, _ in parse_qsl(query)]
            if len(said) != len(set(said)):  # RFC 6749, 3.1: somebody has added to it
                raise InvalidRequest(
                    f"{problem}; this one says something twice, and nothing was exchanged",
                    argument="callback_url",
                )
            found = parse_authorization_code_response(f"https://callback/?{query}", self.state)
            return str(found["code"])
        except MismatchingStateError:
            raise InvalidRequest(
                "callback_url carries another state than this login: it belongs to another one, "
                "or somebody has made it up; nothing was exchanged",
                argument="callback_url",
            ) from None
        except MissingCodeError:
            raise InvalidRequest(
                f"{problem}; there is no code in it", argument="callback_url"
            ) from None
        except OAuth2Error as exc:
            denied = exc.error == "access_denied"
            reason = (
                "the user did not allow it" if denied else f"the server said {_word(exc.error)}"
            )
            raise AuthorizationNeeded(f"the login ended: {reason}", reason=reason) from None
        except InvalidRequest:
            raise
        except ValueError:
            raise InvalidRequest(problem, argument="callback_url") from None


def redirect_to(redirect_uri: str | None) -> str:
    """An address that the browser can be sent back to.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        parts = urlsplit(redirect_uri) if isinstance(redirect_uri, str) else None
        good = parts is not None and bool(parts.scheme and (parts.netloc or parts.path))
    except ValueError:
        good = False
    if not good or redirect_uri is None or not redirect_uri.isascii() or "#" in redirect_uri:
        raise InvalidRequest(
            "redirect_uri is the address that the browser comes back to, letter for letter as it "
            "is registered for the app in the developer portal: give it to App (XDM_REDIRECT_URI) "
            "or to authorize",
            argument="redirect_uri",
        )
    return redirect_uri


def scopes_of(scopes: Iterable[str] | str) -> tuple[str, ...]:
    """What to ask for, once each, in order.

    Raises:
        InvalidRequest: one of them cannot be a scope, or there is none.
    """
    names = scopes.split() if isinstance(scopes, str) else list(scopes)
    if not names or not all(
        isinstance(n, str) and n.isascii() and n.isprintable() and " " not in n and n for n in names
    ):
        raise InvalidRequest(
            "scopes are a list of names such as dm.read, or one string with spaces between",
            argument="scopes",
        )
    return tuple(dict.fromkeys(names))


def _state(state: str | None) -> str:
    if state is None:
        return secrets.token_urlsafe(32)
    if not isinstance(state, str) or not 16 <= len(state) <= _STATE or not state.isascii():
        raise InvalidRequest(
            f"state is 16 to {_STATE} ASCII characters that nobody can guess, or None for one "
            "that is made here",
            argument="state",
        )
    return state


def _grant(tokens: Tokens, given_at: float, asked: tuple[str, ...]) -> Grant:
    life = tokens.expires_in
    return Grant(
        "",
        "oauth2",
        tokens.access_token,
        tokens.refresh_token,
        expires_at=None if life is None else given_at + life,
        lifetime=life,
        scopes=tokens.scopes or asked,
    )


def _word(error: object) -> str:
    text = str(error)
    return text if text.replace("_", "").isalpha() and len(text) < 40 else "no, in words of its own"
