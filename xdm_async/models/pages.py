"""Pages: one answer of a list, and which fields a list is asked for.

What a name in `Fields` may be is the endpoints' to check; how an answer becomes a `Page` is the
converter's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

import attrs

from .base import Model
from .ids import PaginationToken
from .included import Place, Poll, Topic
from .objects import Media, Post, User

T = TypeVar("T")


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Meta(Model):
    """Where a page stands: ``next_token`` leads to older events, ``previous_token`` to newer."""

    result_count: int | None = None
    next_token: PaginationToken | None = None
    previous_token: PaginationToken | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Includes(Model):
    """What the expansions brought, each once; events have theirs resolved on themselves."""

    users: tuple[User, ...] = ()
    media: tuple[Media, ...] = ()
    posts: tuple[Post, ...] = ()
    polls: tuple[Poll, ...] = ()
    places: tuple[Place, ...] = ()
    topics: tuple[Topic, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Page(Model, Generic[T]):
    """One answer of a list. Only a page without ``meta.next_token`` is the last.

    ``errors`` are partial: what the server could not give beside what it gave, most often a
    user or a post that is gone.
    """

    data: tuple[T, ...] = ()
    includes: Includes = attrs.field(factory=Includes)
    meta: Meta = attrs.field(factory=Meta)
    errors: tuple[Mapping[str, Any], ...] = attrs.field(default=(), hash=False)
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return cast(tuple[str, ...], value)  # which it is not: left for the endpoints to refuse
    return tuple(value)


@attrs.frozen(kw_only=True, cache_hash=True)
class Fields:
    """Which fields and expansions a read asks for; an empty group is not asked for.

    Names are the API's: today's and the classic ones (``post_count`` or ``tweet_count``) are
    taken alike. The fields of users, posts and media come only with their expansion.
    """

    ALL: ClassVar[Fields]
    """Everything the models hold, but what is only given to a post's own author or needs a
    scope of its own (``non_public_metrics``, ``confirmed_email``, …)."""
    MINIMAL: ClassVar[Fields]
    """What the server gives without being asked: an event's id, type and text."""

    event: tuple[str, ...] = attrs.field(default=(), converter=_names)
    expansions: tuple[str, ...] = attrs.field(default=(), converter=_names)
    user: tuple[str, ...] = attrs.field(default=(), converter=_names)
    post: tuple[str, ...] = attrs.field(default=(), converter=_names)
    media: tuple[str, ...] = attrs.field(default=(), converter=_names)


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split())


Fields.MINIMAL = Fields()
Fields.ALL = Fields(
    event=_split(
        "attachments created_at dm_conversation_id entities event_type id participant_ids "
        "referenced_posts sender_id text"
    ),
    expansions=_split("attachments.media_keys participant_ids referenced_posts sender_id"),
    user=_split(
        "affiliation connection_status created_at description entities id is_identity_verified "
        "location most_recent_post_id name parody pinned_post_id profile_banner_url "
        "profile_image_url protected public_metrics receives_your_dm subscribes_to_you "
        "subscription subscription_type url username verified verified_followers_count "
        "verified_type withheld"
    ),
    post=_split(
        "article article_title attachments author_id card_uri community_id context_annotations "
        "conversation_id created_at display_text_range edit_controls edit_history_post_ids "
        "entities geo id in_reply_to_user_id lang matched_media_notes media_metadata note_post "
        "note_request_suggestions paid_partnership possibly_sensitive public_metrics "
        "referenced_posts reply_settings scopes source suggested_source_links "
        "suggested_source_links_with_counts text withheld"
    ),
    media=_split(
        "alt_text duration_ms height media_key preview_image_url public_metrics type url "
        "variants width"
    ),
)
