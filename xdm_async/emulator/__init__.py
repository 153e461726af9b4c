"""A local X for development and tests, with opinions of its own.

It is a second opinion on the API, written from the documents alone: nothing here imports the
client, so that the two cannot share one mistake.
"""

from .app import EmulatedUser, Emulator, Stats, Stored, describe
from .limits import DOCS_2026, DOCUMENTED
from .windows import WindowRecord

__all__ = [
    "DOCS_2026",
    "DOCUMENTED",
    "EmulatedUser",
    "Emulator",
    "Stats",
    "Stored",
    "WindowRecord",
    "describe",
]
