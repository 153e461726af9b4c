"""Freshness: the link above the scheduler that sees to a token that holds.

A wait in line may be longer than a token lives. So it is looked at before the line, and once more
when the turn has come: a request whose token has run out by then gives its permit back, and goes
to the front of its line with a new one. No permit is held while tokens are renewed.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ..errors import Unauthorized
from ..wire.exchange import Request, Response, Sender
from .live import LiveGrant, Stale


class Freshness:
    """A `Sender` that renews what is renewable: ahead of expiry, and once on a 401."""

    def __init__(self, onward: Sender) -> None:
        self._onward = onward

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Pass a request on with a token that holds.

        Raises:
            AuthorizationNeeded: the account must authorize the app again.
            RenewalFailed: tokens could not be renewed.
            StoreFailed: the store cannot be read or written.
            AppClosed: the App is closed.
        """
        grant = request.credentials
        if isinstance(grant, LiveGrant):
            return self._send(request, grant)
        return self._onward.send(request)

    async def _send(self, request: Request, grant: LiveGrant) -> Response:
        max_wait = request.manners.max_wait
        if max_wait is not None and request.deadline is None:
            request.deadline = grant.now() + max_wait  # it counts over renewals, too
        tried_again = lined_up = False
        while True:
            try:
                await grant.ready(request.route, max_wait, request.deadline)
                lined_up = True
                grant.line_up()
                try:
                    response = await self._onward.send(request)
                finally:
                    grant.leave()
            except Stale:
                request.again = lined_up
            except Unauthorized:
                request.again = True
                if tried_again:
                    grant.refused_again()
                    raise
                if not await grant.renew(request.authorization, max_wait, request.deadline):
                    raise
                tried_again = True
            else:
                if grant.vain_until:
                    grant.vain_until = 0.0
                return response
