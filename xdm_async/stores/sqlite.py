"""A store in an SQLite file: all accounts and positions of one machine's processes.

The file is readable by its owner alone, and holds tokens as they are unless a key is given:
then `xdm_async.stores.sealing` says what is sealed. Copies of an open file are to be made with
SQLite's own backup, as its newest part is beside it (``-wal``).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs

from . import troubles
from .base import Grant
from .database import Database
from .locks import FileLocks
from .schema import meta, set_meta
from .sealing import Seal
from .writing import came_from, kept, known_by, nearest

_COLUMNS = ", ".join(field.name for field in attrs.fields(Grant))
_INSERT = "INSERT OR REPLACE INTO grants ({}) VALUES ({})".format(
    _COLUMNS, ", ".join("?" for _ in attrs.fields(Grant))
)


class SqliteVault:
    """A `Vault` in a store's file. Which grant a token leads to is looked up in an index."""

    def __init__(self, path: Path, database: Database, seal: Seal, locks: FileLocks) -> None:
        self._path = path
        self._database = database
        self._seal = seal
        self._locks = locks

    def __repr__(self) -> str:
        return f"<SqliteVault {os.fspath(self._path)!r}>"

    async def load(self, owner: str) -> Grant | None:
        """Give the grant of an owner."""
        return await self._database.read(lambda db: self._load(db, owner))

    async def find(self, fingerprint: str) -> Grant | None:
        """Give the grant that has this fingerprint, or came from it."""

        def work(db: sqlite3.Connection) -> Grant | None:
            query = "SELECT owner FROM fingerprints WHERE fingerprint = ?"
            owner = nearest(row[0] for row in db.execute(query, (fingerprint,)))
            return None if owner is None else self._load(db, owner)

        return await self._database.read(work)

    async def put(self, grant: Grant) -> Grant:
        """Keep a grant in place of whatever its owner had."""
        return await self._database.write(lambda db: self._write(db, grant))

    async def swap(self, grant: Grant) -> Grant | None:
        """Keep a grant where the one that is kept still has its version."""

        def work(db: sqlite3.Connection) -> Grant | None:
            if _version(db, grant.owner) != grant.version:
                return self._load(db, grant.owner)
            return self._write(db, grant)

        return await self._database.write(work)

    async def adopt(self, grant: Grant, user_id: str) -> Grant:
        """Move what is kept for a provisional owner to the user's id."""

        def work(db: sqlite3.Connection) -> Grant:
            there = self._load(db, user_id)
            if grant.owner == user_id:
                return there or grant
            moving = self._remove(db, grant.owner)
            if moving is None:
                return there or attrs.evolve(grant, owner=user_id)
            if there is not None and came_from(there, moving):
                return there
            return self._write(db, attrs.evolve(moving, owner=user_id))

        return await self._database.write(work)

    async def forget(self, owner: str) -> Grant | None:
        """Take an owner's grant away."""
        return await self._database.write(lambda db: self._remove(db, owner))

    async def grants(self) -> list[Grant]:
        """Give every grant, in the order of the owners."""

        def work(db: sqlite3.Connection) -> list[Grant]:
            rows = db.execute(f"SELECT {_COLUMNS} FROM grants ORDER BY owner")
            return [self._grant(row) for row in rows]

        return await self._database.read(work)

    def lock(self, owner: str) -> AbstractAsyncContextManager[None]:
        """Hold an owner alone, among all processes that have this file."""
        return self._locks.hold(owner)

    def _load(self, db: sqlite3.Connection, owner: str) -> Grant | None:
        row = db.execute(f"SELECT {_COLUMNS} FROM grants WHERE owner = ?", (owner,)).fetchone()
        return None if row is None else self._grant(row)

    def _write(self, db: sqlite3.Connection, grant: Grant) -> Grant:
        version = _version(db, grant.owner)
        written = kept(grant, (meta(db, "forgotten") or 0 if version is None else version) + 1)
        db.execute(_INSERT, self._row(written))
        _index(db, grant.owner, known_by(written))
        return written

    def _remove(self, db: sqlite3.Connection, owner: str) -> Grant | None:
        there = self._load(db, owner)
        if there is not None:
            db.execute("DELETE FROM grants WHERE owner = ?", (owner,))
            _index(db, owner, set())
            set_meta(db, "forgotten", max(meta(db, "forgotten") or 0, there.version))
        return there

    def _row(self, grant: Grant) -> tuple[Any, ...]:
        row = attrs.asdict(grant)
        row["token"], row["secret"] = self._seal.seal(grant.token), self._seal.seal(grant.secret)
        row["scopes"], row["spent"] = json.dumps(grant.scopes), json.dumps(grant.spent)
        return tuple(row.values())

    def _grant(self, row: tuple[Any, ...]) -> Grant:
        values = dict(zip(_COLUMNS.split(", "), row, strict=True))
        token = self._seal.open(values.pop("token"))
        secret = self._seal.open(values.pop("secret"))
        try:
            if token is None:
                raise ValueError
            values["scopes"] = json.loads(values["scopes"])
            values["spent"] = json.loads(values["spent"])
            return Grant(token=token, secret=secret, **values)
        except (ValueError, TypeError):
            raise troubles.damaged(self._path) from None


class SqliteCheckpoints:
    """`Checkpoints` in a store's file."""

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database

    def __repr__(self) -> str:
        return f"<SqliteCheckpoints {os.fspath(self._path)!r}>"

    async def load(self, name: str) -> str | None:
        """Give the position that was saved last under a name."""

        def work(db: sqlite3.Connection) -> str | None:
            query = "SELECT position FROM positions WHERE name = ?"
            row = db.execute(query, (name,)).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(work)

    async def save(self, name: str, position: str) -> None:
        """Keep a position under a name."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (name, position))

        await self._database.write(work)


class SqliteStore:
    """A `Store` in one file, for many accounts and several processes of one machine.

    ``keys`` are Fernet keys, or ``keyring:`` for one that the system keyring keeps (it is made
    there on first use): the first seals the tokens, all open them. A store that is not sealed as
    the first key says is sealed anew when it is opened. Without keys the tokens are in the file as
    they are, for its owner to read.

    Beside the file is a folder ``PATH.locks``; links of the path are followed.
    """

    def __init__(self, path: str | os.PathLike[str], keys: Sequence[str] = ()) -> None:
        self._path = Path(os.path.realpath(path))
        seal = Seal(self._path, keys)
        locks = FileLocks(self._path.with_name(self._path.name + ".locks"), self._path)
        self._database = Database(self._path, seal, locks)
        self.vault = SqliteVault(self._path, self._database, seal, locks)
        self.checkpoints = SqliteCheckpoints(self._path, self._database)

    def __repr__(self) -> str:
        return f"<SqliteStore {os.fspath(self._path)!r}>"

    async def open(self) -> None:
        """Make the file where it is not there, check it, seal it as the keys say, and connect.

        Raises:
            StoreFailed: it cannot be used; nothing in it was overwritten.
        """
        await self._database.open()

    async def aclose(self) -> None:
        """Disconnect, after what is under way has been written."""
        await self._database.aclose()


def _version(db: sqlite3.Connection, owner: str) -> int | None:
    row = db.execute("SELECT version FROM grants WHERE owner = ?", (owner,)).fetchone()
    return None if row is None else int(row[0])


def _index(db: sqlite3.Connection, owner: str, now: set[str]) -> None:
    query = "SELECT fingerprint FROM fingerprints WHERE owner = ?"
    before = {row[0] for row in db.execute(query, (owner,))}
    db.executemany(
        "DELETE FROM fingerprints WHERE owner = ? AND fingerprint = ?",
        ((owner, name) for name in before - now),
    )
    db.executemany(
        "INSERT INTO fingerprints VALUES (?, ?)", ((owner, name) for name in now - before)
    )
