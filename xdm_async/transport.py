"""Transport: how bytes leave and answers come in, over aiohttp.

The last link of the road. It knows one host, one aiohttp session, timeouts and TLS; it knows
nothing of budgets, credentials or JSON. Every exception of aiohttp becomes one of ours here,
sorted by whether the request may have been delivered: a fact that aiohttp tells at the moment the
headers are handed to the network.
"""

from __future__ import annotations

import ssl
import urllib.request
from contextvars import ContextVar
from types import SimpleNamespace
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import TraceRequestHeadersSentParams
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from . import _version
from .clock import Clock
from .errors import (
    AppClosed,
    ConnectFailed,
    ConnectionLost,
    InvalidRequest,
    ReadTimeout,
    UnreadableAnswer,
    XdmError,
)
from .wire.exchange import Request, Response

_HEADERS = {
    "User-Agent": f"xdm_async/{_version.VERSION}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
_FORM = "application/x-www-form-urlencoded"
_URLS_KEPT = 4096
_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


_leaving: ContextVar[tuple[Request, Clock] | None] = ContextVar("_leaving", default=None)


def _mark_left(request: Request, clock: Clock) -> None:
    request.left += 1
    request.sent_at = clock.now()
    if request.on_left is not None:
        request.on_left()


class _Outgoing(aiohttp.ClientRequest):
    """Marks our request as left when aiohttp sends it.

    What aiohttp's tracing does too, at a tenth of the CPU of a whole send less: it updates the
    URL's query twice for each traced request.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Hand the headers over, on a connection that stands."""
        leaving = _leaving.get()
        if leaving is not None:
            request, clock = leaving
            _mark_left(request, clock)
        return await super().send(conn)


_SEEN_LEAVING = "send" in vars(aiohttp.ClientRequest)
"""Whether `_Outgoing` stands where aiohttp sends; an aiohttp that is built otherwise is traced."""


class Transport:
    """A `Sender` over one aiohttp session.

    The session is its own, opened with the first request and closed by `aclose`, or the caller's,
    which is never closed. Its own keeps no cookies, follows no redirects, verifies TLS, offers
    gzip, and opens at most ``max_connections`` sockets.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
        max_connections: int = 128,
        trust_env: bool = False,
    ) -> None:
        self._base = base_url
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_connections = max_connections
        self._proxy_to = _proxy_for if trust_env else _no_proxy
        self._proxy = self._proxy_to(base_url)
        self._session = session
        self._own = session is None
        self._closed = False
        self._urls: dict[str, URL] = {}
        # Says whose a traced request is: others use a session too that is not ours alone.
        self._mark = object()
        self._traced = not (self._own and _SEEN_LEAVING)
        self._tracing = aiohttp.TraceConfig()
        self._tracing.on_request_headers_sent.append(self._headers_sent)
        if session is not None:
            self._tracing.freeze()
            session.trace_configs.append(self._tracing)

    def __repr__(self) -> str:
        return f"<Transport to {self._base}>"

    async def send(self, request: Request) -> Response:
        """Send the request once and return the whole answer, whatever its status.

        ``request.left`` counts when the headers are handed over, and ``request.answer`` is set as
        soon as the answer's headers are in, so that a caller who is cancelled knows both.

        Raises:
            ConnectFailed: not a byte left (name resolution, connect, TLS, no free connection).
            ReadTimeout: it left, and no whole answer came within the timeout.
            ConnectionLost: it left, and the connection broke.
            UnreadableAnswer: an answer came that is not HTTP, or whose body broke off.
            AppClosed: the session is closed.
        """
        session = self._session
        if session is None or session.closed:
            session = self._open()
        request.left = 0
        request.answer = None
        request.sent_at = self._clock.now()
        leaving = _leaving.set(None if self._traced else (request, self._clock))
        try:
            raw = await session.request(
                request.route.method,
                self._url(request.path) if request.url is None else URL(request.url, encoded=True),
                data=request.body,
                headers=self._headers(request),
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=True,
                proxy=self._proxy if request.url is None else self._proxy_to(request.url),
                timeout=self._timeout,
                trace_request_ctx=(self._mark, request) if self._traced else None,
            )
            response = Response(raw.status, raw.headers, b"", request.sent_at, self._clock.now())
            request.answer = response
            response.body = await raw.read()  # gives the connection back, or closes it
            return response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError) as exc:
            _raise_ours(exc, request, self._timeout.total)
        finally:
            _leaving.reset(leaving)

    async def aclose(self) -> None:
        """Close the session if it is ours; take our tracing out of it if it is the caller's."""
        self._closed = True
        session, self._session = self._session, None
        if session is None:
            return
        if self._own:
            await session.close()
        elif self._tracing in session.trace_configs:
            session.trace_configs.remove(self._tracing)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed or not self._own:
            raise AppClosed("the App is closed, or the session it was given is")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_connections, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            request_class=_Outgoing,
            trace_configs=[self._tracing] if self._traced else None,
        )
        return self._session

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Authorization": request.authorization} if request.authorization else {}
        if request.body is not None:
            headers["Content-Type"] = _FORM if request.form else "application/json"
        return headers if self._own else {**_HEADERS, **headers}

    def _url(self, path: str) -> URL:
        """The URL exactly as it was signed; parsing one costs as much as sending, so few are."""
        url = self._urls.get(path)
        if url is None:
            if len(self._urls) >= _URLS_KEPT:
                self._urls.clear()
            url = self._urls[path] = URL(self._base + path, encoded=True)
        return url

    async def _headers_sent(
        self,
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: TraceRequestHeadersSentParams,
    ) -> None:
        asked = context.trace_request_ctx
        if isinstance(asked, tuple) and len(asked) == 2 and asked[0] is self._mark:
            _mark_left(asked[1], self._clock)


def _raise_ours(exc: Exception, request: Request, timeout: float | None) -> NoReturn:
    """The `XdmError` that an exception of aiohttp means, by what is known to have happened."""
    if isinstance(exc, aiohttp.ClientResponseError):
        # Its repr would show the headers that were sent, and the token among them.
        exc.request_info = exc.request_info._replace(headers=_NO_HEADERS)
        exc.args = (exc.request_info, exc.history)
    raise _ours(exc, request, timeout) from exc


def _ours(exc: Exception, request: Request, timeout: float | None) -> XdmError:
    what = f"{request.route.name} ({request.route.method} {request.route.template})"
    kind = type(exc).__name__
    if request.left == 0:
        if isinstance(exc, RuntimeError) and "closed" in str(exc):
            return AppClosed(f"{what} was not sent: the HTTP session is closed")
        if isinstance(exc, TimeoutError):
            return ConnectFailed(f"{what} was not sent: no connection within {timeout:g} s")
        if isinstance(exc, ssl.SSLError | aiohttp.ClientSSLError):
            return ConnectFailed(f"{what} was not sent: TLS failed ({kind})")
        if isinstance(exc, aiohttp.ClientError | OSError):
            reason = getattr(exc, "strerror", None) or kind
            return ConnectFailed(f"{what} was not sent: no connection ({reason})")
        return InvalidRequest(f"{what} cannot be sent: {kind}")
    status = request.answer.status if request.answer is not None else None
    if isinstance(exc, TimeoutError):
        return ReadTimeout(
            f"{what} left, and no whole answer came within {timeout:g} s", status=status
        )
    if isinstance(exc, aiohttp.ClientPayloadError | aiohttp.ClientResponseError | ValueError):
        return UnreadableAnswer(f"{what} left, and its answer broke off ({kind})", status=status)
    return ConnectionLost(f"{what} left, and the connection broke ({kind})", status=status)


def _no_proxy(url: str) -> str | None:
    return None


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this host (``HTTPS_PROXY``, ``NO_PROXY`` …)."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)
