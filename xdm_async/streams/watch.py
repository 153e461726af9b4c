"""Watch: new events as they happen, of one account or of many, as one async iterator.

The API has no way to wait for an event, and none to ask for those since another: the newest page
is asked for again and again. Here the accounts are brought together, and the events are handed
to the one who reads; what an account's list holds is left to `watched`, how often it is looked
at to `pace`, and how many at a time to `rounds`.

The facts: https://docs.x.com/x-api/direct-messages/lookup
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Any, Self

from ..clock import Clock, SystemClock
from ..errors import AppClosed, InvalidRequest
from ..models.events import Event
from ..stores.base import Keeper
from . import positions
from .outages import passes
from .pace import IDLE, LIVELY, Pace, backoff
from .rounds import Rounds
from .since import SEVERAL, Since
from .source import Source
from .watched import Watched

_log = logging.getLogger("xdm_async")

OnError = Callable[[str | None, Exception], Any]

PATIENCE = 10.0
"""Seconds that entering waits for the first poll of each account."""
_STARTS = 10.0
"""Polls a second that a watch of many begins with."""


class Watch:
    """New events, oldest first: ``async with … as events``, ``async for event in events``.

    Always true:

    - each event comes once, and none is left out: also where one shows late (up to
      `seen.OVERLAP` after a younger one), after errors, and after bursts longer than a page;
    - the events that one look at an account's list finds come oldest first; one that shows late
      comes late;
    - ``position`` has behind it what the consumer is done with: it asked for the next one, or
      left the block without an error; the event in hand comes again;
    - with a checkpoint, the position is kept before the next event is given. After a kill at any
      moment, at most the one event in hand comes again;
    - an account is not asked again while events of it wait to be taken. What one look found is
      the most that is held of it;
    - accounts with events take turns, one event each;
    - once the block is left, nothing of it runs.

    Without ``since`` and without a kept position, it begins with the moment of entering: what an
    account's first poll shows was there before. Entering waits for that poll, up to 10 s. For an
    account whose first poll takes longer, or fails and is tried again, what was made after the
    watch was entered counts as new, by the server's clock as its answers tell it; where they do
    not, its first poll that succeeds is its beginning.

    A failure that passes (no connection, a timeout, a server's error, a ``max_wait`` that is over)
    is waited out, and told in the log once when it begins and once when it is over. Any other
    error is raised; going on with the iteration goes on with the watch. Of many accounts, the
    one that failed is watched no more, and the others are: ``on_error`` is told, or else the error
    is raised with a note that names the account. When none is left, the iteration ends.

    Events whose ids are no numbers are left out, and the log says so once: it cannot be told
    whether they are new.

    A watch is entered once, and read by one consumer at a time.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        many: bool = False,
        since: str | int | datetime | None = None,
        keep: Keeper | None = None,
        share: float = 0.5,
        on_error: OnError | None = None,
        clock: Clock | None = None,
        chance: Random | None = None,
    ) -> None:
        if not sources:
            raise InvalidRequest(
                "accounts is empty: there is nothing to watch", argument="accounts"
            )
        _check_share(share)
        _check_callback(on_error)
        self._many = many
        self._share = share
        self._ending: dict[int, Callable[[], None]] = {}
        """What says that an account is watched no more."""
        self._clock = clock or SystemClock()
        self._chance = chance or Random()
        self._on_error = on_error
        begin = Since.of(since, many=many)
        now = self._clock.now()
        start = min(IDLE, max(LIVELY, len(sources) / _STARTS))
        self._all = [
            Watched(
                source,
                begin,
                keep,
                Pace(share, self._chance, now, interval=start),
                self._clock,
                lambda: self._opened_at,
            )
            for source in sources
        ]
        self._users: dict[str, Watched] = {}
        for watched in self._all:
            self._claim(watched)
        self._left = len(self._all)
        self._to_attempt = set(map(id, self._all))
        self._attempted = asyncio.Event()
        self._rounds: Rounds[Watched] = Rounds(self._turn, self._clock)
        self._runner: asyncio.Task[None] | None = None
        self._opened_at: float | None = None
        self._entered = self._closed = False
        self._reading = False
        self._news: asyncio.Future[None] | None = None
        self._ready: deque[Watched] = deque()
        self._errors: deque[Exception] = deque()
        self._fatal: BaseException | None = None
        self._stuck: Watched | None = None
        self._hand: tuple[Watched, Event] | None = None
        self._unsaved: dict[int, Watched] = {}

    def __repr__(self) -> str:
        whose = f"{len(self._all)} accounts" if self._many else self._all[0].user_id or "an account"
        state = "left" if self._closed else "entered" if self._entered else "not entered"
        held = sum(len(watched.buffer) for watched in self._ready)
        return f"<Watch of {whose}, {state}, {held} events to take>"

    @property
    def position(self) -> str:
        """Where the consumer stands, to be given as ``since``; of many accounts, all in one.

        A checkpoint does not need it: there each account has a position of its own.
        """
        if not self._many:
            return self._all[0].position
        places = {w.user_id: w.state for w in self._all if w.user_id is not None}
        return positions.write("w", SEVERAL, {"all": places})

    async def __aenter__(self) -> Self:
        """Look for the first time; what is new from here on is seen.

        Raises:
            InvalidRequest: it was entered before, or a position is not of this account.
            CheckpointFailed: the checkpoint cannot be read, or written.
            Refused: the server said no to the first poll of a single account.
        """
        if self._entered or self._closed:
            raise InvalidRequest("a Watch is entered once: ask for a new one")
        self._entered = True
        now = self._clock.now()
        for watched in self._all:
            self._rounds.at(now, watched)
        self._runner = asyncio.create_task(self._run())
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._attempted.wait()
            except TimeoutError:
                pass
            if self._fatal is not None:
                raise self._fatal
            if not self._many and self._errors:
                raise self._errors.popleft()
        except BaseException:
            await self.aclose()
            raise
        self._opened_at = self._clock.now()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave: polls are cancelled. Without an error, the event in hand is done with."""
        if kind is None:
            self._finish()
        try:
            await self.aclose()
        except Exception:
            if kind is None:
                raise
            _log.warning("the position of a watch was not saved on leaving it", exc_info=True)

    async def aclose(self) -> None:
        """Close: polls are cancelled, and what is finished is saved; the event in hand is not."""
        self._closed = True
        self._tell()
        for end in self._ending.values():
            end()
        self._ending = {}
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])
        await self._save()

    def __aiter__(self) -> AsyncIterator[Event]:
        self._check_open()
        return self

    async def __anext__(self) -> Event:
        """Give the next event, and wait until there is one."""
        self._check_open()
        if self._reading:
            raise InvalidRequest("the watch is waiting for an event already: it has one consumer")
        self._reading = True
        try:
            self._finish()
            await self._save()
            self._revive()
            # From a found event to the end nothing waits, so that a cancelled wait loses none.
            while True:
                if self._closed:
                    raise StopAsyncIteration
                if self._errors:
                    raise self._errors.popleft()
                if self._ready:
                    return self._take()
                if self._fatal is not None:
                    raise self._fatal
                if not self._left:
                    raise StopAsyncIteration
                self._news = asyncio.get_running_loop().create_future()
                await self._news
        finally:
            self._reading = False
            self._news = None

    def _check_open(self) -> None:
        if not self._entered:
            raise InvalidRequest(
                "a watch is read inside of its block: async with account.watch() as events"
            )
        if self._closed and not self._reading:
            raise InvalidRequest("the watch was left: ask for a new one")

    def _take(self) -> Event:
        watched = self._ready.popleft()
        event = watched.buffer.popleft()
        if watched.buffer:
            self._ready.append(watched)
        else:
            self._rounds.at(max(watched.due, self._clock.now()), watched)
        self._hand = watched, event
        return event

    def _finish(self) -> None:
        if self._hand is not None:
            (watched, event), self._hand = self._hand, None
            watched.finish(event)
            self._unsaved[id(watched)] = watched

    async def _save(self) -> None:
        for key, watched in list(self._unsaved.items()):
            await watched.save()
            self._unsaved.pop(key, None)  # who closes it from elsewhere saves at the same time

    def _revive(self) -> None:
        """The consumer goes on after an error: so does the account that raised it."""
        if self._stuck is not None:
            watched, self._stuck = self._stuck, None
            self._again(watched)

    def _again(self, watched: Watched) -> None:
        wait = backoff(watched.outage.failures, self._chance)
        self._rounds.at(self._clock.now() + wait, watched)

    # What runs beside the consumer

    async def _run(self) -> None:
        try:
            await self._rounds.run()
        except Exception as error:
            self._fatal = error
            self._attempted.set()
            self._tell()

    async def _turn(self, watched: Watched) -> None:
        try:
            await watched.identify()
            self._claim(watched)
            if id(watched) not in self._ending:
                self._ending[id(watched)] = watched.source.watching(self._share)
            wait = await watched.look()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody has cancelled this turn: what it waited for has ended underneath it.
            self._failed(watched, AppClosed("the App was closed while it was being watched"))
        except Exception as error:
            self._failed(watched, error)
        else:
            if wait is not None:
                self._rounds.at(self._clock.now() + wait, watched)
                return
            watched.outage.over(watched.user_id)
            if watched.buffer:
                self._ready.append(watched)
                self._tell()
            else:
                self._rounds.at(watched.due, watched)
        self._to_attempt.discard(id(watched))
        if not self._to_attempt:
            self._attempted.set()

    def _failed(self, watched: Watched, error: Exception) -> None:
        if isinstance(error, AppClosed):
            self._fatal = error
            self._attempted.set()
        elif passes(error):
            watched.outage.failed(error, watched.user_id)
            self._again(watched)
            return
        elif not self._many:
            watched.outage.failures += 1
            self._stuck = watched
            self._errors.append(error)
        else:
            self._drop(watched, error)
        self._tell()

    def _drop(self, watched: Watched, error: Exception) -> None:
        self._left -= 1
        if (end := self._ending.pop(id(watched), None)) is not None:
            end()
        if self._on_error is None:
            error.add_note(
                f"account {watched.user_id or '(not yet identified)'} is watched no more"
            )
            self._errors.append(error)
            return
        try:
            answer = self._on_error(watched.user_id, error)
        except Exception as theirs:
            self._errors.append(theirs)
            return
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            unheard = InvalidRequest(
                "on_error is not awaited, and gave back what is to be awaited; what it was told "
                "is the cause of this",
                argument="on_error",
            )
            unheard.__cause__ = error
            self._errors.append(unheard)

    def _claim(self, watched: Watched) -> None:
        """Of two handles of one account, each event would come twice."""
        if watched.user_id is None:
            return
        if self._users.setdefault(watched.user_id, watched) is not watched:
            raise InvalidRequest(
                f"accounts holds account {watched.user_id} twice", argument="accounts"
            )

    def _tell(self) -> None:
        """Wake the consumer, if it waits."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _check_share(share: object) -> None:
    # Comparing says the rest: nan is neither.
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidRequest(
            "share is a number above 0 and up to 1, the part of the budget that a watch may use, "
            f"not {share!r:.40}",
            argument="share",
        )
    if not math.isfinite(1.0 / share):
        raise InvalidRequest(f"share is too small: {share!r:.40}", argument="share")


def _check_callback(on_error: object) -> None:
    call = getattr(on_error, "__call__", None)  # noqa: B004  its method, to be looked at
    if on_error is not None and (
        call is None or any(map(inspect.iscoroutinefunction, (on_error, call)))
    ):
        raise InvalidRequest(
            "on_error is a function of a user id and an error, or None; it is not awaited",
            argument="on_error",
        )
