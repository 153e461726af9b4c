"""What outlives a process, or is shared by several."""

from .base import (
    Checkpoint,
    CheckpointFailed,
    Checkpoints,
    Grant,
    Keeper,
    Store,
    StoreFailed,
    Vault,
    fingerprint,
)
from .file import FileCheckpoint, FileCheckpoints
from .keeping import keeper
from .memory import MemoryCheckpoints, MemoryStore, MemoryVault
from .opening import open_store
from .sqlite import SqliteStore

__all__ = [
    "Checkpoint",
    "CheckpointFailed",
    "Checkpoints",
    "FileCheckpoint",
    "FileCheckpoints",
    "Grant",
    "Keeper",
    "MemoryCheckpoints",
    "MemoryStore",
    "MemoryVault",
    "SqliteStore",
    "Store",
    "StoreFailed",
    "Vault",
    "fingerprint",
    "keeper",
    "open_store",
]
