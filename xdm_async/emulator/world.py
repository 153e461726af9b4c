"""The world: who there is, and who wrote what to whom.

It keeps users, conversations and events, and knows who sees an event; posts are in the care of
`authors`. It asks nobody's permission: who may send is decided in `sending`, how much may be
read at once in `pagination`, and what of it is shown in `rendering`. The caller says what time
it is.

Each user has a *feed*: the events this user sees, oldest first, by their type; and one more for
each conversation. Ids only grow, so a feed is sorted by being appended to, and any page of it
is found by bisection.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Final

from .authors import Posts
from .links import Shortener
from .media import Media, MediaDescription, described
from .objects import Conversation, Event, Post, Reference, User
from .snowflake import EPOCH_MS, OLDEST, Snowflakes, milliseconds_of

MOST_PARTICIPANTS: Final = 50
"""A group has at most this many members, its creator included."""

_JOIN_OFFSET: Final = 1
_OLDEST_ACCOUNT: Final = 5 * 365 * 86_400
_MESSAGE_OFFSET: Final = 4
_MEDIA_URL: Final = "https://twitter.com/messages/media/"


class World:
    """Everything there is.

    Always true:

    - an event is in the feeds of exactly those who were members when it happened (and of who
      left by it) and have not hidden it, once in `feed` and once under its conversation;
    - event ids are unique and grow with time, over all conversations.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"world {seed}")
        self._snowflakes = Snowflakes(self._rng.getrandbits(10))
        self._shortener = Shortener(self._rng)
        self._users: dict[str, User] = {}
        self._usernames: dict[str, User] = {}
        self._conversations: dict[str, Conversation] = {}
        self.posts = Posts(seed, self._id_of_name)
        self.events: dict[int, Event] = {}
        """Every event by its number, in the order in which they happened."""
        self.messages_stored = 0

    # Users

    def add_user(
        self,
        username: str | None,
        now: float,
        *,
        user_id: str | None = None,
        accepts_dms: bool = True,
    ) -> User:
        """A new user. Ids are of both kinds there are: short old ones, and snowflakes."""
        number = self._unused_number(now) if user_id is None else int(user_id)
        name = username or self._unused_name()
        if str(number) in self._users or name.lower() in self._usernames:
            raise ValueError(f"there is already a user {name!r} or {number}")
        joined_at = (
            milliseconds_of(number) // 1000
            if number > OLDEST
            else 1_200_000_000 + number % 80_000_000
        )
        user = User(number, name, name.replace("_", " ").title(), joined_at, accepts_dms)
        self._users[user.id] = self._usernames[name.lower()] = user
        return user

    def user(self, user_id: str) -> User | None:
        """The user with this id."""
        return self._users.get(user_id)

    def user_named(self, username: str) -> User | None:
        """The user with this name; capitals make no difference."""
        return self._usernames.get(username.lower())

    def forget_user(self, user: User) -> None:
        """A user is gone: nobody finds this user any more, what was written stays."""
        del self._users[user.id], self._usernames[user.username.lower()]

    def add_post(
        self,
        author: User,
        text: str,
        now: float,
        *,
        refers_to: tuple[Reference, ...] = (),
        media: MediaDescription | None = None,
    ) -> Post:
        """A post that somebody wrote."""
        attached = None
        if media is not None:
            attached = described(media, self._snowflakes.take(now), author.id)
        post_id = str(self._snowflakes.take(now))
        return self.posts.add(post_id, author, text, refers_to, attached)

    # Conversations

    def conversation(self, dm_conversation_id: str) -> Conversation | None:
        """A group, or a conversation of two in which something has been written."""
        return self._conversations.get(dm_conversation_id)

    def conversation_of_two(self, one: User, other: User) -> Conversation:
        """The conversation of two users: it exists as soon as somebody asks for it."""
        dm_conversation_id = id_of_two(one.number, other.number)
        known = self._conversations.get(dm_conversation_id)
        if known is None:
            known = Conversation(dm_conversation_id, {one.id: one, other.id: other}, False)
            self._conversations[dm_conversation_id] = known
        return known

    def create_group(
        self, creator: User, invited: Iterable[User], text: str, now: float
    ) -> tuple[Conversation, Event]:
        """A new group and its first message, preceded by the join of those invited.

        All ids are of one millisecond: the group's, the join's (+1) and the message's (+4).
        """
        number = self._snowflakes.take(now, _MESSAGE_OFFSET + 1)
        members = {user.id: user for user in (creator, *invited)}
        if len(members) > MOST_PARTICIPANTS:
            raise ValueError(f"a group has at most {MOST_PARTICIPANTS} participants")
        group = self._conversations[str(number)] = Conversation(str(number), members, True)
        joined = tuple(user_id for user_id in members if user_id != creator.id)
        self._happen(
            Event(
                number=number + _JOIN_OFFSET,
                event_type="ParticipantsJoin",
                dm_conversation_id=group.id,
                sender_id=creator.id,
                participant_ids=joined,
            ),
            members.values(),
        )
        return group, self._write(number + _MESSAGE_OFFSET, group, creator, text, now)

    def join(self, group: Conversation, user: User, inviter: User, now: float) -> Event:
        """Someone is added to a group, and sees what happens from now on."""
        if not group.is_group or user.id in group.members or inviter.id not in group.members:
            raise ValueError(f"{inviter.id} cannot add {user.id} to {group.id}")
        if len(group.members) == MOST_PARTICIPANTS:
            raise ValueError(f"a group has at most {MOST_PARTICIPANTS} participants")
        group.members[user.id] = user
        event = Event(
            number=self._snowflakes.take(now),
            event_type="ParticipantsJoin",
            dm_conversation_id=group.id,
            sender_id=inviter.id,
            participant_ids=(user.id,),
        )
        return self._happen(event, group.members.values())

    def leave(self, group: Conversation, user: User, now: float) -> Event:
        """Someone leaves a group; leaving is the last thing this user sees of it."""
        if not group.is_group or user.id not in group.members:
            raise ValueError(f"{user.id} is not in a group {group.id}")
        event = Event(
            number=self._snowflakes.take(now),
            event_type="ParticipantsLeave",
            dm_conversation_id=group.id,
            participant_ids=(user.id,),
        )
        self._happen(event, group.members.values())
        del group.members[user.id]
        return event

    def send(
        self,
        conversation: Conversation,
        sender: User,
        text: str,
        now: float,
        media: MediaDescription | None = None,
    ) -> Event:
        """A message in a conversation, with what is attached to it."""
        if media is None:
            return self._write(self._snowflakes.take(now), conversation, sender, text, now)
        media_id = self._snowflakes.take(now)
        number = self._snowflakes.take(now)
        attached = described(media, media_id, sender.id, str(number))
        return self._write(number, conversation, sender, text, now, attached)

    def hide(self, user: User, event: Event) -> None:
        """A user sees an event no longer; everybody else does."""
        for feed in (user.feed, user.feed_of(event.dm_conversation_id)):
            feed[event.event_type].remove(event)

    def messages(self) -> list[Event]:
        """Every message of every conversation, oldest first."""
        return [event for event in self.events.values() if event.event_type == "MessageCreate"]

    def seen_by(self, user: User) -> list[Event]:
        """Every event this user sees, oldest first, however old."""
        return sorted(chain.from_iterable(user.feed.values()), key=attrgetter("number"))

    def _write(
        self,
        number: int,
        conversation: Conversation,
        sender: User,
        text: str,
        now: float,
        media: Media | None = None,
    ) -> Event:
        stored = self._shortener.rewrite(text, self._id_of_name)
        if media is not None:
            stored = self._shortener.attach(stored, f"{_MEDIA_URL}{number}")
        post_ids: dict[str, None] = {}
        for link in stored.posts:
            post_ids[link.id] = None
            post = self.posts.pointed_to(link.id, partial(self._author_named, link.username, now))
            if post is not None:
                post_ids |= {reference.post.id: None for reference in post.refers_to}
        event = Event(
            number=number,
            event_type="MessageCreate",
            dm_conversation_id=conversation.id,
            sender_id=sender.id,
            text=stored.text,
            sent_text=text,
            entities=stored.entities,
            post_ids=tuple(post_ids),
            media=media,
        )
        self.messages_stored += 1
        return self._happen(event, conversation.members.values())

    def _happen(self, event: Event, seen_by: Iterable[User]) -> Event:
        self.events[event.number] = event
        kind = event.event_type
        for user in seen_by:
            user.feed.setdefault(kind, []).append(event)
            feed = user.feeds.setdefault(event.dm_conversation_id, {})
            feed.setdefault(kind, []).append(event)
        return event

    def _id_of_name(self, username: str) -> str | None:
        user = self.user_named(username)
        return None if user is None else user.id

    def _author_named(self, username: str, now: float) -> User:
        return self.user_named(username) or self.add_user(username, now)

    def _unused_number(self, now: float) -> int:
        while True:
            if len(self._users) % 2:
                earliest = max(now - _OLDEST_ACCOUNT, EPOCH_MS / 1000 + 86_400)
                joined_at = self._rng.uniform(earliest, now)
                number = Snowflakes(self._rng.getrandbits(10)).take(joined_at)
            else:
                number = self._rng.randrange(10**8, 3 * 10**9)
            if str(number) not in self._users:
                return number

    def _unused_name(self) -> str:
        number = len(self._users) + 1
        while f"user_{number}" in self._usernames:
            number += 1
        return f"user_{number}"


def id_of_two(one: int, other: int) -> str:
    """The id of a conversation of two: the smaller *number* first, whatever their lengths."""
    return f"{min(one, other)}-{max(one, other)}"
