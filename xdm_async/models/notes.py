"""Community Notes and media: what else is said about a post.

The two generations of the API disagree on some of it: where the older one has a whole link, the
newer one has its address alone. A model here holds either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .base import Model
from .entities import UrlEntity


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MediaNote(Model):
    """A note about a medium of the post, written for another post with the same medium."""

    match_status: str | None = None
    note_id: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MediaMetadata(Model):
    """What the author says about one of the media."""

    media_key: str | None = None
    title: str | None = None
    description: str | None = None
    alt_text: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class NoteRequestSuggestion(Model):
    """What somebody would have a note say who asked for one."""

    suggestion_id: str | None = None
    suggestion: str | None = None
    source_link: UrlEntity | str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class SourceLinkCount(Model):
    """A source that was suggested for a note, and how often."""

    url: UrlEntity | str | None = None
    count: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
