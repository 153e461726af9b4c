"""User, Media and Post: what an expansion brings, and what users/me answers.

Python attributes carry today's names whichever generation the server speaks. Which fields are set
depends on which were asked for: one that did not come is None, or empty. Values of open lists
(``type``, ``verified_type``, …) are plain strings. Whatever a model does not know, and a value of
a kind that it cannot hold, is kept in its ``extra`` as the server sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .base import Model
from .entities import Entities, UrlEntity
from .ids import PostId, UserId
from .included import Place, Point, Poll
from .notes import MediaMetadata, MediaNote, NoteRequestSuggestion, SourceLinkCount


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Withheld(Model):
    """Where a user or a post is not shown, and why."""

    country_codes: tuple[str, ...] = ()
    scope: str | None = None
    copyright: bool | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class UserMetrics(Model):
    """How a user is doing, in numbers."""

    followers_count: int | None = None
    following_count: int | None = None
    post_count: int | None = None
    listed_count: int | None = None
    like_count: int | None = None
    media_count: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class UserEntities(Model):
    """What was recognised in a user's description and url."""

    description: Entities | None = None
    url: Entities | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Affiliation(Model):
    """The badge of an organisation that a user wears."""

    badge_url: str | None = None
    description: str | None = None
    url: str | None = None
    user_id: tuple[UserId, ...] = ()
    """The organisation; a list, though the API spells it in the singular."""
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Subscription(Model):
    """Whether the user subscribes to whoever asks."""

    subscribes_to_you: bool | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class User(Model):
    """A user of X; ``receives_your_dm`` is the only look ahead at whether a message may be sent.

    The ids of other users and of posts stay ids here: what they name leads back to the user.
    """

    id: UserId
    name: str = ""
    username: str = ""
    created_at: datetime | None = None
    description: str | None = None
    location: str | None = None
    url: str | None = None
    profile_image_url: str | None = None
    profile_banner_url: str | None = None
    protected: bool | None = None
    verified: bool | None = None
    verified_type: str | None = None
    verified_followers_count: int | None = None
    is_identity_verified: bool | None = None
    parody: bool | None = None
    receives_your_dm: bool | None = None
    connection_status: tuple[str, ...] = ()
    subscription: Subscription | None = None
    subscription_type: str | None = None
    subscribes_to_you: bool | None = None
    confirmed_email: str | None = attrs.field(default=None, repr=False)
    most_recent_post_id: PostId | None = None
    pinned_post_id: PostId | None = None
    public_metrics: UserMetrics | None = None
    affiliation: Affiliation | None = None
    entities: UserEntities | None = None
    withheld: Withheld | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MediaMetrics(Model):
    """How often a video was seen, and how far."""

    view_count: int | None = None
    playback_0_count: int | None = None
    playback_25_count: int | None = None
    playback_50_count: int | None = None
    playback_75_count: int | None = None
    playback_100_count: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Variant(Model):
    """One encoding of a video; a playlist has no ``bit_rate``."""

    url: str | None = None
    content_type: str | None = None
    bit_rate: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Media(Model):
    """A photo, video or animated GIF; the part of ``media_key`` before ``_`` means nothing."""

    media_key: str
    type: str = ""
    url: str | None = None
    preview_image_url: str | None = None
    width: int | None = None
    height: int | None = None
    alt_text: str | None = None
    duration_ms: int | None = None
    variants: tuple[Variant, ...] = ()
    public_metrics: MediaMetrics | None = None
    non_public_metrics: MediaMetrics | None = None
    organic_metrics: MediaMetrics | None = None
    promoted_metrics: MediaMetrics | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.media_key)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PostReference(Model):
    """A post that a post or a message refers to; a message does not say in which way."""

    id: PostId
    type: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PostAttachments(Model):
    """What is attached to a post, by keys and ids."""

    media_keys: tuple[str, ...] = ()
    media_source_post_ids: tuple[PostId, ...] = ()
    poll_ids: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PostMetrics(Model):
    """How a post is doing, in numbers."""

    repost_count: int | None = None
    reply_count: int | None = None
    like_count: int | None = None
    quote_count: int | None = None
    bookmark_count: int | None = None
    impression_count: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class EditControls(Model):
    """Whether, how often and until when a post may still be edited."""

    editable_until: datetime | None = None
    edits_remaining: int | None = None
    is_edit_eligible: bool | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class ContextSubject(Model):
    """A domain or an entity of a context annotation."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class ContextAnnotation(Model):
    """What X believes a post is about."""

    domain: ContextSubject | None = None
    entity: ContextSubject | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Geo(Model):
    """Where a post was written."""

    coordinates: Point | None = None
    place_id: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PostScopes(Model):
    """Who a post is for."""

    followers: bool | None = None
    """Whether it is for the author's followers only."""
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class NotePost(Model):
    """The whole text of a post that is longer than ``Post.text`` can hold."""

    text: str | None = None
    entities: Entities | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Post(Model):
    """A post.

    What the same answer brought along is resolved: ``author``, ``media``, ``polls``, ``place``,
    and in ``posts`` those that ``referenced_posts`` names, as far as they are older: no post can
    lead back to itself.
    """

    id: PostId
    text: str = ""
    author_id: UserId | None = None
    author: User | None = None
    username: str | None = None
    created_at: datetime | None = None
    edit_history_post_ids: tuple[PostId, ...] = ()
    edit_controls: EditControls | None = None
    conversation_id: PostId | None = None
    community_id: str | None = None
    in_reply_to_user_id: UserId | None = None
    referenced_posts: tuple[PostReference, ...] = ()
    posts: tuple[Post, ...] = ()
    attachments: PostAttachments | None = None
    media: tuple[Media, ...] = ()
    polls: tuple[Poll, ...] = ()
    card_uri: str | None = None
    entities: Entities | None = None
    note_post: NotePost | None = None
    article: Mapping[str, Any] | None = None
    article_title: Mapping[str, Any] | None = None
    """As the server sends them: no document says what is in an article or its title."""
    context_annotations: tuple[ContextAnnotation, ...] = ()
    display_text_range: tuple[int, ...] = ()
    geo: Geo | None = None
    place: Place | None = None
    lang: str | None = None
    source: str | None = None
    reply_settings: str | None = None
    possibly_sensitive: bool | None = None
    paid_partnership: bool | None = None
    scopes: PostScopes | None = None
    media_metadata: tuple[MediaMetadata, ...] = ()
    matched_media_notes: tuple[MediaNote, ...] = ()
    note_request_suggestions: tuple[NoteRequestSuggestion, ...] = ()
    suggested_source_links: tuple[UrlEntity | str, ...] = ()
    suggested_source_links_with_counts: tuple[SourceLinkCount, ...] = ()
    public_metrics: PostMetrics | None = None
    non_public_metrics: PostMetrics | None = None
    organic_metrics: PostMetrics | None = None
    promoted_metrics: PostMetrics | None = None
    withheld: Withheld | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)
