"""Each refusal becomes the error that it means, with a sentence on what to do about it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.endpoints.conversations import SEND
from xdm_async.endpoints.events import LIST
from xdm_async.endpoints.users import ME
from xdm_async.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    PaymentRequired,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    UnreadableAnswer,
    UsageCapped,
    XdmError,
)
from xdm_async.testing import answered
from xdm_async.wire.problems import failed_lookup, is_final_429, refusal

TWITTER, X = "https://api.twitter.com/2/problems/", "https://api.x.com/2/problems/"
PLAIN_403 = {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}
INVALID = {
    "errors": [
        {
            "parameters": {"previous_token": ["abc"]},
            "message": "The query parameter [previous_token] is not one of [event_types,…]",
        }
    ],
    "title": "Invalid Request",
    "detail": "One or more parameters to your request was invalid.",
    "type": TWITTER + "invalid-request",
}
CREDITS = {
    "account_id": 2036532529868496897,
    "title": "CreditsDepleted",
    "detail": "Your enrolled account [2036532529868496897] does not have any credits to fulfill "
    "this request.",
    "type": TWITTER + "credits",
}
SPEND_CAP = {
    "title": "SpendCapReached",
    "detail": "Your account has reached its billing cycle spend cap.",
    "reset_date": "2026-05-13",
    "type": X + "credits",
}
APP_ONLY = {
    "title": "Unsupported Authentication",
    "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
    "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].",
    "type": TWITTER + "unsupported-authentication",
    "status": 403,
}
PERMISSIONS = {
    "title": "Forbidden",
    "status": 403,
    "detail": "Your client app is not configured with the appropriate oauth1 app permissions "
    "for this endpoint.",
    "type": TWITTER + "oauth1-permissions",
}
NOT_ENROLLED = {
    "client_id": "1234",
    "detail": "You must use keys and tokens of an App that is attached to a Project.",
    "registration_url": "https://developer.x.com/en/docs/projects/overview",
    "title": "Client Forbidden",
    "required_enrollment": "Appropriate Level of API Access",
    "reason": "client-not-enrolled",
    "type": TWITTER + "client-forbidden",
}
OFFICIAL = NOT_ENROLLED | {"reason": "official-client-forbidden", "detail": "Not for you."}
OAUTH1_ONLY = APP_ONLY | {
    "detail": "Authenticating with OAuth 1.0a User Context is forbidden for this endpoint.  "
    "Supported authentication types are [OAuth 2.0 User Context].",
}
CLOSED = PLAIN_403 | {"detail": "You do not have permission to DM one or more participants."}
OTHER = PLAIN_403 | {"detail": "This operation is not permitted."}
MEDIA = PLAIN_403 | {"detail": "You are not permitted to attach this media to a DM event."}
PLAIN_429 = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank"}
CAPPED = {
    "account_id": 1234,
    "product_name": "standard-basic",
    "title": "UsageCapExceeded",
    "period": "Monthly",
    "scope": "Product",
    "detail": "Usage cap exceeded: Monthly product cap",
    "type": TWITTER + "usage-capped",
}


def coded(code, message="…"):
    return {"errors": [{"code": code, "message": message}]}


PLAIN_401 = {"title": "Unauthorized", "type": "about:blank", "status": 401}
PLAIN_404 = {"title": "Not Found", "detail": "Not Found", "type": "about:blank", "status": 404}
PLAIN_402 = {"title": "Payment Required", "type": "about:blank", "status": 402}

CASES = [
    ("parameter", 400, INVALID, BadRequest, "did not take a parameter"),
    ("unreadable", 400, coded(215, "Bad Authentication data."), BadRequest, "no authorization"),
    ("bad parameter", 400, coded(214), BadRequest, "a parameter"),
    ("revoked or expired", 401, PLAIN_401, Unauthorized, "refresh it, or have the user authorize"),
    ("signature", 401, coded(32, "Could not authenticate you."), Unauthorized, "signature"),
    ("token", 401, coded(89, "Invalid or expired token."), Unauthorized, "authorize the app again"),
    (
        "clock",
        401,
        coded(135, "Timestamp out of bounds."),
        Unauthorized,
        "set this machine's clock",
    ),
    ("no credits", 402, CREDITS, PaymentRequired, "no credits left: buy some"),
    ("no credits", 429, {"title": "CreditsDepleted"}, PaymentRequired, "no credits left"),
    ("to pay", 402, PLAIN_402, PaymentRequired, "no credits for this request"),
    ("spend cap", 403, SPEND_CAP, PaymentRequired, "raise it in the developer console, or wait"),
    ("spend cap", 403, SPEND_CAP, PaymentRequired, "until 2026-05-13"),
    ("scope", 403, PLAIN_403, Forbidden, "scopes that dm_conversations.send needs"),
    ("scope", 403, PLAIN_403, Forbidden, "(dm.write dm.read tweet.read users.read)"),
    ("scope", 403, PLAIN_403, Forbidden, "authorize the app again"),
    ("scope", 403, {}, Forbidden, "dm.write dm.read tweet.read users.read"),
    ("app-only", 403, APP_ONLY, Forbidden, "an app-only token cannot"),
    ("app-only", 403, APP_ONLY, Forbidden, "tokens that a user has authorized"),
    ("kind", 403, OAUTH1_ONLY, Forbidden, "use those of OAuth 2.0 User Context"),
    ("permission", 403, PERMISSIONS, Forbidden, "Read and write and Direct message"),
    ("permission", 403, PERMISSIONS, Forbidden, "the user must authorize it again"),
    ("not enrolled", 403, NOT_ENROLLED, Forbidden, "attached to a Project"),
    ("not enrolled", 403, NOT_ENROLLED, Forbidden, "https://developer.x.com/en/docs/projects"),
    ("official", 403, OFFICIAL, Forbidden, "X's own clients"),
    ("client", 403, OFFICIAL | {"reason": "?"}, Forbidden, "its plan and its Project allow"),
    ("closed", 403, CLOSED, Forbidden, "they blocked them or are closed to them"),
    ("closed", 403, CLOSED, Forbidden, "receives_your_dm"),
    ("not permitted", 403, OTHER, Forbidden, "does not say why"),
    ("media", 403, MEDIA, Forbidden, "not longer than 24 hours ago"),
    ("Direct Messages", 403, coded(93), Forbidden, "authorize it again"),
    ("not following", 403, coded(150), Forbidden, "users they follow"),
    ("maybe sent", 403, coded(151), Forbidden, "may have been delivered all the same"),
    ("maybe sent", 403, coded(151), Forbidden, "read the conversation before sending it again"),
    ("credentials", 403, coded(220), Forbidden, "these credentials do not allow"),
    (
        "automated",
        403,
        coded(226),
        Forbidden,
        "looks automated to the server: wait, then send less",
    ),
    ("read-only app", 403, coded(261), Forbidden, "the app cannot write"),
    ("blocked", 403, coded(349), Forbidden, "they blocked this account"),
    ("too long", 403, coded(354), Forbidden, "too long"),
    ("tier", 403, coded(453), Forbidden, "access tier) does not include this endpoint"),
    ("bad parameter", 403, coded(214), Forbidden, "a parameter"),
    ("no resource", 404, coded(34), NotFound, "no such resource"),
    ("nothing there", 404, PLAIN_404, NotFound, "no such resource, or none that this user may see"),
    ("too many", 429, PLAIN_429, RateLimited, "wait until the budget resets"),
    ("window", 429, coded(88, "Rate limit exceeded"), RateLimited, "wait until it resets"),
    ("window", 429, {"code": 88, "message": "Rate limit exceeded"}, RateLimited, "wait until it"),
    ("quota", 429, CAPPED, UsageCapped, "(Monthly, Product) is used up"),
]
"""What was refused, how, and which words tell it; each cause has a sentence of its own."""


def refused(status, body, headers=None, route=SEND):
    return refusal(route, answered(status, json.dumps(body).encode(), headers))


@pytest.mark.parametrize(("cause", "status", "body", "kind", "hint"), CASES)
def test_each_documented_refusal_is_the_error_it_means(cause, status, body, kind, hint):
    error = refused(status, body)
    assert type(error) is kind
    assert error.status == status
    assert hint in error.explanation
    assert str(error).startswith(f"dm_conversations.send was refused with {status}")
    assert "\n" not in str(error) + error.explanation


def test_no_two_causes_are_explained_in_the_same_words():
    causes = {}
    for cause, status, body, _, _ in CASES:
        causes.setdefault(refused(status, body).explanation, set()).add(cause)
    for level in ("read-write", "read-write-directmessages"):
        explanation = refused(403, PLAIN_403, {"x-access-level": level}).explanation
        causes.setdefault(explanation, set()).add(level)
    unknown = refused(403, PLAIN_403 | {"detail": "Never heard of."}).explanation
    filtered = refusal(SEND, answered(403, b"<html>blocked</html>")).explanation
    causes.setdefault(unknown, set()).add("unknown")
    causes.setdefault(filtered, set()).add("filtered")
    assert all(len(alike) == 1 for alike in causes.values())
    assert len(causes) == len({cause for cause, *_ in CASES}) + 4


@pytest.mark.parametrize("route", [SEND, LIST, ME])
def test_a_403_without_a_word_names_the_scopes_of_its_call(route):
    """Observed: OAuth 2.0 refuses a missing scope so, and such an answer has no access level."""
    explanation = refused(403, PLAIN_403, route=route).explanation
    assert f"{route.name} needs ({' '.join(route.scopes)})" in explanation


def test_a_403_without_a_word_to_an_oauth_1_token_is_about_its_permission():
    for level in ("read", "read-write"):
        explanation = refused(403, PLAIN_403, {"x-access-level": level}).explanation
        assert f"'{level}'" in explanation
        assert "authorize it again" in explanation
        assert "scope" not in explanation


def test_a_403_to_a_token_that_may_use_messages_does_not_blame_the_token():
    level = "read-write-directmessages"
    explanation = refused(403, PLAIN_403, {"x-access-level": level}).explanation
    assert f"the permission of the token is not it (the token's access level is '{level}')" in (
        explanation
    )
    assert "again" not in explanation


def test_a_403_for_a_reason_nobody_knows_yet_says_so_and_still_names_the_scopes():
    for body in (
        PLAIN_403 | {"detail": "The moon is full."},
        {"type": X + "full-moon", "title": "Forbidden"},
        coded(9_999, "The moon is full."),
    ):
        explanation = refused(403, body).explanation
        assert "the reason is the server's own" in explanation
        assert "dm.write dm.read tweet.read users.read" in explanation


def test_a_page_of_html_is_not_explained_as_a_missing_scope():
    error = refusal(SEND, answered(403, b"<html><title>Attention Required!</title></html>"))
    assert "a proxy or a filter on the way" in error.explanation
    assert "scope" not in error.explanation


def test_a_code_inside_of_a_problem_is_understood_too():
    body = PLAIN_403 | {"detail": "One or more errors.", "errors": [{"code": 349, "message": "…"}]}
    assert "they blocked this account" in refused(403, body).explanation


@pytest.mark.parametrize("code", [93, 220, 261])
def test_a_code_about_the_permission_tells_the_access_level_of_the_token(code):
    assert "'read-write'" in refused(403, coded(code), {"x-access-level": "read-write"}).explanation
    assert "level" not in refused(403, coded(349), {"x-access-level": "read-write"}).explanation


@pytest.mark.parametrize("host", [TWITTER, X])
def test_a_problem_type_is_known_on_either_host(host):
    body = json.dumps(CAPPED | {"type": host + "usage-capped"}).encode()
    assert type(refusal(SEND, answered(429, body))) is UsageCapped


def test_an_unknown_problem_type_means_what_the_status_means():
    body = json.dumps({"type": X + "brand-new", "title": "Brand New", "detail": "…"}).encode()
    for status, kind in [(400, BadRequest), (403, Forbidden), (409, Refused), (429, RateLimited)]:
        error = refusal(SEND, answered(status, body))
        assert type(error) is kind
        assert "Brand New" in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"oops", b"[]", b"null", b"\xff\xfe", b'"text"']
)
def test_html_plain_text_and_nothing_at_all_still_give_the_error_of_the_status(body):
    assert type(refusal(SEND, answered(404, body))) is NotFound
    assert type(refusal(SEND, answered(403, body))) is Forbidden
    assert type(refusal(SEND, answered(502, body))) is ServerError


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_a_5xx_leaves_the_outcome_unknown(status):
    body = json.dumps({"title": "Service Unavailable", "detail": "Overloaded"}).encode()
    error = refusal(SEND, answered(status, body))
    assert type(error) is ServerError
    assert error.status == status
    assert "Overloaded" in str(error)


@pytest.mark.parametrize("status", [100, 301, 302, 304])
def test_a_redirect_is_no_answer_of_this_api(status):
    assert type(refusal(SEND, answered(status))) is UnreadableAnswer


def test_an_account_id_beyond_doubles_stays_exact():
    error = refusal(SEND, answered(402, json.dumps(CREDITS).encode()))
    assert error.problems[0]["account_id"] == 2036532529868496897


def test_a_missing_permission_tells_the_access_level_the_token_has():
    headers = {"x-access-level": "read-write", "x-transaction-id": "abc123"}
    error = refusal(SEND, answered(403, json.dumps(PERMISSIONS).encode(), headers))
    assert "'read-write'" in error.explanation
    assert error.transaction_id == "abc123"


def test_a_complaint_about_a_parameter_is_told():
    error = refusal(SEND, answered(400, json.dumps(INVALID).encode()))
    assert "The query parameter [previous_token] is not one of" in str(error)
    assert error.problems == (INVALID,)


def test_neither_a_token_nor_the_text_of_a_message_gets_into_the_sentence():
    body = {
        "title": "Invalid Request",
        "detail": "Bearer " + "s3cret" * 3 + " and " + "T0ken" * 12,
        "errors": [{"parameters": {"$.text": ["dear diary"]}, "message": "[dear diary] is bad"}],
    }
    error = refusal(SEND, answered(400, json.dumps(body).encode()))
    told = str(error) + str(error.explanation) + repr(error)
    assert "diary" not in told
    assert "s3cret" not in told
    assert "T0ken" not in told


def test_a_path_in_a_message_without_parameters_is_told_without_the_text():
    body = INVALID | {"errors": [{"message": "$.message.text: [dear diary] is bad"}]}
    error = refused(400, body)
    assert "diary" not in str(error)
    assert "about $.message.text" in str(error)


def test_names_numbers_and_addresses_are_not_taken_for_tokens():
    for word in (
        "non_public_metrics",
        "[2036532529868496897]",
        "944480690-906948460078698496",
        "https://developer.x.com/en/docs/projects/overview",
        "2026-05-13T00:00:00.000Z",
        "dm_event.fields,event_types,expansions",
    ):
        assert word in str(refused(400, {"title": "Invalid Request", "detail": f"about {word}"}))


def test_a_long_answer_is_not_told_at_length_and_costs_no_more_than_its_length():
    for word in ("a", "token", "oauth_token=", "?", "Bearer ", " "):
        assert len(str(refused(403, {"detail": word * 60_000}))) < 400


def test_only_a_quota_credits_or_a_cap_are_final():
    for body in (CAPPED, CREDITS, SPEND_CAP, {"title": "UsageCapExceeded"}):
        assert is_final_429(answered(429, json.dumps(body).encode()))
    for body in (PLAIN_429, coded(88), {"type": X + "rate-limit-exceeded"}, []):
        assert not is_final_429(answered(429, json.dumps(body).encode()))
    assert not is_final_429(answered(429, b""))


def test_a_lookup_answered_with_nothing_but_errors_is_what_they_say():
    gone = {
        "errors": [
            {
                "detail": "Could not find user with id: [999].",
                "title": "Not Found Error",
                "type": TWITTER + "resource-not-found",
            }
        ]
    }
    error = failed_lookup(ME, answered(200, json.dumps(gone).encode()))
    assert type(error) is NotFound
    assert "999" in str(error)


TOKENS = st.text("abcXYZ019-_", min_size=16, max_size=99).filter(
    lambda token: any(map(str.isdigit, token)) and any(map(str.isalpha, token))
)
AROUND = st.sampled_from(
    [
        "{}",
        "Bearer {}",
        "the token {} is bad.",
        "oauth_token={}",
        "('{}')",
        "x, {}:y",
        "{0} {0}",
        "https://x.com/callback?state=1&code={}",
        "a" * 290 + " {}",
        " " * 990 + "{}",
    ]
)
PLACES = st.sampled_from(
    [
        "title",
        "detail",
        "message",
        "error",
        "error_description",
        "type",
        "value",
        "reason",
        "code",
        "registration_url",
        "reset_date",
        "period",
        "scope",
        "errors",
        "x",
    ]
)
KINDS = st.sampled_from(
    ["about:blank", *(X + kind for kind in ("credits", "client-forbidden"))]
) | (st.sampled_from([X + kind for kind in ("usage-capped", "unsupported-authentication")]))


@settings(max_examples=100)
@given(st.sampled_from([400, 401, 402, 403, 404, 429, 503]), KINDS, TOKENS, st.data())
def test_a_token_that_the_server_quotes_stays_out_of_everything_that_is_printed(
    status, kind, token, data
):
    places = data.draw(st.lists(PLACES, min_size=1, max_size=4))
    body = {"type": kind} | {place: data.draw(AROUND).format(token) for place in places}
    if data.draw(st.booleans()):
        body["errors"] = [{"message": data.draw(AROUND).format(token), "parameters": {token: [""]}}]
    response = answered(status, json.dumps(body).encode(), {"x-access-level": token})
    for error in (refusal(SEND, response), failed_lookup(ME, response)):
        told = f"{error} {error!r} {getattr(error, 'explanation', None)}"
        assert token not in told
        assert token[:15] not in told


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PROBLEM = st.dictionaries(
    st.sampled_from(["type", "title", "detail", "status", "code", "message", "errors", "reason"]),
    ANYTHING | st.sampled_from(["about:blank", TWITTER + "credits", X + "client-forbidden"]),
)


@settings(max_examples=60)
@given(st.integers(300, 599), PROBLEM | ANYTHING)
def test_whatever_the_body_holds_an_error_comes_of_it(status, body):
    response = answered(status, json.dumps(body).encode())
    assert isinstance(refusal(SEND, response), XdmError)
    assert is_final_429(response) in (True, False)


@given(st.integers(300, 599), st.binary())
def test_whatever_the_bytes_are_an_error_comes_of_them(status, body):
    assert isinstance(refusal(SEND, answered(status, body)), XdmError)
