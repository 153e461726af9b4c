"""The objects of the emulated X: users, conversations, events and posts.

What they are and how they print their instants; how they come about is left to `world`, and
how much of them a request gets to see to `rendering`.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import Final, Literal

import attrs

from .links import Entity
from .media import Media
from .snowflake import OLDEST, created_at, milliseconds_of, printed_at

EventType = Literal["MessageCreate", "ParticipantsJoin", "ParticipantsLeave"]

_NO_EVENTS: Final[dict[EventType, list[Event]]] = {}
_BY_NUMBER: Final = attrgetter("number")


@attrs.frozen(eq=False, kw_only=True)
class Event:
    """One event of a conversation; `text` is as stored, `sent_text` as it was handed in."""

    number: int
    event_type: EventType
    dm_conversation_id: str
    sender_id: str | None = None
    text: str | None = None
    sent_text: str | None = None
    entities: dict[str, list[Entity]] = attrs.Factory(dict)
    post_ids: tuple[str, ...] = ()
    media: Media | None = None
    participant_ids: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id as the API spells it."""
        return str(self.number)

    @property
    def created_at(self) -> str:
        """The id's instant, cut to the second."""
        return created_at(self.number)


Feed = dict[EventType, list[Event]]
"""Events someone sees, oldest first within each type."""


@attrs.define(eq=False)
class User:
    """A user of X, and what this user sees."""

    number: int
    username: str
    name: str
    joined_at: int
    accepts_dms: bool = True
    feed: Feed = attrs.field(factory=dict, repr=False)
    feeds: dict[str, Feed] = attrs.field(factory=dict, repr=False)
    """By conversation id."""
    id: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.id = str(self.number)

    @property
    def created_at(self) -> str:
        """When the user joined."""
        return printed_at(self.joined_at)

    def feed_of(self, dm_conversation_id: str) -> Feed:
        """What this user sees of one conversation: nothing, if never in it."""
        return self.feeds.get(dm_conversation_id, _NO_EVENTS)

    def sees(self, event: Event) -> bool:
        """Whether the event is in this user's feed."""
        events = self.feed_of(event.dm_conversation_id).get(event.event_type, [])
        place = bisect_left(events, event.number, key=_BY_NUMBER)
        return place < len(events) and events[place] is event


@attrs.define(eq=False)
class Conversation:
    """A conversation of two, or a group, and who is in it now."""

    id: str
    members: dict[str, User]
    is_group: bool


@attrs.frozen(eq=False)
class Post:
    """A post that some message, user or other post points to."""

    id: str
    author: User
    text: str
    entities: dict[str, list[Entity]] = attrs.Factory(dict)
    refers_to: tuple[Reference, ...] = ()
    media: Media | None = None

    @property
    def posted_at(self) -> int:
        """The second in which it was posted; ids from before the snowflakes do not say."""
        number = int(self.id)
        return milliseconds_of(number) // 1000 if number > OLDEST else 1_262_304_000

    @property
    def created_at(self) -> str:
        """When it was posted."""
        return printed_at(self.posted_at)


@attrs.frozen(eq=False)
class Reference:
    """A post that another one quotes or replies to."""

    type: Literal["quoted", "replied_to"]
    post: Post
