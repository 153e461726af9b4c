"""Asking: a line from standard input, that nobody is kept waiting for once it is not wanted.

Whoever asks can be cancelled while the user thinks: the thread that reads is left to end with the
process, and holds no lock that its end would wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TextIO

MOST = 65_536
"""Bytes of one line; what is longer is no answer to anything that is asked here."""


class Answers:
    """The lines that somebody types or pipes in, one for each time it is asked for one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._read = b""

    async def next(self) -> str | None:
        """The next line that holds something, without the space around it; None at the end."""
        while True:
            line, newline, rest = self._read.partition(b"\n")
            if newline or len(line) > MOST:
                self._read = rest
            else:
                more = await _chunk(self._file)
                self._read += more
                if more:
                    continue
                line, self._read = self._read, b""
            words = line.decode(errors="replace").strip()
            if words:
                return words
            if not newline:
                return None


async def _chunk(file: TextIO) -> bytes:
    """What is there to be read next; nothing at the end."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()

    def tell(chunk: bytes) -> None:
        if not told.done():
            told.set_result(chunk)

    def read() -> None:
        chunk = b""
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone, or no file at all
            # Not by the file itself: its lock would be held, and the interpreter waits for it.
            chunk = os.read(file.fileno(), 4096)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, chunk)

    threading.Thread(target=read, name="xdm-answers", daemon=True).start()
    return await told
