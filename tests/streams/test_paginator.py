"""A stream gives every event once, ends only where the list ends, and goes on after an error."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.errors import InvalidRequest, ReadTimeout, UnreadableAnswer
from xdm_async.models import EventId, MessageCreate, Meta, Page, PaginationToken, UnknownEvent
from xdm_async.streams import EventStream
from xdm_async.streams.source import Allowance, Source


def page(*ids, then=None, **more):
    token = None if then is None else PaginationToken(then)
    events = tuple(MessageCreate(id=EventId(str(i))) for i in ids)
    return Page(data=events, meta=Meta(next_token=token), **more)


def stream_of(fetch, *, comfortable=False, **bounds):
    allowance = Allowance(300, 900.0, 299 if comfortable else 0)
    return EventStream(Source(fetch, allowance=lambda: allowance), **bounds)


class Script:
    """Fetches the pages of a script, and remembers the tokens it was asked with."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, token):
        self.asked.append(token)
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def ids(events):
    return [int(event.id) for event in events]


async def test_every_page_is_read_until_one_has_no_next_token():
    script = Script(page(9, 8, then="a"), page(7, then="b"), page(6))
    assert ids([event async for event in stream_of(script)]) == [9, 8, 7, 6]
    assert script.asked == [None, "a", "b"]


async def test_an_empty_or_short_page_is_not_the_end():
    script = Script(page(then="a"), page(5, then="b"), page(then="c"), page(then="d"), page(4))
    assert ids(await stream_of(script).collect()) == [5, 4]


async def test_nothing_is_fetched_before_it_is_wanted():
    script = Script(page(9, 8, then="a"), page(7))
    stream = stream_of(script)
    assert script.asked == []
    assert int((await anext(stream)).id) == 9
    assert int((await anext(stream)).id) == 8
    assert script.asked == [None]


async def test_events_repeated_at_the_border_of_pages_come_once():
    script = Script(page(9, 8, 8, then="a"), page(then="b"), page(8, 7, then="c"), page(8, 7, 6))
    assert ids(await stream_of(script).collect()) == [9, 8, 7, 6]


async def test_events_without_an_id_are_never_taken_for_repeats():
    odd = Page(data=(UnknownEvent(extra={"event": 1}), UnknownEvent(extra={"event": 2})))
    assert len(await stream_of(Script(odd)).collect()) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
async def test_a_limit_gives_no_more_and_fetches_no_page_that_it_does_not_need(limit):
    script = Script(page(9, 8, then="a"), page(7, then="b"), page(6))
    assert ids(await stream_of(script, limit=limit).collect()) == [9, 8, 7, 6][:limit]
    assert len(script.asked) == {1: 1, 2: 1, 3: 2}.get(limit, 3)


@pytest.mark.parametrize("bad", [0, -1, True, "5", 1.0])
def test_a_limit_that_is_no_number_of_events_is_refused(bad):
    with pytest.raises(InvalidRequest, match="limit must be"):
        stream_of(Script(), limit=bad)


async def test_pages_come_whole_with_their_errors_and_empty_ones_too():
    problem = {"title": "Not Found Error"}
    script = Script(page(9, then="a"), page(then="b", errors=(problem,)), page(9, 8))
    pages = [found async for found in stream_of(script).pages()]
    assert [ids(found.data) for found in pages] == [[9], [], [8]]
    assert pages[1].errors == (problem,)


async def test_pages_end_at_the_limit_too():
    script = Script(page(9, 8, then="a"), page(7, 6, then="b"))
    pages = [found async for found in stream_of(script, limit=3).pages()]
    assert [ids(found.data) for found in pages] == [[9, 8], [7]]
    assert len(script.asked) == 2


async def test_after_an_error_the_stream_asks_for_the_same_page_again():
    script = Script(page(9, 8, then="a"), ReadTimeout("…"), page(7, then="b"), page(6))
    stream = stream_of(script)
    assert ids([await anext(stream), await anext(stream)]) == [9, 8]
    with pytest.raises(ReadTimeout):
        await anext(stream)
    assert ids([event async for event in stream]) == [7, 6]
    assert script.asked == [None, "a", "a", "b"]


async def test_collect_keeps_over_an_error_what_it_has():
    stream = stream_of(Script(page(9, then="a"), ReadTimeout("…"), page(8)))
    with pytest.raises(ReadTimeout):
        await stream.collect()
    assert ids(await stream.collect()) == [9, 8]


async def test_pages_go_on_after_an_error():
    pages = stream_of(Script(page(9, then="a"), ReadTimeout("…"), page(8))).pages()
    assert ids((await anext(pages)).data) == [9]
    with pytest.raises(ReadTimeout):
        await anext(pages)
    assert ids((await anext(pages)).data) == [8]
    with pytest.raises(StopAsyncIteration):
        await anext(pages)


async def test_a_cancelled_wait_loses_nothing():
    script = Script(page(9, then="a"), page(8))
    stream = stream_of(script)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ids(await stream.collect()) == [9, 8]
    assert script.asked == [None, None, "a"]


async def test_leaving_early_leaves_nothing_running_and_going_on_is_possible():
    stream = stream_of(Script(page(9, 8, then="a"), page(7)))
    before = asyncio.all_tasks()
    async for _ in stream:
        break
    assert asyncio.all_tasks() == before
    assert ids(await stream.collect()) == [8, 7]


async def test_a_stream_is_read_once():
    stream = stream_of(Script(page(9)))
    await stream.collect()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    for again in (stream.__aiter__, stream.pages):
        with pytest.raises(InvalidRequest, match="read to its end"):
            again()


async def test_a_stream_is_read_by_events_or_by_pages():
    stream = stream_of(Script(page(9, 8, then="a"), page(7)))
    async for _ in stream:
        break
    with pytest.raises(InvalidRequest, match="by its events already"):
        stream.pages()


async def test_a_stream_has_one_reader_at_a_time():
    stream = stream_of(Script(page(9), page(9)))
    first, second = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
    assert int(first.id) == 9
    assert isinstance(second, InvalidRequest)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
async def test_tokens_that_lead_in_a_circle_are_noticed(length):
    class Circle(Script):
        async def __call__(self, token):
            self.asked.append(token)
            n = len(self.asked)
            assert n < 10 * length + 10
            return page(10**6 - n, then=f"t{n % length}")

    script = Circle()
    stream = stream_of(script)
    with pytest.raises(UnreadableAnswer, match="never end"):
        await stream.collect()
    asked = len(script.asked)
    with pytest.raises(UnreadableAnswer):
        await anext(stream)
    assert len(script.asked) == asked


async def test_events_before_a_break_in_the_list_are_given_first():
    stream = stream_of(Script(page(9, then="a"), page(8, then="a")))
    assert ids([await anext(stream), await anext(stream)]) == [9, 8]
    with pytest.raises(UnreadableAnswer):
        await anext(stream)


@pytest.mark.parametrize("odd", [{"meta": Meta(extra={"next_token": [1]})}, {"extra": {"meta": 5}}])
async def test_a_next_token_that_cannot_be_read_is_not_taken_for_the_end(odd):
    events = (MessageCreate(id=EventId("9")),)
    stream = stream_of(Script(Page(data=events, **odd)))
    assert int((await anext(stream)).id) == 9
    with pytest.raises(UnreadableAnswer, match="next_token"):
        await anext(stream)


async def test_partial_errors_are_logged_once_and_without_what_they_quote(caplog):
    problem = {"title": "Not Found Error", "resource_type": "user", "resource_id": "17200003"}
    problem["detail"] = "quoted text"
    script = Script(page(9, then="a", errors=(problem,)), page(8, errors=(problem,)))
    with caplog.at_level(logging.WARNING, "xdm_async"):
        await stream_of(script).collect()
    (record,) = caplog.records
    assert record.name == "xdm_async"
    assert "17200003" in record.getMessage()
    assert "quoted" not in record.getMessage()


@given(st.lists(st.lists(st.integers(0, 40), max_size=5), min_size=1, max_size=12), st.data())
def test_however_a_list_is_cut_and_whatever_fails_each_event_comes_once(sizes, data):
    """Newest first, cut anywhere, the last of a page repeated on the next, errors in between."""
    newest = sum(map(len, sizes))
    script, left, last = Script(), newest, []
    for number, size in enumerate(sizes):
        fresh = list(range(left, left - len(size), -1))
        left -= len(size)
        then = f"t{number}" if number + 1 < len(sizes) else None
        if data.draw(st.booleans()):
            script.answers.append(ReadTimeout("…"))
        script.answers.append(page(*last, *fresh, then=then))
        last = fresh[-1:] or last

    async def read():
        stream, got = stream_of(script), []
        while True:
            try:
                got.append(await anext(stream))
            except ReadTimeout:
                continue
            except StopAsyncIteration:
                return got

    assert ids(asyncio.run(read())) == list(range(newest, 0, -1))


async def test_a_page_that_is_half_read_by_events_is_not_passed_over_by_pages():
    stream = stream_of(Script(page(9, 8, 7, then="a"), page(6, 5)))
    assert (await anext(stream)).id == "9"
    with pytest.raises(InvalidRequest, match="by its events already, and not by its pages"):
        stream.pages()
    assert ids(await stream.collect()) == [8, 7, 6, 5]


async def test_events_are_not_taken_from_between_the_pages():
    stream = stream_of(Script(page(9, 8, 7, then="a"), page(6, 5)))
    pages = stream.pages()
    await anext(pages)
    with pytest.raises(InvalidRequest, match="by its pages already, and not by its events"):
        await anext(stream)
    assert [len(page.data) async for page in pages] == [2]
