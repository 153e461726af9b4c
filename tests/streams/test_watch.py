"""A watch gives each new event once, oldest first, whatever happens on the way."""

import asyncio
import contextlib
import functools
import logging
from datetime import datetime, timedelta
from random import Random

import attrs
import pytest

from tests import driven
from tests.streams.lists import NOON, Feed, number_at
from xdm_async.errors import (
    AppClosed,
    BadRequest,
    BudgetExhausted,
    ConnectFailed,
    Forbidden,
    InvalidRequest,
    ReadTimeout,
    RenewalFailed,
    Unauthorized,
    UsageCapped,
)
from xdm_async.models import EventId, Page, UnknownEvent
from xdm_async.stores import CheckpointFailed, MemoryCheckpoints, keeper
from xdm_async.streams.source import Allowance, Source
from xdm_async.streams.watch import Watch


@pytest.fixture
def drive(monkeypatch):
    """Nothing here is a socket: time jumps as soon as nothing is to be done."""
    monkeypatch.setattr(driven, "_QUIET", 0.0)
    return driven.drive


class Account:
    """Who reads: its events know it."""

    def __init__(self, user_id: str | None = "944480690") -> None:
        self.user_id = user_id

    async def send_in(self, dm_conversation_id, text):
        raise AssertionError


def source(feed: Feed, user_id: str | None = "944480690", **more) -> Source:
    how = {
        "now": lambda: NOON + timedelta(seconds=feed.time),
        "allowance": lambda: Allowance(300, 900.0, 300),
    }
    return Source(feed.fetch, reader=Account(user_id), **(how | more))


def watching(*feeds: Feed, **how) -> Watch:
    sources = [source(feed, str(1000 + n)) for n, feed in enumerate(feeds)]
    how = {"clock": driven.DrivenClock(), "chance": Random(0), "many": len(feeds) > 1} | how
    return Watch(sources, **how)


async def take(events: Watch, count: int) -> list[int]:
    async with asyncio.timeout(100_000):  # by driven time: what never comes is missed at once
        return [int((await anext(events)).id) for _ in range(count)]


async def nothing_comes(events: Watch, seconds: float = 200.0) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await anext(events)


def test_what_happens_after_entering_comes_oldest_first_and_what_was_there_does_not(drive):
    async def main():
        feed = Feed()
        for _ in range(5):
            feed.write()
        async with watching(feed) as events:
            written = [feed.write() for _ in range(3)]
            assert await take(events, 3) == written
            written = [feed.write()]
            assert await take(events, 1) == written
            await nothing_comes(events)

    drive(main)


def test_the_events_know_the_account_that_read_them(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            feed.write()
            event = await anext(events)
            assert event._reader.user_id == "1000"

    drive(main)


def test_it_is_an_async_iterator(drive):
    async def main():
        feed = Feed()
        got = []
        async with watching(feed) as events:
            written = [feed.write() for _ in range(4)]
            async for event in events:
                got.append(int(event.id))
                if len(got) == 4:
                    break
        assert got == written

    drive(main)


def test_a_burst_longer_than_a_page_comes_whole_and_in_order(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            written = [feed.write() for _ in range(350)]
            assert await take(events, 350) == written
            await nothing_comes(events)
        assert sum(token is not None for _, token in feed.asked) >= 3

    drive(main)


@pytest.mark.parametrize("lag", [0.5, 8.0, 45.0, 59.0])
def test_an_event_that_shows_late_comes_late_and_once(drive, lag):
    async def main():
        feed = Feed(page_size=5)
        async with watching(feed) as events:
            late = feed.write(lag=lag)
            young = [feed.write() for _ in range(12)]
            assert await take(events, 12) == young
            assert await take(events, 1) == [late]
            assert feed.time < lag + 130
            await nothing_comes(events, 500)

    drive(main)


@pytest.mark.parametrize("how", ["id", "int", "instant", "position"])
def test_all_since_a_moment_comes_first(drive, how):
    async def main():
        feed = Feed(page_size=10)
        numbers = [feed.add(number_at(n - 100.0), 0.0) for n in range(95)]
        since = {
            "id": str(numbers[9]),
            "int": numbers[9],
            "instant": NOON - timedelta(seconds=90.0),
        }.get(how)
        if since is None:
            async with watching(feed, since=numbers[0]) as events:
                assert await take(events, 9) == numbers[1:10]
                await anext(events)
                since = events.position
        async with watching(feed, since=since) as events:
            assert await take(events, 85) == numbers[10:]
            more = feed.write()
            assert await take(events, 1) == [more]

    drive(main)


def test_a_position_is_behind_what_is_finished_and_before_what_is_in_hand(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            written = [feed.write() for _ in range(3)]
            await take(events, 2)
            position = events.position
        async with watching(feed, since=position) as events:
            assert await take(events, 2) == written[1:]
            last = events
        async with watching(feed, since=last.position) as events:
            await nothing_comes(events)

    drive(main)


def test_leaving_by_an_error_leaves_the_event_in_hand_unfinished(drive):
    async def main():
        feed, store = Feed(), MemoryCheckpoints()
        keep = keeper("inbox", store)
        written = []
        with contextlib.suppress(ZeroDivisionError):
            async with watching(feed, keep=keep) as events:
                written = [feed.write() for _ in range(3)]
                await take(events, 2)
                raise ZeroDivisionError
        async with watching(feed, keep=keep) as events:
            assert await take(events, 1) == written[1:2]
        async with watching(feed, keep=keep) as events:
            assert await take(events, 1) == written[2:]

    drive(main)


def test_with_a_checkpoint_what_happened_in_between_comes_after_a_restart(drive):
    async def main():
        feed, keep = Feed(), keeper("inbox", MemoryCheckpoints())
        feed.write()
        async with watching(feed, keep=keep, since=number_at(-1)) as events:
            await anext(events)
        written = [feed.write() for _ in range(250)]
        # `since` is for the very first start alone.
        async with watching(feed, keep=keep, since=number_at(-1)) as events:
            assert await take(events, 250) == written

    drive(main)


def test_with_a_checkpoint_the_moment_of_entering_is_kept_before_anything_happens(drive):
    async def main():
        feed, keep = Feed(), keeper("inbox", MemoryCheckpoints())
        feed.write()
        async with watching(feed, keep=keep):
            pass
        written = [feed.write()]
        async with watching(feed, keep=keep) as events:
            assert await take(events, 1) == written

    drive(main)


class Recorder:
    """A checkpoint of the caller's own, which can be full."""

    def __init__(self) -> None:
        self.saved: list[str] = []
        self.full = False

    async def load(self):
        return self.saved[-1] if self.saved else None

    async def save(self, position):
        await asyncio.sleep(0.01)
        if self.full:
            raise OSError(28, "No space left on device", "/secret/path")
        self.saved.append(position)


def test_each_position_is_kept_before_the_next_event_is_given(drive):
    async def main():
        feed, own = Feed(), Recorder()
        async with watching(feed, keep=keeper(own, MemoryCheckpoints())) as events:
            assert len(own.saved) == 1
            for _ in range(5):
                feed.write()
            for n in range(5):
                await anext(events)
                assert len(own.saved) == 1 + n
            await nothing_comes(events)
            assert len(own.saved) == 6
        assert len(own.saved) == len(set(own.saved))

    drive(main)


def test_a_checkpoint_that_is_full_is_told_and_loses_nothing(drive):
    async def main():
        feed, own = Feed(), Recorder()
        async with watching(feed, keep=keeper(own, MemoryCheckpoints())) as events:
            written = [feed.write() for _ in range(3)]
            assert await take(events, 1) == written[:1]
            own.full = True
            for _ in range(2):
                with pytest.raises(CheckpointFailed) as caught:
                    await anext(events)
                assert "No space left on device" in str(caught.value)
                assert "secret" not in str(caught.value)
            own.full = False
            assert await take(events, 2) == written[1:]
        events = await watching(feed, keep=keeper(own, MemoryCheckpoints())).__aenter__()
        feed.write()
        await anext(events)
        own.full = True
        with pytest.raises(CheckpointFailed):
            await events.__aexit__(None, None, None)

    drive(main)


@pytest.mark.parametrize("what", ["load", "save"])
def test_a_checkpoint_that_fails_at_once_is_told_on_entering(drive, what):
    async def main():
        class Broken(Recorder):
            async def load(self):
                if what == "load":
                    raise PermissionError(13, "Permission denied")
                return await super().load()

        own = Broken()
        own.full = True
        with pytest.raises(CheckpointFailed, match=r"Permission denied|No space left"):
            async with watching(Feed(), keep=keeper(own, MemoryCheckpoints())):
                raise AssertionError

    drive(main)


PASSING = [
    ConnectFailed("…"),
    RenewalFailed("…"),
    ReadTimeout("…"),
    BudgetExhausted("…", budget="b", owner="1", retry_in=5.0),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_failure_that_passes_is_waited_out_and_told_twice(drive, error, caplog):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            feed.errors = [error] * 6
            written = [feed.write() for _ in range(3)]
            assert await take(events, 3) == written

    with caplog.at_level(logging.INFO, "xdm_async"):
        drive(main)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"]
    assert all("1000" in text for _, text in told)
    assert "6 failures" in told[1][1]


def test_an_error_in_the_middle_of_a_walk_does_not_begin_it_anew(drive):
    async def main():
        feed = Feed(page_size=10)
        feed.add(number_at(-1000), 0.0)
        async with watching(feed) as events:
            del feed.asked[:]
            written = [feed.write() for _ in range(35)]
            feed.errors = [None, None, ReadTimeout("…"), ReadTimeout("…")]
            assert await take(events, 35) == written
            tokens = [token for _, token in feed.asked]
            first = tokens.index(None)
            assert tokens[first:].count(None) == 1
            assert tokens[first + 2] == tokens[first + 3] == tokens[first + 4]

    drive(main)


def expired() -> BadRequest:
    problem = {"parameters": {"pagination_token": ["x"]}, "message": "The token is invalid"}
    return BadRequest("…", status=400, problems=[problem])


def test_a_token_that_has_expired_begins_the_walk_anew_once(drive):
    async def main():
        feed = Feed(page_size=10)
        async with watching(feed, since=number_at(-1)) as events:
            written = [feed.write() for _ in range(35)]
            feed.errors = [None, None, None, expired()]
            assert await take(events, 35) == written
            written = [feed.write() for _ in range(35)]
            feed.errors = [None, expired(), None, expired()]
            with pytest.raises(BadRequest):
                await anext(events)
            assert await take(events, 35) == written

    drive(main)


def test_tokens_that_expire_again_further_down_the_same_walk_do_no_harm(drive):
    """Two outages in one long walk: of many accounts, none is given up for it."""

    async def main():
        feeds = [Feed(page_size=10) for _ in range(2)]
        async with watching(*feeds, since=number_at(-1)) as events:
            written = [feeds[0].write() for _ in range(75)]
            ok = None
            feeds[0].errors = [ok, ok, ok, expired(), ok, ok, ok, ok, expired()]
            assert await take(events, 75) == written

    drive(main)


def test_requests_that_never_left_cost_no_credits(drive):
    async def main():
        feed = Feed()
        few = source(feed, allowance=lambda: Allowance(15, 900.0, 15))
        async with Watch([few], clock=driven.DrivenClock(), chance=Random(0)) as events:
            feed.errors = [ConnectFailed("…")] * 30
            await asyncio.sleep(3_600)
            feed.errors = [ConnectFailed("…")] * 6
            feed.write()
            begun = feed.time
            await anext(events)
            assert feed.time - begun < 360

    drive(main)


def test_events_that_wait_for_a_checkpoint_to_work_come_once_it_does(drive):
    async def main():
        feed, own = Feed(), Recorder()
        own.full = True
        written = [feed.add(number_at(n - 50.0), 0.0) for n in range(20)]
        feed.errors = [ConnectFailed("…")]
        keep = keeper(own, MemoryCheckpoints())
        async with watching(feed, since=number_at(-60), keep=keep) as events:
            with pytest.raises(CheckpointFailed):
                await anext(events)
            asked = len(feed.asked)
            own.full = False
            assert await take(events, 20) == written
            assert len(feed.asked) == asked

    drive(main)


REFUSED = [
    Unauthorized("…", status=401),
    Forbidden("…", status=403),
    UsageCapped("…", status=429),
    BadRequest("…", status=400),
    InvalidRequest("…"),
    ValueError("a bug"),
]


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: type(error).__name__)
def test_what_does_not_pass_is_raised_and_going_on_polls_again(drive, error):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            written = [feed.write()]
            feed.errors = [error, error]
            asked = len(feed.asked)
            for _ in range(2):
                with pytest.raises(type(error)):
                    await anext(events)
                await asyncio.sleep(500)
            assert len(feed.asked) == asked + 2
            assert await take(events, 1) == written

    drive(main)


def test_what_does_not_pass_is_raised_on_entering(drive):
    async def main():
        feed = Feed()
        feed.errors = [Unauthorized("…", status=401)]
        watch = watching(feed)
        with pytest.raises(Unauthorized):
            await watch.__aenter__()
        assert len(asyncio.all_tasks()) == 1
        with pytest.raises(InvalidRequest, match="entered once"):
            await watch.__aenter__()

    drive(main)


def test_entering_does_not_wait_for_an_outage_and_what_is_made_in_it_is_new(drive):
    """By the server's clock, which the first answer tells: our own may be an hour off."""

    async def main():
        feed = Feed()
        for n in range(3):
            feed.add(number_at(n - 5.0), 0.0)
        feed.errors = [ConnectFailed("…")] * 4

        def server_time():
            return None if not feed.asked or feed.errors else NOON.timestamp() + feed.time

        watch = Watch(
            [source(feed, server_time=server_time)], clock=driven.DrivenClock(), chance=Random(0)
        )
        async with watch as events:
            assert feed.time < 1
            await asyncio.sleep(0.01)
            written = [feed.write() for _ in range(2)]
            assert await take(events, 2) == written
            await nothing_comes(events)

    drive(main)


def test_entering_waits_for_a_first_poll_no_longer_than_ten_seconds(drive):
    async def main():
        slow, quick = Feed(), Feed()
        slow.latency = 500.0
        async with watching(slow, quick) as events:
            assert slow.time == 10
            written = [quick.write()]
            assert await take(events, 1) == written
            assert slow.time < 100

    drive(main)


def test_a_full_checkpoint_or_a_wrong_position_is_refused_before_anything_is_asked(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            position = events.position
        del feed.asked[:]
        other = source(feed, "7")
        elsewhere = source(feed, "1000", query="the events with 5")
        for wrong, text in [
            ([other], "another account than 7"),
            ([elsewhere], "another stream than this one, which reads the events with 5"),
        ]:
            with pytest.raises(InvalidRequest, match=text):
                Watch(wrong, since=position)

        async def identify():
            return "7"

        unknown = source(feed, None, identify=identify)
        with pytest.raises(InvalidRequest, match="another account than 7"):
            async with Watch([unknown], since=position, clock=driven.DrivenClock()):
                raise AssertionError
        store = MemoryCheckpoints()
        await store.save("inbox", position)
        with pytest.raises(InvalidRequest, match="checkpoint is a position in the events"):
            async with Watch([other], keep=keeper("inbox", store), clock=driven.DrivenClock()):
                raise AssertionError
        assert not feed.asked

    drive(main)


@pytest.mark.parametrize(
    "bad",
    [datetime(2026, 1, 1), "yesterday", "", "w1.!!!", "w1.e30", "e1.e30", "w9.e30", b"5", 1.5, -1],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_since_that_cannot_be_is_refused_at_once(drive, bad, many):
    async def main():
        with pytest.raises(InvalidRequest) as caught:
            Watch([source(Feed())], since=bad, many=many)
        assert caught.value.argument == "since"

    drive(main)


@pytest.mark.parametrize("bad", [0, -1, 1.01, True, "0.5", None, float("nan"), 1e-320])
def test_a_share_that_cannot_be_is_refused(drive, bad):
    async def main():
        with pytest.raises(InvalidRequest, match="share is"):
            Watch([source(Feed())], share=bad)

    drive(main)


def test_other_arguments_that_cannot_be_are_refused(drive):
    async def main():
        async def callback(user_id, error): ...

        class Pager:
            async def __call__(self, user_id, error): ...

        for bad in (callback, functools.partial(callback, 1), Pager(), 5):
            with pytest.raises(InvalidRequest, match="on_error is a function"):
                Watch([source(Feed())], on_error=bad)
        with pytest.raises(InvalidRequest, match="accounts is empty"):
            Watch([], many=True)
        with pytest.raises(InvalidRequest, match="account 7 twice"):
            Watch([source(Feed(), "7"), source(Feed(), "7")], many=True)

    drive(main)


def test_it_is_read_inside_of_its_block_alone_and_by_one(drive):
    async def main():
        watch = watching(Feed())
        with pytest.raises(InvalidRequest, match="inside of its block"):
            aiter(watch)
        with pytest.raises(InvalidRequest, match="inside of its block"):
            await anext(watch)
        async with watch:
            waiting = asyncio.create_task(anext(watch))
            await asyncio.sleep(1)
            with pytest.raises(InvalidRequest, match="one consumer"):
                await anext(watch)
            waiting.cancel()
            await asyncio.wait([waiting])
        with pytest.raises(InvalidRequest, match="was left"):
            await anext(watch)
        with pytest.raises(InvalidRequest, match="entered once"):
            async with watch:
                raise AssertionError

    drive(main)


def test_after_the_block_nothing_runs(drive):
    async def main():
        feed = Feed()
        feed.latency = 5.0
        watch = watching(feed, *(Feed() for _ in range(30)))
        with contextlib.suppress(ZeroDivisionError):
            async with watch:
                assert len(asyncio.all_tasks()) > 1
                raise ZeroDivisionError
        assert asyncio.all_tasks() == {asyncio.current_task()}
        asked = len(feed.asked)
        await asyncio.sleep(1_000)
        assert len(feed.asked) == asked

    drive(main)


def test_closing_from_elsewhere_while_a_position_is_saved_ends_the_iteration(drive):
    class Slow:
        saved = None

        async def load(self):
            return None

        async def save(self, position):
            await asyncio.sleep(1.0)
            self.saved = position

    async def main():
        feed, slow = Feed(), Slow()
        async with watching(feed, keep=lambda user_id: slow) as events:
            feed.write()
            await anext(events)
            reading = asyncio.create_task(anext(events, None))
            await asyncio.sleep(0.5)
            await events.aclose()
            assert await reading is None
            assert slow.saved == events.position

    drive(main)


def test_closing_from_elsewhere_ends_the_iteration(drive):
    async def main():
        async with watching(Feed()) as events:

            async def read():
                return [event async for event in events]

            reading = asyncio.create_task(read())
            await asyncio.sleep(1)
            await events.aclose()
            assert await reading == []
            await events.aclose()

    drive(main)


def test_a_closed_app_is_told_and_not_waited_out(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            feed.errors = [AppClosed("the App is closed")]
            for _ in range(2):
                with pytest.raises(AppClosed):
                    await anext(events)

    drive(main)


def test_a_question_that_is_cancelled_underneath_is_told_as_a_closed_app(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            feed.errors = [asyncio.CancelledError()]
            with pytest.raises(AppClosed):
                await anext(events)

    drive(main)


def test_while_events_wait_to_be_taken_the_list_is_not_asked(drive):
    async def main():
        feed = Feed()
        async with watching(feed) as events:
            written = [feed.write() for _ in range(3)]
            assert await take(events, 1) == written[:1]
            asked = len(feed.asked)
            written += [feed.write() for _ in range(300)]
            await asyncio.sleep(3_600)
            assert len(feed.asked) == asked
            assert "2 events to take" in repr(events)
            assert await take(events, 302) == written[1:]

    drive(main)


def test_accounts_with_events_take_turns(drive):
    async def main():
        feeds = [Feed() for _ in range(3)]
        async with watching(*feeds) as events:
            written = [
                [feed.write() for _ in range(count)]
                for feed, count in zip(feeds, (200, 3, 3), strict=True)
            ]
            await asyncio.sleep(60)
            got = await take(events, 206)
            assert [[n for n in got if n in mine] for mine in written] == written
            for mine in written[1:]:
                assert all(n in got[:9] for n in mine)

    drive(main)


def test_of_many_accounts_one_that_is_refused_is_told_and_the_others_go_on(drive):
    async def main():
        feeds = [Feed() for _ in range(3)]
        feeds[1].errors = [Unauthorized("…", status=401)]
        async with watching(*feeds) as events:
            with pytest.raises(Unauthorized) as caught:
                await anext(events)
            assert caught.value.__notes__ == ["account 1001 is watched no more"]
            written = [feeds[0].write(), feeds[2].write()]
            assert sorted(await take(events, 2)) == sorted(written)
            assert len(feeds[1].asked) == 1

    drive(main)


def test_on_error_is_told_instead_and_its_own_errors_are_raised(drive):
    async def main():
        feeds = [Feed() for _ in range(3)]
        told = []

        def on_error(user_id, error):
            told.append((user_id, error))
            if user_id == "1002":
                raise ZeroDivisionError

        async with watching(*feeds, on_error=on_error) as events:
            feeds[1].errors = [Unauthorized("…", status=401)]
            feeds[2].errors = [None, None, Forbidden("…", status=403)]
            with pytest.raises(ZeroDivisionError):
                await anext(events)
            assert [(user_id, type(error)) for user_id, error in told] == [
                ("1001", Unauthorized),
                ("1002", Forbidden),
            ]
            written = [feeds[0].write()]
            assert await take(events, 1) == written

    drive(main)


def test_an_answer_of_on_error_that_wants_to_be_awaited_is_told_and_not_lost(drive):
    async def main():
        async def alarm(user_id): ...

        feeds = [Feed() for _ in range(2)]
        feeds[1].errors = [Unauthorized("…", status=401)]
        async with watching(*feeds, on_error=lambda user_id, error: alarm(user_id)) as events:
            with pytest.raises(InvalidRequest, match="on_error is not awaited") as told:
                await anext(events)
            assert isinstance(told.value.__cause__, Unauthorized)
            written = [feeds[0].write()]
            assert await take(events, 1) == written

    drive(main)


def test_when_no_account_is_left_the_iteration_ends(drive):
    async def main():
        feeds = [Feed(), Feed()]
        for feed in feeds:
            feed.errors = [Unauthorized("…", status=401)]
        told = []
        async with watching(*feeds, on_error=lambda *what: told.append(what)) as events:
            assert [event async for event in events] == []
        assert len(told) == 2

    drive(main)


def test_accounts_are_identified_first_and_two_handles_of_one_are_noticed(drive):
    async def main():
        feeds = [Feed() for _ in range(3)]

        def identified(user_id):
            async def identify():
                await asyncio.sleep(0.1)
                return user_id

            return identify

        sources = [
            source(feed, None, identify=identified(user_id))
            for feed, user_id in zip(feeds, ("7", "8", "7"), strict=True)
        ]
        store = MemoryCheckpoints()
        watch = Watch(
            sources, many=True, keep=keeper("all", store, many=True), clock=driven.DrivenClock()
        )
        async with watch as events:
            with pytest.raises(InvalidRequest, match="account 7 twice"):
                await anext(events)
            written = [feeds[0].write(), feeds[1].write()]
            assert sorted(await take(events, 2)) == sorted(written)
        assert await store.load("all/7") != await store.load("all/8")
        assert await store.load("all") is None

    drive(main)


def test_a_position_of_many_accounts_holds_each_of_them(drive):
    async def main():
        feeds = [Feed() for _ in range(3)]
        async with watching(*feeds) as events:
            position = events.position
        written = [feed.write() for feed in feeds]
        async with watching(*feeds, since=position) as events:
            assert sorted(await take(events, 3)) == sorted(written)
        # An account that came later begins with the moment of entering.
        late = Feed()
        late.write()
        async with watching(*feeds, late, since=position) as events:
            assert sorted(await take(events, 3)) == sorted(written)
            await nothing_comes(events)
        with pytest.raises(InvalidRequest, match="another stream"):
            watching(feeds[0], since=position)

    drive(main)


def test_a_save_writes_the_position_of_one_account_however_many_there_are(drive):
    async def main():
        saved = []

        class Store(MemoryCheckpoints):
            async def save(self, name, position):
                saved.append((name, position))
                await super().save(name, position)

        feeds = [Feed() for _ in range(50)]
        async with watching(*feeds, keep=keeper("all", Store(), many=True)) as events:
            assert len(saved) == 50
            feeds[7].write()
            await anext(events)
            await nothing_comes(events)
            assert [name for name, _ in saved[50:]] == ["all/1007"]
            assert len(saved[-1][1]) < 150

    drive(main)


def test_thirty_days_are_all_that_can_be_gone_through_and_that_is_said_once(drive, caplog):
    async def main():
        feed = Feed()
        since = EventId.first_at(NOON - timedelta(days=40))
        numbers = [feed.add(number_at(-86_400.0 * n), 0.0) for n in range(29, 0, -1)]
        async with watching(feed, since=since) as events:
            assert await take(events, 29) == numbers
            feed.write()
            await anext(events)
            await nothing_comes(events)

    drive(main)
    (record,) = caplog.records
    assert "reaches back 30 days" in record.getMessage()
    assert "2026-10-12 12:00:00 UTC" in record.getMessage()


@pytest.mark.parametrize(("ahead", "told"), [(86_400.0, 1), (1.0, 0), (-60.0, 0)])
def test_a_beginning_that_the_server_has_not_reached_is_spoken_of_once(drive, caplog, ahead, told):
    """Our clock is a day ahead of the server's: a day of messages would go without a word."""

    async def main():
        feed = Feed()
        async with watching(feed, since=NOON + timedelta(seconds=ahead)) as events:
            await nothing_comes(events)
        assert caplog.text.count("what happens until then is left out") == told

    drive(main)


@pytest.mark.parametrize("days", [20, 40])
def test_a_list_that_holds_what_was_asked_for_is_not_spoken_of(drive, caplog, days):
    """Of a single conversation, the documents say in one place, the list has no cut."""

    async def main():
        feed = Feed()
        since = EventId.first_at(NOON - timedelta(days=days))
        feed.add(number_at(-86_400.0 * (days - 1)), 0.0)
        async with watching(feed, since=since) as events:
            await anext(events)

    drive(main)
    assert not caplog.records


def test_a_lively_list_is_seen_within_a_second_and_an_idle_one_within_a_minute(drive):
    async def main():
        feed, chance, delays = Feed(), Random(5), []
        async with watching(feed) as events:
            for _ in range(25):
                await asyncio.sleep(chance.uniform(1, 12))
                written = feed.time
                feed.write()
                await anext(events)
                delays.append(feed.time - written)
            assert sorted(delays)[12] < 1.2
            assert max(delays) < 3
            await asyncio.sleep(3_600)
            asked = len(feed.asked)
            await nothing_comes(events, 3_600)
            assert 60 <= len(feed.asked) - asked <= 70

    drive(main)


@pytest.mark.parametrize("limit", [15, 300])
def test_a_conversation_that_never_ends_keeps_within_the_share(drive, limit):
    async def main():
        feed = Feed()
        allowance = Allowance(limit, 900.0, limit)
        watch = Watch(
            [source(feed, allowance=lambda: allowance)],
            clock=driven.DrivenClock(),
            chance=Random(0),
        )
        async with watch as events:
            for _ in range(700):  # more than two windows
                await asyncio.sleep(3)
                feed.write()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await anext(events)
        times = [at for at, _ in feed.asked]
        for i, begin in enumerate(times):
            assert sum(at < begin + 900 for at in times[i:]) <= limit
        assert len(times) <= limit / 2 * (1 + feed.time / 900)

    drive(main)


def test_events_without_a_usable_id_are_left_out_and_spoken_of_once(drive, caplog):
    async def main():
        feed = Feed()
        whole = feed.fetch

        async def fetch(token):
            page = await whole(token)
            return Page(data=(UnknownEvent(), *page.data), meta=page.meta)

        feed.fetch = fetch
        async with watching(feed) as events:
            written = [feed.write()]
            assert await take(events, 1) == written
            await nothing_comes(events)

    drive(main)
    (record,) = caplog.records
    assert "1000" in record.getMessage()


def test_partial_errors_are_spoken_of_once_and_not_quoted(drive, caplog):
    async def main():
        feed = Feed()
        whole = feed.fetch

        async def fetch(token):
            return attrs.evolve(await whole(token), errors=({"detail": "quoted text"},))

        feed.fetch = fetch
        async with watching(feed) as events:
            await nothing_comes(events)

    drive(main)
    (record,) = caplog.records
    assert "partial" in record.getMessage()
    assert "quoted" not in record.getMessage()


def test_a_cancel_at_any_moment_loses_nothing_and_repeats_nothing(drive):
    """The wait for an event is cut after every possible number of the loop's rounds."""

    async def main():
        feed, own = Feed(), Recorder()
        feed.latency = 0.0
        got, written = [], []
        async with watching(feed, keep=keeper(own, MemoryCheckpoints())) as events:
            for rounds in range(1, 120):
                written += [feed.write(), feed.write()]
                waiting = asyncio.create_task(anext(events))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    got.append(int((await waiting).id))
            while len(got) < len(written):
                got.append(int((await anext(events)).id))
            await nothing_comes(events)
        assert got == written
        async with watching(feed, keep=keeper(own, MemoryCheckpoints())) as events:
            await nothing_comes(events)

    drive(main)


@pytest.mark.parametrize("rounds", range(12))
def test_a_cancelled_entering_leaves_nothing_running(drive, rounds):
    async def main():
        feed = Feed()
        feed.latency = 0.0
        entering = asyncio.create_task(watching(feed).__aenter__())
        for _ in range(rounds):
            await asyncio.sleep(0)
        if not entering.done():
            entering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await entering
            assert asyncio.all_tasks() == {asyncio.current_task()}
        else:
            await entering.result().aclose()

    drive(main)


def test_a_repr_says_whose_and_how_far(drive):
    async def main():
        watch = watching(Feed())
        assert repr(watch) == "<Watch of 1000, not entered, 0 events to take>"
        async with watch:
            assert repr(watch) == "<Watch of 1000, entered, 0 events to take>"
        assert "left" in repr(watch)
        assert "2 accounts" in repr(watching(Feed(), Feed()))

    drive(main)
