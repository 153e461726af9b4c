"""What outlives a process, or is shared by several."""

from .base import Checkpoint, CheckpointFailed, Checkpoints, Keeper
from .file import FileCheckpoint, FileCheckpoints
from .keeping import keeper
from .memory import MemoryCheckpoints

__all__ = [
    "Checkpoint",
    "CheckpointFailed",
    "Checkpoints",
    "FileCheckpoint",
    "FileCheckpoints",
    "Keeper",
    "MemoryCheckpoints",
    "keeper",
]
