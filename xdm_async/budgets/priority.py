"""Priority: how urgent a request is, and what of a shared budget is kept from the less urgent."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Priority(IntEnum):
    """How urgent a request is: of one account the most urgent goes first.

    Between accounts it only matters for what is kept of a budget that all accounts share: the
    less urgent leave a part of it to the more urgent, which melts away as its window passes.
    """

    BULK = 0
    """A campaign: whenever there is room."""
    NORMAL = 1
    """What is not said otherwise."""
    INTERACTIVE = 2
    """Somebody waits for it."""


RESERVE: Mapping[Priority, float] = MappingProxyType({Priority.BULK: 0.5, Priority.NORMAL: 0.15})
"""The part of an app's budget that is kept from a priority when its window opens."""
