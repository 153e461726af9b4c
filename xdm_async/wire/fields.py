"""Fields: what the fields of a model are called on the wire, and which are no part of it.

Both ways of reading, `hooks` and `structs`, go by this.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import attrs

CLASSIC_NAMES = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "media_source_post_ids": "media_source_tweet_id",
    "most_recent_post_id": "most_recent_tweet_id",
    "note_post": "note_tweet",
    "pinned_post_id": "pinned_tweet_id",
    "post_count": "tweet_count",
    "referenced_posts": "referenced_tweets",
    "repost_count": "retweet_count",
}
"""Today's names of what the wire mostly calls otherwise; both are read."""

RESOLVED = {
    "sender": ("sender_id", "links.people[model.sender_id][1]"),
    "author": ("author_id", "links.people[model.author_id][1]"),
    "participants": (
        "participant_ids",
        "tuple([u for i in model.participant_ids if (u := links.people[i][1]) is not None])",
    ),
    "media": (
        "attachments",
        "tuple([links.media[i] for i in model.attachments.media_keys if i in links.media])",
    ),
    "polls": (
        "attachments",
        "tuple([links.polls[i] for i in model.attachments.poll_ids if i in links.polls])",
    ),
    "place": ("geo", "links.places.get(model.geo.place_id)"),
    "posts": (
        "referenced_posts",
        "tuple([links.posts[p.id] for p in model.referenced_posts if p.id in links.posts])",
    ),
}
"""Fields that are no keys of the wire: which other field they resolve, and how, as source."""


def keys_of(name: str) -> tuple[str, ...]:
    """Tell what a field may be called on the wire."""
    return (CLASSIC_NAMES[name], name) if name in CLASSIC_NAMES else (name,)


class Layout:
    """The fields of a model: those on the wire, and those that are resolved."""

    def __init__(self, cls: Any) -> None:
        hints = get_type_hints(cls)
        fields = [field for field in attrs.fields(cls) if field.name != "extra"]
        self.needed = {field.name for field in fields if field.default is attrs.NOTHING}
        """Those without a default."""
        self.defaults = {
            field.name: hints[field.name]() if field.name in self.needed else field.default
            for field in fields
        }
        """Of every field; for one without a default, an empty value of its kind."""
        self.resolved = {
            name: resolve
            for name, resolve in RESOLVED.items()
            if name in self.defaults and resolve[0] in self.defaults
        }
        self.kinds = {name: hints[name] for name in self.defaults if name not in self.resolved}
        """The type of each field on the wire."""
