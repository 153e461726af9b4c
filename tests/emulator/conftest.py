"""An emulator whose time stands still until a test moves it, and a plain client to ask it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import attrs
import msgspec
import pytest
import pytest_asyncio

from xdm_async.emulator import EmulatedUser, Emulator

START = 1_700_000_000.0


@attrs.define
class Clock:
    """A clock that a test drives."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@attrs.frozen
class Answered:
    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def limits(self) -> tuple[int, int, int]:
        """Limit, remaining and reset of the 15-minute headers."""
        return tuple(  # type: ignore[return-value]
            int(self.headers[f"x-rate-limit-{name}"]) for name in ("limit", "remaining", "reset")
        )


@attrs.frozen
class Asker:
    """Asks one emulator over HTTP, for a user (with a bearer token) or with given headers."""

    session: aiohttp.ClientSession
    x: Emulator

    async def __call__(
        self,
        method: str,
        path: str,
        user: EmulatedUser | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Answered:
        headers = dict(headers or {})
        if user is not None:
            token = user.oauth2["access_token"]
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method, self.x.url + path, headers=headers, **options
        ) as response:
            return Answered(response.status, response.headers, await response.read())

    async def send(self, sender: EmulatedUser, recipient: EmulatedUser, text: str) -> Answered:
        path = f"/2/dm_conversations/with/{recipient.id}/messages"
        return await self("POST", path, sender, json={"text": text})

    async def page(self, user: EmulatedUser, path: str = "/2/dm_events", **params: Any) -> Any:
        names = {name.replace("__", "."): str(value) for name, value in params.items()}
        answer = await self("GET", path, user, params=names)
        assert answer.status == 200, answer.raw
        return answer.body


Emulate = Callable[..., Awaitable[Asker]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def emulate(clock: Clock) -> AsyncIterator[Emulate]:
    """Starts emulators with the switches a test names."""
    async with AsyncExitStack() as stack:
        jar = aiohttp.DummyCookieJar()
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))

        async def start(limits: Any = None, **switches: Any) -> Asker:
            x = await stack.enter_async_context(Emulator(limits, clock=clock, **switches))
            return Asker(session, x)

        yield start


@pytest_asyncio.fixture
async def ask(emulate: Emulate) -> Asker:
    return await emulate()


@pytest.fixture
def x(ask: Asker) -> Emulator:
    return ask.x


@pytest.fixture
def ann(x: Emulator) -> EmulatedUser:
    return x.add_user("ann")


@pytest.fixture
def bob(x: Emulator) -> EmulatedUser:
    return x.add_user("bob")


@pytest.fixture
def cat(x: Emulator) -> EmulatedUser:
    return x.add_user("cat")
