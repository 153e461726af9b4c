"""Events: one of them, or a page: of everything, of the 1:1 with a user, of a conversation.

Each coroutine fetches one page; going through all of them is left to `xdm_async.streams`. The
query is spelled out once, by `queries.list_query`, and repeated with every pagination token.
``fetch_all``, ``fetch_with`` and ``fetch_in`` check everything at the call and give back what an
`EventStream` is built from.

The facts: https://docs.x.com/x-api/direct-messages/lookup/integrate
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from ..errors import UnreadableAnswer
from ..models.events import Event
from ..models.pages import Fields, Page
from ..wire.bodies import read_page
from ..wire.exchange import Request, Route, Sender
from ..wire.problems import failed_lookup
from . import checks
from .answers import accepted
from .queries import MAX_RESULTS as MAX_RESULTS
from .queries import Naming, list_query, one_query, with_token

FetchPage = Callable[[str | None], Awaitable[Page[Event]]]
"""Fetches the page that a pagination token leads to; the first page without one."""

_SCOPES = ("dm.read", "tweet.read", "users.read")

LIST = Route("dm_events.list", "GET", "/2/dm_events", _SCOPES)
LIST_WITH = Route(
    "dm_events.list_with",
    "GET",
    "/2/dm_conversations/with/:participant_id/dm_events",
    _SCOPES,
)
LIST_IN = Route(
    "dm_events.list_in",
    "GET",
    "/2/dm_conversations/:dm_conversation_id/dm_events",
    _SCOPES,
)
GET = Route("dm_events.get", "GET", "/2/dm_events/:event_id", _SCOPES)


async def get_event(
    sender: Sender,
    event_id: str | int,
    *,
    fields: Fields = Fields.ALL,
    naming: Naming = "classic",
) -> Event:
    """Fetch one event that the account can see.

    Sends ``GET /2/dm_events/:event_id`` and draws on ``dm_events.get``.

    Raises:
        InvalidRequest: the id is malformed, or ``fields`` names what no field is.
        BudgetExhausted: the turn would come too late.
        Refused: the server said no; `NotFound` where there is no such event for this account,
            which the server tells in a 200 that holds nothing but errors.
        UnreadableAnswer: the answer holds no event.
    """
    path = f"/2/dm_events/{checks.event_id(event_id)}{one_query(fields, naming)}"
    response = accepted(GET, await sender.send(Request(GET, path)))
    page = read_page(GET, response)
    if page.data:
        return page.data[0]
    if page.errors:
        raise failed_lookup(GET, response)
    raise UnreadableAnswer(
        f"the answer to {GET.name} ({response.status}, {len(response.body)} bytes) holds no event",
        status=response.status,
    )


async def list_events(
    sender: Sender, query: str, pagination_token: str | None = None
) -> Page[Event]:
    """Fetch a page of all events of the account, 1:1 and groups, newest first, of 30 days.

    Sends ``GET /2/dm_events`` and draws on ``dm.read``, the budget that the three lists share.
    A message may show here seconds later than in its conversation.

    Raises:
        BudgetExhausted: the turn would come too late.
        Refused: the server said no.
        UnreadableAnswer: the answer is no page.
    """
    path = with_token("/2/dm_events", query, pagination_token)
    return await _page(sender, LIST, path)


async def list_with(
    sender: Sender, participant_id: str | int, query: str, pagination_token: str | None = None
) -> Page[Event]:
    """Fetch a page of the 1:1 conversation with one user, newest first.

    Sends ``GET /2/dm_conversations/with/:participant_id/dm_events``, draws on ``dm.read``.

    Raises:
        InvalidRequest: the id is malformed.
        BudgetExhausted: the turn would come too late.
        Refused: the server said no.
        UnreadableAnswer: the answer is no page.
    """
    to = checks.user_id(participant_id, "participant_id")
    path = with_token(f"/2/dm_conversations/with/{to}/dm_events", query, pagination_token)
    return await _page(sender, LIST_WITH, path)


async def list_in(
    sender: Sender, dm_conversation_id: str | int, query: str, pagination_token: str | None = None
) -> Page[Event]:
    """Fetch a page of one conversation, 1:1 or group, newest first.

    Sends ``GET /2/dm_conversations/:dm_conversation_id/dm_events``, draws on ``dm.read``.

    Raises:
        InvalidRequest: the id is malformed.
        BudgetExhausted: the turn would come too late.
        Refused: the server said no.
        UnreadableAnswer: the answer is no page.
    """
    to = checks.conversation_id(dm_conversation_id)
    path = with_token(f"/2/dm_conversations/{to}/dm_events", query, pagination_token)
    return await _page(sender, LIST_IN, path)


async def _page(sender: Sender, route: Route, path: str) -> Page[Event]:
    return read_page(route, accepted(route, await sender.send(Request(route, path))))


def fetch_all(
    sender: Sender,
    *,
    event_types: Iterable[str] | None = None,
    max_results: int = MAX_RESULTS,
    fields: Fields = Fields.ALL,
    naming: Naming = "classic",
) -> FetchPage:
    """Prepare `list_events`: what is asked for is checked here, and sent with every page."""
    query = list_query(
        event_types=event_types, max_results=max_results, fields=fields, naming=naming
    )
    return partial(list_events, sender, query)


def fetch_with(
    sender: Sender,
    participant_id: str | int,
    *,
    event_types: Iterable[str] | None = None,
    max_results: int = MAX_RESULTS,
    fields: Fields = Fields.ALL,
    naming: Naming = "classic",
) -> FetchPage:
    """Prepare `list_with`: what is asked for is checked here, and sent with every page."""
    to = checks.user_id(participant_id, "participant_id")
    query = list_query(
        event_types=event_types, max_results=max_results, fields=fields, naming=naming
    )
    return partial(list_with, sender, to, query)


def fetch_in(
    sender: Sender,
    dm_conversation_id: str | int,
    *,
    event_types: Iterable[str] | None = None,
    max_results: int = MAX_RESULTS,
    fields: Fields = Fields.ALL,
    naming: Naming = "classic",
) -> FetchPage:
    """Prepare `list_in`: what is asked for is checked here, and sent with every page."""
    to = checks.conversation_id(dm_conversation_id)
    query = list_query(
        event_types=event_types, max_results=max_results, fields=fields, naming=naming
    )
    return partial(list_in, sender, to, query)
