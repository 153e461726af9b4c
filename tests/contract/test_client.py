"""Every request that the client sends, and every answer it gets here, as the files have them."""

from typing import Any

import pytest

from xdm_async import App, Fields, OAuth1, OAuth2, XdmError
from xdm_async.endpoints import conversations, events, users
from xdm_async.wire.exchange import Route

from .worlds import Inhabited, inhabited

ROUTES = [
    value
    for module in (conversations, events, users)
    for value in vars(module).values()
    if isinstance(value, Route)
]
SOME = Fields(expansions=["sender_id"], user=["created_at"], event=["created_at"])


@pytest.fixture
async def world(naming: str):
    here = inhabited(names=naming)
    async with here.x:
        yield here


@pytest.fixture
async def app(world: Inhabited, naming: Any):
    x = world.x
    keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
    async with App(base_url=x.url, naming=naming, **keys) as app:
        yield app


@pytest.fixture(params=["oauth1", "oauth2"])
def account(app: App, world: Inhabited, request: pytest.FixtureRequest):
    if request.param == "oauth1":
        return app.account(OAuth1(**world.ann.oauth1))
    return app.account(OAuth2(**world.ann.oauth2))


def agrees(exchanges: list[Any], openapi: Any, *statuses: int) -> None:
    assert [exchange.answer.status for exchange in exchanges] == [*statuses]
    faults = [(one.method, one.target, fault) for one in exchanges for fault in one.faults(openapi)]
    assert faults == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_in_the_file_and_asks_for_its_scopes(openapi, route: Route):
    path = "/".join("1" if part[:1] == ":" else part for part in route.template.split("/"))
    operation = openapi.operation(route.method, path)
    assert operation is not None
    (scopes,) = [
        set(rule["OAuth2UserToken"])
        for rule in operation.spec["security"]
        if "OAuth2UserToken" in rule
    ]
    assert scopes <= set(route.scopes)


@pytest.mark.parametrize(
    "fields", [Fields.ALL, Fields.MINIMAL, SOME], ids=["all", "minimal", "some"]
)
async def test_a_whole_history(account, world, openapi, exchanges, fields: Fields):
    found = [event async for event in account.events(fields=fields, max_results=4)]
    assert [event.id for event in found] == world.event_ids[::-1]
    pages = len(exchanges) - (account.user_id is None)
    assert pages >= len(world.event_ids) / 4
    agrees(exchanges, openapi, *[200] * len(exchanges))


async def test_the_lists_of_one_conversation(account, world, openapi, exchanges):
    for stream in (
        account.events_with(world.bob.id, event_types=["MessageCreate"]),
        account.events_in(f"{world.ann.id}-{world.bob.id}"),
        account.events_in(world.group, event_types=["ParticipantsJoin", "ParticipantsLeave"]),
    ):
        assert [event async for event in stream]
    agrees(exchanges, openapi, *[200] * len(exchanges))


async def test_sends_and_a_new_group(account, world, openapi, exchanges):
    await account.send(world.bob.id, "Grüße https://example.com")
    await account.send_in(world.group, "to all of you")
    await account.create_group([world.bob.id, world.x.add_user().id], "another group")
    agrees([one for one in exchanges if one.method == "POST"], openapi, 201, 201, 201)


async def test_who_the_account_is(account, world, openapi, exchanges):
    assert (await account.me()).username == "ann"
    agrees(exchanges, openapi, *[200] * len(exchanges))


async def test_one_event(account, world, openapi, exchanges):
    for event_id in world.event_ids:
        assert (await account.event(event_id)).id == event_id
    with pytest.raises(XdmError):
        await account.event("12")
    agrees(exchanges, openapi, *[200] * len(exchanges))


async def test_refusals(world, app, openapi, exchanges):
    x, bob = world.x, world.bob
    shy = x.add_user("shy", accepts_dms=False)
    limited = x.add_user("limited", access_level="read-write")
    scopes = ["dm.read", "tweet.read", "users.read"]
    unscoped = OAuth2(x.token(world.ann, scopes=scopes)["access_token"])
    ann, unknown = OAuth2(**world.ann.oauth2), OAuth2("unknown")
    pair = OAuth1(token=f"{bob.id}-unknown", token_secret="unknown")
    reader = OAuth1(**limited.oauth1)
    for credentials, call, status in (
        (ann, lambda me: me.send(shy.id, "hello"), 403),
        (ann, lambda me: me.send_in("1582103724607971328", "hello"), 403),
        (ann, lambda me: me.create_group([bob.id, "12"], "hello"), 400),
        (unscoped, lambda me: me.send(bob.id, "hello"), 403),
        (reader, lambda me: me.send(bob.id, "hello"), 403),
        (unknown, lambda me: me.me(), 401),
        (pair, lambda me: me.me(), 401),
    ):
        with pytest.raises(XdmError):
            await call(app.account(credentials))
        assert exchanges[-1].answer.status == status
    agrees(exchanges, openapi, *[one.answer.status for one in exchanges])
