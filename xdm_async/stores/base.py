"""What a store promises, whichever it is.

A position is a short string that a reader has written and alone understands; it holds no secret.
A grant is what an account has allowed this app, with the tokens that prove it: a vault keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import attrs

from ..errors import CheckpointFailed as CheckpointFailed
from ..errors import StoreFailed as StoreFailed


def fingerprint(secret: str) -> str:
    """What a token is known by where the token itself must not be: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _hidden(value: object) -> str:
    return "None" if value is None else "'…'"


@attrs.frozen
class Grant:
    """What a vault keeps of one account; its repr hides the tokens.

    ``owner`` is the user's id, or ``token:`` and 16 hex digits of a fingerprint until that is
    known. ``token`` and ``secret`` are the access token and the refresh token of OAuth 2.0, or the
    token and its secret of OAuth 1.0a. ``needs_login`` says in words why the grant is no good any
    more. ``version`` is the vault's own: each write of an owner has a higher one.
    """

    owner: str
    kind: Literal["oauth2", "oauth1"]
    token: str = attrs.field(repr=_hidden)
    secret: str | None = attrs.field(default=None, repr=_hidden)
    expires_at: float | None = None
    """When the token expires: seconds since 1970, on the server's clock."""
    lifetime: float | None = None
    """Seconds from its issue to its expiry."""
    scopes: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    username: str | None = None
    needs_login: str | None = None
    spent: tuple[str, ...] = attrs.field(default=(), converter=_strings, repr=False)
    """Fingerprints of the tokens that led here, oldest first; a vault keeps the oldest and the
    newest 50."""
    version: int = 0


class Vault(Protocol):
    """Grants of many accounts, shared by all who open the same store.

    A write is durable when it returns, and whole or not there at any moment before. What cannot
    be read or written raises `StoreFailed`, and leaves what was kept.
    """

    async def load(self, owner: str) -> Grant | None:
        """Give the grant of an owner; None where none is kept."""
        ...

    async def find(self, fingerprint: str) -> Grant | None:
        """Give the grant whose token or secret has this fingerprint, or that came from it.

        Where a user's and a provisional one have it, the user's.
        """
        ...

    async def put(self, grant: Grant) -> Grant:
        """Keep a grant in place of whatever its owner had, and give it back with its version."""
        ...

    async def swap(self, grant: Grant) -> Grant | None:
        """Keep a grant where the one that is kept still has its version.

        Gives what is kept afterwards: the grant with the next version where it won, the other
        one where it lost, None where the owner was forgotten or adopted meanwhile.
        """
        ...

    async def adopt(self, grant: Grant, user_id: str) -> Grant:
        """Move what is kept for a provisional owner to the user's id, and give it.

        It takes the place of the user's grant, unless that one came from it already (then it is
        taken away, and the user's is given). Where it has been adopted before, the user's is
        given; where neither is kept any more, nothing is written: the grant comes back under the
        user's id, and a swap of it will give None.
        """
        ...

    async def forget(self, owner: str) -> Grant | None:
        """Take an owner's grant away, and give it; None where none was kept."""
        ...

    async def grants(self) -> list[Grant]:
        """Give every grant, in the order of the owners."""
        ...

    def lock(self, owner: str) -> AbstractAsyncContextManager[None]:
        """Hold an owner alone, across the tasks, apps, threads and processes of the store.

        It is free again when its holder leaves or dies, however it dies. Waiting for it can be
        cancelled. Who holds one asks for no second: owners may share a lock.
        """
        ...


class Checkpoint(Protocol):
    """A place for one position."""

    async def load(self) -> str | None:
        """Give the position that was saved last; None where none ever was."""
        ...

    async def save(self, position: str) -> None:
        """Keep a position, in place of the one before.

        Once this returns, `load` gives it, in another process too and after this one was killed.
        Where it raises, or was interrupted at any moment, `load` gives this one or the one
        before, and never a part of one.
        """
        ...


Keeper = Callable[[str], Checkpoint]
"""Gives the place for the position of an account, by its id."""


class Checkpoints(Protocol):
    """Places for many positions, by name; each keeps the promise of a `Checkpoint`.

    A name is any string of printable characters that has one, such as ``inbox/944480690``.
    """

    async def load(self, name: str) -> str | None:
        """Give the position that was saved last under a name; None where none ever was."""
        ...

    async def save(self, name: str, position: str) -> None:
        """Keep a position under a name, in place of the one before; other names keep theirs."""
        ...


class Store(Protocol):
    """One place for all that outlives a process."""

    @property
    def vault(self) -> Vault:
        """Its grants."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """Its positions."""
        ...

    async def open(self) -> None:
        """Make it ready; nothing happens where it is. Raises `StoreFailed`."""
        ...

    async def aclose(self) -> None:
        """Let go of it, after what is under way has ended."""
        ...
