"""Stores of each kind, made and let go of by the test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from xdm_async.stores import MemoryStore, SqliteStore, Store

KEY = Fernet.generate_key().decode()

MakeStore = Callable[[], Store]
"""Gives one more store over what the first one keeps; the one object where it is in memory."""


@pytest.fixture(params=["memory", "plain", "sealed"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    keys = [KEY] if request.param == "sealed" else []
    return lambda: SqliteStore(tmp_path / "private" / "store.db", keys)


@pytest.fixture
async def store(make: MakeStore) -> AsyncIterator[Store]:
    store = make()
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture
async def other(make: MakeStore, store: Store) -> AsyncIterator[Store]:
    """A second store over the same grants, as another app has it."""
    other = make()
    await other.open()
    yield other
    await other.aclose()
