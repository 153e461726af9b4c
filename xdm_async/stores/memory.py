"""A store in memory: it is forgotten with the process."""

from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager

import attrs

from .base import Grant
from .turns import Turns
from .writing import came_from, kept, known_by, nearest


class MemoryVault:
    """A `Vault` that ends with the process: what it promises holds until then."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._owners: dict[str, set[str]] = {}
        self._forgotten = 0
        """The highest version that went with a grant: the next login is above it."""
        self._turns = Turns()

    def __repr__(self) -> str:
        return f"<MemoryVault: {len(self._grants)} grants>"

    async def load(self, owner: str) -> Grant | None:
        """Give the grant of an owner."""
        return self._grants.get(owner)

    async def find(self, fingerprint: str) -> Grant | None:
        """Give the grant that has this fingerprint, or came from it."""
        with self._guard:
            owner = nearest(self._owners.get(fingerprint, ()))
            return None if owner is None else self._grants[owner]

    async def put(self, grant: Grant) -> Grant:
        """Keep a grant in place of whatever its owner had."""
        with self._guard:
            return self._write(grant)

    async def swap(self, grant: Grant) -> Grant | None:
        """Keep a grant where the one that is kept still has its version."""
        with self._guard:
            there = self._grants.get(grant.owner)
            if there is None or there.version != grant.version:
                return there
            return self._write(grant)

    async def adopt(self, grant: Grant, user_id: str) -> Grant:
        """Move what is kept for a provisional owner to the user's id."""
        with self._guard:
            there = self._grants.get(user_id)
            if grant.owner == user_id:
                return there or grant
            moving = self._remove(grant.owner)
            if moving is None:
                return there or attrs.evolve(grant, owner=user_id)
            if there is not None and came_from(there, moving):
                return there
            return self._write(attrs.evolve(moving, owner=user_id))

    async def forget(self, owner: str) -> Grant | None:
        """Take an owner's grant away."""
        with self._guard:
            return self._remove(owner)

    async def grants(self) -> list[Grant]:
        """Give every grant, in the order of the owners."""
        with self._guard:
            return [self._grants[owner] for owner in sorted(self._grants)]

    def lock(self, owner: str) -> AbstractAsyncContextManager[None]:
        """Hold an owner alone."""
        return self._turns.hold(owner)

    def _write(self, grant: Grant) -> Grant:
        there = self._grants.get(grant.owner)
        version = self._forgotten if there is None else there.version
        written = self._grants[grant.owner] = kept(grant, version + 1)
        self._index(grant.owner, there, written)
        return written

    def _remove(self, owner: str) -> Grant | None:
        there = self._grants.pop(owner, None)
        if there is not None:
            self._forgotten = max(self._forgotten, there.version)
            self._index(owner, there, None)
        return there

    def _index(self, owner: str, before: Grant | None, after: Grant | None) -> None:
        old, new = known_by(before), known_by(after)
        for name in old - new:
            self._owners[name].discard(owner)
            if not self._owners[name]:
                del self._owners[name]
        for name in new - old:
            self._owners.setdefault(name, set()).add(owner)


class MemoryCheckpoints:
    """`Checkpoints` that end with the process: what they promise holds until then."""

    def __init__(self) -> None:
        self._positions: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<MemoryCheckpoints: {len(self._positions)} positions>"

    async def load(self, name: str) -> str | None:
        """Give the position that was saved last under a name."""
        return self._positions.get(name)

    async def save(self, name: str, position: str) -> None:
        """Keep a position under a name."""
        self._positions[name] = position


class MemoryStore:
    """A `Store` that ends with the process. Apps that are given the same object share it."""

    def __init__(self) -> None:
        self.vault = MemoryVault()
        self.checkpoints = MemoryCheckpoints()

    def __repr__(self) -> str:
        return f"<MemoryStore: {self.vault!r}, {self.checkpoints!r}>"

    async def open(self) -> None:
        """Nothing is to be made ready."""

    async def aclose(self) -> None:
        """Nothing is let go: what it keeps is there for the next who opens it."""
