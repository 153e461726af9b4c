"""The README's examples, run as they stand against the emulator."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import xdm_async
from tests.flow.browser import visit
from xdm_async.emulator import Emulator

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def example(containing: str) -> str:
    (found,) = [code for code in EXAMPLES if containing in code]
    return str(found)


@pytest.fixture
def at_the_emulator(xdm_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Let ``App()`` find the emulator where it would look for api.x.com."""
    init = xdm_async.App.__init__

    def init_here(self: xdm_async.App, **arguments: Any) -> None:
        init(self, **{"base_url": xdm_emulator.url} | arguments)

    monkeypatch.setattr(xdm_async.App, "__init__", init_here)
    return xdm_emulator


async def test_the_first_minute_sends_and_reads(
    at_the_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    x = at_the_emulator
    user = x.add_user()
    x.add_user(user_id="944480690")
    code = example("asyncio.run(main())").replace("asyncio.run(main())", "")
    names: dict[str, Any] = {}
    exec(code.replace('"…"', repr(user.oauth2["access_token"])), names)
    await names["main"]()

    assert [m.sent_text for m in x.messages()] == ["Hello!"]
    first, *_ = capsys.readouterr().out.splitlines()
    assert x.messages()[0].id in first


async def test_the_fan_out_over_many_accounts_sends_for_each(
    at_the_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    x = at_the_emulator
    users = [x.add_user() for _ in range(20)]
    recipient = x.add_user()
    names: dict[str, Any] = {}
    exec(example("async def greet"), names)
    await names["greet"]({u.id: str(u.oauth2["access_token"]) for u in users}, recipient.id)

    assert sorted(m.sender_id for m in x.messages()) == sorted(u.id for u in users)
    assert "dm.write.app.24h" in capsys.readouterr().out
    assert x.stats.requests == 20


async def test_the_campaign_sends_what_there_is_room_for_and_says_until_when(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = xdm_async.plans.DEFAULT.override({"dm.write.app.24h": 10})
    names: dict[str, Any] = {}
    exec(example("async def campaign"), names)
    async with (
        Emulator() as x,
        xdm_async.App(base_url=x.url, plan=plan, reserve=None) as app,
    ):
        users = [x.add_user() for _ in range(20)]
        recipient, early = x.add_user(), x.add_user()
        for _ in range(5):
            await app.account(xdm_async.OAuth2(**early.oauth2)).send(recipient.id, "early")
        tokens = {u.id: str(u.oauth2["access_token"]) for u in users}
        await names["campaign"](app, tokens, recipient.id)
        *spent, eta = capsys.readouterr().out.splitlines()
        assert x.stats.sent == 10
    assert len(spent) == 15
    assert all("is out of dm.write.app.24h until 20" in line for line in spent)
    assert float(eta) > 0


async def test_the_reading_example_reads(
    at_the_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    x = at_the_emulator
    ann, ben, cat = x.add_user("ann"), x.add_user("ben"), x.add_user("cat")
    x.deliver(ben, ann, "see https://x.com/ben/status/1578900353814519810")
    x.create_group(ben, [ann, cat], "welcome")
    names: dict[str, Any] = {}
    exec(example("async def read"), names)
    async with xdm_async.App() as app:
        await names["read"](app.account(xdm_async.OAuth2(**ann.oauth2), user_id=ann.id))

    out = capsys.readouterr().out
    assert "ben welcome []" in out
    assert "'ann', 'cat'] joined" in out or "'cat', 'ann'] joined" in out
    assert "3 ()" in out


async def test_the_catching_up_example_reads_and_then_reads_what_is_new(
    at_the_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    x = at_the_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    x.deliver(ben, ann, "one")
    names: dict[str, Any] = {}
    exec(example("async def catch_up"), names)
    async with xdm_async.App() as app:
        account = app.account(xdm_async.OAuth2(**ann.oauth2), user_id=ann.id)
        saved = await names["catch_up"](account, None)
        x.deliver(ben, ann, "two")
        x.deliver(ben, ann, "three")
        again = await names["catch_up"](account, saved)
        await names["catch_up"](account, again)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in told] == ["one", "two", "three"]


async def test_the_bot_answers_what_others_write_and_not_itself(
    at_the_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = at_the_emulator
    ann, ben = x.add_user("ann"), x.add_user("ben")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example("async def answer"), names)
    x.deliver(ben, ann, "before")
    answered = asyncio.Event()

    class Listening:
        def on(self, notice: xdm_async.Notice) -> None:
            if isinstance(notice, xdm_async.Settled) and "send" in notice.route:
                answered.set()

    async with xdm_async.App(observer=Listening()) as app:
        account = app.account(xdm_async.OAuth2(**ann.oauth2), user_id=ann.id)
        async with account.watch(checkpoint=Path("bot.position")):
            pass
        x.deliver(ben, ann, "hello")
        bot = asyncio.create_task(names["answer"](account))
        await answered.wait()
        bot.cancel()
        await asyncio.wait([bot])
    assert [m.sent_text for m in x.messages()] == ["before", "hello", "You said: hello"]


async def test_the_login_keeps_an_account_that_another_app_opens(
    at_the_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = at_the_emulator
    ann = x.add_user("ann")
    monkeypatch.chdir(tmp_path)
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"XDM_{name.upper()}", x.app[name])
    names: dict[str, Any] = {}
    exec(example("async def log_in"), names)

    assert await names["log_in"](lambda url: visit(url, "ann")) == ann.id
    async with xdm_async.App.from_env(store="sqlite:xdm.db") as app:
        assert [account.username for account in await app.accounts()] == ["ann"]
        x.expire(ann)
        assert (await app.account(ann.id).me()).id == ann.id


async def test_the_fixture_example_passes(xdm_emulator: Emulator) -> None:
    names: dict[str, Any] = {}
    exec(example("async def test_my_bot"), names)
    await names["test_my_bot"](xdm_emulator)


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 8
