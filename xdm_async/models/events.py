"""Events: what happened in a conversation.

``Event = MessageCreate | ParticipantsJoin | ParticipantsLeave | UnknownEvent``. What an expansion
brought is resolved on the event itself: ``sender`` for ``sender_id``, ``participants`` for
``participant_ids``, and a message's ``media`` and ``posts``; each holds what the answer included,
so it may be shorter than its ids. Order events by ``id``: ``created_at`` is cut to whole seconds.

Which fields are set depends on which were asked for: one that did not come is None, or empty.
``extra`` keeps, as the server sent it, what a class does not know or cannot hold.

An event that an account has read knows that account: `Occurrence.reply` answers it, and
`Occurrence.is_mine` tells whether the account wrote it. How a reply travels is left to the
`Reader` that the streams bind an event to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime
from itertools import repeat
from typing import Any, ClassVar, Protocol

import attrs

from .base import Model
from .entities import Entities
from .ids import ConversationId, EventId, UserId
from .messages import SentMessage
from .objects import Media, Post, PostReference, User


class Reader(Protocol):
    """The account that read an event, as far as an event needs it."""

    @property
    def user_id(self) -> str | None:
        """Whose account it is."""
        ...

    def send_in(self, dm_conversation_id: str, text: str) -> Coroutine[Any, Any, SentMessage]:
        """Send a message into a conversation."""
        ...


class Occurrence(Model):
    """What all events do alike; which account has read one is no part of what it is.

    Two events that say the same are equal whoever read them, and a copy or a pickle of one knows
    no account.
    """

    __slots__ = ("_reader",)
    _reader: Reader

    _also: ClassVar[tuple[str, ...]] = ("event_type",)
    _is_sent: ClassVar[bool] = False
    """Whether every event of this kind has a sender."""

    dm_conversation_id: ConversationId | None
    sender_id: UserId | None

    @property
    def is_mine(self) -> bool:
        """Whether the account that read it has sent it; an event without a sender is nobody's.

        Raises:
            ValueError: it cannot be told: no account has read this event, or it is a message and
                the fields that were asked for did not bring ``sender_id``.
        """
        reader = self._read_by("is_mine")
        if self.sender_id is None and self._is_sent:
            raise ValueError("is_mine needs sender_id: have it among the fields that are read")
        return self.sender_id is not None and self.sender_id == reader.user_id

    @property
    def read_by(self) -> str | None:
        """The id of the user whose account has read it; None where that is not known.

        Of a watch of many accounts, it tells which one an event came to.
        """
        try:
            return self._reader.user_id
        except AttributeError:
            return None

    def reply(self, text: str) -> Coroutine[Any, Any, SentMessage]:
        """Send a message into this event's conversation, from the account that read it.

        Sends ``POST /2/dm_conversations/:dm_conversation_id/messages`` with the manners of the
        handle that read the event; draws on the same budgets, and raises the same, as
        `Account.send_in`.

        Args:
            text: 1 to 10,000 characters.

        Raises:
            ValueError: at once: no account has read this event, or the fields that were asked
                for did not bring ``dm_conversation_id``.
        """
        reader = self._read_by("reply")
        if self.dm_conversation_id is None:
            raise ValueError(
                "reply needs dm_conversation_id: have it among the fields that are read"
            )
        return reader.send_in(self.dm_conversation_id, text)

    def _read_by(self, what: str) -> Reader:
        try:
            return self._reader
        except AttributeError:
            raise ValueError(f"{what} needs an event that an account has read") from None


_set_reader = vars(Occurrence)["_reader"].__set__


def bind(events: Iterable[Occurrence], reader: Reader) -> None:
    """Let events know the account that has read them; for streams."""
    deque(map(_set_reader, events, repeat(reader)), maxlen=0)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class EventAttachments(Model):
    """What is attached to a message, by keys; ``MessageCreate.media`` has the media themselves."""

    media_keys: tuple[str, ...] = ()
    card_ids: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MessageCreate(Occurrence):
    """A message.

    ``text`` is as the server gives it back: links are t.co links, so it may differ from what was
    sent, and ``entities.urls`` has where they lead. ``participant_ids`` is empty by the documents;
    for a year the server put all participants there, on every kind of event.
    """

    event_type: ClassVar[str] = "MessageCreate"
    _is_sent: ClassVar[bool] = True

    id: EventId
    text: str = ""
    dm_conversation_id: ConversationId | None = None
    created_at: datetime | None = None
    sender_id: UserId | None = None
    sender: User | None = None
    participant_ids: tuple[UserId, ...] = ()
    participants: tuple[User, ...] = ()
    attachments: EventAttachments | None = None
    media: tuple[Media, ...] = ()
    referenced_posts: tuple[PostReference, ...] = ()
    posts: tuple[Post, ...] = ()
    entities: Entities | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class ParticipantsJoin(Occurrence):
    """Users came into a group: ``participant_ids`` are those who joined, not all members.

    ``sender_id`` is who invited them.
    """

    event_type: ClassVar[str] = "ParticipantsJoin"

    id: EventId
    dm_conversation_id: ConversationId | None = None
    created_at: datetime | None = None
    sender_id: UserId | None = None
    sender: User | None = None
    participant_ids: tuple[UserId, ...] = ()
    participants: tuple[User, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class ParticipantsLeave(Occurrence):
    """Users left a group: ``participant_ids`` are those who left, not who is still there.

    It has no ``sender_id`` by the documents: nobody sends it.
    """

    event_type: ClassVar[str] = "ParticipantsLeave"

    id: EventId
    dm_conversation_id: ConversationId | None = None
    created_at: datetime | None = None
    sender_id: UserId | None = None
    sender: User | None = None
    participant_ids: tuple[UserId, ...] = ()
    participants: tuple[User, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


_NO_ID = EventId()


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class UnknownEvent(Occurrence):
    """An event of a kind that did not exist when this was written, or that makes no sense.

    ``event_type`` is what the server calls it, or empty where it says nothing that can be read;
    ``id`` likewise. What is not an object at all is kept as ``extra["event"]``.
    """

    _also: ClassVar[tuple[str, ...]] = ()

    event_type: str = ""
    id: EventId = _NO_ID
    dm_conversation_id: ConversationId | None = None
    created_at: datetime | None = None
    sender_id: UserId | None = None
    sender: User | None = None
    participant_ids: tuple[UserId, ...] = ()
    participants: tuple[User, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


Event = MessageCreate | ParticipantsJoin | ParticipantsLeave | UnknownEvent
"""Whatever can happen in a conversation."""
