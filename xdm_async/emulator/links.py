"""What X makes of a text: t.co links, the entities in it, and the posts it points to.

Text in, text and its parts out. Who wrote it and where it is kept is left to `world`. Offsets
count code points of the text as it is stored, `end` exclusive.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from typing import Final

import attrs

Entity = dict[str, str | int]

_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_POST_URL: Final = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:x|twitter)\.com/([A-Za-z0-9_]{1,15})/status/([0-9]{1,19})",
    re.IGNORECASE,
)
_TAGS: Final = (
    ("hashtags", "tag", re.compile(r"(?<![\w&/])#(\w*[^\W\d]\w*)")),
    ("cashtags", "tag", re.compile(r"(?<![\w$/])\$([A-Za-z]{1,6})\b")),
    ("mentions", "username", re.compile(r"(?<![\w@/])@([A-Za-z0-9_]{1,15})\b")),
)
_TAIL: Final = ".,;:!?'"
_SHORT: Final = "https://t.co/"
_ALPHABET: Final = string.ascii_letters + string.digits
_DISPLAYED: Final = 26


@attrs.frozen
class PostLink:
    """A link to a post: whose it says it is, and the post's id."""

    username: str
    id: str


@attrs.frozen
class Rewritten:
    """A text as it is stored: links shortened, entities by kind, posts it points to."""

    text: str
    entities: dict[str, list[Entity]]
    posts: tuple[PostLink, ...]


class Shortener:
    """Makes t.co links and remembers what they stand for."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._expanded: dict[str, str] = {}

    def rewrite(self, text: str, user_id_of: Callable[[str], str | None]) -> Rewritten:
        """The text as the API keeps it; `user_id_of` knows the users that it may mention."""
        entities: dict[str, list[Entity]] = {}
        posts: dict[str, PostLink] = {}
        if "://" in text:
            text = self._shorten(text, entities, posts)
        if "#" in text or "$" in text or "@" in text:
            _tag(text, entities, user_id_of)
        return Rewritten(text, entities, tuple(posts.values()))

    def attach(self, written: Rewritten, url: str) -> Rewritten:
        """The text with a link to what is attached at its end, shown as a `pic.twitter.com`."""
        short = self._short(url)
        before = f"{written.text} " if written.text else ""
        link: Entity = {
            "start": len(before),
            "end": len(before) + len(short),
            "url": short,
            "expanded_url": url,
            "display_url": short.replace(_SHORT, "pic.twitter.com/"),
        }
        entities = {**written.entities, "urls": [*written.entities.get("urls", ()), link]}
        return attrs.evolve(written, text=before + short, entities=entities)

    def _shorten(
        self, text: str, entities: dict[str, list[Entity]], posts: dict[str, PostLink]
    ) -> str:
        parts: list[str] = []
        length = copied = 0
        for match in _URL.finditer(text):
            url = _trimmed(match.group())
            before = text[copied : match.start()]
            copied = match.start() + len(url)
            start = length + len(before)
            short = self._short(url)
            parts += before, short
            length = start + len(short)
            expanded = self._expanded[short]
            display = expanded.partition("://")[2].removeprefix("www.")
            if len(display) > _DISPLAYED:
                display = display[:_DISPLAYED] + "…"
            entities.setdefault("urls", []).append(
                {
                    "start": start,
                    "end": length,
                    "url": short,
                    "expanded_url": expanded,
                    "display_url": display,
                }
            )
            post = _POST_URL.match(expanded)
            if post is not None:
                posts[post.group(2)] = PostLink(post.group(1), post.group(2))
        return "".join(parts) + text[copied:]

    def _short(self, url: str) -> str:
        """A t.co link for the url: always a new one, unless the url is one of ours already."""
        if url in self._expanded:
            return url
        short = _SHORT + "".join(self._rng.choices(_ALPHABET, k=10))
        self._expanded[short] = url
        return short


def _trimmed(url: str) -> str:
    """The url without the punctuation of the sentence around it."""
    url = url.rstrip(_TAIL)
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip(_TAIL)
    return url


def _tag(
    text: str, entities: dict[str, list[Entity]], user_id_of: Callable[[str], str | None]
) -> None:
    for kind, named, pattern in _TAGS:
        for match in pattern.finditer(text):
            entity: Entity = {
                "start": match.start(),
                "end": match.end(),
                named: match.group(1),
            }
            user_id = user_id_of(match.group(1)) if kind == "mentions" else None
            if user_id is not None:
                entity["id"] = user_id
            entities.setdefault(kind, []).append(entity)
