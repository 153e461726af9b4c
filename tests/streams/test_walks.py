"""Both ways, bounds and positions: each event once, whatever arrives, fails or is forgotten."""

import asyncio
import base64
import itertools
import json
import logging
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.errors import BadRequest, InvalidRequest, ReadTimeout, UnreadableAnswer
from xdm_async.models import EventId, Meta
from xdm_async.streams import EventStream
from xdm_async.streams.source import Source

from .listed import Listed, Reader, ids, read_on, stream_of, unplaced

NOW = datetime(2026, 8, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def at(instant):
    return int(EventId.first_at(instant))


def dated(fetch, now, **bounds):
    return EventStream(Source(fetch, reader=Reader(), now=lambda: now), **bounds)


# Positions


async def test_a_position_goes_on_exactly_behind_the_last_event():
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    first = await read_on(stream, 4)
    rest = await stream_of(listed, resume=stream.position).collect()
    assert ids(first) + ids(rest) == list(range(10, 0, -1))


async def test_what_arrives_on_top_disturbs_no_position():
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    first = await read_on(stream, 2)
    listed.arrive(*range(11, 21))
    assert ids(first) == [10, 9]
    assert ids(await stream_of(listed, resume=stream.position).collect()) == list(range(8, 0, -1))


async def test_a_position_is_there_before_the_first_event_and_behind_the_last():
    listed = Listed(1, 2)
    stream = stream_of(listed)
    assert ids(await stream_of(listed, resume=stream.position).collect()) == [2, 1]
    await stream.collect()
    asked = len(listed.asked)
    assert await stream_of(listed, resume=stream.position).collect() == []
    assert len(listed.asked) == asked


async def test_a_position_is_short_and_survives_json():
    stream = stream_of(Listed(*range(1, 11)))
    await read_on(stream, 5)
    assert json.loads(json.dumps(stream.position)) == stream.position
    assert stream.position.isascii()
    assert len(stream.position) < 250


async def test_a_position_after_a_page_is_behind_the_whole_page():
    listed = Listed(*range(1, 8))
    stream = stream_of(listed)
    pages = stream.pages()
    assert ids((await anext(pages)).data) == [7, 6, 5]
    assert ids(await stream_of(listed, resume=stream.position).collect()) == [4, 3, 2, 1]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
async def test_a_limit_leaves_the_rest_to_the_next_read(limit):
    listed = Listed(*range(1, 8))
    stream = stream_of(listed, limit=limit)
    first = await stream.collect()
    rest = await stream_of(listed, resume=stream.position).collect()
    assert ids(first) + ids(rest) == [7, 6, 5, 4, 3, 2, 1]


async def test_a_read_that_ended_at_since_can_go_on_behind_it():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed, since=5)
    assert ids(await stream.collect()) == [8, 7, 6]
    assert ids(await stream_of(listed, resume=stream.position).collect()) == [5, 4, 3, 2, 1]


async def test_events_without_an_id_are_given_once_over_a_resume():
    listed = Listed(*range(1, 10), size=4)
    placed = listed.make
    listed.make = lambda n: unplaced(n) if n % 2 else placed(n)

    def names(events):
        return [int(event.id) if event.id else event.extra["number"] for event in events]

    for many in range(10):
        stream = stream_of(listed)
        first = await read_on(stream, many)
        rest = await stream_of(listed, resume=stream.position).collect()
        assert names(first) + names(rest) == list(range(9, 0, -1)), many


def named(events):
    return [int(event.id) if event.id else event.extra["number"] for event in events]


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("unread", [{2, 3}, {3, 4}, {3, 4, 5}, {6, 7}, {1, 2, 5, 6, 7, 8}])
async def test_events_without_an_id_on_both_sides_of_a_border_are_given_once(size, unread):
    listed = Listed(*range(1, 10), size=size)
    placed = listed.make
    listed.make = lambda n: unplaced(n) if n in unread else placed(n)
    begun = stream_of(Listed())
    await begun.collect()
    for forgotten, many in itertools.product([False, True], range(10)):
        down = stream_of(listed)
        first = await read_on(down, many)
        if forgotten:
            listed.forget_tokens()
        again = stream_of(listed, resume=down.position).position
        rest = await stream_of(listed, resume=again).collect()
        assert named(first) + named(rest) == list(range(9, 0, -1)), (forgotten, many)

        up = stream_of(listed, newer_than=begun.position)
        first = await read_on(up, many)
        if forgotten:
            listed.forget_tokens()
        again = stream_of(listed, resume=up.position).position
        rest = await stream_of(listed, resume=again).collect()
        assert named(first) + named(rest) == list(range(1, 10)), (forgotten, many)


async def test_a_token_that_the_server_has_forgotten_is_found_another_way(caplog):
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    first = await read_on(stream, 5)
    listed.arrive(11, 12, 13, 14)
    listed.forget_tokens()
    with caplog.at_level(logging.INFO, "xdm_async"):
        assert ids(await stream.collect()) == [5, 4, 3, 2, 1]
    assert ids(first) == [10, 9, 8, 7, 6]
    assert "pagination_token" in caplog.text


async def test_a_server_that_takes_no_token_at_all_is_not_asked_for_ever():
    listed = Listed(*range(1, 11))
    listed.before_page = listed.forget_tokens
    stream = stream_of(listed)
    with pytest.raises(BadRequest):
        await stream.collect()
    assert len(listed.asked) == 4


async def test_after_a_token_is_refused_twice_at_one_place_going_on_finds_the_way_anew():
    """On the way down to a known event nothing is given, and every token has the same place."""
    listed = Listed(*range(1, 5))
    stream = stream_of(listed)
    await stream.collect()
    listed.arrive(*range(5, 40))
    newer = stream_of(listed, newer_than=stream.position)
    listed.forget_tokens()
    listed.before_page = lambda: listed.forget_tokens() if len(listed.asked) % 4 == 0 else None
    with pytest.raises(BadRequest):
        await newer.collect()
    listed.before_page = lambda: None
    assert ids(await newer.collect()) == list(range(5, 40))


async def test_a_refusal_that_is_about_something_else_is_raised():
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    await read_on(stream, 3)
    listed.failing = [BadRequest("dm_events.list was refused with 400", status=400)]
    with pytest.raises(BadRequest):
        await anext(stream)
    assert ids(await stream.collect()) == list(range(7, 0, -1))


def damaged(position, **changes):
    head, _, packed = position.partition(".")
    state = json.loads(base64.urlsafe_b64decode(packed + "=="))
    packed = base64.urlsafe_b64encode(json.dumps(state | changes).encode()).decode()
    return f"{head}.{packed}"


@pytest.mark.parametrize("argument", ["resume", "newer_than"])
async def test_what_is_no_position_of_this_stream_is_refused_before_anything_is_asked(argument):
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    await read_on(stream, 2)
    good = stream.position
    asked = len(listed.asked)
    for bad, rule in {
        5: "must be a saved position, a str, not int",
        "": "is not a saved position",
        "18LAA581J5II7LA00C00ZZZZ": "is not a saved position",
        "w1." + good[3:]: "a position that a Watch has saved",
        "e2." + good[3:]: "of version 2, saved by a later",
        good[:40]: "is a damaged position",
        "e1.!!!": "is a damaged position",
        damaged(good, t=5): "is a damaged position",
        damaged(good, a="6"): "is a damaged position",
        damaged(good, a=-6): "is a damaged position",
        damaged(good, b=10**18): "is a damaged position",
        damaged(good, b=-(10**30)): "is a damaged position",
        damaged(good, m=10**40): "is a damaged position",
        damaged(good, n=True): "is a damaged position",
        "e" + "1" * 5000 + good[2:]: "is not a saved position",
    }.items():
        with pytest.raises(InvalidRequest, match=rule) as refused:
            stream_of(listed, **{argument: bad})
        assert refused.value.argument == argument
    with pytest.raises(InvalidRequest, match="of another stream than this one, which reads others"):
        stream_of(listed, query="others", **{argument: good})
    with pytest.raises(InvalidRequest, match="of another account than 8"):
        stream_of(listed, reader=Reader("8"), **{argument: good})
    assert len(listed.asked) == asked


async def test_whose_position_it_is_is_found_out_before_a_page_is_asked_for():
    listed = Listed(*range(1, 11))
    stream = stream_of(listed)
    await read_on(stream, 2)
    reader = Reader(None)

    async def identify():
        reader.user_id = "8"
        return "8"

    source = Source(listed, reader=reader, identify=identify)
    asked = len(listed.asked)
    other = EventStream(source, resume=stream.position)
    with pytest.raises(InvalidRequest, match="another account"):
        await anext(other)
    assert len(listed.asked) == asked


async def test_resume_and_newer_than_are_two_different_things():
    position = stream_of(Listed(1)).position
    with pytest.raises(InvalidRequest, match="give one"):
        stream_of(Listed(1), resume=position, newer_than=position)


# Bounds


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"since": 4}, [9, 8, 7, 6, 5]),
        ({"since": "4"}, [9, 8, 7, 6, 5]),
        ({"until": 4}, [3, 2, 1]),
        ({"since": 3, "until": 7}, [6, 5, 4]),
        ({"since": 3, "until": 9, "limit": 2}, [8, 7]),
        ({"since": 9}, []),
    ],
)
async def test_since_and_until_leave_out_the_events_they_name_and_what_lies_beyond(
    bounds, expected
):
    listed = Listed(*range(1, 10))
    assert ids(await stream_of(listed, **bounds).collect()) == expected


async def test_a_read_since_something_asks_for_no_page_beyond_it():
    listed = Listed(*range(1, 100))
    await stream_of(listed, since=95).collect()
    assert len(listed.asked) == 2


async def test_instants_include_their_first_millisecond_and_end_before_their_last():
    days = [at(NOW - n * DAY) for n in range(5)]
    listed = Listed(*days)
    found = await stream_of(listed, since=NOW - 3 * DAY, until=NOW - DAY).collect()
    assert ids(found) == days[2:4]


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (datetime(2026, 8, 1), "must be an aware datetime"),
        ("yesterday", "must be an event id"),
        ("1" * 20, "must be an event id"),
        (1.5, "must be an event id"),
        (True, "must be an event id"),
    ],
)
def test_a_bound_that_is_no_id_and_no_instant_is_refused(name, bad, rule):
    with pytest.raises(InvalidRequest, match=rule) as refused:
        stream_of(Listed(1), **{name: bad})
    assert refused.value.argument == name


@pytest.mark.parametrize(
    "bounds",
    [
        {"since": 5, "until": 5},
        {"since": 6, "until": 5},
        {"since": 5, "until": 6},
        {"since": NOW, "until": NOW},
        {"since": NOW, "until": NOW - DAY},
        {"since": NOW, "until": 12},
    ],
)
def test_since_must_be_before_until(bounds):
    with pytest.raises(InvalidRequest, match="since must be before until"):
        stream_of(Listed(1), **bounds)


@given(
    st.sets(st.integers(1, 60)),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 60)),
    st.one_of(st.none(), st.integers(1, 60)),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_bounds_are_what_a_filter_would_have_left(numbers, size, since, until, limit):
    if since is not None and until is not None and since + 1 >= until:
        return
    listed = Listed(*numbers, size=size)
    found = asyncio.run(stream_of(listed, since=since, until=until, limit=limit).collect())
    expected = [
        n
        for n in sorted(numbers, reverse=True)
        if (since is None or n > since) and (until is None or n < until)
    ]
    assert ids(found) == expected[:limit]


# What is newer


@pytest.mark.parametrize("past_newest", ["empty", "same", "refused"])
@pytest.mark.parametrize("arrived", [0, 1, 2, 3, 4, 10])
async def test_newer_than_reads_what_came_since_oldest_first(arrived, past_newest):
    listed = Listed(*range(1, 9), past_newest=past_newest)
    stream = stream_of(listed)
    await read_on(stream, 5)
    listed.arrive(*range(9, 9 + arrived))
    newer = stream_of(listed, newer_than=stream.position)
    assert ids(await newer.collect()) == list(range(9, 9 + arrived))
    listed.arrive(50, 51)
    again = stream_of(listed, newer_than=newer.position)
    assert ids(await again.collect()) == [50, 51]
    assert await stream_of(listed, newer_than=again.position).collect() == []


async def test_newer_than_an_empty_list_is_everything_that_came():
    listed = Listed()
    stream = stream_of(listed)
    assert await stream.collect() == []
    listed.arrive(*range(1, 12))
    assert ids(await stream_of(listed, newer_than=stream.position).collect()) == list(range(1, 12))


async def test_newer_than_goes_down_and_climbs_where_its_token_is_forgotten():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 30))
    listed.forget_tokens()
    newer = stream_of(listed, newer_than=stream.position)
    assert ids(await newer.collect()) == list(range(9, 30))


async def test_a_read_of_what_is_newer_is_resumed_like_any_other():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 30))
    newer = stream_of(listed, newer_than=stream.position)
    first = await read_on(newer, 7)
    rest = await stream_of(listed, resume=newer.position).collect()
    assert ids(first) + ids(rest) == list(range(9, 30))


async def test_the_last_pages_previous_token_is_no_next_page():
    listed = Listed(*range(1, 7), both_tokens=False)
    assert ids(await stream_of(listed).collect()) == [6, 5, 4, 3, 2, 1]
    assert listed.asked == [None, "n4"]


async def test_newer_than_ends_at_until():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 30))
    newer = stream_of(listed, newer_than=stream.position, until=13)
    assert ids(await newer.collect()) == [9, 10, 11, 12]
    rest = stream_of(listed, newer_than=newer.position)
    assert ids(await rest.collect()) == list(range(13, 30))


async def test_a_page_without_a_way_up_is_told_and_not_taken_for_the_end():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 30))
    listed.forget_tokens()
    page = listed._page

    def without(token):
        found = page(token)
        return attrs.evolve(found, meta=attrs.evolve(found.meta, previous_token=None))

    listed._page = without
    newer = stream_of(listed, newer_than=stream.position)
    with pytest.raises(UnreadableAnswer, match="no previous_token"):
        await newer.collect()


@pytest.mark.parametrize(
    ("forgotten", "name"), [(False, "previous_token"), (True, "next_token")], ids=["up", "down"]
)
@pytest.mark.parametrize("odd", [{"extra": {"meta": 5}}, None], ids=["meta", "token"])
async def test_a_way_that_cannot_be_read_is_told_and_not_taken_for_the_end(forgotten, name, odd):
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 40))
    if forgotten:
        listed.forget_tokens()
    page, asked = listed._page, []

    def odd_page(token):
        found = page(token)
        asked.append(token)
        if len(asked) != 3:
            return found
        if odd is not None:
            return attrs.evolve(found, meta=Meta(), **odd)
        meta = attrs.evolve(found.meta, **{name: None}, extra={name: [1]})
        return attrs.evolve(found, meta=meta)

    listed._page = odd_page
    newer = stream_of(listed, newer_than=stream.position)
    first = await read_on(newer, 0 if forgotten else 9)
    with pytest.raises(UnreadableAnswer, match=f"{name} that cannot be read"):
        await anext(newer)
    rest = await stream_of(listed, resume=newer.position).collect()
    assert ids(first) + ids(rest) == list(range(9, 40))


async def test_a_climb_that_leads_back_is_told_and_not_taken_for_the_end():
    listed = Listed(*range(1, 9))
    stream = stream_of(listed)
    await read_on(stream, 2)
    listed.arrive(*range(9, 40))
    page = listed._page

    def circling(token):
        found = page(token)
        if token != "p17":
            return found
        return attrs.evolve(found, meta=attrs.evolve(found.meta, previous_token="p11"))

    listed._page = circling
    newer = stream_of(listed, newer_than=stream.position)
    with pytest.raises(UnreadableAnswer, match="leads back"):
        await newer.collect()


# The 30 days


async def test_a_resumed_read_says_what_the_cut_of_30_days_may_have_taken(caplog):
    numbers = [at(NOW - n * DAY) for n in range(29)]
    listed = Listed(*numbers)
    stream = dated(listed, NOW)
    first = await read_on(stream, 10)
    later = NOW + 5 * DAY
    listed.numbers = [n for n in listed.numbers if n >= at(later - 30 * DAY)]
    resumed = dated(listed, later, resume=stream.position)
    with caplog.at_level(logging.WARNING, "xdm_async"):
        rest = await resumed.collect()
    assert ids(first) + ids(rest) == numbers[:26]
    assert resumed.gap == (NOW - 30 * DAY, later - 30 * DAY)
    assert "2026-07-02 00:00:00 UTC to 2026-07-07 00:00:00 UTC may be missing" in caplog.text


@pytest.mark.parametrize(
    "how",
    [
        {"later": timedelta(seconds=30)},
        {"limit": 3},
        {"since": NOW - 20 * DAY},
        {"further_back": 40},
    ],
    ids=lambda how: next(iter(how)),
)
async def test_nothing_is_said_where_nothing_can_be_missing(how, caplog):
    numbers = [at(NOW - n * DAY) for n in range(how.pop("further_back", 28))]
    listed = Listed(*numbers)
    stream = dated(listed, NOW)
    await read_on(stream, 10)
    later = NOW + how.pop("later", 5 * DAY)
    resumed = dated(listed, later, resume=stream.position, **how)
    await resumed.collect()
    assert resumed.gap is None
    assert not caplog.records


async def test_what_is_newer_than_a_position_older_than_30_days_is_not_all_there(caplog):
    listed = Listed(at(NOW), at(NOW - DAY))
    stream = dated(listed, NOW)
    await stream.collect()
    later = NOW + 40 * DAY
    listed.numbers = [at(later - DAY)]
    newer = dated(listed, later, newer_than=stream.position)
    assert ids(await newer.collect()) == [at(later - DAY)]
    assert newer.gap == (NOW, later - 30 * DAY)
    assert "may be missing" in caplog.text


# All of it together


@given(st.data())
def test_however_a_read_is_interrupted_each_event_comes_once_and_in_order(data):
    """Resumed anywhere, tokens forgotten, pages short, errors, new events on top."""
    draw = data.draw
    listed = Listed(*range(1, draw(st.integers(0, 25)) + 1), size=draw(st.integers(1, 5)))
    listed.past_newest = draw(st.sampled_from(["empty", "same", "refused"]))
    listed.both_tokens = draw(st.booleans())

    async def read():
        got, position, expected = [], None, None
        while True:
            stream = stream_of(listed, resume=position, comfortable=draw(st.booleans()))
            if draw(st.booleans()):
                listed.failing.append(ReadTimeout("…"))
            events = await read_on(stream, draw(st.one_of(st.none(), st.integers(0, 7))))
            if expected is None and listed.asked:
                expected = list(reversed(listed.numbers))
            got += events
            position = stream.position
            await stream.aclose()
            if stream._ended and stream._given == len(stream._events):
                return got, expected
            if listed.asked:
                top = max(listed.numbers, default=0)
                listed.arrive(*range(top + 1, top + 1 + draw(st.integers(0, 4))))
            if draw(st.booleans()):
                listed.forget_tokens()

    got, expected = asyncio.run(read())
    assert ids(got) == expected


@given(st.data())
def test_one_read_and_then_all_that_is_newer_again_and_again_is_everything_once(data):
    draw = data.draw
    listed = Listed(*range(1, draw(st.integers(0, 12)) + 1), size=draw(st.integers(1, 5)))
    listed.past_newest = draw(st.sampled_from(["empty", "same", "refused"]))

    async def read():
        stream = stream_of(listed)
        got = list(reversed(await read_on(stream)))
        position = stream.position
        for _ in range(draw(st.integers(1, 6))):
            top = max(listed.numbers, default=0)
            listed.arrive(*range(top + 1, top + 1 + draw(st.integers(0, 12))))
            if draw(st.booleans()):
                listed.forget_tokens()
            while True:
                many = draw(st.one_of(st.none(), st.integers(0, 7)))
                comfortable = draw(st.booleans())
                newer = stream_of(listed, newer_than=position, comfortable=comfortable)
                got += await read_on(newer, many)
                position = newer.position
                await newer.aclose()
                if many is None:
                    break
        return got

    assert ids(asyncio.run(read())) == listed.numbers
