"""Faults on demand: what a client sees of them, and what the server has done meanwhile."""

import asyncio
from typing import Any

import aiohttp
import pytest

from xdm_async.emulator import EmulatedUser, Emulator

ME = "/2/users/me"


async def refresh(ask: Any, user: EmulatedUser) -> Any:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": user.oauth2["refresh_token"],
        "client_id": ask.x.app["client_id"],
    }
    return await ask("POST", "/2/oauth2/token", data=form)


async def struck(x: Emulator) -> None:
    """Until a fault has struck: all of it happens in this event loop."""
    for _ in range(100_000):
        if x.faults.struck:
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was struck")


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("500", "Internal Server Error"),
        ("502", "Bad Gateway"),
        ("503", "Service Unavailable"),
        ("504", "Gateway Timeout"),
    ],
)
async def test_a_server_that_is_down_has_done_nothing(ask, x, ann, bob, kind: str, title: str):
    x.faults.add(kind)
    answer = await ask.send(ann, bob, "hello")
    assert (answer.status, answer.body) == (
        int(kind),
        {"title": title, "type": "about:blank", "status": int(kind), "detail": title},
    )
    assert "x-rate-limit-limit" not in answer.headers
    assert (x.messages(), x.windows()) == ([], [])
    assert x.stats.requests_by_status == {int(kind): 1}
    assert x.stats.requests_by_endpoint == {"dm_conversations.send": 1}


async def test_a_page_in_place_of_an_answer_has_done_nothing(ask, x, ann, bob):
    x.faults.add("html")
    answer = await ask.send(ann, bob, "hello")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.raw.startswith(b"<!DOCTYPE html>")
    assert x.messages() == []


async def test_a_connection_is_cut_before_anything_is_done(ask, x, ann, bob):
    x.faults.add("cut", times=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask.send(ann, bob, "lost")
    assert x.messages() == []
    assert (await ask.send(ann, bob, "hello")).status == 201
    assert x.faults.struck == {"cut": 1}


async def test_a_connection_is_cut_after_all_is_done(ask, x, ann, bob):
    x.faults.add("cut-after", times=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask.send(ann, bob, "hello")
    assert [message.text for message in x.messages()] == ["hello"]
    assert x.stats.requests_by_status == {}


async def test_a_503_may_hide_that_all_was_done(ask, x, ann, bob):
    x.faults.add("503-after", times=1)
    assert (await ask.send(ann, bob, "hello")).status == 503
    assert [message.text for message in x.messages()] == ["hello"]
    assert x.stats.requests_by_status == {503: 1}


@pytest.mark.parametrize(("kind", "stored"), [("stall", 0), ("stall-after", 1)])
async def test_an_answer_does_not_come_until_the_client_gives_up(
    ask, x, ann, bob, kind: str, stored: int
):
    x.faults.add(kind, times=1)
    waiting = asyncio.create_task(ask.send(ann, bob, "hello"))
    await struck(x)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(x.messages()) == stored
    assert (await ask.send(ann, bob, "again")).status == 201


async def test_closing_waits_for_nobody_who_is_stalled(emulate, clock):
    async with aiohttp.ClientSession() as session:
        async with Emulator(clock=clock) as x:
            x.faults.add("stall")
            waiting = asyncio.create_task(session.get(x.url + ME))
            await struck(x)
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting


@pytest.mark.parametrize(("kind", "rotated"), [("cut", 0), ("cut-after", 1), ("503-after", 1)])
async def test_a_refresh_may_be_lost_with_its_tokens(ask, x, ann, kind: str, rotated: int):
    x.faults.add(kind, "oauth2.token", times=1)
    try:
        assert (await refresh(ask, ann)).status == 503
    except aiohttp.ServerDisconnectedError:
        assert kind.startswith("cut")
    assert x.refreshes_of(ann) == rotated
    again = await refresh(ask, ann)
    assert again.status == (400 if rotated else 200)
    assert x.stats.refresh_failures == rotated


async def test_a_fault_keeps_to_its_route(ask, x, ann):
    x.faults.add("503", "oauth2.token")
    x.faults.add("500", "oauth1.*")
    x.faults.add("502", "unknown")
    assert (await refresh(ask, ann)).status == 503
    assert (await ask("POST", "/oauth/request_token")).status == 500
    assert (await ask("GET", "/nowhere")).status == 502
    assert (await ask("GET", ME, ann)).status == 200
    x.faults.clear()
    assert (await refresh(ask, ann)).status == 200


async def test_faults_strike_in_turn(ask, x, ann):
    x.faults.add("503", times=2)
    x.faults.add("500", "users.*", times=1)
    statuses = [(await ask("GET", ME, ann)).status for _ in range(4)]
    assert statuses == [503, 503, 500, 200]
    assert x.faults.struck == {"503": 2, "500": 1}


async def test_a_rate_is_a_matter_of_the_seed(emulate):
    async def statuses(seed: int) -> list[int]:
        ask = await emulate({"users.me": []}, seed=seed)
        ann = ask.x.add_user("ann")
        ask.x.faults.add("503", rate=0.5)
        return [(await ask("GET", ME, ann)).status for _ in range(40)]

    first = await statuses(1)
    assert 10 < first.count(503) < 30
    assert await statuses(1) == first
    assert await statuses(2) != first


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("418",), "kind is one of"),
        (("503", "oauth2.tokens"), "no route"),
        (("503", "*", 0), "rate"),
        (("503", "*", 1.5), "rate"),
        (("503", "*", 1.0, 0), "times"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(x, arguments: tuple[Any, ...], word: str):
    with pytest.raises(ValueError, match=word):
        x.faults.add(*arguments)
