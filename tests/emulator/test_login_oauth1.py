"""Login by OAuth 1.0a: request token, page, verifier or PIN, access token, and its end."""

from typing import Any
from urllib.parse import parse_qsl

import attrs
import pytest
from oauthlib.oauth1 import Client as Signer

from tests.emulator.browser import Browser, Shown
from xdm_async.emulator import CALLBACKS, EmulatedUser, Emulator

CALLBACK = CALLBACKS[0]


def coded(code: int, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


COULD_NOT = coded(32, "Could not authenticate you.")
INVALID_TOKEN = coded(89, "Invalid or expired token.")
BAD = coded(215, "Bad Authentication data.")


@attrs.frozen
class Client:
    """An App with its two keys, whose requests are signed by oauthlib's client half."""

    ask: Any
    browser: Browser

    @property
    def x(self) -> Emulator:
        return self.ask.x

    async def post(self, path: str, *, base: str | None = None, **changes: Any) -> Any:
        keys = {
            "client_key": self.x.app["consumer_key"],
            "client_secret": self.x.app["consumer_secret"],
            "timestamp": str(int(self.x.clock())),
        }
        _, headers, _ = Signer(**(keys | changes)).sign((base or self.x.url) + path, "POST")
        return await self.ask("POST", path, headers=headers)

    async def request_token(self, callback: str = CALLBACK) -> dict[str, str]:
        answer = await self.post("/oauth/request_token", callback_uri=callback)
        assert answer.status == 200, answer.raw
        return form_of(answer)

    async def open(self, token: dict[str, str], path: str = "/oauth/authorize") -> Shown:
        url = f"{self.x.url}{path}?oauth_token={token['oauth_token']}"
        return await self.browser.open(url)

    async def access_token(self, token: dict[str, str], verifier: str, **changes: Any) -> Any:
        keys = {
            "resource_owner_key": token["oauth_token"],
            "resource_owner_secret": token["oauth_token_secret"],
            "verifier": verifier,
        }
        return await self.post("/oauth/access_token", **(keys | changes))

    async def me(self, access: dict[str, str]) -> Any:
        path = "/2/users/me"
        signer = Signer(
            self.x.app["consumer_key"],
            client_secret=self.x.app["consumer_secret"],
            resource_owner_key=access["oauth_token"],
            resource_owner_secret=access["oauth_token_secret"],
            timestamp=str(int(self.x.clock())),
        )
        _, headers, _ = signer.sign(self.x.url + path)
        return await self.ask("GET", path, headers=headers)


def form_of(answer: Any) -> dict[str, str]:
    return dict(parse_qsl(answer.raw.decode(), strict_parsing=True))


@pytest.fixture
def client(ask: Any, ann: EmulatedUser, bob: EmulatedUser) -> Client:
    return Client(ask, Browser(ask.session))


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/authenticate"])
async def test_a_user_logs_in_with_a_callback(client: Client, bob, path: str):
    token = await client.request_token()
    assert token.keys() == {"oauth_token", "oauth_token_secret", "oauth_callback_confirmed"}
    assert token["oauth_callback_confirmed"] == "true"

    page = await client.open(token, path)
    back = await client.browser.click(page, "Authorize", user="bob")
    assert back.location.startswith(f"{CALLBACK}?")
    assert back.told.keys() == {"oauth_token", "oauth_verifier"}
    assert back.told["oauth_token"] == token["oauth_token"]

    answer = await client.access_token(token, back.told["oauth_verifier"])
    access = form_of(answer)
    assert access.keys() == {"oauth_token", "oauth_token_secret", "user_id", "screen_name"}
    assert (access["user_id"], access["screen_name"]) == (bob.id, "bob")
    assert access["oauth_token"].startswith(f"{bob.id}-")
    me = await client.me(access)
    assert me.body["data"]["id"] == bob.id
    assert me.headers["x-access-level"] == "read-write-directmessages"


async def test_a_user_logs_in_with_a_pin(client: Client, ann):
    token = await client.request_token("oob")
    shown = await client.browser.click(await client.open(token), "Authorize")
    assert shown.status == 200
    (pin,) = shown.form.codes
    assert len(pin) == 7
    assert pin.isdecimal()
    access = form_of(await client.access_token(token, pin))
    assert access["user_id"] == ann.id
    assert (await client.me(access)).status == 200


async def test_a_user_says_no(client: Client):
    for callback in (CALLBACK, "oob"):
        token = await client.request_token(callback)
        said = await client.browser.click(await client.open(token), "Cancel")
        if callback == "oob":
            assert (said.status, said.form.codes) == (200, [])
        else:
            assert said.told == {"denied": token["oauth_token"]}
        assert (await client.open(token)).status == 400
        answer = await client.access_token(token, "1234567")
        assert (answer.status, answer.body) == (401, INVALID_TOKEN)


@pytest.mark.parametrize("callback", [f"{CALLBACK}/", "https://127.0.0.1:8347/callback", "OOB"])
async def test_a_callback_that_is_not_registered_is_not_approved(client: Client, callback: str):
    answer = await client.post("/oauth/request_token", callback_uri=callback)
    assert answer.status == 403
    (error,) = answer.body["errors"]
    assert error["code"] == 415


async def test_www_is_another_address(emulate):
    ask = await emulate(callbacks=["https://www.example.com"])
    client = Client(ask, Browser(ask.session))
    assert (await client.request_token("https://www.example.com"))["oauth_token"]
    answer = await client.post("/oauth/request_token", callback_uri="https://example.com")
    assert answer.body["errors"][0]["code"] == 415


async def test_a_login_without_a_callback_is_none(client: Client):
    answer = await client.post("/oauth/request_token")
    assert (answer.status, answer.body) == (400, BAD)


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"client_key": "nobody"}, 401, COULD_NOT),
        ({"client_secret": "wrong"}, 401, COULD_NOT),
        ({"base": "https://api.example.com"}, 401, COULD_NOT),
        ({"signature_method": "PLAINTEXT"}, 401, COULD_NOT),
        ({"timestamp": "1600000000"}, 401, coded(135, "Timestamp out of bounds.")),
    ],
)
async def test_a_request_token_is_for_the_app_alone(
    client: Client, changes: dict[str, str], status: int, body: object
):
    answer = await client.post("/oauth/request_token", callback_uri=CALLBACK, **changes)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("authorization", ["", "OAuth nonsense", 'OAuth oauth_nonce="1"'])
async def test_what_is_not_signed_is_refused(client: Client, authorization: str):
    headers = {"Authorization": authorization}
    for path in ("request_token", "access_token"):
        answer = await client.ask("POST", f"/oauth/{path}", headers=headers)
        assert (answer.status, answer.body) == (400, BAD)
    path = "/1.1/oauth/invalidate_token.json"
    assert (await client.ask("POST", path, headers=headers)).body == BAD


@pytest.mark.parametrize("base", ["https://api.x.com", "https://api.twitter.com"])
async def test_a_client_with_a_fixed_host_can_be_pointed_here(client: Client, base: str):
    answer = await client.post("/oauth/request_token", callback_uri="oob", base=base)
    assert answer.status == 200
    token = form_of(answer)
    shown = await client.browser.click(await client.open(token), "Authorize")
    answer = await client.access_token(token, shown.form.codes[0], base=base)
    assert answer.status == 200


async def test_a_nonce_is_used_once_and_not_spent_by_a_wrong_signature(client: Client):
    asked = {"callback_uri": "oob", "nonce": "n1"}
    wrong = await client.post("/oauth/request_token", **asked, client_secret="wrong")
    assert wrong.status == 401
    assert (await client.post("/oauth/request_token", **asked)).status == 200
    again = await client.post("/oauth/request_token", **asked)
    assert (again.status, again.body) == (401, COULD_NOT)


async def test_a_verifier_must_be_the_one_that_was_given(client: Client):
    token = await client.request_token()
    early = await client.access_token(token, "1234567")
    assert (early.status, early.body) == (401, COULD_NOT)
    back = await client.browser.click(await client.open(token), "Authorize")
    wrong = await client.access_token(token, "1234567")
    assert (wrong.status, wrong.body) == (401, COULD_NOT)
    secret = {"resource_owner_secret": "wrong"}
    unsigned = await client.access_token(token, back.told["oauth_verifier"], **secret)
    assert (unsigned.status, unsigned.body) == (401, COULD_NOT)
    assert (await client.access_token(token, back.told["oauth_verifier"])).status == 200


async def test_a_request_token_is_good_for_one_login(client: Client):
    token = await client.request_token()
    page = await client.open(token)
    back = await client.browser.click(page, "Authorize")
    assert (await client.open(token)).status == 400
    assert (await client.browser.click(page, "Authorize")).status == 400
    verifier = back.told["oauth_verifier"]
    assert (await client.access_token(token, verifier)).status == 200
    again = await client.access_token(token, verifier)
    assert (again.status, again.body) == (401, INVALID_TOKEN)


@pytest.mark.parametrize("query", ["", "?oauth_token=unknown", "?oauth_token=1&oauth_token=2"])
async def test_a_page_about_no_request_token_says_so(client: Client, query: str):
    for path in ("/oauth/authorize", "/oauth/authenticate"):
        page = await client.browser.open(f"{client.x.url}{path}{query}")
        assert (page.status, page.form.buttons) == (400, {})


async def test_the_page_holds_no_secret(client: Client, x, ann, bob):
    token = await client.request_token()
    page = await client.open(token)
    secrets = [*x.app.values(), *ann.oauth1.values(), *bob.oauth1.values()]
    secrets.append(token["oauth_token_secret"])
    assert not [secret for secret in secrets if secret in page.text]


async def test_a_token_is_taken_back(client: Client, x, ann):
    keys = {
        "resource_owner_key": ann.oauth1["token"],
        "resource_owner_secret": ann.oauth1["token_secret"],
    }
    path = "/1.1/oauth/invalidate_token.json"
    wrong = await client.post(path, **(keys | {"resource_owner_secret": "wrong"}))
    assert (wrong.status, wrong.body) == (401, COULD_NOT)
    answer = await client.post(path, **keys)
    assert (answer.status, answer.body) == (200, {"access_token": ann.oauth1["token"]})
    access = {
        "oauth_token": ann.oauth1["token"],
        "oauth_token_secret": ann.oauth1["token_secret"],
    }
    for answer in (await client.me(access), await client.post(path, **keys)):
        assert (answer.status, answer.body) == (401, INVALID_TOKEN)
    assert (await client.ask("GET", "/2/users/me", ann)).status == 200


async def test_a_bearer_token_invalidates_nothing(client: Client, ann):
    answer = await client.ask("POST", "/1.1/oauth/invalidate_token.json", ann)
    assert (answer.status, answer.body) == (400, BAD)
    assert (await client.ask("GET", "/2/users/me", ann)).status == 200


async def test_a_user_who_removes_the_app_ends_these_too(client: Client, x, ann):
    x.revoke(ann)
    access = {
        "oauth_token": ann.oauth1["token"],
        "oauth_token_secret": ann.oauth1["token_secret"],
    }
    assert (await client.me(access)).body == INVALID_TOKEN


async def test_a_user_who_is_gone_has_allowed_nothing(client: Client, x):
    token = await client.request_token()
    back = await client.browser.click(await client.open(token), "Authorize", user="ann")
    x.forget_user(x.users[0])
    answer = await client.access_token(token, back.told["oauth_verifier"])
    assert (answer.status, answer.body) == (401, INVALID_TOKEN)


async def test_a_login_is_counted_by_name(client: Client, x):
    token = await client.request_token()
    back = await client.browser.click(await client.open(token, "/oauth/authenticate"), "Authorize")
    await client.access_token(token, back.told["oauth_verifier"])
    assert x.stats.requests_by_endpoint == {
        "oauth1.request_token": 1,
        "oauth1.authenticate": 2,
        "oauth1.access_token": 1,
    }
