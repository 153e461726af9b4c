"""Account: one user's hands on the road.

A cheap handle: it says who is asking, and hands every call on to the endpoint that knows what to
ask. Budgets, the session and everything else that lasts belong to the `App`; two handles of one
user share them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from .auth.signing import Authorizer
from .budgets.priority import Priority
from .endpoints import conversations, users
from .endpoints import events as lists
from .models.messages import SentMessage
from .models.objects import User
from .models.pages import Fields
from .streams.paginator import EventStream
from .wire.exchange import MANNERS, Manners, Request, Response, Sender

Identify = Callable[[Manners], Awaitable[str]]
"""Finds out whose hands they are; the question waits by the manners of who asks."""


class Hands:
    """The first link of the road: it says whose request it is, and refuses what cannot be.

    Hands that differ in their manners alone share whose they are, from when it is known.
    """

    def __init__(
        self,
        onward: Sender,
        authorizer: Authorizer,
        user_id: str | None,
        identify: Identify,
        manners: Manners = MANNERS,
    ) -> None:
        self._onward = onward
        self._authorizer = authorizer
        self._identify = identify
        self._first = self
        self._user_id = user_id
        self.manners = manners

    @property
    def user_id(self) -> str | None:
        """Whose they are, where it is known."""
        return self._first._user_id

    def using(self, manners: Manners) -> Hands:
        """The same hands with other manners."""
        other = Hands(self._onward, self._authorizer, None, self._identify, manners)
        other._first = self._first
        return other

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Mark the request as this user's, and pass it on."""
        self._authorizer.check(request.route)
        request.credentials = self._authorizer
        request.manners = self.manners
        user_id = self._first._user_id
        if user_id is None:
            return self._introduce(request)
        request.user_id = user_id
        return self._onward.send(request)

    async def _introduce(self, request: Request) -> Response:
        request.user_id = self._first._user_id = await self._identify(self.manners)
        return await self._onward.send(request)


class Account:
    """One authorised user of the app; made by `App.account`."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def __repr__(self) -> str:
        return f"<Account {self._hands.user_id or 'not yet identified'}>"

    @property
    def user_id(self) -> str | None:
        """The user's id, where it is known already: given, in the token, or asked for since."""
        return self._hands.user_id

    def using(
        self,
        *,
        priority: Priority | None = None,
        max_wait: float | None = None,
        weight: float | None = None,
    ) -> Account:
        """The same account with other manners; shares everything, and changes nothing here.

        What is left out stays as this handle has it. A new handle waits with
        ``Priority.NORMAL``, as long as it takes, with a weight of 1.

        Args:
            priority: of one account, the most urgent request goes first. Of what all accounts
                share, ``BULK`` and ``NORMAL`` leave a reserve to the more urgent.
            max_wait: seconds that a request may wait in line, over all its attempts; after that,
                or at once where it is known to be too late, `BudgetExhausted` is raised, and the
                server accepted nothing. 0 is now or never. Where the account's id is not known, the
                question for it waits as long at most, before the request does.
            weight: the account's share in what all accounts share, 0.001 to 1000; the others
                have 1.

        Raises:
            InvalidRequest: a value cannot be; the sentence names the argument and the rule.
        """
        now = self._hands.manners
        manners = Manners(
            now.priority if priority is None else priority,
            now.max_wait if max_wait is None else max_wait,
            now.weight if weight is None else weight,
        )
        return Account(self._hands.using(manners))

    async def send(self, participant_id: str | int, text: str) -> SentMessage:
        """Send a message to one user, into the 1:1 conversation that exists or is made by it.

        Sends ``POST /2/dm_conversations/with/:participant_id/messages``. Waits for its turn in
        the budgets of the plan for sends (by default 200 per 15 minutes and 1,000 per 24 hours
        of this user, 15,000 per 24 hours of the app, shared by `send`, `send_in` and
        `create_group`), and is never refused for them. The requests of one account leave in the
        order they were made; await each where they must also arrive in that order.

        Args:
            participant_id: the recipient's user id.
            text: 1 to 10,000 characters.

        Returns:
            The ids of the conversation and of the event that the message became.

        Raises:
            InvalidRequest: nothing was sent: the id is malformed, the text empty or too long, or
                the credentials are known not to do.
            BudgetExhausted: its turn would come after the handle's ``max_wait`` (`using`), or the
                line is full (`TooManyWaiting`): the server accepted nothing.
            NotSent: nothing left this machine; trying again is safe.
            Refused: the server said no; a `Forbidden` explains who does not allow what.
            OutcomeUnknown: it left and no usable answer came: it may have been delivered.

        Source: https://docs.x.com/x-api/direct-messages/manage/integrate
        """
        return await conversations.send(self._hands, participant_id, text)

    async def send_in(self, dm_conversation_id: str | int, text: str) -> SentMessage:
        """Send a message into a conversation that exists, 1:1 or group.

        Sends ``POST /2/dm_conversations/:dm_conversation_id/messages``; draws on the same
        budgets, and raises the same, as `send`.

        Args:
            dm_conversation_id: ``"944480690-906948460078698496"`` or the id of a group.
            text: 1 to 10,000 characters.
        """
        return await conversations.send_in(self._hands, dm_conversation_id, text)

    async def create_group(self, participant_ids: Iterable[str | int], text: str) -> SentMessage:
        """Create a group of this user and 1 to 49 others, with its first message.

        Sends ``POST /2/dm_conversations``; draws on the same budgets, and raises the same, as
        `send`. Every call makes a new group, whoever shares one already.

        Args:
            participant_ids: the others' user ids, without this user's own.
            text: 1 to 10,000 characters.
        """
        return await conversations.create_group(self._hands, participant_ids, text)

    def events(
        self,
        *,
        event_types: Iterable[str] | None = None,
        limit: int | None = None,
        max_results: int = lists.MAX_RESULTS,
        fields: Fields = Fields.ALL,
    ) -> EventStream:
        """Read all events of this user's conversations of the last 30 days, newest first.

        Each page sends ``GET /2/dm_events`` and draws on the budgets of the plan for reads (by
        default 300 per 15 minutes of this user, shared by the three lists).

        Args:
            event_types: of ``MessageCreate``, ``ParticipantsJoin``, ``ParticipantsLeave``; all of
                them where it is left out.
            limit: no more events than this.
            max_results: events asked for per page, 1 to 100.
            fields: what the events and what they refer to are asked for with.

        Raises:
            InvalidRequest: at once, for an argument that the server would refuse. What a page
                raises is that of `send`, `BudgetExhausted` included (``max_wait`` is for each
                page); the stream can be gone on with after it.

        Source: https://docs.x.com/x-api/direct-messages/lookup/integrate
        """
        fetch = lists.fetch_all(
            self._hands, event_types=event_types, max_results=max_results, fields=fields
        )
        return EventStream(fetch, limit=limit)

    def events_with(
        self,
        participant_id: str | int,
        *,
        event_types: Iterable[str] | None = None,
        limit: int | None = None,
        max_results: int = lists.MAX_RESULTS,
        fields: Fields = Fields.ALL,
    ) -> EventStream:
        """Read the 1:1 conversation with one user, newest first.

        Each page sends ``GET /2/dm_conversations/with/:participant_id/dm_events``; arguments,
        budgets and errors are those of `events`.
        """
        fetch = lists.fetch_with(
            self._hands,
            participant_id,
            event_types=event_types,
            max_results=max_results,
            fields=fields,
        )
        return EventStream(fetch, limit=limit)

    def events_in(
        self,
        dm_conversation_id: str | int,
        *,
        event_types: Iterable[str] | None = None,
        limit: int | None = None,
        max_results: int = lists.MAX_RESULTS,
        fields: Fields = Fields.ALL,
    ) -> EventStream:
        """Read one conversation, 1:1 or group, newest first.

        Each page sends ``GET /2/dm_conversations/:dm_conversation_id/dm_events``; arguments,
        budgets and errors are those of `events`.
        """
        fetch = lists.fetch_in(
            self._hands,
            dm_conversation_id,
            event_types=event_types,
            max_results=max_results,
            fields=fields,
        )
        return EventStream(fetch, limit=limit)

    async def me(self) -> User:
        """Ask who this account is.

        Sends ``GET /2/users/me`` and draws on its own budget (75 per 15 minutes and user). Raises
        what `send` raises.

        Source: https://docs.x.com/x-api/users/get-my-user
        """
        return await users.me(self._hands)
