"""Keeping: where a watch's positions go, by what the caller has named.

    a name       a position in the app's store, or one for each account: ``name/944480690``
    a path       a file, or a directory with a file for each account
    an object    of the caller's: a `Checkpoint`, or `Checkpoints` asked by the accounts' ids

Each account has a position of its own, so that a save writes one, however many are watched.
"""

from __future__ import annotations

import inspect
import os

import attrs

from ..errors import InvalidRequest
from .base import Checkpoint, Checkpoints, Keeper
from .file import FileCheckpoint, FileCheckpoints

_LONGEST = 200


@attrs.frozen
class Named:
    """One name's place in a store, as a `Checkpoint`."""

    store: Checkpoints
    name: str

    async def load(self) -> str | None:
        """Give what was saved last."""
        return await self.store.load(self.name)

    async def save(self, position: str) -> None:
        """Keep a position."""
        await self.store.save(self.name, position)


def keeper(
    checkpoint: str | os.PathLike[str] | Checkpoint | Checkpoints | None,
    store: Checkpoints,
    *,
    many: bool = False,
) -> Keeper | None:
    """Read what a caller has given as ``checkpoint``.

    Args:
        checkpoint: a name, a path, an object of the caller's, or None for no checkpoint.
        store: where a name is kept.
        many: for a watch of many accounts, each with a position of its own.

    Raises:
        InvalidRequest: it is none of these.
    """
    if checkpoint is None:
        return None
    if isinstance(checkpoint, str):
        if not checkpoint.strip() or len(checkpoint) > _LONGEST or not checkpoint.isprintable():
            raise InvalidRequest(
                f"checkpoint is a name of 1 to {_LONGEST} printable characters; for a file, give "
                "a pathlib.Path",
                argument="checkpoint",
            )
        name = checkpoint
        if many:
            return lambda user_id: Named(store, f"{name}/{user_id}")
        return lambda user_id: Named(store, name)
    if isinstance(checkpoint, os.PathLike):
        if many:
            files = FileCheckpoints(checkpoint)
            return lambda user_id: Named(files, user_id)
        file = FileCheckpoint(checkpoint)
        return lambda user_id: file
    _check(checkpoint, many)
    own = checkpoint
    if many:
        return lambda user_id: Named(own, user_id)  # type: ignore[arg-type]
    return lambda user_id: own  # type: ignore[return-value]


def _check(own: object, many: bool) -> None:
    name = ("name",) if many else ()
    for method, given in (("load", name), ("save", (*name, "position"))):
        call = getattr(own, method, None)
        try:
            if not callable(call):
                raise TypeError
            inspect.signature(call).bind(*given)
        except (TypeError, ValueError):
            kind = "Checkpoints" if many else "a Checkpoint"
            raise InvalidRequest(
                "checkpoint is a name, a path, or an object with "
                f"load({', '.join(name)}) and save({', '.join((*name, 'position'))}) "
                f"({kind}), not {type(own).__name__}",
                argument="checkpoint",
            ) from None
