"""Serving: the socket on loopback, and the HTTP around the API.

It reads requests, hands them to `service`, and dresses the answers as the platform does: Date
by the emulator's clock, gzip where offered, the usual headers, and a cookie that no client of
the API should keep; pages for a browser are dressed plainly, and told to be kept nowhere. Where
a fault asks for it, a request goes unanswered. What requests mean is none of its business.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Callable
from typing import Final, Literal

from aiohttp import web

from .answers import JSON, Answer
from .service import Service

DateZone = Literal["GMT", "UTC"]
"""How a Date header ends: GMT as today, or UTC as recorded in 2022."""

HOST: Final = "127.0.0.1"

_PAGE_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "referrer-policy": "no-referrer",
    "server": "cloudflare envoy",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_GZIP_FROM: Final = 1_024
_BACKLOG: Final = 1_024
_SOON: Final = 0.05
_API_VERSION: Final = "2.162"


class HttpServer:
    """Serves one `Service` from `start` to `stop`; stopping does not wait for idle clients."""

    def __init__(
        self, service: Service, clock: Callable[[], float], *, date_zone: DateZone, seed: int
    ) -> None:
        self._service = service
        self._clock = clock
        self._date_zone = date_zone
        self._rng = random.Random(f"transactions {seed}")
        self._headers = {
            "api-version": _API_VERSION,
            "cache-control": "no-cache, no-store, max-age=0",
            "content-disposition": "attachment; filename=json.json",
            "content-type": "application/json; charset=utf-8",
            "server": "cloudflare envoy",
            # No Domain and no Secure, so that a jar would really keep it.
            "set-cookie": (
                f"guest_id=v1%3A{self._rng.getrandbits(60)}; Max-Age=34214400; Path=/; SameSite=Lax"
            ),
            "strict-transport-security": "max-age=631138519",
            "x-content-type-options": "nosniff",
        }
        self._date = (-1, "")
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self.cookies_received = 0
        """Requests that brought a cookie; a browser does, and is not counted."""

    @property
    def url(self) -> str | None:
        """Where it serves, without a slash at the end; None when it does not."""
        if self._listener is None:
            return None
        return f"http://{HOST}:{self._listener.sockets[0].getsockname()[1]}"

    async def start(self, port: int) -> None:
        """Listen on a port of loopback; 0 takes any that is free."""
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._listener = await asyncio.get_running_loop().create_server(
            self._server, HOST, port, backlog=_BACKLOG
        )

    async def stop(self) -> None:
        """Close everything at once, connections kept alive included."""
        listener, self._listener = self._listener, None
        server, self._server = self._server, None
        if listener is not None and server is not None:
            listener.close()
            server.pre_shutdown()
            await server.shutdown(_SOON)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = request.headers
        body = await request.read() if request.can_read_body else b""
        now = self._clock()
        answer = self._service.answer(request.method, request.raw_path, headers, body, now)
        if "Cookie" in headers and not (isinstance(answer, Answer) and answer.page):
            self.cookies_received += 1
        if answer == "stall":  # until the client gives up, by which this is cancelled
            await asyncio.get_running_loop().create_future()
        if not isinstance(answer, Answer):
            if request.transport is not None:
                request.transport.close()
            return web.Response()  # which goes nowhere
        return self._response(answer, "gzip" in headers.get("Accept-Encoding", ""), now)

    def _response(self, answer: Answer, gzip: bool, now: float) -> web.Response:
        if answer.page:
            headers = {**_PAGE_HEADERS, "date": self._date_header(now)}
        else:
            headers = {
                **self._headers,
                "date": self._date_header(now),
                "x-transaction-id": f"{self._rng.getrandbits(64):016x}",
            }
        if answer.media_type != JSON:
            headers.pop("content-disposition", None)
            headers["content-type"] = answer.media_type
        headers.update(answer.headers)
        body = answer.body
        if not body:
            headers.pop("content-type", None)
            headers.pop("content-disposition", None)
        elif gzip and len(body) > _GZIP_FROM:
            body = zlib.compress(body, 1, wbits=31)
            headers["content-encoding"] = "gzip"
        return web.Response(status=answer.status, body=body, headers=headers)

    def _date_header(self, now: float) -> str:
        second = int(now)
        if self._date[0] != second:
            text = time.strftime("%a, %d %b %Y %H:%M:%S", time.gmtime(second))
            self._date = (second, f"{text} {self._date_zone}")
        return self._date[1]
