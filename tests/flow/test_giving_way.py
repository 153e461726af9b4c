"""A long read of an account that is being watched leaves the watch its share of the budget."""

import asyncio
import statistics

import pytest

from tests.driven import drive, server_clock
from xdm_async import App, BudgetExhausted, OAuth2, Priority
from xdm_async.emulator import Emulator

from .test_driven_time import make_app

PAGES = 320
"""More than a window of reads allows."""


def account_of(app: App, x: Emulator, user):
    return app.account(OAuth2(**x.token(user, expires_in=10**6)), user_id=user.id)


@pytest.mark.slow
def test_a_watch_sees_what_is_new_while_a_whole_history_is_read(monkeypatch) -> None:
    """A history of two windows is read to its end, and no message waits for a window's end."""

    async def main() -> None:
        async with Emulator(clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            for n in range(PAGES):
                x.deliver(ben, ann, f"old {n}")
            async with make_app(x, monkeypatch) as app:
                account = account_of(app, x, ann)
                delays: list[float] = []

                async def talk() -> None:
                    for _ in range(60):
                        await asyncio.sleep(17.0)
                        x.deliver(ben, ann, str(server_clock()))

                async def watch() -> None:
                    async for event in events:
                        delays.append(server_clock() - float(event.text))
                        if len(delays) == 60:
                            return

                async with account.watch() as events, asyncio.TaskGroup() as group:
                    group.create_task(talk())
                    group.create_task(watch())
                    stream = account.events(max_results=1, until=str(10**19 - 1))
                    old = [e async for e in stream if e.text.startswith("old")]
                assert len(old) == PAGES
            gap = 900 / (300 * 0.5)
            assert statistics.median(delays) <= gap
            assert max(delays) <= 3 * gap
            assert x.stats.refused_429 == 0

    drive(main)


@pytest.mark.parametrize(
    ("manners", "waits"),
    [
        ({}, True),
        ({"priority": Priority.BULK}, True),
        ({"priority": Priority.INTERACTIVE}, False),
    ],
    ids=["normal", "bulk", "interactive"],
)
def test_who_is_in_a_hurry_does_not_give_way(monkeypatch, manners, waits) -> None:
    async def main() -> None:
        async with Emulator({"dm.read": [["user", 10, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            for n in range(9):
                x.deliver(ben, ann, str(n))
            async with make_app(x, monkeypatch) as app:
                account = account_of(app, x, ann)
                async with account.watch():
                    began = server_clock()
                    await account.using(**manners).events(max_results=1, limit=8).collect()
                    took = server_clock() - began
        assert (took > 800) == waits

    drive(main)


def test_one_page_does_not_wait_and_what_would_wait_too_long_is_raised(monkeypatch) -> None:
    async def main() -> None:
        async with Emulator({"dm.read": [["user", 10, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            for n in range(9):
                x.deliver(ben, ann, str(n))
            async with make_app(x, monkeypatch) as app:
                account = account_of(app, x, ann).using(max_wait=60)
                async with account.watch():
                    began = server_clock()
                    for _ in range(6):
                        assert len(await account.events(limit=1).collect()) == 1
                    stream = account.events(max_results=1)
                    await anext(stream)
                    with pytest.raises(BudgetExhausted, match="is kept for a watch") as spent:
                        await anext(stream)
                    assert server_clock() - began < 60
                assert spent.value.budget == "dm.read.user.15m"
                assert spent.value.owner == ann.id
                assert 800 < spent.value.retry_in < 901
                assert (await anext(stream)).text == "7"  # nobody watches any more

    drive(main)


def test_a_read_that_gives_way_ends_with_its_app(monkeypatch) -> None:
    async def main() -> None:
        async with Emulator({"dm.read": [["user", 10, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user("ann"), x.add_user("ben")
            for n in range(9):
                x.deliver(ben, ann, str(n))
            async with make_app(x, monkeypatch) as app:
                account = account_of(app, x, ann)
                async with account.watch():
                    reading = asyncio.create_task(account.events(max_results=1).collect())
                    await asyncio.sleep(5.0)
                    assert not reading.done()
                    began = server_clock()
                    await app.aclose()
                    await asyncio.wait([reading])
                    assert server_clock() - began < 60
            assert "AppClosed" in repr(reading.exception())

    drive(main)
