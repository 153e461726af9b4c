"""Loopback: the address of this machine that a browser is sent back to, with the answer of X.

It listens while a login lasts, hears one answer, and tells the browser what became of it. What the
answer means is for the library to say; here it is a URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import html
import ipaddress
import os
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import attrs

from .failing import Failed, Misused

_PATIENCE = 10.0
"""Seconds for a browser to say what it wants, and to take its answer."""

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; margin: 4em auto; max-width: 40em">
<h1>{title}</h1>
<p>{words}</p>
"""

_HEADERS = """\
Content-Type: text/html; charset=utf-8
Cache-Control: no-store
Referrer-Policy: no-referrer
Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'
Connection: close
"""

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
}


@attrs.frozen
class Place:
    """Where a redirect URI leads to on this machine."""

    hosts: tuple[str, ...]
    port: int
    path: str
    origin: str

    @classmethod
    def of(cls, redirect_uri: str) -> Place:
        """Find it.

        Raises:
            Misused: it leads elsewhere, or needs TLS.
        """
        try:
            parts = urlsplit(redirect_uri)
            host, port = parts.hostname or "", 80 if parts.port is None else parts.port
            local = host == "localhost" or ipaddress.ip_address(host).is_loopback
            if not local or parts.scheme != "http" or port == 0:
                raise ValueError
        except ValueError:
            raise Misused(
                f"redirect_uri {redirect_uri!r} is no address that xdm can listen at, which is "
                "http:// with 127.0.0.1, [::1] or localhost and a port: with --no-browser the "
                "answer can be pasted instead"
            ) from None
        # A browser may take either for localhost, and nobody else is to hear the answer.
        hosts = ("127.0.0.1", "::1") if host == "localhost" else (host,)
        return cls(hosts, port, parts.path or "/", f"{parts.scheme}://{parts.netloc}")


class Callback:
    """The one answer: the URL that the browser came to, and the browser that waits for a page."""

    def __init__(self, url: str, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self._writer = writer

    async def answer(self, title: str, words: str) -> None:
        """Show a page; a browser that is gone is not minded."""
        await _reply(self._writer, 200, title, words)


class Loopback:
    """Listens inside ``async with`` at the place that a redirect URI names."""

    def __init__(self, redirect_uri: str) -> None:
        self._place = Place.of(redirect_uri)
        self._servers: list[asyncio.Server] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._callback: asyncio.Future[Callback] | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            Failed: the port is in use, or not to be had.
        """
        self._callback = asyncio.get_running_loop().create_future()
        try:
            for host in self._place.hosts:
                await self._listen(host)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, whoever is still connected."""
        await self._close()

    async def callback(self) -> Callback:
        """Wait for the answer; what else browsers ask for, such as an icon, is not there."""
        assert self._callback is not None
        return await self._callback

    async def _listen(self, host: str) -> None:
        port = self._place.port
        try:
            self._servers.append(await asyncio.start_server(self._visited, host, port))
        except OSError as exc:
            if self._servers and exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return  # a machine without IPv6
            if exc.errno == errno.EADDRINUSE:
                raise Failed(
                    f"port {port} of {host} is in use, by another xdm login or another program: "
                    "end it, or choose a --redirect-uri with another port that the app has "
                    "registered"
                ) from None
            reason = os.strerror(exc.errno) if exc.errno else str(exc)
            raise Failed(f"port {port} of {host} cannot be listened at: {reason}") from None

    def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        visit = asyncio.ensure_future(self._visit(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Browsers open connections in advance, and some are never used.
            writer.close()
            return
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target, _, version = rest.rpartition(" ")
        callback = self._callback
        assert callback is not None
        if not version.startswith("HTTP/1.") or not target.startswith("/"):
            await _reply(writer, 400, "Not understood", "This is for a browser only.")
        elif target.partition("?")[0] != self._place.path:
            await _reply(writer, 404, "Nothing here", "xdm waits for an answer at another path.")
        elif method != "GET":
            await _reply(writer, 405, "Not like this", "An answer comes by GET.")
        elif callback.done():
            await _reply(
                writer, 409, "Answered already", "This login had its answer: see the terminal."
            )
        else:
            callback.set_result(Callback(self._place.origin + target, writer))

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for visit in tuple(self._visits):
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # a page that was to be shown has been by now
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        for server in self._servers:
            await server.wait_closed()


async def _reply(writer: asyncio.StreamWriter, status: int, title: str, words: str) -> None:
    page = _PAGE.format(title=html.escape(title), words=html.escape(words)).encode()
    allow = "Allow: GET\n" if status == 405 else ""
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\n{_HEADERS}{allow}Content-Length: {len(page)}\n\n"
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            writer.write(head.replace("\n", "\r\n").encode() + page)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
