"""Login by OAuth 2.0 as the fact sheet has it: the page, the codes, the tokens and their end."""

import asyncio
import base64
import shutil
import subprocess
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import pytest

from tests.emulator.browser import Browser, Shown
from xdm_async.emulator import CALLBACKS, EmulatedUser, Emulator
from xdm_async.emulator.codes import challenge_of

CALLBACK = CALLBACKS[0]
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
SCOPE = "dm.read dm.write tweet.read users.read offline.access"
TOKEN_INVALID = {
    "error": "invalid_request",
    "error_description": "Value passed for the token was invalid.",
}
CODE_INVALID = {
    "error": "invalid_request",
    "error_description": "Value passed for the authorization code was invalid.",
}
UNAUTHORIZED_CLIENT = {
    "error": "unauthorized_client",
    "error_description": "Missing valid authorization header",
}


@attrs.frozen
class Client:
    """An App that logs users in at one emulator, with nothing of the package's own client."""

    ask: Any
    browser: Browser

    @property
    def x(self) -> Emulator:
        return self.ask.x

    def url(self, path: str = "/2/oauth2/authorize", **changes: str | None) -> str:
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.x.app["client_id"],
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "state": "the state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        given = {name: value for name, value in (parameters | changes).items() if value is not None}
        return f"{self.x.url}{path}?{urlencode(given, quote_via=quote)}"

    async def open(self, path: str = "/2/oauth2/authorize", **changes: str | None) -> Shown:
        return await self.browser.open(self.url(path, **changes))

    async def code(self, user: str | None = None, **changes: str | None) -> str:
        page = await self.open(**changes)
        back = await self.browser.click(page, "Authorize", user=user)
        assert back.told["state"] == "the state"
        return back.told["code"]

    async def post(self, path: str, basic: bool | str = True, **form: str | None) -> Any:
        headers = {}
        if isinstance(basic, str):
            headers["Authorization"] = basic
        elif basic:
            app = self.x.app
            headers["Authorization"] = basic_of(app["client_id"], app["client_secret"])
        data = {name: value for name, value in form.items() if value is not None}
        return await self.ask("POST", path, headers=headers, data=data)

    async def exchange(self, code: str, /, basic: bool | str = True, **changes: str | None) -> Any:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return await self.post("/2/oauth2/token", basic, **(form | changes))

    async def refresh(self, token: str, basic: bool | str = True, **changes: str | None) -> Any:
        form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.post("/2/oauth2/token", basic, **(form | changes))

    async def status(self, access_token: str) -> int:
        return (await self.ask("GET", "/2/users/me", token=access_token)).status


def basic_of(client_id: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


@pytest.fixture
def client(ask: Any, ann: EmulatedUser, bob: EmulatedUser) -> Client:
    return Client(ask, Browser(ask.session))


# The page


@pytest.mark.parametrize("path", ["/2/oauth2/authorize", "/i/oauth2/authorize"])
async def test_a_user_is_asked_and_says_yes(client: Client, bob, path: str):
    page = await client.open(path)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert [*page.form.options["user"]] == ["@ann", "@bob"]
    assert all(scope in page.text for scope in SCOPE.split())

    back = await client.browser.click(page, "Authorize", user="bob")
    assert back.location.startswith(f"{CALLBACK}?")
    assert back.told.keys() == {"state", "code"}
    tokens = await client.exchange(back.told["code"])
    me = await client.ask("GET", "/2/users/me", token=tokens.body["access_token"])
    assert me.body["data"]["id"] == bob.id


async def test_the_first_user_is_chosen_where_nobody_chooses(client: Client, ann):
    page = await client.open()
    assert page.form.fields["user"] == ann.id


async def test_a_user_says_no(client: Client):
    page = await client.open()
    back = await client.browser.click(page, "Cancel")
    assert back.told == {"error": "access_denied", "state": "the state"}


async def test_a_callback_with_a_query_keeps_it(emulate):
    callback = "https://example.com/callback?from=x"
    ask = await emulate(callbacks=[callback])
    ask.x.add_user("ann")
    client = Client(ask, Browser(ask.session))
    page = await client.open(redirect_uri=callback)
    back = await client.browser.click(page, "Authorize")
    assert back.location.startswith(f"{callback}&")
    assert back.told.keys() == {"from", "state", "code"}


async def test_the_page_holds_no_secret_and_no_script(client: Client, x, ann, bob):
    page = await client.open()
    secrets = [*x.app.values(), *ann.oauth1.values(), *bob.oauth1.values(), x.app_only_token]
    for user in (ann, bob):
        secrets += [user.oauth2["access_token"], user.oauth2["refresh_token"]]
    assert not [secret for secret in secrets if secret in page.text]
    assert "the state" not in page.text
    assert CHALLENGE not in page.text
    assert "<script" not in page.text


async def test_a_page_is_escaped(client: Client, x):
    x.add_user('a"><b>')
    page = await client.open()
    assert "<b>" not in page.text
    assert '@a"><b>' in page.form.options["user"]


async def test_a_browser_gets_no_cookie_and_is_not_taken_for_a_client(client: Client, x):
    page = await client.open()
    assert "set-cookie" not in page.headers
    headers = {"Cookie": "guest_id=1"}
    assert (await client.ask("GET", page.url.removeprefix(x.url), headers=headers)).status == 200
    assert x.stats.cookies_received == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody-else"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?more=1"},
        {"redirect_uri": CALLBACK.replace("127.0.0.1", "localhost")},
        {"redirect_uri": CALLBACK.replace("http:", "https:")},
        {"redirect_uri": CALLBACK.upper()},
    ],
)
async def test_a_stranger_or_a_wrong_address_is_never_sent_on(client: Client, changes: Any):
    page = await client.open(**changes)
    assert page.status == 400
    assert "location" not in page.headers
    form = {"user": client.x.users[0].id, "decision": "authorize"}
    async with client.browser.session.post(page.url, data=form, allow_redirects=False) as posted:
        assert posted.status == 400
        assert "location" not in posted.headers


async def test_www_is_another_address(emulate):
    ask = await emulate(callbacks=["https://www.example.com"])
    client = Client(ask, Browser(ask.session))
    assert (await client.open(redirect_uri="https://www.example.com")).status == 200
    assert (await client.open(redirect_uri="https://example.com")).status == 400


async def test_a_parameter_given_twice_is_shown_and_not_sent_on(client: Client):
    page = await client.browser.open(client.url() + "&redirect_uri=https://elsewhere.example")
    assert (page.status, "location" in page.headers) == (400, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "dm.read user.read"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"scope": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"state": "s" * 501}, "invalid_request"),
    ],
)
async def test_what_else_is_wrong_is_for_the_app_to_hear(client: Client, changes: Any, error: str):
    back = await client.open(**changes)
    assert back.location.startswith(f"{CALLBACK}?")
    assert back.told["error"] == error
    assert back.told["state"] == changes.get("state", "the state")


async def test_a_state_of_500_characters_comes_back_whole(client: Client):
    state = "ß&=%+ #" * 71 + "123"
    assert len(state) == 500
    page = await client.open(state=state)
    back = await client.browser.click(page, "Cancel")
    assert back.told["state"] == state
    without = await client.open(state=None)
    assert without.told["error"] == "invalid_request"
    assert "state" not in without.told


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"decision": "authorize"},
        {"decision": "authorize", "user": "12"},
        {"decision": "sure", "user": "ann"},
    ],
)
async def test_a_decision_of_nobody_is_no_decision(client: Client, form: dict[str, str]):
    async with client.browser.session.post(
        client.url(), data=form or b"", allow_redirects=False
    ) as answer:
        assert answer.status == 400


async def test_an_app_nobody_uses_can_only_be_cancelled(emulate):
    ask = await emulate()
    client = Client(ask, Browser(ask.session))
    page = await client.open()
    assert page.form.options["user"] == {}
    back = await client.browser.click(page, "Cancel")
    assert back.told["error"] == "access_denied"


# Codes


def test_the_challenge_is_that_of_the_rfc():
    assert challenge_of(VERIFIER) == CHALLENGE


async def test_a_code_is_traded_for_tokens(client: Client, clock):
    answer = await client.exchange(await client.code())
    assert answer.status == 200
    assert answer.headers["cache-control"].startswith("no-cache, no-store")
    body = answer.body
    assert body.keys() == {"token_type", "expires_in", "access_token", "scope", "refresh_token"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 7_200, SCOPE)
    clock.advance(7_199)
    assert await client.status(body["access_token"]) == 200
    clock.advance(1)
    assert await client.status(body["access_token"]) == 401


async def test_the_scopes_are_those_the_user_saw(client: Client, bob):
    scope = "tweet.read users.read"
    tokens = (await client.exchange(await client.code(scope=scope))).body
    assert tokens["scope"] == scope
    assert "refresh_token" not in tokens
    assert await client.status(tokens["access_token"]) == 200
    path = f"/2/dm_conversations/with/{bob.id}/dm_events"
    assert (await client.ask("GET", path, token=tokens["access_token"])).status == 403


async def test_a_plain_challenge_is_its_verifier(client: Client):
    for method in ("plain", None):
        changes = {"code_challenge": "challenge", "code_challenge_method": method}
        answer = await client.exchange(await client.code(**changes), code_verifier="challenge")
        assert answer.status == 200
        answer = await client.exchange(await client.code(**changes), code_verifier="other")
        assert answer.status == 400


async def test_a_code_is_good_once(client: Client):
    code = await client.code()
    tokens = (await client.exchange(code)).body
    again = await client.exchange(code)
    assert (again.status, again.body) == (400, CODE_INVALID)
    assert await client.status(tokens["access_token"]) == 200


@pytest.mark.parametrize(("after", "status"), [(29.999, 200), (30, 400)])
async def test_a_code_is_good_for_30_seconds(client: Client, clock, after: float, status: int):
    code = await client.code()
    clock.advance(after)
    assert (await client.exchange(code)).status == status


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        (
            {"redirect_uri": "https://example.com"},
            "Value passed for the redirect uri did not match the uri of the authorization code.",
        ),
        (
            {"code_verifier": CHALLENGE},
            "Value passed for the code verifier did not match the code challenge.",
        ),
    ],
)
async def test_a_code_is_good_only_for_who_asked_for_it(
    client: Client, changes: dict[str, str], description: str
):
    code = await client.code()
    answer = await client.exchange(code, **changes)
    assert answer.status == 400
    assert answer.body == {"error": "invalid_request", "error_description": description}
    assert (await client.exchange(code)).body == CODE_INVALID


@pytest.mark.parametrize("missing", ["grant_type", "code", "redirect_uri", "code_verifier"])
async def test_what_is_missing_is_named_and_spends_no_code(client: Client, missing: str):
    code = await client.code()
    answer = await client.exchange(code, **{missing: None})
    assert answer.status == 400
    assert answer.body["error_description"] == f"Missing required parameter [{missing}]."
    assert (await client.exchange(code)).status == 200


async def test_a_grant_type_of_another_kind_is_refused(client: Client):
    answer = await client.post("/2/oauth2/token", grant_type="password")
    assert (answer.status, answer.body["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b'{"grant_type":"refresh_token"}', "application/json"),
        (b"grant_type=refresh_token&grant_type=x", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(client: Client, data: bytes, media_type: str):
    for path in ("/2/oauth2/token", "/2/oauth2/revoke"):
        answer = await client.ask("POST", path, data=data, headers={"Content-Type": media_type})
        assert (answer.status, answer.body["error"]) == (400, "invalid_request")


# Who the App is


async def test_a_client_shows_its_secret_or_only_its_id(client: Client, x):
    assert (await client.exchange(await client.code())).status == 200
    public = await client.exchange(await client.code(), basic=False, client_id=x.app["client_id"])
    assert public.status == 200


async def test_a_secret_may_come_percent_encoded(client: Client, x):
    encoded = "".join(f"%{ord(letter):02X}" for letter in x.app["client_secret"])
    basic = basic_of(x.app["client_id"], encoded)
    assert (await client.exchange(await client.code(), basic)).status == 200


@pytest.mark.parametrize("with_id", [False, True])
@pytest.mark.parametrize("basic", ["Basic %%%", "Basic", "Bearer {id}", "wrong", ""])
async def test_a_secret_that_is_given_must_be_right(
    client: Client, x, ann, basic: str, with_id: bool
):
    client_id = x.app["client_id"]
    authorization = (
        basic.format(id=client_id) if basic.startswith("B") else basic_of(client_id, basic)
    )
    answer = await client.refresh(
        ann.oauth2["refresh_token"], authorization, client_id=client_id if with_id else None
    )
    assert (answer.status, answer.body) == (401, UNAUTHORIZED_CLIENT)
    assert (x.stats.refreshes, x.stats.refresh_failures) == (0, 1)
    assert (await client.refresh(ann.oauth2["refresh_token"])).status == 200


async def test_a_client_that_is_nobody_is_refused(client: Client, ann):
    refresh_token = ann.oauth2["refresh_token"]
    other = await client.refresh(refresh_token, basic=False, client_id="somebody-else")
    assert (other.status, other.body["error"]) == (401, "unauthorized_client")
    nobody = await client.refresh(refresh_token, basic=False)
    assert (nobody.status, nobody.body["error"]) == (400, "invalid_request")
    two = await client.refresh(refresh_token, client_id="somebody-else")
    assert (two.status, two.body["error"]) == (401, "unauthorized_client")


async def test_a_confidential_app_must_show_its_secret(emulate):
    ask = await emulate(client_type="confidential")
    client = Client(ask, Browser(ask.session))
    token = ask.x.add_user().oauth2["refresh_token"]
    answer = await client.refresh(token, basic=False, client_id=ask.x.app["client_id"])
    assert (answer.status, answer.body) == (401, UNAUTHORIZED_CLIENT)
    assert (await client.refresh(token)).status == 200


async def test_a_public_app_has_no_secret_to_show(emulate):
    ask = await emulate(client_type="public")
    client = Client(ask, Browser(ask.session))
    token = ask.x.add_user().oauth2["refresh_token"]
    answer = await client.refresh(token)
    assert (answer.status, answer.body) == (401, UNAUTHORIZED_CLIENT)
    answer = await client.refresh(token, basic=False, client_id=ask.x.app["client_id"])
    assert answer.status == 200


# Refresh


async def test_a_refresh_brings_a_new_pair_and_spends_the_old_token(client: Client, x, ann):
    old = ann.oauth2
    answer = await client.refresh(old["refresh_token"])
    assert answer.status == 200
    new = answer.body
    assert new["scope"].split() == old["scopes"]
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    again = await client.refresh(old["refresh_token"])
    assert (again.status, again.body) == (400, TOKEN_INVALID)
    assert (await client.refresh(new["refresh_token"])).status == 200
    assert x.refreshes_of(ann) == x.stats.refreshes == 2
    assert x.stats.refresh_failures == 1


async def test_an_old_access_token_outlives_a_refresh_but_not_its_time(client: Client, ann, clock):
    clock.advance(7_000)
    new = (await client.refresh(ann.oauth2["refresh_token"])).body
    assert await client.status(ann.oauth2["access_token"]) == 200
    clock.advance(200)
    assert await client.status(ann.oauth2["access_token"]) == 401
    assert await client.status(new["access_token"]) == 200


@pytest.mark.parametrize("revoking", [False, True])
async def test_whether_a_replay_ends_the_grant_is_a_switch(emulate, revoking: bool):
    ask = await emulate(reuse_revokes_grant=revoking)
    client = Client(ask, Browser(ask.session))
    ann = ask.x.add_user("ann")
    new = (await client.refresh(ann.oauth2["refresh_token"])).body
    assert (await client.refresh(ann.oauth2["refresh_token"])).body == TOKEN_INVALID
    good = 401 if revoking else 200
    assert await client.status(new["access_token"]) == good
    assert (await client.refresh(new["refresh_token"])).status == (400 if revoking else 200)


@pytest.mark.parametrize(("after", "status"), [(179, 200), (181, 400)])
async def test_a_refresh_token_that_lies_unused_expires(
    client: Client, ann, clock, after: int, status: int
):
    clock.advance(86_400 * after)
    assert (await client.refresh(ann.oauth2["refresh_token"])).status == status


async def test_lives_are_settable(emulate, clock):
    ask = await emulate(access_token_life=60, refresh_token_life=600)
    client = Client(ask, Browser(ask.session))
    ann = ask.x.add_user("ann")
    assert ann.oauth2["expires_at"] == clock() + 60
    assert ask.x.token(ann, expires_in=5)["expires_at"] == clock() + 5
    clock.advance(599)
    new = (await client.refresh(ann.oauth2["refresh_token"])).body
    assert new["expires_in"] == 60
    clock.advance(600)
    assert (await client.refresh(new["refresh_token"])).body == TOKEN_INVALID


async def test_a_grant_without_offline_access_is_not_refreshed(client: Client, x, ann):
    token = x.token(ann, scopes=["tweet.read", "users.read"])
    assert (await client.refresh(token["access_token"])).body == TOKEN_INVALID


# The end of a grant


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_any_token_ends_its_grant_and_no_other(client: Client, x, ann, which: str):
    old = ann.oauth2
    new = (await client.refresh(old["refresh_token"])).body
    other = x.token(ann)
    answer = await client.post("/2/oauth2/revoke", token=new[which])
    assert (answer.status, answer.body) == (200, {"revoked": True})
    for access_token in (old["access_token"], new["access_token"]):
        assert await client.status(access_token) == 401
    assert (await client.refresh(new["refresh_token"])).body == TOKEN_INVALID
    assert await client.status(other["access_token"]) == 200


async def test_a_token_nobody_knows_is_revoked_already(client: Client):
    answer = await client.post("/2/oauth2/revoke", token="unknown")
    assert (answer.status, answer.body) == (200, {"revoked": True})
    answer = await client.post("/2/oauth2/revoke")
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


async def test_revoking_takes_an_app_as_well(client: Client, x, ann):
    token = ann.oauth2["access_token"]
    answer = await client.post("/2/oauth2/revoke", basic_of("other", "secret"), token=token)
    assert (answer.status, answer.body) == (401, UNAUTHORIZED_CLIENT)
    assert await client.status(token) == 200
    form = {"token": token, "client_id": x.app["client_id"]}
    assert (await client.post("/2/oauth2/revoke", basic=False, **form)).status == 200
    assert await client.status(token) == 401


async def test_a_user_removes_the_app(client: Client, x, ann, bob):
    more = x.token(ann)
    x.revoke(ann)
    for tokens in (ann.oauth2, more):
        assert await client.status(tokens["access_token"]) == 401
        assert (await client.refresh(tokens["refresh_token"])).body == TOKEN_INVALID
    assert await client.status(bob.oauth2["access_token"]) == 200
    tokens = await client.exchange(await client.code("ann"))
    assert await client.status(tokens.body["access_token"]) == 200


async def test_access_tokens_expire_on_demand_and_can_be_refreshed(client: Client, x, ann, bob):
    x.expire(ann)
    assert await client.status(ann.oauth2["access_token"]) == 401
    assert await client.status(bob.oauth2["access_token"]) == 200
    new = await client.refresh(ann.oauth2["refresh_token"])
    assert await client.status(new.body["access_token"]) == 200
    assert (x.refreshes_of(ann), x.refreshes_of(bob)) == (1, 0)


async def test_a_user_who_is_gone_has_no_code_any_more(client: Client, x, ann):
    code = await client.code("ann")
    x.forget_user(ann)
    assert (await client.exchange(code)).body == CODE_INVALID
    assert (await client.refresh(ann.oauth2["refresh_token"])).body == TOKEN_INVALID


# Around it


async def test_a_login_is_counted_by_name(client: Client, x):
    await client.exchange(await client.code())
    await client.post("/2/oauth2/revoke", token="unknown")
    assert x.stats.requests_by_endpoint == {
        "oauth2.authorize": 2,
        "oauth2.token": 1,
        "oauth2.revoke": 1,
    }
    assert x.stats.requests_by_status == {200: 3, 302: 1}
    assert (await client.ask("GET", "/2/oauth2/token")).status == 404


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"callbacks": "https://example.com"}, "list"),
        ({"callbacks": ["example.com"]}, "whole address"),
        ({"callbacks": ["https://example.com/#here"]}, "whole address"),
        ({"callbacks": [f"https://example.com/{n}" for n in range(11)]}, "at most 10"),
        ({"client_type": "private"}, "confidential, public, either"),
        ({"access_token_life": 0}, "access_token_life"),
        ({"refresh_token_life": float("inf")}, "refresh_token_life"),
    ],
)
def test_an_app_that_cannot_be_registered_is_refused(arguments: dict[str, Any], word: str):
    with pytest.raises(ValueError, match=word):
        Emulator(**arguments)


def test_nothing_printed_holds_a_secret(x, ann):
    grants = x._authentication.grants
    bearer = grants.bearer(ann.oauth2["access_token"])
    printed = repr((bearer, bearer.grant, grants, grants.issue(bearer.grant.user, 0, ["x"])))
    assert ann.oauth2["access_token"] not in printed
    assert ann.oauth2["refresh_token"] not in printed
    assert ":at:" not in printed


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


async def test_a_real_browser_renders_the_page(client: Client):
    found = next((name for name in BROWSERS if shutil.which(name)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    words = [found, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", client.url()]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=60, check=True
    )
    assert '<option value="' in done.stdout
    for word in ("@ann", "@bob", "Authorize", "Cancel"):
        assert word in done.stdout
