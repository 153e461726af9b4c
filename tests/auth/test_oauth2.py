"""Bearer tokens: the header, and what is refused before anything is sent."""

import re

import pytest

from xdm_async import App, Forbidden, InvalidRequest, OAuth2, Unauthorized
from xdm_async.auth.oauth2 import Bearer
from xdm_async.auth.signing import Signer, authorizer
from xdm_async.emulator import Emulator
from xdm_async.endpoints import conversations, events, users
from xdm_async.testing import ScriptedSender, answered
from xdm_async.wire.exchange import Request

ROUTES = [
    conversations.SEND,
    conversations.SEND_IN,
    conversations.CREATE,
    events.LIST,
    events.LIST_WITH,
    events.LIST_IN,
    users.ME,
]


async def test_the_header_is_the_token_as_a_bearer_for_each_attempt() -> None:
    onward = ScriptedSender([answered(), answered()])
    signer = Signer(onward, "https://api.x.com")
    bearer = authorizer(OAuth2("abc.DEF_~+/="), consumer_key=None, consumer_secret=None)
    request = Request(users.ME, "/2/users/me", credentials=bearer)
    await signer.send(request)
    assert request.authorization == "Bearer abc.DEF_~+/="
    request.authorization = "stale"
    await signer.send(request)
    assert request.authorization == "Bearer abc.DEF_~+/="


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_scope_known_to_be_missing_is_refused_by_name(route) -> None:
    for missing in route.scopes:
        rest = [scope for scope in route.scopes if scope != missing]
        with pytest.raises(InvalidRequest) as caught:
            Bearer(OAuth2("a", scopes=rest)).check(route)
        assert caught.value.argument == "credentials"
        assert f"was not granted {missing}:" in str(caught.value)
        assert route.name in str(caught.value)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_all_scopes_or_none_known_are_let_through(route) -> None:
    Bearer(OAuth2("a", scopes=(*route.scopes, "offline.access"))).check(route)
    Bearer(OAuth2("a")).check(route)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_app_only_token_is_refused_everywhere(route) -> None:
    with pytest.raises(InvalidRequest, match="needs a user's token") as caught:
        Bearer(OAuth2("a", app_only=True)).check(route)
    assert caught.value.argument == "credentials"


async def calls(account):
    return [
        account.me(),
        account.send("12", "hi"),
        account.send_in("12-13", "hi"),
        account.create_group(["12"], "hi"),
        account.events().collect(),
        account.events_with("12").collect(),
        account.events_in("12-13").collect(),
    ]


async def test_an_app_only_token_is_refused_before_anything_is_sent() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        flagged = OAuth2("a", app_only=True)
        for credentials in (flagged, OAuth2(x.app_only_token)):
            for account in (app.account(credentials), app.account(credentials, user_id="9")):
                for call in await calls(account):
                    with pytest.raises(InvalidRequest, match="app-only"):
                        await call
        assert x.stats.requests == 0
        assert app.budgets() == []


async def test_missing_scopes_are_refused_before_anything_is_sent() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        user = x.add_user(scopes=("users.read", "tweet.read", "dm.read"))
        account = app.account(OAuth2(**user.oauth2), user_id=user.id)
        with pytest.raises(InvalidRequest, match=r"not granted dm\.write:"):
            await account.send("12", "hi")
        assert x.stats.requests == 0
        assert await account.events().collect() == []


async def test_missing_scopes_that_are_not_known_are_the_servers_to_refuse() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        user = x.add_user(scopes=("users.read", "tweet.read", "dm.read"))
        account = app.account(OAuth2(user.oauth2["access_token"]), user_id=user.id)
        with pytest.raises(Forbidden) as caught:
            await account.send("12", "hi")
        assert "dm.write" in str(caught.value.explanation)


UNSUPPORTED = {
    "title": "Unsupported Authentication",
    "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.",
    "type": "https://api.x.com/2/problems/unsupported-authentication",
    "status": 403,
}


async def test_an_app_only_token_in_disguise_is_explained_from_the_servers_403(
    odd_answers,
) -> None:
    """The emulator's own app-only token looks like one, so it is never sent: this 403 is not."""
    every_page = re.compile(r"https://api\.x\.com/2/dm_events\?.*")
    odd_answers.get(every_page, status=403, payload=UNSUPPORTED)
    async with App() as app:
        account = app.account(OAuth2("looks-like-a-users"), user_id="9")
        with pytest.raises(Forbidden) as caught:
            await account.events().collect()
    assert "app-only token cannot read" in str(caught.value.explanation)


async def test_an_unknown_token_is_the_servers_401() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        with pytest.raises(Unauthorized) as caught:
            await app.account(OAuth2("nobodys-tok-en"), user_id="9").me()
        assert "nobodys-tok-en" not in str(caught.value) + repr(caught.value)
