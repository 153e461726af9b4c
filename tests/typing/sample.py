"""What a typed user writes: checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_type

from xdm_async import (
    Account,
    App,
    BudgetState,
    Event,
    EventStream,
    Fields,
    MessageCreate,
    OAuth1,
    OAuth2,
    Page,
    ParticipantsJoin,
    ParticipantsLeave,
    Refused,
    SentMessage,
    UnknownEvent,
    User,
    plans,
)


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
