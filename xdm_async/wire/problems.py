"""Problems: a refused response -> the error it means.

Both body families of the API are read, problem details (``type``, ``title``, ``detail``) and the
v1.1 shape (``errors`` of ``code`` and ``message``), and told apart by their shape: the content
type does not say. A problem type is known by what follows ``/problems/``, on whichever host; one
that is not known means what the status means. Whether to wait and try again is left to others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ..errors import (
    BadRequest,
    Forbidden,
    NotFound,
    PaymentRequired,
    Problem,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    UnreadableAnswer,
    UsageCapped,
    XdmError,
)
from .converter import read_json
from .exchange import Response, Route

_BY_STATUS: Mapping[int, type[Refused]] = {
    400: BadRequest,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    410: NotFound,
    429: RateLimited,
}
_BY_SUFFIX: Mapping[str, type[Refused]] = {"usage-capped": UsageCapped, "credits": PaymentRequired}
"""Types that mean the same under any status: a spend cap is a 403, no credits are a 402."""

_LOOKUPS: Mapping[str, type[Refused]] = {
    "resource-not-found": NotFound,
    "resource-unavailable": NotFound,
    "not-authorized-for-resource": Forbidden,
    "not-authorized-for-field": Forbidden,
    "field-unauthorized": Forbidden,
    "disallowed-resource": Forbidden,
}

_PERMISSION = (
    "the app needs the permission 'Read and write and Direct message' in the developer portal, "
    "and the user must authorize it again afterwards, since tokens keep the permission they were "
    "made with"
)
_CODES: Mapping[int, str] = {
    32: "the signature was not accepted: check that consumer key, consumer secret, token and "
    "token secret belong together",
    34: "there is no such resource",
    88: "the budget of this window is spent: wait until it resets",
    89: "the token is invalid, expired or revoked: the user must authorize the app again",
    93: _PERMISSION,
    135: "the timestamp is out of bounds: set this machine's clock",
    150: "the recipient takes messages only from users they follow",
    151: "the message was not accepted, often because the same text was sent before; it may have "
    "been delivered all the same: read the conversation before sending it again",
    214: "a parameter is not what the endpoint takes",
    215: "the request carried no authorization that could be read",
    220: "these credentials do not allow this call: " + _PERMISSION,
    226: "the request looks automated to the server: send less, less often, and not the same text "
    "to many",
    261: "the app cannot write: " + _PERMISSION,
    349: "this user cannot be sent messages: they blocked you, or take none from you",
    354: "the text is too long",
    453: "the app's access level does not include this endpoint: see the developer portal",
}
_SUFFIXES: Mapping[str, str] = {
    "client-forbidden": "the app may not call this endpoint: see the developer portal",
    "conflict": "the request is at odds with the state of what it is about",
    "disallowed-resource": "the server shows this resource to nobody",
    "field-unauthorized": "a field was asked for that this user may not see",
    "invalid-request": "the server did not take a parameter or the body: see problems",
    "not-authorized-for-field": "a field was asked for that this user may not see",
    "not-authorized-for-resource": "this user may not see the resource",
    "resource-not-found": "there is no such resource, or none that this user may see",
    "resource-unavailable": "the resource cannot be read at the moment",
    "unsupported-authentication": "an app-only token cannot read or send Direct Messages: use "
    "tokens that a user has authorized, OAuth 2.0 or OAuth 1.0a",
}
_DETAILS: Mapping[str, str] = {
    "you do not have permission to dm one or more participants": "a recipient takes no messages "
    "from this user: they blocked them or are closed to them (User.receives_your_dm tells)",
    "you are not permitted to attach this media to a dm event": "the media must be uploaded by "
    "the same user, for messages (dm_image, dm_gif, dm_video), and not longer than 24 hours ago",
    "this operation is not permitted": "the server does not say why: the user may not be in the "
    "conversation, or a recipient cannot be messaged",
}
_STATUSES: Mapping[int, str] = {
    400: "the server did not take the request: see problems",
    401: "the token is invalid, expired or revoked, which the server does not tell apart: refresh "
    "it, or have the user authorize the app again",
    402: "the account has no credits for this request",
    404: "there is no such resource, or none that this user may see",
    429: "the server counts too many requests: wait until the budget resets",
}


def refusal(route: Route, response: Response) -> XdmError:
    """Give the error that ``response`` means, whose status is not a 2xx. It raises nothing."""
    status = response.status
    if status < 400:
        return UnreadableAnswer(
            f"{route.name} was answered with {_status_name(status)}, which this API does not use: "
            "something between may have answered in its place",
            status=status,
        )
    problems = read_problems(response.body)
    told = _told(problems)
    if status >= 500:
        return ServerError(
            f"{route.name} failed at the server with {_status_name(status)}{told}", status=status
        )
    kind = _BY_STATUS.get(status, Refused)
    for problem in problems:
        kind = _BY_SUFFIX.get(problem_suffix(problem), kind)
    return _refused(kind, route, response, problems)


def failed_lookup(route: Route, response: Response) -> Refused:
    """Give the error of a 2xx that holds no data, only errors: how v2 says that a thing is gone."""
    problems = read_problems(response.body)
    suffixes = [problem_suffix(problem) for problem in problems]
    kind = next((_LOOKUPS[suffix] for suffix in suffixes if suffix in _LOOKUPS), Refused)
    return _refused(kind, route, response, problems)


def is_final_429(response: Response) -> bool:
    """Whether no waiting cures it: a plan's quota, credits or a spend cap, and not a window."""
    return any(
        problem_suffix(problem) in _BY_SUFFIX
        or problem.get("title") in ("UsageCapExceeded", "CreditsDepleted", "SpendCapReached")
        for problem in read_problems(response.body)
    )


def read_problems(body: bytes) -> tuple[Problem, ...]:
    """Read what a body says went wrong; HTML, plain text and an empty body say nothing.

    A problem with a list of ``errors`` inside is one problem, and keeps its list.
    """
    try:
        found = read_json(body) if body else None
    except ValueError:
        return ()
    if not isinstance(found, dict):
        return ()
    if not found.keys().isdisjoint(("type", "title", "detail", "code", "message", "error")):
        return (found,)
    errors = found.get("errors")
    if isinstance(errors, list):
        return tuple(error for error in errors if isinstance(error, dict))
    if isinstance(errors, dict):
        return (errors,)
    return ({"detail": errors},) if isinstance(errors, str) else ()


def problem_suffix(problem: Problem) -> str:
    """Give the type of a problem without its host: ``usage-capped``; empty for a generic one."""
    kind = problem.get("type")
    return kind.partition("/problems/")[2].strip("/") if isinstance(kind, str) else ""


def _refused(
    kind: type[Refused], route: Route, response: Response, problems: tuple[Problem, ...]
) -> Refused:
    return kind(
        f"{route.name} was refused with {_status_name(response.status)}{_told(problems)}",
        status=response.status,
        problems=problems,
        explanation=_explanation(route, response, problems),
        transaction_id=response.headers.get("x-transaction-id"),
    )


def _explanation(route: Route, response: Response, problems: tuple[Problem, ...]) -> str | None:
    """One sentence on what to do: by the problem that says most, else by the status."""
    for problem in problems:
        if found := _explain(problem, response):
            return found
    if response.status == 403:
        needed = " ".join(route.scopes)
        return (
            f"the token may lack one of the OAuth 2.0 scopes that {route.name} needs ({needed}), "
            f"or, with OAuth 1.0a, {_PERMISSION}{_access_level(response)}"
        )
    return _STATUSES.get(response.status)


def _explain(problem: Problem, response: Response) -> str | None:
    suffix = problem_suffix(problem)
    match suffix:
        case "oauth1-permissions":
            return _PERMISSION + _access_level(response)
        case "credits":
            return _explain_credits(problem)
        case "usage-capped":
            period, scope = _word(problem, "period"), _word(problem, "scope")
            return (
                f"the quota of the plan ({period or 'period unknown'}, {scope or 'scope unknown'}) "
                "is used up: waiting for a rate limit window does not help"
            )
        case "client-forbidden" if problem.get("reason") == "client-not-enrolled":
            where = _word(problem, "registration_url") or "the developer portal"
            return f"the app must be attached to a Project with access to this API: {where}"
    code = problem.get("code")
    if type(code) is int and code in _CODES:
        level = _access_level(response) if code in (93, 220, 261) else ""
        return _CODES[code] + level
    detail = problem.get("detail")
    if isinstance(detail, str) and (found := _DETAILS.get(detail.strip(" .").lower())):
        return found
    return _SUFFIXES.get(suffix)


def _explain_credits(problem: Problem) -> str:
    if "cap" in _word(problem, "title").lower():
        until = _word(problem, "reset_date")
        return (
            "the spend cap of the billing cycle is reached: raise it in the developer console"
            + (f", or wait until {until}" if until else "")
        )
    return "the account has no credits left: buy some in the developer console"


def _access_level(response: Response) -> str:
    level = response.headers.get("x-access-level")
    return f" (the token's access level is {_clean(level)!r})" if level else ""


def _status_name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def _told(problems: tuple[Problem, ...]) -> str:
    """Tell what the server says, as the end of a sentence: titles, details and codes."""
    told = dict.fromkeys(filter(None, map(_tell, problems)))
    return ": " + "; ".join(list(told)[:3]) if told else ""


def _tell(problem: Problem) -> str:
    title = _word(problem, "title") or _word(problem, "error")
    detail = (
        _word(problem, "detail") or _word(problem, "message") or _word(problem, "error_description")
    )
    said = [title] if detail == title else [title, detail]
    words = ": ".join(part for part in said if part)
    if type(problem.get("code")) is int:
        words = f"{words} (code {problem['code']})".strip()
    nested = problem.get("errors")
    inner = (
        [_tell_parameter(e) for e in nested if isinstance(e, dict)] if type(nested) is list else []
    )
    return "; ".join(part.rstrip(".") for part in (words, *inner[:3]) if part)


def _tell_parameter(error: Mapping[str, Any]) -> str:
    """Tell a complaint about a parameter; one about a text is not quoted, it may quote the text."""
    named = error.get("parameters")
    names = ", ".join(map(str, named)) if isinstance(named, dict) else ""
    if "text" in names or "message" in names:
        return f"about {_clean(names)}"
    return _word(error, "message")


def _word(problem: Problem, key: str) -> str:
    value = problem.get(key)
    return _clean(value) if isinstance(value, str) else ""


_SECRET = re.compile(r"(?i)\bbearer\s+\S+|[A-Za-z0-9_\-+=%:]{40,}")


def _clean(text: str) -> str:
    """One line of bounded length, in which whatever looks like a token is blotted out."""
    line = " ".join(_SECRET.sub("…", text[:1000]).split())
    return line if len(line) <= 300 else line[:299] + "…"
