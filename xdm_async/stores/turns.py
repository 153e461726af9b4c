"""Turns: one holder of a name at a time, among all tasks and threads that share the object.

A turn is handed on in the order of asking. Event loops may differ: each is woken in its own way.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager


class Turns:
    """Who holds which name, and who waits for it.

    Always true: a name that nobody holds is not remembered; a turn that is handed to one who has
    been cancelled meanwhile goes to the next.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[str, deque[Future[None]]] = {}

    def __repr__(self) -> str:
        with self._guard:
            waiting = sum(map(len, self._waiting.values()))
            return f"<Turns: {len(self._waiting)} held, {waiting} waiting>"

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold a name; waits for its turn."""
        await self._take(name)
        try:
            yield
        finally:
            self._pass_on(name)

    async def _take(self, name: str) -> None:
        with self._guard:
            line = self._waiting.get(name)
            if line is None:
                self._waiting[name] = deque()
                return
            turn: Future[None] = Future()
            line.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            if not turn.cancel():  # it was handed over just before
                self._pass_on(name)
            raise

    def _pass_on(self, name: str) -> None:
        with self._guard:
            line = self._waiting[name]
            while line:
                turn = line.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                del self._waiting[name]
                return
        turn.set_result(None)
