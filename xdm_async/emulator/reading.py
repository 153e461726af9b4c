"""Reading: the three lists of events, and one event.

Each list is a cut of a feed. A conversation the caller was never in looks like one in which
nothing was written; an event the caller does not see looks like one that does not exist.
"""

from __future__ import annotations

from typing import Final

from .calls import CONVERSATION_ID, USER_ID, Call, Endpoint, Reply
from .objects import Feed
from .parameters import EVENTS, ONE_EVENT
from .problems import not_found
from .rendering import View, render_event, render_page
from .snowflake import first_number_at
from .world import id_of_two

_DAY: Final = 86_400
_HISTORY_DAYS: Final = 30
_SCOPES: Final = frozenset({"dm.read", "tweet.read", "users.read"})


def list_events(call: Call) -> Reply:
    """GET /2/dm_events: what the caller sees and is listed by now, of the last 30 days."""
    return _list(call, call.lists.listed(call.user.feed, call.now), _HISTORY_DAYS)


def list_events_with(call: Call) -> Reply:
    """GET /2/dm_conversations/with/:participant_id/dm_events: the conversation of two."""
    participant_id = int(call.variable("participant_id", USER_ID))
    feed = call.user.feed_of(id_of_two(call.user.number, participant_id))
    return _list(call, feed, call.switches.conversation_days)


def list_events_in(call: Call) -> Reply:
    """GET /2/dm_conversations/:id/dm_events: a conversation of two, or a group."""
    feed = call.user.feed_of(call.variable("id", CONVERSATION_ID))
    return _list(call, feed, call.switches.conversation_days)


def get_event(call: Call) -> Reply:
    """GET /2/dm_events/:event_id: one event that the caller sees."""
    event_id = call.variable("event_id", USER_ID)
    event = call.world.events.get(int(event_id))
    if event is None or not call.user.sees(event):
        return Reply(
            200, {"errors": [not_found("dm_event", "event_id", event_id, call.query.host)]}
        )
    return Reply(200, render_event(event, View(call.world, call.query, call.caller)))


def _list(call: Call, feed: Feed, days: float | None) -> Reply:
    oldest_number = 0 if days is None else first_number_at(call.now - days * _DAY)
    page = call.lists.page(feed, call.query, call.user, call.now, oldest_number)
    return Reply(200, render_page(page, View(call.world, call.query, call.caller)))


ENDPOINTS: Final = (
    Endpoint(
        name="dm_events.list",
        method="GET",
        path="/2/dm_events",
        answer=list_events,
        accepted=EVENTS,
        scopes=_SCOPES,
        direct_messages=True,
    ),
    Endpoint(
        name="dm_events.list_with",
        method="GET",
        path="/2/dm_conversations/with/:participant_id/dm_events",
        answer=list_events_with,
        accepted=EVENTS,
        scopes=_SCOPES,
        direct_messages=True,
    ),
    Endpoint(
        name="dm_events.list_in",
        method="GET",
        path="/2/dm_conversations/:id/dm_events",
        answer=list_events_in,
        accepted=EVENTS,
        scopes=_SCOPES,
        direct_messages=True,
    ),
    Endpoint(
        name="dm_events.get",
        method="GET",
        path="/2/dm_events/:event_id",
        answer=get_event,
        accepted=ONE_EVENT,
        scopes=_SCOPES,
        direct_messages=True,
    ),
)
