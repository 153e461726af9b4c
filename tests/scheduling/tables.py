"""Both published tables as the server would count them, apart from the client's own plans."""

from __future__ import annotations

from .simulated import Rules

READS = ("dm_events.list", "dm_events.list_with", "dm_events.list_in")
SENDS = ("dm_conversations.send", "dm_conversations.send_in", "dm_conversations.create")

SHARED_RULES: Rules = {
    "read": [("user", 300, 900)],
    "write": [("user", 200, 900), ("user", 1000, 86_400), ("app", 15_000, 86_400)],
}
SHARED_ROUTES = dict.fromkeys(READS, "read") | dict.fromkeys(SENDS, "write")

APART_RULES: Rules = {route: [("user", 15, 900)] for route in READS} | {
    route: [("user", 15, 900), ("user", 1440, 86_400), ("app", 1440, 86_400)] for route in SENDS
}
APART_ROUTES = {route: route for route in (*READS, *SENDS)}
