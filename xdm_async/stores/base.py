"""What a store promises, whichever it is.

A position is a short string that a reader has written and alone understands; it holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import CheckpointFailed as CheckpointFailed


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
