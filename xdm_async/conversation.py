"""Conversation: one conversation of one account, as a handle.

It knows which conversation is meant, by its id or by the other participant, and hands every call
on to what the account would call for it.
"""

from __future__ import annotations

from typing import Unpack

from .endpoints import conversations
from .hands import Hands
from .models.ids import ConversationId, UserId
from .models.messages import SentMessage
from .reading import EventQuery, read_in, read_with
from .streams.paginator import EventStream
from .streams.watch import Watch
from .watching import Keep, Since, watch_one


class Conversation:
    """One conversation of an account; made by `Account.conversation`, and as cheap.

    A conversation that is named by its other participant is the 1:1 with that user, whether
    anything was written in it or not; any other is named by its id. One of the two attributes is
    set.
    """

    def __init__(
        self,
        hands: Hands,
        *,
        dm_conversation_id: ConversationId | None = None,
        participant_id: UserId | None = None,
    ) -> None:
        self._hands = hands
        self.dm_conversation_id = dm_conversation_id
        self.participant_id = participant_id

    def __repr__(self) -> str:
        which = self.dm_conversation_id or f"with {self.participant_id}"
        return f"<Conversation {which} of {self._hands.user_id or 'an account not yet identified'}>"

    async def send(self, text: str) -> SentMessage:
        """Send a message into it: `Account.send_in`, or `Account.send` to the participant."""
        if self.dm_conversation_id is not None:
            return await conversations.send_in(self._hands, self.dm_conversation_id, text)
        assert self.participant_id is not None
        return await conversations.send(self._hands, self.participant_id, text)

    def events(self, **query: Unpack[EventQuery]) -> EventStream:
        """Read it: `Account.events_in`, or `Account.events_with` the participant."""
        if self.dm_conversation_id is not None:
            return read_in(self._hands, self.dm_conversation_id, **query)
        assert self.participant_id is not None
        return read_with(self._hands, self.participant_id, **query)

    def watch(
        self,
        *,
        since: Since | None = None,
        checkpoint: Keep | None = None,
        share: float = 0.5,
    ) -> Watch:
        """Watch it for new events: `Account.watch` with this conversation."""
        return watch_one(
            self._hands,
            self.dm_conversation_id,
            self.participant_id,
            since=since,
            checkpoint=checkpoint,
            share=share,
        )
