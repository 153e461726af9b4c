"""The next page is fetched ahead while one is read, if that hurts nobody; two are held at most."""

import asyncio
import gc
import weakref

import attrs
import pytest

from xdm_async.errors import ReadTimeout

from .listed import Listed, ids, read_on, stream_of


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("size", "read"), [(1, 1), (2, 1), (4, 2), (5, 3)])
async def test_the_next_page_is_fetched_once_half_of_this_one_is_read(size, read):
    listed = Listed(*range(1, 21), size=size)
    stream = stream_of(listed, comfortable=True)
    await read_on(stream, read - 1)
    await settle()
    assert len(listed.asked) <= 1
    await read_on(stream, 1)
    await settle()
    assert len(listed.asked) == 2
    assert ids(await stream.collect()) == list(range(20 - read, 0, -1))
    assert len(listed.asked) == len(set(listed.asked))


@pytest.mark.parametrize("bounds", [{"limit": 3}, {"since": 17}])
async def test_nothing_is_fetched_ahead_that_is_known_not_to_be_read(bounds):
    listed = Listed(*range(1, 21), size=4)
    stream = stream_of(listed, comfortable=True, **bounds)
    assert len(await stream.collect()) == 3
    await settle()
    assert len(listed.asked) == 1


async def test_nothing_is_fetched_ahead_of_a_scarce_budget():
    listed = Listed(*range(1, 21))
    stream = stream_of(listed)
    await read_on(stream, 3)
    await settle()
    assert len(listed.asked) == 1


async def test_who_reads_pages_gets_the_next_one_ahead_from_the_second_on():
    listed = Listed(*range(1, 21))
    pages = stream_of(listed, comfortable=True).pages()
    await anext(pages)
    await settle()
    assert len(listed.asked) == 1
    await anext(pages)
    await settle()
    assert len(listed.asked) == 3
    assert [len(page.data) async for page in pages] == [3, 3, 3, 3, 2, 0]
    assert len(listed.asked) == len(set(listed.asked))


async def test_a_page_that_failed_ahead_is_asked_for_again_when_it_is_wanted():
    listed = Listed(*range(1, 10))
    stream = stream_of(listed, comfortable=True)
    await read_on(stream, 1)
    listed.failing = [ReadTimeout("…")]
    await read_on(stream, 1)
    await settle()
    assert listed.failing == []
    assert ids(await stream.collect()) == list(range(7, 0, -1))


async def test_a_cancelled_wait_leaves_the_page_that_is_on_its_way_to_the_next_one():
    listed = Listed(*range(1, 10))
    stream = stream_of(listed, comfortable=True)
    gate = asyncio.Event()
    fetch = stream._source.fetch

    async def slowly(token):
        await gate.wait()
        return await fetch(token)

    object.__setattr__(stream._source, "fetch", slowly)
    gate.set()
    await read_on(stream, 2)
    gate.clear()
    await read_on(stream, 1)
    waiting = asyncio.create_task(anext(stream))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    assert ids(await stream.collect()) == [6, 5, 4, 3, 2, 1]
    assert len(listed.asked) == len(set(listed.asked))


async def test_a_stream_that_is_dropped_leaves_no_trace_of_a_failure():
    listed = Listed(*range(1, 10))
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    stream = stream_of(listed, comfortable=True)
    await read_on(stream, 1)
    listed.failing = [ReadTimeout("…")]
    await read_on(stream, 1)
    await settle()
    del stream
    gc.collect()
    assert complaints == []


async def test_closing_gives_up_the_page_that_is_on_its_way_and_reading_on_is_possible():
    listed = Listed(*range(1, 10))
    stream = stream_of(listed, comfortable=True)
    await read_on(stream, 2)
    before = asyncio.all_tasks()
    await stream.aclose()
    assert asyncio.all_tasks() <= before
    await stream.aclose()
    assert ids(await stream.collect()) == list(range(7, 0, -1))


class Text(str):
    """The text of an event, that knows its page and can be seen to be gone."""

    def __new__(cls, token):
        text = super().__new__(cls, "…")
        text.page = token
        return text

    def __hash__(self):
        return id(self)

    def __eq__(self, other):
        return self is other


async def test_a_stream_holds_two_pages_at_most_however_long_it_is():
    listed = Listed(*range(1, 41), size=4)
    alive: weakref.WeakSet[Text] = weakref.WeakSet()
    most = 0

    async def fetch(token):
        page = await listed(token)
        events = []
        for event in page.data:
            text = Text(token)
            alive.add(text)
            events.append(attrs.evolve(event, text=text))
        return attrs.evolve(page, data=tuple(events))

    stream = stream_of(fetch, comfortable=True)
    count = 0
    async for event in stream:
        count += 1
        assert event.id
        del event
        await settle()
        gc.collect(0)
        most = max(most, len({text.page for text in alive}))
    assert count == 40
    assert most == 2
