"""Account: what one user can ask for.

A cheap handle: it hands every call on to the endpoint that knows what to ask, through the `Hands`
that say who is asking. Budgets, the session and everything else that lasts belong to the `App`;
two handles of one user share them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from .budgets.priority import Priority
from .conversation import Conversation
from .endpoints import checks, conversations, users
from .endpoints import events as lists
from .errors import InvalidRequest
from .hands import Hands
from .models.events import Event, bind
from .models.ids import UserId
from .models.messages import SentMessage
from .models.objects import User
from .models.pages import Fields
from .reading import EventQuery, read_all, read_in, read_with
from .streams.paginator import EventStream
from .streams.watch import Watch
from .watching import Keep, Since, watch_one
from .wire.exchange import Manners


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
            dm_conversation_id: ``"944480690-906948460078698496"``, the id of a group, or the
                address of either on x.com.
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

    def events(self, **query: Unpack[EventQuery]) -> EventStream:
        """Read all events of this user's conversations of the last 30 days, newest first.

        Each page sends ``GET /2/dm_events`` and draws on the budgets of the plan for reads (by
        default 300 per 15 minutes of this user, shared by the three lists). The next page is asked
        for ahead once half of one is read, as long as half of the budget is left and nobody waits
        for it.

        Args:
            query: ``event_types``, ``since``, ``until``, ``limit``, ``max_results``, ``resume``,
                ``newer_than`` and ``fields``, as `EventQuery` says.

        Raises:
            InvalidRequest: at once, for an argument that the server would refuse, or that cannot
                be: ``since`` not before ``until``, a position of another stream. What a page
                raises is that of `send`, `BudgetExhausted` included (``max_wait`` is for each
                page); the stream can be gone on with after it.

        Source: https://docs.x.com/x-api/direct-messages/lookup/integrate
        """
        return read_all(self._hands, **query)

    def events_with(self, participant_id: str | int, **query: Unpack[EventQuery]) -> EventStream:
        """Read the 1:1 conversation with one user, newest first.

        Each page sends ``GET /2/dm_conversations/with/:participant_id/dm_events``; arguments,
        budgets and errors are those of `events`.
        """
        return read_with(self._hands, participant_id, **query)

    def events_in(self, dm_conversation_id: str | int, **query: Unpack[EventQuery]) -> EventStream:
        """Read one conversation, 1:1 or group, newest first.

        Each page sends ``GET /2/dm_conversations/:dm_conversation_id/dm_events``; arguments,
        budgets and errors are those of `events`.

        Args:
            dm_conversation_id: its id, or its address on x.com.
            query: as for `events`.
        """
        return read_in(self._hands, dm_conversation_id, **query)

    async def event(self, event_id: str | int, *, fields: Fields = Fields.ALL) -> Event:
        """Read one event that this account can see.

        Sends ``GET /2/dm_events/:event_id`` and draws on its own budget (by default 15 per 15
        minutes of this user).

        Raises:
            InvalidRequest: nothing was sent: the id is malformed, or ``fields`` names what no
                field is.
            NotFound: there is no such event, or not for this account.
            XdmError: what `send` raises besides.

        Source: https://docs.x.com/x-api/direct-messages/get-dm-event-by-id
        """
        event = await lists.get_event(
            self._hands, event_id, fields=fields, naming=self._hands.naming
        )
        bind((event,), self._hands)
        return event

    def watch(
        self,
        *,
        conversation: str | int | Conversation | None = None,
        since: Since | None = None,
        checkpoint: Keep | None = None,
        share: float = 0.5,
    ) -> Watch:
        """Watch for new events: ``async with account.watch() as events``, and ``async for`` them.

        Yields each new event once, oldest first, from the moment of entering on; `Watch` says what
        holds under errors, restarts and bursts. It asks for the newest page, again and again:
        ``GET /2/dm_events``, or the list of one conversation, and draws on the budgets of the plan
        for reads. In a lively conversation it asks every second as long as its share lasts, and
        then as often as that allows; where nothing happens, once a minute.

        Args:
            conversation: this one alone: its id, its address on x.com, or a `Conversation`.
            since: begin here instead: an event's id, an aware datetime, or a `Watch.position`. What
                came after it, of the last 30 days, is given first.
            checkpoint: where to keep the position, so that a restarted watch goes on where this
                one was: the path of a file (a `pathlib.Path`), a name in the app's store, or an
                object with ``async load()`` and ``async save(position)``. ``since`` then holds for
                the first start.
            share: of what the budget allows in a window, the part that the watch may use, above 0
                and up to 1. Other reads of this account leave it to the watch: from its second
                page on, a stream waits for the next window where no more is left, unless it is
                ``Priority.INTERACTIVE``.

        Raises:
            InvalidRequest: at once, for an argument that cannot be. What entering raises, and the
                iteration, is that of `send`, for what does not pass by itself.

        Source: https://docs.x.com/x-api/direct-messages/lookup/introduction
        """
        which: tuple[str | None, str | None] = (None, None)
        if isinstance(conversation, Conversation):
            which = (conversation.dm_conversation_id, conversation.participant_id)
        elif conversation is not None:
            which = (checks.conversation_id(conversation, "conversation"), None)
        return watch_one(self._hands, *which, since=since, checkpoint=checkpoint, share=share)

    def conversation(
        self,
        dm_conversation_id: str | int | None = None,
        *,
        participant_id: str | int | None = None,
    ) -> Conversation:
        """A handle for one conversation; sends nothing.

        Args:
            dm_conversation_id: its id, 1:1 or group, or its address on x.com.
            participant_id: instead of it, the user that a 1:1 conversation is with.

        Raises:
            InvalidRequest: an id is malformed, or not exactly one of them is given.
        """
        if (dm_conversation_id is None) == (participant_id is None):
            raise InvalidRequest(
                "a conversation is named by its dm_conversation_id or by a participant_id: "
                "give one of them",
                argument="dm_conversation_id",
            )
        if participant_id is not None:
            user_id = UserId(checks.user_id(participant_id, "participant_id"))
            return Conversation(self._hands, participant_id=user_id)
        assert dm_conversation_id is not None
        known = checks.conversation_id(dm_conversation_id)
        return Conversation(self._hands, dm_conversation_id=known)

    async def me(self) -> User:
        """Ask who this account is.

        Sends ``GET /2/users/me`` and draws on its own budget (75 per 15 minutes and user). Raises
        what `send` raises.

        Source: https://docs.x.com/x-api/users/get-my-user
        """
        return await users.me(self._hands, self._hands.naming)
