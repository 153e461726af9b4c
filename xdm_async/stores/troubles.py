"""Troubles of a store on a disk, each as one sentence that says what to do about it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from .base import StoreFailed

_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}


def of_system(path: Path, exc: OSError) -> StoreFailed:
    """What the system has refused."""
    if exc.errno in _NO_RIGHT:
        return _no_right(path)
    if exc.errno in _FULL:
        return _full(path)
    if exc.errno in _TOO_MANY:
        return StoreFailed(
            f"the store {path} could not be used, as this process has too many files open: "
            "raise the limit (ulimit -n), or do less at once"
        )
    return StoreFailed(
        f"the store {path} could not be used ({exc.strerror or type(exc).__name__}): name a file "
        "that this user can write, in a folder on a local disk"
    )


def of_database(path: Path, exc: sqlite3.Error) -> StoreFailed:
    """What SQLite has refused."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return foreign(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):  # a table that is not there
        return damaged(path)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG):
        return _full(path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return _no_right(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return StoreFailed(
            f"the store {path} is held by another process for longer than can be waited: nothing "
            "was written, try again, and end that process if it hangs"
        )
    name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return StoreFailed(
        f"the disk failed on the store {path} ({name}): nothing in it was overwritten; see whether "
        "the disk is full or broken, then try again"
    )


def foreign(path: Path) -> StoreFailed:
    """It is some other file."""
    return StoreFailed(
        f"{path} is not a store of xdm_async, or its beginning is damaged: it was left as it is; "
        "name another file, or bring back a copy"
    )


def damaged(path: Path) -> StoreFailed:
    """It is ours, and cannot be read."""
    return StoreFailed(
        f"the store {path} is damaged: bring back a copy of it, or move it away and log in again"
    )


def newer(path: Path, schema: int, known: int) -> StoreFailed:
    """A later version of ours has written it."""
    return StoreFailed(
        f"the store {path} was written by a newer xdm_async (schema {schema}, this one knows "
        f"{known}): upgrade xdm_async, or name another file"
    )


def gone(path: Path) -> StoreFailed:
    """The file that is open is not at its path any more."""
    return StoreFailed(
        f"the store {path} was moved, deleted or replaced while it was open: nothing was written; "
        "put it back, or close and open it again"
    )


def closed(path: Path) -> StoreFailed:
    """It was not opened, or closed meanwhile."""
    return StoreFailed(f"the store {path} is not open: it was closed already, or never opened")


def _no_right(path: Path) -> StoreFailed:
    return StoreFailed(
        f"the store {path} cannot be read and written by this user: see to whom the file and its "
        "folder belong and that neither is read-only, or name another file"
    )


def _full(path: Path) -> StoreFailed:
    return StoreFailed(
        f"the disk of the store {path} is full: what was there is kept, nothing was written; make "
        "room and try again"
    )
