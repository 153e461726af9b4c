"""Events: what happened in a conversation.

``Event = MessageCreate | ParticipantsJoin | ParticipantsLeave | UnknownEvent``. What an expansion
brought is resolved on the event itself: ``sender`` for ``sender_id``, ``participants`` for
``participant_ids``, and a message's ``media`` and ``posts``; each holds what the answer included,
so it may be shorter than its ids. Order events by ``id``: ``created_at`` is cut to whole seconds.

Which fields are set depends on which were asked for: one that did not come is None, or empty.
``extra`` keeps, as the server sent it, what a class does not know or cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import attrs

from .base import Model
from .entities import Entities
from .ids import ConversationId, EventId, UserId
from .objects import Media, Post, PostReference, User


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class EventAttachments(Model):
    """What is attached to a message, by keys; ``MessageCreate.media`` has the media themselves."""

    media_keys: tuple[str, ...] = ()
    card_ids: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MessageCreate(Model):
    """A message.

    ``text`` is as the server gives it back: links are t.co links, so it may differ from what was
    sent, and ``entities.urls`` has where they lead. ``participant_ids`` is empty by the documents;
    for a year the server put all participants there, on every kind of event.
    """

    event_type: ClassVar[str] = "MessageCreate"

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
class ParticipantsJoin(Model):
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
class ParticipantsLeave(Model):
    """Users left a group: ``participant_ids`` are those who left, not who is still there."""

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
class UnknownEvent(Model):
    """An event of a kind that did not exist when this was written, or that makes no sense.

    ``event_type`` is what the server calls it, or empty where it says nothing that can be read;
    ``id`` likewise. What is not an object at all is kept as ``extra["event"]``.
    """

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
