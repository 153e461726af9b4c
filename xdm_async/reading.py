"""Reading: how the lists of an account's events are opened, by an account or a conversation.

What a list is asked for is checked and spelled out by `endpoints.events`, its pages are gone
through by `streams`; here both are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Protocol, TypedDict, Unpack

from .endpoints import checks
from .endpoints import events as lists
from .endpoints.events import FetchPage
from .endpoints.queries import EVENT_TYPES, Naming, event_type_names
from .hands import Hands
from .models.pages import Fields
from .streams.bounds import Bound
from .streams.paginator import EventStream
from .streams.source import Source
from .wire.exchange import Route


class EventQuery(TypedDict, total=False):
    """What a list of events can be asked for.

    ``event_types``
        of ``MessageCreate``, ``ParticipantsJoin``, ``ParticipantsLeave``; all of them where it
        is left out.
    ``since``
        only what came after this event, by its id, or from this aware datetime on. The API
        cannot be asked for it: the read ends there.
    ``until``
        only what came before this event, or before this aware datetime. The API cannot be asked
        for it: pages of what is newer are read, and left out.
    ``limit``
        no more events than this.
    ``max_results``
        events per page, 1 to 100.
    ``resume``
        an `EventStream.position` of this account and this list: goes on exactly behind it.
    ``newer_than``
        an `EventStream.position`: what has happened since that read began, oldest first. An event
        that the server shows late, after a younger one was read, is not among it; a watch finds it.
    ``fields``
        what events and what they refer to are asked for with: `Fields.ALL`, `Fields.MINIMAL`, or
        your own.
    """

    event_types: Iterable[str] | None
    since: Bound | None
    until: Bound | None
    limit: int | None
    max_results: int
    resume: str | None
    newer_than: str | None
    fields: Fields


class _Prepare(Protocol):
    def __call__(
        self,
        *,
        event_types: Iterable[str] | None,
        max_results: int,
        fields: Fields,
        naming: Naming,
    ) -> FetchPage: ...


def read_all(hands: Hands, **query: Unpack[EventQuery]) -> EventStream:
    """Open the list of everything."""
    return _open(hands, lists.LIST, "all events", partial(lists.fetch_all, hands), **query)


def read_with(hands: Hands, participant_id: str | int, **query: Unpack[EventQuery]) -> EventStream:
    """Open the 1:1 conversation with one user."""
    user_id = checks.user_id(participant_id, "participant_id")
    prepare = partial(lists.fetch_with, hands, user_id)
    return _open(hands, lists.LIST_WITH, f"the events with {user_id}", prepare, **query)


def read_in(
    hands: Hands, dm_conversation_id: str | int, **query: Unpack[EventQuery]
) -> EventStream:
    """Open one conversation, 1:1 or group."""
    conversation_id = checks.conversation_id(dm_conversation_id)
    prepare = partial(lists.fetch_in, hands, conversation_id)
    return _open(hands, lists.LIST_IN, f"the events in {conversation_id}", prepare, **query)


def live_source(
    hands: Hands, dm_conversation_id: str | None = None, participant_id: str | None = None
) -> Source:
    """A list as a watch reads it: with all fields, 100 events per page."""
    whole = partial(_source, hands, event_types=None, max_results=100, fields=Fields.ALL)
    if dm_conversation_id is not None:
        prepare: _Prepare = partial(lists.fetch_in, hands, dm_conversation_id)
        return whole(lists.LIST_IN, f"the events in {dm_conversation_id}", prepare)
    if participant_id is not None:
        prepare = partial(lists.fetch_with, hands, participant_id)
        return whole(lists.LIST_WITH, f"the events with {participant_id}", prepare)
    return whole(lists.LIST, "all events", partial(lists.fetch_all, hands))


def _open(
    hands: Hands,
    route: Route,
    what: str,
    prepare: _Prepare,
    *,
    event_types: Iterable[str] | None = None,
    since: Bound | None = None,
    until: Bound | None = None,
    limit: int | None = None,
    max_results: int = lists.MAX_RESULTS,
    resume: str | None = None,
    newer_than: str | None = None,
    fields: Fields = Fields.ALL,
) -> EventStream:
    types = None if event_types is None else event_type_names(event_types)
    return EventStream(
        _source(
            hands, route, what, prepare, event_types=types, max_results=max_results, fields=fields
        ),
        limit=limit,
        since=since,
        until=until,
        resume=resume,
        newer_than=newer_than,
    )


def _source(
    hands: Hands,
    route: Route,
    what: str,
    prepare: _Prepare,
    *,
    event_types: list[str] | None,
    max_results: int,
    fields: Fields,
) -> Source:
    fetch = prepare(
        event_types=event_types, max_results=max_results, fields=fields, naming=hands.naming
    )
    if event_types is not None and len(event_types) < len(EVENT_TYPES):
        what += f", {' and '.join(sorted(event_types))} alone"
    return hands.source(route, fetch, what)
