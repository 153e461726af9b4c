"""Watching the emulator over real HTTP, through the whole road, under driven time."""

import asyncio
import contextlib
import itertools
import signal
import sys
from pathlib import Path
from random import Random

import attrs
import pytest

from tests.driven import DrivenClock, drive, server_clock
from xdm_async import App, AppClosed, OAuth2, Unauthorized
from xdm_async.emulator import Emulator
from xdm_async.reading import live_source
from xdm_async.stores import FileCheckpoint, keeper
from xdm_async.stores.memory import MemoryCheckpoints
from xdm_async.streams.watch import Watch

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def app_for(monkeypatch):
    monkeypatch.setattr("xdm_async.app.SystemClock", DrivenClock)
    monkeypatch.setattr("xdm_async.scheduling.scheduler._NAP", 1e6)
    return lambda x: App(base_url=x.url, timeout=5.0)


def source(app, user, **how):
    account = app.account(OAuth2(**user.oauth2), user_id=user.id)
    return live_source(account._hands, **how)


def watching(*sources, **how):
    how = {"clock": DrivenClock(), "chance": Random(0), "many": len(sources) > 1} | how
    return Watch(sources, **how)


async def take(events, count):
    async with asyncio.timeout(100_000):  # by driven time: what never comes is missed at once
        return [(await anext(events)).id for _ in range(count)]


@pytest.mark.parametrize(
    "moods",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"list_lag": (0.0, 30.0), "short_pages": 0.4},
        pytest.param({"filter_after_cut": True}, marks=pytest.mark.slow),
    ],
    ids=["plain", "late and short", "filter after the cut"],
)
def test_a_burst_of_350_comes_whole_and_once(app_for, moods):
    async def main():
        async with Emulator(clock=server_clock, **moods) as x:
            ann, ben = x.add_user(), x.add_user()
            for n in range(120):
                x.deliver(ben, ann, f"before {n}")
            await asyncio.sleep(60)
            async with app_for(x) as app, watching(source(app, ann)) as events:
                written = [x.deliver(ben, ann, f"{n}").dm_event_id for n in range(350)]
                got = await take(events, 350)
                assert sorted(got) == written
                if not moods:
                    assert got == written
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(100):
                        await anext(events)
            assert x.stats.refused_429 == 0

    drive(main)


def test_an_event_is_replied_to_by_the_account_that_watches(app_for):
    async def main():
        async with Emulator(clock=server_clock) as x:
            ann, ben = x.add_user(), x.add_user()
            async with app_for(x) as app, watching(source(app, ann)) as events:
                x.deliver(ben, ann, "hello")
                event = await anext(events)
                assert not event.is_mine
                await event.reply("You said: hello")
                answer = await anext(events)
                assert answer.is_mine
            assert x.messages()[-1].sent_text == "You said: hello"

    drive(main)


def test_one_conversation_is_watched_by_itself(app_for):
    async def main():
        async with Emulator(clock=server_clock) as x:
            ann, ben, cleo = x.add_user(), x.add_user(), x.add_user()
            async with (
                app_for(x) as app,
                watching(source(app, ann, participant_id=ben.id)) as events,
            ):
                x.deliver(cleo, ann, "not this one")
                written = x.deliver(ben, ann, "this one").dm_event_id
                assert await take(events, 1) == [written]

    drive(main)


def test_a_token_that_dies_in_the_middle_of_a_walk_costs_no_event(app_for):
    async def main():
        async with Emulator(clock=server_clock, token_life=30) as x:
            ann, ben = x.add_user(), x.add_user()
            written = [x.deliver(ben, ann, f"{n}").dm_event_id for n in range(350)]
            async with app_for(x) as app:
                whole, slept = source(app, ann), []

                async def fetch(token):
                    if token is not None and not slept:
                        slept.append(await asyncio.sleep(60))
                    return await whole.fetch(token)

                async with watching(attrs.evolve(whole, fetch=fetch), since=1) as events:
                    assert await take(events, 350) == written
            assert x.stats.requests_by_status[400] == 1

    drive(main)


def test_of_two_accounts_one_without_a_valid_token_is_told_and_the_other_goes_on(app_for):
    async def main():
        async with Emulator(clock=server_clock) as x:
            ann, ben = x.add_user(), x.add_user()
            async with app_for(x) as app:
                revoked = app.account(OAuth2("revoked"), user_id=ben.id)
                told = []
                watch = watching(
                    source(app, ann),
                    live_source(revoked._hands),
                    on_error=lambda user_id, error: told.append((user_id, type(error))),
                )
                async with watch as events:
                    written = x.deliver(ben, ann, "hello").dm_event_id
                    assert await take(events, 1) == [written]
                assert told == [(ben.id, Unauthorized)]

    drive(main)


def test_accounts_are_asked_who_they_are_once(app_for):
    async def main():
        async with Emulator(clock=server_clock) as x:
            users = [x.add_user() for _ in range(5)]
            async with app_for(x) as app:
                sources = [live_source(app.account(OAuth2(**user.oauth2))._hands) for user in users]
                async with watching(*sources) as events:
                    written = {
                        x.deliver(a, b, "hello").dm_event_id for a, b in itertools.pairwise(users)
                    }
                    # Who sends sees it, and who gets it.
                    assert set(await take(events, 8)) == written
            assert x.stats.requests_by_endpoint["users.me"] == 5

    drive(main)


@pytest.mark.slow  # the storm and the kill show the same in less time
def test_a_restart_with_a_checkpoint_goes_on_where_the_consumer_was(app_for, tmp_path):
    async def main():
        async with Emulator(clock=server_clock, list_lag=(0.0, 20.0)) as x:
            ann, ben = x.add_user(), x.add_user()
            got, written = [], []
            for _ in range(4):
                keep = keeper(tmp_path / "inbox", MemoryCheckpoints())
                with contextlib.suppress(ZeroDivisionError):
                    async with app_for(x) as app, watching(source(app, ann), keep=keep) as events:
                        written += [x.deliver(ben, ann, "…").dm_event_id for _ in range(30)]
                        got += await take(events, 20)
                        got.pop()  # it comes again: the block is left by an error
                        raise ZeroDivisionError
            keep = keeper(tmp_path / "inbox", MemoryCheckpoints())
            async with app_for(x) as app, watching(source(app, ann), keep=keep) as events:
                got += await take(events, len(written) - len(got))
            assert sorted(got) == written

    drive(main)


def test_closing_the_app_ends_a_watch_with_a_word(app_for):
    async def main():
        async with Emulator(clock=server_clock) as x:
            ann, ben = x.add_user(), x.add_user()
            async with app_for(x) as app, watching(source(app, ann), source(app, ben)) as events:
                asyncio.get_running_loop().call_later(30, asyncio.ensure_future, app.aclose())
                with pytest.raises(AppClosed):
                    await anext(events)

    drive(main)


def test_a_budget_that_is_spent_is_waited_for_and_what_came_meanwhile_is_not_lost(app_for):
    async def main():
        async with Emulator({"dm.read": [["user", 5, 900]]}, clock=server_clock) as x:
            ann, ben = x.add_user(), x.add_user()
            async with app_for(x) as app:
                account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
                hasty = account.using(max_wait=0.0)
                async with watching(live_source(hasty._hands), share=1.0) as events:
                    await asyncio.gather(*(account.events(limit=1).collect() for _ in range(6)))
                    written = [x.deliver(ben, ann, f"{n}").dm_event_id for n in range(5)]
                    assert await take(events, 5) == written
            assert x.stats.refused_429 == 0

    drive(main)


@pytest.mark.parametrize("limit", [pytest.param(15, marks=pytest.mark.slow), 300])
def test_a_lively_conversation_is_seen_as_soon_as_the_share_allows(app_for, limit):
    async def main():
        limits = {"dm.read": [["user", limit, 900]]}
        async with Emulator(limits, clock=server_clock) as x:
            ann, ben = x.add_user(), x.add_user()
            chance, delays = Random(1), []
            async with app_for(x) as app, watching(source(app, ann)) as events:
                # The first answer tells the limit.
                for _ in range(20):
                    await asyncio.sleep(chance.uniform(1, 6))
                    begun = asyncio.get_running_loop().time()
                    x.deliver(ben, ann, "hello")
                    await anext(events)
                    delays.append(asyncio.get_running_loop().time() - begun)
            assert max(delays) <= 900 / (limit * 0.5) + 0.1
            if limit == 300:
                assert sorted(delays)[10] <= 1.5
            assert x.stats.refused_429 == 0

    drive(main)


SCRIPT = """
import asyncio, sys
from pathlib import Path
from xdm_async import App, OAuth2
from xdm_async.reading import live_source
from xdm_async.stores import MemoryCheckpoints, keeper
from xdm_async.streams.watch import Watch

async def main(url, token, user_id, path):
    async with App(base_url=url) as app:
        account = app.account(OAuth2(token), user_id=user_id)
        keep = keeper(Path(path), MemoryCheckpoints())
        async with Watch([live_source(account._hands)], since=1, keep=keep) as events:
            async for event in events:
                print(event.id, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
async def test_after_a_kill_at_any_moment_at_most_the_event_in_hand_comes_again(tmp_path):
    async with Emulator() as x:
        ann, ben = x.add_user(), x.add_user()
        written = [x.deliver(ben, ann, f"{n}").dm_event_id for n in range(90)]
        path = tmp_path / "inbox"
        got: list[list[str]] = []
        for stop_after in (40, None):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-c", SCRIPT),
                *(x.url, ann.oauth2["access_token"], ann.id, str(path)),
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
            assert process.stdout is not None
            lines: list[str] = []
            while stop_after is None or len(lines) < stop_after:
                lines.append((await process.stdout.readline()).decode().strip())
                if lines[-1] == written[-1]:
                    break
            process.send_signal(signal.SIGKILL)
            rest, _ = await process.communicate()
            got.append(lines + rest.decode().split())
        handled = [event_id for part in got for event_id in part]
        assert sorted(set(handled)) == written
        for before, after in itertools.pairwise(got):
            # Nothing is left out, and nothing before the last one comes again.
            at = written.index(before[-1])
            assert after[0] in written[at : at + 2]
        for part in got:
            begin = written.index(part[0])
            assert part == written[begin : begin + len(part)]
        assert await FileCheckpoint(path).load() is not None
