"""What a token endpoint said becomes tokens, or tells whose fault it is that there are none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.testing import answered
from xdm_async.wire.token_answers import (
    ClientRefused,
    GrantRefused,
    TokenEndpointFailed,
    Tokens,
    read_oauth1_tokens,
    read_revoked,
    read_tokens,
)

GIVEN = {
    "token_type": "bearer",
    "expires_in": 7200,
    "access_token": "VGhpcyBpcyBhbiBhY2Nlc3M6dG9rZW4",
    "scope": "dm.read dm.write tweet.read users.read offline.access",
    "refresh_token": "UmVmcmVzaCBtZTp0b2tlbg",
}
BAD_TOKEN = {
    "error": "invalid_request",
    "error_description": "Value passed for the token was invalid.",
}
BAD_CODE = {
    "error": "invalid_request",
    "error_description": "Value passed for the authorization code was invalid.",
}
BAD_CLIENT = {
    "error": "unauthorized_client",
    "error_description": "Missing valid authorization header",
}
GRANTS = [BAD_TOKEN, BAD_CODE, {"error": "invalid_grant"}, BAD_TOKEN | {"error": "invalid_grant"}]


def answer(status, body, headers=None):
    return answered(status, json.dumps(body).encode(), headers)


def refused(status, body, headers=None):
    with pytest.raises((GrantRefused, ClientRefused, TokenEndpointFailed)) as info:
        read_tokens(answer(status, body, headers))
    assert info.value.description == str(info.value)
    assert "\n" not in str(info.value)
    return info.value


def test_the_documented_answer_is_tokens():
    tokens = read_tokens(answer(200, GIVEN))
    assert tokens == Tokens(
        GIVEN["access_token"],
        GIVEN["refresh_token"],
        7200.0,
        ("dm.read", "dm.write", "tweet.read", "users.read", "offline.access"),
    )


def test_tokens_show_neither_of_the_two():
    told = repr(read_tokens(answer(200, GIVEN)))
    assert GIVEN["access_token"] not in told
    assert GIVEN["refresh_token"] not in told
    assert "7200" in told


def test_without_offline_access_there_is_no_refresh_token():
    body = {k: v for k, v in GIVEN.items() if k != "refresh_token"}
    assert read_tokens(answer(200, body)).refresh_token is None
    for nothing in (None, "", 5, "two words", "broken\r\nheader"):
        assert read_tokens(answer(200, GIVEN | {"refresh_token": nothing})).refresh_token is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (7200, 7200.0),
        (7200.5, 7200.5),
        ("7200", 7200.0),
        (" 7200.0 ", 7200.0),
        (None, None),
        (True, None),
        (0, None),
        (-1, None),
        ("-1", None),
        ("soon", None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (10**400, None),
        (1_790_000_000, None),
        ([7200], None),
    ],
)
def test_a_lifetime_is_told_where_it_can_be_true(said, meant):
    tokens = read_tokens(answer(200, GIVEN | {"expires_in": said}))
    assert tokens.expires_in == meant
    assert tokens.access_token == GIVEN["access_token"]


def test_a_lifetime_may_be_missing_and_scopes_too():
    tokens = read_tokens(answer(200, {"access_token": "abc"}))
    assert tokens == Tokens("abc", None, None, ())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("dm.read  dm.write dm.read", ("dm.read", "dm.write")),
        (["dm.read", 5], ("dm.read",)),
        (f"dm.read {GIVEN['access_token']}", ("dm.read",)),
        ("", ()),
        (None, ()),
        (5, ()),
    ],
)
def test_scopes_are_read_in_the_order_of_the_answer(said, meant):
    assert read_tokens(answer(200, GIVEN | {"scope": said})).scopes == meant


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", " bearer", None, 5])
def test_the_kind_of_token_may_be_written_in_any_case(kind):
    assert read_tokens(answer(200, GIVEN | {"token_type": kind})).expires_in == 7200


def test_a_token_that_is_no_bearer_token_is_not_used():
    error = refused(200, GIVEN | {"token_type": "mac"})
    assert type(error) is TokenEndpointFailed
    assert error.status == 200


@pytest.mark.parametrize("body", GRANTS)
def test_a_spent_token_or_code_is_the_grant_s_end(body):
    error = refused(400, body)
    assert type(error) is GrantRefused
    assert "authorize the app again" in error.description


def test_what_the_server_says_about_a_grant_is_told():
    assert "Value passed for the token was invalid" in str(refused(400, BAD_TOKEN))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, BAD_CLIENT),
        (401, BAD_CLIENT),
        (401, {"error": "invalid_client"}),
        (400, BAD_TOKEN | {"error_description": "Value passed for the client id was invalid."}),
        (400, BAD_TOKEN | {"error_description": "The token belongs to another client_id."}),
        (401, {"title": "Unauthorized", "type": "about:blank", "status": 401}),
        (401, {"errors": [{"code": 32, "message": "Could not authenticate you."}]}),
        (403, {"errors": [{"code": 99, "message": "Unable to verify your credentials"}]}),
    ],
)
def test_wrong_keys_of_the_app_leave_the_grant_alone(status, body):
    error = refused(status, body)
    assert type(error) is ClientRefused
    assert "client_id and client_secret" in error.description


def test_an_app_outside_of_a_project_is_told_so():
    body = {
        "title": "Client Forbidden",
        "reason": "client-not-enrolled",
        "type": "https://api.twitter.com/2/problems/client-forbidden",
    }
    error = refused(403, body)
    assert type(error) is ClientRefused
    assert "Project" in error.description


def test_a_401_without_a_body_is_about_the_keys():
    with pytest.raises(ClientRefused):
        read_tokens(answered(401))


@pytest.mark.parametrize("status", [301, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", GRANTS)
def test_an_outage_or_a_limit_is_never_the_grant_s_end(status, body):
    error = refused(status, body)
    assert type(error) is TokenEndpointFailed
    assert error.status == status
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "invalid_request", "error_description": "Missing required parameter."}),
        (400, {"error": "invalid_request"}),
        (400, {"error": "unsupported_grant_type"}),
        (400, {"error": "invalid_scope"}),
        (400, {}),
        (403, BAD_TOKEN),
        (403, {"title": "Forbidden", "type": "about:blank", "status": 403}),
        (404, {}),
    ],
)
def test_an_answer_that_does_not_name_the_grant_does_not_end_it(status, body):
    assert type(refused(status, body)) is TokenEndpointFailed


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 503])
@pytest.mark.parametrize(
    "body", [b"<html>captive portal</html>", b"oops", b"[]", b"null", b"\xff\xfe", b'{"access_t']
)
def test_what_is_no_json_object_is_somebody_else_s_page(status, body):
    with pytest.raises(TokenEndpointFailed) as info:
        read_tokens(answered(status, body))
    assert info.value.status == status


@pytest.mark.parametrize("cut", [1, 30, 60, 90, 120])
def test_a_truncated_answer_is_no_tokens_and_quotes_none(cut):
    body = json.dumps(GIVEN).encode()[:-cut]
    with pytest.raises(TokenEndpointFailed) as info:
        read_tokens(answered(200, body))
    assert info.value.status == 200
    assert GIVEN["access_token"] not in str(info.value)


@pytest.mark.parametrize("token", [None, "", 5, "two words", "line\nbreak", ["abc"], "ключ"])
def test_a_200_without_a_token_that_fits_into_a_header_is_no_tokens(token):
    error = refused(200, GIVEN | {"access_token": token})
    assert type(error) is TokenEndpointFailed
    assert error.status == 200


def test_how_long_the_server_wants_to_be_left_alone_is_told():
    date = "Fri, 28 Oct 2022 01:08:23 UTC"
    later = "Fri, 28 Oct 2022 01:10:23 GMT"
    assert refused(503, {}, {"Retry-After": "17"}).retry_after == 17.0
    assert refused(429, {}, {"Retry-After": later, "Date": date}).retry_after == 120.0
    assert refused(503, {}, {"Retry-After": "soon"}).retry_after is None


def test_a_description_that_quotes_the_token_is_told_without_it():
    for token in (GIVEN["access_token"], "ab12", "x-y", "a" * 40):
        body = {"error": "invalid_grant", "error_description": f"Token {token} was '{token}'."}
        told = str(refused(400, body))
        assert token not in told
        assert "Token … was …" in told


# OAuth 1.0a


def refused1(status, body, headers=None):
    with pytest.raises((GrantRefused, ClientRefused, TokenEndpointFailed)) as info:
        read_oauth1_tokens(answered(status, body, headers))
    return info.value


def coded(code):
    return json.dumps({"errors": [{"code": code, "message": "…"}]}).encode()


def test_both_forms_of_oauth_1_are_read():
    first = b"oauth_token=NPcudx&oauth_token_secret=veNRn%2F&oauth_callback_confirmed=true"
    assert read_oauth1_tokens(answered(200, first)) == {
        "oauth_token": "NPcudx",
        "oauth_token_secret": "veNRn/",
        "oauth_callback_confirmed": "true",
    }
    last = b"oauth_token=944480690-abc&oauth_token_secret=s&user_id=944480690&screen_name=mary"
    found = read_oauth1_tokens(answered(200, last))
    assert (found["user_id"], found["screen_name"]) == ("944480690", "mary")


@pytest.mark.parametrize(
    ("status", "body", "kind", "hint"),
    [
        (401, coded(32), ClientRefused, "consumer_key and consumer_secret belong together"),
        (403, coded(32), ClientRefused, "consumer_key"),
        (401, coded(89), GrantRefused, "begin the login again"),
        (403, coded(89), GrantRefused, "PIN"),
        (401, coded(135), ClientRefused, "clock"),
        (400, coded(215), ClientRefused, "no authorization"),
        (403, coded(415), ClientRefused, "letter for letter"),
        (403, coded(417), ClientRefused, "callback_url=None"),
        (401, coded(99), ClientRefused, "consumer_key"),
        (401, b"Error processing: Invalid oauth_verifier parameter", GrantRefused, "PIN"),
        (401, b"Invalid request token.", GrantRefused, "PIN"),
        (401, b"", ClientRefused, "does not say"),
        (
            403,
            b"<?xml version='1.0'?><errors><error code=\"415\">Callback URL not approved for this "
            b"client application.</error></errors>",
            ClientRefused,
            "letter for letter",
        ),
        (
            401,
            b"<error>Desktop applications only support the oauth_callback value 'oob'</error>",
            ClientRefused,
            "callback_url=None",
        ),
    ],
)
def test_each_refusal_of_oauth_1_says_what_to_do(status, body, kind, hint):
    error = refused1(status, body)
    assert type(error) is kind
    assert hint in error.description


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>oauth_token</html>"),
        (200, b"oauth_token=abc"),
        (200, b"oauth_token=&oauth_token_secret=s"),
        (200, b"oauth_token=a%20b&oauth_token_secret=s"),
        (200, b'{"oauth_token": "abc", "oauth_token_secret": "s"}'),
        (429, coded(88)),
        (429, coded(89)),
        (503, coded(32)),
        (302, b""),
        (401, b"<!DOCTYPE html><HTML>Invalid request token</HTML>"),
        (404, b""),
    ],
)
def test_an_outage_a_limit_or_half_a_form_is_not_the_user_s_fault(status, body):
    error = refused1(status, body, {"Retry-After": "3"})
    assert type(error) is TokenEndpointFailed
    assert (error.status, error.retry_after) == (status, 3.0)


# Revoking


def test_whatever_a_2xx_holds_the_token_is_revoked_unless_it_is_denied():
    for body in (b"", b"{}", b'{"revoked":true}'):
        assert read_revoked(answered(200, body)) is None
    for body in (b'{"revoked":false}', b"<html>captive portal</html>"):
        with pytest.raises(TokenEndpointFailed):
            read_revoked(answered(200, body))


def test_a_token_that_is_gone_already_is_told_apart_from_wrong_keys():
    with pytest.raises(GrantRefused):
        read_revoked(answer(400, BAD_TOKEN))
    with pytest.raises(ClientRefused):
        read_revoked(answer(401, BAD_CLIENT))
    with pytest.raises(TokenEndpointFailed):
        read_revoked(answered(503))


# Whatever comes

PLANTED = "Xq7-Planted_9f"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([PLANTED, f"Bearer {PLANTED}", "bearer", "invalid_grant", "7200"])
    | st.sampled_from([f"Value passed for the token {PLANTED} was invalid.", "invalid_request"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from([*GIVEN, "error", "error_description", "errors", "title", "detail", "code"])
BODIES = (
    st.dictionaries(NAMES, VALUES, max_size=6).map(lambda body: json.dumps(body).encode())
    | VALUES.map(lambda body: json.dumps(body).encode())
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            f"oauth_token={PLANTED}&oauth_token_secret=".encode(),
            f"<error code='89'>{PLANTED}</error>".encode(),
            f'{{"access_token":"{PLANTED}"'.encode(),
        ]
    )
)
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 403, 404, 429, 500, 503])


def outcome_of(read, response):
    try:
        return read(response)
    except (GrantRefused, ClientRefused, TokenEndpointFailed) as error:
        return error


@settings(max_examples=100)
@given(STATUSES, BODIES)
def test_whatever_is_answered_it_is_tokens_or_one_of_three_refusals_without_a_secret(status, body):
    for read in (read_tokens, read_oauth1_tokens, read_revoked):
        outcome = outcome_of(read, answered(status, body))
        if isinstance(outcome, Exception):
            assert PLANTED not in f"{outcome} {outcome!r} {outcome.description}"
            assert type(outcome) is not GrantRefused or 400 <= status < 429
            continue
        assert status in (200, 201)
        if isinstance(outcome, Tokens):
            assert outcome.access_token.isprintable()
            assert PLANTED not in repr(outcome)
