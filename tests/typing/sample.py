"""What a typed user writes: checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never, assert_type

from aiolimiter import AsyncLimiter

from xdm_async import (
    Account,
    App,
    Authorization,
    AuthorizationNeeded,
    BudgetExhausted,
    BudgetState,
    Checkpoint,
    Conversation,
    Event,
    EventQuery,
    EventStream,
    Fields,
    LoggingObserver,
    MessageCreate,
    Notice,
    OAuth1,
    OAuth1Authorization,
    OAuth2,
    Observer,
    Page,
    ParticipantsJoin,
    ParticipantsLeave,
    Priority,
    Refused,
    RenewalFailed,
    SentMessage,
    Store,
    StoredAccount,
    StoreFailed,
    TooManyWaiting,
    UnknownEvent,
    User,
    Watch,
    notices,
    plans,
)


class Dashboard:
    """An observer is whatever has such a method."""

    def on(self, notice: Notice) -> None:
        match notice:
            case notices.Queued() | notices.Sent():
                print(notice.route, notice.user_id)
            case notices.Waiting(budget, until):
                assert_type(budget, str | None)
                assert_type(until, datetime | None)
            case notices.Granted(waited):
                assert_type(waited, float)
            case notices.Refused(status, again):
                assert_type((status, again), tuple[int, bool])
            case notices.Settled(status, took, error):
                assert_type(status, int | None)
                assert_type(took, float)
                assert_type(error, str | None)
            case notices.Refreshed(user_id):
                assert_type(user_id, str)
            case _:
                assert_never(notice)


class Kept:
    """A place for a position, of the user's own."""

    def __init__(self) -> None:
        self.position: str | None = None

    async def load(self) -> str | None:
        return self.position

    async def save(self, position: str) -> None:
        self.position = position


async def read(app: App, account: Account) -> None:
    query: EventQuery = {"since": "1585047616894574596", "limit": 5}
    assert_type(account.events_with("1", **query), EventStream)
    stream = account.events(until=datetime.now(UTC), since="1585047616894574596")
    assert_type(stream.position, str)
    assert_type(stream.gap, tuple[datetime, datetime] | None)
    account.events(newer_than=stream.position, max_results=10)
    event = await account.event("1585047616894574596")
    assert_type(event.is_mine, bool)
    assert_type(await event.reply("x"), SentMessage)
    assert_type(event.id.instant, datetime | None)
    assert_type(event.as_json(), dict[str, Any])
    assert_type(event.read_by, str | None)

    conversation = account.conversation("https://x.com/messages/1-2")
    assert_type(conversation, Conversation)
    assert_type(await conversation.send("x"), SentMessage)
    assert_type(conversation.events(limit=1), EventStream)
    assert_type(conversation.watch(), Watch)

    kept: Checkpoint = Kept()
    for checkpoint in (kept, "a name", Path("a.file"), None):
        async with account.watch(checkpoint=checkpoint, share=0.25) as events:
            async for event in events:
                assert_type(event, Event)

    def gone(user_id: str | None, error: Exception) -> None:
        print(user_id, error)

    async with app.watch([account], on_error=gone, checkpoint=Path("folder")) as events:
        assert_type(events, Watch)
        assert_type(await anext(aiter(events)), Event)
    App(naming="current")


async def log_in(app: App, store: Store) -> None:
    login = app.authorize(scopes=["dm.read"], redirect_uri="http://127.0.0.1:8347/callback")
    assert_type(login, Authorization[Account])
    assert_type((login.url, login.state), tuple[str, str])
    try:
        assert_type(await login.complete("http://127.0.0.1:8347/callback?state=s&code=c"), Account)
    except AuthorizationNeeded as needed:
        assert_type((needed.user_id, needed.reason), tuple[str | None, str])
    except RenewalFailed as failed:
        assert_type(failed.user_id, str | None)
    except StoreFailed:
        pass
    pin = await app.authorize_oauth1()
    assert_type(pin, OAuth1Authorization[Account])
    assert_type(await pin.complete("1234567"), Account)
    stored = await app.accounts()
    assert_type(stored, list[StoredAccount])
    assert_type(stored[0].expires_at, datetime | None)
    assert_type(app.account(stored[0].user_id), Account)
    await app.revoke("944480690")
    assert_type(await app.forget(944480690), bool)
    App(store=store, client_id="c", client_secret="s", vault_key=None)
    App(
        store="sqlite:xdm.db",
        vault_key=["new", "old"],
        token_url="https://api.x.com/2/oauth2/token",
    )


async def wait(account: Account, observer: Observer) -> None:
    pace = {Priority.BULK: AsyncLimiter(1, 2)}
    settings = App(
        reserve={Priority.BULK: 0.25}, pace=pace, max_waiting=(100, 1_000), observer=observer
    )
    async with settings as app:
        assert_type(app.eta("944480690", "dm.write", 10, priority=Priority.BULK), float)
    App(reserve=None, pace=AsyncLimiter(10, 1), observer=Dashboard())
    App(observer=LoggingObserver())
    bulk = account.using(priority=Priority.BULK, max_wait=3600, weight=2)
    assert_type(bulk, Account)
    try:
        await bulk.send("1", "x")
    except TooManyWaiting as full:
        assert_type(full.retry_in, float)
    except BudgetExhausted as spent:
        assert_type(spent.budget, str)
        assert_type(spent.owner, str)
        assert_type(spent.retry_at, datetime | None)
        assert_type(spent.max_wait, float | None)


async def use(tokens: Mapping[str, str]) -> None:
    plan = plans.DEFAULT.override({"dm.write.user.15m": 100, "dm.write.app.24h": {"headroom": 50}})
    async with App(consumer_key="k", consumer_secret="s", plan=plan) as app:
        assert_type(app, App)
        account = app.account(OAuth2("token", scopes=("dm.read",)), user_id="944480690")
        assert_type(account, Account)
        app.account(OAuth1(token="1-a", token_secret="b"))

        sent = await account.send("944480690", "Hello!")
        assert_type(sent, SentMessage)
        await account.send_in(sent.dm_conversation_id, "again")
        await account.create_group(["1", "2"], "all of you")

        stream = account.events(event_types=["MessageCreate"], limit=10, fields=Fields.MINIMAL)
        assert_type(stream, EventStream)
        async for event in stream:
            assert_type(event, Event)
            match event:
                case MessageCreate(sender=User(username=name), text=text):
                    assert_type(name, str)
                    print(name, text)
                case ParticipantsJoin(participant_ids=ids) | ParticipantsLeave(participant_ids=ids):
                    print(ids)
                case UnknownEvent(extra=extra):
                    print(extra)
                case _:
                    pass
        async for page in account.events_with("1").pages():
            assert_type(page, Page[Event])
        assert_type(await account.events_in("1-2").collect(), list[Event])
        assert_type(await account.me(), User)
        assert_type(app.budgets(), list[BudgetState])
        assert_type(app.budgets()[0].resets_at, datetime | None)
        try:
            await account.send("1", "x")
        except Refused as refused:
            assert_type(refused.status, int)
