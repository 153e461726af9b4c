"""EventStream: many pages as one async iterator that never ends silently.

A stream asks for a page when one is wanted, and ahead of that only while the budget is
comfortable. How a page is fetched, and when it may be, is left to the coroutine that it is built
from; which page comes next, to `walks`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import attrs

from ..endpoints.answers import names_parameter
from ..errors import BadRequest, InvalidRequest, UnreadableAnswer
from ..models.events import Event, bind
from ..models.pages import Page
from . import positions
from .ascent import Ascent
from .bounds import Bound, Bounds
from .descent import Descent
from .source import Source
from .walks import Gap, Place, Walk, checked, place_of

_log = logging.getLogger("xdm_async")


class EventStream:
    """Events page by page: ``async for event in stream``; newest first, unless ``newer_than``.

    Always true:

    - only the last page ends the stream, or what it was told to end at (``limit``, ``since``,
      ``until``): a short page does not, and neither does an empty one;
    - no event comes twice, also where the server repeats some at the border of two pages;
    - a page counts as read once it has come whole. After an error, or a cancelled wait, the
      stream stands where it stood, and going on with it asks for the same page again;
    - it holds two pages at most: the one that is read, and the next one, which is fetched ahead
      once half of the page is read, as long as half of the budget is left and nobody waits for it.

    A stream is read once, by one reader at a time, either by its events or by its pages. Until
    its end, another ``async for`` goes on where the last one left off.
    """

    def __init__(
        self,
        source: Source,
        *,
        limit: int | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
        resume: str | None = None,
        newer_than: str | None = None,
    ) -> None:
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidRequest(
                f"limit must be a whole number of at least 1, or None, not {limit!r:.40}",
                argument="limit",
            )
        if resume is not None and newer_than is not None:
            raise InvalidRequest(
                "resume goes on with a read and newer_than reads what came after it: give one",
                argument="resume",
            )
        bounds = Bounds.of(since, until)
        self._source = source
        self._saved = ("resume", resume) if newer_than is None else ("newer_than", newer_than)
        state = self._saved_state()
        up = newer_than is not None or state.get("d") == "n"
        self._place = place_of(state) if not up or state.get("d") == "n" else Place()
        self._walk: Walk = (Ascent if up else Descent)(state, bounds, source.now())
        self._whose_is_known = self._saved[1] is None
        self._left = limit
        self._cut_short = False
        self._ended = self._walk.ended
        self._pages_read = 0
        self._anew_at: Place | None = None
        self._gap: Gap | None = None
        self._soon: asyncio.Handle | None = None
        """The next page is fetched ahead when the reader first leaves the loop to others."""
        self._ahead: asyncio.Task[Page[Event]] | None = None
        self._read_by: str | None = None
        self._fetching = False
        self._warned = False
        self._events: tuple[Event, ...] = ()
        """Those of the page that is read, and how many of them were given."""
        self._given = 0
        self._half = 0
        self._collected: list[Event] = []

    def __repr__(self) -> str:
        walk = self._walk
        state = "ended" if self._ended else "broken" if walk.broken else "open"
        return f"<EventStream {state}, {self._pages_read} pages read>"

    @property
    def position(self) -> str:
        """Where the stream stands, as a string to keep: the events given so far lie behind it.

        ``resume=position`` goes on exactly there, in this process or another, and
        ``newer_than=position`` reads what has happened since the read began. It belongs to the
        account and to what is read of it, and names both by fingerprints; it holds no secret.
        """
        place = self._place.moved(self._events[: self._given])
        unread = self._given < len(self._events)
        state = self._walk.state(place, self._place, on_page=unread or self._cut_short)
        return positions.write("e", self._source.bound, state)

    @property
    def gap(self) -> tuple[datetime, datetime] | None:
        """From when to when events may be missing: a resumed read was overtaken by the 30 days.

        None as long as nothing is known to be missing. Known at the end of the stream, where it
        is logged as well: the lists reach back 30 days from each request, so what was not yet
        read when a read was interrupted may be gone when it goes on.
        """
        return self._gap

    def __aiter__(self) -> AsyncIterator[Event]:
        self._claim("events")
        return self

    async def __anext__(self) -> Event:
        """Give the next event, fetching pages until one holds any."""
        given = self._given
        while given == len(self._events):
            self._read_as("events")
            page = await self._next_page()
            if page is None:
                raise StopAsyncIteration
            self._events, given = page.data, 0
            self._half = (len(page.data) + 1) // 2
        self._given = given + 1
        if given + 1 == self._half:
            self._soon = asyncio.get_running_loop().call_soon(self._fetch_ahead)
        return self._events[given]

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

        ``data`` is without what an earlier page held already, and ends where the stream does.
        """
        self._claim("pages")
        return _Pages(self._whole_page)

    async def aclose(self) -> None:
        """Give up a page that is being fetched ahead; there is nothing else to close."""
        if self._soon is not None:
            self._soon.cancel()
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])
            self._ahead = None

    def _claim(self, what: str) -> None:
        if self._ended and self._given == len(self._events) and self._pages_read:
            raise InvalidRequest("the stream was read to its end, and is read once: ask for a new")
        self._read_as(what)

    def _read_as(self, what: str) -> None:
        if self._read_by not in (None, what):
            raise InvalidRequest(
                f"the stream is read by its {self._read_by} already, and not by its {what} as well"
            )
        self._read_by = what

    async def _whole_page(self) -> Page[Event] | None:
        page = await self._next_page()
        if page is not None:
            self._events, self._given = page.data, len(page.data)
            if self._pages_read > 1:  # whoever asks for a second page is on the way through
                self._soon = asyncio.get_running_loop().call_soon(self._fetch_ahead)
        return page

    async def _next_page(self) -> Page[Event] | None:
        if self._ended:
            return None
        walk = self._walk
        if walk.broken is not None:
            raise UnreadableAnswer(f"{walk.broken} (page {self._pages_read})")
        if self._fetching:
            raise InvalidRequest("the stream is waiting for a page already: it has one reader")
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        # All of the page before was given: nothing of it is needed while the next one comes.
        self._place = self._place.moved(self._events)
        self._events, self._given = (), 0
        self._fetching = True
        try:
            page = await self._fetched()
        finally:
            self._fetching = False
        # From here to the end nothing waits, so a page is taken whole or not at all.
        self._pages_read += 1
        self._note_errors(page)
        events = walk.take(page)
        if self._left is not None:
            self._cut_short = len(events) > self._left
            events = events[: self._left]
            self._left -= len(events)
        if self._source.reader is not None:
            bind(events, self._source.reader)
        self._ended = walk.ended or self._left == 0
        if walk.ended:
            self._note_gap()
        return (
            page
            if len(events) == len(page.data) and not _turned(events, page)
            else (attrs.evolve(page, data=tuple(events)))
        )

    async def _fetched(self) -> Page[Event]:
        """The page that the walk wants next: fetched ahead, or now."""
        if not self._whose_is_known:
            await self._check_whose()
        while True:
            if self._ahead is not None:
                ahead = self._ahead
                await asyncio.wait([ahead])
                self._ahead = None
                if not ahead.cancelled() and ahead.exception() is None:
                    return ahead.result()
            try:
                return await self._page_of(self._walk.token)
            except BadRequest as refused:
                # A token may be forgotten by the server: there is another way to the same place.
                if (
                    not names_parameter(refused, "pagination_token")
                    or self._anew_at == self._place
                    or not self._walk.begin_anew(self._place)
                ):
                    self._anew_at = None  # who goes on after it tries the other way once more
                    raise
                self._anew_at = self._place
                _log.info("the server no longer takes a pagination_token: reading from the top")

    async def _check_whose(self) -> None:
        """Refuse another account's position before any page is asked for."""
        if self._source.bound.account is None and self._source.identify is not None:
            await self._source.identify()
        self._saved_state()
        self._whose_is_known = True

    def _saved_state(self) -> positions.State:
        argument, position = self._saved
        if position is None:
            return {}
        return checked(positions.read("e", self._source.bound, position, argument), argument)

    def _fetch_ahead(self) -> None:
        walk = self._walk
        if (
            self._ahead is not None
            or self._ended
            or walk.broken is not None
            or (self._left is not None and self._left <= 0)
        ):
            return
        allowance = self._source.allowance()
        if allowance is None or not allowance.comfortable:
            return
        self._ahead = asyncio.ensure_future(self._page_of(walk.token))
        self._ahead.add_done_callback(_forget)

    async def _page_of(self, token: str | None) -> Page[Event]:
        if self._pages_read:
            await self._source.give_way()
        return await self._source.fetch(token)

    def _note_gap(self) -> None:
        self._gap = self._walk.gap(self._source.now())
        if self._gap is not None:
            _log.warning(
                "a list of events was not read in one go, and reaches back 30 days: what happened "
                "from %s to %s may be missing",
                *(f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in self._gap),
            )

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


def _turned(events: list[Event], page: Page[Event]) -> bool:
    """Whether the events come in another order than on the page."""
    return bool(events) and events[0] is not page.data[0]


def _forget(task: asyncio.Task[Page[Event]]) -> None:
    """Look at a failure that nobody may ask for: the page is then fetched when it is wanted."""
    if not task.cancelled():
        task.exception()


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
