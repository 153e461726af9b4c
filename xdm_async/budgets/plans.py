"""The published limits, as data.

Two tables are in circulation and disagree on every number of the DM endpoints. `DEFAULT` is the
documented one of the Direct Message pages: reads and writes each share one budget. `PAY_PER_USE`
is the rate-limit page of 2026: each endpoint for itself. Both may be wrong for an app; whatever
the response headers say wins.

Sources: docs.x.com, ``x-api/direct-messages/{lookup,manage}`` (introduction, integrate) for
`DEFAULT`; ``x-api/fundamentals/rate-limits`` (since 2026-01-16) for `PAY_PER_USE`, and for
``dm_events.get`` and ``users.me`` in both.
"""

from __future__ import annotations

import re

from ..errors import InvalidPlan
from .budget import Budget, Plan, nearest

_QUARTER, _DAY = 900.0, 86_400.0

_READS = ("dm_events.list", "dm_events.list_with", "dm_events.list_in")
_SENDS = ("dm_conversations.send", "dm_conversations.send_in", "dm_conversations.create")

_GET_EVENT = (Budget(15, _QUARTER, "user", report="rate-limit"),)
_USERS_ME = (Budget(75, _QUARTER, "user", report="rate-limit"),)

DEFAULT = Plan(
    "default",
    groups={
        "dm.read": (Budget(300, _QUARTER, "user", report="rate-limit"),),
        "dm.write": (
            Budget(200, _QUARTER, "user", report="rate-limit"),
            Budget(1_000, _DAY, "user", report="user-24h"),
            Budget(15_000, _DAY, "app", report="app-24h"),
        ),
        "dm_events.get": _GET_EVENT,
        "users.me": _USERS_ME,
    },
    routes=dict.fromkeys(_READS, "dm.read")
    | dict.fromkeys(_SENDS, "dm.write")
    | {"dm_events.get": "dm_events.get", "users.me": "users.me"},
)
"""Reads 300 per 15 minutes and user; writes 200 per 15 minutes and 1,000 per 24 hours and user,
15,000 per 24 hours and app; the three endpoints of each family share them."""

PAY_PER_USE = Plan(
    "pay-per-use",
    groups={route: (Budget(15, _QUARTER, "user", report="rate-limit"),) for route in _READS}
    | {
        route: (
            Budget(15, _QUARTER, "user", report="rate-limit"),
            Budget(1_440, _DAY, "user", report="user-24h"),
            Budget(1_440, _DAY, "app", report="app-24h"),
        )
        for route in _SENDS
    }
    | {"dm_events.get": _GET_EVENT, "users.me": _USERS_ME},
    routes={route: route for route in (*_READS, *_SENDS, "dm_events.get", "users.me")},
)
"""15 per 15 minutes and user for each endpoint; writes also 1,440 per 24 hours and user, and per
app, for each endpoint."""

BY_NAME = {plan.name: plan for plan in (DEFAULT, PAY_PER_USE)}
"""The plans that ``XDM_PLAN`` can name; anything else there is the path of a plan file."""


def named(name: str) -> Plan:
    """The plan of this name, or of the TOML file at this path.

    Raises:
        InvalidPlan: there is neither, with the nearest name where ``name`` is not clearly a path;
            or what `Plan.load` refuses in the file.
    """
    plan = BY_NAME.get(name)
    if plan is not None:
        return plan
    try:
        return Plan.load(name)
    except InvalidPlan as refused:
        if isinstance(refused.__cause__, FileNotFoundError) and re.fullmatch(r"[\w -]*", str(name)):
            raise InvalidPlan(
                f"there is no plan or file {name!r}{nearest(name, BY_NAME)}", argument="plan"
            ) from refused
        raise
