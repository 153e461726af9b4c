"""Connections: what does not leave, how many there are, and whose the session is."""

import asyncio
import inspect
import ssl
import zlib
from pathlib import Path

import aiohttp
import pytest

from xdm_async import App
from xdm_async.clock import SystemClock
from xdm_async.errors import AppClosed, ConnectFailed, ConnectionLost
from xdm_async.transport import Transport

from .conftest import SECRET, asking, sending
from .servers import Line, answering, serving

CLOCK = SystemClock()


async def test_a_refused_connection_sent_nothing(carry):
    async with serving(answering) as server:
        url = server.url
    request = sending()
    with pytest.raises(ConnectFailed, match="was not sent: no connection") as caught:
        await carry(url).send(request)
    assert request.left == 0
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


async def test_a_host_that_nobody_knows_sent_nothing(carry):
    request = sending()
    with pytest.raises(ConnectFailed, match="was not sent: no connection"):
        await carry("http://nothing.invalid").send(request)
    assert request.left == 0


async def test_a_server_that_speaks_no_tls_gets_nothing(carry):
    async def play(line: Line) -> None:
        await line.reader.read(10)
        line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await line.cut()

    async with serving(play) as server:
        request = sending()
        with pytest.raises(ConnectFailed, match="TLS failed"):
            await carry(server.url.replace("http:", "https:")).send(request)
    assert request.left == 0


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(carry):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    async with serving(answering, tls) as server:
        request = sending()
        with pytest.raises(ConnectFailed, match=r"TLS failed .*Certificate"):
            await carry(server.url).send(request)
        assert server.asked == []
    assert request.left == 0


async def test_a_line_cut_while_it_is_made_safe_sent_nothing(carry):
    async def play(line: Line) -> None:
        line.writer.transport.abort()

    async with serving(play) as server:
        request = sending()
        with pytest.raises(ConnectFailed):
            await carry(server.url.replace("http:", "https:")).send(request)
    assert request.left == 0


async def test_no_free_connection_in_time_sent_nothing():
    async def play(line: Line) -> None:
        await line.request()
        await line.never()

    narrow = aiohttp.TCPConnector(limit=1)
    async with serving(play) as server, aiohttp.ClientSession(connector=narrow) as session:
        patient = Transport(server.url, clock=CLOCK, session=session)
        hasty = Transport(server.url, clock=CLOCK, session=session, timeout=0.1)
        first = asyncio.create_task(patient.send(sending()))
        await server.arrived.wait()
        request = sending()
        with pytest.raises(ConnectFailed, match=r"no connection within 0\.1 s"):
            await hasty.send(request)
        assert request.left == 0
        assert server.connections == 1
        first.cancel()


async def test_cancelled_while_waiting_for_a_connection_nothing_has_left(carry):
    async def play(line: Line) -> None:
        await line.request()
        await line.never()

    async with serving(play) as server:
        transport = carry(server.url, max_connections=1)
        left = sending()
        first = asyncio.create_task(transport.send(left))
        await server.arrived.wait()
        stayed = sending()
        second = asyncio.create_task(transport.send(stayed))
        await asyncio.sleep(0)
        for task in (second, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert stayed.left == 0
        assert left.left == 1
        assert left.answer is None
        assert len(server.asked) == 1


async def test_cancelled_while_the_body_comes_in_the_headers_are_known(carry):
    async def play(line: Line) -> None:
        await line.request()
        line.say(b"HTTP/1.1 200 OK\r\nx-rate-limit-remaining: 7\r\nContent-Length: 9\r\n\r\n{")
        await line.never()

    async with serving(play) as server:
        request = sending()
        task = asyncio.create_task(carry(server.url).send(request))
        await server.arrived.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
            if request.answer is not None:
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert request.left == 1
    assert request.answer.headers["x-rate-limit-remaining"] == "7"


@pytest.mark.parametrize("cut_short", [False, True], ids=["cancelled", "broken"])
async def test_an_answer_that_is_not_read_to_its_end_keeps_no_connection(carry, cut_short):
    async def play(line: Line) -> None:
        await line.request()
        if line.number == 1:
            line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
            if cut_short:
                return await line.cut()
        else:
            line.answer()
        await line.never()

    async with serving(play) as server:
        transport = carry(server.url, max_connections=1, timeout=5.0)
        request = sending()
        task = asyncio.create_task(transport.send(request))
        await server.arrived.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
            if request.answer is not None:
                break
        if not cut_short:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await transport.send(sending())).status == 200


@pytest.mark.parametrize("seen", [True, False], ids=["seen leaving", "traced"])
async def test_however_it_is_noticed_each_leaving_counts(monkeypatch, seen):
    monkeypatch.setattr("xdm_async.transport._SEEN_LEAVING", seen)

    async def play(line: Line) -> None:
        while (await line.request()).method == "POST":
            line.answer()
        await line.cut()

    async with serving(play) as server:
        transport = Transport(server.url, clock=CLOCK)
        sent, read = sending(), asking()
        await transport.send(sent)
        with pytest.raises(ConnectionLost):
            await transport.send(read)
        await transport.aclose()
        assert (sent.left, read.left) == (1, 2)
        assert len(server.asked) == 3


async def test_sockets_are_reused(carry):
    async with serving(answering) as server:
        transport = carry(server.url)
        for _ in range(10):
            await transport.send(sending())
        assert server.connections == 1
        assert len(server.asked) == 10


async def test_no_more_sockets_than_allowed_are_ever_open(carry):
    async with serving(answering) as server:
        transport = carry(server.url, max_connections=4)
        await asyncio.gather(*(transport.send(sending()) for _ in range(64)))
        assert len(server.asked) == 64
        assert server.most_open <= 4
        assert server.connections <= 4


@pytest.mark.parametrize("farewell", [False, True], ids=["reset", "closed"])
async def test_a_send_on_a_line_that_was_cut_while_idle_is_not_repeated(carry, farewell):
    """Whether the server read it cannot be known, so it is for the caller to decide."""
    cut = asyncio.Event()

    async def play(line: Line) -> None:
        await line.request()
        line.answer()
        if line.number == 1:
            await cut.wait()
            if farewell:
                await line.cut()
            else:
                line.writer.transport.abort()
        else:
            await line.never()

    async with serving(play) as server:
        transport = carry(server.url)
        await transport.send(asking())
        request = sending()
        cut.set()
        with pytest.raises(ConnectionLost):
            await transport.send(request)
        assert request.left == 1
        assert [asked.method for asked in server.asked].count("POST") == 0
        assert server.connections == 1


async def test_a_read_on_a_line_that_was_cut_while_idle_leaves_again_and_both_count(carry):
    async def play(line: Line) -> None:
        await line.request()
        line.answer()
        if line.number == 1:
            await line.request()
            line.writer.transport.abort()
        else:
            await line.never()

    async with serving(play) as server:
        transport = carry(server.url)
        await transport.send(asking())
        request = asking()
        assert (await transport.send(request)).status == 200
        assert request.left == 2
        assert len(server.asked) == 3


def test_timeouts_are_on_by_default():
    for made in (Transport, App):
        assert inspect.signature(made).parameters["timeout"].default == 30.0


# Whose session it is


async def test_the_callers_session_is_used_with_our_headers_and_left_open():
    async with serving(answering) as server:
        mine = {"User-Agent": "theirs", "Authorization": "Basic theirs", "X-Theirs": "kept"}
        async with aiohttp.ClientSession(headers=mine) as session:
            transport = Transport(server.url, clock=CLOCK, session=session)
            await transport.send(sending())
            await transport.aclose()
            assert not session.closed
            (asked,) = server.asked
            assert asked.headers["Authorization"] == SECRET
            assert asked.headers["User-Agent"].startswith("xdm_async/")
            assert asked.headers["Content-Type"] == "application/json"
            assert asked.headers["X-Theirs"] == "kept"
            async with session.get(server.url) as response:
                assert response.status == 200
            assert server.connections == 1


async def test_the_callers_traces_go_on_and_ours_is_taken_out():
    seen = []
    theirs = aiohttp.TraceConfig()

    async def started(session, context, params):
        seen.append(params.method)

    theirs.on_request_start.append(started)
    async with (
        serving(answering) as server,
        aiohttp.ClientSession(trace_configs=[theirs]) as session,
    ):
        transport = Transport(server.url, clock=CLOCK, session=session)
        request = sending()
        await transport.send(request)
        for context in (None, (), (1, 2), request, {"theirs": 1}):
            async with session.get(server.url, trace_request_ctx=context):
                pass
        assert seen == ["POST"] + ["GET"] * 5
        assert request.left == 1
        await transport.aclose()
        assert session.trace_configs == [theirs]
        await transport.aclose()


async def test_two_apps_may_share_a_session_and_each_counts_its_own():
    async with serving(answering) as server, aiohttp.ClientSession() as session:
        one = Transport(server.url, clock=CLOCK, session=session)
        two = Transport(server.url, clock=CLOCK, session=session)
        first, second = sending(), sending()
        await one.send(first)
        await two.send(second)
        assert (first.left, second.left) == (1, 1)
        await one.aclose()
        await two.send(second)
        assert second.left == 1
        await two.aclose()


@pytest.mark.parametrize("settings", [{"raise_for_status": True}, {"auto_decompress": False}])
async def test_settings_of_the_callers_session_that_spoil_answers_do_not_hold(settings):
    async def play(line: Line) -> None:
        await line.request()
        line.answer(zlib.compress(b"{}"), "429 No", "Content-Encoding: deflate")
        await line.never()

    async with serving(play) as server, aiohttp.ClientSession(**settings) as session:
        transport = Transport(server.url, clock=CLOCK, session=session)
        response = await transport.send(sending())
        assert (response.status, response.body) == (429, b"{}")


async def test_a_session_that_its_owner_has_closed_is_closed_for_us():
    async with serving(answering) as server:
        async with aiohttp.ClientSession() as session:
            transport = Transport(server.url, clock=CLOCK, session=session)
            await transport.send(sending())
        request = sending()
        with pytest.raises(AppClosed):
            await transport.send(request)
        assert request.left == 0
        assert len(server.asked) == 1


async def test_a_transport_that_is_closed_opens_nothing_any_more(carry):
    async with serving(answering) as server:
        transport = carry(server.url)
        await transport.aclose()
        with pytest.raises(AppClosed):
            await transport.send(sending())
        assert server.connections == 0


async def test_closing_ends_the_lines_that_are_its_own(carry):
    async with serving(answering) as server:
        transport = carry(server.url)
        await transport.send(sending())
        await transport.aclose()
        await server.gone.wait()
        assert server.open == 0


# Proxies


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def environment(monkeypatch):
    for name in (*PROXIES, *map(str.upper, PROXIES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_the_environments_proxy_is_asked_only_when_it_may_be(carry, environment):
    async with serving(answering) as server, serving(answering) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        await carry(server.url).send(sending())
        assert (len(server.asked), len(proxy.asked)) == (1, 0)

        await carry(server.url, trust_env=True).send(sending())
        assert (len(server.asked), len(proxy.asked)) == (1, 1)
        assert proxy.asked[0].target == server.url + "/2/dm_conversations/with/9/messages"


@pytest.mark.parametrize("hosts", ["127.0.0.1", "*", "x.example,127.0.0.1"])
async def test_hosts_that_need_no_proxy_get_none(carry, environment, hosts):
    async with serving(answering) as server, serving(answering) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("NO_PROXY", hosts)
        await carry(server.url, trust_env=True).send(sending())
        assert (len(server.asked), len(proxy.asked)) == (1, 0)


async def test_the_proxy_of_another_scheme_is_not_asked(carry, environment):
    async with serving(answering) as server, serving(answering) as proxy:
        environment.setenv("HTTPS_PROXY", proxy.url)
        await carry(server.url, trust_env=True).send(sending())
        assert proxy.asked == []


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_a_proxy_that_makes_no_tunnel_sent_nothing(environment, whose):
    async def play(line: Line) -> None:
        await line.request()
        line.answer(b"no", "403 Forbidden")
        await line.cut()

    async with serving(play) as proxy, aiohttp.ClientSession() as session:
        environment.setenv("HTTPS_PROXY", proxy.url)
        theirs = session if whose == "theirs" else None
        transport = Transport("https://api.example", clock=CLOCK, session=theirs, trust_env=True)
        request = sending()
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(request)
        await transport.aclose()
        assert [asked.method for asked in proxy.asked] == ["CONNECT"]
        assert "Authorization" not in proxy.asked[0].headers
    assert request.left == 0
    assert "se-cr-et" not in repr(caught.value.__cause__)


async def test_a_proxy_that_is_down_sent_nothing(carry, environment):
    async with serving(answering) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
    request = sending()
    with pytest.raises(ConnectFailed):
        await carry("http://api.example", trust_env=True).send(request)
    assert request.left == 0


# Secrets


async def test_no_error_repr_or_log_record_holds_the_token(carry, caplog):
    caplog.set_level("DEBUG")

    async def play(line: Line) -> None:
        await line.request()
        match line.number:
            case 1:
                line.answer(b'{"title":"no"}', "403 Forbidden")
            case 2:
                line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
            case 3:
                line.say(b"220 smtp\r\n\r\n")
        await line.cut()

    async with serving(play) as server:
        transport = carry(server.url)
        told = [repr(transport)]
        for _ in range(5):
            request = sending()
            try:
                told.append(repr(await transport.send(request)))
            except Exception as exc:
                link: BaseException | None = exc
                while link is not None:
                    told += [str(link), repr(link)]
                    link = link.__cause__ or link.__context__
            told.append(repr(request))
    told += [record.getMessage() for record in caplog.records]
    assert len(told) > 15
    assert "se-cr-et" not in "\n".join(told)
    assert "hush" not in "\n".join(told)
