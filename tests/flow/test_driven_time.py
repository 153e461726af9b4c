"""Client against emulator over real HTTP, with the documented windows and driven time."""

import asyncio

import pytest

from tests.driven import EPOCH, DrivenClock, drive, server_clock
from xdm_async import App, OAuth1, OAuth2, plans
from xdm_async.budgets.budget import Plan
from xdm_async.emulator import DOCS_2026, DOCUMENTED, Emulator

SLOW = pytest.mark.slow


def make_app(x: Emulator, monkeypatch: pytest.MonkeyPatch, plan: Plan = plans.DEFAULT) -> App:
    monkeypatch.setattr("xdm_async.app.SystemClock", DrivenClock)
    monkeypatch.setattr(
        "xdm_async.scheduling.scheduler._NAP", 1e6
    )  # the loop's time is the clock's
    monkeypatch.setattr(
        "oauthlib.oauth1.rfc5849.generate_timestamp", lambda: str(int(server_clock()))
    )
    keys = {k: x.app[k] for k in ("consumer_key", "consumer_secret")}
    return App(base_url=x.url, plan=plan, timeout=5.0, **keys)


@pytest.mark.slow
@pytest.mark.parametrize("day_headers", [False, True], ids=["no day headers", "day headers"])
def test_a_day_of_sends_is_never_refused_and_uses_every_unit(
    monkeypatch: pytest.MonkeyPatch, day_headers: bool
) -> None:
    async def main() -> None:
        async with Emulator(clock=server_clock, day_headers=day_headers) as x:
            users = [x.add_user() for _ in range(2)]
            async with make_app(x, monkeypatch) as app:
                accounts = [app.account(OAuth1(**u.oauth1)) for u in users]
                async with asyncio.TaskGroup() as group:
                    for account, other in zip(accounts, reversed(users), strict=True):
                        for n in range(1_200):
                            group.create_task(account.send(other.id, f"message {n}"))

            assert x.stats.refused_429 == 0
            assert x.stats.messages_stored == 2_400
            texts = [m.sent_text for m in x.messages()]
            assert len(texts) == len({(m.sender_id, m.sent_text) for m in x.messages()})
            for user in users:
                mine = [w for w in x.windows() if w.owner == user.id]
                short = [w.used for w in mine if w.budget == "dm.write.user.15m"]
                assert short == [200] * 5 + [200]
                assert [w.used for w in mine if w.budget == "dm.write.user.24h"] == [1_000, 200]

    drive(main)


@pytest.mark.parametrize(
    "day_headers",
    [
        pytest.param(False, id="no day headers"),
        pytest.param(True, id="day headers", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    ("plan", "table"),
    [
        pytest.param(plans.DEFAULT, DOCUMENTED, id="default-documented"),
        pytest.param(plans.DEFAULT, DOCS_2026, id="default-docs 2026", marks=SLOW),
        pytest.param(plans.PAY_PER_USE, DOCUMENTED, id="pay-per-use-documented"),
        pytest.param(plans.PAY_PER_USE, DOCS_2026, id="pay-per-use-docs 2026", marks=SLOW),
    ],
)
def test_any_plan_gets_everything_through_either_table(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, table: object, day_headers: bool
) -> None:
    async def main() -> None:
        async with Emulator(table, clock=server_clock, day_headers=day_headers) as x:  # type: ignore[arg-type]
            users = [x.add_user() for _ in range(3)]
            async with make_app(x, monkeypatch, plan) as app:
                accounts = [app.account(OAuth1(**u.oauth1)) for u in users]
                async with asyncio.TaskGroup() as group:
                    for account, user in zip(accounts, users, strict=True):
                        others = [u.id for u in users if u is not user]
                        sent = await account.send(others[0], "hello")
                        for n in range(60):
                            group.create_task(account.send(others[0], f"1:1 {n}"))
                            group.create_task(account.send_in(sent.dm_conversation_id, f"in {n}"))
                            group.create_task(account.create_group(others, f"group {n}"))
                for account, user in zip(accounts, users, strict=True):
                    events = await account.events(max_results=50).collect()
                    assert [e.id for e in events] == [e.id for e in x.events_of(user.id)][::-1]

            assert x.stats.messages_stored == 3 * 181
            assert max((w.refused for w in x.windows()), default=0) <= 12
            if plan is (plans.DEFAULT if table is DOCUMENTED else plans.PAY_PER_USE):
                assert x.stats.refused_429 == 0

    drive(main)


def test_two_handles_of_one_user_share_its_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        limits = {"dm.write": [["user", 10, 900]]}
        async with Emulator(limits, clock=server_clock) as x:
            user, other = x.add_user(), x.add_user()
            async with make_app(x, monkeypatch) as app:
                by_oauth1 = app.account(OAuth1(**user.oauth1))
                by_oauth2 = app.account(OAuth2(**user.oauth2), user_id=user.id)
                await asyncio.gather(
                    *(h.send(other.id, f"{i}") for i, h in enumerate([by_oauth1, by_oauth2] * 15))
                )
            assert x.stats.refused_429 == 0
            assert [w.used for w in x.windows("dm.write.user.15m")] == [10, 10, 10]

    drive(main)


def test_messages_of_an_account_arrive_in_the_order_they_were_sent_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with Emulator({"dm.write": [["user", 15, 900]]}, clock=server_clock) as x:
            user, other = x.add_user(), x.add_user()
            async with make_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**user.oauth2), user_id=user.id)
                for n in range(40):
                    await account.send(other.id, f"{n}")
            assert [m.sent_text for m in x.messages()] == [f"{n}" for n in range(40)]

    drive(main)


@pytest.mark.slow
def test_a_server_clock_an_hour_off_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Emulator(clock=lambda: server_clock() - 3_600) as x:
            user, other = x.add_user(), x.add_user()
            async with make_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**user.oauth2), user_id=user.id)
                await asyncio.gather(*(account.send(other.id, f"{n}") for n in range(450)))
                assert app.budgets(user.id)[0].resets_at is not None
            assert x.stats.refused_429 == 0
            assert asyncio.get_running_loop().time() < 1_000 + 2 * 905
            assert EPOCH > 0

    drive(main)


def test_cancelled_sends_give_back_their_place_and_the_rest_arrives_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with Emulator({"dm.write": [["user", 20, 900]]}, clock=server_clock) as x:
            user, other = x.add_user(), x.add_user()
            async with make_app(x, monkeypatch) as app:
                account = app.account(OAuth2(**user.oauth2), user_id=user.id)
                tasks = [asyncio.create_task(account.send(other.id, f"{n}")) for n in range(60)]
                await asyncio.gather(*tasks[:20])
                for task in tasks[20:50]:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)

            assert sum(isinstance(r, asyncio.CancelledError) for r in results) == 30
            assert x.stats.refused_429 == 0
            assert sorted(m.sent_text for m in x.messages()) == sorted(
                f"{n}" for n in [*range(20), *range(50, 60)]
            )
            assert [w.used for w in x.windows("dm.write.user.15m")] == [20, 10]

    drive(main)
