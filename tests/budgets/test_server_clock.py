"""The server's clock: bounds that hold whatever the delays, the offset and the drift."""

import math

from hypothesis import given
from hypothesis import strategies as st

from xdm_async.budgets.server_clock import DRIFT, ServerClock

EPOCH = 1_700_000_000.0

exchanges = st.lists(
    st.tuples(
        st.floats(0, 90_000),  # seconds since the exchange before
        st.floats(0, 30),  # on the way there
        st.floats(0, 30),  # on the way back
    ),
    min_size=1,
    max_size=30,
)
offsets = st.floats(-1e6, 1e6)
drifts = st.floats(-0.99 * DRIFT, 0.99 * DRIFT)
GRAIN = 1e-5
"""A float of this size is no finer."""


def test_nothing_is_known_before_the_first_answer() -> None:
    clock = ServerClock()
    assert not clock.known
    assert clock.lower(5.0) == -math.inf
    assert clock.upper(5.0) == math.inf
    assert clock.sure_at(EPOCH, 5.0) == math.inf


def test_one_answer_bounds_it_to_a_second_and_the_round_trip() -> None:
    clock = ServerClock()
    clock.observe(EPOCH, sent=100.0, received=100.5)
    assert clock.known
    assert clock.lower(100.5) == EPOCH
    assert abs(clock.upper(100.5) - (EPOCH + 1.5)) < 0.001


def test_a_second_answer_narrows_it() -> None:
    clock = ServerClock()
    clock.observe(EPOCH, sent=100.0, received=100.0)
    clock.observe(EPOCH + 1, sent=100.5, received=100.5)
    assert abs(clock.lower(100.5) - (EPOCH + 1)) < 0.001
    assert abs(clock.upper(100.5) - (EPOCH + 1.5)) < 0.001


def test_what_was_learned_widens_with_age() -> None:
    clock = ServerClock()
    clock.observe(EPOCH, sent=0.0, received=0.0)
    day = 86_400.0
    assert clock.lower(day) == EPOCH + day - day * DRIFT
    assert clock.upper(day) == EPOCH + 1 + day + day * DRIFT


def test_of_two_answers_that_disagree_the_newest_is_believed() -> None:
    for step in (3_600.0, -3_600.0):
        clock = ServerClock()
        clock.observe(EPOCH, sent=0.0, received=0.0)
        clock.observe(EPOCH + 10 + step, sent=10.0, received=10.0)
        assert clock.lower(10.0) == EPOCH + 10 + step
        assert clock.upper(10.0) == EPOCH + 11 + step


@given(offset=offsets, drift=drifts, trips=exchanges, later=st.floats(0, 1e6))
def test_the_servers_time_is_never_outside_the_bounds(offset, drift, trips, later) -> None:
    """For every offset and drift, with dates truncated to whole seconds.

    The upper bound leaves out what two clocks drift apart within the longest exchange.
    """
    clock = ServerClock()
    within = GRAIN + DRIFT * max(there + back for _, there, back in trips)

    def true(now: float) -> float:
        return EPOCH + offset + now * (1 + drift)

    now = 0.0
    for pause, there, back in trips:
        sent = now + pause
        date = math.floor(true(sent + there))
        now = sent + there + back
        clock.observe(float(date), sent, now)
        assert clock.lower(now) <= true(now) + GRAIN
        assert clock.upper(now) >= true(now) - within
    for moment in (now, now + later):
        assert clock.lower(moment) - GRAIN <= true(moment) <= clock.upper(moment) + within


@given(offset=offsets, drift=drifts, trips=exchanges, until=st.floats(-1e3, 1e6))
def test_sure_at_is_never_early_and_comes_true(offset, drift, trips, until) -> None:
    clock = ServerClock()

    def true(now: float) -> float:
        return EPOCH + offset + now * (1 + drift)

    now = 0.0
    for pause, there, back in trips:
        sent = now + pause
        date = math.floor(true(sent + there))
        now = sent + there + back
        clock.observe(float(date), sent, now)
    instant = true(now) + until
    at = clock.sure_at(instant, now)
    assert at >= now
    assert true(at) >= instant - GRAIN
    assert clock.lower(at) >= instant - GRAIN, "whoever wakes then must find it so"


@given(trips=exchanges, later=st.floats(0, 1e6))
def test_the_bounds_only_ever_narrow_while_the_answers_agree(trips, later) -> None:
    clock = ServerClock()
    now = 0.0
    for pause, there, back in trips:
        sent = now + pause
        now = sent + there + back
        before = clock.lower(now), clock.upper(now)
        clock.observe(float(math.floor(EPOCH + sent + there)), sent, now)
        assert clock.lower(now) >= before[0] - GRAIN
        assert clock.upper(now) <= before[1] + GRAIN
    assert clock.upper(now + later) - clock.lower(now + later) >= 0


def test_the_upper_bound_holds_through_a_slow_exchange() -> None:
    def true(now: float) -> float:
        return EPOCH + 0.9999999 + now * (1 + 0.99 * DRIFT)

    clock = ServerClock()
    clock.observe(float(math.floor(true(0.0))), 0.0, 30.0)
    assert clock.upper(30.0) >= true(30.0)
