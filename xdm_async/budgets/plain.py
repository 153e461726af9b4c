"""The plain case: an answer that only moves numbers, for all buckets of a permit at once.

Nearly every answer is one, so it is written out here for speed; whatever is not plain is left to
`xdm_async.budgets.bucket.Bucket.settle`, which always comes to the same.
"""

from __future__ import annotations

from .bucket import Bucket
from .budget import Report


def settle_plainly(
    buckets: tuple[Bucket, ...], reports: tuple[Report, ...], received: float
) -> int:
    """Settle takes that were no probes, as long as a good answer only moves numbers: what
    `Bucket.settle` comes to, with the bucket's report or rightly without.

    Returns how many buckets are settled, the first ones; -1 where that is all of them and every
    report was about one of them.
    """
    done = told = 0
    count = len(reports)
    for bucket in buckets:
        plain = bucket.plain
        if plain == 2:
            cells = bucket.cells
            if cells is None or received >= cells.until:
                return done
            if told < count and reports[told].family == bucket.budget.report:
                return done
            cells.latest += 1
        else:
            if told == count:
                return done
            report = reports[told]
            remaining = report.remaining
            if (
                remaining is None
                or report.reset != bucket.reset
                or report.limit != bucket.limit
                or report.family != bucket.budget.report
                or not plain
            ):
                return done
            gone, used = bucket.limit - remaining, bucket.used
            if gone > used:
                if gone > bucket.mine + bucket.pending:
                    return done
                if gone > used + 1:
                    bucket.tokens += used - gone + 1
                bucket.used = gone
            else:
                bucket.tokens += 1
            bucket.mine += 1
            told += 1
        bucket.pending -= 1
        done += 1
    return -1 if told == count else done
