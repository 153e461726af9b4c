from bisect import insort
from itertools import chain
from operator import attrgetter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.emulator.objects import Event, EventType, Feed
from xdm_async.emulator.pagination import Page, Position, cut, position_of

TYPES: tuple[EventType, ...] = get_args(EventType)

feeds = st.dictionaries(st.integers(1, 400), st.sampled_from(TYPES), max_size=60)


def feed_of(kinds: dict[int, EventType]) -> Feed:
    feed: Feed = {}
    for number, kind in kinds.items():
        event = Event(number=number, event_type=kind, dm_conversation_id="1-2")
        insort(feed.setdefault(kind, []), event, key=attrgetter("number"))
    return feed


def numbers(page: Page) -> list[int]:
    return [event.number for event in page.events]


@pytest.mark.parametrize(
    ("token", "position"),
    [
        ("18LAA5G1SL0NR5OG0G00ZZZZ", Position(1585800613253812228, older=True)),
        ("1BLC45G1SL0PMLI00G00ZZZZ", Position(1585800613752881156, older=False)),
    ],
)
def test_a_recorded_token_is_a_position_and_back(token: str, position: Position) -> None:
    assert position_of(token) == position
    assert position.token() == token


@given(st.integers(0, 2**63 - 1), st.booleans())
def test_every_position_survives_its_token(number: int, older: bool) -> None:
    position = Position(number, older)
    token = position.token()
    assert len(token) == 24
    assert position_of(token) == position


@pytest.mark.parametrize(
    "token",
    [
        "",
        "abc",
        "18LAA5G1SL0NR5OG0G00",
        "18LAA5G1SL0NR5OG0G00====",
        "18laa5g1sl0nr5og0g00zzzz",
        "ZZZZZZZZZZZZZZZZZZZZZZZZ",
        "18LAA5G1SL0NR5OG0G0GZZZZ",
        "98LAA5G1SL0NR5OG0G00ZZZZ",
        "18LAA5G1SL0NR5OG0G0ÄZZZZ",
    ],
)
def test_what_is_no_token_of_ours_is_no_position(token: str) -> None:
    assert position_of(token) is None


@given(feeds, st.integers(1, 20), st.sets(st.sampled_from(TYPES), min_size=1), st.booleans())
def test_a_scan_meets_every_event_once_newest_first(
    kinds: dict[int, EventType], size: int, types: set[EventType], filter_after_cut: bool
) -> None:
    feed = feed_of(kinds)
    found: list[int] = []
    position = None
    for _ in range(len(kinds) + 2):
        page = cut(
            feed,
            position=position,
            size=size,
            event_types=types,
            filter_after_cut=filter_after_cut,
        )
        assert len(page.events) <= size
        found += numbers(page)
        position = page.older
        if position is None:
            break
    assert position is None
    assert page.events == []
    assert found == sorted((n for n, kind in kinds.items() if kind in types), reverse=True)


@given(feeds, st.integers(1, 20), st.integers(0, 400))
def test_following_the_newer_side_meets_every_newer_event_once(
    kinds: dict[int, EventType], size: int, start: int
) -> None:
    feed = feed_of(kinds)
    found: list[int] = []
    position: Position | None = Position(start, older=False)
    while position is not None:
        page = cut(feed, position=position, size=size, event_types=TYPES)
        found = numbers(page) + found
        position = page.newer
    assert found == sorted((n for n in kinds if n > start), reverse=True)


@given(feeds, st.integers(1, 20), st.integers(0, 400))
def test_a_page_never_reaches_back_beyond_the_history(
    kinds: dict[int, EventType], size: int, oldest: int
) -> None:
    feed = feed_of(kinds)
    for older in (True, False):
        page = cut(
            feed,
            position=Position(oldest - 1, older=False) if not older else None,
            size=size,
            event_types=TYPES,
            oldest_number=oldest,
        )
        assert all(number >= oldest for number in numbers(page))


@given(feeds, st.integers(1, 20))
def test_without_the_last_token_a_scan_ends_on_the_page_with_the_oldest_event(
    kinds: dict[int, EventType], size: int
) -> None:
    feed = feed_of(kinds)
    pages: list[list[int]] = []
    position = None
    while True:
        page = cut(feed, position=position, size=size, event_types=TYPES, always_older=False)
        pages.append(numbers(page))
        position = page.older
        if position is None:
            break
    assert len(pages) == max(1, -(-len(kinds) // size))
    assert list(chain.from_iterable(pages)) == sorted(kinds, reverse=True)


def test_a_token_is_a_position_so_new_events_shift_no_later_page() -> None:
    feed = feed_of(dict.fromkeys(range(1, 11), "MessageCreate"))
    first = cut(feed, position=None, size=4, event_types=TYPES)
    feed["MessageCreate"].append(
        Event(number=11, event_type="MessageCreate", dm_conversation_id="1-2")
    )
    second = cut(feed, position=first.older, size=4, event_types=TYPES)
    assert numbers(first) == [10, 9, 8, 7]
    assert numbers(second) == [6, 5, 4, 3]
    assert numbers(cut(feed, position=first.newer, size=4, event_types=TYPES)) == [11]


def test_a_filter_after_the_cut_leaves_pages_empty_in_the_middle() -> None:
    kinds: dict[int, EventType] = dict.fromkeys(range(1, 9), "MessageCreate")
    feed = feed_of(kinds | {2: "ParticipantsLeave"})
    sizes = []
    position = None
    while True:
        page = cut(
            feed,
            position=position,
            size=3,
            event_types=("ParticipantsLeave",),
            filter_after_cut=True,
        )
        sizes.append(len(page.events))
        position = page.older
        if position is None:
            break
    assert sizes == [0, 0, 1, 0]
