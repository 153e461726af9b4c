"""Snowflakes: ids that carry the millisecond in which they were made.

Arithmetic and one counter. What the ids are ids *of* is the world's business.

    id = (unix milliseconds - 1288834974657) << 22 | machine (10 bits) << 12 | sequence (12 bits)
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

EPOCH_MS: Final = 1_288_834_974_657
OLDEST: Final = 10**14
"""Smaller ids are from before the snowflakes and say nothing about time."""

_MACHINE_BITS: Final = 10
_SEQUENCE_BITS: Final = 12
_SEQUENCES: Final = 1 << _SEQUENCE_BITS


def milliseconds_of(number: int) -> int:
    """The Unix millisecond in which the id `number` was made."""
    return (number >> (_MACHINE_BITS + _SEQUENCE_BITS)) + EPOCH_MS


def first_number_at(seconds: float) -> int:
    """The smallest id that could have been made at this Unix time; ids before it are older."""
    return (int(seconds * 1000) - EPOCH_MS) << (_MACHINE_BITS + _SEQUENCE_BITS)


def created_at(number: int) -> str:
    """The id's instant as the API prints it: cut to the whole second, always `.000Z`."""
    return printed_at(milliseconds_of(number) // 1000)


@lru_cache(maxsize=65_536)
def printed_at(seconds: int) -> str:
    """A Unix time as the API prints it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Snowflakes:
    """Hands out ids.

    Always true: every id is larger than all before it. A millisecond that is used up, and a
    clock that went backwards, make the ids run ahead of the clock rather than repeat.
    """

    def __init__(self, machine: int) -> None:
        self._machine = (machine % (1 << _MACHINE_BITS)) << _SEQUENCE_BITS
        self._millisecond = 0
        self._sequence = 0

    def take(self, now: float, count: int = 1) -> int:
        """The first of `count` consecutive ids, all of one millisecond."""
        millisecond = int(now * 1000) - EPOCH_MS
        if millisecond > self._millisecond:
            self._millisecond, self._sequence = millisecond, 0
        elif self._sequence + count > _SEQUENCES:
            self._millisecond, self._sequence = self._millisecond + 1, 0
        sequence = self._sequence
        self._sequence += count
        return self._millisecond << (_MACHINE_BITS + _SEQUENCE_BITS) | self._machine | sequence
