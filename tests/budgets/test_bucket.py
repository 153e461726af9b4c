"""Buckets: each line under "Always true", the five states, and what reports may change.

The server's clock is `EPOCH` plus ours in all of these, and a window opened at t=0 is named by
``reset = EPOCH + window``.
"""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.budgets.bucket import FULL, GUARD, LOST_AFTER, PATIENCE, Bucket, Finding, State
from xdm_async.budgets.budget import Budget, Report
from xdm_async.budgets.outlook import clear_at, opens_at
from xdm_async.budgets.server_clock import DRIFT, ServerClock

EPOCH = 1_700_000_000.0
WINDOW = 900.0
TRIP = 0.1
SEND, LIST = "dm_conversations.send", "dm_events.list"


class Scene:
    """One bucket, the clock it is judged by, and the exchanges of a test."""

    def __init__(self, limit: int = 5, window: float = WINDOW, **changes) -> None:
        options = {"owner": "user", "name": "b", "report": "rate-limit"} | changes
        self.bucket = Bucket(Budget(limit, window, **options), "9")
        self.clock = ServerClock()
        self.clock.observe(EPOCH, 0.0, 0.0)

    def ready_at(self, now: float, trip: float = TRIP) -> float:
        return self.bucket.ready_at(now, self.clock, trip)

    def take(self, now: float) -> bool:
        assert self.ready_at(now) <= now, "the bucket does not give"
        return self.bucket.take(now)

    def settle(
        self,
        probe: bool,
        sent: float,
        received: float | None = None,
        *,
        limit: int | None = None,
        remaining: int | None = None,
        reset: float | None = None,
        refused: bool = False,
        route: str = SEND,
        date: float | None = None,
    ) -> Finding:
        """Close a take; with a report if ``remaining``, ``limit`` or ``reset`` says anything."""
        received = sent if received is None else received
        told = (limit, remaining, reset)
        reset = None if reset is None else EPOCH + reset
        report = Report("rate-limit", limit, remaining, reset)
        return self.bucket.settle(
            None if told == (None, None, None) else report,
            route=route,
            probe=probe,
            refused=refused,
            sent=sent,
            received=received,
            date=EPOCH + math.floor(sent) if date is None else date,
            clock=self.clock,
        )

    def ask(self, now: float, **report) -> Finding:
        """Take, and be answered at once."""
        return self.settle(self.take(now), now, **report)

    def strike(self, now: float, sent: float | None = None, **how) -> None:
        sent = now if sent is None else sent
        how = {"visible": False, "spread": 0.999999} | how
        spread = how.pop("spread")
        self.bucket.strike(now, sent, spread, **how)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        b = self.bucket
        return b.used, b.pending, b.unreflected, b.rolling


def known(limit: int = 5, remaining: int | None = None, **changes) -> Scene:
    """A window of the server is open from t=0, and one request of it is ours."""
    scene = Scene(limit, **changes)
    scene.ask(
        0.0,
        limit=limit,
        remaining=limit - 1 if remaining is None else remaining,
        reset=scene.bucket.budget.window,
    )
    assert scene.bucket.state is State.KNOWN
    return scene


def over(reset: float = WINDOW) -> float:
    """A moment at which a window that is named ``reset`` is surely over."""
    return (reset + GUARD) / (1 - DRIFT) + 0.01


# Cold


def test_a_cold_bucket_gives_one_probe_and_the_others_wait_for_its_answer() -> None:
    scene = Scene()
    assert scene.bucket.state is State.COLD
    assert scene.take(0.0) is True
    assert scene.bucket.expected
    assert scene.ready_at(0.0) > 0.0
    scene.settle(True, 0.0, 0.1, limit=5, remaining=4, reset=WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert not scene.bucket.expected
    assert scene.ready_at(0.1) == 0.1


@pytest.mark.parametrize(("trip", "patience"), [(0.1, PATIENCE), (0.5, 2.0), (1.0, 4.0)])
def test_a_probe_without_an_answer_lets_the_next_one_go(trip, patience) -> None:
    """After max(2 s, 4 round trips): a stall never freezes the rest."""
    scene = Scene()
    scene.take(10.0)
    assert scene.ready_at(10.0, trip) == 10.0 + patience
    assert scene.ready_at(10.0 + patience - 0.001, trip) > 10.0 + patience - 0.001
    lost = scene.bucket
    lost.lose(True)
    assert scene.ready_at(10.5, trip) == 10.5, "a probe that is known to be lost is not waited for"


def test_a_probe_that_was_never_sent_leaves_the_bucket_as_it_was() -> None:
    scene = Scene()
    before = repr(scene.bucket)
    scene.bucket.refund(scene.take(0.0))
    assert repr(scene.bucket) == before
    assert scene.take(0.0) is True


def test_a_probe_answered_without_a_report_makes_it_roll() -> None:
    scene = Scene(limit=3)
    scene.ask(0.0)
    assert scene.bucket.state is State.ROLLING
    assert scene.counts == (0, 0, 0, 1)
    assert scene.bucket.tokens == 2
    scene.take(0.0)
    scene.take(0.0)
    assert scene.ready_at(0.0) > 0.0


def test_an_apps_bucket_starts_with_1_2_4_at_once_doubling_with_each_answer() -> None:
    scene = Scene(limit=10_000, window=86_400.0, owner="app", report="app-24h")
    for at_once in (1, 2, 4, 8):
        out = 0
        while scene.ready_at(0.0) <= 0.0:
            assert scene.bucket.take(0.0) is True
            out += 1
        assert out == at_once
        for _ in range(out - 1):
            scene.bucket.refund(True)
        scene.settle(True, 0.0)


def test_an_apps_bucket_that_no_header_shows_ends_its_slow_start() -> None:
    scene = Scene(limit=100_000, window=86_400.0, owner="app", report=None)
    assert scene.bucket.state is State.ROLLING
    for _ in range(int(math.log2(FULL))):
        scene.settle(scene.take(0.0), 0.0)
    assert all(not scene.take(0.0) for _ in range(3 * FULL))


# Known


def test_a_known_window_gives_what_is_left_of_it_and_then_names_its_end() -> None:
    scene = known(limit=3)
    assert [scene.take(1.0), scene.take(1.0)] == [False, False]
    assert scene.bucket.tokens == 0
    wait = scene.ready_at(1.0)
    assert WINDOW + GUARD <= wait < over() + 0.5
    assert scene.bucket.spent(1.0, scene.clock)


def test_a_window_closes_by_the_servers_clock_one_second_after_its_reset() -> None:
    """No guard second, and a reset that was floored would be overrun."""
    scene = known(limit=1)
    just_before = (WINDOW + GUARD - 0.01) / (1 - DRIFT)
    for now in (WINDOW - 1, WINDOW, WINDOW + 0.5, just_before):
        assert scene.ready_at(now) > now
        assert scene.bucket.state is State.KNOWN
        assert scene.bucket.used == 1
    wake = scene.ready_at(1.0)
    assert scene.ready_at(wake) == wake
    assert scene.bucket.state is State.PROVISIONAL
    assert scene.counts == (0, 0, 0, 0)


def test_what_is_known_of_the_servers_clock_decides_and_not_ours() -> None:
    scene = Scene(limit=1)
    scene.clock = ServerClock()
    scene.clock.observe(EPOCH, 0.0, 20.0)  # anything from EPOCH at t=0 to EPOCH at t=20
    scene.ask(20.0, limit=1, remaining=0, reset=WINDOW, date=EPOCH)
    assert scene.ready_at(WINDOW + 15.0) > WINDOW + 15.0
    assert scene.ready_at(over(WINDOW + 20.0)) <= over(WINDOW + 20.0)


def test_after_its_window_it_gives_one_probe_until_the_next_is_named() -> None:
    scene = known()
    now = over()
    assert scene.take(now) is True
    assert scene.bucket.state is State.PROVISIONAL
    assert scene.bucket.expected
    assert scene.ready_at(now) > now
    scene.settle(True, now, limit=5, remaining=4, reset=now + WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert scene.counts == (1, 0, 0, 0)


def test_an_answer_of_the_next_window_closes_this_one_before_our_clock_does() -> None:
    scene = known(limit=5, remaining=0)
    scene.bucket.pending += 1  # in flight over the boundary
    sent = WINDOW + 0.2
    scene.settle(False, sent, limit=5, remaining=4, reset=sent + WINDOW, date=EPOCH + WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.closes == EPOCH + sent + WINDOW
    assert scene.bucket.used == 1


def test_a_request_in_flight_over_a_reset_is_charged_to_both_windows() -> None:
    scene = known(limit=3)
    early = scene.take(WINDOW - 1)
    now = over()
    probe = scene.take(now)
    scene.settle(probe, now, limit=3, remaining=2, reset=now + WINDOW)
    assert scene.counts == (1, 1, 0, 0)
    assert scene.bucket.tokens == 1
    scene.settle(early, WINDOW - 1, now + 1, limit=3, remaining=1, reset=WINDOW)
    assert scene.counts == (1, 0, 0, 0)


def test_used_never_falls_within_a_window() -> None:
    scene = known(limit=10)
    for remaining in (5, 8, 4, 10, 9, 0, 7):
        before = scene.bucket.used
        scene.bucket.pending += 1
        scene.settle(False, 1.0, limit=10, remaining=remaining, reset=WINDOW)
        assert scene.bucket.used == max(before, 10 - remaining)


def test_headroom_is_never_spent() -> None:
    scene = known(limit=5, headroom=2)
    assert scene.bucket.tokens == 2
    scene.take(1.0)
    scene.take(1.0)
    assert scene.ready_at(1.0) > 1.0


def test_a_raised_limit_is_used_at_once() -> None:
    scene = known(limit=2)
    scene.ask(1.0, limit=200, remaining=198, reset=WINDOW)
    assert scene.bucket.limit == 200
    assert scene.bucket.tokens == 198


def test_a_cut_limit_stops_what_has_not_left() -> None:
    scene = known(limit=200)
    first = [scene.take(1.0) for _ in range(20)]
    scene.settle(first.pop(), 1.0, limit=15, remaining=13, reset=WINDOW)
    assert scene.bucket.limit == 15
    assert scene.bucket.tokens == 15 - 2 - 19
    assert scene.ready_at(1.0) > 1.0


def test_the_limit_is_what_the_newest_sent_answer_says() -> None:
    scene = known(limit=200)
    old, new = scene.take(1.0), scene.take(2.0)
    scene.settle(new, 2.0, 3.0, limit=300, remaining=297, reset=WINDOW)
    scene.settle(old, 1.0, 4.0, limit=200, remaining=198, reset=WINDOW)
    assert scene.bucket.limit == 300
    assert scene.bucket.used == 3


def test_numbers_without_a_limit_are_counted_from_the_limit_that_is_known() -> None:
    scene = known(limit=10)
    scene.ask(1.0, remaining=4, reset=WINDOW)
    assert scene.bucket.used == 6


def test_a_report_without_a_reset_is_still_read_inside_the_window() -> None:
    scene = known(limit=10)
    scene.ask(1.0, limit=10, remaining=3)
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.used == 7


def test_strangers_who_draw_on_it_are_noticed() -> None:
    scene = known(limit=10)
    assert scene.ask(1.0, limit=10, remaining=8, reset=WINDOW) is Finding.NOTHING
    assert scene.ask(2.0, limit=10, remaining=5, reset=WINDOW) is Finding.SHARED


# Lost, and answered without a report


def test_an_answer_without_a_report_is_counted_until_a_later_sent_one_covers_it() -> None:
    scene = known(limit=10)
    before, bare = scene.take(1.0), scene.take(1.0)
    scene.settle(bare, 1.0, 2.0)
    assert scene.counts == (1, 1, 1, 0)
    scene.settle(before, 1.0, 3.0, limit=10, remaining=8, reset=WINDOW)
    assert scene.counts == (2, 0, 1, 0), "a request sent before it settled says nothing of it"
    scene.ask(4.0, limit=10, remaining=7, reset=WINDOW)
    assert scene.counts == (3, 0, 0, 0)


def test_what_was_unreflected_goes_with_the_first_report_of_the_next_window() -> None:
    scene = known(limit=5)
    scene.ask(1.0)
    assert scene.bucket.unreflected == 1
    assert scene.ready_at(over()) == over()
    assert scene.counts == (0, 0, 0, 1), "in a window that slides it would count on"

    scene.ask(over(), limit=5, remaining=4, reset=math.ceil(over()) + WINDOW)
    assert scene.counts == (1, 0, 0, 0)


def test_what_may_belong_to_the_next_window_already_is_counted_on() -> None:
    scene = known(limit=5)
    scene.ask(WINDOW + 0.5)
    scene.bucket.turn(over(), scene.clock)
    assert scene.bucket.state is State.PROVISIONAL
    assert scene.counts == (0, 0, 0, 1)


def test_a_lost_request_stays_pending_and_then_becomes_unreflected() -> None:
    scene = known(limit=5)
    scene.bucket.lose(scene.take(1.0))
    assert scene.counts == (1, 1, 0, 0)
    scene.bucket.expire(1.0 + LOST_AFTER)
    assert scene.counts == (1, 0, 1, 0)
    scene.ask(40.0, limit=5, remaining=2, reset=WINDOW)
    assert scene.counts == (3, 0, 0, 0)


def test_a_lost_probe_is_counted_by_time_where_no_window_is_known() -> None:
    scene = Scene(limit=5)
    scene.bucket.lose(scene.take(0.0))
    scene.bucket.expire(LOST_AFTER)
    assert scene.counts == (0, 0, 0, 1)
    assert scene.ready_at(LOST_AFTER) <= LOST_AFTER


# Old windows, and reports in any order


def test_a_report_of_an_old_window_changes_nothing_but_its_own_permit() -> None:
    scene = known(limit=5)
    late = scene.take(WINDOW - 5)
    now = over()
    scene.ask(now, limit=5, remaining=4, reset=now + WINDOW)
    before = (scene.bucket.used, scene.bucket.closes, scene.bucket.limit, scene.bucket.state)
    scene.settle(late, WINDOW - 5, now + 2, limit=3, remaining=0, reset=WINDOW)
    after = (scene.bucket.used, scene.bucket.closes, scene.bucket.limit, scene.bucket.state)
    assert after == before
    assert scene.counts == (1, 0, 0, 0)


def test_a_report_of_an_old_window_does_not_name_the_next_one() -> None:
    scene = known(limit=5)
    late = scene.take(WINDOW - 5)
    now = over()
    scene.settle(late, WINDOW - 5, now, limit=5, remaining=3, reset=WINDOW)
    assert scene.bucket.state is State.PROVISIONAL
    assert scene.counts == (0, 0, 0, 0)


answers = st.lists(
    st.tuples(
        st.sampled_from([1.0, 2.0, 3.0]),  # sent
        st.none() | st.tuples(st.integers(0, 20), st.sampled_from([-0.5, 0.0, 0.5, None])),
    ),
    min_size=1,
    max_size=8,
)


@given(answers=answers, seed=st.integers(0, 10**6))
def test_reports_at_one_instant_leave_the_same_counts_in_any_order(answers, seed) -> None:
    shuffled = list(answers)
    random.Random(seed).shuffle(shuffled)
    left = []
    for order in (answers, shuffled):
        scene = known(limit=20)
        for sent, _ in order:
            scene.bucket.take(sent)
        for sent, report in order:
            if report is None:
                scene.settle(False, sent, 4.0)
            else:
                remaining, shift = report
                reset = None if shift is None else WINDOW + shift
                scene.settle(False, sent, 4.0, limit=20, remaining=remaining, reset=reset)
        left.append((scene.counts, scene.bucket.tokens, scene.bucket.closes, scene.bucket.state))
    assert left[0] == left[1]


# Rolling


def test_a_rolling_unit_comes_back_one_window_after_its_answer_and_little_later() -> None:
    scene = Scene(limit=1, report=None)
    scene.settle(scene.take(0.0), 0.0, 10.0)
    back = scene.ready_at(10.0)
    assert 10.0 + WINDOW <= back <= 10.0 + WINDOW * (1 + DRIFT) + WINDOW / 64 + 1e-6
    assert scene.ready_at(back - 0.001) == back
    assert scene.ready_at(back) == back
    assert scene.bucket.tokens == 1


@given(
    gaps=st.lists(st.floats(0, 400), min_size=1, max_size=60),
    trips=st.lists(st.floats(0, 20), min_size=60, max_size=60),
    limit=st.integers(1, 4),
)
def test_no_span_of_a_window_holds_more_than_the_limit_while_rolling(gaps, trips, limit) -> None:
    scene = Scene(limit=limit, report=None)
    out: list[tuple[float, float]] = []
    counted: list[float] = []
    now = 0.0
    for gap, trip in zip(gaps, trips, strict=False):
        now += gap
        for done, sent in sorted(x for x in out if x[0] <= now):
            scene.settle(False, sent, done)
            out.remove((done, sent))
        if scene.ready_at(now) <= now:
            scene.take(now)
            out.append((now + trip, now))
            counted.append(now + trip / 2)  # the server counts it somewhere on the way
    counted.sort()
    for first in counted:
        assert sum(first <= at < first + WINDOW for at in counted) <= limit


@pytest.mark.parametrize(("window", "most"), [(900.0, 66), (86_400.0, 1_442), (3_600.0, 66)])
def test_however_many_roll_they_come_back_at_a_bounded_number_of_moments(window, most) -> None:
    """Cells of min(window / 64, 60 s) bound the memory."""
    scene = Scene(limit=10**6, window=window, report=None)
    for n in range(20_000):
        scene.ask(n * window / 20_000)
    now, moments = window, 0
    assert scene.bucket.rolling > 19_000
    while (at := opens_at(scene.bucket, now)) is not None:
        moments, now = moments + 1, at
        scene.bucket.turn(now, scene.clock)
    assert moments <= most
    assert scene.bucket.rolling == 0
    assert scene.bucket.idle


def test_a_window_below_ten_seconds_rolls_whatever_is_reported() -> None:
    scene = Scene(limit=5, window=9.0)
    scene.ask(0.0, limit=5, remaining=4, reset=9.0)
    assert scene.bucket.state is State.ROLLING
    assert scene.counts == (0, 0, 0, 1)
    scene = Scene(limit=5, window=10.0)
    scene.ask(0.0, limit=5, remaining=4, reset=10.0)
    assert scene.bucket.state is State.KNOWN


def test_a_report_that_comes_after_all_ends_the_rolling() -> None:
    scene = Scene(limit=10)
    scene.ask(0.0)
    scene.ask(1.0)
    scene.ask(60.0, limit=10, remaining=7, reset=WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert scene.counts == (3, 0, 0, 0)


def test_rolling_units_that_a_named_window_cannot_show_yet_are_counted_beside_it() -> None:
    scene = Scene(limit=10)
    scene.ask(0.0)
    reporting, bare = scene.take(1.0), scene.take(1.5)
    scene.settle(bare, 1.5, 2.0)
    scene.settle(reporting, 1.0, 3.0, limit=10, remaining=8, reset=WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.used == 2
    assert scene.bucket.unreflected >= 1


def test_numbers_without_a_window_count_strangers_by_time_too() -> None:
    scene = Scene(limit=10)
    scene.ask(0.0, limit=10, remaining=4)
    assert scene.bucket.state is State.ROLLING
    assert scene.bucket.rolling == 6


def test_a_reset_that_creeps_forward_on_one_route_is_a_server_that_slides() -> None:
    scene = known(limit=10)
    scene.ask(10.0, limit=10, remaining=8, reset=WINDOW + 10)
    assert scene.bucket.state is State.ROLLING
    assert scene.bucket.rolling == 2
    scene.ask(20.0, limit=10, remaining=7, reset=WINDOW + 20)
    assert scene.bucket.state is State.ROLLING
    assert scene.counts == (0, 0, 0, 3)


def test_a_reset_that_trembles_is_one_window() -> None:
    scene = known(limit=10)
    for n, shift in enumerate((0.0, 1.0, -1.0, 2.0, 0.0)):
        scene.ask(1.0 + n, limit=10, remaining=8 - n, reset=WINDOW + shift)
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.closes == EPOCH + WINDOW + 2.0
    assert scene.bucket.used == 6


def test_another_route_that_keeps_to_a_reset_of_its_own_is_counted_apart() -> None:
    scene = known(limit=10)
    other = {"route": LIST, "limit": 10, "reset": WINDOW + 100}
    assert scene.ask(100.0, remaining=9, **other) is Finding.NOTHING
    assert scene.ask(101.0, remaining=8, **other) is Finding.NOTHING
    assert scene.ask(104.0, remaining=7, **other) is Finding.APART
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.closes == EPOCH + WINDOW + 100, "the later end stands for both"


def test_another_route_whose_reset_moves_is_a_server_that_slides() -> None:
    scene = known(limit=10)
    for n in range(2):
        now = 100.0 + 5 * n
        scene.ask(now, route=LIST, limit=10, remaining=8 - n, reset=WINDOW + now)
    assert scene.bucket.state is State.ROLLING


# Held


def test_a_refusal_that_nothing_explains_holds_everything_and_then_lets_one_go() -> None:
    scene = known(limit=10)
    scene.bucket.pending += 1
    scene.settle(False, 1.0, refused=True)
    scene.strike(1.0)
    assert scene.bucket.state is State.HELD
    held = scene.ready_at(1.0)
    assert 1.5 <= held <= 2.0
    assert scene.bucket.spent(1.0, scene.clock)
    assert scene.take(held) is True
    assert scene.bucket.expected
    assert scene.ready_at(held) > held
    scene.settle(True, held, limit=10, remaining=7, reset=WINDOW)
    assert scene.bucket.state is State.KNOWN
    assert scene.ready_at(held) == held


@pytest.mark.parametrize("spread", [0.0, 0.5, 0.999999])
def test_holds_double_between_half_and_whole_up_to_their_end(spread) -> None:
    scene = Scene()
    now = 0.0
    for n in range(14):
        scene.strike(now, spread=spread)
        held = scene.ready_at(now) - now
        whole = min(2.0**n, WINDOW)
        assert held == pytest.approx(whole * (0.5 + spread / 2))
        now += held
    assert scene.bucket.strikes == 14


def test_a_long_windows_holds_end_at_a_24th_of_it() -> None:
    scene = Scene(window=86_400.0, report=None)
    now = 0.0
    for _ in range(20):
        scene.strike(now)
        held = scene.ready_at(now) - now
        now += held
    assert held == pytest.approx(3_600.0, rel=1e-4)


def test_refusals_inside_one_round_trip_count_once() -> None:
    scene = Scene()
    for at in (1.0, 1.1, 1.2, 1.3):
        scene.strike(at, sent=0.9)
    assert scene.bucket.strikes == 1
    scene.strike(3.0, sent=2.9)
    assert scene.bucket.strikes == 2


def test_holds_are_merged_by_the_later_end() -> None:
    scene = Scene()
    scene.bucket.hold(0.0, 30.0)
    scene.bucket.hold(1.0, 5.0)
    assert scene.ready_at(2.0) == 30.0
    scene.strike(2.0)
    assert scene.ready_at(2.0) == 30.0
    scene.strike(3.0, at_least=60.0)
    assert scene.ready_at(3.0) == 63.0


def test_a_good_answer_to_what_was_sent_before_the_refusal_releases_nothing() -> None:
    scene = known(limit=10)
    early = scene.take(1.0)
    scene.strike(2.0, sent=1.5)
    held = scene.ready_at(2.0)
    scene.settle(early, 1.0, 2.1, limit=10, remaining=8, reset=WINDOW)
    assert scene.bucket.state is State.HELD
    assert scene.ready_at(2.1) == held


def test_a_refusal_that_its_report_explains_closes_the_window_until_its_reset() -> None:
    scene = known(limit=5)
    scene.bucket.pending += 1
    scene.settle(False, 1.0, limit=5, remaining=0, reset=WINDOW, refused=True)
    assert scene.bucket.state is State.KNOWN
    assert scene.bucket.strikes == 0
    assert scene.bucket.tokens == 0
    assert scene.ready_at(1.0) >= WINDOW + GUARD
    assert scene.ready_at(over() + 1) == over() + 1


def test_a_refusal_that_shows_an_untouched_budget_opens_no_window() -> None:
    scene = Scene(limit=5)
    scene.settle(scene.take(0.0), 0.0, limit=5, remaining=5, reset=WINDOW, refused=True)
    assert scene.bucket.state is State.COLD
    assert scene.counts == (0, 0, 0, 0)


def test_a_long_budget_spent_behind_healthy_reports_is_asked_less_and_less() -> None:
    scene = Scene(limit=1_000, window=86_400.0, report=None)
    scene.take(0.0)
    now, refusals = 1.0, 0
    while now < 86_400.0:
        scene.strike(now, visible=True)
        refusals += 1
        now = max(now + 0.1, scene.ready_at(now))
    assert refusals <= 12
    assert now <= 86_400.0 * (1 + DRIFT) + 1.0, "and again once its window must be over"


def test_one_that_may_be_why_starts_again_with_one_at_a_time() -> None:
    scene = Scene(limit=10_000, window=86_400.0, owner="app", report=None)
    for _ in range(4):
        scene.ask(0.0)
    scene.bucket.slow_down()
    scene.take(0.0)
    assert scene.ready_at(0.0) > 0.0


# What turned out to be one budget


def test_two_buckets_that_are_one_count_for_both() -> None:
    kept, gone = known(limit=10), known(limit=10)
    for _ in range(3):
        gone.take(1.0)
    gone.ask(1.0)
    kept.take(1.0)
    kept.bucket.absorb(gone.bucket, 1.0)
    assert gone.bucket.merged is kept.bucket
    assert kept.counts == (1, 4, 1, 0)
    assert kept.bucket.tokens == 4


@pytest.mark.parametrize("how", ["known", "rolling"])
def test_rolling_units_of_the_other_come_along(how) -> None:
    kept = known(limit=10) if how == "known" else Scene(limit=10, report=None)
    gone = Scene(limit=10, report=None)
    for n in range(3):
        gone.ask(float(n))
    before = kept.bucket.tokens
    kept.bucket.absorb(gone.bucket, 3.0)
    assert kept.bucket.tokens == before - 3


def test_a_window_that_only_the_other_knows_counts_until_it_is_over() -> None:
    kept, gone = Scene(limit=10), known(limit=10, remaining=4)
    kept.bucket.absorb(gone.bucket, 1.0)
    assert kept.bucket.state is State.KNOWN
    assert kept.bucket.tokens == 4
    assert kept.ready_at(over()) <= over(), "and no longer"
    kept.bucket.turn(over(), kept.clock)
    assert kept.bucket.tokens == 10


@pytest.mark.parametrize("which", ["kept", "gone"])
def test_where_one_of_them_slides_both_count_by_time(which) -> None:
    scenes = {"kept": known(limit=20, remaining=14), "gone": known(limit=20, remaining=16)}
    sliding = scenes[which]
    sliding.settle(
        sliding.take(60.0), 60.0, limit=20, remaining=13, reset=WINDOW + 60.0, date=EPOCH + 60.0
    )
    sliding.settle(
        sliding.take(70.0), 70.0, limit=20, remaining=12, reset=WINDOW + 70.0, date=EPOCH + 70.0
    )
    assert sliding.bucket.state is State.ROLLING
    kept, gone = scenes["kept"], scenes["gone"]
    both = kept.bucket.used + gone.bucket.used + kept.bucket.rolling + gone.bucket.rolling
    kept.bucket.absorb(gone.bucket, 71.0)
    assert kept.bucket.state is State.ROLLING
    assert kept.bucket.used == 0
    assert kept.bucket.tokens == 20 - both


# When it may be forgotten


def test_what_counts_anything_is_not_idle() -> None:
    fresh = Scene()
    assert fresh.bucket.idle
    assert clear_at(fresh.bucket, 5.0, fresh.clock) == 5.0
    fresh.take(5.0)
    assert not fresh.bucket.idle
    assert clear_at(fresh.bucket, 5.0, fresh.clock) == 5.0 + LOST_AFTER
    window = known()
    assert not window.bucket.idle
    at = clear_at(window.bucket, 1.0, window.clock)
    assert at >= WINDOW + GUARD
    window.bucket.turn(at, window.clock)
    assert window.bucket.idle
    rolls = Scene(report=None)
    rolls.ask(0.0)
    assert not rolls.bucket.idle
    rolls.bucket.turn(clear_at(rolls.bucket, 0.0, rolls.clock), rolls.clock)
    assert rolls.bucket.idle
    held = Scene()
    held.strike(0.0)
    assert not held.bucket.idle


def test_its_repr_tells_all_its_counts() -> None:
    scene = known(limit=7)
    scene.take(1.0)
    assert repr(scene.bucket) == (
        "<Bucket b of 9: known, limit 7, used 1, pending 1, unreflected 0, rolling 0>"
    )


# Against a server that counts strictly


requests = st.lists(
    st.tuples(
        st.floats(0, 40),  # since the one before
        st.floats(0, 2),  # on the way there
        st.floats(0, 4),  # on the way back
        st.sampled_from(["report"] * 5 + ["bare", "lost on the way", "lost on the way back"]),
    ),
    min_size=1,
    max_size=80,
)


@given(
    requests=requests,
    limit=st.integers(1, 5),
    headroom=st.integers(0, 1),
    rounding=st.sampled_from([math.floor, round, math.ceil]),
    phase=st.floats(0, 1),
)
def test_whatever_comes_back_the_server_never_counts_more_than_the_bucket(
    requests, limit, headroom, rounding, phase
) -> None:
    """And so never refuses, and every permit ends exactly once."""
    window = 60.0
    headroom = min(headroom, limit - 1)
    scene = Scene(limit, window, headroom=headroom)
    bucket, clock = scene.bucket, ServerClock()
    scene.clock = clock
    opened, counted = -math.inf, 0
    flights: list[tuple[float, int, str, dict]] = []
    serial = 0
    now = 0.0

    def true(at: float) -> float:
        return EPOCH + phase + at

    def check() -> None:
        assert bucket.tokens == (
            bucket.limit - headroom - bucket.used - bucket.pending - bucket.unreflected
            - bucket.rolling
        )  # fmt: skip
        assert bucket.pending >= 0
        if bucket.state is not State.KNOWN:
            assert bucket.used == bucket.unreflected == 0

    def land(until: float) -> None:
        nonlocal opened, counted
        while flights and flights[0][0] <= until:
            at, _, kind, flight = flights.pop(0)
            if kind == "arrives":
                if at >= opened + window:
                    opened, counted = at, 0
                assert counted < limit, "refused"
                counted += 1
                flight["date"] = math.floor(true(at))
                flight["report"] = Report(
                    "rate-limit", limit, limit - counted, float(rounding(true(opened + window)))
                )
                if bucket.state is State.KNOWN and bucket.closes >= true(at):
                    ours = bucket.used + bucket.pending + bucket.unreflected
                    assert counted <= ours
            elif kind == "answered":
                clock.observe(flight["date"], flight["sent"], at)
                before, window_before = bucket.used, bucket.closes
                bucket.settle(
                    flight["report"] if flight["fate"] == "report" else None,
                    route=SEND, probe=flight["probe"], refused=False, sent=flight["sent"],
                    received=at, date=flight["date"], clock=clock,
                )  # fmt: skip
                if bucket.state is State.KNOWN and bucket.closes == window_before:
                    assert bucket.used >= before
            elif kind == "fails":
                bucket.lose(flight["probe"])
            else:
                bucket.expire(at)
            check()

    for gap, there, back, fate in requests:
        now += gap
        land(now)
        if bucket.ready_at(now, clock, TRIP) <= now and bucket.tokens >= 1:
            flight = {"sent": now, "probe": bucket.take(now), "fate": fate}
            events = [] if fate == "lost on the way" else [(now + there, "arrives")]
            if fate.startswith("lost"):
                events += [(now + 5.0, "fails"), (now + LOST_AFTER, "expires")]
            else:
                events += [(now + there + back, "answered")]
            for at, kind in events:
                serial += 1
                flights.append((at, serial, kind, flight))
            flights.sort(key=lambda f: f[:2])
        check()
    land(math.inf)
    assert bucket.pending == 0


def test_a_slow_answer_about_the_old_window_does_not_name_the_next_one() -> None:
    scene = known(limit=5)
    late = scene.take(WINDOW - 5)
    now = over()
    date = EPOCH + math.floor(now)
    scene.settle(late, WINDOW - 5, now, limit=5, remaining=3, reset=WINDOW, date=date)
    assert scene.bucket.state is State.PROVISIONAL
