"""Opening: which store is meant by what a caller has named.

memory:       forgotten with the process
sqlite:PATH   a file, such as ``sqlite:xdm.db``, ``sqlite:/var/lib/bot/xdm.db``, ``sqlite:~/x.db``
an object     of the caller's: a `Store`
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import InvalidRequest
from .base import Store
from .memory import MemoryStore
from .sealing import check_keys
from .sqlite import SqliteStore


def open_store(store: str | Store, keys: Sequence[str] = ()) -> Store:
    """Give the store that is named; its own `open` makes it ready.

    Args:
        store: its URL, or an object of the caller's.
        keys: what its tokens are sealed with, the first, and opened with, all; none to leave them.

    Raises:
        InvalidRequest: there is no such store, a key is none, or the store takes no keys.
    """
    keys = check_keys(keys)
    if not isinstance(store, str):
        _check(store)
        if keys:
            raise InvalidRequest(
                "vault_key seals 'sqlite:PATH'; a store of your own takes its keys itself",
                argument="vault_key",
            )
        return store
    scheme, colon, path = store.partition(":")
    if scheme == "memory" and colon and not path:
        if keys:
            raise InvalidRequest(
                "vault_key seals 'sqlite:PATH'; 'memory:' writes nothing down",
                argument="vault_key",
            )
        return MemoryStore()
    if scheme == "sqlite":
        return SqliteStore(_file(path), keys)
    raise InvalidRequest(
        f"store is 'memory:', 'sqlite:PATH' or an object, not {_shown(store)}", argument="store"
    )


def _file(path: str) -> str:
    if not path or path == ":memory:" or path.startswith("//") or "\0" in path:
        raise InvalidRequest(
            "store is 'sqlite:' and the path of a file, such as 'sqlite:xdm.db' or "
            "'sqlite:/var/lib/bot/xdm.db'; what ends with the process is 'memory:'",
            argument="store",
        )
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise InvalidRequest(
            "store names a home directory that is not known: give the whole path", argument="store"
        )
    return expanded


def _shown(store: str) -> str:
    # A URL of another kind may have a password in it.
    scheme, colon, _ = store.partition(":")
    return repr(f"{scheme}:…") if colon else repr(store)


def _check(store: object) -> None:
    vault, checkpoints = getattr(store, "vault", None), getattr(store, "checkpoints", None)
    wanted = [
        (vault, ("load", "find", "put", "swap", "adopt", "forget", "grants", "lock")),
        (checkpoints, ("load", "save")),
        (store, ("open", "aclose")),
    ]
    for part, methods in wanted:
        if not all(callable(getattr(part, method, None)) for method in methods):
            raise InvalidRequest(
                "store is 'memory:', 'sqlite:PATH', or an object with vault, checkpoints, open() "
                f"and aclose() (a Store), not {type(store).__name__}",
                argument="store",
            )
