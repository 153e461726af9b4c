"""The setting of a simulation: how many want to send what and when, to which server, with whom.

Everything that is random here comes from the setting's seed. What becomes of it is in `run`.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import attrs

from ..budgets.budget import Plan
from ..budgets.priority import Priority
from ..emulator.windows import DOCS_2026, DOCUMENTED, Budget, Limits
from .mix import Arrival, Part, counts

ROUTE: Final = "dm_conversations.send"
"""What everybody asks for: to send one message to one person."""

DAY: Final = 86_400.0


class Table(StrEnum):
    """A published table of limits, as the server's side knows it."""

    DOCUMENTED = "documented"
    DOCS_2026 = "docs-2026"


TABLES: Final[Mapping[Table, Limits]] = {
    Table.DOCUMENTED: DOCUMENTED,
    Table.DOCS_2026: DOCS_2026,
}


@attrs.frozen(kw_only=True)
class Setting:
    """What is simulated; two equal settings come out equal."""

    accounts: int
    messages: int
    """Of each account."""
    hours: float
    plan: Plan
    """What the client believes."""
    limits: Limits
    """What the server counts by."""
    latency: float
    """The mean round trip, in seconds."""
    foreign: float
    """The share of the user budgets that others are after; see `foreign`."""
    clock_skew: float
    """Seconds that the server's clock is ahead of ours."""
    seed: int
    mix: tuple[Part, ...]
    """Of which parts the messages of each account are."""
    reserve: Mapping[Priority, float]
    """What the client keeps of an app's budget from the less urgent; empty for nothing."""

    @property
    def seconds(self) -> float:
        """The length of it."""
        return self.hours * 3_600.0


def arrivals(setting: Setting, rng: random.Random) -> list[tuple[float, int, int]]:
    """When a message is there to be sent, by which account, and of which part; in order."""
    curve = _DayCurve(setting.seconds)
    found = [
        (at, account, index)
        for account, of_parts in enumerate(counts(setting.mix, setting.accounts, setting.messages))
        for index, count in enumerate(of_parts)
        for at in _arrivals_of_one(setting.mix[index].arrival, count, curve, rng)
    ]
    found.sort()
    return found


def _arrivals_of_one(
    arrival: Arrival, count: int, curve: _DayCurve, rng: random.Random
) -> list[float]:
    match arrival:
        case Arrival.BURST:
            return [0.0] * count
        case Arrival.STEADY:
            phase = rng.random()
            return [(index + phase) / count * curve.seconds for index in range(count)]
        case Arrival.DAYTIME:
            return [curve.at(rng.random()) for _ in range(count)]


class _DayCurve:
    """A day's ups and downs, as the instant by which a share of everything has arrived."""

    def __init__(self, seconds: float, steps: int = 4_096) -> None:
        self.seconds, self._steps = seconds, steps
        # The night is never quite empty: 1.05 - cos, summed up from midnight.
        turns = [2 * math.pi * seconds * step / steps / DAY for step in range(steps + 1)]
        sums = [1.05 * turn - math.sin(turn) for turn in turns]
        self._shares = [part / sums[-1] for part in sums]

    def at(self, share: float) -> float:
        index = max(1, min(self._steps, bisect_left(self._shares, share)))
        low, high = self._shares[index - 1], self._shares[index]
        within = (share - low) / (high - low) if high > low else 0.0
        return (index - 1 + min(1.0, max(0.0, within))) / self._steps * self.seconds


def foreign(
    setting: Setting, budgets: Sequence[Budget], rng: random.Random
) -> list[tuple[float, int]]:
    """When others send with an account's token, and whose; in order.

    They want their share of each user budget as early in its window as a shorter one lets them,
    at random instants; of an app's budget no more than the same share, evenly of each account.
    Who comes first gets it: in a burst they lose some of it to us.
    """
    if setting.foreign <= 0.0:
        return []
    found = [
        (at, account)
        for account in range(setting.accounts)
        for at in _foreign_of_one(setting, budgets, rng)
        if at <= setting.seconds
    ]
    found.sort()
    return found


def _foreign_of_one(
    setting: Setting, budgets: Sequence[Budget], rng: random.Random
) -> Iterator[float]:
    shares = [
        setting.foreign * b.limit / (1 if b.owner == "user" else setting.accounts) for b in budgets
    ]
    left, ends = [0.0] * len(budgets), [0.0] * len(budgets)
    slot = min(budget.window for budget in budgets)
    at = 0.0
    while at < setting.seconds:
        for index, budget in enumerate(budgets):
            if at >= ends[index]:
                left[index], ends[index] = shares[index], at + budget.window
        units = min(left)
        for _ in range(math.floor(units + rng.random())):
            yield at + rng.random() * slot
        left = [amount - units for amount in left]
        # On to where whatever ran out is whole again.
        at = max(ends[index] for index, amount in enumerate(left) if amount <= 1e-9)
