"""EventStream: many pages as one async iterator that never ends silently.

A stream asks for a page when one is wanted and not before; no task of its own runs, so a stream
that is dropped leaves nothing behind. How a page is fetched, and when it may be, is left to the
coroutine that it is built from.

The rules of paging: https://docs.x.com/x-api/fundamentals/pagination
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from ..endpoints.events import FetchPage
from ..errors import InvalidRequest, UnreadableAnswer
from ..models.events import Event
from ..models.pages import Page

_log = logging.getLogger("xdm_async")


class EventStream:
    """Events, newest first, page by page: ``async for event in stream``.

    Always true:

    - only a page without ``next_token`` ends the stream, or ``limit``: a short page does not,
      and neither does an empty one;
    - no event comes twice, also where the server repeats some at the border of two pages;
    - a page counts as read once it has come whole. After an error, or a cancelled wait, the
      stream stands where it stood, and going on with it asks for the same page again.

    A stream is read once, by one reader at a time, either by its events or by its pages. Until
    its end, another ``async for`` goes on where the last one left off.
    """

    def __init__(self, fetch: FetchPage, *, limit: int | None = None) -> None:
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidRequest(
                f"limit must be a whole number of at least 1, or None, not {limit!r:.40}",
                argument="limit",
            )
        self._fetch = fetch
        self._left = limit
        self._token: str | None = None
        self._landmark: str | None = None
        self._pages_read = 0
        self._ended = False
        self._broken: str | None = None
        self._read_by: str | None = None
        self._fetching = False
        self._warned = False
        # Events repeated at a border are on the two pages beside it that hold any.
        self._recent: deque[set[str]] = deque(maxlen=2)
        self._buffer: deque[Event] = deque()
        self._collected: list[Event] = []

    def __repr__(self) -> str:
        state = "ended" if self._ended else "broken" if self._broken else "open"
        return f"<EventStream {state}, {self._pages_read} pages read>"

    def __aiter__(self) -> AsyncIterator[Event]:
        self._claim("events")
        return self

    async def __anext__(self) -> Event:
        """Give the next event, fetching pages until one holds any."""
        while not self._buffer:
            page = await self._next_page()
            if page is None:
                raise StopAsyncIteration
            self._buffer.extend(page.data)
        return self._buffer.popleft()

    async def collect(self) -> list[Event]:
        """Read all that is left into a list.

        Where an error interrupts, what was read is kept: call it again to go on, and it gives
        the whole list.
        """
        async for event in self:
            self._collected.append(event)
        collected, self._collected = self._collected, []
        return collected

    def pages(self) -> AsyncIterator[Page[Event]]:
        """Read page by page, with their includes, meta and partial errors; empty pages too.

        ``data`` is without what an earlier page held already, and ends at ``limit``.
        """
        self._claim("pages")
        return _Pages(self._next_page)

    def _claim(self, what: str) -> None:
        if self._ended and not self._buffer:
            raise InvalidRequest("the stream was read to its end, and is read once: ask for a new")
        if self._read_by not in (None, what):
            raise InvalidRequest(
                f"the stream is read by its {self._read_by} already, and not by its {what} as well"
            )
        self._read_by = what

    async def _next_page(self) -> Page[Event] | None:
        if self._ended:
            return None
        if self._broken is not None:
            raise UnreadableAnswer(self._broken)
        if self._fetching:
            raise InvalidRequest("the stream is waiting for a page already: it has one reader")
        self._fetching = True
        try:
            page = await self._fetch(self._token)
        finally:
            self._fetching = False
        # From here to the end nothing waits, so a page is taken whole or not at all.
        self._pages_read += 1
        self._note_errors(page)
        page = self._without_repeats(page)
        if self._left is not None:
            page = self._up_to_limit(page, self._left)
        self._advance(page)
        return page

    def _advance(self, page: Page[Event]) -> None:
        token = page.meta.next_token
        if self._left == 0:
            self._ended = True
        elif token and token not in (self._token, self._landmark):
            # Every so often, at growing distances, the place is marked: a circle of any length
            # comes back to a mark at last (Brent), and nothing but the mark is remembered.
            if self._pages_read.bit_count() == 1:
                self._landmark = token
            self._token = token
        elif token:
            self._broken = (
                f"page {self._pages_read} of a list of events leads back to one that was read "
                "before: the list would never end"
            )
        elif "meta" in page.extra or page.meta.extra.get("next_token") is not None:
            # A token that is there and cannot be read is not the end, and must not look like it.
            self._broken = (
                f"page {self._pages_read} of a list of events has a next_token that cannot be read"
            )
        else:
            self._ended = True

    def _without_repeats(self, page: Page[Event]) -> Page[Event]:
        seen: set[str] = set()
        fresh: list[Event] = []
        for event in page.data:
            if event.id in seen or any(event.id in ids for ids in self._recent):
                continue
            if event.id:
                seen.add(event.id)
            fresh.append(event)
        if seen:
            self._recent.append(seen)
        return page if len(fresh) == len(page.data) else attrs.evolve(page, data=tuple(fresh))

    def _up_to_limit(self, page: Page[Event], left: int) -> Page[Event]:
        self._left = max(left - len(page.data), 0)
        return page if len(page.data) <= left else attrs.evolve(page, data=page.data[:left])

    def _note_errors(self, page: Page[Event]) -> None:
        if page.errors and not self._warned:
            self._warned = True
            first = page.errors[0]
            _log.warning(
                "a page of events came with %d partial errors, the first of them %r about %s %r; "
                "they are on page.errors, and later ones are not logged",
                len(page.errors),
                first.get("title"),
                first.get("resource_type"),
                first.get("resource_id"),
            )


class _Pages:
    """A stream's pages; like the stream, it goes on after an error."""

    def __init__(self, next_page: Callable[[], Awaitable[Page[Event] | None]]) -> None:
        self._next_page = next_page

    def __aiter__(self) -> _Pages:
        return self

    async def __anext__(self) -> Page[Event]:
        page = await self._next_page()
        if page is None:
            raise StopAsyncIteration
        return page
