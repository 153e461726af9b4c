"""The schema of a store's file: what is in it, how it is made, and whether it is ours.

    meta          one value by name: ``schema`` (this version), ``id`` (the store's own),
                  ``canary`` (where it is sealed), ``forgotten``, ``sweep``
    grants        one row for each owner; ``token`` and ``secret`` are text, or sealed bytes
    fingerprints  which owners a token leads to
    positions     one for each name

A later version adds tables, and raises ``schema`` where an older one could not write any more.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from . import troubles
from .sealing import Seal

T = TypeVar("T")

SCHEMA = 1
APPLICATION = 0x78646D61  # "xdma"

_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE grants (
        owner TEXT PRIMARY KEY, kind TEXT NOT NULL, token NOT NULL, secret, expires_at REAL,
        lifetime REAL, scopes TEXT NOT NULL, username TEXT, needs_login TEXT, spent TEXT NOT NULL,
        version INTEGER NOT NULL)""",
    """CREATE TABLE fingerprints (
        owner TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (owner, fingerprint)
        ) WITHOUT ROWID""",
    "CREATE INDEX fingerprints_owners ON fingerprints (fingerprint)",
    "CREATE TABLE positions (name TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID",
)


def transact(db: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do some work in a transaction: all of it, or nothing."""
    db.execute(begin)
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, as on a full disk.
        with contextlib.suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise
    return result


def check(db: sqlite3.Connection, path: Path) -> bool:
    """Refuse a file that is not ours, or newer than we are; whether anything is in it yet.

    To be asked in a transaction, as another process may make the file meanwhile.
    """
    # SQLite takes a file that is shorter than a page for a new one, whatever is in it. The size is
    # read on both sides of the look, which takes away what a process has left that died making it.
    size = path.stat().st_size
    application = _pragma(db, "application_id")
    if application != APPLICATION:
        used = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if application or used or (size and path.stat().st_size):
            raise troubles.foreign(path)
        return False
    found = meta(db, "schema")
    if not isinstance(found, int):
        raise troubles.damaged(path)
    if found > SCHEMA:
        raise troubles.newer(path, found, SCHEMA)
    return True


def prepare(db: sqlite3.Connection, path: Path, seal: Seal) -> None:
    """Make the file ready: its tables, its mode of writing, and its seal.

    One process at a time does so. Nothing is written where a key does not fit.
    """
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA temp_store=MEMORY")  # no page of it in a file elsewhere
    db.execute("PRAGMA secure_delete=ON")  # what is overwritten is not left in the file
    transact(db, "BEGIN IMMEDIATE", lambda db: _make(db, path))
    db.execute("PRAGMA journal_mode=WAL")
    fresh = seal.prepare(meta(db, "id"), canary(db))  # may ask a keyring, and that its owner
    if fresh is not None:
        transact(db, "BEGIN IMMEDIATE", lambda db: _seal(db, seal, fresh))
    if meta(db, "sweep"):
        # The rows of before are still in free pages and in the log: neither outlives this.
        db.execute("VACUUM")
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            db.execute("DELETE FROM meta WHERE name = 'sweep'")


def meta(db: sqlite3.Connection, name: str) -> Any:
    """A value of the store; None where it has none."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def set_meta(db: sqlite3.Connection, name: str, value: str | int | bytes) -> None:
    """Write a value of the store."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def canary(db: sqlite3.Connection) -> bytes | None:
    """The sealed word of a store that is sealed."""
    found: bytes | None = meta(db, "canary")
    return found


def _make(db: sqlite3.Connection, path: Path) -> None:
    if check(db, path):
        return
    for table in _TABLES:
        db.execute(table)
    set_meta(db, "schema", SCHEMA)
    set_meta(db, "id", secrets.token_hex(16))
    db.execute(f"PRAGMA application_id={APPLICATION}")


def _seal(db: sqlite3.Connection, seal: Seal, fresh: bytes) -> None:
    rows = [
        (owner, seal.open(token), seal.open(secret))
        for owner, token, secret in db.execute("SELECT owner, token, secret FROM grants")
    ]
    seal.meet(fresh)
    db.executemany(
        "UPDATE grants SET token = ?, secret = ? WHERE owner = ?",
        ((seal.seal(token), seal.seal(secret), owner) for owner, token, secret in rows),
    )
    set_meta(db, "canary", fresh)
    set_meta(db, "sweep", 1)


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]
