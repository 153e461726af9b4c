"""A list of events as a server keeps it: tokens are positions, and new events arrive on top."""

from __future__ import annotations

import random
from collections.abc import Callable

from xdm_async.errors import BadRequest, ReadTimeout
from xdm_async.models import (
    Event,
    EventId,
    MessageCreate,
    Meta,
    Page,
    PaginationToken,
    UnknownEvent,
)
from xdm_async.streams import EventStream
from xdm_async.streams.source import Allowance, Source


class Reader:
    """An account, as far as an event knows it."""

    def __init__(self, user_id: str | None = "7") -> None:
        self.user_id = user_id
        self.sent: list[tuple[str, str]] = []

    async def send_in(self, dm_conversation_id: str, text: str) -> tuple[str, str]:
        self.sent.append((dm_conversation_id, text))
        return self.sent[-1]


def refused_token() -> BadRequest:
    problem = {"title": "Invalid Request", "errors": [{"parameters": {"pagination_token": ["x"]}}]}
    return BadRequest("dm_events.list was refused with 400", status=400, problems=(problem,))


class Listed:
    """Pages of ``size`` events, newest first.

    ``short`` is how often a page is cut short, even to nothing; ``past_newest`` what the server
    has past the newest event: nothing, the newest page again, or a refusal of the token.
    """

    def __init__(
        self,
        *numbers: int,
        size: int = 3,
        short: float = 0.0,
        both_tokens: bool = True,
        past_newest: str = "empty",
        seed: int = 0,
    ) -> None:
        self.numbers = sorted(numbers)
        self.size = size
        self.short = short
        self.both_tokens = both_tokens
        self.past_newest = past_newest
        self.random = random.Random(seed)
        self.forgotten: set[str] = set()
        self.given: set[str] = set()
        self.asked: list[str | None] = []
        self.failing: list[BaseException] = []
        self.before_page: Callable[[], None] = lambda: None
        self.make: Callable[[int], Event] = lambda n: MessageCreate(id=EventId(str(n)))

    def arrive(self, *numbers: int) -> None:
        self.numbers = sorted([*self.numbers, *numbers])

    def forget_tokens(self) -> None:
        self.forgotten |= self.given

    async def __call__(self, token: str | None) -> Page[Event]:
        self.asked.append(token)
        self.before_page()
        if self.failing:
            raise self.failing.pop()
        if token is not None and (token in self.forgotten or token not in self.given):
            raise refused_token()
        return self._page(token)

    def _page(self, token: str | None) -> Page[Event]:
        numbers = self.numbers
        if token is None:
            looked_at = numbers[-self.size :]
        elif token[0] == "n":
            older = [n for n in numbers if n < int(token[1:])]
            looked_at = older[-self.size :]
        else:
            newer = [n for n in numbers if n > int(token[1:])]
            looked_at = newer[: self.size]
            if not looked_at and self.past_newest == "refused":
                raise refused_token()
            if not looked_at and self.past_newest == "same":
                looked_at = numbers[-self.size :]
        if not looked_at:
            return Page(meta=Meta(result_count=0))
        shown = looked_at
        if self.short and self.random.random() < self.short:
            shown = [n for n in looked_at if self.random.random() < 0.5]
            hidden = set(looked_at) - set(shown)
            self.numbers = [n for n in numbers if n not in hidden]
        last = not self.both_tokens and looked_at[0] == numbers[0]
        return Page(
            data=tuple(self.make(n) for n in reversed(shown)),
            meta=Meta(
                next_token=None if last else self._token("n", looked_at[0]),
                previous_token=self._token("p", looked_at[-1]),
            ),
        )

    def _token(self, kind: str, number: int) -> PaginationToken:
        token = f"{kind}{number}"
        if token in self.forgotten:  # a new one leads there, as it were
            self.forgotten.discard(token)
        self.given.add(token)
        return PaginationToken(token)


def stream_of(
    fetch: object,
    *,
    comfortable: bool = False,
    reader: Reader | None = None,
    query: str = "all events",
    **bounds: object,
) -> EventStream:
    """A stream of what ``fetch`` gives, with or without a comfortable budget."""
    allowance = Allowance(300, 900.0, 299 if comfortable else 0)
    source = Source(
        fetch,  # type: ignore[arg-type]
        query,
        reader or Reader(),
        allowance=lambda: allowance,
    )
    return EventStream(source, **bounds)  # type: ignore[arg-type]


def ids(events: object) -> list[int]:
    return [int(event.id) for event in events]  # type: ignore[attr-defined]


async def read_on(stream: EventStream, many: int | None = None) -> list[Event]:
    """Read so many events, or all; transient errors are gone on after."""
    got: list[Event] = []
    while many is None or len(got) < many:
        try:
            got.append(await anext(stream))
        except ReadTimeout:
            continue
        except StopAsyncIteration:
            break
    return got


def unplaced(number: int) -> UnknownEvent:
    """An event whose id cannot be read."""
    return UnknownEvent(extra={"number": number})
