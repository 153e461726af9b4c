"""Status: what a command says on standard error while it works.

On a terminal one line that moves and is gone at the end: what is waited for, and whatever else
the command has to say. Elsewhere nothing but what the library warns of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .. import notices
from .lines import harmless
from .simulate import span

PATIENCE = 2.0
"""Seconds of waiting that nobody needs to hear of."""
_EVERY = 0.2


class Waits:
    """An `Observer` that knows which requests wait for their turn, and since when."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, notices.Waiting]] = {}

    def on(self, notice: notices.Notice, /) -> None:
        """Take one notice."""
        match notice:
            case notices.Waiting():
                since, _ = self._waiting.get(notice.number, (time.monotonic(), None))
                self._waiting[notice.number] = since, notice
            case notices.Granted() | notices.Settled():
                self._waiting.pop(notice.number, None)

    def words(self) -> str:
        """What has been waited for for some time; empty where nothing has."""
        for since, notice in self._waiting.values():
            if time.monotonic() - since < PATIENCE:
                continue
            if notice.budget is None:
                return "waiting for its turn"
            words = f"waiting for budget {notice.budget}"
            if notice.until is not None:
                left = (notice.until - datetime.now(UTC)).total_seconds()
                words += f" until {notice.until.astimezone():%H:%M:%S}"
                if left > 0:
                    words += f", {span(left)} more"
            return words
        return ""


class Status:
    """The line, inside ``async with``; ``words`` gives what it says, and nothing hides it."""

    def __init__(self, file: TextIO, words: Callable[[], str]) -> None:
        self._file = file
        self._words = words
        self._console: Console | None = None
        if file.isatty():
            console = Console(file=file)
            self._console = None if console.is_dumb_terminal else console
        self._live: Live | None = None
        self._following: asyncio.Task[None] | None = None
        self._log = _Log(self)

    async def __aenter__(self) -> Self:
        logging.getLogger("xdm_async").addHandler(self._log)
        if self._console is not None:
            self._following = asyncio.ensure_future(self._follow(self._console))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing of the line, and give the terminal back."""
        logging.getLogger("xdm_async").removeHandler(self._log)
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        self.hide()

    def hide(self) -> None:
        """Take the line away, for something else to be written; it may come back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, sentence: str) -> None:
        """Write a line that stays."""
        self.hide()
        print(sentence, file=self._file, flush=True)

    async def _follow(self, console: Console) -> None:
        while True:
            words = self._words()
            if not words:
                self.hide()
            else:
                if self._live is None:
                    self._live = Live(
                        console=console,
                        auto_refresh=False,
                        transient=True,
                        redirect_stdout=False,
                        redirect_stderr=False,
                    )
                    self._live.start()
                line = Text(words, no_wrap=True, overflow="ellipsis")
                self._live.update(line, refresh=True)
            await asyncio.sleep(_EVERY)


class _Log(logging.Handler):
    """What the library warns of, as sentences."""

    def __init__(self, status: Status) -> None:
        super().__init__(logging.WARNING)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        """Say one."""
        self._status.say(f"xdm: {harmless(record.getMessage())}")
