"""All at once: late events, short pages, errors, cancels, restarts; each event is handled once."""

import asyncio
import contextlib
from random import Random

import pytest

from tests import driven
from tests.streams.lists import Feed
from tests.streams.test_watch import drive, expired, watching
from xdm_async.errors import BadRequest, ConnectFailed, ReadTimeout, Unauthorized
from xdm_async.stores import MemoryCheckpoints, keeper

__all__ = ["drive"]


async def storm(seed: int) -> None:
    chance = Random(seed)
    feeds = [Feed(page_size=chance.choice([2, 5, 100])) for _ in range(chance.choice([1, 1, 3]))]
    store, written, handled = MemoryCheckpoints(), [], []
    many = len(feeds) > 1
    over = False

    async def write() -> None:
        for _ in range(chance.randrange(20, 60)):
            for _ in range(chance.choice([1, 1, 1, 12])):
                lag = chance.choice([0.0, 0.0, 1.0, 20.0, 59.0])
                written.append(chance.choice(feeds).write(lag=lag))
            await asyncio.sleep(chance.choice([0.0, 0.5, 3.0, 30.0]))

    async def harm() -> None:
        while not over:
            await asyncio.sleep(chance.uniform(0, 40))
            errors = [None, ConnectFailed("…"), ReadTimeout("…"), expired()]
            errors.append(Unauthorized("…", status=401))
            feed = chance.choice(feeds)
            feed.errors += [chance.choice(errors) for _ in range(chance.randrange(4))]
            feed.latency = chance.choice([0.0, 0.05, 2.0])

    async def read(until) -> None:
        keep = keeper("all", store, many=many)
        with contextlib.suppress(ZeroDivisionError, Unauthorized, BadRequest):
            async with watching(*feeds, keep=keep, chance=chance) as events:
                hand = None
                while not until():
                    try:
                        async with asyncio.timeout(chance.uniform(0, 20)):
                            event = await anext(events)
                    except (TimeoutError, Unauthorized, BadRequest):
                        # Asking for the next one has finished the one in hand, whatever came of it.
                        handled.extend([] if hand is None else [hand])
                        hand = None
                        continue
                    except StopAsyncIteration:
                        break
                    handled.extend([] if hand is None else [hand])
                    hand = int(event.id)
                    if chance.random() < 0.05:
                        raise ZeroDivisionError
                handled.extend([] if hand is None else [hand])

    # The first watch is entered before anything happens; from then on the checkpoint knows.
    await read(lambda: True)
    writer, harmer = asyncio.create_task(write()), asyncio.create_task(harm())
    while not writer.done():
        end = feeds[0].time + chance.uniform(10, 200)
        await read(lambda: writer.done() or feeds[0].time > end)  # noqa: B023
    over = True
    harmer.cancel()
    for feed in feeds:
        feed.errors.clear()
    end = feeds[0].time + 1_000
    while feeds[0].time < end:
        await read(lambda: feeds[0].time > end)
    assert sorted(handled) == sorted(written)


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=pytest.mark.slow if n >= 6 else ()) for n in range(12)]
)
def test_whatever_comes_together_each_event_is_handled_once(drive, seed):
    driven.drive(lambda: storm(seed))
