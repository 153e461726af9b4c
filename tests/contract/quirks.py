"""Where the files are known to be wrong, or incomplete: all that may differ from them, and why.

Each quirk puts one value into a file before it is used; nothing else is allowed for. The
sections are those of the fact sheet on X's Direct Message API.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Quirk:
    """One value that a file should have at `pointer`, and how we know."""

    pointer: tuple[str, ...]
    value: Any
    why: str


_SCHEMAS = ("components", "schemas")
_TWITTER = "https://api.twitter.com/2/problems/"
_GENERIC = {
    "type": "object",
    "required": ["type", "title"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "status": {"type": "integer"},
    },
}


def _in(schema: str, *path: str, value: Any, why: str) -> Quirk:
    return Quirk(pointer=(*_SCHEMAS, schema, *path), value=value, why=why)


def _mapped(problem: str, schema: str, why: str) -> Quirk:
    where = ("Problem", "discriminator", "mapping", problem)
    return _in(*where, value=f"#/components/schemas/{schema}", why=why)


def _entities(kind: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"$ref": f"#/components/schemas/{kind}"}}


_NO_USER_FIELD = "§0.3: an enum of the file names the field, its User schema lacks it"
_OBSERVED = "§6.2: observed live, in neither file"

CLASSIC = (
    _in(
        *("DmEvent", "properties", "entities"),
        value={
            "type": "object",
            "properties": {
                "urls": _entities("UrlEntityDm"),
                "hashtags": _entities("HashtagEntity"),
                "mentions": _entities("MentionEntity"),
                "cashtags": _entities("CashtagEntity"),
            },
        },
        why="§0.3: the file has the entities at the top of the event, the field is `entities`",
    ),
    *(
        _in("User", "properties", name, value={"type": kind}, why=_NO_USER_FIELD)
        for name, kind in (
            ("confirmed_email", "string"),
            ("is_identity_verified", "boolean"),
            ("parody", "boolean"),
            ("verified_followers_count", "integer"),
        )
    ),
    _in(
        *("User", "properties", "subscription"),
        value={"type": "object", "properties": {"subscribes_to_you": {"type": "boolean"}}},
        why=_NO_USER_FIELD,
    ),
    _in(
        *("User", "properties", "public_metrics", "properties", "media_count"),
        value={"type": "integer"},
        why="§4.2: in the payloads and in the other file",
    ),
    _in(
        *("Tweet", "properties", "card_uri"),
        value={"type": "string"},
        why="§4.4: an enum of the file names the field, its Tweet schema lacks it, as with User's",
    ),
    _in(
        *("ResourceNotFoundProblem", "allOf", "1", "properties", "resource_type"),
        value={"type": "string"},
        why="§6.6: the enum has no dm_event; it is open",
    ),
    _mapped(f"{_TWITTER}oauth1-permissions", "GenericProblem", _OBSERVED),
)

_CLASSIC_HOST = (
    "§0.2: errors of 2026 still carry this host; a refusal made before the query is read"
)

CURRENT = (
    _in(
        "GenericProblem",
        value=_GENERIC,
        why="§6.4: the file has no about:blank, which every plain 401, 403 and 429 is",
    ),
    _mapped("about:blank", "GenericProblem", "§6.4: as above"),
    _in(
        *("InvalidRequestProblem", "properties", "errors"),
        value={
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "message": {"type": "string"},
                    "parameters": {
                        "type": "object",
                        "additionalProperties": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
        },
        why="§6.3: observed on every 400",
    ),
    _in(
        *("InvalidRequestProblem", "properties", "type"),
        value={
            "type": "string",
            "enum": [f"{_TWITTER}invalid-request", "https://api.x.com/2/problems/invalid-request"],
        },
        why=_CLASSIC_HOST,
    ),
    _mapped(f"{_TWITTER}invalid-request", "InvalidRequestProblem", _CLASSIC_HOST),
    _mapped(f"{_TWITTER}unsupported-authentication", "GenericProblem", "§6.4: observed"),
    _mapped(f"{_TWITTER}oauth1-permissions", "GenericProblem", _OBSERVED),
)

CODES = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/components/schemas/Error"},
        }
    },
}
"""§6.1: the older shape of a refusal, far more common than the bare object of the files."""

NO_SHAPE = {
    "article",
    "article_title",
    "matched_media_notes",
    "media_metadata",
    "note_request_suggestions",
    "scopes",
    "suggested_source_links",
    "suggested_source_links_with_counts",
}
"""Fields of posts of which §4.4 has no more than the name: accepted, and never served."""
