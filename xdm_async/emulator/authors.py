"""Authors: which posts there are, and how they come about.

Some are written, most only pointed to: by a link in a message, or by being somebody's pinned or
most recent post. One that is gone stays gone, however often it is pointed to. What is seen of a
post is told by `posts`, who there is by `world`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from .links import Shortener
from .media import Media
from .objects import Post, Reference, User
from .posts import text_of
from .snowflake import first_number_at

_FIRST_POST: Final = 1_300_000_000
_UNTIMED: Final = (1 << 22) - 1


class Posts:
    """Every post that something points to, or that was written."""

    def __init__(self, seed: int, user_id_of: Callable[[str], str | None]) -> None:
        self._shortener = Shortener(random.Random(f"posts {seed}"))
        self._user_id_of = user_id_of
        self._known: dict[str, Post] = {}
        self._forgotten: set[str] = set()

    def get(self, post_id: str) -> Post | None:
        """A post; None if it is gone, or nothing ever pointed to it."""
        return self._known.get(post_id)

    def add(
        self,
        post_id: str,
        author: User,
        text: str,
        refers_to: tuple[Reference, ...] = (),
        media: Media | None = None,
    ) -> Post:
        """A post that somebody wrote."""
        stored = self._shortener.rewrite(text, self._user_id_of)
        post = Post(post_id, author, stored.text, stored.entities, refers_to, media)
        self._known[post_id] = post
        return post

    def pointed_to(self, post_id: str, author_of: Callable[[], User]) -> Post | None:
        """A post that comes about by being pointed to, unless it is there or gone."""
        if post_id in self._known or post_id in self._forgotten:
            return self._known.get(post_id)
        author = author_of()
        return self.add(post_id, author, text_of(post_id, author))

    def forget(self, post: Post) -> None:
        """A post is gone."""
        del self._known[post.id]
        self._forgotten.add(post.id)

    def pinned_id(self, user: User) -> str:
        """The post that a user has pinned."""
        return self._early_id(user, 1)

    def most_recent_id(self, user: User) -> str:
        """The last post of a user."""
        return self._early_id(user, 2)

    def _early_id(self, user: User, seconds: int) -> str:
        """The id of a post of soon after a user joined."""
        joined_at = max(user.joined_at, _FIRST_POST)
        post_id = str(first_number_at(joined_at + seconds) | user.number & _UNTIMED)
        self.pointed_to(post_id, lambda: user)
        return post_id
