"""Entities: what the server recognised in a text, and where.

``start`` is the first character of the range and ``end`` the one behind it, in the text as the
server gives it back (an annotation's ``end`` is its last character). Whatever a model here does
not know is kept in its ``extra``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .base import Model
from .ids import UserId


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class UrlImage(Model):
    """A preview picture of a page that a link leads to."""

    url: str | None = None
    width: int | None = None
    height: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class UrlEntity(Model):
    """A link: ``url`` is the t.co link in the text, ``expanded_url`` where it leads."""

    start: int = 0
    end: int = 0
    url: str | None = None
    display_url: str | None = None
    expanded_url: str | None = None
    unwound_url: str | None = None
    title: str | None = None
    description: str | None = None
    status: int | None = None
    """What the page answered X's own visit with, as an HTTP status."""
    media_key: str | None = None
    images: tuple[UrlImage, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class TagEntity(Model):
    """A hashtag or a cashtag, without its sign."""

    start: int = 0
    end: int = 0
    tag: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class MentionEntity(Model):
    """A user named in the text, without the ``@``."""

    start: int = 0
    end: int = 0
    username: str | None = None
    id: UserId | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class AnnotationEntity(Model):
    """A person, place or thing that the server believes the text is about."""

    start: int = 0
    end: int = 0
    type: str | None = None
    normalized_text: str | None = None
    probability: float | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Entities(Model):
    """All that was recognised in one text."""

    urls: tuple[UrlEntity, ...] = ()
    hashtags: tuple[TagEntity, ...] = ()
    cashtags: tuple[TagEntity, ...] = ()
    mentions: tuple[MentionEntity, ...] = ()
    annotations: tuple[AnnotationEntity, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
