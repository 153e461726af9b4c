"""Outlook: when a bucket will give, how much of it is kept from whom, when it may be forgotten.

Looks ahead from what a bucket knows, and changes nothing but to let the time do its part. Whether
the next request may go now is the bucket's own business (`Bucket.ready_at`).
"""

from __future__ import annotations

from .bucket import LOST_AFTER, Bucket, State
from .server_clock import ServerClock

INFINITY = float("inf")


def kept(bucket: Bucket, share: float, now: float, clock: ServerClock) -> float:
    """How many tokens are kept from those who may not touch this share of a whole window.

    The share melts with what is still to come of the window; where units come back one by
    one, with the time to the next.
    """
    if bucket.known:
        to_come = bucket.over_at(now, clock) - now
    elif bucket.cells:
        to_come = max(bucket.cells.first_at - now, bucket.budget.window / 64.0)
    else:
        to_come = bucket.budget.window
    full = bucket.limit - bucket.budget.headroom
    return min(share * full * min(1.0, to_come / bucket.budget.window), full - 1.0)


def stays(bucket: Bucket, now: float, clock: ServerClock) -> float:
    """Until when what is `kept` of it only melts, as far as time can tell."""
    if bucket.known:
        return bucket.over_at(now, clock)
    return bucket.cells.first_at if bucket.cells else INFINITY


def spare_at(bucket: Bucket, share: float, now: float, clock: ServerClock) -> float:
    """When there is a token beyond what is `kept`: ``now``, or the moment to ask again."""
    if bucket.tokens > kept(bucket, share, now, clock):
        return now
    # The part of the window at whose beginning just the tokens that there are would be kept.
    full = bucket.limit - bucket.budget.headroom
    part = bucket.tokens / (share * full) * bucket.budget.window
    if bucket.known:
        at = bucket.over_at(now, clock) - part
    elif bucket.cells:
        at = bucket.cells.first_at
        if part > bucket.budget.window / 64.0:
            at -= part
    else:
        return INFINITY  # nothing counts: what is pending takes it all
    return max(at, now) + 1e-3


def nth_at(
    bucket: Bucket, n: int, now: float, clock: ServerClock, *, at_the_earliest: bool = False
) -> float:
    """When the n-th token from now can be had, if nobody else takes any.

    A window that nobody has named yet is taken for a whole one that opens now; ``at_the_earliest``
    it may be over at once.
    """
    bucket.turn(now, clock)
    start = max(now, bucket.held_until)
    missing = n - max(0, bucket.tokens)
    if missing <= 0:
        return start
    full = max(1, bucket.limit - bucket.budget.headroom)
    window = bucket.budget.window
    if bucket.known:
        closes = bucket.over_at(now, clock)
        return max(start, closes + (missing - 1) // full * window)
    if bucket.cells and missing <= bucket.rolling:
        return max(start, bucket.cells.back_at(missing))
    windows = (missing - bucket.rolling - 1) // full + 1
    if at_the_earliest and bucket.state is not State.ROLLING:
        windows -= 1
    return start + windows * window


def clear_at(bucket: Bucket, now: float, clock: ServerClock) -> float:
    """When it will hold nothing that may not be forgotten, as far as time can tell."""
    bucket.turn(now, clock)
    if bucket.pending:
        return now + LOST_AFTER
    at = max(now, bucket.held_until)
    if bucket.known:
        at = max(at, bucket.over_at(now, clock))
    if bucket.cells:
        at = max(at, bucket.cells.last_at)
    return at


def opens_at(bucket: Bucket, now: float) -> float | None:
    """The moment on our clock that a hold ends or a rolling unit comes back, if any."""
    if bucket.held_until > now:
        return bucket.held_until
    return bucket.cells.first_at if bucket.cells else None
