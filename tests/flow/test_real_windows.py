"""Client against emulator over real HTTP in real time: windows of 12 seconds, waited out."""

import asyncio

import pytest

from xdm_async import App, OAuth1, OAuth2, plans
from xdm_async.emulator import Emulator


@pytest.mark.slow
async def test_windows_of_twelve_seconds_are_used_to_the_last_unit_and_never_refused() -> None:
    limits = {
        "dm.write": [["user", 20, 12], ["user", 50, 24], ["app", 90, 36]],
        "dm.read": [["user", 5, 12]],
    }
    plan = plans.DEFAULT.override(
        {
            "dm.write.user.15m": {"limit": 20, "window": 12},
            "dm.write.user.24h": {"limit": 50, "window": 24},
            "dm.write.app.24h": {"limit": 90, "window": 36},
            "dm.read.user.15m": {"limit": 5, "window": 12},
        }
    )
    async with Emulator(limits) as x:
        users = [x.add_user() for _ in range(2)]
        keys = {name: x.app[name] for name in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, plan=plan, **keys) as app:
            accounts = [
                app.account(OAuth2(**users[0].oauth2), user_id=users[0].id),
                app.account(OAuth1(**users[1].oauth1)),
            ]
            async with asyncio.TaskGroup() as group:
                for account, other in zip(accounts, reversed(users), strict=True):
                    for n in range(60):
                        group.create_task(account.send(other.id, f"message {n}"))
            events = [await a.events(max_results=20).collect() for a in accounts]

        assert x.stats.refused_429 == 0
        assert x.stats.messages_stored == 120
        assert [len({e.id for e in mine}) for mine in events] == [120, 120]
        for user in users:
            short = [w for w in x.windows("dm.write.user.12s") if w.owner == user.id]
            assert [w.used for w in short][:2] == [20, 20]
        assert [w.used for w in x.windows("dm.write.app.36s")] == [90, 30]
