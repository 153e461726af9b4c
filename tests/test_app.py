"""App: what it refuses, what it shares between accounts, whom it asks, and how it closes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiolimiter import AsyncLimiter

from xdm_async import (
    App,
    AppClosed,
    BudgetExhausted,
    InvalidPlan,
    InvalidRequest,
    LoggingObserver,
    OAuth1,
    OAuth2,
    Priority,
    TooManyWaiting,
    plans,
)
from xdm_async.emulator import Emulator
from xdm_async.errors import ReadTimeout, Unauthorized

from .transport.servers import Line, answering, serving


def of(user) -> OAuth2:
    return OAuth2(**user.oauth2)


async def until(condition) -> None:
    """Let the loop turn until it is so; not for ever."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


# Arguments


@pytest.mark.parametrize(
    ("argument", "bad"),
    [
        *[("base_url", bad) for bad in (
            "", "api.x.com", "ftp://api.x.com", "https://", "//api.x.com", "https://api.x.com?a=b",
            "https://api.x.com/#x", "https://me:secret@api.x.com", None, 5, b"https://api.x.com",
        )],
        *[("timeout", bad) for bad in (0, -1, float("nan"), float("inf"), True, "30", None)],
        *[("max_connections", bad) for bad in (0, -1, 1.5, True, "9", None)],
        *[("plan", bad) for bad in (None, "default", {}, plans)],
        *[("reserve", bad) for bad in (
            0.5, "half", [], {"bulk": 0.5}, {0: 0.5}, {Priority.BULK: 1.1}, {Priority.BULK: -0.1},
            {Priority.BULK: None}, {Priority.BULK: True}, {Priority.BULK: float("nan")},
        )],
        *[("pace", bad) for bad in (
            1, "1/s", AsyncLimiter, AsyncLimiter(0.5, 1), {"bulk": AsyncLimiter(1, 1)},
            {Priority.BULK: 1}, {Priority.BULK: None},
        )],
        *[("max_waiting", bad) for bad in (
            10, None, (), (1,), (1, 2, 3), (0, 1), (1, 0), (1, 2.0), (True, 1), "10", {1, 2},
        )],
        *[("observer", bad) for bad in (print, "on", object())],
    ],
)  # fmt: skip
def test_an_argument_that_cannot_be_is_refused_by_its_name(argument, bad) -> None:
    with pytest.raises(InvalidRequest) as caught:
        App(**{argument: bad})
    assert str(caught.value).startswith(argument)
    assert caught.value.argument == argument
    assert "secret" not in str(caught.value)


def test_what_is_no_plan_is_an_invalid_plan() -> None:
    with pytest.raises(InvalidPlan, match=r"plan is a Plan, such as plans\.DEFAULT, not str"):
        App(plan="default")  # type: ignore[arg-type]


def test_arguments_go_by_name_and_unknown_ones_are_refused() -> None:
    with pytest.raises(TypeError):
        App("client")  # type: ignore[misc]
    with pytest.raises(TypeError):
        App(pacing=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", "https://api.x.com/", "HTTP://h/x/"])
def test_a_base_is_any_http_address(base_url) -> None:
    assert repr(App(base_url=base_url)).startswith(f"<App at {base_url.rstrip('/')}")


async def test_a_base_with_a_slash_or_a_path_is_asked_right() -> None:
    async with serving(answering) as server:
        for base in (server.url + "/", server.url + "/gate/", server.url + "/gate"):
            async with App(base_url=base) as app:
                with pytest.raises(Exception, match=r"users\.me"):
                    await app.account(OAuth2("a"), user_id="9").me()
        paths = [asked.target.partition("?")[0] for asked in server.asked]
        assert paths == ["/2/users/me", "/gate/2/users/me", "/gate/2/users/me"]


# From the environment


async def test_an_app_is_built_from_the_environment() -> None:
    async with Emulator() as x:
        ann = x.add_user("ann")
        env = {
            "XDM_CLIENT_ID": x.app["client_id"],
            "XDM_CONSUMER_KEY": x.app["consumer_key"],
            "XDM_CONSUMER_SECRET": x.app["consumer_secret"],
            "XDM_BASE_URL": x.url,
            "XDM_PLAN": "pay-per-use",
            "XDM_OTHER": "ignored",
        }
        async with App.from_env(env) as app:
            account = app.account(OAuth1(**ann.oauth1))
            await account.send(x.add_user("bob").id, "hi")
            names = {budget.name for budget in app.budgets()}
            owners = {budget.owner for budget in app.budgets()}
    assert "dm_conversations.send.user.15m" in names
    assert owners == {ann.id, x.app["client_id"]}


def test_the_process_environment_is_the_one_that_is_meant(monkeypatch) -> None:
    monkeypatch.setenv("XDM_BASE_URL", "http://from.env")
    monkeypatch.delenv("XDM_PLAN", raising=False)
    assert "http://from.env" in repr(App.from_env())
    assert "http://given" in repr(App.from_env(base_url="http://given"))


def test_an_empty_variable_says_nothing() -> None:
    assert "https://api.x.com" in repr(App.from_env({"XDM_BASE_URL": "", "XDM_PLAN": ""}))


def test_a_plan_that_nobody_published_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidPlan, match="'defualt'; the nearest one is 'default'"):
        App.from_env({"XDM_PLAN": "defualt"})


# Budgets


async def test_two_handles_of_one_user_share_their_budgets() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        ann, bob = x.add_user(), x.add_user()
        one, two = (
            app.account(of(ann), user_id=ann.id),
            app.account(OAuth2(**x.token(ann)), user_id=ann.id),
        )
        for n in range(4):
            await (one, two)[n % 2].send(bob.id, "hi")
        (short,) = [b for b in app.budgets(ann.id) if b.name == "dm.write.user.15m"]
        assert short.remaining == 196
        (window,) = x.windows("dm.write.user.15m")
    assert (window.owner, window.used) == (ann.id, 4)


async def test_handles_of_one_user_together_never_overrun_a_window() -> None:
    limits = {"dm.write": [("user", 5, 60)]}
    plan = plans.DEFAULT.override({"dm.write.user.15m": {"limit": 5, "window": 60}})
    async with Emulator(limits) as x, App(base_url=x.url, plan=plan) as app:
        ann, bob = x.add_user(), x.add_user()
        handles = [app.account(of(ann), user_id=ann.id) for _ in range(4)]
        sends = [asyncio.create_task(h.send(bob.id, "hi")) for h in handles for _ in range(3)]
        await until(lambda: sum(send.done() for send in sends) == 5)
        (state,) = [b for b in app.budgets(ann.id) if b.name == "dm.write.user.15m"]
        assert (state.state, state.remaining, state.in_flight, state.waiting) == ("known", 0, 0, 7)
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        (state,) = [b for b in app.budgets(ann.id) if b.name == "dm.write.user.15m"]
        assert state.waiting == 0
        assert x.stats.refused_429 == 0
        assert x.stats.sent == 5


async def test_a_snapshot_tells_every_budget_its_owner_and_its_end() -> None:
    async with Emulator() as x, App(base_url=x.url, client_id="my-app") as app:
        assert app.budgets() == []
        ann, bob = x.add_user(), x.add_user()
        before = datetime.now(UTC)
        await app.account(of(ann), user_id=ann.id).send(bob.id, "hi")
        await app.account(of(bob), user_id=bob.id).events().collect()
        named = {(b.name, b.owner): b for b in app.budgets()}
        mine = {b.name for b in app.budgets(ann.id)}
        assert [b.name for b in app.budgets("404")] == ["dm.write.app.24h"]
    assert set(named) == {
        ("dm.write.user.15m", ann.id),
        ("dm.write.user.24h", ann.id),
        ("dm.write.app.24h", "my-app"),
        ("dm.read.user.15m", bob.id),
    }
    assert mine == {"dm.write.user.15m", "dm.write.user.24h", "dm.write.app.24h"}
    short = named["dm.write.user.15m", ann.id]
    assert (short.state, short.limit, short.remaining) == ("known", 200, 199)
    assert (short.in_flight, short.waiting) == (0, 0)
    assert short.resets_at is not None
    assert timedelta(seconds=898) < short.resets_at - before < timedelta(seconds=905)
    day = named["dm.write.user.24h", ann.id]
    assert (day.state, day.limit, day.remaining) == ("rolling", 1_000, 999)
    assert day.resets_at is not None
    assert day.resets_at - before > timedelta(hours=23, minutes=59)


# Manners


@pytest.mark.parametrize(
    ("argument", "rule", "bad"),
    [
        *[("priority", "is Priority.BULK, Priority.NORMAL or Priority.INTERACTIVE", bad)
          for bad in (0, 2, True, "bulk", "BULK", 1.0, Priority)],
        *[("max_wait", "is a finite number of seconds of at least 0", bad)
          for bad in (-1, -0.001, float("nan"), float("inf"), True, "60", 10**400, timedelta(1))],
        *[("weight", "is a number from 0.001 to 1000", bad)
          for bad in (0, -1, 0.0009, 1001, float("nan"), float("inf"), False, "2", 10**400)],
    ],
)  # fmt: skip
def test_manners_that_cannot_be_are_refused_at_once(argument, rule, bad) -> None:
    account = App().account(OAuth2("a"), user_id="9")
    with pytest.raises(InvalidRequest) as caught:
        account.using(**{argument: bad})
    assert str(caught.value).startswith(f"{argument} {rule}, not ")
    assert len(str(caught.value)) < 200
    assert caught.value.argument == argument


def test_other_manners_make_another_handle_and_keep_what_is_left_out() -> None:
    account = App().account(OAuth2("a"), user_id="9")
    bulk = account.using(priority=Priority.BULK, max_wait=0, weight=0.001)
    urgent = bulk.using(priority=Priority.INTERACTIVE)
    heavy = urgent.using(weight=1000, max_wait=3_600)

    def manners(of) -> tuple[Any, ...]:
        said = of._hands.manners
        return said.priority, said.max_wait, said.weight

    assert manners(account) == (Priority.NORMAL, None, 1)
    assert manners(bulk) == (Priority.BULK, 0, 0.001)
    assert manners(urgent) == (Priority.INTERACTIVE, 0, 0.001)
    assert manners(heavy) == (Priority.INTERACTIVE, 3_600, 1000)
    assert manners(heavy.using()) == manners(heavy)
    assert heavy.user_id == "9"


async def test_handles_with_other_manners_share_who_they_are() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann))
        bulk, short = account.using(priority=Priority.BULK), account.using(max_wait=0)
        await asyncio.gather(*(a.send(bob.id, "hi") for a in (bulk, account, bulk)))
        await until(lambda: x.stats.sent == 3)
        assert account.user_id == bulk.user_id == short.user_id == ann.id
        await short.send(bob.id, "hi")
        assert x.stats.requests_by_endpoint["users.me"] == 1


async def test_the_question_who_somebody_is_waits_no_longer_than_whoever_asks() -> None:
    async with Emulator({"users.me": [("user", 1, 900)]}) as x, App(base_url=x.url) as app:
        ann, bob = x.add_user(), x.add_user()
        await app.account(of(ann), user_id=ann.id).me()
        account = app.account(OAuth2(**x.token(ann)))
        short = asyncio.create_task(account.using(max_wait=60).send(bob.id, "now"))
        patient = asyncio.create_task(account.send(bob.id, "whenever"))
        with pytest.raises(BudgetExhausted, match=r"users\.me\.user\.15m' of token [0-9a-f]{8} is"):
            await short
        await until(lambda: any(b.waiting for b in app.budgets()))
        assert not patient.done(), "it asks again, and waits by its own manners"
        assert x.stats.sent == 0
        patient.cancel()


async def test_a_message_that_would_wait_too_long_never_leaves() -> None:
    plan = plans.DEFAULT.override({"dm.write.user.15m": 2})
    async with (
        Emulator({"dm.write": [("user", 2, 900)]}) as x,
        App(base_url=x.url, plan=plan, client_id="my-app") as app,
    ):
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann), user_id=ann.id).using(max_wait=60)
        for text in ("one", "two"):
            await account.send(bob.id, text)
        with pytest.raises(BudgetExhausted) as caught:
            await account.send(bob.id, "three")
        error = caught.value
        assert str(error).startswith(f"budget 'dm.write.user.15m' of user {ann.id} is spent: ")
        assert str(error).endswith(", max_wait is 60 s")
        assert error.retry_at is not None
        assert abs(error.retry_at - datetime.now(UTC) - timedelta(seconds=error.retry_in)) < (
            timedelta(seconds=3)
        )
        assert (x.stats.requests, x.stats.sent) == (2, 2)


async def test_what_is_spent_may_be_the_apps() -> None:
    plan = plans.DEFAULT.override({"dm.write.app.24h": 2})
    async with Emulator() as x, App(base_url=x.url, plan=plan, reserve=None) as app:
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann), user_id=ann.id).using(max_wait=60)
        for text in ("one", "two"):
            await account.send(bob.id, text)
        with pytest.raises(BudgetExhausted, match=r"^budget 'dm\.write\.app\.24h' of the app is"):
            await account.send(bob.id, "three")
        assert x.stats.sent == 2


async def test_a_line_has_an_end() -> None:
    plan = plans.DEFAULT.override({"dm.write.user.15m": 1})
    limits = {"dm.write": [("user", 1, 900)]}
    async with Emulator(limits) as x, App(base_url=x.url, plan=plan, max_waiting=(3, 9)) as app:
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann), user_id=ann.id)
        await account.send(bob.id, "one")
        waiting = [asyncio.create_task(account.send(bob.id, "later")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWaiting, match="the line is full: come again in"):
            await account.send(bob.id, "too many")
        await app.aclose()
        assert {type(e) for e in await asyncio.gather(*waiting, return_exceptions=True)} == {
            AppClosed
        }
        assert x.stats.sent == 1


@pytest.mark.parametrize(
    "reserve",
    [None, {}, dict.fromkeys(Priority, 0), {Priority.INTERACTIVE: 1, Priority.BULK: 0.25}],
)
def test_a_reserve_is_any_share_of_any_priority(reserve) -> None:
    App(reserve=reserve)


async def test_who_observes_is_told_of_every_request_over_the_wire() -> None:
    class Listener:
        def __init__(self) -> None:
            self.told: list[Any] = []

        def on(self, notice: Any) -> None:
            self.told.append(notice)

    listener = Listener()
    async with Emulator() as x, App(base_url=x.url, observer=listener) as app:
        ann, bob = x.add_user(), x.add_user()
        await app.account(of(ann)).send(bob.id, "hi")
        async with (
            aiohttp.ClientSession() as session,
            App(base_url=x.url, session=session, observer=listener) as other,
        ):
            await other.account(of(ann), user_id=ann.id).me()
    names = [type(notice).__name__ for notice in listener.told]
    assert names == ["Queued", "Granted", "Sent", "Settled"] * 3
    assert [n.route for n in listener.told[::4]] == [
        "users.me", "dm_conversations.send", "users.me",
    ]  # fmt: skip
    assert [n.number for n in listener.told] == [1] * 4 + [2] * 4 + [1] * 4
    assert [n.status for n in listener.told[3::4]] == [200, 201, 200]


# When there will be room


async def test_when_there_will_be_room_is_known_before_anything_waits() -> None:
    plan = plans.DEFAULT.override({"dm.write.user.15m": 2})
    limits = {"dm.write": [("user", 2, 900)]}
    async with Emulator(limits) as x, App(base_url=x.url, plan=plan) as app:
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann), user_id=ann.id)
        await account.send(bob.id, "one")
        for name in ("dm.write", "dm_conversations.send"):
            assert app.eta(ann.id, name) == 0
            assert app.eta(int(ann.id), name, 2, priority=Priority.BULK) == pytest.approx(
                902, abs=5
            )
            assert app.eta(ann.id, name, 4) > app.eta(ann.id, name, 3) > 890
        assert x.stats.requests == 1


@pytest.mark.parametrize(
    ("arguments", "argument", "sentence"),
    [
        (("9", "dm.wirte"), "group_or_route", "group_or_route is a group or a route of plan "
            "'default', which has no 'dm.wirte'; the nearest one is 'dm.write'"),
        (("9", "dm_conversation.send"), "group_or_route", "group_or_route is a group or a route of "
            "plan 'default', which has no 'dm_conversation.send'; the nearest one is "
            "'dm_conversations.send'"),
        (("9", None), "group_or_route", "group_or_route is a name of the plan, not None"),
        (("9", "dm.write", 0), "n", "n is a whole number of at least 1, not 0"),
        (("9", "dm.write", True), "n", "n is a whole number of at least 1, not True"),
        (("9", "dm.write", 1.5), "n", "n is a whole number of at least 1, not 1.5"),
        (("@ann", "dm.write"), "user_id", None),
    ],
)  # fmt: skip
def test_room_for_what_does_not_exist_is_refused(arguments, argument, sentence) -> None:
    with pytest.raises(InvalidRequest) as caught:
        App().eta(*arguments)
    assert caught.value.argument == argument
    assert sentence is None or str(caught.value) == sentence
    with pytest.raises(InvalidRequest, match="priority is"):
        App().eta("9", "dm.write", priority=1)  # type: ignore[arg-type]


# Who somebody is


async def test_a_user_who_is_not_known_is_asked_for_once_however_many_calls_there_are() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        ann, bob = x.add_user(), x.add_user()
        one, two = app.account(of(ann)), app.account(of(ann))
        assert one.user_id is None
        assert repr(one) == "<Account not yet identified>"
        await asyncio.gather(*(a.send(bob.id, "hi") for a in (one, two) * 5))
        assert one.user_id == two.user_id == ann.id
        assert repr(one) == f"<Account {ann.id}>"
        third = app.account(of(ann))
        await third.send(bob.id, "hi")
        assert x.stats.requests_by_endpoint["users.me"] == 1
        assert x.stats.sent == 11
        (short,) = [b for b in app.budgets(ann.id) if b.name == "dm.write.user.15m"]
        assert short.remaining == 189


async def test_the_question_goes_on_when_whoever_asked_first_is_cancelled() -> None:
    async with Emulator() as x, App(base_url=x.url) as app:
        ann, bob = x.add_user(), x.add_user()
        account = app.account(of(ann))
        first = asyncio.create_task(account.send(bob.id, "never"))
        second = asyncio.create_task(account.send(bob.id, "hi"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert x.stats.requests_by_endpoint == {"users.me": 1, "dm_conversations.send": 1}
        assert [m.sent_text for m in x.messages()] == ["hi"]


async def test_a_question_that_failed_is_asked_again() -> None:
    async def play(line: Line) -> None:
        for n in range(3):
            asked = await line.request()
            assert asked.target.startswith("/2/users/me")
            if n == 0:
                line.answer(b'{"title":"Unauthorized","status":401}', "401 Unauthorized")
            else:
                line.answer(b'{"data":{"id":"9","name":"n","username":"u"}}')

    async with serving(play) as server, App(base_url=server.url) as app:
        account = app.account(OAuth2("a"))
        calls = [account.me() for _ in range(3)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(f) for f in failed] == [Unauthorized] * 3
        assert account.user_id is None
        assert (await account.me()).id == "9"
        assert account.user_id == "9"
        assert len(server.asked) == 3


async def test_a_question_that_nobody_waits_for_any_more_leaves_no_trace(caplog) -> None:
    """No 'exception was never retrieved', and no warning when the App is closed meanwhile."""

    async def play(line: Line) -> None:
        await line.request()
        await line.never()

    async with serving(play) as server:
        app = App(base_url=server.url, timeout=0.1)
        account = app.account(OAuth2("a"))
        call = asyncio.create_task(account.me())
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await app.aclose()
    assert caplog.records == []


# Closing


async def test_who_waits_when_it_closes_gets_an_error_that_says_so() -> None:
    plan = plans.DEFAULT.override({"dm.write.user.15m": 1})
    async with Emulator({"dm.write": [("user", 1, 900)]}) as x:
        ann, bob = x.add_user(), x.add_user()
        app = App(base_url=x.url, plan=plan)
        account = app.account(of(ann), user_id=ann.id)
        await account.send(bob.id, "first")
        waiting = [asyncio.create_task(account.send(bob.id, "later")) for _ in range(3)]
        await asyncio.sleep(0)
        await app.aclose()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [AppClosed] * 3
        with pytest.raises(AppClosed):
            await account.send(bob.id, "after")
        assert x.stats.sent == 1
        assert x.stats.requests == 1


async def test_what_is_on_its_way_when_it_closes_may_finish() -> None:
    go = asyncio.Event()

    async def play(line: Line) -> None:
        await line.request()
        await go.wait()
        line.answer(b'{"data":{"id":"9","name":"n","username":"u"}}')

    async with serving(play) as server:
        app = App(base_url=server.url)
        call = asyncio.create_task(app.account(OAuth2("a"), user_id="9").me())
        await server.arrived.wait()
        closing = asyncio.create_task(app.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        go.set()
        assert (await call).id == "9"
        await closing


async def test_closing_waits_no_longer_than_the_timeout() -> None:
    async def play(line: Line) -> None:
        await line.request()
        await line.never()

    async with serving(play) as server:
        app = App(base_url=server.url, timeout=0.1)
        call = asyncio.create_task(app.account(OAuth2("a"), user_id="9").me())
        await server.arrived.wait()
        await app.aclose()
        with pytest.raises(ReadTimeout):
            await call


async def test_closing_twice_is_closing_once() -> None:
    async with Emulator() as x:
        app = App(base_url=x.url)
        user = x.add_user()
        await app.account(of(user), user_id=user.id).me()
        await asyncio.gather(app.aclose(), app.aclose())
        await app.aclose()


async def test_an_app_that_is_closed_is_not_entered_again() -> None:
    app = App()
    async with app as entered:
        assert entered is app
    with pytest.raises(AppClosed, match="make a new one"):
        async with app:
            pass


async def test_an_app_that_never_asked_anything_closes_in_silence() -> None:
    await App().aclose()


async def test_an_app_can_be_made_where_no_loop_runs() -> None:
    app = await asyncio.to_thread(App)
    await app.aclose()


async def test_an_app_is_closed_by_an_error_inside() -> None:
    app = App()
    with pytest.raises(KeyError):
        async with app:
            raise KeyError
    with pytest.raises(AppClosed):
        await app.account(OAuth2("a"), user_id="9").me()


async def test_a_session_of_yours_is_used_and_stays_open() -> None:
    async with Emulator() as x, aiohttp.ClientSession() as session:
        user = x.add_user()
        async with App(base_url=x.url, session=session) as app:
            await app.account(of(user), user_id=user.id).me()
        assert not session.closed
        assert session.trace_configs == []


async def test_a_session_of_yours_that_you_closed_is_an_app_that_is_closed() -> None:
    async with Emulator() as x:
        user = x.add_user()
        async with aiohttp.ClientSession() as session:
            app = App(base_url=x.url, session=session)
        with pytest.raises(AppClosed):
            await app.account(of(user), user_id=user.id).me()
        await app.aclose()
        assert x.stats.requests == 0


async def test_nothing_that_is_shown_or_logged_holds_a_secret(caplog) -> None:
    caplog.set_level("DEBUG")
    async with Emulator({"dm.write": [("user", 3, 12)]}) as x:
        ann, bob = x.add_user(), x.add_user()
        keys = {"consumer_key": "ke-y", "consumer_secret": "se-cr-et"}
        async with App(base_url=x.url, observer=LoggingObserver(), **keys) as app:
            account = app.account(of(ann)).using(weight=2)
            shown = [repr(app), repr(account), repr(of(ann))]
            sends = [asyncio.create_task(account.send(bob.id, "hu-sh")) for _ in range(5)]
            await until(lambda: x.stats.sent == 3)
            shown += [repr(app), repr(account), repr(app.budgets())]
            for send in sends:
                send.cancel()
            await asyncio.gather(*sends, return_exceptions=True)
    assert any("queued as NORMAL" in record.getMessage() for record in caplog.records)
    told = "\n".join([*shown, *(record.getMessage() for record in caplog.records)])
    for secret in (*filter(None, ann.oauth2.values()), "se-cr-et", "ke-y", "hu-sh"):
        if isinstance(secret, str):
            assert secret not in told


@pytest.mark.parametrize(
    "bad",
    [
        "http://[bad",
        "http://exa\u2100mple",
        "https://api.x.com\n",
        "https://api.x.com\r\nX-Evil: 1",
        " https://api.x.com",
        "https://api x.com",
        "https://api.x.com:99999",
        "https://api.x.com:abc",
        "https://api.x.com/?",
        "https://api.x.com/#",
        "https://user:secret@api.x.com",
    ],
)
def test_a_base_that_is_no_address_is_refused(bad: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        App(base_url=bad)
    assert caught.value.argument == "base_url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session", 5),
        ("client_id", 5),
        ("client_secret", 5),
        ("redirect_uri", b"http://127.0.0.1"),
        ("trust_env", "no"),
        ("vault_key", 5),
        ("vault_key", [5]),
        ("token_url", "ftp://x.com"),
        ("authorize_url", "https://x.com/?a=b"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=name) as caught:
        App(**{name: value})
    assert caught.value.argument == name


def test_a_store_that_is_not_there_is_refused_and_its_url_not_told() -> None:
    with pytest.raises(InvalidRequest, match="store is 'memory:'") as caught:
        App(store="redis://:secret@example.com")
    assert "secret" not in str(caught.value)
