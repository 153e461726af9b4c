"""A local X for development and tests, with opinions of its own.

It is a second opinion on the API, written from the documents alone: nothing here imports the
client, so that the two cannot share one mistake.
"""

from .app import CALLBACKS, EmulatedUser, Emulator, Stats, Stored, describe
from .consent import check_callbacks
from .faults import Faults
from .limits import DOCS_2026, DOCUMENTED
from .windows import WindowRecord

__all__ = [
    "CALLBACKS",
    "DOCS_2026",
    "DOCUMENTED",
    "EmulatedUser",
    "Emulator",
    "Faults",
    "Stats",
    "Stored",
    "WindowRecord",
    "check_callbacks",
    "describe",
]
