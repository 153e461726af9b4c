"""For tests, ours and those of users: a clock that a test moves, a sender that follows a script.

With pytest and pytest-asyncio installed, the fixture ``xdm_emulator`` comes along: an
`xdm_async.emulator.Emulator` with the documented limits, for one test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from multidict import CIMultiDict

from .emulator import Emulator
from .wire.exchange import Request, Response

try:
    import pytest_asyncio
except ModuleNotFoundError:  # loaded by pytest for whoever has this package, so it must not fail
    pass
else:

    @pytest_asyncio.fixture
    async def xdm_emulator() -> AsyncIterator[Emulator]:
        """A local X with the documented limits, fresh for each test."""
        async with Emulator() as emulator:
            yield emulator


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.time = now

    def now(self) -> float:
        """The moment the test has set."""
        return self.time


Answer = Response | BaseException | Callable[[Request], Response]


class ScriptedSender:
    """A `Sender` that gives the answers of a script, in order, and remembers what it was asked."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        """Give the next answer of the script, or raise it where it is an exception."""
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Response) else answer(request)


def answered(
    status: int = 200,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    at: float = 1000.0,
) -> Response:
    """A `Response` with this status, body and headers, sent and received at ``at``."""
    return Response(status, CIMultiDict(headers or {}), body, at, at)
