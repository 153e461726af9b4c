"""Response headers, read: the rate-limit reports, the server's ``Date``, and ``Retry-After``.

Each number is read on its own: absent, empty or nonsense is None, never zero and never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from functools import lru_cache

from ..budgets.budget import Family, Report

_STEMS: dict[Family, str] = {
    "rate-limit": "x-rate-limit",
    "user-24h": "x-user-limit-24hour",
    "app-24h": "x-app-limit-24hour",
}
_FAMILIES: tuple[tuple[Family, str, str, str], ...] = tuple(
    (family, f"{stem}-limit", f"{stem}-remaining", f"{stem}-reset")
    for family, stem in _STEMS.items()
)

_MILLISECONDS = 1e11
"""An epoch this large is in milliseconds: as seconds it would be the year 5138."""
_SPAN = 32 * 86_400
"""A ``reset`` this small is a span from now: as an epoch it would be 1970."""


def read_reports(headers: Mapping[str, str]) -> tuple[Report, ...]:
    """The reports that the headers carry, one a family; a family with no number has none."""
    reports = []
    for family, limit_name, remaining_name, reset_name in _FAMILIES:
        limit, remaining = headers.get(limit_name), headers.get(remaining_name)
        reset = headers.get(reset_name)
        if limit is None and remaining is None and reset is None:
            continue
        report = Report(family, _count(limit), _count(remaining), _epoch(reset, headers))
        if report.limit is not None or report.remaining is not None or report.reset is not None:
            reports.append(report)
    return tuple(reports)


def read_date(headers: Mapping[str, str]) -> float | None:
    """The ``Date`` of the response in seconds since 1970, whatever its zone is called."""
    text = headers.get("date")
    return None if text is None else _parse_date(text)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds from the answer, as a number or as a date."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    until, date = _parse_date(text), read_date(headers)
    return max(0.0, until - date) if until is not None and date is not None else None


@lru_cache(maxsize=64)
def _parse_date(text: str) -> float | None:
    """An HTTP date; X has written both ``GMT`` and ``UTC``."""
    try:
        parsed = parsedate_tz(text)
        if parsed is None:
            return None
        return datetime(*parsed[:6], tzinfo=UTC).timestamp() - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


@lru_cache(maxsize=1024)
def _number(text: str) -> float | None:
    text = text.strip()
    if not text.isascii() or not text.replace(".", "", 1).isdigit() or len(text) > 20:
        return None
    return float(text)


def _count(text: str | None) -> int | None:
    number = None if text is None else _number(text)
    return None if number is None else int(number)


def _epoch(text: str | None, headers: Mapping[str, str]) -> float | None:
    number = None if text is None else _number(text)
    if number is None:
        return None
    if number >= _MILLISECONDS:
        return number / 1000.0
    if number <= _SPAN:
        date = read_date(headers)
        return None if date is None else date + number
    return number
