"""What surrounds the API: HTTP, the handles for tests, and closing."""

import asyncio
import json
import logging
import time
import zlib

import aiohttp
import attrs
import pytest

from xdm_async.emulator import DOCS_2026, EmulatedUser, Emulator, describe


async def test_an_answer_looks_like_one_of_x(ask, ann):
    answer = await ask("GET", "/2/users/me", ann)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.headers["api-version"] == "2.162"
    assert answer.headers["set-cookie"].startswith("guest_id=")
    other = await ask("GET", "/2/users/me", ann)
    assert other.headers["x-transaction-id"] != answer.headers["x-transaction-id"]


async def test_the_date_follows_the_clock_and_may_end_in_utc(emulate, clock):
    ask = await emulate(date_zone="UTC")
    clock.advance(0.999)
    assert (await ask("GET", "/")).headers["date"] == "Tue, 14 Nov 2023 22:13:20 UTC"
    clock.advance(0.001)
    assert (await ask("GET", "/")).headers["date"] == "Tue, 14 Nov 2023 22:13:21 UTC"


async def test_a_long_answer_is_compressed_when_offered(x, ann, bob):
    for _ in range(100):
        x.deliver(ann, bob, "the same again")
    headers = {"Authorization": f"Bearer {bob.oauth2['access_token']}"}
    async with aiohttp.ClientSession(headers=headers, auto_decompress=False) as session:
        async with session.get(f"{x.url}/2/dm_events") as response:
            assert response.headers["content-encoding"] == "gzip"
            page = json.loads(zlib.decompress(await response.read(), wbits=31))
        async with session.get(f"{x.url}/2/users/me") as response:
            assert "content-encoding" not in response.headers
        plain = {"Accept-Encoding": "identity"}
        async with session.get(f"{x.url}/2/dm_events", headers=plain) as response:
            assert "content-encoding" not in response.headers
            assert await response.json() == page
    assert len(page["data"]) == 100


async def test_a_client_that_keeps_cookies_is_noticed(x):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        for expected in (0, 1):
            async with session.get(f"{x.url}/2/users/me") as response:
                assert response.status == 401
            assert x.stats.cookies_received == expected


async def test_a_handler_is_not_confused_by_many_at_once(emulate):
    ask = await emulate({"dm.write": []})
    users = [ask.x.add_user() for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        for n in range(200):
            group.create_task(ask.send(users[n % 20], users[(n * 7 + 1) % 20], str(n)))
    stored = ask.x.messages()
    assert sorted(int(message.text) for message in stored) == list(range(200))
    assert len({message.id for message in stored}) == 200
    assert all(users[int(m.text) % 20].id == m.sender_id for m in stored)


async def test_what_happened_is_counted(ask, x, ann, bob):
    await ask.send(ann, bob, "hello")
    await ask.send(ann, bob, "")
    await ask("GET", "/nothing")
    await ask("GET", "/2/dm_events", ann)
    x.deliver(bob, ann, "from elsewhere")
    x.create_group(ann, [bob], "a group")
    assert attrs.asdict(x.stats) == {
        "requests": 4,
        "requests_by_endpoint": {"dm_conversations.send": 2, "unknown": 1, "dm_events.list": 1},
        "requests_by_status": {201: 1, 400: 1, 404: 1, 200: 1},
        "refused_429": 0,
        "refused": {},
        "messages_stored": 3,
        "sent": 1,
        "cookies_received": 0,
        "refreshes": 0,
        "refresh_failures": 0,
    }
    assert [event.text for event in x.events_of(bob)] == [
        "hello",
        "from elsewhere",
        None,
        "a group",
    ]


async def test_a_description_is_json_that_points_another_client_here(ask, x, ann):
    line = json.dumps(describe(x))
    told = json.loads(line)
    assert told["url"] == x.url
    assert told["app"].keys() == {"client_id", "client_secret", "consumer_key", "consumer_secret"}
    (user,) = told["users"]
    assert user.keys() == {"id", "username", "oauth2", "oauth1"}
    assert user["oauth2"].keys() == {"access_token", "refresh_token", "expires_at", "scopes"}
    assert user["oauth1"].keys() == {"token", "token_secret"}
    answer = await ask("GET", "/2/users/me", token=user["oauth2"]["access_token"])
    assert answer.body["data"]["id"] == user["id"] == ann.id


async def test_a_seed_decides_ids_and_tokens(clock):
    def made(seed: int) -> object:
        x = Emulator(clock=clock, seed=seed)
        ann, bob = x.add_user(), x.add_user()
        ids = x.deliver(ann, bob, "see https://example.com")
        return x.app, attrs.asdict(ann), ids, x.messages()[0].text

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_handles_refuse_what_cannot_happen(x, ann, bob, cat):
    group = x.create_group(ann, [bob], "hello").dm_conversation_id
    for impossible in (
        lambda: x.deliver(cat, group, "hello"),
        lambda: x.deliver(ann, "12", "hello"),
        lambda: x.join(group, bob, ann),
        lambda: x.join(group, cat, cat),
        lambda: x.join("12", cat, ann),
        lambda: x.leave(group, cat),
        lambda: x.create_group(ann, [x.add_user() for _ in range(50)], "hello"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            impossible()


def test_a_full_group_takes_no_one_more(x, ann):
    group = x.create_group(ann, [x.add_user() for _ in range(49)], "full").dm_conversation_id
    with pytest.raises(ValueError, match="at most 50"):
        x.join(group, x.add_user(), ann)


def test_a_clock_from_before_the_snowflakes_is_refused():
    with pytest.raises(ValueError, match="2010-11-05"):
        Emulator(clock=lambda: 0.0)


def test_thousands_of_users_and_messages_are_cheap(clock):
    began = time.process_time()
    x = Emulator(clock=clock)
    users = [x.add_user() for _ in range(2_000)]
    for n in range(20_000):
        x.deliver(users[n % 2_000], users[0], str(n))
    assert len(x.messages()) == 20_000
    assert time.process_time() - began < 5


async def test_it_serves_only_while_it_is_entered(clock):
    x = Emulator(DOCS_2026, clock=clock)
    assert "not serving" in repr(x)
    with pytest.raises(RuntimeError, match="async with"):
        _ = x.url
    async with x:
        url = x.url
        assert url in repr(x)
        with pytest.raises(RuntimeError, match="already serving"):
            await x.__aenter__()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)


async def test_closing_waits_for_no_one(clock):
    async with aiohttp.ClientSession() as session:
        x = Emulator(clock=clock)
        user: EmulatedUser = x.add_user()
        headers = {"Authorization": f"Bearer {user.oauth2['access_token']}"}
        async with asyncio.timeout(30), x:  # those that linger are not waited for
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(read(session, f"{x.url}/2/users/me", headers))
            # One connection never asks anything, one stops in the middle of its body.
            address = x.url.removeprefix("http://").split(":")
            _, idle = await asyncio.open_connection(*address)
            _, half = await asyncio.open_connection(*address)
            half.write(
                b"POST /2/dm_conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
            )
            await half.drain()
            await asyncio.sleep(0)
        idle.close()
        half.close()


async def read(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
    async with session.get(url, headers=headers) as response:
        assert response.status == 200


async def test_nothing_is_logged(ask, ann, bob, caplog):
    caplog.set_level(logging.DEBUG)
    await ask.send(ann, bob, "hello")
    await ask("GET", "/nothing")
    assert [record for record in caplog.records if record.name != "asyncio"] == []
