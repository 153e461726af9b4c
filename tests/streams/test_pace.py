"""A watch stays within its share, and is as lively as its credits allow."""

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.streams.pace import IDLE, JITTER, LIVELY, UNKNOWN, Pace, backoff
from xdm_async.streams.source import Allowance


def allowance(limit: int = 300, window: float = 900.0, **more) -> Allowance:
    return Allowance(limit, window, **({"remaining": limit} | more))


def pace(share: float = 0.5, what: Allowance | None = None, *, interval: float = LIVELY) -> Pace:
    made = Pace(share, Random(1), 0.0, interval=interval)
    made.learn(allowance() if what is None else what, 0.0)
    return made


def polls(made: Pace, until: float, found_at=lambda now: False, now: float = 0.0):
    """When it polls, one page at a time, and how long it means to wait each time."""
    while now < until:
        wait = made.wait(now)
        now += wait
        made.spend(now)
        waited = made.after(found_at(now), now)
        yield now, waited
        now += waited


@settings(max_examples=60)
@given(
    st.sampled_from([1, 2, 15, 60, 300, 900]),
    st.sampled_from([60.0, 900.0, 86_400.0]),
    st.floats(0.01, 1.0),
    st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), max_size=150),
)
def test_no_span_of_one_window_holds_more_than_twice_the_share(limit, window, share, turns):
    """Whatever a poll finds, and however many pages it walks: capacity, and what came back."""
    made = pace(share, allowance(limit, window))
    assert made.capacity == max(1.0, limit * share)
    bound = made.capacity + limit * share
    now, sent = 0.0, []
    for pages, found, refused in turns:
        for _ in range(pages):
            now += made.wait(now)
            assert made.wait(now) == pytest.approx(0.0, abs=1e-6 * window)
            made.spend(now)
            if refused:
                made.refund()
            else:
                sent.append(now)
        now += made.after(found, now)
    for i, begin in enumerate(sent):
        assert sum(begin <= at < begin + window for at in sent[i:]) <= bound + 1e-6


@given(
    st.sampled_from([1, 5, 15, 60, 300]),
    st.floats(0.05, 1.0),
    st.lists(st.booleans(), min_size=5, max_size=100),
)
def test_a_lively_list_is_never_left_alone_for_longer_than_its_share_asks_for(limit, share, finds):
    made = pace(share, allowance(limit))
    assert made.gap == pytest.approx(900.0 / (limit * share))
    now = 0.0
    for found in finds:
        now += made.wait(now)
        made.spend(now)
        wait = made.after(found, now)
        assert wait >= made.wait(now) - 1e-9
        if made.interval <= made.gap:
            assert wait <= made.gap + 1e-6
        now += wait


@pytest.mark.parametrize("limit", [15, 60, 300, 900])
def test_where_the_credits_are_gone_a_lively_list_is_asked_once_in_each_gap(limit):
    made = pace(0.5, allowance(limit))
    while made.wait(0.0) == 0:
        made.spend(0.0)
    times = [at for at, _ in polls(made, 20 * made.gap, lambda now: True)]
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert steps == pytest.approx([made.gap] * len(steps), rel=1e-6)


def test_events_bring_the_next_poll_within_a_second_and_silence_stretches_it_to_a_minute():
    made = pace()
    waits = [waited for _, waited in polls(made, 3_600.0, lambda now: now == 0.0)]
    assert waits[0] <= LIVELY
    assert all(IDLE * (1 - JITTER) <= wait <= IDLE for wait in waits[-20:])
    # About a sixteenth of the time that nothing has happened for.
    now = 0.0
    for wait in waits:
        assert wait <= max(LIVELY, min(IDLE, 0.08 * now + LIVELY * 1.2))
        now += wait


def test_a_large_budget_pays_for_minutes_of_a_poll_a_second():
    made = pace()
    waits = [waited for _, waited in polls(made, 150.0, lambda now: True)]
    assert max(waits) <= LIVELY


@pytest.mark.parametrize("limit", [15, 30, 60, 300])
def test_one_turn_from_lively_to_idle_leaves_half_of_the_credits(limit):
    made = pace(0.5, allowance(limit))
    now = 0.0
    made.after(True, now)
    spent = 0
    while made.interval < IDLE:
        now += made.interval
        made.spend(now)
        spent += 1
        made.after(False, now)
    assert spent <= made.capacity / 2 + 1
    assert made.credits(now) >= made.capacity / 2 - 1.5


def test_fifteen_requests_a_window_pay_for_a_quick_look_after_an_event():
    made = pace(0.5, allowance(15))
    made.spend(0.0)
    waits = [made.after(True, 0.0)]
    now = 0.0
    for _ in range(3):
        now += waits[-1]
        made.spend(now)
        waits.append(made.after(False, now))
    assert waits[0] <= LIVELY
    assert waits[1] < 5
    assert waits[3] <= made.gap


def test_an_idle_list_whose_credits_are_gone_recovers_them():
    made = pace(0.5, allowance(15))
    while made.wait(0.0) == 0:
        made.spend(0.0)
    made.interval = 1_000.0
    waits = [waited for _, waited in polls(made, 4 * 3_600.0)]
    assert max(waits) <= 2 * made.gap
    assert made.credits(4 * 3_600.0) > made.capacity / 2


def test_a_few_credits_are_left_for_further_pages():
    made = pace()
    for now, _ in polls(made, 1_200.0, lambda now: True):
        last = now
    assert made.credits(last) >= 4.0
    assert made.gap == 900.0 / 150


def test_a_contested_budget_is_asked_no_oftener_than_its_share_comes_back():
    for contested in (allowance(waiting=1), allowance(remaining=29)):
        made = pace()
        made.learn(contested, 0.0)
        assert made.after(True, 0.0) == made.gap
        made.learn(allowance(), 0.0)
        assert made.after(True, 0.0) <= LIVELY


def test_what_the_headers_teach_holds_at_once():
    made = pace()
    made.learn(allowance(15), 0.0)
    assert made.credits(0.0) == 7.5
    made.learn(allowance(300), 0.0)
    assert made.credits(0.0) == 7.5
    assert made.credits(900.0) == 150


def test_without_a_known_budget_it_polls_once_in_fifteen_seconds_when_its_credits_are_gone():
    made = Pace(0.5, Random(1), 0.0, interval=LIVELY)
    made.learn(None, 0.0)
    assert (made.capacity, made.gap) == (60, 15.0)
    assert UNKNOWN.limit == 120


def test_a_limit_of_nothing_is_asked_as_if_it_was_one():
    made = pace(0.5, allowance(0, remaining=0))
    assert (made.capacity, made.gap) == (1.0, 1_800.0)


def test_accounts_that_begin_together_spread_out_over_the_first_interval():
    chance = Random(7)
    firsts = []
    for _ in range(400):
        made = Pace(0.5, chance, 0.0, interval=IDLE)
        made.learn(allowance(), 0.0)
        made.spend(0.0)
        firsts.append(made.after(False, 0.0))
    for second in range(0, 60, 10):
        assert 35 < sum(second <= first < second + 10 for first in firsts) < 110


def test_failures_are_waited_out_for_longer_and_longer_and_never_above_a_minute():
    chance = Random(3)
    for failures, most in [(1, 1), (2, 2), (3, 4), (7, 60), (2_000, 60)]:
        waits = [backoff(failures, chance) for _ in range(200)]
        assert 0.8 * most < max(waits) <= most
        assert min(waits) < 0.2 * most
