"""Profiles: what a request gets to see of a user.

What nobody decided is made up from the user's id, and always the same; some of it, like a
badge or a country that does not show the user, only some users have. Who there is, and who asks
for whom, is left to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .authentication import Caller
from .naming import Body, in_todays_names
from .objects import User
from .world import World

_DEFAULTS: Final = frozenset({"id", "name", "username"})
_AFFILIATED_EVERY: Final = 3
_WITHHELD_EVERY: Final = 5
_SUBSCRIPTIONS: Final = ("None", "Basic", "Premium", "PremiumPlus")
_VERIFIED: Final = ("none", "blue", "business", "government")
_TAG: Final = "#emulated"


def render_user(
    user: User, fields: frozenset[str], world: World, caller: Caller, *, todays_names: bool
) -> Body:
    """A user, as the caller (a user, or the app itself) sees it."""
    body: Body = {"id": user.id, "name": user.name, "username": user.username}
    wanted = fields | _DEFAULTS
    if len(wanted) > len(body):
        details = _details(user, world, caller)
        body |= {name: value for name, value in details if name in wanted}
    return in_todays_names(body) if todays_names else body


def affiliations_of(user: User) -> list[str]:
    """The ids of the organisations whose badge a user wears: here, everybody's own."""
    return [user.id] if user.number % _AFFILIATED_EVERY == 0 else []


def _details(user: User, world: World, caller: Caller) -> Iterable[tuple[str, object]]:
    number = user.number
    rank = number % len(_VERIFIED)
    yield "created_at", user.created_at
    yield from _words(user)
    yield "location", "Loopback"
    yield "profile_image_url", f"https://pbs.twimg.com/profile_images/{user.id}/normal.jpg"
    yield "profile_banner_url", f"https://pbs.twimg.com/profile_banners/{user.id}/1"
    yield "protected", False
    yield (
        "public_metrics",
        {
            "followers_count": number % 1_009,
            "following_count": number % 997,
            "tweet_count": number % 10_007,
            "listed_count": number % 13,
            "like_count": number % 503,
            "media_count": number % 101,
        },
    )
    yield "most_recent_tweet_id", world.posts.most_recent_id(user)
    yield "pinned_tweet_id", world.posts.pinned_id(user)
    yield "subscription_type", _SUBSCRIPTIONS[rank]
    yield "verified", rank > 0
    yield "verified_followers_count", number % 89
    yield "verified_type", _VERIFIED[rank]
    yield "is_identity_verified", number % 2 == 0
    yield "parody", False
    affiliations = affiliations_of(user)
    if affiliations:
        yield (
            "affiliation",
            {
                "badge_url": "https://pbs.twimg.com/profile_images/emulator/badge.jpg",
                "description": "Emulated Ltd.",
                "url": "https://x.com/emulated",
                "user_id": affiliations,
            },
        )
    if number % _WITHHELD_EVERY == 0:
        yield "withheld", {"country_codes": ["DE"], "scope": "user"}
    if caller.user is not None:
        yield "receives_your_dm", user.accepts_dms
        yield "connection_status", []
        yield "subscribes_to_you", False
        yield "subscription", {"subscribes_to_you": False}
    if caller.user is user and "users.email" in caller.scopes:
        yield "confirmed_email", f"{user.username.lower()}@example.com"


def _words(user: User) -> Iterable[tuple[str, object]]:
    """The description and the url, and what is found in them."""
    before = f"{user.name}, who lives in an emulator. "
    url = f"https://t.co/{user.number % 10**10:010}"
    link = {
        "url": url,
        "expanded_url": f"https://example.com/{user.username}",
        "display_url": f"example.com/{user.username}",
    }
    yield "description", before + _TAG
    yield "url", url
    tag = {"start": len(before), "end": len(before + _TAG), "tag": _TAG[1:]}
    yield (
        "entities",
        {
            "description": {"hashtags": [tag]},
            "url": {"urls": [{"start": 0, "end": len(url), **link}]},
        },
    )
