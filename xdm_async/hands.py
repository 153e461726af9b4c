"""Hands: the first link of the road: they say whose request it is, and refuse what cannot be.

What a call asks for is the endpoints' to know, when it may go the scheduler's. The hands hold
what an account has beside its calls: its credentials, its manners, and the road of its app.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import attrs

from .auth.signing import Authorizer
from .budgets.priority import Priority
from .clock import Clock, SystemClock, wall_time
from .endpoints import conversations
from .endpoints.events import FetchPage
from .endpoints.queries import Naming
from .errors import BudgetExhausted
from .models.messages import SentMessage
from .scheduling.events import Room
from .stores.base import Checkpoints
from .stores.memory import MemoryCheckpoints
from .streams.source import Allowance, Source
from .wire.exchange import MANNERS, Manners, Request, Response, Route, Sender

Identify = Callable[[Manners], Awaitable[str]]
"""Finds out whose hands they are; the question waits by the manners of who asks."""


_MOMENT = 0.05
"""The shortest wait for a window that is over any moment."""


def _nowhere(user_id: str, route: str) -> Room | None:
    return None


class Watched:
    """Who is watched, by user id, and with which share of the read budget."""

    MOST = 0.9
    """What is kept of a budget at most, so that other reads go on at all."""

    def __init__(self) -> None:
        self._shares: dict[str, list[float]] = {}

    def begin(self, user_id: str, share: float) -> Callable[[], None]:
        """A watch of a user begins; gives back what ends it."""
        shares = self._shares.setdefault(user_id, [])
        shares.append(share)

        def end() -> None:
            shares.remove(share)
            if not shares:
                self._shares.pop(user_id, None)

        return end

    def kept(self, user_id: str) -> float:
        """The part of a user's read budget that other reads leave to watches."""
        return min(self.MOST, sum(self._shares.get(user_id, ())))


@attrs.frozen
class Road:
    """The links below the hands, and what the app lends to all that walk on it."""

    sender: Sender
    naming: Naming = "classic"
    room: Callable[[str, str], Room | None] = _nowhere
    """What is left for a user on a route."""
    now: Callable[[], datetime] = wall_time
    """The time on the server, or what the machine takes for it."""
    server_time: Callable[[], float | None] = lambda: None
    """The earliest that it can be on the server, in seconds since 1970; None where not known."""
    checkpoints: Checkpoints = attrs.field(factory=MemoryCheckpoints)
    """Where positions are kept that have a name."""
    clock: Clock = attrs.field(factory=SystemClock)
    watched: Watched = attrs.field(factory=Watched)
    closing: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when the app closes: nobody waits on."""


class Hands:
    """One account's part of every request; hands that differ in manners alone share whose they are.

    They are also what an event knows of the account that has read it (`models.events.Reader`).
    """

    def __init__(
        self,
        road: Road,
        authorizer: Authorizer,
        user_id: str | None,
        identify: Identify,
        manners: Manners = MANNERS,
    ) -> None:
        self.road = road
        self._onward = road.sender
        self._authorizer = authorizer
        self._identify = identify
        self._first = self
        self._user_id = user_id
        self.manners = manners

    @property
    def user_id(self) -> str | None:
        """Whose they are, where it is known."""
        return self._first._user_id

    @property
    def naming(self) -> Naming:
        """Which names of fields the app sends."""
        return self.road.naming

    def using(self, manners: Manners) -> Hands:
        """The same hands with other manners."""
        other = Hands(self.road, self._authorizer, None, self._identify, manners)
        other._first = self._first
        return other

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Mark the request as this user's, and pass it on."""
        self._authorizer.check(request.route)
        request.credentials = self._authorizer
        request.manners = self.manners
        user_id = self._first._user_id
        if user_id is None:
            return self._introduce(request)
        request.user_id = user_id
        return self._onward.send(request)

    async def _introduce(self, request: Request) -> Response:
        request.user_id = await self.identified()
        return await self._onward.send(request)

    async def identified(self) -> str:
        """Whose they are; asks for it where it is not known yet."""
        if self._first._user_id is None:
            self._first._user_id = await self._identify(self.manners)
        return self._first._user_id

    def send_in(self, dm_conversation_id: str, text: str) -> Coroutine[Any, Any, SentMessage]:
        """Send a message into a conversation: how an event is replied to."""
        return conversations.send_in(self, dm_conversation_id, text)

    def source(self, route: Route, fetch: FetchPage, query: str) -> Source:
        """A list of this account's events, as streams and watches read it."""

        def allowance() -> Allowance | None:
            room = self._room(route)
            if room is None:
                return None
            return Allowance(room.limit, room.window, room.remaining, room.waiting, room.reset_in)

        def watching(share: float) -> Callable[[], None]:
            assert self.user_id is not None  # a watch finds out before it begins
            return self.road.watched.begin(self.user_id, share)

        return Source(
            fetch,
            query,
            self,
            identify=self.identified,
            allowance=allowance,
            give_way=lambda: self._give_way(route),
            watching=watching,
            now=self.road.now,
            server_time=self.road.server_time,
        )

    def _room(self, route: Route) -> Room | None:
        user_id = self.user_id
        return None if user_id is None else self.road.room(user_id, route.name)

    async def _give_way(self, route: Route) -> None:
        """Wait for the next window where the rest of this one is kept for a watch.

        An interactive read does not wait.

        Raises:
            BudgetExhausted: that would be longer than the ``max_wait`` of these hands.
        """
        max_wait = self.manners.max_wait
        while not self.road.closing.is_set() and self.manners.priority < Priority.INTERACTIVE:
            kept = self.road.watched.kept(self.user_id or "")
            room = self._room(route) if kept else None
            if room is None or room.remaining > room.limit * kept:
                return
            wait = room.reset_in
            if wait is None:  # only an answer can tell
                return
            if max_wait is not None and wait > max_wait:
                raise BudgetExhausted(
                    f"what is left of budget {room.budget!r} of user {self.user_id} is kept for a "
                    f"watch: next page in {wait:,.0f} s, max_wait is {max_wait:g} s",
                    budget=room.budget,
                    owner=self.user_id or "",
                    retry_in=wait,
                    retry_at=self.road.now() + timedelta(seconds=wait),
                    max_wait=max_wait,
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.road.closing.wait(), max(wait, _MOMENT))
