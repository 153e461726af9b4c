"""A database file: one connection in a thread of its own, and what SQLite promises with it.

A write is one short transaction (``BEGIN IMMEDIATE``), on the disk when it returns (WAL,
``synchronous=FULL``). A caller who is cancelled goes; its work does not, and is whole. Not for
network disks: SQLite's WAL needs the memory that processes of one machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from . import schema, troubles
from .base import StoreFailed
from .locks import FileLocks
from .privacy import check_file, check_folder, make_file, make_folder
from .sealing import Seal

T = TypeVar("T")

_BUSY = 10.0
"""Seconds to wait for another process's transaction."""
_OPENING = 30.0
"""Seconds to wait for another process that makes the file, or seals it anew."""


class Database:
    """The file of a store.

    Always true: the connection is made, used and closed in one thread, one work after the other;
    a transaction that fails leaves nothing; no exception of sqlite3 comes out.
    """

    def __init__(self, path: Path, seal: Seal, locks: FileLocks) -> None:
        self._path = path
        self._seal = seal
        self._locks = locks
        self._thread: ThreadPoolExecutor | None = None
        self._former: ThreadPoolExecutor | None = None
        """The thread of before a close, which may still be about it."""
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None

    async def open(self) -> None:
        """Connect, after the file was made, checked or sealed as need be."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="xdm-store")
        await self._in_thread(self._open)

    async def aclose(self) -> None:
        """Disconnect, after all work that was given before."""
        if self._thread is None:
            return
        closing = self._in_thread(self._close)
        self._thread.shutdown(wait=False)
        self._former, self._thread = self._thread, None
        await closing

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in a transaction that reads."""
        return await self._in_thread(lambda: self._transact("BEGIN", work))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in a transaction that writes; it is durable when this returns."""

        def sealed(db: sqlite3.Connection) -> T:
            self._seal.meet(schema.canary(db))
            return work(db)

        return await self._in_thread(lambda: self._transact("BEGIN IMMEDIATE", sealed))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, exc: BaseException | None) -> None:
            if answer.done():
                return  # the caller was cancelled: nobody waits
            if exc is not None:
                answer.set_exception(exc)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

        def job() -> None:
            result, failure = None, None
            try:
                result = work()
            except BaseException as exc:
                failure = self._failure(exc)
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                loop.call_soon_threadsafe(settle, result, failure)

        try:
            if self._thread is None:
                raise RuntimeError
            self._thread.submit(job)
        except RuntimeError:  # closed, or the interpreter is about to end
            raise troubles.closed(self._path) from None
        return answer

    def _failure(self, exc: BaseException) -> BaseException:
        failure: StoreFailed
        if isinstance(exc, sqlite3.Error):
            failure = troubles.of_database(self._path, exc)
        elif isinstance(exc, OSError):
            failure = troubles.of_system(self._path, exc)
        else:
            return exc
        failure.__cause__ = exc
        return failure

    def _open(self) -> None:
        if self._former is not None:
            self._former.shutdown(wait=True)
            self._former = None
        if self._db is not None:
            return
        path = self._path
        make_folder(path.parent)
        check_folder(path.parent)
        make_file(path)
        for name in ("", "-wal", "-shm", "-journal"):
            check_file(path.with_name(path.name + name))
        db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            # Reads alone, until it is known to be ours.
            schema.transact(db, "BEGIN", lambda db: schema.check(db, path))
            self._locks.prepare()
            with self._locks.hold_blocking("opening", _OPENING):
                schema.prepare(db, path, self._seal)
            self._file = path.stat()
        except BaseException:
            db.close()
            raise
        self._db = db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._db
        if db is None:
            raise troubles.closed(self._path)
        # A write into a file that is at no path any more would be lost with the process.
        try:
            there = self._file is not None and os.path.samestat(self._path.stat(), self._file)
        except FileNotFoundError:
            there = False
        if not there:
            raise troubles.gone(self._path)
        return schema.transact(db, begin, work)
