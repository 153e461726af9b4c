"""The address that a browser is sent back to: one answer, whatever else browsers do."""

import asyncio
import socket

import pytest

from xdm_async.cli.failing import Failed, Misused
from xdm_async.cli.loopback import Loopback, Place


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def uri(port: int) -> str:
    return f"http://127.0.0.1:{port}/callback"


async def ask(port: int, line: str, host: str = "127.0.0.1") -> str:
    """What a browser is shown for a request."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"{line}\r\nHost: here\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_answer_is_the_whole_address_and_the_browser_hears_what_became_of_it(
    uri: str, port: int
) -> None:
    async with Loopback(uri) as loopback:
        asking = asyncio.ensure_future(ask(port, "GET /callback?state=s&code=a%2Fb HTTP/1.1"))
        callback = await loopback.callback()
        assert not asking.done()

        await callback.answer("Logged in", "as <ann> & nobody else")

        page = await asking
    assert callback.url == f"{uri}?state=s&code=a%2Fb"
    assert page.startswith("HTTP/1.1 200 OK\r\n")
    assert "<p>as &lt;ann&gt; &amp; nobody else</p>" in page
    assert "no-store" in page
    assert "code" not in page


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /favicon.ico HTTP/1.1", 404),
        ("GET / HTTP/1.1", 404),
        ("GET /callback/more?code=c HTTP/1.1", 404),
        ("POST /callback?code=c HTTP/1.1", 405),
        ("HEAD /callback?code=c HTTP/1.1", 405),
        ("GET http://127.0.0.1/callback?code=c HTTP/1.1", 400),
        ("hello", 400),
    ],
)
async def test_what_is_no_answer_is_not_taken_for_one(
    line: str, status: int, uri: str, port: int
) -> None:
    async with Loopback(uri) as loopback:
        answered = asyncio.ensure_future(loopback.callback())

        page = await ask(port, line)

        assert page.startswith(f"HTTP/1.1 {status} ")
        assert not answered.done()
        answered.cancel()


async def test_the_first_answer_counts(uri: str, port: int) -> None:
    async with Loopback(uri) as loopback:
        first = asyncio.ensure_future(ask(port, "GET /callback?code=1 HTTP/1.1"))
        callback = await loopback.callback()

        again = await ask(port, "GET /callback?code=2 HTTP/1.1")
        await callback.answer("Logged in", "done")

        assert "Answered already" in again
        assert "done" in await first
        assert (await loopback.callback()).url.endswith("code=1")


async def test_connections_that_browsers_open_in_advance_keep_nobody_waiting(
    uri: str, port: int
) -> None:
    async with Loopback(uri) as loopback:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.ensure_future(ask(port, "GET /callback?code=1 HTTP/1.1"))
        await (await loopback.callback()).answer("Logged in", "done")
        await asking

    assert await reader.read() == b""
    writer.close()


async def test_a_browser_that_is_gone_is_not_minded(uri: str, port: int) -> None:
    async with Loopback(uri) as loopback:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /callback?code=1 HTTP/1.1\r\n\r\n")
        callback = await loopback.callback()
        writer.transport.abort()

        await callback.answer("Logged in", "done")


async def test_localhost_is_both_of_its_addresses(port: int) -> None:
    async with Loopback(f"http://localhost:{port}/") as loopback:
        asking = asyncio.ensure_future(ask(port, "GET /?code=1 HTTP/1.1"))
        callback = await loopback.callback()
        await callback.answer("Logged in", "done")
        await asking

    assert Place.of(f"http://localhost:{port}").hosts == ("127.0.0.1", "::1")
    assert callback.url == f"http://localhost:{port}/?code=1"


async def test_a_port_in_use_is_said(uri: str, port: int) -> None:
    says = f"port {port} of 127.0.0.1 is in use"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Failed, match=says):
        await Loopback(uri).__aenter__()

    async with Loopback(uri):
        with pytest.raises(Failed, match="is in use"):
            async with Loopback(uri):
                pass
    async with Loopback(uri):  # and it is free again
        pass


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1:8347/callback",
        "http://example.com:8347/callback",
        "http://0.0.0.0:8347/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:99999/callback",
        "myapp://callback",
        "callback",
        "",
    ],
)
def test_what_leads_elsewhere_cannot_be_listened_at(uri: str) -> None:
    with pytest.raises(Misused, match="--no-browser"):
        Loopback(uri)


def test_without_a_port_it_is_that_of_http() -> None:
    assert Place.of("http://127.0.0.1/back").port == 80
