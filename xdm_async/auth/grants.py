"""Grants: what lets an app act for its accounts, kept fresh, and never spent twice.

X's refresh tokens are single-use: each renewal gives a new pair, and the old refresh token is
dead. So of one account there is one renewal at a time, over all tasks, and over all processes that
share the store. Here is what the accounts of an App have in common: the live grant of each, how
many renewals are on their way, and how they come to their end when the App closes. What a renewal
is, and when one is due, is `xdm_async.auth.live`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

import attrs

from ..clock import Clock
from ..errors import AppClosed, XdmError
from ..stores.base import Grant, Store, fingerprint
from .credentials import OAuth2
from .live import LiveGrant
from .outage import Outage
from .terms import provisional
from .tokens import TokenEndpoint

AT_ONCE = 16
"""Renewals that are on their way at a time, of all accounts of an App."""
IN_WAITING = 128
"""Of those, and of those that wait for another process to let go of their account: each holds a
file open."""


class Grants:
    """The live grants of one App, and what renewing them takes."""

    def __init__(
        self,
        store: Store,
        endpoint: TokenEndpoint,
        *,
        consumer: tuple[str | None, str | None],
        clock: Clock,
        server_now: Callable[[], float],
        renewed: Callable[[str], None],
    ) -> None:
        self.store = store
        self.vault = store.vault
        self.endpoint = endpoint
        self.consumer = consumer
        self.clock = clock
        self.server_now = server_now
        self.renewed = renewed
        """Is told whose tokens were renewed."""
        self.outage = Outage()
        self.closing = asyncio.Event()
        self.doors = asyncio.Semaphore(IN_WAITING)
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.unsaved: dict[str, Grant] = {}
        """New pairs that the store has not taken yet, by owner; no handle need live for them."""
        self._live: WeakValueDictionary[str, LiveGrant] = WeakValueDictionary()
        self._renewing: set[asyncio.Task[None]] = set()
        self._holding: set[asyncio.Task[Any] | None] = set()

    def of(self, user_id: str) -> LiveGrant:
        """The grant that the store keeps of a user; it is looked for when it is needed."""
        return self._known(user_id, None, user_id)

    def given(self, credentials: OAuth2, user_id: str | None) -> LiveGrant:
        """The grant that a pair of tokens belongs to, which the store may know as spent."""
        secret = credentials.refresh_token
        assert secret is not None
        mark = fingerprint(secret)
        expires_at = credentials.expires_at
        offered = Grant(
            user_id or provisional(mark),
            "oauth2",
            credentials.access_token,
            secret,
            expires_at=None
            if expires_at is None
            else float(expires_at)
            if isinstance(expires_at, int | float)
            else expires_at.timestamp(),
            scopes=credentials.scopes,
        )
        return self._known(mark, offered, offered.owner)

    def _known(self, name: str, offered: Grant | None, owner: str) -> LiveGrant:
        found = self._live.get(name)
        if found is None:
            found = self._live[name] = LiveGrant(self, owner, offered)
        elif offered is not None:
            found.offer(offered)
        return found

    async def keep(self, grant: Grant) -> Grant:
        """Keep a new grant in place of the user's old one, whose tokens still lead to it."""
        async with self.vault.lock(grant.owner):
            old = await self.vault.load(grant.owner)
            if old is not None and old.secret is not None:
                grant = attrs.evolve(grant, spent=(*old.spent, fingerprint(old.secret)))
            kept = await self.vault.put(grant)
            self.unsaved.pop(kept.owner, None)
        live = self._live.get(kept.owner)
        if live is not None:
            live.take(kept)
        return kept

    def forgotten(self, user_id: str) -> None:
        """A user was logged out: no handle goes on with what it holds."""
        self.unsaved.pop(user_id, None)
        for live in list(self._live.values()):
            if live.user_id == user_id:
                live.drop()

    def start(self, work: Any) -> asyncio.Task[None]:
        """Run a renewal to its end, whoever waits for it."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._renewing.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._renewing.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits for it, and else logged where it arose

    async def aclose(self, patience: float) -> None:
        """Let renewals that are on their way come to their end, within ``patience`` seconds.

        Those that wait for another process have asked for nothing yet: they end at once.
        """
        self.closing.set()
        for live in list(self._live.values()):
            live.rest()
        for task in self._renewing - self._holding:
            task.cancel()
        if self._renewing:
            _, late = await asyncio.wait(self._renewing, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for owner in list(self.unsaved):
            with contextlib.suppress(XdmError, TimeoutError):  # it was logged when it failed
                await asyncio.wait_for(LiveGrant(self, owner, None).save(), patience)

    @asynccontextmanager
    async def held(self, owner: str) -> AsyncIterator[None]:
        """Hold an owner alone; what is done meanwhile comes to its end when the App closes."""
        async with self.vault.lock(owner):
            self._holding.add(task := asyncio.current_task())
            try:
                yield
            finally:
                self._holding.discard(task)

    async def pause(self, seconds: float) -> None:
        """Wait, unless the App closes: then nothing more is sent."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
        if self.closing.is_set():
            raise AppClosed("the App is closed: tokens were not renewed, and are as they were")
