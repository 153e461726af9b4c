"""Answers that come in, whole or broken: each becomes a Response or the error it means."""

import gzip
import zlib

import pytest

from xdm_async import App, OAuth2
from xdm_async.errors import ConnectionLost, OutcomeUnknown, ReadTimeout, UnreadableAnswer

from .conftest import SECRET, asking, sending
from .servers import Line, answering, serving

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"data":"' + b"x" * 3000 + b'"}'


def saying(raw: bytes, *, cut: bool = True):
    """A part to play: read one request, say these bytes, and hang up or keep still."""

    async def play(line: Line) -> None:
        await line.request()
        line.say(raw)
        if cut:
            await line.cut()
        else:
            await line.never()

    return play


async def test_an_answer_comes_back_whole(carry):
    async def play(line):
        await line.request()
        line.answer(BODY, "201 Created", "x-rate-limit-remaining: 7", "X-Odd: a", "X-Odd: b")
        await line.never()

    async with serving(play) as server:
        request = sending()
        response = await carry(server.url).send(request)
    assert response.status == 201
    assert response.body == BODY
    assert response.headers["X-Rate-Limit-Remaining"] == "7"
    assert request.left == 1
    assert request.answer is response
    assert request.sent_at <= response.received_at
    assert response.sent_at <= request.sent_at


async def test_what_is_sent_is_what_was_asked_for(carry):
    async with serving(answering) as server:
        transport = carry(server.url)
        await transport.send(asking())
        await transport.send(sending())
        asked, sent = server.asked
    assert (asked.method, asked.target) == ("GET", "/2/dm_events?max_results=1")
    assert (sent.method, sent.target) == ("POST", "/2/dm_conversations/with/9/messages")
    assert sent.body == b'{"text":"hush"}'
    assert sent.headers["Content-Type"] == "application/json"
    assert "Content-Type" not in asked.headers
    for one in (asked, sent):
        assert one.headers["Authorization"] == SECRET
        assert one.headers["Accept"] == "application/json"
        assert "gzip" in one.headers["Accept-Encoding"]
        assert one.headers["User-Agent"].startswith("xdm_async/")


async def test_a_path_goes_over_the_wire_exactly_as_it_was_signed(carry):
    async with serving(answering) as server:
        request = asking()
        request.path = "/2/dm_events?dm_event.fields=id%2Ctext&q=%20%3a%C3%BC~"
        await carry(server.url).send(request)
        assert server.asked[0].target == request.path


async def test_more_paths_than_are_kept_parsed_are_all_sent_right(carry, monkeypatch):
    monkeypatch.setattr("xdm_async.transport._URLS_KEPT", 2)
    async with serving(answering) as server:
        transport = carry(server.url)
        paths = [f"/2/dm_events?pagination_token={n % 5}" for n in range(12)]
        for path in paths:
            request = asking()
            request.path = path
            await transport.send(request)
        assert [asked.target for asked in server.asked] == paths


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        ("gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ],
)
async def test_an_answer_is_unpacked(carry, encoding, encoded):
    raw = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding.encode(), len(encoded))
    async with serving(saying(OK + raw + encoded)) as server:
        response = await carry(server.url).send(sending())
    assert response.body == BODY


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (OK + b"\r\n{}", b"{}"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (OK + b"Set-Cookie: \xff;;=\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ],
    ids=["until it hangs up", "in chunks", "nothing", "after a 100", "HTTP/1.0", "a bad cookie"],
)
async def test_an_answer_may_come_in_any_form_that_http_has(carry, raw, body):
    async with serving(saying(raw)) as server:
        assert (await carry(server.url).send(sending())).body == body


@pytest.mark.parametrize("status", ["400 Bad Request", "401 No", "429 Too Many", "503 No"])
async def test_a_refusal_is_an_answer_like_any_other(carry, status):
    async def play(line):
        await line.request()
        line.answer(b'{"title":"no"}', status)
        await line.never()

    async with serving(play) as server:
        response = await carry(server.url).send(sending())
    assert response.status == int(status[:3])
    assert response.body == b'{"title":"no"}'


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(carry, status):
    async def play(line):
        await line.request()
        line.answer(b"", f"{status} Elsewhere", "Location: /elsewhere")
        await line.never()

    async with serving(play) as server:
        assert (await carry(server.url).send(asking())).status == status
        assert len(server.asked) == 1


async def test_no_cookie_is_kept(carry):
    async def play(line):
        while True:
            await line.request()
            line.answer(b"{}", "200 OK", "Set-Cookie: guest_id=v1; Path=/", "Set-Cookie: b=c")

    async with serving(play) as server:
        transport = carry(server.url)
        for _ in range(3):
            await transport.send(asking())
        assert all("Cookie" not in asked.headers for asked in server.asked)


# Broken answers


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"], ids=["at once", "midway"])
async def test_a_line_cut_after_a_send_was_read_leaves_its_outcome_unknown(carry, raw):
    async with serving(saying(raw)) as server:
        request = sending()
        with pytest.raises(ConnectionLost) as caught:
            await carry(server.url).send(request)
        assert len(server.asked) == 1
    assert request.left == 1
    assert request.answer is None
    assert caught.value.status is None
    assert caught.value.__cause__ is not None


async def test_a_read_whose_line_is_cut_leaves_twice_and_both_count(carry):
    """aiohttp repeats what is safe to repeat, once; the budget must know of it."""
    async with serving(saying(b"")) as server:
        request = asking()
        with pytest.raises(ConnectionLost):
            await carry(server.url).send(request)
        assert len(server.asked) == request.left == 2


BROKEN = {
    "a body cut short": b"Content-Length: 10\r\n\r\n{",
    "a chunk cut short": b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "gzip cut short": b"Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"
    + gzip.compress(BODY)[:20],
    "what is no gzip": b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_body_that_breaks_off_is_unreadable_but_its_headers_were_read(carry, broken):
    raw = OK + b"x-rate-limit-remaining: 7\r\n" + broken
    async with serving(saying(raw)) as server:
        request = sending()
        with pytest.raises(UnreadableAnswer) as caught:
            await carry(server.url).send(request)
    assert request.left == 1
    assert request.answer is not None
    assert request.answer.headers["x-rate-limit-remaining"] == "7"
    assert caught.value.status == 200


async def test_gzip_cut_short_behind_a_length_that_agrees_is_not_taken_for_an_answer():
    """aiohttp does not notice; whoever reads the body does, since no JSON is whole then."""
    packed = gzip.compress(b'{"data":{"id":"9","name":"n","username":"u"}}')[:-20]
    raw = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(saying(OK + raw + packed)) as server, App(base_url=server.url) as app:
        with pytest.raises(UnreadableAnswer):
            await app.account(OAuth2("a"), user_id="9").me()


UNREADABLE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTML without HTTP": b"<html>hello</html>",
    "JSON without HTTP": b'{"data":[]}\n',
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "an endless header": OK + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "an encoding nobody offered": OK + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_answer_of_http_is_unreadable(carry, raw):
    async with serving(saying(raw)) as server:
        request = sending()
        with pytest.raises(UnreadableAnswer) as caught:
            await carry(server.url).send(request)
    assert request.left == 1
    assert SECRET not in repr(caught.value.__cause__)
    assert "se-cr-et" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"", None), (OK + b"Content-Le", None), (OK + b"Content-Length: 10\r\n\r\n{", 200)],
    ids=["nothing", "half of the headers", "half of the body"],
)
async def test_an_answer_that_stalls_is_a_read_timeout(carry, raw, status):
    async with serving(saying(raw, cut=False)) as server:
        request = sending()
        with pytest.raises(ReadTimeout, match=r"within 0\.2 s") as caught:
            await carry(server.url, timeout=0.2).send(request)
    assert request.left == 1
    assert caught.value.status == status
    assert (request.answer is not None) == (status is not None)


async def test_one_broken_answer_spoils_no_other(carry):
    async def play(line):
        await line.request()
        if line.number == 1:
            line.say(OK + b"Content-Length: 10\r\n\r\n{")
            await line.cut()
        else:
            line.answer(b'{"data":1}')
            await line.never()

    async with serving(play) as server:
        transport = carry(server.url)
        with pytest.raises(OutcomeUnknown):
            await transport.send(sending())
        assert (await transport.send(sending())).body == b'{"data":1}'
