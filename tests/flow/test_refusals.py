"""Refusals of the emulator over real HTTP: each says whose no it is, and what to do about it."""

import pytest

from xdm_async import App, Forbidden, InvalidRequest, OAuth1, OAuth2, Unauthorized
from xdm_async.emulator import Emulator

READING = ["dm.read", "tweet.read", "users.read"]
KEYS = ("consumer_key", "consumer_secret")


@pytest.fixture
async def x():
    async with Emulator() as x:
        yield x


@pytest.fixture
async def app(x):
    async with App(base_url=x.url, **{key: x.app[key] for key in KEYS}) as app:
        yield app


def bearer(user, **known):
    """A token of which nothing else is known, unless it is said."""
    return OAuth2(user.oauth2["access_token"], **known)


async def explained(awaitable, kind=Forbidden):
    with pytest.raises(kind) as info:
        await awaitable
    return info.value.explanation


async def test_a_missing_scope_nobody_knew_of_is_named_by_the_call_that_needs_it(x, app):
    ann, ben = x.add_user("ann", scopes=READING), x.add_user("ben")
    account = app.account(bearer(ann), user_id=ann.id)
    assert await account.events().collect() == []
    explanation = await explained(account.send(ben.id, "hi"))
    assert "dm_conversations.send needs (dm.write dm.read tweet.read users.read)" in explanation
    assert "authorize the app again" in explanation
    assert x.stats.sent == 0


async def test_a_send_is_refused_without_dm_read_and_the_explanation_names_it(x, app):
    ann, ben = x.add_user("ann", scopes=["dm.write", "tweet.read", "users.read"]), x.add_user("ben")
    account = app.account(bearer(ann), user_id=ann.id)
    assert "dm.read" in await explained(account.send(ben.id, "hi"))
    assert "dm_events.list needs (dm.read" in await explained(account.events().collect())


async def test_a_scope_known_to_be_missing_costs_no_request(x, app):
    ann, ben = x.add_user("ann", scopes=READING), x.add_user("ben")
    account = app.account(bearer(ann, scopes=READING), user_id=ann.id)
    with pytest.raises(InvalidRequest, match=r"not granted dm\.write") as info:
        await account.send(ben.id, "hi")
    assert info.value.argument == "credentials"
    assert x.stats.requests == 0
    assert await account.events().collect() == []


async def test_an_app_without_dm_permission_is_told_from_a_missing_scope(x, app):
    ann, ben = x.add_user("ann", access_level="read-write"), x.add_user("ben")
    account = app.account(OAuth1(**ann.oauth1))
    for call in (account.send(ben.id, "hi"), account.events().collect()):
        explanation = await explained(call)
        assert "the token's access level is 'read-write'" in explanation
        assert "'Read and write and Direct message'" in explanation
        assert "authorize it again" in explanation
        assert "scope" not in explanation


@pytest.mark.parametrize("way", ["oauth1", "oauth2"])
async def test_a_closed_recipient_is_not_blamed_on_the_token(x, app, way):
    ann, shut = x.add_user("ann"), x.add_user("shut", accepts_dms=False)
    credentials = OAuth1(**ann.oauth1) if way == "oauth1" else bearer(ann)
    account = app.account(credentials, user_id=ann.id)
    for call in (account.send(shut.id, "hi"), account.create_group([shut.id], "hi")):
        explanation = await explained(call)
        assert "a recipient takes no messages" in explanation
        assert "scope" not in explanation
        assert "authorize" not in explanation


async def test_a_conversation_of_others_is_not_blamed_on_the_token_either(x, app):
    ann, ben, eve = x.add_user("ann"), x.add_user("ben"), x.add_user("eve")
    group = x.create_group(ann, [ben], "welcome").dm_conversation_id
    account = app.account(bearer(eve), user_id=eve.id)
    explanation = await explained(account.send_in(group, "hi"))
    assert "the user may not be in the conversation" in explanation


async def test_an_app_only_token_is_refused_before_it_is_sent(x, app):
    ann = x.add_user("ann")
    account = app.account(OAuth2(x.app_only_token), user_id=ann.id)
    with pytest.raises(InvalidRequest, match="needs a user's token"):
        await account.send(ann.id, "hi")
    assert x.stats.requests == 0


async def test_a_refused_token_says_that_it_has_run_out_or_was_revoked(x, app):
    ben = x.add_user("ben")
    account = app.account(OAuth2("made-up"), user_id=ben.id)
    explanation = await explained(account.send(ben.id, "hi"), Unauthorized)
    assert "invalid, expired or revoked" in explanation


async def test_neither_the_token_nor_the_text_is_in_what_a_refusal_prints(x, app):
    ann, shut = x.add_user("ann"), x.add_user("shut", accepts_dms=False)
    account = app.account(bearer(ann), user_id=ann.id)
    with pytest.raises(Forbidden) as info:
        await account.send(shut.id, "dear diary")
    told = f"{info.value} {info.value!r} {info.value.explanation} {info.value.problems}"
    assert "diary" not in told
    assert ann.oauth2["access_token"] not in told
