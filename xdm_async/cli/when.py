"""When: an instant or an event, as somebody writes it on a command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

Bound = str | datetime
"""The id of an event, or an aware datetime."""

HELP = (
    "An event's id, a date or time such as 2026-05-01 or 2026-05-01T14:30 (in the local time "
    "zone, unless it names one), or a span back from now: 90m, 36h, 7d."
)

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FEWEST_DIGITS = 15


def parse_when(text: str, now: datetime) -> Bound:
    """Read what was written; ``now`` is aware.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        if _FEWEST_DIGITS <= len(text) <= 19:
            return text
        # 20260501 is a date to some, and would be the id of an event from before all others.
        raise ValueError(
            f"an event's id has {_FEWEST_DIGITS} to 19 digits, not {len(text)}; a date is written "
            "like 2026-05-01"
        )
    try:
        if span := _SPAN.fullmatch(text):
            return now - timedelta(**{_UNITS[span[2]]: float(span[1])})
        at = datetime.fromisoformat(text)
        return at if at.tzinfo is not None else at.astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r:.40} is no event id, no date or time like 2026-05-01 or 2026-05-01T14:30, "
            "and no span like 90m, 36h or 7d"
        ) from None


def spelled(bound: Bound) -> str:
    """Write a bound so that `read_spelled` gives the same, on any day."""
    return bound if isinstance(bound, str) else bound.isoformat()


def read_spelled(text: str) -> Bound:
    """Read what `spelled` has written."""
    return text if text.isdecimal() else datetime.fromisoformat(text)
