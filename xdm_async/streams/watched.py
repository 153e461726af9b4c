"""Watched: one list of one account, as far as a watch has come with it.

It asks for pages when it is told to, one request at a time, and says when it wants to be told
again. Which list's turn it is, and who takes the events, is left to `watch`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..clock import Clock
from ..errors import BadRequest, InvalidRequest, NotSent
from ..models.events import Event, bind
from ..models.ids import EventId
from ..stores.base import Checkpoint, CheckpointFailed, Keeper
from . import positions
from .bounds import instant_of
from .look import Look, deep_is_due, refuses_token
from .outages import Outage
from .pace import Pace
from .positions import Bound, State
from .since import Since, restored
from .source import Source
from .walks import HISTORY

_log = logging.getLogger("xdm_async")

_CUT_IS_FUZZY = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(seconds=2)
"""The server's dates are cut to whole seconds, and arrive a little later than they were written."""


class Watched:
    """One list: what is settled of it, what was found, and when to look again.

    Always true:

    - while ``buffer`` holds events, the list is not looked at: what one look found is the most
      that is held;
    - after an error, or a cancelled wait, `look` goes on with the page that did not come;
    - ``position`` has behind it what was finished, and nothing else.
    """

    def __init__(
        self,
        source: Source,
        since: Since,
        keep: Keeper | None,
        pace: Pace,
        clock: Clock,
        opened_at: Callable[[], float | None],
    ) -> None:
        self.source = source
        self.user_id = source.bound.account
        self.pace = pace
        self.outage = Outage()
        self.buffer: deque[Event] = deque()
        self.due = 0.0
        """When it should be looked at again, on the clock."""
        self._clock = clock
        self._since = since
        self._keep = keep
        self._opened_at = opened_at
        self._seen = since.begin(source.bound)
        self._asked_for = False
        self._checkpoint: Checkpoint | None = None
        self._ready = False
        self._saved: str | None = None
        self._look: Look | None = None
        self._deep_at = float("-inf")
        self._told: set[str] = set()

    @property
    def bound(self) -> Bound:
        """What its positions belong to."""
        return Bound(self.user_id, self.source.query)

    @property
    def position(self) -> str:
        """Where the consumer stands."""
        return positions.write("w", self.bound, self._seen.state())

    @property
    def state(self) -> State:
        """The same, to be kept beside those of other accounts."""
        return self._seen.state()

    async def identify(self) -> None:
        """Find out whose list it is, where that is not known."""
        if self.user_id is None and self.source.identify is not None:
            self.user_id = await self.source.identify()

    async def look(self) -> float | None:
        """Look at the list, as far as the credits reach.

        Returns:
            None once what is new is in ``buffer``; else in how many seconds to go on.
        """
        if not self._ready:
            await self._begin()
        if not self.buffer:
            wait = await self._walk()
            if wait is not None:
                return wait
        if self._saved is None:
            await self.save()
        return None

    async def save(self) -> None:
        """Keep the position, if it is not the one that was kept last.

        Raises:
            CheckpointFailed: it could not be; the next time, it is tried again.
        """
        if self._checkpoint is None or self._seen.floor is None:
            return
        position = self.position
        if position == self._saved:
            return
        try:
            await self._checkpoint.save(position)
        except Exception as error:
            raise CheckpointFailed(
                f"the position of account {self.user_id} could not be saved, and is saved with "
                f"the next one: {_reason(error)}"
            ) from error
        self._saved = position

    def finish(self, event: Event) -> None:
        """The consumer is done with an event."""
        self._seen.finish(int(event.id))

    async def _begin(self) -> None:
        """Find out where to begin: the checkpoint goes before what the caller has given."""
        self._seen = self._since.begin(self.bound)
        if self._keep is not None:
            if self.user_id is None:
                raise InvalidRequest(
                    "a checkpoint needs to know whose account it is: give its user_id",
                    argument="user_id",
                )
            self._checkpoint = self._keep(self.user_id)
            try:
                position = await self._checkpoint.load()
            except Exception as error:
                raise CheckpointFailed(
                    f"the position of account {self.user_id} could not be loaded: {_reason(error)}"
                ) from error
            if position is not None:
                self._seen = restored(self.bound, position, "checkpoint")
                self._saved = position
        # A watch that began with an empty list has the lowest floor, and was not asked for it.
        floor = self._seen.floor
        self._asked_for = floor is not None and (
            instant_of(floor) is not None or floor == self._since.floor
        )
        self._ready = True

    async def _walk(self) -> float | None:
        """Fetch page after page until the look is done, or the credits are."""
        while True:
            now = self._clock.now()
            self.pace.learn(self.source.allowance(), now)
            wait = self.pace.wait(now)
            if wait > 0:
                return wait
            look = self._look
            if look is None:
                deep = deep_is_due(self._deep_at, now, self.pace.gap)
                look = self._look = Look(self._seen, now, deep=deep)
            self.pace.spend(now)
            try:
                page = await self.source.fetch(look.token)
            except NotSent:
                self.pace.refund()
                raise
            except BadRequest as error:
                if look.token is not None and refuses_token(error) and look.restart():
                    continue
                raise
            if self._seen.floor is None and look.token is None:
                look.begin = self._entered()
            if page.errors:
                self._tell_once(
                    "a page of the events of account %s came with %d partial errors; later ones "
                    "are not logged",
                    len(page.errors),
                )
            if look.take(page):
                self._conclude(look)
                return None

    def _entered(self) -> int | None:
        """The first number that an event could have which was made after the watch was entered.

        The server's clock tells, less the time that has passed here; our own wall clock is never
        asked. None where the watch is not entered yet, or nothing is known of the server's
        clock: then what the list shows now was there before.
        """
        opened_at, server = self._opened_at(), self.source.server_time()
        if opened_at is None or server is None:
            return None
        entered = server - (self._clock.now() - opened_at)
        return int(EventId.first_at(datetime.fromtimestamp(entered, UTC)))

    def _conclude(self, look: Look) -> None:
        now = self._clock.now()
        self._look = None
        self._warn(look)
        new = look.conclude(now)
        if look.whole:
            self._deep_at = now
        if self.source.reader is not None:
            bind(new, self.source.reader)
        self.buffer.extend(new)
        self.due = now + self.pace.after(bool(new), now)
        self._asked_for = False

    def _warn(self, look: Look) -> None:
        if look.unplaced:
            self._tell_once(
                "the list of account %s shows %d events whose ids are no numbers: it cannot be "
                "told whether they are new, and a watch leaves them out; later ones are not logged",
                look.unplaced,
            )
        floor = self._seen.floor
        if not self._asked_for or floor is None:
            return
        now = self.source.now()
        begun = instant_of(floor)
        if begun is not None and begun > now + _CLOCKS_DIFFER:
            _log.warning(
                "account %s is to be watched from %s on, and on the server it is %s: what happens "
                "until then is left out",
                self.user_id or "(not yet identified)",
                *(f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in (begun, now)),
            )
        if not look.at_the_end:
            return
        cut = now - HISTORY
        oldest = None if look.oldest is None else instant_of(look.oldest)
        if begun is not None and begun >= cut:
            return
        # A list that reaches further back has no such cut.
        if oldest is None or oldest >= cut - _CUT_IS_FUZZY:
            _log.warning(
                "account %s was to be watched from %s on, and its list reaches back %d days: what "
                "came before may be missing",
                self.user_id or "(not yet identified)",
                "the beginning" if begun is None else f"{begun:%Y-%m-%d %H:%M:%S} UTC",
                HISTORY.days,
            )

    def _tell_once(self, message: str, count: int) -> None:
        if message not in self._told:
            self._told.add(message)
            _log.warning(message, self.user_id or "(not yet identified)", count)


def _reason(error: Exception) -> str:
    """What went wrong, without a path or anything else that the text may quote."""
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
