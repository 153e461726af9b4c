"""Queries: what a list of events is asked for, checked, and spelled out once for all its pages.

Field names go over the wire in their classic spelling, the one that every observed server takes;
today's names are taken as well. A name that exists in neither is refused with the nearest one.

The facts: https://docs.x.com/x-api/direct-messages/lookup/integrate
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from urllib.parse import quote

from ..errors import InvalidRequest
from ..models.pages import Fields

MAX_RESULTS = 100
EVENT_TYPES = ("MessageCreate", "ParticipantsJoin", "ParticipantsLeave")

_PARAMETERS = {
    "event": "dm_event.fields",
    "expansions": "expansions",
    "user": "user.fields",
    "post": "tweet.fields",
    "media": "media.fields",
}
_KNOWN: Mapping[str, tuple[str, ...]] = {
    group: tuple(names.split())
    for group, names in {
        "event": "attachments created_at dm_conversation_id entities event_type id "
        "participant_ids referenced_tweets sender_id text",
        "expansions": "attachments.media_keys participant_ids referenced_tweets.id sender_id",
        "user": "affiliation confirmed_email connection_status created_at description entities id "
        "is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id "
        "profile_banner_url profile_image_url protected public_metrics receives_your_dm "
        "subscription subscription_type url username verified verified_followers_count "
        "verified_type withheld",
        "post": "article attachments author_id card_uri community_id context_annotations "
        "conversation_id created_at display_text_range edit_controls edit_history_tweet_ids "
        "entities geo id in_reply_to_user_id lang matched_media_notes media_metadata "
        "non_public_metrics note_request_suggestions note_tweet organic_metrics paid_partnership "
        "possibly_sensitive promoted_metrics public_metrics referenced_tweets reply_settings "
        "scopes source suggested_source_links suggested_source_links_with_counts text withheld",
        "media": "alt_text duration_ms height media_key non_public_metrics organic_metrics "
        "preview_image_url promoted_metrics public_metrics type url variants width",
    }.items()
}
_TODAY: Mapping[str, Mapping[str, str]] = {
    "event": {"referenced_posts": "referenced_tweets"},
    "expansions": {"referenced_posts": "referenced_tweets.id"},
    "user": {
        "most_recent_post_id": "most_recent_tweet_id",
        "pinned_post_id": "pinned_tweet_id",
    },
    "post": {
        "edit_history_post_ids": "edit_history_tweet_ids",
        "note_post": "note_tweet",
        "referenced_posts": "referenced_tweets",
    },
    "media": {},
}
"""Today's name of a field -> the classic one that is sent."""


def list_query(
    *,
    event_types: Iterable[str] | None = None,
    max_results: int = MAX_RESULTS,
    fields: Fields = Fields.ALL,
) -> str:
    """Spell out the query of a list, percent-encoded, without its pagination token.

    Raises:
        InvalidRequest: ``max_results`` is not a number from 1 to 100, ``event_types`` is empty
            or names what no event is, or ``fields`` names what no field is.
    """
    if type(max_results) is not int or not 1 <= max_results <= MAX_RESULTS:
        raise InvalidRequest(
            f"max_results must be a whole number from 1 to {MAX_RESULTS}, not {max_results!r:.40}",
            argument="max_results",
        )
    if not isinstance(fields, Fields):
        raise InvalidRequest(
            f"fields must be a Fields, such as Fields.ALL, not {type(fields).__name__}",
            argument="fields",
        )
    query = f"max_results={max_results}"
    if event_types is not None:
        types = _chosen(event_types, "event_types", EVENT_TYPES, {})
        if not types:
            raise InvalidRequest(
                "event_types is empty: leave it out to get every type", argument="event_types"
            )
        query += f"&event_types={'%2C'.join(types)}"
    return query + _fields_query(fields)


@lru_cache(maxsize=256)
def _fields_query(fields: Fields) -> str:
    query = ""
    for group, parameter in _PARAMETERS.items():
        argument = f"fields.{group}"
        names = _chosen(getattr(fields, group), argument, _KNOWN[group], _TODAY[group])
        if names:
            query += f"&{parameter}={'%2C'.join(names)}"
    return query


def _chosen(
    values: Iterable[str], argument: str, known: tuple[str, ...], today: Mapping[str, str]
) -> list[str]:
    """Give the names of ``values`` as they are sent, each once and in the order given."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        hint = f": write [{values!r:.40}]" if isinstance(values, str) else ""
        raise InvalidRequest(
            f"{argument} must be a list of names, not {type(values).__name__}{hint}",
            argument=argument,
        )
    chosen: dict[str, None] = {}
    for value in values:
        name = today.get(value, value) if isinstance(value, str) else value
        if name not in known:
            near = get_close_matches(f"{value}", [*known, *today], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise InvalidRequest(f"{argument} has no {value!r:.40}: {hint}", argument=argument)
        chosen[name] = None
    return list(chosen)


def with_token(path: str, query: str, pagination_token: str | None) -> str:
    """Join path and query to what is signed and sent as it is: only ``-._~`` stay bare."""
    if pagination_token is None:
        return f"{path}?{query}"
    return f"{path}?{query}&pagination_token={quote(pagination_token, safe='')}"


@lru_cache(maxsize=1)
def all_user_fields() -> str:
    """Spell out the user fields of `Fields.ALL`, for a lookup of users."""
    return _fields_query(Fields(user=Fields.ALL.user)).removeprefix("&")
