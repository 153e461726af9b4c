"""`xdm login`: by a browser that comes back, by an address that is pasted, by a PIN."""

import asyncio
import html
import json
import os
import re
import shlex
import signal
import socket
import stat
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlencode, urlsplit

import pytest

from xdm_async.cli.commands import run

from .conftest import Desk, Start, ended, posix


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def decide(url: str, user_id: str, decision: str = "authorize") -> tuple[str, str]:
    """Click on the page: where the browser is sent to then, and what it shows."""
    form = urlencode({"user": user_id, "decision": decision}).encode()
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(url, form) as answer:
            return "", answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.headers.get("Location", ""), answer.read().decode()


Change = Callable[[str], str]


class Browser:
    """Instead of the user's: it clicks at once, and goes where it is sent to."""

    def __init__(self, user_id: str, decision: str, change: Change) -> None:
        self._as = user_id, decision
        self._change = change
        self._page = ""
        self._read = threading.Event()

    @property
    def shown(self) -> str:
        """The page, which a browser goes on reading after the command has ended."""
        assert self._read.wait(10.0)
        return self._page

    def open(self, url: str) -> bool:
        back, _ = decide(url, *self._as)
        try:
            with urllib.request.urlopen(self._change(back)) as page:
                self._page = html.unescape(page.read().decode())
        finally:
            self._read.set()
        return True


Browse = Callable[..., Browser]


@pytest.fixture
def browse(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Browse:
    """Give the user a browser, in which ann decides; ``change`` alters where it is sent to."""

    def begin(decision: str = "authorize", change: Change = lambda back: back) -> Browser:
        browser = Browser(desk.ann.id, decision, change)
        monkeypatch.setenv("BROWSER", "true")
        monkeypatch.setattr(webbrowser, "open", browser.open)
        return browser

    return begin


def test_who_allows_it_in_the_browser_is_logged_in(
    desk: Desk, browse: Browse, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = browse()

    assert run(["login"]) == 0

    out, err = capsys.readouterr()
    assert out == f"logged in as @ann ({desk.ann.id})\n"
    assert err.splitlines()[-1].startswith(f"{desk.x.url}/2/oauth2/authorize?")
    assert "Logged in" in browser.shown
    kept = desk.kept()["ann"]
    assert kept.secret is not None
    assert set(kept.scopes) >= {"dm.read", "dm.write", "offline.access"}
    assert not [secret for secret in desk.secrets() if secret in out + err + browser.shown]
    assert stat.S_IMODE(desk.store.stat().st_mode) == 0o600

    desk.deliver(1)
    assert run(["events"]) == 0
    assert capsys.readouterr().out.endswith("  ben  message 0\n")


def test_for_machines_it_is_one_object_and_scopes_can_be_chosen(
    desk: Desk, browse: Browse, capsys: pytest.CaptureFixture[str]
) -> None:
    browse()

    assert run(["login", "--json", "--scopes", "dm.read tweet.read users.read"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"user_id", "username", "kind", "scopes", "expires_at", "needs_login"}
    assert (told["user_id"], told["username"], told["kind"]) == (desk.ann.id, "ann", "oauth2")
    assert sorted(told["scopes"]) == ["dm.read", "tweet.read", "users.read"]
    assert told["needs_login"] is None


def other_state(back: str) -> str:
    return re.sub(r"state=[^&]*", f"state={'x' * 43}", back)


def other_code(back: str) -> str:
    return re.sub(r"code=[^&]*", "code=made-up", back)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"decision": "cancel"}, "did not allow it"),
        ({"change": other_state}, "another state"),
        ({"change": other_code}, "code"),
        ({"change": lambda back: back.partition("?")[0]}, "the login failed"),
    ],
)
def test_an_answer_that_is_no_yes_is_one_sentence_and_nothing_is_overwritten(
    how: dict[str, object],
    says: str,
    desk: Desk,
    browse: Browse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk.keep("ann")
    before = desk.kept()
    browser = browse(**how)

    assert run(["login"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 3  # two that say where to go
    assert err.splitlines()[-1].startswith("xdm: ")
    assert says in err.splitlines()[-1]
    assert "Not logged in" in browser.shown
    assert says in browser.shown
    assert desk.kept() == before


def test_keys_that_x_does_not_know_are_one_sentence(
    desk: Desk,
    browse: Browse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    browse()
    monkeypatch.setenv("XDM_CLIENT_SECRET", "another-secret")

    assert run(["login"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("xdm: ")
    assert "another-secret" not in err
    assert desk.kept() == {}


def test_a_user_who_does_not_answer_is_not_waited_for_for_ever(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["login", "--timeout", "0.05"]) == 1

    assert "no answer came within 0.05 s" in capsys.readouterr().err.splitlines()[-1]


def test_a_port_that_another_program_has_is_one_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    port = urlsplit(desk.redirect_uri).port
    with socket.create_server(("127.0.0.1", port or 0)):
        assert run(["login"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"xdm: port {port} of 127.0.0.1 is in use")


@pytest.mark.parametrize(
    ("line", "env", "says"),
    [
        ("login", {"XDM_CLIENT_ID": ""}, "XDM_CLIENT_ID"),
        ("login --oauth1", {"XDM_CONSUMER_SECRET": ""}, "XDM_CONSUMER_SECRET"),
        ("login --oauth1 --scopes dm.read", {}, "'--scopes'"),
        ("login --oauth1 --redirect-uri http://127.0.0.1/", {}, "'--redirect-uri'"),
        ("login --timeout nan", {}, "'--timeout'"),
        ("login --timeout 0", {}, "'--timeout'"),
        ("login --scopes=", {}, "'--scopes'"),
        ("login --redirect-uri https://example.com/callback", {}, "--no-browser"),
        ("login", {"XDM_REDIRECT_URI": "http://example.com:8347/"}, "--no-browser"),
        ("login --no-browser --redirect-uri callback", {}, "'--redirect-uri'"),
        ("login --no-browser", {"XDM_REDIRECT_URI": "callback"}, "XDM_REDIRECT_URI"),
        ("login", {"XDM_STORE": "memory:"}, "XDM_STORE"),
        ("login", {"XDM_STORE": "cloud:"}, "XDM_STORE: "),
        ("login", {"XDM_VAULT_KEY": "a-word"}, "XDM_VAULT_KEY: "),
        ("login now", {}, "now"),
    ],
)
def test_misuse_is_one_sentence_and_exit_2(
    line: str,
    env: dict[str, str],
    says: str,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert run(line.split()) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert "a-word" not in err
    assert desk.kept() == {}


async def address_told(process: Process) -> str:
    """The address that it says to open."""
    assert process.stderr is not None
    while True:
        line = (await process.stderr.readline()).decode().strip()
        assert line
        if line.startswith("http"):
            return line


@posix
async def test_by_a_browser_that_it_opens_from_process_to_process(
    desk: Desk, start: Start, tmp_path: Path
) -> None:
    script = tmp_path / "browser.py"
    script.write_text(
        "import sys, urllib.parse, urllib.request\n"
        f"form = urllib.parse.urlencode({{'user': {desk.ann.id!r}, 'decision': 'authorize'}})\n"
        "urllib.request.urlopen(sys.argv[1], form.encode()).read()\n"
    )
    browser = shlex.join([sys.executable, str(script), "%s"])
    process = await start("login", env=os.environ | {"BROWSER": browser})
    code, out, err = await ended(process)

    assert (code, out) == (0, f"logged in as @ann ({desk.ann.id})\n")
    assert "Traceback" not in err
    assert desk.kept()["ann"].owner == desk.ann.id


@posix
async def test_without_a_browser_the_address_it_ends_at_is_pasted(desk: Desk, start: Start) -> None:
    process = await start("login", "--no-browser", stdin=PIPE)
    url = await address_told(process)
    back, _ = await asyncio.to_thread(decide, url, desk.ben.id)
    assert process.stdin is not None
    process.stdin.write(f"\n  {back} \n".encode())

    code, out, err = await ended(process)

    assert (code, out, err) == (0, f"logged in as @ben ({desk.ben.id})\n", "")


def test_by_oauth_1_the_pin_is_typed_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()

    def click_and_type(url: str) -> None:
        _, page = decide(url, desk.ann.id)
        pin = re.search(r"<code>(\w+)</code>", page)
        with open(writer, "w") as typed:
            typed.write(f"{pin and pin[1]}\n")

    monkeypatch.setenv("BROWSER", "true")
    monkeypatch.setattr(webbrowser, "open", click_and_type)
    with open(reader) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        assert run(["login", "--oauth1"]) == 0

    out, err = capsys.readouterr()
    assert out == f"logged in as @ann ({desk.ann.id})\n"
    assert err.splitlines()[-1] == "Then type the PIN that it shows:"
    kept = desk.kept()["ann"]
    assert (kept.kind, kept.owner) == ("oauth1", desk.ann.id)
    assert not [secret for secret in desk.secrets() if secret in out + err]


@pytest.mark.parametrize("typed", ["0000000", "what?"])
def test_a_pin_that_is_wrong_is_one_sentence(
    typed: str,
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "typed").write_text(typed)
    with (tmp_path / "typed").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run(["login", "--oauth1", "--no-browser"]) == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("xdm: ")
    assert desk.kept() == {}


@posix
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("login", marks=pytest.mark.slow),
        "login --no-browser",
        pytest.param("login --oauth1", marks=pytest.mark.slow),
    ],
)
async def test_ctrl_c_ends_it_cleanly_whatever_it_waits_for(
    how: str, desk: Desk, start: Start
) -> None:
    process = await start(*how.split(), stdin=PIPE)
    await address_told(process)

    process.send_signal(signal.SIGINT)
    code = await asyncio.wait_for(process.wait(), 10)
    assert process.stderr is not None
    told = (await process.stderr.read()).decode().splitlines()

    assert code == 1
    assert told[-1] == "stopped: nobody was logged in"
    assert len(told) == (2 if "oauth1" in how else 1)
    assert desk.kept() == {}


@pytest.mark.parametrize("how", ["login --no-browser", "login --oauth1"])
def test_an_input_that_ends_before_the_answer_is_one_sentence(
    how: str, desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(how.split()) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("xdm: standard input ended before ")
    assert desk.kept() == {}
