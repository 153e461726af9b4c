import asyncio
from typing import Any

import attrs
import pytest

from xdm_async.cli.demo import Setting, run
from xdm_async.cli.progress import Progress

SMALL = Setting(
    accounts=4,
    messages=20,
    send_limit=8,
    send_limit_day=14,
    send_limit_app=13,
    read_limit=6,
    window=1.0,
    day=2.0,
    max_results=10,
)


async def test_every_message_and_every_event_is_there_once_and_nothing_was_refused() -> None:
    """20 sends, at 8 in 1 s and 14 in 2 s, need 2 s at least; reading, at 6 in 1 s, 1 s more."""
    outcome = await run(SMALL)

    assert outcome.failures() == []
    report = outcome.as_json()
    assert report["messages_sent"] == report["messages_stored"] == 4 * 20
    assert report["events_read"] == report["events_expected"] > 4 * 20
    assert report["requests"] > 4 * 20
    assert report["duplicates"] == report["refused_429"] == 0
    assert outcome.lower_bound_seconds >= 2.0 + 1.0
    assert outcome.seconds >= outcome.lower_bound_seconds


@pytest.mark.parametrize("accounts", [2, 3])
@pytest.mark.parametrize("messages", [1, 2, 3])
async def test_the_smallest_demos_hold_too(accounts: int, messages: int) -> None:
    outcome = await run(Setting(accounts=accounts, messages=messages))

    assert outcome.holds
    assert outcome.messages_stored == accounts * messages
    assert outcome.lower_bound_seconds == 0


@pytest.mark.slow
async def test_a_server_stricter_than_it_says_is_not_passed_over() -> None:
    """The app's budget is in no header, so the client finds out by refusals: sent all, failed."""

    @attrs.frozen(kw_only=True)
    class Stricter(Setting):
        def limits(self) -> dict[str, list[list[object]]]:
            limits = super().limits()
            limits["dm.write"][-1] = ["app", 10, 0.5]
            return limits

    outcome = await run(Stricter(accounts=2, messages=12, window=1.0, day=2.0))

    assert outcome.refused_429 > 0
    assert outcome.messages_stored == 24
    assert not outcome.holds


async def test_an_error_is_counted_and_shown_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is too long is refused before it leaves; everything else goes on."""
    from xdm_async.cli import friends

    gather = friends.gather_friends

    def one_writes_too_much(*args: Any, **kwargs: Any) -> list[friends.Friend]:
        found = gather(*args, **kwargs)
        found[0].texts[-1] = "x" * 10_001
        return found

    monkeypatch.setattr("xdm_async.cli.demo.gather_friends", one_writes_too_much)

    outcome = await run(Setting(accounts=2, messages=3))

    assert sum(outcome.errors.values()) == 1
    assert outcome.messages_stored == outcome.messages_sent == 5
    assert any("errors" in failure for failure in outcome.failures())


@pytest.mark.parametrize(
    "moment",
    [
        "windows",
        "budgets",
        "to_send",
        "sent",
        pytest.param("to_read", marks=pytest.mark.slow),
        pytest.param("read", marks=pytest.mark.slow),
    ],
)
async def test_a_cancelled_demo_leaves_nothing_behind(moment: str) -> None:
    reached = asyncio.Event()

    class Watched(Progress):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == moment and value:
                reached.set()

    progress = Watched()
    before = asyncio.all_tasks()
    demo = asyncio.create_task(run(SMALL, progress))
    await reached.wait()

    demo.cancel()
    with pytest.raises(asyncio.CancelledError):
        await demo

    assert asyncio.all_tasks() == before
