"""Query parameters: what may be asked, in the names of both generations, and what was asked.

It reads and judges the query of a request. The names that X used until 2026 (`tweet.fields`,
`referenced_tweets`) are what the code behind this module speaks; today's names (`post.fields`,
`referenced_posts`) are taken as well, and the answer then uses them too. Applying what was
asked is left to `pagination` and `rendering`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import attrs

from .naming import TODAYS_NAMES, renamed
from .objects import EventType
from .pagination import Position, position_of
from .problems import CLASSIC_HOST, TODAYS_HOST, Fault, invalid_request, invalid_value

MOST_RESULTS: Final = 100

EVENT_TYPES: Final[tuple[EventType, ...]] = (
    "MessageCreate",
    "ParticipantsJoin",
    "ParticipantsLeave",
)

_TODAYS: Final = re.compile(
    r"\bpost\.fields=|referenced_posts\b|_post_ids?\b|subscribes_to_you\b"
    r"|\bexpansions=(?:[^&]*(?:,|%2C))?affiliation(?:[,&%]|$)",
    re.IGNORECASE,
)
"""What only a query in today's names has in it."""

_CLASSIC: Final = re.compile(r"\btweet\.fields=|referenced_tweets\b|_tweet(?:_ids?)?\b")
"""What only a query in classic names has in it."""

_EVENT_FIELDS: Final = (
    "attachments,created_at,dm_conversation_id,entities,event_type,id,participant_ids,"
    "referenced_tweets,sender_id,text"
)
_EVENT_EXPANSIONS: Final = "attachments.media_keys,participant_ids,referenced_tweets.id,sender_id"
_MEDIA_FIELDS: Final = (
    "alt_text,duration_ms,height,media_key,non_public_metrics,organic_metrics,preview_image_url,"
    "promoted_metrics,public_metrics,type,url,variants,width"
)
_POST_FIELDS: Final = (
    "article,article_title,attachments,author_id,card_uri,community_id,context_annotations,"
    "conversation_id,created_at,display_text_range,edit_controls,edit_history_tweet_ids,entities,"
    "geo,id,in_reply_to_user_id,lang,matched_media_notes,media_metadata,non_public_metrics,"
    "note_request_suggestions,note_tweet,organic_metrics,paid_partnership,possibly_sensitive,"
    "promoted_metrics,public_metrics,referenced_tweets,reply_settings,scopes,source,"
    "suggested_source_links,suggested_source_links_with_counts,text,withheld"
)
_USER_FIELDS: Final = (
    "affiliation,confirmed_email,connection_status,created_at,description,entities,id,"
    "is_identity_verified,location,most_recent_tweet_id,name,parody,pinned_tweet_id,"
    "profile_banner_url,profile_image_url,protected,public_metrics,receives_your_dm,"
    "subscribes_to_you,subscription,subscription_type,url,username,verified,"
    "verified_followers_count,verified_type,withheld"
)
_USER_EXPANSIONS: Final = "affiliation.user_id,most_recent_tweet_id,pinned_tweet_id"


@attrs.frozen
class Query:
    """What a request asked for, in classic names; `todays_names` says how to answer."""

    max_results: int = MOST_RESULTS
    position: Position | None = None
    token: str | None = None
    """The pagination token as it came."""
    event_types: tuple[EventType, ...] = EVENT_TYPES
    event_fields: frozenset[str] = frozenset()
    expansions: frozenset[str] = frozenset()
    media_fields: frozenset[str] = frozenset()
    post_fields: frozenset[str] = frozenset()
    user_fields: frozenset[str] = frozenset()
    todays_names: bool = False

    @property
    def host(self) -> str:
        """The host of the problem types in the answer."""
        return TODAYS_HOST if self.todays_names else CLASSIC_HOST


@attrs.frozen
class Accepted:
    """The parameters one endpoint knows: lists of names by parameter, and whether it pages."""

    lists: Mapping[str, Mapping[str, str]]
    pages: bool = False

    def names(self, todays_names: bool) -> list[str]:
        """Every parameter, in the names of one generation."""
        names = [*self.lists, *(("max_results", "pagination_token") if self.pages else ())]
        return sorted(renamed(name, todays_names) for name in names)


def _values(names: str) -> Mapping[str, str]:
    """Every spelling of each name, and its classic name."""
    spellings = {name: name for name in names.split(",")}
    return spellings | {
        TODAYS_NAMES[name]: name for name in list(spellings) if name in TODAYS_NAMES
    }


_EVENT_OBJECTS: Final = {
    "dm_event.fields": _values(_EVENT_FIELDS),
    "expansions": _values(_EVENT_EXPANSIONS),
    "media.fields": _values(_MEDIA_FIELDS),
    "tweet.fields": _values(_POST_FIELDS),
    "user.fields": _values(_USER_FIELDS),
}

NOTHING: Final = Accepted({})
ONE_EVENT: Final = Accepted(_EVENT_OBJECTS)
EVENTS: Final = Accepted(
    {**_EVENT_OBJECTS, "event_types": _values(",".join(EVENT_TYPES))}, pages=True
)
ONE_USER: Final = Accepted(
    {
        "expansions": _values(_USER_EXPANSIONS),
        "tweet.fields": _values(_POST_FIELDS),
        "user.fields": _values(_USER_FIELDS),
    }
)

_PARAMETERS: Final = {new: old for old, new in TODAYS_NAMES.items() if "." in new}


_NO_QUERY: Final = {names: Query(todays_names=names) for names in (False, True)}


def read_query(raw: str, accepted: Accepted, *, todays_names: bool = False) -> Query:
    """Read a raw query string, or raise the 400 that lists everything wrong with it.

    It is answered in the names it uses; `todays_names` is for one that does not tell.
    """
    if not raw:
        return _NO_QUERY[todays_names]
    todays_names = _TODAYS.search(raw) is not None or (
        todays_names and _CLASSIC.search(raw) is None
    )
    lists: dict[str, tuple[str, ...]] = {}
    max_results = MOST_RESULTS
    position = token = None
    seen: set[str] = set()
    faults: list[Fault] = []
    for given, value in parse_qsl(raw, keep_blank_values=True):
        name = _PARAMETERS.get(given, given)
        if name in seen:
            faults.append(Fault(f"The query parameter [{given}] is given twice", {given: [value]}))
        seen.add(name)
        if name in accepted.lists:
            lists[name] = _read_list(given, value, accepted.lists[name], todays_names, faults)
        elif name == "max_results" and accepted.pages:
            if value.isdecimal() and value.isascii() and 1 <= int(value[:9]) <= MOST_RESULTS:
                max_results = int(value)
            else:
                what = f"The `max_results` query parameter value [{value}] is not between 1 and 100"
                faults.append(Fault(what, {given: [value]}))
        elif name == "pagination_token" and accepted.pages:
            position, token = position_of(value), value
            if position is None:
                faults.append(invalid_value(given, value))
        else:
            known = ",".join(accepted.names(todays_names))
            what = f"The query parameter [{given}] is not one of [{known}]"
            faults.append(Fault(what, {given: [value]}))
    if faults:
        raise invalid_request(faults, TODAYS_HOST if todays_names else CLASSIC_HOST)
    asked = lists.get("event_types", EVENT_TYPES)
    return Query(
        max_results=max_results,
        position=position,
        token=token,
        event_types=tuple([known for known in EVENT_TYPES if known in asked]),
        event_fields=frozenset(lists.get("dm_event.fields", ())),
        expansions=frozenset(lists.get("expansions", ())),
        media_fields=frozenset(lists.get("media.fields", ())),
        post_fields=frozenset(lists.get("tweet.fields", ())),
        user_fields=frozenset(lists.get("user.fields", ())),
        todays_names=todays_names,
    )


def _read_list(
    name: str,
    value: str,
    spellings: Mapping[str, str],
    todays_names: bool,
    faults: list[Fault],
) -> tuple[str, ...]:
    """The classic names of a comma separated list of unique names."""
    given = value.split(",")
    read = tuple([spellings[item] for item in given if item in spellings])
    unknown = [item for item in given if item not in spellings]
    if unknown:
        known = ",".join(sorted({renamed(item, todays_names) for item in spellings.values()}))
        what = f"The `{name}` query parameter value [{','.join(unknown)}] is not one of [{known}]"
        faults.append(Fault(what, {name: unknown}))
    elif len(set(read)) < len(given):
        faults.append(Fault(f"The `{name}` query parameter values are not unique", {name: given}))
    return read
