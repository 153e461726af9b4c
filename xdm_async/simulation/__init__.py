"""Whole days in seconds: the scheduler's own machine against the emulator's windows.

No sockets, no event loop and no waiting: time is a number that goes from one event to the next.
"""

from .result import Result, WindowUse
from .run import Simulation
from .setting import TABLES, Arrival, Setting, Table
from .svg import svg
from .timeline import Timeline

__all__ = [
    "TABLES",
    "Arrival",
    "Result",
    "Setting",
    "Simulation",
    "Table",
    "Timeline",
    "WindowUse",
    "svg",
]
