"""A list of events as the API shows it, by itself: newest first, some of it late."""

import asyncio
import itertools
from datetime import UTC, datetime

from xdm_async.models import EventId, MessageCreate, Meta, Page, PaginationToken

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def number_at(seconds: float, n: int = 0) -> int:
    """The number of an event that was made so many seconds after noon."""
    return int(EventId.first_at(NOON)) + (round(seconds * 1000) << 22) + n


class Shown:
    """What a list shows at a moment: each event from some moment on."""

    def __init__(self, page_size: int = 100, shows_at: dict[int, float] | None = None) -> None:
        self.page_size = page_size
        self.shows_at = {} if shows_at is None else shows_at

    def add(self, number: int, shows_at: float) -> int:
        self.shows_at[number] = shows_at
        return number

    def page(self, token: str | None, now: float) -> Page:
        """A token is a position: what is older than the last event of the page before."""
        below = 10**20 if token is None else int(token)
        there = [n for n, at in self.shows_at.items() if at <= now and n < below]
        numbers = sorted(there, reverse=True)[: self.page_size]
        events = tuple(MessageCreate(id=EventId(str(n)), text=f"text {n}") for n in numbers)
        # As recorded: the page with the oldest event has a token too, an empty one has none.
        then = PaginationToken(str(numbers[-1])) if numbers else None
        return Page(data=events, meta=Meta(next_token=then))


_MACHINES = itertools.count()


class Feed(Shown):
    """The same under the running loop's time, fetched page by page; what can go wrong does."""

    def __init__(self, page_size: int = 100) -> None:
        super().__init__(page_size)
        self.asked: list[tuple[float, str | None]] = []
        self.errors: list[BaseException | None] = []
        self.latency = 0.05
        self.began = asyncio.get_running_loop().time()
        self._made = next(_MACHINES) % 256 << 12

    @property
    def time(self) -> float:
        """Seconds after noon, on the server."""
        return asyncio.get_running_loop().time() - self.began

    def write(self, *, lag: float = 0.0) -> int:
        """An event is made now, and shows `lag` seconds later."""
        self._made += 1
        return self.add(number_at(self.time, self._made), self.time + lag)

    async def fetch(self, token: str | None) -> Page:
        self.asked.append((self.time, token))
        error = self.errors.pop(0) if self.errors else None
        await asyncio.sleep(self.latency)
        if error is not None:
            raise error
        return self.page(token, self.time)
