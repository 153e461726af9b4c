from typing import Any

import pytest
from oauthlib.oauth1 import Client

from xdm_async.emulator import EmulatedUser, Emulator

UNAUTHORIZED = {
    "title": "Unauthorized",
    "type": "about:blank",
    "status": 401,
    "detail": "Unauthorized",
}
FORBIDDEN = {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}


def coded(code: int, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


COULD_NOT = coded(32, "Could not authenticate you.")
INVALID_TOKEN = coded(89, "Invalid or expired token.")


def sign(
    x: Emulator,
    user: EmulatedUser,
    path: str,
    method: str = "GET",
    *,
    base: str | None = None,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> dict[str, str]:
    """The headers of a request, signed by oauthlib's client half."""
    keys = {
        "client_key": x.app["consumer_key"],
        "client_secret": x.app["consumer_secret"],
        "resource_owner_key": user.oauth1["token"],
        "resource_owner_secret": user.oauth1["token_secret"],
        "timestamp": str(int(x.clock())),
    }
    client = Client(**(keys | changes))
    url = (base or x.url) + path
    _, signed, _ = client.sign(url, method, body=body, headers=headers)
    return signed


async def test_a_signed_request_is_of_its_user(ask, x, ann):
    answer = await ask("GET", "/2/users/me", headers=sign(x, ann, "/2/users/me"))
    assert answer.body["data"]["id"] == ann.id
    assert answer.headers["x-access-level"] == "read-write-directmessages"


async def test_a_bearer_request_shows_no_access_level(ask, ann):
    answer = await ask("GET", "/2/users/me", ann)
    assert "x-access-level" not in answer.headers


@pytest.mark.parametrize(
    "base",
    ["https://api.x.com", "https://api.twitter.com", "HTTPS://API.X.COM:443"],
)
async def test_a_client_with_a_fixed_host_can_be_pointed_here(ask, x, ann, base: str):
    headers = sign(x, ann, "/2/users/me", base=base)
    assert (await ask("GET", "/2/users/me", headers=headers)).status == 200


async def test_another_host_signs_for_another_server(ask, x, ann):
    headers = sign(x, ann, "/2/users/me", base="https://api.example.com")
    answer = await ask("GET", "/2/users/me", headers=headers)
    assert (answer.status, answer.body) == (401, COULD_NOT)


async def test_a_query_is_signed_with_its_commas(ask, x, ann):
    path = "/2/dm_events?dm_event.fields=created_at%2Csender_id&max_results=10"
    answer = await ask("GET", path, headers=sign(x, ann, path))
    assert answer.status == 200
    tampered = path.replace("10", "11")
    answer = await ask("GET", tampered, headers=sign(x, ann, path))
    assert (answer.status, answer.body) == (401, COULD_NOT)


async def test_a_json_body_is_not_signed(ask, x, ann, bob):
    path = f"/2/dm_conversations/with/{bob.id}/messages"
    answer = await ask("POST", path, headers=sign(x, ann, path, "POST"), json={"text": "hello"})
    assert answer.status == 201


async def test_a_form_is_signed_and_only_then_found_to_be_no_json(ask, x, ann, bob):
    path = f"/2/dm_conversations/with/{bob.id}/messages"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = sign(x, ann, path, "POST", body="text=hello", headers=form)
    answer = await ask("POST", path, headers=headers, data=b"text=other")
    assert answer.status == 401
    headers = sign(x, ann, path, "POST", body="text=hello", headers=form)
    answer = await ask("POST", path, headers=headers, data=b"text=hello")
    assert answer.status == 400


async def test_a_nonce_is_used_once(ask, x, ann, clock):
    headers = sign(x, ann, "/2/users/me")
    assert (await ask("GET", "/2/users/me", headers=headers)).status == 200
    again = await ask("GET", "/2/users/me", headers=headers)
    assert (again.status, again.body) == (401, COULD_NOT)
    clock.advance(300)
    assert (await ask("GET", "/2/users/me", headers=headers)).status == 401


async def test_a_nonce_that_came_with_a_wrong_signature_is_not_spent(ask, x, ann):
    wrong = sign(x, ann, "/2/users/me", nonce="n1", client_secret="wrong")
    assert (await ask("GET", "/2/users/me", headers=wrong)).status == 401
    right = sign(x, ann, "/2/users/me", nonce="n1")
    assert (await ask("GET", "/2/users/me", headers=right)).status == 200


@pytest.mark.parametrize(("off", "status"), [(-301, 401), (-300, 200), (300, 200), (301, 401)])
async def test_a_timestamp_may_be_five_minutes_off(ask, x, ann, clock, off: int, status: int):
    headers = sign(x, ann, "/2/users/me", timestamp=str(int(clock()) + off))
    answer = await ask("GET", "/2/users/me", headers=headers)
    assert answer.status == status
    if status == 401:
        assert answer.body == coded(135, "Timestamp out of bounds.")


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"client_key": "other"}, COULD_NOT),
        ({"client_secret": "other"}, COULD_NOT),
        ({"resource_owner_secret": "other"}, COULD_NOT),
        ({"signature_method": "PLAINTEXT"}, COULD_NOT),
        ({"signature_method": "HMAC-SHA256"}, COULD_NOT),
        ({"resource_owner_key": "17-nobody"}, INVALID_TOKEN),
    ],
)
async def test_wrong_keys_are_refused_with_their_code(
    ask, x, ann, changes: dict[str, str], body: dict[str, Any]
):
    answer = await ask("GET", "/2/users/me", headers=sign(x, ann, "/2/users/me", **changes))
    assert (answer.status, answer.body) == (401, body)


@pytest.mark.parametrize("authorization", ["OAuth nonsense", "Basic dTpw", "", "Hello"])
async def test_an_authorization_that_cannot_be_read_is_a_400(ask, authorization: str):
    answer = await ask("GET", "/2/users/me", headers={"Authorization": authorization})
    assert (answer.status, answer.body) == (400, coded(215, "Bad Authentication data."))


async def test_no_credentials_or_an_unknown_token_are_the_plain_401(ask):
    for answer in (
        await ask("GET", "/2/users/me"),
        await ask("GET", "/2/users/me", token="unknown"),
    ):
        assert (answer.status, answer.body) == (401, UNAUTHORIZED)
        assert "x-rate-limit-limit" not in answer.headers


async def test_an_access_token_lives_two_hours(ask, ann, clock):
    assert ann.oauth2["expires_at"] == clock() + 7_200
    clock.advance(7_199)
    assert (await ask("GET", "/2/users/me", ann)).status == 200
    clock.advance(1)
    answer = await ask("GET", "/2/users/me", ann)
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


def test_a_refresh_token_comes_only_with_its_scope(x, ann):
    assert ann.oauth2["refresh_token"]
    assert x.token(ann, scopes=["users.read", "tweet.read"])["refresh_token"] is None


READ = ("dm.read", "tweet.read", "users.read")
WRITE = ("dm.write", *READ)


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/2/dm_events", READ),
        ("GET", "/2/dm_events/17", READ),
        ("GET", "/2/dm_conversations/with/17/dm_events", READ),
        ("GET", "/2/dm_conversations/17-18/dm_events", READ),
        ("POST", "/2/dm_conversations/with/17/messages", WRITE),
        ("POST", "/2/dm_conversations/17-18/messages", WRITE),
        ("POST", "/2/dm_conversations", WRITE),
        ("GET", "/2/users/me", ("tweet.read", "users.read")),
        ("GET", "/2/users/17", ("tweet.read", "users.read")),
        ("GET", "/2/users/by/username/ann", ("tweet.read", "users.read")),
    ],
)
async def test_every_scope_that_an_endpoint_needs_is_asked_for(
    ask, x, ann, method: str, path: str, needed: tuple[str, ...]
):
    token = x.token(ann, scopes=needed)["access_token"]
    answer = await ask(method, path, token=token, json={} if method == "POST" else None)
    assert answer.status in (200, 400, 403)
    assert answer.body != FORBIDDEN
    for scope in needed:
        others = [name for name in (*WRITE, "offline.access") if name != scope]
        token = x.token(ann, scopes=others)["access_token"]
        answer = await ask(method, path, token=token, json={} if method == "POST" else None)
        assert (answer.status, answer.body) == (403, FORBIDDEN)


async def test_sends_need_dm_read_unless_switched_off(emulate):
    ask = await emulate(send_needs_dm_read=False)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    token = ask.x.token(ann, scopes=("dm.write", "tweet.read", "users.read"))["access_token"]
    path = f"/2/dm_conversations/with/{bob.id}/messages"
    assert (await ask("POST", path, token=token, json={"text": "hello"})).status == 201


async def test_the_app_itself_is_told_who_may_ask(ask, x):
    assert x.app_only_token.startswith("AAAAAAAAAAAAAAAAAAAAA")
    assert "%2F" in x.app_only_token
    answer = await ask("GET", "/2/dm_events", token=x.app_only_token)
    assert answer.status == 403
    assert answer.body == {
        "title": "Unsupported Authentication",
        "detail": (
            "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
            "Supported authentication types are "
            "[OAuth 1.0a User Context, OAuth 2.0 User Context]."
        ),
        "type": "https://api.twitter.com/2/problems/unsupported-authentication",
        "status": 403,
    }


async def test_a_token_made_without_the_permission_opens_no_messages(ask, x):
    reader = x.add_user("reader", access_level="read-write")
    answer = await ask("GET", "/2/dm_events", headers=sign(x, reader, "/2/dm_events"))
    assert answer.status == 403
    assert answer.body == {
        "title": "Forbidden",
        "status": 403,
        "detail": (
            "Your client app is not configured with the appropriate oauth1 app permissions "
            "for this endpoint."
        ),
        "type": "https://api.twitter.com/2/problems/oauth1-permissions",
    }
    assert answer.headers["x-access-level"] == "read-write"
    me = await ask("GET", "/2/users/me", headers=sign(x, reader, "/2/users/me"))
    assert me.status == 200


def test_an_oauth1_token_begins_with_the_user(ann):
    assert ann.oauth1["token"].startswith(f"{ann.id}-")


def test_nothing_prints_a_secret(x, ann):
    printed = repr((x, x.users, ann, x.world.user(ann.id), x._authentication.__dict__.keys()))
    secrets = [*x.app.values(), *ann.oauth1.values(), x.app_only_token]
    secrets += [ann.oauth2["access_token"], ann.oauth2["refresh_token"]]
    assert not [secret for secret in secrets if secret in printed]
