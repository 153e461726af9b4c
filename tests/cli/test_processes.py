"""The command as a user's shell runs it: real processes, real signals, real terminals."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from xdm_async import App, OAuth1, OAuth2
from xdm_async.cli.commands import run

from .conftest import MAIN, Start, ended, first_line, posix
from .test_commands import KEYS


async def test_the_emulator_says_in_one_line_all_that_a_client_needs(start: Start) -> None:
    process = await start("emulator", "--users", "2", "--json", "--limit", "dm.write.user=5/60")
    x = json.loads(await first_line(process))

    assert set(x) == {"url", "app", "users"}
    assert set(x["app"]) == {"client_id", "client_secret", "consumer_key", "consumer_secret"}
    assert set(x["users"][0]) == {"id", "username", "oauth2", "oauth1"}

    one, other = x["users"]
    bearer = {"Authorization": f"Bearer {one['oauth2']['access_token']}"}
    async with aiohttp.ClientSession(headers=bearer) as session:
        async with session.get(f"{x['url']}/2/users/me") as answer:
            assert (await answer.json())["data"]["id"] == one["id"]
        with_other = f"{x['url']}/2/dm_conversations/with/{other['id']}/messages"
        async with session.post(with_other, json={"text": "hi"}) as answer:
            assert answer.status == 201
            assert answer.headers["x-rate-limit-limit"] == "5"
    keys = {key: x["app"][key] for key in ("consumer_key", "consumer_secret")}
    async with App(base_url=x["url"], **keys) as app:
        read = await app.account(OAuth1(**other["oauth1"])).events().collect()
        assert [event.text for event in read] == ["hi"]  # type: ignore[union-attr]
        assert (await app.account(OAuth2(**one["oauth2"])).me()).username == one["username"]

    process.send_signal(signal.SIGINT)
    assert await ended(process) == (0, "", "")


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_is_how_an_emulator_ends_well(start: Start, number: int) -> None:
    process = await start("emulator")
    assert b"http://127.0.0.1:" in await first_line(process)

    process.send_signal(number)
    code, _, err = await ended(process)

    assert (code, err) == (0, "")


def test_a_port_in_use_is_one_sentence_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["emulator", "--port", port]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert port in err


async def test_a_small_demo_writes_its_json(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "demo.json"

    code, out, err = await ended(
        await start("demo", "--accounts", "2", "--messages", "1", "--json", str(file))
    )

    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("OK: ")
    report = json.loads(file.read_text())
    assert set(report) == KEYS
    assert report["messages_sent"] == report["messages_stored"] == 2


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_demo_that_is_stopped_says_so_and_leaves_cleanly(start: Start, number: int) -> None:
    process = await start("demo", "--accounts", "4")
    while b"messages sent" not in await first_line(process):
        pass

    process.send_signal(number)
    code, _, err = await ended(process)

    assert code == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("stopped: 160 of 400 messages")


@pytest.mark.slow
@posix
async def test_a_demo_that_is_stopped_gives_the_terminal_back(start: Start) -> None:
    ours, theirs = os.openpty()
    try:
        process = await start("demo", stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    screen = b""
    while b"dm.write.user.15m" not in screen:
        screen += await asyncio.to_thread(os.read, ours, 4096)

    process.send_signal(signal.SIGINT)
    while True:
        try:
            screen += await asyncio.to_thread(os.read, ours, 4096)
        except OSError:  # the other side is closed
            break
    os.close(ours)

    assert await process.wait() == 1
    assert screen.rindex(b"\x1b[?25l") < screen.rindex(b"\x1b[?25h")
    assert b"stopped: " in screen
    assert b"Traceback" not in screen


@pytest.mark.slow
async def test_who_reads_no_further_ends_a_demo_without_a_word(start: Start) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await start("demo", "--accounts", "2", "--messages", "1", stdout=writer)
    os.close(writer)

    assert await ended(process) == (1, "", "")


@pytest.mark.parametrize("missing", [pytest.param("typer", marks=pytest.mark.slow), "rich"])
async def test_without_its_extra_it_says_how_to_get_it(start: Start, missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; {MAIN}"

    result, out, err = await ended(await start("demo", code=code))

    assert (result, out) == (2, "")
    assert err == "xdm needs its extra: pip install 'xdm_async[cli]'\n"


@pytest.mark.slow
async def test_the_default_demo_holds(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "demo.json"

    code, out, err = await ended(await start("demo", "--json", str(file)))

    assert (code, err) == (0, "")
    assert "OK: " in out
    report = json.loads(file.read_text())
    assert set(report) == KEYS
    assert report["messages_sent"] == report["messages_stored"] == report["accounts"] * 100
    assert report["events_read"] == report["events_expected"]
    assert report["duplicates"] == report["refused_429"] == 0
    assert report["seconds"] >= report["lower_bound_seconds"] == 36.0
