"""Media: photos, videos and animated GIFs, from a plain description to what the API says of them.

A description is a type, or a mapping with it and what else matters. What is not described has a
value that is always the same. Who carries the media is left to `world`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from .naming import Body

MediaType = Literal["photo", "video", "animated_gif"]
MediaDescription = Mapping[str, object] | str
"""`"photo"`, or `{"type": "photo", "width": 640, "height": 480, "alt_text": "a cat"}`."""

MEDIA_TYPES: Final[tuple[MediaType, ...]] = ("photo", "video", "animated_gif")

_DEFAULTS: Final = frozenset({"media_key", "type"})
_DURATION_MS: Final = 12_345
_PLAYED: Final = (100, 75, 50, 25, 0)
_VIDEOS: Final = ((320, 180, 256_000), (640, 360, 832_000), (1280, 720, 2_176_000))


@attrs.frozen(kw_only=True)
class Media:
    """One photo, video or animated GIF; `number` is the media id, `owner_id` who put it there."""

    number: int
    type: MediaType
    owner_id: str
    dm_event_id: str | None = None
    """The message that carries it; None: a post does."""
    width: int
    height: int
    alt_text: str | None = None
    duration_ms: int | None = None

    @property
    def key(self) -> str:
        """The media key; on Direct Messages they begin with 5, whatever that means."""
        return f"{3 if self.dm_event_id is None else 5}_{self.number}"


def described(
    description: MediaDescription, number: int, owner_id: str, dm_event_id: str | None = None
) -> Media:
    """Media as described.

    Raises:
        ValueError: there is no such type, a name is not known, or a value cannot be.
    """
    given = {"type": description} if isinstance(description, str) else dict(description)
    kind: MediaType | None = next(
        (known for known in MEDIA_TYPES if known == given.get("type")), None
    )
    if kind is None:
        raise ValueError(f"media is one of {', '.join(MEDIA_TYPES)}, not {given.get('type')!r}")
    numbers = {"width": 1_200, "height": 675}
    if kind == "video":
        numbers["duration_ms"] = _DURATION_MS
    words = {"alt_text"} if kind == "photo" else set()
    unknown = sorted(given.keys() - numbers.keys() - words - {"type"})
    if unknown:
        raise ValueError(f"media of type {kind} has no {', '.join(unknown)}")
    for name in numbers:
        value = given.get(name, numbers[name])
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} of a {kind} is a whole number from 1, not {value!r}")
        numbers[name] = value
    alt_text = given.get("alt_text")
    if alt_text is not None and not isinstance(alt_text, str):
        raise ValueError(f"alt_text of a {kind} is a str, not {alt_text!r}")
    return Media(
        number=number,
        type=kind,
        owner_id=owner_id,
        dm_event_id=dm_event_id,
        alt_text=alt_text,
        **numbers,
    )


def render_media(media: Media, fields: frozenset[str], reader_id: str | None) -> Body:
    """What `reader_id` gets to see of it; how far a video was played is the owner's to know."""
    wanted = fields | _DEFAULTS
    full: Body = {
        "media_key": media.key,
        "type": media.type,
        "width": media.width,
        "height": media.height,
    }
    if media.alt_text is not None:
        full["alt_text"] = media.alt_text
    number = media.number
    if media.type == "photo":
        name = f"{number % 10**9:x}.jpg"
        full["url"] = (
            f"https://pbs.twimg.com/media/{name}"
            if media.dm_event_id is None
            else f"https://ton.twitter.com/1.1/ton/data/dm/{media.dm_event_id}/{number}/{name}"
        )
    else:
        where = "https://video.twimg.com/dm_" + ("gif" if media.duration_ms is None else "video")
        full["preview_image_url"] = f"https://pbs.twimg.com/dm_preview/{number}/img/1.jpg"
        full["variants"] = _variants(media, f"{where}/{number}")
    if media.duration_ms is not None:
        views = {"view_count": number % 1_013}
        played = {f"playback_{part}_count": number % (part + 3) for part in _PLAYED}
        full |= {"duration_ms": media.duration_ms, "public_metrics": views}
        if reader_id == media.owner_id:
            full |= {
                "non_public_metrics": played,
                "organic_metrics": played | views,
                "promoted_metrics": played | views,
            }
    return {name: value for name, value in full.items() if name in wanted}


def _variants(media: Media, where: str) -> list[Body]:
    """A GIF is one video without end; a video comes in sizes, with a playlist of them."""
    kind = "video/mp4"
    if media.type == "animated_gif":
        return [{"bit_rate": 0, "content_type": kind, "url": f"{where}/1.mp4"}]
    variants: list[Body] = [
        {"bit_rate": rate, "content_type": kind, "url": f"{where}/vid/{width}x{height}/1.mp4"}
        for width, height, rate in _VIDEOS
    ]
    playlist: Body = {"content_type": "application/x-mpegURL", "url": f"{where}/pl/1.m3u8"}
    return [playlist, *variants]
