"""However late a list shows its events, and whatever fails, each of them is finished once."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.lists import Shown, number_at
from xdm_async.errors import InvalidRequest, UnreadableAnswer
from xdm_async.models import EventId, MessageCreate, Meta, Page, PaginationToken, UnknownEvent
from xdm_async.streams.look import Look, deep_is_due
from xdm_async.streams.seen import ABOVE, OVERLAP, Seen


class Reader:
    """A consumer and its looks, a page at a time, against a list that it is told the time of."""

    def __init__(self, shown: Shown, seen: Seen) -> None:
        self.shown = shown
        self.finished: Counter[int] = Counter()
        self.orders: list[list[int]] = []
        self.pages = 0
        self.restart(seen)

    def restart(self, seen: Seen) -> None:
        self.seen = seen
        self.look: Look | None = None
        self.deep_at = float("-inf")
        self.buffer: list[int] = []
        self.hand: int | None = None

    def crash(self) -> None:
        """The process is gone: what is left is what the last position says."""
        self.restart(Seen.of(json.loads(json.dumps(self.seen.state())), "since"))

    def page(self, now: float) -> bool:
        """Fetch one page; whether that was the last of a look."""
        if self.buffer:
            return True
        if self.look is None:
            self.look = Look(self.seen, now, deep=deep_is_due(self.deep_at, now))
        self.pages += 1
        if not self.look.take(self.shown.page(self.look.token, now)):
            return False
        if self.look.whole:
            self.deep_at = now
        self.buffer = [int(event.id) for event in self.look.conclude(now)]
        self.orders.append(list(self.buffer))
        self.look = None
        return True

    def next(self) -> None:
        """Ask for the next event, which finishes the one in hand."""
        if self.hand is not None:
            self.seen.finish(self.hand)
            self.finished[self.hand] += 1
        self.hand = self.buffer.pop(0) if self.buffer else None

    def drain(self, now: float) -> None:
        while not self.page(now):
            pass
        while self.buffer or self.hand is not None:
            self.next()


@st.composite
def histories(draw):
    """When each event is made, how late it shows, and what happens in between."""
    gaps = draw(st.lists(st.sampled_from([0.0, 0.3, 2.0, 11.0]), min_size=12, max_size=40))
    lags = st.sampled_from([0.0, 0.0, 0.0, 1.5, 20.0, OVERLAP - 1, OVERLAP - 0.01])
    made, events = 0.0, []
    for number, gap in enumerate(gaps):
        made += gap
        events.append((number_at(made, number), made + draw(lags)))
    does = st.sampled_from(["page", "look", "look", "next", "all", "all", "crash"])
    steps = st.tuples(does, st.sampled_from([0.0, 0.1, 1.0, 5.0, 15.0]))
    return draw(st.integers(1, 4)), events, draw(st.lists(steps, min_size=20, max_size=60)), made


def live(reader: Reader, steps: list[tuple[str, float]], now: float, last: float) -> None:
    """Do what is to be done, and in the end all that is left."""
    for does, then in steps:
        match does:
            case "page":
                reader.page(now)
            case "look":
                while not reader.page(now):
                    pass
            case "next":
                reader.next()
            case "all":
                while reader.buffer or reader.hand is not None:
                    reader.next()
            case "crash":
                reader.crash()
        now += then
    now = max(now, last + OVERLAP)
    for _ in range(3):
        reader.drain(now)
        now += OVERLAP


@settings(max_examples=60)
@given(histories())
def test_from_a_floor_on_each_event_is_finished_exactly_once(history):
    """Pages of one to four events, so that the overlap is far longer than a page."""
    page_size, events, steps, last = history
    reader = Reader(Shown(page_size, dict(events)), Seen(number_at(0.0) - 1))
    live(reader, steps, 0.0, last)
    assert reader.finished == Counter(number for number, _ in events)
    for order in reader.orders:
        assert order == sorted(order)


@settings(max_examples=30)
@given(histories())
def test_from_the_first_look_on_what_it_shows_is_old_and_what_shows_later_is_new(history):
    page_size, events, steps, last = history
    begin = last / 2
    reader = Reader(Shown(page_size, dict(events)), Seen())
    while not reader.page(begin):
        pass
    assert not reader.buffer
    live(reader, steps, begin, last)
    assert reader.finished == Counter(n for n, shows_at in events if shows_at > begin)


def busy(rate: float = 5.0, until: float = 300.0) -> Shown:
    shown = Shown(page_size=100)
    for n in range(int(rate * until)):
        shown.add(number_at(n / rate, n), n / rate)
    return shown


def test_in_a_busy_account_the_overlap_is_read_once_a_minute_and_not_at_each_poll():
    """Five events a second: the last minute fills three pages, and what is new a part of one."""
    reader = Reader(busy(), Seen(number_at(100.0) - 1))
    reader.drain(110.0)
    reader.pages = 0
    for second in range(111, 231):
        reader.drain(float(second))
    assert reader.finished.total() == 5 * 130 + 1
    # 120 polls; a deep one a minute, of what lies between now and two minutes ago.
    assert reader.pages <= 120 + 2 * 6


def test_known_events_above_the_floor_are_no_more_than_two_minutes_hold():
    reader = Reader(busy(), Seen(number_at(0.0)))
    for second in range(10, 300):
        reader.drain(float(second))
        assert len(reader.seen.known) <= 5 * 2 * (OVERLAP + 1)
    assert len(json.dumps(reader.seen.state())) < 10_000


def test_a_backlog_leaves_no_trail_of_known_events_in_its_position():
    shown = Shown()
    for n in range(1_000):
        shown.add(number_at(60.0 * n), 60.0 * n)
    reader = Reader(shown, Seen(number_at(0.0) - 1))
    while not reader.page(1e6):
        pass
    while reader.buffer:
        reader.next()
        assert len(reader.seen.known) <= 2
    assert reader.finished.total() == 999


def test_one_page_is_enough_where_it_reaches_below_the_overlap():
    shown = Shown(page_size=3)
    for n in range(9):
        shown.add(number_at(100.0 * n), 0.0)
    reader = Reader(shown, Seen())
    assert reader.page(1_000.0)
    assert reader.pages == 1
    shown.add(number_at(1_000.0), 0.0)
    assert reader.page(1_060.0)
    assert reader.pages == 2
    assert reader.buffer == [number_at(1_000.0)]


def test_a_burst_long_ago_costs_one_page_and_not_all_that_lies_in_its_overlap():
    shown = Shown(page_size=10)
    for n in range(50):
        shown.add(number_at(0.1 * n), 0.0)
    reader = Reader(shown, Seen(number_at(0.0) - 1))
    reader.drain(10.0)
    assert reader.pages == 6
    for minute in range(1, 4):
        reader.drain(10.0 + 60.5 * minute)
    reader.pages = 0
    for minute in range(4, 10):
        reader.drain(10.0 + 60.5 * minute)
    assert reader.pages == 6
    assert reader.seen.state() == {"f": number_at(4.9)}


def test_the_floor_follows_the_newest_event_no_sooner_than_an_overlap_later():
    shown = Shown()
    late = shown.add(number_at(45.0), 104.9)
    young = shown.add(number_at(50.0), 50.0)
    reader = Reader(shown, Seen(number_at(0.0)))
    for now in (50.0, 80.0, 109.9):
        reader.deep_at = float("-inf")
        reader.drain(now)
    assert reader.finished == {late: 1, young: 1}
    reader.deep_at = float("-inf")
    reader.drain(110.0)
    assert reader.seen.floor == young


def test_an_empty_list_is_looked_at_to_its_end_and_its_first_event_is_new():
    shown = Shown()
    reader = Reader(shown, Seen())
    assert reader.page(0.0)
    shown.add(number_at(5.0), 5.0)
    reader.drain(6.0)
    assert reader.finished == {number_at(5.0): 1}


def test_events_made_after_a_moment_are_new_in_a_first_look_too():
    shown = Shown()
    numbers = [shown.add(number_at(10.0 * n), 10.0 * n) for n in range(20)]
    seen = Seen()
    look = Look(seen, 0.0, deep=True)
    look.begin = number_at(95.0)
    while not look.take(shown.page(look.token, 200.0)):
        pass
    assert [int(event.id) for event in look.conclude(1.0)] == numbers[10:]
    # What shows late from before that moment is not new; what shows late from after it is.
    assert seen.holds(numbers[9])
    assert not seen.holds(number_at(96.0))


def test_a_look_that_begins_anew_finds_what_it_had_found_and_the_rest():
    shown = Shown(page_size=2)
    numbers = [shown.add(number_at(100.0 * n), 0.0) for n in range(8)]
    look = Look(Seen(numbers[0]), 0.0, deep=True)
    assert not look.take(shown.page(look.token, 1.0))
    assert not look.take(shown.page(look.token, 1.0))
    assert look.restart()
    assert look.token is None
    late = shown.add(number_at(5_000.0), 0.0)
    while not look.take(shown.page(look.token, 1.0)):
        pass
    assert [int(event.id) for event in look.conclude(1.0)] == [*numbers[1:], late]
    assert look.restart()  # it had come further down than the time before
    assert not look.restart()


def test_what_an_interrupted_first_look_had_shown_is_no_news_when_it_begins_anew():
    shown = Shown(page_size=2)
    numbers = [shown.add(number_at(float(n)), 0.0) for n in range(8)]
    seen = Seen()
    look = Look(seen, 0.0, deep=True)
    look.take(shown.page(None, 1.0))
    look.restart()
    look.begin = numbers[6]
    while not look.take(shown.page(look.token, 1.0)):
        pass
    assert [int(event.id) for event in look.conclude(1.0)] == numbers[6:]
    assert [Seen.of(seen.state(), "since").holds(n) for n in numbers] == [True] * 6 + [False] * 2


def test_events_whose_ids_are_no_numbers_are_counted_and_never_new():
    page = Page(
        data=(UnknownEvent(), MessageCreate(id=EventId("x")), UnknownEvent(id=EventId("7")))
    )
    look = Look(Seen(3), 0.0, deep=True)
    assert look.take(page)
    assert [event.id for event in look.conclude(1.0)] == ["7"]
    assert look.unplaced == 2


@pytest.mark.parametrize(
    "page",
    [
        Page(meta=Meta(extra={"next_token": [1]})),
        Page(extra={"meta": 5}),
        Page(data=(MessageCreate(id=EventId("8")),), meta=Meta(next_token=PaginationToken("a"))),
    ],
)
def test_a_list_that_does_not_lead_on_is_not_taken_for_read(page):
    look = Look(Seen(3), 0.0, deep=True)
    look.take(
        Page(data=(MessageCreate(id=EventId("9")),), meta=Meta(next_token=PaginationToken("a")))
    )
    with pytest.raises(UnreadableAnswer, match=r"next_token that cannot|leads back"):
        look.take(page)
    assert not look.whole
    assert look.token == "a"


def test_events_are_finished_in_the_order_in_which_they_were_found():
    seen = Seen(0)
    seen.found([1, 2], None)
    with pytest.raises(RuntimeError, match="in the order"):
        seen.finish(2)


def test_what_is_in_hand_keeps_the_floor_below_it():
    seen = Seen(0)
    seen.found([5 * ABOVE], None)
    seen.found([ABOVE, 2 * ABOVE], 4 * ABOVE)
    assert seen.floor == 0
    seen.finish(5 * ABOVE)
    assert seen.state() == {"f": ABOVE - 1, "k": [4 * ABOVE + 1]}


@pytest.mark.parametrize(
    "state",
    [{"f": -1}, {"f": "5"}, {"f": True}, {"f": 10**30}, {"k": [1]}, {"f": 1, "k": 5}]
    + [{"f": 1, "k": [1, odd]} for odd in (-1, "1", None, 1.5)],
)
def test_a_state_that_cannot_be_is_refused(state):
    with pytest.raises(InvalidRequest, match="since is a damaged position") as caught:
        Seen.of(state, "since")
    assert caught.value.argument == "since"


@given(st.integers(0, 10**19), st.sets(st.integers(1, 10**15)))
def test_a_state_says_all_that_is_settled(floor, above):
    seen = Seen(floor, {floor + number for number in above})
    assert Seen.of(json.loads(json.dumps(seen.state())), "since") == seen
