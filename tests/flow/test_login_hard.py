"""Logins under attack: callbacks that nobody sent, answers that get lost, an App that closes."""

import asyncio
import logging
import pickle
import traceback

import pytest

from xdm_async import App, AppClosed, InvalidRequest, OAuth2, RenewalFailed
from xdm_async.clock import SystemClock
from xdm_async.stores.memory import MemoryStore

from .browser import visit
from .test_login import CALLBACK, app_of, log_in


@pytest.mark.parametrize("status", ["503", "401"])
async def test_a_token_of_oauth1_that_the_server_did_not_invalidate_is_kept(
    xdm_emulator, status
) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = await app.authorize_oauth1(callback_url=CALLBACK)
        await login.complete(await visit(login.url, "ann"))
        if status == "503":
            x.faults.add("503", "oauth1.invalidate_token", times=1)
        else:
            app._access._oauth1._consumer = (x.app["consumer_key"], "wrong")
        with pytest.raises(RenewalFailed, match="were not revoked, and are kept"):
            await app.revoke(ann.id)
        assert [a.user_id for a in await app.accounts()] == [ann.id]
        app._access._oauth1._consumer = (x.app["consumer_key"], x.app["consumer_secret"])
        await app.revoke(ann.id)
        assert await app.accounts() == []


async def test_after_logging_out_the_handle_of_a_pair_brings_nothing_back(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
        await account.me()
        await app.revoke(ann.id)
        with pytest.raises(Exception, match="no tokens of it are kept"):
            await account.me()
        assert await app.accounts() == []


async def test_a_closed_app_opens_nothing_again(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")

    class Counted(MemoryStore):
        opened = 0

        async def open(self) -> None:
            self.opened += 1

    store = Counted()
    async with app_of(x, store=store) as app:
        account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
        other = app.account("12345")
    before = store.opened
    for handle in (account, other):
        with pytest.raises(AppClosed):
            await handle.me()
    assert store.opened == before


@pytest.mark.parametrize("named", [True, False], ids=["user known", "user not known"])
async def test_who_waits_for_tokens_when_the_app_closes_is_told_so(xdm_emulator, named) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    x.faults.add("503", "oauth2.token")
    async with app_of(x) as app:
        pair = OAuth2(**{**ann.oauth2, "expires_at": 1.0})
        waiting = asyncio.ensure_future(app.account(pair, user_id=ann.id if named else None).me())
        while not app._access._grants.outage.wait(SystemClock().now()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(AppClosed):
        await waiting


@pytest.mark.parametrize(
    "twist",
    [
        lambda url: url + "&state=another-state-of-mine",
        lambda url: url + "&code=another-code",
        lambda url: url.replace("state=", "state=another-state-of-mine&state="),
    ],
    ids=["a state after it", "a code after it", "a state before it"],
)
async def test_a_callback_that_says_something_twice_is_refused(xdm_emulator, twist) -> None:
    """RFC 6749, 3.1: parameters must not be included more than once."""
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = app.authorize()
        callback = await visit(login.url, "ann")
        with pytest.raises(InvalidRequest) as caught:
            await login.complete(twist(callback))
        assert "another" not in str(caught.value).replace("another state", "").replace(
            "another one", ""
        )
        account = await login.complete(callback)
        assert account.user_id == ann.id, "the right one still holds"


async def test_a_callback_with_a_fragment_behind_it_is_read(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = app.authorize()
        callback = await visit(login.url, "ann")
        path_and_query = callback.removeprefix("http://127.0.0.1:8347")
        assert (await login.complete(f"{path_and_query}#_=_")).user_id == ann.id


async def test_two_who_complete_one_login_at_once_exchange_its_code_once(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = app.authorize()
        callback = await visit(login.url, "ann")
        first, second = await asyncio.gather(
            login.complete(callback), login.complete(callback), return_exceptions=True
        )
        assert first.user_id == ann.id
        assert isinstance(second, InvalidRequest)


async def test_a_code_that_never_left_can_be_tried_again(xdm_emulator) -> None:
    x = xdm_emulator
    ann = x.add_user("ann")
    async with app_of(x) as app:
        login = app.authorize()
        callback = await visit(login.url, "ann")
        endpoint = app._access._endpoint
        right, endpoint._token_url = endpoint._token_url, "http://127.0.0.1:1/2/oauth2/token"
        with pytest.raises(Exception, match="connect"):
            await login.complete(callback)
        endpoint._token_url = right
        assert (await login.complete(callback)).user_id == ann.id


async def test_what_is_no_user_id_is_not_quoted(xdm_emulator) -> None:
    secret = "Rk9PQkFSLXNlY3JldC10b2tlbi1ub2JvZHktc2VlczoxNzAwMDAwMDAwMDAwOjE6MTpydDox"
    async with app_of(xdm_emulator) as app:
        attempts = [
            lambda: app.account(secret),
            lambda: app.account(OAuth2("a", "b"), user_id=secret),
            lambda: app.authorize(redirect_uri=f"{secret}#"),
            lambda: app.authorize(scopes=[f"{secret} {secret}"]),
            lambda: app.authorize(state=f"{secret}ä"),
            lambda: App(token_url=f"http://user:{secret}@localhost/"),
        ]
        waits = [
            lambda: app.revoke(secret),
            lambda: app.forget(secret),
            lambda: app.authorize().complete(secret),
            lambda: app.authorize().complete(f"{CALLBACK}?error={secret}&state={secret}"),
        ]
        told = []
        for attempt in attempts:
            with pytest.raises(InvalidRequest) as caught:
                attempt()
            told.append(caught.value)
        for wait in waits:
            with pytest.raises(InvalidRequest) as caught:
                await wait()
            told.append(caught.value)
    for exc in told:
        text = "".join(traceback.format_exception(exc)) + repr(pickle.loads(pickle.dumps(exc)))
        assert secret not in "".join(line for line in text.splitlines() if "lambda" not in line)
        assert secret[:12] not in str(exc)


async def test_nothing_of_a_login_is_told_by_what_goes_wrong_below(xdm_emulator, caplog) -> None:
    """Whatever hangs on an exception by ``__cause__`` and ``__context__`` is looked at too."""
    caplog.set_level(logging.DEBUG)
    x = xdm_emulator
    ann = x.add_user("ann")
    told: list[str] = []
    async with app_of(x) as app:
        account = await log_in(app, "ann")
        secrets = [s for g in await app._store.vault.grants() for s in (g.token, g.secret)]
        secrets.append(x.app["client_secret"])
        x.expire(ann)
        x.faults.add("html", "oauth2.token", times=1)
        for url in ("http://127.0.0.1:1/token", "http://nowhere.invalid/token"):
            endpoint = app._access._endpoint
            endpoint._token_url, right = url, endpoint._token_url
            login = app.authorize()
            callback = await visit(login.url, "ann")
            secrets += [callback.partition("code=")[2].partition("&")[0], login._verifier]
            for attempt in (account.using(max_wait=0.1).me(), login.complete(callback)):
                with pytest.raises(Exception) as caught:  # noqa: PT011
                    await attempt
                seen, exc = [], caught.value
                todo = [exc]
                while todo:
                    exc = todo.pop()
                    if exc is not None and exc not in seen:
                        seen.append(exc)
                        todo += [exc.__cause__, exc.__context__]
                told += [f"{exc!r} {exc} {vars(exc)!r}" for exc in seen]
                told.append(repr(pickle.dumps(caught.value)))
            endpoint._token_url = right
    text = "\n".join([*told, caplog.text])
    for secret in secrets:
        assert secret not in text
