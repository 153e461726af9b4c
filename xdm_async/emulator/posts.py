"""Posts: what they say where nobody wrote them, and what a request gets to see of them.

A post comes about by being pointed to, so most of them were written by no one: their text,
place and numbers are made up from their ids, and always the same. Which posts there are is the
world's business.
"""

from __future__ import annotations

from typing import Final

from .links import Entity
from .naming import Body, in_todays_names
from .objects import Post, User
from .snowflake import printed_at

SHORTEST_NOTE: Final = 281
"""From so many code points on, `text` holds the beginning and `note_tweet` the whole."""

_DEFAULTS: Final = frozenset({"id", "text", "edit_history_tweet_ids"})
_EDITABLE: Final = 3_600
_WITHHELD_EVERY: Final = 5
_SUBJECT: Final = {
    "domain": {
        "id": "46",
        "name": "Business Taxonomy",
        "description": "Categories within Brand Verticals that narrow down the scope of Brands",
    },
    "entity": {"id": "1557696848252391426", "name": "Technology Business"},
}


def text_of(post_id: str, author: User) -> str:
    """What a post says that was only pointed to."""
    return (
        f"Post {post_id} of @{author.username}, #emulated for $XDM: "
        f"https://example.com/posts/{post_id}"
    )


def render_post(
    post: Post, fields: frozenset[str], reader_id: str | None, *, todays_names: bool
) -> Body:
    """What `reader_id` gets to see of a post; who saw it how often is for its author."""
    wanted = fields | _DEFAULTS
    text, entities = _shown(post)
    full: Body = {"id": post.id, "text": text, "edit_history_tweet_ids": [post.id]}
    if len(wanted) > len(full):
        full |= _details(post, text, entities, todays_names)
        if reader_id == post.author.id:
            full |= _private_metrics(post)
    body = {name: value for name, value in full.items() if name in wanted}
    return in_todays_names(body) if todays_names else body


def _shown(post: Post) -> tuple[str, dict[str, list[Entity]]]:
    """The text as far as `text` holds it, with the entities in that much of it."""
    if len(post.text) < SHORTEST_NOTE:
        return post.text, post.entities
    end = SHORTEST_NOTE - 2
    kept = {
        kind: inside
        for kind, entities in post.entities.items()
        if (inside := [entity for entity in entities if int(entity["end"]) <= end])
    }
    return post.text[:end] + "…", kept


def _details(post: Post, text: str, entities: dict[str, list[Entity]], todays_names: bool) -> Body:
    number = int(post.id)
    details: Body = {
        "author_id": post.author.id,
        "card_uri": f"card://{number % 10**9}",
        "community_id": str(1_500_000_000_000_000_000 + number % 10**9),
        "context_annotations": [_SUBJECT],
        "conversation_id": _conversation_of(post),
        "created_at": post.created_at,
        "display_text_range": [0, len(text)],
        "edit_controls": {
            "edits_remaining": 5,
            "is_edit_eligible": not post.refers_to,
            "editable_until": printed_at(post.posted_at + _EDITABLE),
        },
        "geo": {
            "coordinates": {
                "type": "Point",
                "coordinates": [number % 360 - 180 + 0.5, number % 180 - 90 + 0.25],
            },
            "place_id": f"{number % 2**64:016x}",
        },
        "lang": "en",
        "paid_partnership": False,
        "possibly_sensitive": False,
        "public_metrics": {
            "retweet_count": number % 11,
            "reply_count": number % 7,
            "like_count": number % 101,
            "quote_count": number % 5,
            "bookmark_count": number % 3,
            "impression_count": number % 1_009,
        },
        "reply_settings": "everyone",
        "source": "xdm emulator",
    }
    seen: dict[str, object] = dict(entities)
    if not todays_names:
        # Today's schema has no annotations; their `end` is the last code point itself.
        name = text.partition(" ")[0]
        annotation = {"start": 0, "end": len(name) - 1, "normalized_text": name}
        seen["annotations"] = [annotation | {"probability": 0.75, "type": "Other"}] if name else []
    details["entities"] = {kind: value for kind, value in seen.items() if value}
    if text != post.text:
        details["note_tweet"] = {"text": post.text, "entities": post.entities}
    if post.refers_to:
        details["referenced_tweets"] = [
            {"type": reference.type, "id": reference.post.id} for reference in post.refers_to
        ]
    answered = [r.post.author.id for r in post.refers_to if r.type == "replied_to"]
    if answered:
        details["in_reply_to_user_id"] = answered[0]
    if post.media is not None:
        details["attachments"] = {"media_keys": [post.media.key]}
    if number % _WITHHELD_EVERY == 0:
        scope = "post" if todays_names else "tweet"
        details["withheld"] = {"copyright": False, "country_codes": ["DE", "FR"], "scope": scope}
    return details


def _conversation_of(post: Post) -> str:
    """The post that everything replied to."""
    for reference in post.refers_to:
        if reference.type == "replied_to":
            return _conversation_of(reference.post)
    return post.id


def _private_metrics(post: Post) -> Body:
    number = int(post.id)
    counts = {
        "impression_count": number % 1_009,
        "like_count": number % 101,
        "reply_count": number % 7,
        "retweet_count": number % 11,
    }
    return {
        "non_public_metrics": {"impression_count": number % 1_009},
        "organic_metrics": counts,
        "promoted_metrics": counts,
    }
