"""Problems: a refused response -> the error it means.

Both body families of the API are read, problem details (``type``, ``title``, ``detail``) and the
v1.1 shape (``errors`` of ``code`` and ``message``), and told apart by their shape: the content
type does not say. A problem type is known by what follows ``/problems/``, on whichever host; one
that is not known means what the status means. Whether to wait and try again is left to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
_BY_TITLE: Mapping[str, str] = {
    "UsageCapExceeded": "usage-capped",
    "CreditsDepleted": "credits",
    "SpendCapReached": "credits",
}
"""The same, where a body has a title and no type."""

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
    93: f"the app may not use Direct Messages: {_PERMISSION}",
    135: "the timestamp is out of bounds: set this machine's clock",
    150: "the recipient takes messages only from users they follow: they must follow this account "
    "or open their messages to everyone, trying again does not help",
    151: "the message was not accepted, often because the same text was sent before; it may have "
    "been delivered all the same: read the conversation before sending it again",
    214: "a parameter is not what the endpoint takes",
    215: "the request carried no authorization that could be read",
    220: f"these credentials do not allow this call: {_PERMISSION}",
    226: "the request looks automated to the server: wait, then send less, less often, and not the "
    "same text to many",
    261: f"the app cannot write: {_PERMISSION}",
    349: "this user cannot be sent messages: they blocked this account, or take none from it; "
    "trying again does not help",
    354: "the text is too long: split it",
    453: "the plan of the app (its access tier) does not include this endpoint: see the developer "
    "portal for the plans that do",
}
_SUFFIXES: Mapping[str, str] = {
    "client-forbidden": "the app may not call this endpoint: see in the developer portal what its "
    "plan and its Project allow",
    "conflict": "the request is at odds with the state of what it is about",
    "disallowed-resource": "the server shows this resource to nobody",
    "field-unauthorized": "a field was asked for that this user may not see",
    "invalid-request": "the server did not take a parameter or the body: see problems",
    "not-authorized-for-field": "a field was asked for that this user may not see",
    "not-authorized-for-resource": "this user may not see the resource",
    "resource-not-found": "there is no such resource, or none that this user may see",
    "resource-unavailable": "the resource cannot be read at the moment",
}
_DETAILS: Mapping[str, str] = {
    "you do not have permission to dm one or more participants": "a recipient takes no messages "
    "from this user: they blocked them or are closed to them (User.receives_your_dm tells), and "
    "must open their messages or follow this account before another try",
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
        kind = _BY_SUFFIX.get(_suffix(problem), kind)
    return _refused(kind, route, response, problems)


def failed_lookup(route: Route, response: Response) -> Refused:
    """Give the error of a 2xx that holds no data, only errors: how v2 says that a thing is gone."""
    problems = read_problems(response.body)
    suffixes = [problem_suffix(problem) for problem in problems]
    kind = next((_LOOKUPS[suffix] for suffix in suffixes if suffix in _LOOKUPS), Refused)
    return _refused(kind, route, response, problems)


def is_final_429(response: Response) -> bool:
    """Whether no waiting cures it: a plan's quota, credits or a spend cap, and not a window."""
    return any(_suffix(problem) in _BY_SUFFIX for problem in read_problems(response.body))


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


def _suffix(problem: Problem) -> str:
    """The type of a problem, or the one that its title stands for."""
    return problem_suffix(problem) or _BY_TITLE.get(_word(problem, "title"), "")


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
        return _explain_forbidden(route, response, problems)
    return _STATUSES.get(response.status)


def _explain_forbidden(route: Route, response: Response, problems: tuple[Problem, ...]) -> str:
    """A 403 that does not say why, or says it in words that are not known here."""
    if not problems and response.body and not response.body.lstrip().startswith(b"{"):
        return (
            "this is not how the API refuses: a proxy or a filter on the way may have answered, so "
            "look at this machine's way to the server"
        )
    scopes = f"the OAuth 2.0 scopes that {route.name} needs ({' '.join(route.scopes)})"
    level = response.headers.get("x-access-level")
    if any(map(_gives_a_reason, problems)):
        return (
            "the reason is the server's own, see problems; if it is about the token: "
            f"{scopes}, or with OAuth 1.0a the permission for Direct Messages{_access_level(level)}"
        )
    # As observed: a missing scope is refused without a word, and only OAuth 1.0a has a level.
    if not level:
        return f"the token lacks one of {scopes}: have the user authorize the app again, with all"
    if "directmessages" in level:
        return (
            "the server does not say why, and the permission of the token is not it"
            f"{_access_level(level)}: the account or the app may be locked, see x.com and the "
            "developer portal"
        )
    return f"the token may not do this{_access_level(level)}: {_PERMISSION}"


def _gives_a_reason(problem: Problem) -> bool:
    told = set(re.split(r"[:.; ]+", _tell(problem).lower()))
    return bool(problem_suffix(problem)) or not told <= {"", "forbidden"}


def _explain(problem: Problem, response: Response) -> str | None:
    suffix = _suffix(problem)
    match suffix:
        case "oauth1-permissions":
            level = response.headers.get("x-access-level")
            return (
                f"the app has no permission for Direct Messages{_access_level(level)}: "
                f"{_PERMISSION}"
            )
        case "credits":
            return _explain_credits(problem)
        case "usage-capped":
            period, scope = _word(problem, "period"), _word(problem, "scope")
            return (
                f"the quota of the plan ({period or 'period unknown'}, {scope or 'scope unknown'}) "
                "is used up: waiting for a rate limit window does not help, only the next period "
                "or a larger plan"
            )
        case "client-forbidden":
            return _explain_client(problem)
        case "unsupported-authentication":
            return _explain_authentication(problem)
    for code in _codes(problem):
        if code in _CODES:
            level = response.headers.get("x-access-level") if code in (93, 220, 261) else None
            return _CODES[code] + _access_level(level)
    for key in ("detail", "message"):
        words = problem.get(key)
        if isinstance(words, str) and (found := _DETAILS.get(words.strip(" .").lower())):
            return found
    return _SUFFIXES.get(suffix)


def _codes(problem: Problem) -> Iterator[int]:
    """The code of a problem, and those of the errors inside of it."""
    inner = problem.get("errors")
    for each in (problem, *(inner if isinstance(inner, list) else ())):
        code = each.get("code") if isinstance(each, Mapping) else None
        if type(code) is int:
            yield code


def _explain_client(problem: Problem) -> str:
    match problem.get("reason"):
        case "client-not-enrolled":
            where = _word(problem, "registration_url") or "the developer portal"
            return f"the app must be attached to a Project with access to this API: {where}"
        case "official-client-forbidden":
            return "this endpoint is open to X's own clients only: no plan or permission changes it"
    return _SUFFIXES["client-forbidden"]


def _explain_authentication(problem: Problem) -> str:
    detail = _word(problem, "detail")
    refused = detail.partition(" is forbidden")[0].lower()
    _, _, supported = detail.partition("Supported authentication types are ")
    if detail and "application-only" not in refused:
        return (
            "this endpoint does not take this kind of credentials: use those of "
            f"{supported.strip(' .[]') or 'another kind, OAuth 2.0 or OAuth 1.0a'}"
        )
    return (
        "an app-only token cannot read or send Direct Messages: use tokens that a user has "
        "authorized, OAuth 2.0 or OAuth 1.0a"
    )


def _explain_credits(problem: Problem) -> str:
    if "cap" in _word(problem, "title").lower():
        until = _word(problem, "reset_date")
        return (
            "the spend cap of the billing cycle is reached: raise it in the developer console"
            + (f", or wait until {until}" if until else "")
        )
    return "the account has no credits left: buy some in the developer console"


def _access_level(level: str | None) -> str:
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
    message = _word(error, "message")
    where = re.match(r"\$[\w.\[\]]*", message)
    names = ", ".join(map(str, named)) if isinstance(named, dict) else where[0] if where else ""
    if "text" in names or "message" in names:
        return f"about {_clean(names)}"
    return message


def _word(problem: Problem, key: str) -> str:
    value = problem.get(key)
    return _clean(value) if isinstance(value, str) else ""


_SECRET = re.compile(
    r"""(?ix) \bbearer\s+\S+
    | (?:token|secret|verifier|signature|nonce|password)\b["']?\s*[=:]\s*["']?[^\s"'&,;}]+
    | (?<=[?&])\w+=[^\s&]+"""
)
"""What is called a secret, and the query of a URL."""
_RUN = re.compile(r"[A-Za-z0-9_\-+=%~]{16,}(?::[A-Za-z0-9_\-+=%~]+)*")


def _blot(run: re.Match[str]) -> str:
    """Names, numbers and pairs of them stay; letters and digits mixed are what tokens look like."""
    said = run[0]
    mixed = any(map(str.isdigit, said)) and any(map(str.isalpha, said))
    return "…" if mixed or len(said) >= 40 else said


def _clean(text: str) -> str:
    """One line of bounded length, in which whatever looks like a token is blotted out."""
    line = " ".join(_RUN.sub(_blot, _SECRET.sub("…", text)).split())
    return line if len(line) <= 300 else line[:299] + "…"
