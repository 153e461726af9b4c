"""The published rate limits as plain data, and which endpoint belongs to which family.

Only tables: how units are counted is the business of `windows`. A table maps a group, which
is either a family or one endpoint, to its budgets `[owner, limit, window in seconds]`. The
endpoints of a family share its budgets; an endpoint with an entry of its own counts alone.

Owners: `user` is one user of the app, whichever of its tokens asks; `app` is all its users
together; `app-only` is the app asking for itself with its bearer token (a separate pool).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Limits = Mapping[str, Sequence[Sequence[object]]]
"""Budgets by group. Lists or tuples, so that a table can come from JSON or TOML."""

FAMILIES: Final[Mapping[str, str]] = {
    "dm_events.list": "dm.read",
    "dm_events.list_with": "dm.read",
    "dm_events.list_in": "dm.read",
    "dm_events.get": "dm_events.get",
    "dm_conversations.send": "dm.write",
    "dm_conversations.send_in": "dm.write",
    "dm_conversations.create": "dm.write",
    "users.me": "users.me",
    "users.get": "users.lookup",
    "users.by_username": "users.lookup",
}
"""Every endpoint that draws on budgets, and the family it shares them with."""

_MINUTES_15 = 900
_HOURS_24 = 86_400

_LOOKUP = (("user", 900, _MINUTES_15), ("app-only", 300, _MINUTES_15))
_READ_2026 = (("user", 15, _MINUTES_15),)
_SEND_2026 = (
    ("user", 15, _MINUTES_15),
    ("user", 1_440, _HOURS_24),
    ("app", 1_440, _HOURS_24),
)

DOCUMENTED: Final[Limits] = {
    "dm.read": (("user", 300, _MINUTES_15),),
    "dm.write": (
        ("user", 200, _MINUTES_15),
        ("user", 1_000, _HOURS_24),
        ("app", 15_000, _HOURS_24),
    ),
    "dm_events.get": _READ_2026,
    "users.me": (("user", 75, _MINUTES_15),),
    "users.get": _LOOKUP,
    "users.by_username": _LOOKUP,
}
"""Preset A, the default: the three lookups share one budget, the three sends another.

What that document leaves open (one event, users) is taken from today's table."""

DOCS_2026: Final[Limits] = {
    "dm_events.list": _READ_2026,
    "dm_events.list_with": _READ_2026,
    "dm_events.list_in": _READ_2026,
    "dm_events.get": _READ_2026,
    "dm_conversations.send": _SEND_2026,
    "dm_conversations.send_in": _SEND_2026,
    "dm_conversations.create": _SEND_2026,
    "users.me": (("user", 75, _MINUTES_15),),
    "users.get": _LOOKUP,
    "users.by_username": _LOOKUP,
}
"""Preset B, the table of 2026: every endpoint for itself."""


def group_of(endpoint: str, limits: Limits) -> tuple[str, Sequence[Sequence[object]]]:
    """The group an endpoint draws on, and its budgets.

    What the caller's table says about the endpoint comes first, then what it says about the
    family; only then the documented table. An empty list means no limit.
    """
    family = FAMILIES[endpoint]
    for table in (limits, DOCUMENTED):
        for group in (endpoint, family):
            if group in table:
                return group, table[group]
    return family, ()


def check_groups(limits: Limits) -> None:
    """Refuse a table that names a group nobody draws on: it would silently limit nothing."""
    known = {*FAMILIES, *FAMILIES.values()}
    for group in limits:
        if group not in known:
            raise ValueError(f"no rate limit group {group!r}; there are {sorted(known)}")
