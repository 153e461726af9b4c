"""What the proof would notice: the bucket broken in the ways that SCHEDULER §5 names.

Each mutation is one function of `MUTATIONS`, applied to the real `Bucket` from outside: a
constant, or a public method wrapped by what it must not do. `check_everything` is the proof in
small: seeded runs against the simulated server, which pass as the bucket is and fail under each;
and so does the stateful machine of `tests.budgets.test_bucket_stateful`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from xdm_async.budgets import bucket as bucket_module
from xdm_async.budgets.bucket import GUARD, Bucket, Finding, State
from xdm_async.budgets.budget import Budget, Plan, Report

from ..budgets.test_bucket_stateful import Traffic
from .simulated import Run, Server, simulate

# How the bucket is broken

Around = Callable[..., Any]
Patch = pytest.MonkeyPatch


def around(patch: Patch, name: str, wrapper: Callable[[Callable[..., Any]], Around]) -> None:
    patch.setattr(Bucket, name, wrapper(getattr(Bucket, name)))


def the_long_way(patch: Patch) -> None:
    """No shortcut past the methods that the mutations wrap; a bucket gives the same without."""
    weigh = Bucket._weigh

    def never_sure(bucket: Bucket) -> None:
        weigh(bucket)
        bucket.sure, bucket.plain = float("-inf"), 0

    patch.setattr(Bucket, "_weigh", never_sure)


def hold(bucket: Bucket, pending: int) -> None:
    """Let so many be pending, and the sum of what is left follow where it is kept."""
    change, bucket.pending = pending - bucket.pending, pending
    bucket.tokens -= change


def no_guard_second(patch: Patch) -> None:
    """A window closes when its ``reset`` has come, however the server rounds it."""
    patch.setattr(bucket_module, "GUARD", 0.0)


def pending_zeroed_at_a_reset(patch: Patch) -> None:
    """What is in flight when a window closes is forgotten, and its end changes nothing."""

    def turn(real: Around) -> Around:
        def mutant(bucket: Bucket, *args: Any) -> None:
            before = bucket.state
            real(bucket, *args)
            if before is State.KNOWN and bucket.state is State.PROVISIONAL:
                hold(bucket, 0)

        return mutant

    def end(real: Around) -> Around:
        def mutant(bucket: Bucket, *args: Any, **kwargs: Any) -> Any:
            hold(bucket, max(1, bucket.pending))
            return real(bucket, *args, **kwargs)

        return mutant

    around(patch, "turn", turn)
    for name in ("settle", "refund", "expire"):
        around(patch, name, end)


def last_report_wins(patch: Patch) -> None:
    """``used`` is what the latest report says, though it may have been overtaken."""

    def settle(real: Around) -> Around:
        def mutant(bucket: Bucket, report: Report | None, **kwargs: Any) -> Any:
            found = real(bucket, report, **kwargs)
            if report and report.remaining is not None and bucket.state is State.KNOWN:
                bucket.used = max(0, bucket.limit - report.remaining)
            return found

        return mutant

    around(patch, "settle", settle)


def in_flight_ignored(patch: Patch) -> None:
    """A permit costs nothing until its answer is in."""

    def take(real: Around) -> Around:
        def mutant(bucket: Bucket, *args: Any) -> Any:
            probe = real(bucket, *args)
            hold(bucket, bucket.pending - 1)
            return probe

        return mutant

    def end(real: Around) -> Around:
        def mutant(bucket: Bucket, *args: Any, **kwargs: Any) -> Any:
            hold(bucket, bucket.pending + 1)
            return real(bucket, *args, **kwargs)

        return mutant

    around(patch, "take", take)
    for name in ("settle", "refund", "expire"):
        around(patch, name, end)


def unreflected_forgotten(patch: Patch) -> None:
    """An answer without a report, or none at all, ends like a request that was never sent."""

    def settle(real: Around) -> Around:
        def mutant(bucket: Bucket, report: Report | None, **kwargs: Any) -> Any:
            bucket.turn(kwargs["received"], kwargs["clock"])
            if report is None and bucket.state is State.KNOWN:
                bucket.refund(kwargs["probe"])
                return Finding.NOTHING
            return real(bucket, report, **kwargs)

        return mutant

    def expire(real: Around) -> Around:
        def mutant(bucket: Bucket, *args: Any) -> None:
            if bucket.state is State.KNOWN:
                bucket.refund(False)
            else:
                real(bucket, *args)

        return mutant

    around(patch, "settle", settle)
    around(patch, "expire", expire)


def late_report_accepted(patch: Patch) -> None:
    """A report of a window that is over is read as one of the window that is open."""

    def settle(real: Around) -> Around:
        def mutant(bucket: Bucket, report: Report | None, **kwargs: Any) -> Any:
            late = (
                report is not None
                and report.reset is not None
                and kwargs["clock"].lower(kwargs["received"]) >= report.reset + GUARD
            )
            if late and bucket.state is State.KNOWN:
                assert report is not None
                report = Report(report.family, report.limit, report.remaining, bucket.closes)
            return real(bucket, report, **kwargs)

        return mutant

    around(patch, "settle", settle)


MUTATIONS: dict[str, Callable[[Patch], None]] = {
    "no guard second": no_guard_second,
    "pending zeroed at a reset": pending_zeroed_at_a_reset,
    "last report wins": last_report_wins,
    "in-flight ignored": in_flight_ignored,
    "unreflected forgotten": unreflected_forgotten,
    "a late report accepted": late_report_accepted,
}


# The proof in small

ROUTES = {"send": "write", "send_in": "write"}
LIMIT, WINDOW = 20, 60.0
SLOW = (0.2, 8.0)
ALL_ALONG: list[tuple[float, float]] = [(0.0, 120.0)]
AROUND_AN_END: list[tuple[float, float]] = [(54.0, 64.0)]
BEFORE_AND_LATER: list[tuple[float, float]] = [(50.0, 59.0), (65.0, 65.0), (84.0, 90.0)]
"""Answers of the first come while a few of the second have named the next window."""


def run_seeded(
    seed: int,
    asked: list[tuple[float, float]],
    trips: tuple[float, float] = (0.05, 0.3),
    *,
    headerless: float = 0.0,
    lost: float = 0.0,
) -> Run:
    """Two users with three windows' worth of requests, and a server that floors its resets."""
    rng = random.Random(seed)
    asks = []
    for n in range(6 * LIMIT):
        span = asked[0 if n < 2 * LIMIT else -1]
        if n < 4:  # the first of each user opens a window, the second is as it comes
            span = (0.0, 0.0) if n < 2 else asked[len(asked) // 2]
        asks.append((rng.uniform(*span), f"u{n % 2}", rng.choice(list(ROUTES))))
    budget = Budget(LIMIT, WINDOW, "user", "b", report="rate-limit")
    server = Server(
        {"write": [("user", LIMIT, WINDOW)]},
        ROUTES,
        rounding="floor",
        headerless=headerless,
        skew=1_700_000_000.0 + rng.random(),
        rng=random.Random(seed),
    )
    plan = Plan("one", {"write": (budget,)}, ROUTES)
    return simulate(plan, server, asks, until=3_600.0, round_trip=trips, lost=lost, seed=seed)


def check_everything() -> None:
    """Nothing is refused, nothing stalls, and a window that many wait for is used to its end."""
    for seed in range(8):
        for asked, trips in (
            (ALL_ALONG, (0.05, 0.3)),
            (ALL_ALONG, SLOW),
            (AROUND_AN_END, SLOW),
            (BEFORE_AND_LATER, (0.2, 20.0)),
        ):
            run = run_seeded(seed, asked, trips)
            assert run.refusals == 0
            assert len(run.done) == 6 * LIMIT
            for window in run.server.windows.values():
                assert set(window.served[1:-1]) == {LIMIT}, "not used to its end"
        for headerless, lost in ((0.3, 0.0), (0.2, 0.2)):
            run = run_seeded(seed, ALL_ALONG, headerless=headerless, lost=lost)
            assert run.refusals == 0
            assert run.machine.waiting == run.machine.in_flight == 0


def check_any_order() -> None:
    """The stateful proof, until it finds something."""
    run_state_machine_as_test(
        Traffic,
        settings=settings(
            max_examples=1_500,
            stateful_step_count=50,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_bucket_as_it_is_passes() -> None:
    check_everything()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_bucket_that_is_broken_is_caught(mutation: str, monkeypatch: Patch) -> None:
    the_long_way(monkeypatch)
    MUTATIONS[mutation](monkeypatch)
    with pytest.raises(AssertionError):
        check_everything()


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_events_in_any_order_catch_it_too(mutation: str, monkeypatch: Patch) -> None:
    the_long_way(monkeypatch)
    MUTATIONS[mutation](monkeypatch)
    with pytest.raises(AssertionError):
        check_any_order()
