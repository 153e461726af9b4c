"""Logging in and staying logged in: client against emulator, over real HTTP."""

import asyncio
import gc
import json
import logging
import re
import traceback
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.driven import drive, server_clock
from xdm_async import (
    App,
    AuthorizationNeeded,
    Forbidden,
    InvalidRequest,
    OAuth2,
    RenewalFailed,
    Unauthorized,
    notices,
)
from xdm_async.emulator import Emulator

from .browser import visit
from .test_driven_time import make_app

CALLBACK = "http://127.0.0.1:8347/callback"


def app_of(x: Emulator, **more) -> App:
    keys = {"base_url": x.url, "redirect_uri": CALLBACK} | x.app
    return App(**keys | more)


def driven_app(x: Emulator, monkeypatch: pytest.MonkeyPatch) -> App:
    make_app(x, monkeypatch)
    monkeypatch.setattr(
        "xdm_async.app.wall_time", lambda: datetime.fromtimestamp(server_clock(), UTC)
    )
    return app_of(x, timeout=5.0)


async def log_in(app: App, username: str, **more):
    login = app.authorize(**more)
    return await login.complete(await visit(login.url, username))


async def test_a_login_by_oauth2_opens_the_account_and_keeps_it(xdm_emulator) -> None:
    x = xdm_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    async with app_of(x) as app:
        account = await log_in(app, "ann")
        assert account.user_id == ann.id
        await account.send(ben.id, "hello")
        (stored,) = await app.accounts()
        assert (stored.user_id, stored.username, stored.kind) == (ann.id, "ann", "oauth2")
        assert "offline.access" in stored.scopes
        assert stored.needs_login is None
        assert (await app.account(ann.id).me()).username == "ann"
    assert [m.sent_text for m in x.messages()] == ["hello"]


async def test_a_public_client_logs_in_without_a_secret(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x, client_secret=None) as app:
        account = await log_in(app, "ann", scopes="dm.read tweet.read users.read offline.access")
        x.expire(ann)
        assert (await account.me()).id == ann.id
    assert x.refreshes_of(ann) == 1


async def test_the_address_asks_for_what_was_said_and_proves_who_asked(xdm_emulator) -> None:
    async with app_of(xdm_emulator) as app:
        login, another = app.authorize(state="a" * 16), app.authorize()
    asked = {key: value for key, [value] in parse_qs(urlsplit(login.url).query).items()}
    assert asked["scope"] == "dm.read dm.write tweet.read users.read media.write offline.access"
    assert "%20" in login.url
    assert asked["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[\w-]{43}", asked["code_challenge"])
    assert (asked["state"], asked["redirect_uri"]) == ("a" * 16, CALLBACK)
    assert another.state != login.state
    assert len(another.state) >= 32
    assert "verifier" not in repr(login)


async def test_where_users_are_sent_follows_the_base_or_is_set_apart(xdm_emulator) -> None:
    at_x = App(client_id="c", redirect_uri=CALLBACK)
    assert at_x.authorize().url.startswith("https://twitter.com/i/oauth2/authorize?")
    apart = App(
        client_id="c", redirect_uri=CALLBACK, authorize_url="https://x.com/i/oauth2/authorize"
    )
    assert apart.authorize().url.startswith("https://x.com/i/oauth2/authorize?")
    here = app_of(xdm_emulator)
    assert here.authorize().url.startswith(f"{xdm_emulator.url}/2/oauth2/authorize?")


async def test_a_callback_with_another_state_exchanges_nothing(xdm_emulator) -> None:
    x = xdm_emulator
    x.add_user("ann")
    async with app_of(x) as app:
        login, other = app.authorize(), app.authorize()
        callback = await visit(login.url, "ann")
        with pytest.raises(InvalidRequest, match="another state"):
            await other.complete(callback)
        with pytest.raises(InvalidRequest, match="another state"):
            await login.complete(callback.replace("state=", "other="))
        assert await app.accounts() == []
        assert (await login.complete(callback)).user_id, "the right one still holds"


async def test_a_denied_consent_is_said_and_overwrites_nothing(xdm_emulator) -> None:
    x = xdm_emulator
    x.add_user("ann")
    async with app_of(x) as app:
        await log_in(app, "ann")
        before = await app.accounts()
        login = app.authorize()
        with pytest.raises(AuthorizationNeeded, match="did not allow it"):
            await login.complete(await visit(login.url, "ann", "cancel"))
        assert await app.accounts() == before


@pytest.mark.parametrize(
    "callback", ["", "nonsense", "http://[", f"{CALLBACK}?code=x", "x" * 20_000]
)
async def test_what_is_no_callback_is_refused(xdm_emulator, callback) -> None:
    async with app_of(xdm_emulator) as app:
        with pytest.raises(InvalidRequest) as caught:
            await app.authorize().complete(callback)
        assert caught.value.argument == "callback_url"
        assert "x" * 100 not in str(caught.value)


def test_a_code_that_is_too_old_or_used_up_says_so() -> None:
    async def main() -> None:
        async with Emulator(clock=server_clock) as x:
            x.add_user("ann")
            async with app_of(x) as app:
                login = app.authorize()
                callback = await visit(login.url, "ann")
                await asyncio.sleep(31)
                with pytest.raises(AuthorizationNeeded, match="30 seconds"):
                    await login.complete(callback)
                login = app.authorize()
                callback = await visit(login.url, "ann")
                await login.complete(callback)
                with pytest.raises(InvalidRequest, match="completed already"):
                    await login.complete(callback)
                assert len(await app.accounts()) == 1

    drive(main)


async def test_wrong_keys_of_the_app_are_not_the_users_fault(xdm_emulator) -> None:
    x = xdm_emulator
    x.add_user("ann")
    async with app_of(x, client_secret="wrong") as app:
        login = app.authorize()
        with pytest.raises(RenewalFailed, match="client_secret"):
            await login.complete(await visit(login.url, "ann"))


async def test_tokens_that_came_are_not_lost_where_the_next_step_fails(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = app.authorize()
        callback = await visit(login.url, "ann")
        x.faults.add("503", "users.me", times=1)
        with pytest.raises(Exception, match="503"):
            await login.complete(callback)
        assert (await login.complete(callback)).user_id == ann.id


async def test_oauth1_by_pin_and_by_callback(xdm_emulator) -> None:
    x = xdm_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    async with app_of(x) as app:
        login = await app.authorize_oauth1()
        pin = re.search(r"\b\d{7}\b", await visit(login.url, "ann"))
        assert pin is not None
        account = await login.complete(f" {pin[0]}\n")
        assert account.user_id == ann.id
        login = await app.authorize_oauth1(callback_url=CALLBACK, sign_in=True)
        assert "/oauth/authenticate?" in login.url
        assert (await login.complete(await visit(login.url, "ben"))).user_id == ben.id
        await account.send(ben.id, "signed")
        kept = {(a.username, a.kind) for a in await app.accounts()}
        assert kept == {("ann", "oauth1"), ("ben", "oauth1")}


async def test_oauth1_a_wrong_pin_a_denial_and_an_address_that_is_not_registered(
    xdm_emulator,
) -> None:
    x = xdm_emulator
    x.add_user("ann")
    async with app_of(x) as app:
        login = await app.authorize_oauth1()
        await visit(login.url, "ann")
        with pytest.raises(AuthorizationNeeded, match="PIN"):
            await login.complete("0000000")
        login = await app.authorize_oauth1(callback_url=CALLBACK)
        with pytest.raises(AuthorizationNeeded, match="did not allow it"):
            await login.complete(await visit(login.url, "ann", "cancel"))
        with pytest.raises(RenewalFailed, match="letter for letter"):
            await app.authorize_oauth1(callback_url="http://127.0.0.1:8347/callback/")
        with pytest.raises(InvalidRequest, match="belongs to another login"):
            await login.complete(f"{CALLBACK}?oauth_token=other&oauth_verifier=1")
        assert await app.accounts() == []


@pytest.mark.parametrize("kind", ["oauth2", "oauth1"])
async def test_revoking_ends_it_at_the_server_and_here(xdm_emulator, kind) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        if kind == "oauth2":
            account = await log_in(app, "ann")
        else:
            login = await app.authorize_oauth1(callback_url=CALLBACK)
            account = await login.complete(await visit(login.url, "ann"))
        await account.me()
        await app.revoke(ann.id)
        assert await app.accounts() == []
        with pytest.raises(AuthorizationNeeded, match=ann.id):
            await account.me()
        with pytest.raises(AuthorizationNeeded, match="not logged in"):
            await app.revoke(ann.id)
        again = await log_in(app, "ann")
        assert (await account.me()).id == again.user_id == ann.id


async def test_revoking_keeps_what_the_server_did_not_revoke(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        await log_in(app, "ann")
        x.faults.add("503", "oauth2.revoke", times=1)
        with pytest.raises(RenewalFailed, match="are kept"):
            await app.revoke(ann.id)
        assert len(await app.accounts()) == 1
        assert await app.forget(ann.id) is True
        assert await app.forget(ann.id) is False


# Staying logged in


async def test_an_expired_token_is_renewed_once_for_all_who_wait(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    seen: list[notices.Notice] = []
    observer = type("Seen", (), {"on": lambda self, notice: seen.append(notice)})()
    async with app_of(x, observer=observer) as app:
        account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
        x.expire(ann)
        await asyncio.gather(*(account.events(limit=1).collect() for _ in range(64)))
    assert x.refreshes_of(ann) == 1
    assert x.stats.refresh_failures == 0
    assert seen.count(notices.Refreshed(ann.id)) == 1


async def test_a_403_renews_nothing_and_sends_nothing_again(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    ben = x.add_user("ben")
    token = x.token(ann, scopes=["users.read", "tweet.read", "offline.access"])
    async with app_of(x) as app:
        account = app.account(OAuth2(token["access_token"], token["refresh_token"]), user_id=ann.id)
        with pytest.raises(Forbidden, match="403"):
            await account.send(ben.id, "hello")
    assert x.stats.refreshes == 0
    assert x.stats.requests_by_endpoint["dm_conversations.send"] == 1


async def test_a_revoked_grant_is_told_for_its_account_alone(xdm_emulator) -> None:
    x = xdm_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    async with app_of(x) as app:
        accounts = [await log_in(app, "ann"), await log_in(app, "ben")]
        x.revoke(ann)
        with pytest.raises(AuthorizationNeeded, match=f"user {ann.id} .@ann.*xdm login"):
            await accounts[0].me()
        assert (await accounts[1].me()).id == ben.id
        holds = {a.user_id: a.needs_login is None for a in await app.accounts()}
        assert holds == {ann.id: False, ben.id: True}


async def test_a_token_without_a_client_id_to_renew_it_is_used_as_it_is(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with App(base_url=x.url) as app:
        account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
        assert (await account.me()).id == ann.id
        x.expire(ann)
        with pytest.raises(Unauthorized):
            await account.me()


def test_who_waits_in_line_for_longer_than_a_token_lives_never_notices(monkeypatch) -> None:
    """It is renewed ahead of its end while they wait: nothing is refused, and the order stays."""

    async def main() -> None:
        async with Emulator({"dm.write": [["user", 2, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            tokens = x.token(ann, expires_in=600)
            async with driven_app(x, monkeypatch) as app:
                pair = OAuth2(tokens["access_token"], tokens["refresh_token"], tokens["expires_at"])
                account = app.account(pair, user_id=ann.id)
                await asyncio.gather(*(account.send(ben.id, str(n)) for n in range(6)))
            assert [m.sent_text for m in x.messages()] == [str(n) for n in range(6)]
            assert x.stats.requests_by_status.get(401, 0) == 0
            assert x.stats.refused_429 == 0
            assert x.refreshes_of(ann) >= 1

    drive(main)


@pytest.mark.slow
def test_one_whose_token_ran_out_in_line_all_the_same_gives_its_turn_back(monkeypatch) -> None:
    """The token endpoint was down until then: nothing is sent with a token that has run out."""

    async def main() -> None:
        async with Emulator({"dm.write": [["user", 2, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            tokens = x.token(ann, expires_in=600)
            x.faults.add("503", "oauth2.token")
            asyncio.get_running_loop().call_later(895, x.faults.clear)
            async with driven_app(x, monkeypatch) as app:
                pair = OAuth2(tokens["access_token"], tokens["refresh_token"], tokens["expires_at"])
                account = app.account(pair, user_id=ann.id)
                await asyncio.gather(*(account.send(ben.id, str(n)) for n in range(9)))
            texts = [m.sent_text for m in x.messages()]
            assert sorted(texts) == [str(n) for n in range(9)]
            assert x.stats.requests_by_status.get(401, 0) == 0
            assert x.stats.refused_429 == 0
            assert x.refreshes_of(ann) >= 1

    drive(main)


def test_max_wait_counts_over_a_renewal_too(monkeypatch) -> None:
    async def main() -> None:
        async with Emulator(clock=server_clock) as x:
            ann = x.add_user("ann")
            x.faults.add("503", "oauth2.token")
            async with driven_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**ann.oauth2), user_id=ann.id).using(max_wait=5)
                x.expire(ann)
                began = server_clock()
                with pytest.raises(RenewalFailed):
                    await account.me()
                assert server_clock() - began <= 6

    drive(main)


def test_a_token_endpoint_that_fails_for_a_while_is_waited_for(monkeypatch) -> None:
    async def main() -> None:
        async with Emulator(clock=server_clock) as x:
            ann = x.add_user("ann")
            x.faults.add("503", "oauth2.token", times=4)
            async with driven_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
                x.expire(ann)
                assert (await account.me()).id == ann.id
            assert x.refreshes_of(ann) == 1

    drive(main)


@pytest.mark.slow
def test_a_machines_clock_ten_minutes_off_costs_one_renewal_at_most(monkeypatch) -> None:
    async def main(off: float) -> None:
        clock = lambda: server_clock() + off  # noqa: E731
        async with Emulator(clock=clock, access_token_life=900) as x:
            ann = x.add_user("ann")
            async with driven_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
                for _ in range(8):
                    await account.me()
                    await asyncio.sleep(250)
            assert x.stats.requests_by_status.get(401, 0) <= 1
            assert x.refreshes_of(ann) <= 4
            assert x.stats.refresh_failures == 0

    for off in (-600.0, 600.0):
        drive(lambda off=off: main(off))


def test_a_watch_goes_on_over_renewals_and_an_outage_of_the_token_endpoint(monkeypatch) -> None:
    async def main() -> None:
        async with Emulator(clock=server_clock, access_token_life=150) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            async with driven_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
                seen: list[str] = []

                async def talk() -> None:
                    for n in range(9):
                        x.deliver(ben, ann, str(n))
                        await asyncio.sleep(60)
                        if n == 3:
                            x.faults.add("503", "oauth2.token")
                            x.expire(ann)
                        if n == 6:
                            x.faults.clear()

                async def watch() -> None:
                    async for event in events:
                        seen.append(event.text)
                        if len(seen) == 9:
                            return

                async with account.watch() as events, asyncio.TaskGroup() as group:
                    group.create_task(talk())
                    group.create_task(watch())
                assert seen == [str(n) for n in range(9)]
            assert x.refreshes_of(ann) >= 2
            assert x.stats.refresh_failures == 0

    drive(main)


# Secrets


def secrets_of(x: Emulator, *users) -> list[str]:
    known = [x.app["client_secret"], x.app["consumer_secret"]]
    for user in users:
        known += [user.oauth2["access_token"], user.oauth2["refresh_token"]]
        known += [user.oauth1["token_secret"], user.oauth1["token"]]
    return known


async def test_no_secret_is_in_a_log_a_repr_or_a_traceback(xdm_emulator, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    x = xdm_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    told: list[str] = []

    def note(*what: object) -> None:
        told.extend(f"{one!r} {one}" for one in what)

    async with app_of(x) as app:
        given = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
        x.expire(ann)
        await given.me()
        login = app.authorize()
        callback = await visit(login.url, "ben")
        code = parse_qs(urlsplit(callback).query)["code"][0]
        account = await login.complete(callback)
        kept = await app._store.vault.grants()
        secrets = [*secrets_of(x, ann, ben), code, login._verifier]
        secrets += [secret for grant in kept for secret in (grant.token, grant.secret)]
        note(app, login, account, given, *kept, *await app.accounts(), app._access._keys)
        x.revoke(ben)
        x.faults.add("html", "oauth2.token", times=1)
        for attempt in (
            account.me(),
            app.authorize().complete(callback),
            app.authorize(state=login.state).complete(callback),
            app.authorize(state=login.state).complete(callback),
            app.account(OAuth2("wrong-token", "wrong-refresh"), user_id="77").send(ben.id, "x"),
        ):
            try:
                await attempt
            except Exception as exc:
                note(exc)
                told.append("".join(traceback.format_exception(exc)))
    gc.collect()
    text = "\n".join([*told, caplog.text, json.dumps([r.getMessage() for r in caplog.records])])
    text += " wrong-token" if "wrong-token" in caplog.text else ""
    for secret in filter(None, secrets):
        assert secret not in text
    assert "wrong-refresh" not in "\n".join(told)
