"""Problems: every way to say no, in the bodies the documentation and recordings show.

Only words and numbers: when which of them is due is decided where requests are judged. Two
shapes exist side by side: problem details, and the older list of codes that OAuth 1.0a
requests still get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

Body = dict[str, object]

CLASSIC_HOST: Final = "https://api.twitter.com"
TODAYS_HOST: Final = "https://api.x.com"


@attrs.define
class Problem(Exception):
    """A refusal: the status and the body that go over the wire (None: an empty body)."""

    status: int
    body: Body | None

    def __str__(self) -> str:
        return f"{self.status} {(self.body or {}).get('title', '')}".rstrip()


@attrs.frozen
class Fault:
    """One entry of an invalid request: what is wrong, and the parameters that are."""

    message: str
    parameters: dict[str, list[str]] = attrs.Factory(dict)

    def body(self) -> Body:
        """The entry as it is printed."""
        parameters: Body = {"parameters": self.parameters} if self.parameters else {}
        return {**parameters, "message": self.message}


def problem_type(suffix: str, host: str = CLASSIC_HOST) -> str:
    """The address by which a problem is known."""
    return f"{host}/2/problems/{suffix}"


def plain(status: int, title: str, detail: str | None = None) -> Problem:
    """A problem that means no more than its status."""
    body: Body = {
        "title": title,
        "type": "about:blank",
        "status": status,
        "detail": detail or title,
    }
    return Problem(status, body)


def coded(status: int, code: int, message: str) -> Problem:
    """The older shape: a list of codes."""
    return Problem(status, {"errors": [{"code": code, "message": message}]})


# 400


def invalid_request(faults: Sequence[Fault], host: str = CLASSIC_HOST) -> Problem:
    """400: something about the parameters or the body."""
    return Problem(
        400,
        {
            "errors": [fault.body() for fault in faults],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": problem_type("invalid-request", host),
        },
    )


def invalid_value(name: str, value: str) -> Fault:
    """A parameter, of the query or the path, that is not of the required form."""
    return Fault(f"The `{name}` query parameter value [{value}] is not valid", {name: [value]})


def bad_authentication() -> Problem:
    """400, code 215: an Authorization header that cannot be read."""
    return coded(400, 215, "Bad Authentication data.")


# 401


def unauthorized() -> Problem:
    """401: no credentials, or a bearer token that is unknown, expired or revoked."""
    return plain(401, "Unauthorized")


def could_not_authenticate() -> Problem:
    """401, code 32: the OAuth 1.0a signature, or something it needs, is wrong."""
    return coded(401, 32, "Could not authenticate you.")


def invalid_token() -> Problem:
    """401, code 89: an OAuth 1.0a token nobody was given, or that was taken back."""
    return coded(401, 89, "Invalid or expired token.")


def timestamp_out_of_bounds() -> Problem:
    """401, code 135: the client's clock is too far off."""
    return coded(401, 135, "Timestamp out of bounds.")


# 403


def forbidden() -> Problem:
    """403: the token lacks a scope."""
    return plain(403, "Forbidden")


def not_permitted() -> Problem:
    """403: not in that conversation, or there is none."""
    return plain(403, "Forbidden", "This operation is not permitted.")


def not_reachable() -> Problem:
    """403: somebody does not exist or does not accept messages."""
    return plain(403, "Forbidden", "You do not have permission to DM one or more participants.")


def media_not_permitted() -> Problem:
    """403: media that is not there, not the caller's, or no longer usable."""
    return plain(403, "Forbidden", "You are not permitted to attach this media to a DM event.")


def unsupported_authentication() -> Problem:
    """403: the app asks for itself where only a user may ask (two spaces are on the wire)."""
    return Problem(
        403,
        {
            "title": "Unsupported Authentication",
            "detail": (
                "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
                "Supported authentication types are "
                "[OAuth 1.0a User Context, OAuth 2.0 User Context]."
            ),
            "type": problem_type("unsupported-authentication"),
            "status": 403,
        },
    )


def oauth1_permissions() -> Problem:
    """403: the app had no permission for Direct Messages when this token was made."""
    return Problem(
        403,
        {
            "title": "Forbidden",
            "status": 403,
            "detail": (
                "Your client app is not configured with the appropriate oauth1 app permissions "
                "for this endpoint."
            ),
            "type": problem_type("oauth1-permissions"),
        },
    )


def callback_not_approved() -> Problem:
    """403, code 415: a login by OAuth 1.0a that would end at an address nobody registered."""
    what = (
        "Callback URL not approved for this client application. Approved callback URLs can be "
        "adjusted in your application settings"
    )
    return coded(403, 415, what)


# 404, 429


def unknown_path() -> Problem:
    """404 with an empty body."""
    return Problem(404, None)


def too_many_requests() -> Problem:
    """429, as a problem."""
    return plain(429, "Too Many Requests")


def rate_limit_exceeded() -> Problem:
    """429, code 88: as the documentation prints it."""
    return coded(429, 88, "Rate limit exceeded")


# Inside a 200


def not_found(kind: str, parameter: str, value: str, host: str = CLASSIC_HOST) -> Body:
    """An entry of `errors`: a single thing that was asked for does not exist."""
    detail = f"Could not find {kind} with {parameter}: [{value}]."
    return _missing(kind, parameter, value, detail, host)


def not_included(kind: str, parameter: str, value: str, host: str = CLASSIC_HOST) -> Body:
    """An entry of `errors`: something that an expansion should bring along is gone."""
    detail = f"Could not find {kind} with ids: [{value}]."
    return _missing(kind, parameter, value, detail, host)


def _missing(kind: str, parameter: str, value: str, detail: str, host: str) -> Body:
    return {
        "value": value,
        "detail": detail,
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": problem_type("resource-not-found", host),
    }
