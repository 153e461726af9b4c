"""Rendering: objects of the world as the JSON that a request asked to see.

Default fields come unasked, an expansion puts the ids into the event and the objects into
`includes`, and what does not apply or has no value is left out rather than null. Bodies are
built in classic names or, if the query used them, in today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .objects import Event, Post, User
from .pagination import Page
from .parameters import TODAYS_NAMES, Query
from .world import World

Body = dict[str, object]

_USER_DEFAULTS: Final = frozenset({"id", "name", "username"})
_POST_DEFAULTS: Final = frozenset({"id", "text", "edit_history_tweet_ids"})
_TODAYS_METRICS: Final = {"tweet_count": "post_count", "retweet_count": "repost_count"}


def render_page(page: Page, query: Query, world: World, reader: User) -> Body:
    """A list of events. A page without any has neither `data` nor `includes`."""
    meta: Body = {"result_count": len(page.events)}
    if page.older is not None:
        meta["next_token"] = page.older.token()
    if page.newer is not None:
        meta["previous_token"] = page.newer.token()
    if not page.events:
        return {"meta": meta}
    body: Body = {"data": [_event(event, query) for event in page.events]}
    includes = _includes(page.events, query, world, reader)
    if includes:
        body["includes"] = includes
    body["meta"] = meta
    return body


def render_event(event: Event, query: Query, world: World, reader: User) -> Body:
    """A single event."""
    body: Body = {"data": _event(event, query)}
    includes = _includes((event,), query, world, reader)
    if includes:
        body["includes"] = includes
    return body


def render_user(user: User, query: Query, reader: User | None) -> Body:
    """A user, as `reader` (None: the app itself) sees it."""
    wanted = query.user_fields | _USER_DEFAULTS
    body = _user_defaults(user)
    if len(wanted) > len(body):
        body |= {name: value for name, value in _user_details(user, reader) if name in wanted}
    return _in_todays_names(body) if query.todays_names else body


def _event(event: Event, query: Query) -> Body:
    wanted, expansions = query.event_fields, query.expansions
    body: Body = {"id": event.id, "event_type": event.event_type}
    if event.text is not None:
        body["text"] = event.text
    if event.participant_ids:
        body["participant_ids"] = event.participant_ids
    if event.sender_id is not None and ("sender_id" in wanted or "sender_id" in expansions):
        body["sender_id"] = event.sender_id
    if event.post_ids and ("referenced_tweets" in wanted or "referenced_tweets.id" in expansions):
        name = "referenced_posts" if query.todays_names else "referenced_tweets"
        body[name] = [{"id": post_id} for post_id in event.post_ids]
    if "dm_conversation_id" in wanted:
        body["dm_conversation_id"] = event.dm_conversation_id
    if "created_at" in wanted:
        body["created_at"] = event.created_at
    if event.entities and "entities" in wanted:
        body["entities"] = event.entities
    return body


def _includes(events: Sequence[Event], query: Query, world: World, reader: User) -> Body:
    user_ids: dict[str, None] = {}
    post_ids: dict[str, None] = {}
    for expansion in query.expansions:
        match expansion:
            case "sender_id":
                user_ids |= {event.sender_id: None for event in events if event.sender_id}
            case "participant_ids":
                for event in events:
                    user_ids |= dict.fromkeys(event.participant_ids)
            case "referenced_tweets.id":
                for event in events:
                    post_ids |= dict.fromkeys(event.post_ids)
    includes: Body = {}
    if user_ids:
        users = [world.user(user_id) for user_id in user_ids]
        includes["users"] = [render_user(user, query, reader) for user in users if user]
    if post_ids:
        name = "posts" if query.todays_names else "tweets"
        includes[name] = [_post(world.post(post_id), query) for post_id in post_ids]
    return includes


def _user_defaults(user: User) -> Body:
    return {"id": user.id, "name": user.name, "username": user.username}


def _user_details(user: User, reader: User | None) -> Iterable[tuple[str, object]]:
    """What X could say about a user; the numbers are made up, but always the same."""
    yield "created_at", user.created_at
    yield "description", f"{user.name}, who lives in an emulator."
    yield "location", "Loopback"
    yield "profile_image_url", f"https://pbs.twimg.com/profile_images/{user.id}/normal.jpg"
    yield "protected", False
    yield (
        "public_metrics",
        {
            "followers_count": user.number % 1_009,
            "following_count": user.number % 997,
            "tweet_count": user.number % 10_007,
            "listed_count": user.number % 13,
            "like_count": user.number % 503,
            "media_count": user.number % 101,
        },
    )
    yield "subscription_type", "None"
    yield "verified", False
    yield "verified_followers_count", 0
    yield "verified_type", "none"
    yield "is_identity_verified", False
    yield "parody", False
    if reader is not None:
        yield "receives_your_dm", user.accepts_dms
        yield "connection_status", []


def _post(post: Post, query: Query) -> Body:
    wanted = query.post_fields | _POST_DEFAULTS
    text = f"Post {post.id} of @{post.author.username}"
    full: Body = {
        "id": post.id,
        "text": text,
        "edit_history_tweet_ids": [post.id],
        "author_id": post.author.id,
        "conversation_id": post.id,
        "created_at": post.created_at,
        "display_text_range": [0, len(text)],
        "lang": "en",
        "possibly_sensitive": False,
        "public_metrics": {
            "retweet_count": int(post.id) % 11,
            "reply_count": int(post.id) % 7,
            "like_count": int(post.id) % 101,
            "quote_count": int(post.id) % 5,
            "bookmark_count": int(post.id) % 3,
            "impression_count": int(post.id) % 1_009,
        },
        "reply_settings": "everyone",
    }
    body = {name: value for name, value in full.items() if name in wanted}
    return _in_todays_names(body) if query.todays_names else body


def _in_todays_names(body: Body) -> Body:
    metrics = body.get("public_metrics")
    if isinstance(metrics, dict):
        renamed = {_TODAYS_METRICS.get(name, name): count for name, count in metrics.items()}
        body = {**body, "public_metrics": renamed}
    return {TODAYS_NAMES.get(name, name): value for name, value in body.items()}
