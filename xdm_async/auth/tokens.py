"""The token endpoint: what is sent to it, and what comes back. No state, no second try.

Requests go straight to the transport: no budget of the API counts them. Forms are put together by
oauthlib.

The facts: https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

from ..errors import InvalidRequest
from ..wire.exchange import Request, Response, Route, Sender
from ..wire.headers import read_date
from ..wire.token_answers import Tokens, read_revoked, read_tokens

TOKEN = Route("oauth2.token", "POST", "/2/oauth2/token")
REVOKE = Route("oauth2.revoke", "POST", "/2/oauth2/revoke")


class TokenEndpoint:
    """Exchanges codes and refresh tokens for tokens, and revokes them.

    A confidential client (one with a secret) says who it is by Basic authentication, a public one
    by its id in the form.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        client_id: str | None,
        client_secret: str | None,
        token_url: str,
        revoke_url: str,
        now: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._client_id = client_id
        self._client_secret = client_secret
        self._token_url = token_url
        self._revoke_url = revoke_url
        self._now = now

    def check(self) -> str:
        """The app's client id, which everything here needs.

        Raises:
            InvalidRequest: the App has none.
        """
        if not self._client_id:
            raise InvalidRequest(
                "OAuth 2.0 tokens are had, renewed and revoked by the app's client id: give App a "
                "client_id (XDM_CLIENT_ID), and its client_secret where the app has one",
                argument="client_id",
            )
        return self._client_id

    async def exchange(self, code: str, redirect_uri: str, verifier: str) -> tuple[Tokens, float]:
        """Have tokens for an authorization code; and the server's time at which they were given."""
        form = prepare_token_request(
            "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
        )
        return self._read(await self._post(TOKEN, self._token_url, form))

    async def refresh(self, refresh_token: str) -> tuple[Tokens, float]:
        """Have a new pair for a refresh token, which is spent by that."""
        form = prepare_token_request("refresh_token", refresh_token=refresh_token)
        return self._read(await self._post(TOKEN, self._token_url, form))

    async def revoke(self, token: str) -> None:
        """End the grant that a token belongs to."""
        form = f"token={quote(token, safe='')}"
        read_revoked(await self._post(REVOKE, self._revoke_url, form))

    def _read(self, response: Response) -> tuple[Tokens, float]:
        date = read_date(response.headers)
        return read_tokens(response), self._now() if date is None else date

    async def _post(self, route: Route, url: str, form: str) -> Response:
        client_id, authorization = self.check(), ""
        if self._client_secret:
            pair = f"{quote(client_id, safe='')}:{quote(self._client_secret, safe='')}"
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form = f"{form}&client_id={quote(client_id, safe='')}"
        return await self._sender.send(
            Request(route, "", body=form.encode(), url=url, form=True, authorization=authorization)
        )
