"""Checkpoints in files: one position each, written beside and moved into place.

A file that is there is whole. It is on the disk before it takes the old one's place, so that a
power cut brings back an older position at worst, and no damaged one. The disk is worked on in a
thread of its own, one write of a file at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_LARGEST = 16 * 1024 * 1024
_LOCKS = [threading.Lock() for _ in range(64)]
"""What one write of a file has left unfinished, as its caller was cancelled, the next waits for."""
_UNSAFE = re.compile(rb"[^a-z0-9_@=+,-]")


class FileCheckpoint:
    """A `Checkpoint` in a file that its owner alone can read (mode 0600).

    A link is followed: the file that it leads to is replaced. What a killed process has left
    beside the file is taken away by the next `load` or `save`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._busy: asyncio.Future[Any] | None = None

    def __repr__(self) -> str:
        return f"<FileCheckpoint {os.fspath(self._path)!r}>"

    async def load(self) -> str | None:
        """Give the position that the file holds; None where there is no file."""
        return await self._in_thread(lambda: _load(self._path))

    async def save(self, position: str) -> None:
        """Put a position in the file's place."""
        await self._in_thread(lambda: _save(self._path, position))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # A caller who is cancelled goes; its write does not, and the next waits for it.
        while self._busy is not None and not self._busy.done():
            await asyncio.wait([self._busy])
        task = asyncio.get_running_loop().run_in_executor(None, work)
        self._busy = task
        task.add_done_callback(_look_at)
        return await asyncio.shield(task)


class FileCheckpoints:
    """`Checkpoints` in a directory, one file for each name; the directory is made where needed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._files: dict[str, FileCheckpoint] = {}

    def __repr__(self) -> str:
        return f"<FileCheckpoints {os.fspath(self._path)!r}>"

    async def load(self, name: str) -> str | None:
        """Give the position that was saved last under a name."""
        return await self._file(name).load()

    async def save(self, name: str, position: str) -> None:
        """Keep a position under a name."""
        await self._file(name).save(position)

    def _file(self, name: str) -> FileCheckpoint:
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = FileCheckpoint(self._path / file_name(name))
        return found


def file_name(name: str) -> str:
    """A file's name for any name: all but small letters and digits as ``%`` and two digits."""
    return _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], name.encode()).decode() + ".position"


def _look_at(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # where the caller is gone, nobody else will


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _lock(path: Path) -> threading.Lock:
    return _LOCKS[hash(path) % len(_LOCKS)]


def _load(path: Path) -> str | None:
    path = Path(os.path.realpath(path))
    with _lock(path):
        with contextlib.suppress(OSError):
            _beside(path).unlink()
        try:
            with open(path, "rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
    if len(data) > _LARGEST:
        raise ValueError("the file is far too large to be a position")
    return data.decode().strip() or None


def _save(path: Path, position: str) -> None:
    path = Path(os.path.realpath(path))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(path):
        _replace(path, position.encode() + b"\n")


def _replace(path: Path, data: bytes) -> None:
    beside = _beside(path)
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
