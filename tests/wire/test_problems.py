"""Each refusal becomes the error that it means, with a sentence on what to do about it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.endpoints.conversations import SEND
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
    "detail": "Your enrolled account [2036532529868496897] does not have any credits.",
    "type": TWITTER + "credits",
}
SPEND_CAP = {
    "title": "SpendCapReached",
    "detail": "The billing cycle spend cap.",
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
    "detail": "must be attached to a Project",
    "registration_url": "https://developer.x.com/en/docs/projects/overview",
    "title": "Client Forbidden",
    "required_enrollment": "Appropriate Level of API Access",
    "reason": "client-not-enrolled",
    "type": TWITTER + "client-forbidden",
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


CASES = [
    (400, INVALID, BadRequest, "did not take a parameter"),
    (400, coded(215, "Bad Authentication data."), BadRequest, "no authorization"),
    (400, coded(214), BadRequest, "parameter"),
    (401, {"title": "Unauthorized", "type": "about:blank", "status": 401}, Unauthorized, "revoked"),
    (401, coded(32), Unauthorized, "signature"),
    (401, coded(89), Unauthorized, "authorize the app again"),
    (401, coded(135), Unauthorized, "clock"),
    (402, CREDITS, PaymentRequired, "no credits left"),
    (403, SPEND_CAP, PaymentRequired, "wait until 2026-05-13"),
    (403, PLAIN_403, Forbidden, "dm.write dm.read tweet.read users.read"),
    (403, APP_ONLY, Forbidden, "app-only token"),
    (403, PERMISSIONS, Forbidden, "Read and write and Direct message"),
    (403, NOT_ENROLLED, Forbidden, "https://developer.x.com/en/docs/projects/overview"),
    (403, CLOSED, Forbidden, "receives_your_dm"),
    (403, OTHER, Forbidden, "does not say why"),
    (403, MEDIA, Forbidden, "24 hours"),
    (403, coded(93), Forbidden, "authorize it again"),
    (403, coded(150), Forbidden, "users they follow"),
    (403, coded(151), Forbidden, "may have been delivered"),
    (403, coded(220), Forbidden, "credentials"),
    (403, coded(226), Forbidden, "automated"),
    (403, coded(261), Forbidden, "cannot write"),
    (403, coded(349), Forbidden, "blocked you"),
    (403, coded(354), Forbidden, "too long"),
    (403, coded(453), Forbidden, "access level"),
    (404, coded(34), NotFound, "no such resource"),
    (404, {"title": "Not Found", "detail": "Not Found", "type": "about:blank"}, NotFound, "such"),
    (429, PLAIN_429, RateLimited, "wait"),
    (429, coded(88, "Rate limit exceeded"), RateLimited, "wait"),
    (429, {"code": 88, "message": "Rate limit exceeded"}, RateLimited, "wait"),
    (429, CAPPED, UsageCapped, "Monthly"),
]


@pytest.mark.parametrize(("status", "body", "kind", "hint"), CASES)
def test_each_documented_refusal_is_the_error_it_means(status, body, kind, hint):
    error = refusal(SEND, answered(status, json.dumps(body).encode()))
    assert type(error) is kind
    assert error.status == status
    assert hint in error.explanation
    assert str(error).startswith(f"dm_conversations.send was refused with {status}")
    assert "\n" not in str(error) + error.explanation


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
