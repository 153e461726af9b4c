"""`xdm` in processes of its own, and a local X beside the test to point it at."""

import asyncio
import os
import socket
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import platformdirs
import pytest

from xdm_async.emulator import Emulator
from xdm_async.stores.base import Grant
from xdm_async.stores.opening import open_store

ROOT = Path(__file__).parent.parent.parent
MAIN = "from xdm_async.cli import main; main()"

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start ``xdm`` with these arguments; whatever still runs at the end is killed."""
    started: list[Process] = []

    async def begin(*args: str, code: str = MAIN, **how: Any) -> Process:
        streams = {"stdin": asyncio.subprocess.DEVNULL, "stdout": PIPE, "stderr": PIPE} | how
        # Warnings are errors, so that whatever is left open ends up on standard error.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", code, *args, cwd=ROOT, **streams
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def first_line(process: Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def ended(process: Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode() if out else "", err.decode() if err else ""


class Clock:
    """The local X's clock: the real one, as far ahead as a test wants."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


Serve = Callable[..., Emulator]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a local X from a thread: `run` has an event loop of its own.

    Between two requests nothing happens in it, so a test may deliver and look as it likes.
    """
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread]] = []

    def begin(**how: Any) -> Emulator:
        x = Emulator(**how)
        begun = threading.Event()

        async def until_told() -> None:
            end = asyncio.Event()
            running.append((asyncio.get_running_loop(), end, threading.current_thread()))
            async with x:
                begun.set()
                await end.wait()

        threading.Thread(target=asyncio.run, args=(until_told(),)).start()
        assert begun.wait(10)
        return x

    yield begin
    for loop, end, thread in running:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)


class Here:
    """A local X with ann and ben, and the environment of ann's shell."""

    def __init__(self, x: Emulator) -> None:
        self.x = x
        self.ann, self.ben = x.add_user("ann"), x.add_user("ben")
        token = x.token(self.ann, expires_in=10**8)["access_token"]
        self.env = {"XDM_BASE_URL": x.url, "XDM_ACCESS_TOKEN": token, "XDM_USER_ID": self.ann.id}

    @property
    def token(self) -> str:
        return self.env["XDM_ACCESS_TOKEN"]

    def ids(self) -> list[str]:
        """Of all that ann sees, newest first."""
        return [event.id for event in reversed(self.x.events_of(self.ann))]

    def deliver(self, count: int) -> None:
        for number in range(count):
            self.x.deliver(self.ben, self.ann, f"message {number}")


@pytest.fixture
def clean(tmp_path: Path) -> Iterator[None]:
    """An environment in which nothing is said to `xdm`, two hours ahead of UTC.

    The user is nobody's: no store of theirs is there, and no screen for a browser.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("XDM_") or name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path))
        patch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        patch.setenv("TZ", "Etc/GMT-2")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def settle(serve: Serve, clean: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Here]:
    """Make a local X, with arguments of the `Emulator`, and point `xdm` at it."""

    def begin(**how: Any) -> Here:
        here = Here(serve(**how))
        for name, value in here.env.items():
            monkeypatch.setenv(name, value)
        return here

    return begin


@pytest.fixture
def here(settle: Callable[..., Here]) -> Here:
    return settle()


class Desk(Here):
    """The same, where ann and ben are not logged in yet, and the app has its keys."""

    def __init__(self, x: Emulator, redirect_uri: str, store: Path) -> None:
        super().__init__(x)
        self.redirect_uri = redirect_uri
        self.store = store
        """Where accounts are kept by default."""
        self.env = {
            "XDM_BASE_URL": x.url,
            "XDM_REDIRECT_URI": redirect_uri,
            **{f"XDM_{name.upper()}": value for name, value in x.app.items()},
        }

    def keep(self, *names: str, key: str = "", **grant: Any) -> None:
        """Have the store keep tokens of these users that the local X has given out."""

        async def put() -> None:
            store = open_store(f"sqlite:{self.store}", [key] if key else [])
            await store.open()
            for name in names:
                user = getattr(self, name)
                tokens = self.x.token(user)
                kept = Grant(
                    user.id,
                    "oauth2",
                    tokens["access_token"],
                    tokens["refresh_token"],
                    expires_at=time.time() + 7200,
                    lifetime=7200,
                    scopes=tokens["scopes"],
                    username=name,
                )
                await store.vault.put(attrs.evolve(kept, **grant))
            await store.aclose()

        asyncio.run(put())

    def kept(self, key: str = "") -> dict[str, Grant]:
        """What the store keeps, by username."""

        async def grants() -> list[Grant]:
            store = open_store(f"sqlite:{self.store}", [key] if key else [])
            await store.open()
            try:
                return await store.vault.grants()
            finally:
                await store.aclose()

        if not self.store.exists():
            return {}
        with ThreadPoolExecutor(1) as aside:  # a test may have an event loop of its own
            return {
                grant.username or "": grant
                for grant in aside.submit(asyncio.run, grants()).result()
            }

    def secrets(self) -> set[str]:
        """What nobody may ever be told."""
        found = {self.env["XDM_CLIENT_SECRET"], self.env["XDM_CONSUMER_SECRET"]}
        for grant in self.kept().values():
            found |= {grant.token, grant.secret or grant.token}
        return found


@pytest.fixture
def desk(serve: Serve, clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        redirect_uri = f"http://127.0.0.1:{taken.getsockname()[1]}/callback"
    store = platformdirs.user_data_path("xdm_async") / "store.sqlite"
    assert store.is_relative_to(tmp_path)
    made = Desk(serve(callbacks=(redirect_uri,)), redirect_uri, store)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def nowhere(clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account at a place where nobody answers: what is asked there fails with exit code 1."""
    monkeypatch.setenv("XDM_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("XDM_ACCESS_TOKEN", "somebody's")
