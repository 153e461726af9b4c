"""Links: what one answer brought along, and its ids, for the hooks to resolve against."""

from __future__ import annotations

from ..models.ids import ConversationId, UserId
from ..models.included import Place, Poll
from ..models.objects import Media, Post, User

Person = tuple[UserId, User | None]
"""A user's id, and the user where the answer has included it."""


class _Conversations(dict[str, ConversationId]):
    def __missing__(self, text: str) -> ConversationId:
        if text.__class__ is not str:  # to a dict, it may well be a key
            raise TypeError
        self[text] = found = ConversationId(text)
        return found


class _People(dict[str, Person]):
    def __missing__(self, text: str) -> Person:
        if text.__class__ is not str:
            raise TypeError
        self[text] = found = (UserId(text), None)
        return found


class Links:
    """What an answer has included, by its id on the wire; starts empty.

    The same few ids stand on every event, so those of users and conversations are made once.
    Keys are plain strings: an id that orders as a number takes longer to compare.
    """

    __slots__ = ("conversation_ids", "media", "people", "places", "polls", "posts")

    def __init__(self) -> None:
        self.conversation_ids = _Conversations()
        self.people = _People()
        self.media: dict[str, Media] = {}
        self.polls: dict[str, Poll] = {}
        self.places: dict[str, Place] = {}
        self.posts: dict[str, Post] = {}
