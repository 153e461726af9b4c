"""Locks across processes: the system's own on files, which it frees when their holder dies.

Owners share some 1,024 files, so that thousands of accounts leave no more, and a file is never
taken away: two who hold files of one name would not see each other. Inside a process turns are
handed on in order; between processes it is tried again after pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from . import troubles
from .base import StoreFailed
from .privacy import check_own_folder, make_file
from .turns import Turns

FILES = 1024
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.1


class FileLocks:
    """The locks in a folder. Whoever holds one has a file of the folder open for it.

    Always true: between the system's yes and the holder's own code there is no ``await``, so a
    cancelled caller leaves no lock behind.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder = folder
        self._store = store
        self._turns = Turns()

    def __repr__(self) -> str:
        return f"<FileLocks {os.fspath(self._folder)!r}: {self._turns!r}>"

    def prepare(self) -> None:
        """Make the folder where it is not there, and refuse one that others can enter."""
        with contextlib.suppress(FileExistsError):  # some other file: the next line says so
            self._folder.mkdir(mode=0o700, exist_ok=True)
        check_own_folder(self._folder)

    @asynccontextmanager
    async def hold(self, owner: str) -> AsyncIterator[None]:
        """Hold the lock that an owner has, with others."""
        name = _name(owner)
        async with self._turns.hold(name):
            handle = self._try(name)
            pause = _FIRST_PAUSE
            while handle is None:
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(pause * 1.5, _LONGEST_PAUSE)
                handle = self._try(name)
            try:
                yield
            finally:
                os.close(handle)  # frees it

    @contextmanager
    def hold_blocking(self, name: str, seconds: float) -> Iterator[None]:
        """Hold a lock of a name of its own, in a thread that may wait."""
        end = time.monotonic() + seconds
        while (handle := self._try(name)) is None:
            if time.monotonic() > end:
                raise StoreFailed(
                    f"the store {self._store} is being opened by another process for longer than "
                    f"{seconds:.0f} s: try again, and end that process if it hangs"
                )
            time.sleep(_FIRST_PAUSE)
        try:
            yield
        finally:
            os.close(handle)

    def _try(self, name: str) -> int | None:
        path = self._folder / name
        try:
            make_file(path)
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            self._make_again()
            return None
        except OSError as exc:
            raise troubles.of_system(self._store, exc) from exc
        try:
            # Where somebody has cleaned the folder up meanwhile, this would be the lock of nobody.
            if _lock(handle) and _is_at(path, handle):
                kept, handle = handle, -1
                return kept
        except OSError as exc:
            raise troubles.of_system(self._store, exc) from exc
        finally:
            if handle >= 0:
                os.close(handle)
        return None

    def _make_again(self) -> None:
        try:
            self.prepare()
        except OSError as exc:
            raise troubles.of_system(self._store, exc) from exc


def _name(owner: str) -> str:
    number = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:4], "big") % FILES
    return f"{number:03x}"


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
