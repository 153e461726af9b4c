"""Poll, Place and Topic: what an answer may include beside users, media and posts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .base import Model


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PollOption(Model):
    """One of the answers of a poll, and how many chose it."""

    position: int | None = None
    label: str = ""
    votes: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Poll(Model):
    """A poll that is attached to a post."""

    id: str
    options: tuple[PollOption, ...] = ()
    duration_minutes: int | None = None
    end_datetime: datetime | None = None
    voting_status: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Point(Model):
    """Longitude and latitude, in this order."""

    type: str | None = None
    coordinates: tuple[float, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class PlaceGeo(Model):
    """Where a place is, as a GeoJSON feature: ``bbox`` is west, south, east, north."""

    type: str | None = None
    bbox: tuple[float, ...] = ()
    geometry: Point | None = None
    properties: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Place(Model):
    """A place that a post was tagged with."""

    id: str
    full_name: str = ""
    name: str | None = None
    country: str | None = None
    country_code: str | None = None
    place_type: str | None = None
    contained_within: tuple[str, ...] = ()
    geo: PlaceGeo | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)


@attrs.frozen(kw_only=True, repr=False, weakref_slot=False)
class Topic(Model):
    """A topic; nothing in an answer points to one."""

    id: str
    name: str = ""
    description: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)
