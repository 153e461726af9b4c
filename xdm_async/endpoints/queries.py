"""Queries: what a list of events is asked for, checked, and spelled out once for all its pages.

X has named its fields twice. Which generation goes over the wire is the app's `Naming`; a name of
the other one is translated. A name that the documents of the chosen generation do not have is
refused with the nearest one.

The facts: https://docs.x.com/x-api/direct-messages/lookup/integrate, and the enums of X's own
OpenAPI descriptions, 2.166 for the classic names and 2.167 for the current ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

import attrs

from ..errors import InvalidRequest
from ..models.pages import Fields

Naming = Literal["classic", "current"]
"""Which names of fields go over the wire; both are read."""

MAX_RESULTS = 100
EVENT_TYPES = ("MessageCreate", "ParticipantsJoin", "ParticipantsLeave")


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split())


@attrs.frozen
class _Generation:
    """The names of one generation: of the parameters, and of what each of them takes."""

    parameters: Mapping[str, str]
    known: Mapping[str, tuple[str, ...]]
    here: Mapping[str, Mapping[str, str]]
    """The name here of what the other generation calls by another."""

    def those_of(self, group: str, names: Iterable[str]) -> tuple[str, ...]:
        """Give those of ``names`` that this generation has."""
        here, known = self.here[group], self.known[group]
        return tuple(name for name in names if here.get(name, name) in known)


_MEDIA = _split(
    "alt_text duration_ms height media_key non_public_metrics organic_metrics preview_image_url "
    "promoted_metrics public_metrics type url variants width"
)
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
"""The current name of a field -> the classic one."""

_CLASSIC = _Generation(
    parameters={
        "event": "dm_event.fields",
        "expansions": "expansions",
        "user": "user.fields",
        "post": "tweet.fields",
        "media": "media.fields",
    },
    known={
        "event": _split(
            "attachments created_at dm_conversation_id entities event_type id participant_ids "
            "referenced_tweets sender_id text"
        ),
        "expansions": _split(
            "attachments.media_keys participant_ids referenced_tweets.id sender_id"
        ),
        "user": _split(
            "affiliation confirmed_email connection_status created_at description entities id "
            "is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id "
            "profile_banner_url profile_image_url protected public_metrics receives_your_dm "
            "subscription subscription_type url username verified verified_followers_count "
            "verified_type withheld"
        ),
        "post": _split(
            "article attachments author_id card_uri community_id context_annotations "
            "conversation_id created_at display_text_range edit_controls edit_history_tweet_ids "
            "entities geo id in_reply_to_user_id lang matched_media_notes media_metadata "
            "non_public_metrics note_request_suggestions note_tweet organic_metrics "
            "paid_partnership possibly_sensitive promoted_metrics public_metrics "
            "referenced_tweets reply_settings scopes source suggested_source_links "
            "suggested_source_links_with_counts text withheld"
        ),
        "media": _MEDIA,
    },
    here=_TODAY,
)
_CURRENT = _Generation(
    parameters=dict(_CLASSIC.parameters, post="post.fields"),
    known={
        "event": _split("attachments created_at dm_conversation_id entities event_type id text"),
        "expansions": _split("attachments.media_keys participant_ids referenced_posts sender_id"),
        "user": _split(
            "confirmed_email connection_status created_at description entities id "
            "is_identity_verified location name parody profile_banner_url profile_image_url "
            "protected public_metrics receives_your_dm subscribes_to_you subscription "
            "subscription_type url username verified verified_followers_count verified_type "
            "withheld"
        ),
        "post": _split(
            "article article_title attachments card_uri community_id context_annotations "
            "conversation_id created_at display_text_range edit_controls entities geo id lang "
            "matched_media_notes media_metadata non_public_metrics note_post "
            "note_request_suggestions organic_metrics paid_partnership possibly_sensitive "
            "promoted_metrics public_metrics reply_settings scopes source "
            "suggested_source_links suggested_source_links_with_counts text withheld"
        ),
        "media": _MEDIA,
    },
    here={
        group: {classic: today for today, classic in names.items()}
        for group, names in _TODAY.items()
    },
)
_GENERATIONS: Mapping[Naming, _Generation] = {"classic": _CLASSIC, "current": _CURRENT}


def as_naming(value: object) -> Naming:
    """Check the name of a generation."""
    if value == "classic":
        return "classic"
    if value == "current":
        return "current"
    raise InvalidRequest(
        f"naming is 'classic' (tweet.fields) or 'current' (post.fields), not {value!r:.40}",
        argument="naming",
    )


def list_query(
    *,
    event_types: Iterable[str] | None = None,
    max_results: int = MAX_RESULTS,
    fields: Fields = Fields.ALL,
    naming: Naming = "classic",
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
    query = f"max_results={max_results}"
    if event_types is not None:
        types = event_type_names(event_types)
        query += f"&event_types={'%2C'.join(types)}"
    return "&".join(filter(None, (query, fields_query(fields, naming))))


def event_type_names(event_types: Iterable[str]) -> list[str]:
    """Check types of events, and give each once."""
    types = _chosen(event_types, "event_types", EVENT_TYPES, {})
    if not types:
        raise InvalidRequest(
            "event_types is empty: leave it out to get every type", argument="event_types"
        )
    return types


def fields_query(fields: Fields, naming: Naming = "classic") -> str:
    """Spell out the parameters that ask for fields and expansions; empty for none.

    Of `Fields.ALL`, what a generation has no name for is left out: it comes unasked, or with an
    expansion.
    """
    if not isinstance(fields, Fields):
        raise InvalidRequest(
            f"fields must be a Fields, such as Fields.ALL, not {type(fields).__name__}",
            argument="fields",
        )
    try:
        return _fields_query(fields, naming)
    except TypeError:  # what cannot be hashed is no name, and is about to be told so
        return _fields_query.__wrapped__(fields, naming)


@lru_cache(maxsize=256)
def _fields_query(fields: Fields, naming: Naming) -> str:
    generation = _GENERATIONS[naming]
    query = []
    for group, parameter in generation.parameters.items():
        known, here = generation.known[group], generation.here[group]
        names: Iterable[str] = getattr(fields, group)
        if fields == Fields.ALL:
            names = generation.those_of(group, names)
        names = _chosen(names, f"fields.{group}", known, here, naming)
        if names:
            query.append(f"{parameter}={'%2C'.join(names)}")
    return "&".join(query)


def _chosen(
    values: Iterable[str],
    argument: str,
    known: tuple[str, ...],
    here: Mapping[str, str],
    naming: Naming = "classic",
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
        name = here.get(value, value) if isinstance(value, str) else value
        if name not in known:
            raise InvalidRequest(
                f"{argument} has no {value!r:.40}{_hint(value, argument, [*known, *here], naming)}",
                argument=argument,
            )
        chosen[name] = None
    return list(chosen)


def _hint(value: object, argument: str, known: list[str], naming: Naming) -> str:
    group = argument.removeprefix("fields.")
    if naming == "current" and value in _CLASSIC.known.get(group, ()):
        return f" in naming 'current': it comes unasked, or with its expansion ({argument})"
    near = get_close_matches(f"{value}", known, n=1, cutoff=0.5)
    return f": did you mean {near[0]!r}?" if near else f": known are {', '.join(known)}"


def with_token(path: str, query: str, pagination_token: str | None) -> str:
    """Join path and query to what is signed and sent as it is: only ``-._~`` stay bare."""
    if pagination_token is None:
        return f"{path}?{query}"
    return f"{path}?{query}&pagination_token={quote(pagination_token, safe='')}"


@lru_cache(maxsize=2)
def all_user_fields(naming: Naming = "classic") -> str:
    """Spell out the user fields of `Fields.ALL`, for a lookup of users."""
    names = _GENERATIONS[naming].those_of("user", Fields.ALL.user)
    return fields_query(Fields(user=names), naming)


def one_query(fields: Fields, naming: Naming = "classic") -> str:
    """Spell out the query of a single event: a ``?`` and its fields, or nothing."""
    query = fields_query(fields, naming)
    return f"?{query}" if query else ""
