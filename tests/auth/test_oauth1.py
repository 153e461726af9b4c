"""Signatures: the published vectors, and what a server that verifies them makes of ours."""

import base64
import re
from urllib.parse import quote, unquote

import pytest

from xdm_async import App, Forbidden, OAuth1
from xdm_async.auth.oauth1 import Signature
from xdm_async.auth.signing import Signer, authorizer
from xdm_async.clock import SystemClock
from xdm_async.emulator import Emulator
from xdm_async.errors import InvalidRequest, Unauthorized
from xdm_async.hands import Hands, Road
from xdm_async.testing import ScriptedSender, answered
from xdm_async.transport import Transport
from xdm_async.wire.exchange import Request, Route

CONSUMER = ("xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw")
TOKEN = OAuth1(
    "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
    "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
)
GET = Route("dm_events.list", "GET", "/2/dm_events")
POST = Route("dm_conversations.send", "POST", "/2/dm_conversations/with/:id/messages")
SEND = "/2/dm_conversations/with/944480690/messages"


def parameters_of(header: str) -> dict[str, str]:
    assert header.startswith("OAuth ")
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


def freeze(monkeypatch: pytest.MonkeyPatch, nonce: str, timestamp: int) -> None:
    monkeypatch.setattr("oauthlib.oauth1.rfc5849.generate_nonce", lambda: nonce)
    monkeypatch.setattr("oauthlib.oauth1.rfc5849.generate_timestamp", lambda: str(timestamp))


@pytest.mark.parametrize(
    ("route", "path", "body", "signature"),
    [
        (
            GET,
            "/2/dm_events?max_results=100&dm_event.fields=created_at%2Csender_id",
            None,
            "qLdsEVLuXBk7+8r0WTjB6sdv7aM=",
        ),
        (POST, SEND, b'{"text":"Hello"}', "LA1DI8v7+gMIAT1eL7dJjF68NHE="),
    ],
    ids=["a list of fields", "a JSON body"],
)
def test_the_vectors_are_reproduced(monkeypatch, route, path, body, signature) -> None:
    freeze(monkeypatch, "abc123", 1_700_000_000)
    request = Request(route, path, body)
    header = Signature(TOKEN, *CONSUMER).authorization(request, "https://api.x.com" + path)

    assert parameters_of(header) == {
        "oauth_consumer_key": CONSUMER[0],
        "oauth_nonce": "abc123",
        "oauth_signature": signature,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "1700000000",
        "oauth_token": TOKEN.token,
        "oauth_version": "1.0",
    }


@pytest.mark.parametrize(
    ("host", "signature"),
    [
        ("https://api.x.com", "Ls93hJiZbQ3akF3HF3x1Bz8/zU4="),
        ("https://api.twitter.com", "hCtSmYh+iHYCEqBWrE7C7hYmtUk="),
    ],
)
def test_the_published_vectors_are_reproduced_with_the_form_where_it_is_signed_alike(
    monkeypatch, host: str, signature: str
) -> None:
    """A form's fields and a query's are one list to the signature; we only ever send queries."""
    freeze(monkeypatch, "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", 1_318_622_958)
    status = quote("Hello Ladies + Gentlemen, a signed OAuth request!", safe="")
    url = f"{host}/1.1/statuses/update.json?include_entities=true&status={status}"
    header = Signature(TOKEN, *CONSUMER).authorization(Request(POST, ""), url)

    assert parameters_of(header)["oauth_signature"] == signature


def test_the_body_is_no_part_of_the_signature(monkeypatch) -> None:
    freeze(monkeypatch, "n", 1)
    sign = Signature(TOKEN, *CONSUMER).authorization
    url = "https://api.x.com" + SEND
    bodies = (None, b"", b'{"text":"a"}', b"a=1&b=2", b"\xff\x00")

    assert len({sign(Request(POST, SEND, body), url) for body in bodies}) == 1


async def test_each_attempt_has_a_nonce_and_a_signature_of_its_own() -> None:
    onward = ScriptedSender([answered(429), answered(200), answered(200)])
    signer = Signer(onward, "https://api.x.com")
    request = Request(POST, SEND, b"{}", credentials=Signature(TOKEN, *CONSUMER))

    headers = []
    for _ in range(3):
        await signer.send(request)
        headers.append(parameters_of(onward.requests[-1].authorization))
    assert len({header["oauth_nonce"] for header in headers}) == 3
    assert len({header["oauth_signature"] for header in headers}) == 3


@pytest.mark.parametrize(
    "query",
    [
        "max_results=1",
        "dm_event.fields=id%2Ctext%2Cevent_type&expansions=sender_id%2Creferenced_tweets.id",
        "max_results=7&pagination_token=a%20b%3Ac%2Cd",
        "note=%C3%BCber%20%F0%9F%A6%A6&max_results=1",
        "a=1&a=2&b=&c=%26%3D%25",
        "tilde=~-._&star=%2A",
    ],
)
async def test_a_server_that_verifies_signatures_accepts_what_goes_over_the_wire(query) -> None:
    """It may refuse the parameter, once it knows who asks: a 400, never a 401."""
    async with Emulator() as x:
        user = x.add_user()
        keys = x.app["consumer_key"], x.app["consumer_secret"]
        transport = Transport(x.url, clock=SystemClock())
        signature = Signature(OAuth1(**user.oauth1), *keys)
        request = Request(GET, f"/2/dm_events?{query}", credentials=signature)
        try:
            response = await Signer(transport, x.url).send(request)
        finally:
            await transport.aclose()
    assert response.status in (200, 400)
    assert b"authenticate" not in response.body


async def test_a_user_writes_and_reads_with_an_oauth1_token() -> None:
    text = 'Grüße, "ihr" 100% + : & = ~ 🦦\n'
    async with Emulator() as x:
        ann, bob = x.add_user("ann"), x.add_user("bob")
        keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, **keys) as app:
            account = app.account(OAuth1(**ann.oauth1))
            assert account.user_id == ann.id
            for _ in range(3):
                await account.send(bob.id, text)
            events = await account.events(max_results=2).collect()
            assert (await account.me()).username == "ann"
        assert [event.text for event in events] == [text] * 3
        assert x.stats.requests_by_status.keys() <= {200, 201}


async def test_what_is_signed_is_the_whole_address_that_is_asked(monkeypatch) -> None:
    freeze(monkeypatch, "n", 1)
    onward = ScriptedSender([answered()])
    signature = Signature(TOKEN, *CONSUMER)
    await Signer(onward, "http://gate:8080/x").send(
        Request(GET, "/2/dm_events", credentials=signature)
    )
    (request,) = onward.requests
    whole = "http://gate:8080/x/2/dm_events"
    assert request.authorization == signature.authorization(request, whole)


async def test_a_wrong_secret_is_the_servers_401() -> None:
    async with Emulator() as x:
        user = x.add_user()
        wrong = OAuth1(user.oauth1["token"], "wrong")
        keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, **keys) as app:
            with pytest.raises(Unauthorized) as caught:
                await app.account(wrong).me()
    assert "belong together" in str(caught.value.explanation)


async def test_a_token_without_the_permission_for_messages_is_explained() -> None:
    async with Emulator() as x:
        user = x.add_user(access_level="read-write")
        keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, **keys) as app:
            with pytest.raises(Forbidden) as caught:
                await app.account(OAuth1(**user.oauth1)).events().collect()
    assert "Read and write and Direct message" in str(caught.value.explanation)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"consumer_key": "k"},
        {"consumer_secret": "s"},
        {"consumer_key": "", "consumer_secret": ""},
        {"consumer_key": 5, "consumer_secret": b"s"},
    ],
)
async def test_without_the_apps_keys_an_oauth1_user_is_refused_at_once(keys) -> None:
    async with App(**keys) as app:
        with pytest.raises(InvalidRequest, match="consumer_key and a consumer_secret") as caught:
            app.account(TOKEN)
    assert caught.value.argument == "consumer_key"


async def test_no_text_of_ours_holds_a_key_a_token_or_a_secret(caplog) -> None:
    """Not even oauthlib's debug log, which would tell every signature and token."""
    caplog.set_level("DEBUG")
    async with Emulator() as x:
        ann = x.add_user()
        keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, **keys) as app:
            credentials = OAuth1(**ann.oauth1)
            account = app.account(credentials)
            await account.me()
            shown = [repr(app), repr(account), repr(credentials), str(credentials)]
            shown.append(caplog.text)
            shown += [record.getMessage() for record in caplog.records]
    told = "\n".join(shown)
    for secret in (*ann.oauth1.values(), *keys.values(), "oauth_signature", "oauth_nonce"):
        assert secret not in told


def test_the_authorizer_is_the_one_of_the_credentials() -> None:
    made = authorizer(TOKEN, consumer_key=CONSUMER[0], consumer_secret=CONSUMER[1])
    assert isinstance(made, Signature)
    header = made.authorization(Request(GET, "/x"), "https://api.x.com/x")
    assert len(base64.b64decode(parameters_of(header)["oauth_signature"])) == 20


async def test_the_users_own_link_marks_the_request_as_theirs() -> None:
    onward = ScriptedSender([answered()])
    signature = Signature(TOKEN, *CONSUMER)
    request = Request(GET, "/x")

    async def unknown() -> str:
        raise AssertionError("the id is known")

    await Hands(Road(onward), signature, "370773112", unknown).send(request)
    assert request.user_id == "370773112"
    assert request.credentials is signature
    assert TOKEN.token not in repr(request)
