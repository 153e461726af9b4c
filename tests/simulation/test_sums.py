"""The sums of a simulation: arrivals, others, peaks, fairness, and the picture of it all."""

import random
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.emulator.windows import DOCUMENTED, RateLimits
from xdm_async.simulation import Arrival, Timeline, svg
from xdm_async.simulation.result import jain, percentile
from xdm_async.simulation.setting import ROUTE, arrivals, foreign
from xdm_async.simulation.timeline import peaks

from .test_days import setting


@pytest.mark.parametrize("arrival", Arrival)
@pytest.mark.parametrize("hours", [0.01, 1.0, 24.0, 50.0])
def test_every_message_arrives_in_order_within_the_hours(arrival: Arrival, hours: float) -> None:
    there = setting(arrival=arrival, hours=hours)

    found = arrivals(there, random.Random(1))

    assert found == sorted(found)
    assert Counter(account for _, account, _ in found) == dict.fromkeys(range(20), 15)
    assert all(0 <= at <= there.seconds for at, _, _ in found)


def test_by_day_most_messages_come_about_noon_and_few_about_midnight() -> None:
    there = setting(arrival=Arrival.DAYTIME, messages=500)

    hours = Counter(int(at // 3_600) for at, _, _ in arrivals(there, random.Random(1)))

    assert hours[12] > 700
    assert 0 < hours[0] < 70
    assert hours[6] == pytest.approx(10_000 / 24, rel=0.25)


def test_steady_messages_of_one_account_come_at_even_intervals() -> None:
    there = setting(accounts=1, messages=24, arrival=Arrival.STEADY)

    times = [at for at, _, _ in arrivals(there, random.Random(1))]

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == [pytest.approx(3_600)] * 23


@pytest.mark.parametrize(("accounts", "each"), [(3, 200), (15, 200), (1_000, 3)])
def test_others_take_their_share_of_each_account_and_of_the_app(accounts: int, each: int) -> None:
    """A fifth of 1,000 is 200; of 15,000 for a thousand accounts it is 3 for each."""
    budgets = RateLimits(DOCUMENTED).budgets(ROUTE)

    found = foreign(setting(accounts=accounts, foreign=0.2), budgets, random.Random(1))

    assert set(Counter(account for _, account in found).values()) == {each}
    of_one = [at for at, account in found if account == 0]
    assert sum(at < 900 for at in of_one) == min(40, each)


def test_with_no_share_there_are_no_others() -> None:
    budgets = RateLimits(DOCUMENTED).budgets(ROUTE)

    assert foreign(setting(), budgets, random.Random(1)) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30), st.integers(1, 20))
def test_no_column_misses_a_peak(stays: list[tuple[float, float]], columns: int) -> None:
    """Each that came is in the level from then until it left, in every column it touched."""
    spans = [(start, start + length + 1e-6) for start, length in stays]
    ups, downs = sorted(s for s, _ in spans), sorted((e, 1) for _, e in spans)

    found = peaks(ups, downs, 100.0, columns)

    assert len(found) == columns
    for at, _ in spans:
        level = sum(start <= at < end for start, end in spans)
        assert found[min(columns - 1, int(at / 100.0 * columns))] >= level
    assert max(found) == max((sum(s <= at < e for s, e in spans) for at, _ in spans), default=0)


def test_fewer_columns_keep_the_peaks() -> None:
    timeline = Timeline(1.0, [0, 5, 0, 0, 2, 1], {"b": [0.0, 0.1, 0.9, 0.0, 0.0, 0.2]})

    assert timeline.coarser(3) == Timeline(1.0, [5, 0, 2], {"b": [0.1, 0.9, 0.2]})
    assert timeline.coarser(12).backlog == [0, 0, 5, 5, 0, 0, 0, 0, 2, 2, 1, 1]


def test_fairness_is_1_for_equal_shares_and_one_over_n_for_one_who_got_all() -> None:
    assert jain([7, 7, 7]) == 1.0
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([0, 0]) == 1.0


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
    assert percentile([], 0.5) == 0.0


def test_the_picture_is_well_formed_whatever_the_words_are() -> None:
    timeline = Timeline(24.0, [0, 3, 1], {"a<b>&c": [0.0, 1.0, 0.5], "d": [0.0, 0.0, 0.0]})

    root = ElementTree.fromstring(svg(timeline, '<"title">', "& more"))

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = [element.text or "" for element in root.iter() if element.text]
    assert {'<"title">', "& more", "messages waiting", "24 h"} <= set(words)
    assert any(word.startswith("a<b>&c, at most 100.0%") for word in words)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 3


def test_an_empty_day_can_be_drawn_too() -> None:
    timeline = attrs.evolve(Timeline(24.0, [0] * 288, {}), backlog=[0] * 288)

    ElementTree.fromstring(svg(timeline, "nothing"))
