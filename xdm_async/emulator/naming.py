"""Naming: what has been renamed, and bodies in the names of today.

The code of the emulator speaks the names that X used until 2026 (`tweet.fields`,
`referenced_tweets`). Who asked in which names is found out in `parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Body = dict[str, object]

TODAYS_NAMES: Final[Mapping[str, str]] = {
    "tweet.fields": "post.fields",
    "referenced_tweets": "referenced_posts",
    "referenced_tweets.id": "referenced_posts",
    "edit_history_tweet_ids": "edit_history_post_ids",
    "note_tweet": "note_post",
    "most_recent_tweet_id": "most_recent_post_id",
    "pinned_tweet_id": "pinned_post_id",
    "affiliation.user_id": "affiliation",
}
"""Parameters and values that have been renamed."""

_TODAYS_METRICS: Final = {"tweet_count": "post_count", "retweet_count": "repost_count"}


def renamed(name: str, todays_names: bool) -> str:
    """The name of one generation for a parameter or a value of either."""
    return TODAYS_NAMES.get(name, name) if todays_names else name


def in_todays_names(body: Body) -> Body:
    """A user or a post, its metrics included, in the names of today."""
    return {
        TODAYS_NAMES.get(name, name): (
            {_TODAYS_METRICS.get(metric, metric): count for metric, count in value.items()}
            if name.endswith("_metrics") and isinstance(value, dict)
            else value
        )
        for name, value in body.items()
    }
