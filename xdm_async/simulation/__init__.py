"""Whole days in seconds: the scheduler's own machine against the emulator's windows.

No sockets, no event loop and no waiting: time is a number that goes from one event to the next.
"""

from .mix import Arrival, Part, parse_mix
from .result import Result, Waits, WindowUse
from .run import Simulation
from .setting import TABLES, Setting, Table
from .svg import svg
from .timeline import Timeline

__all__ = [
    "TABLES",
    "Arrival",
    "Part",
    "Result",
    "Setting",
    "Simulation",
    "Table",
    "Timeline",
    "Waits",
    "WindowUse",
    "parse_mix",
    "svg",
]
