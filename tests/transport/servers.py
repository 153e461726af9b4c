"""Servers that say exactly the bytes a test gives them, and count who comes.

A test hands over what to do with each connection: read a request, write bytes, cut the line.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
from multidict import CIMultiDict


@attrs.frozen
class Asked:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes


@attrs.define(eq=False)
class Line:
    """One connection, from the server's side."""

    server: "RawServer"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> Asked:
        """Read one whole request; `EOFError` when the client has hung up."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = CIMultiDict(tuple(line.split(": ", 1)) for line in lines)
        body = await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        asked = Asked(method, target, headers, body)
        self.server.asked.append(asked)
        self.server.arrived.set()
        return asked

    def say(self, raw: bytes) -> None:
        self.writer.write(raw)

    def answer(self, body: bytes = b"{}", status: str = "200 OK", *headers: str) -> None:
        lines = "".join(f"{line}\r\n" for line in headers)
        self.say(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)

    async def cut(self) -> None:
        """Hang up, after what was said has gone out."""
        await self.writer.drain()
        self.writer.close()

    async def never(self) -> None:
        """Say nothing more until the test is over."""
        await self.server.over.wait()


Play = Callable[[Line], Awaitable[None]]


@attrs.define(eq=False)
class RawServer:
    play: Play
    url: str = ""
    asked: list[Asked] = attrs.field(factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set with every request that has come."""
    gone: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set with every connection that has ended."""
    over: asyncio.Event = attrs.field(factory=asyncio.Event)
    lines: set[asyncio.Task[None]] = attrs.field(factory=set)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.serve(reader, writer))
        self.lines.add(task)
        task.add_done_callback(self.lines.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self.play(Line(self, reader, writer, self.connections))
        except (EOFError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()
            self.gone.set()


@asynccontextmanager
async def serving(play: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on loopback that plays the same part on every connection."""
    raw = RawServer(play)
    server = await asyncio.start_server(raw.connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    raw.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        raw.over.set()
        for line in list(raw.lines):
            line.cancel()
        await asyncio.gather(*raw.lines, return_exceptions=True)


async def answering(line: Line) -> None:
    """A part to play: an empty object for every request, on a line kept open."""
    while True:
        await line.request()
        line.answer()
