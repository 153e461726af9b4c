"""The outcome of a demo: what the server says came of it, and whether all of it holds.

Plain sums over ids and counts. How the run went about it is in `demo`, how it is told in
`display`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from ..emulator import WindowRecord

Used = Mapping[tuple[str, str], tuple[int, int, float]]
"""(budget, owner) -> units counted, limit, window in seconds."""


@attrs.frozen
class Tally:
    """What was found, held against what was expected, id by id."""

    expected: int
    exact: int
    """How many of those expected were found exactly once."""
    missing: int
    repeated: int
    """How many times too often any was found."""
    strange: int
    """How many were found that nobody expected."""

    @property
    def holds(self) -> bool:
        """Each that was expected was found exactly once, and nothing else."""
        return self.exact == self.expected and not self.repeated and not self.strange


def tally(found: Iterable[str], expected: Iterable[str]) -> Tally:
    """Hold what was found against what was expected; what is expected is so once."""
    counts, wanted = Counter(found), set(expected)
    known = [count for key, count in counts.items() if key in wanted]
    return Tally(
        expected=len(wanted),
        exact=known.count(1),
        missing=len(wanted) - len(known),
        repeated=sum(counts.values()) - len(counts),
        strange=len(counts) - len(known),
    )


def total(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    rows = [attrs.astuple(one) for one in tallies]
    return Tally(*map(sum, zip(*rows, strict=True))) if rows else Tally(0, 0, 0, 0, 0)


def used(windows: Iterable[WindowRecord]) -> Used:
    """Sum up what the server has counted so far, by budget and owner, over all windows."""
    counts: dict[tuple[str, str], tuple[int, int, float]] = {}
    for window in windows:
        key = (window.budget, window.owner)
        before = counts[key][0] if key in counts else 0
        length = round(window.closes_at - window.opened_at, 3)
        counts[key] = (before + window.used, window.limit, length)
    return counts


def lower_bound(before: Used, after: Used) -> float:
    """No client could have had in fewer seconds what was counted between these two moments.

    It is the largest ``((units - 1) // limit) * window`` over every budget and owner.
    """
    bound = 0.0
    for key, (units, limit, window) in after.items():
        units -= before[key][0] if key in before else 0
        bound = max(bound, max(0, units - 1) // limit * window)
    return bound


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a demo; the server's side of it is the emulator's own count."""

    accounts: int
    messages: int
    """Messages there were to send, of all accounts."""
    messages_sent: int
    """Sends that were answered with the ids of a message."""
    messages_stored: int
    """Messages the server has."""
    texts: Tally
    """The texts on the server, against those there were to send."""
    ids: Tally
    """The ids of the messages on the server, against those the sends were answered with."""
    events: Tally
    """The events each account read, against those the server has for it."""
    conversations: Tally
    """The same for conversations that were read by themselves."""
    requests: int
    refused_429: int
    seconds: float
    lower_bound_seconds: float
    errors: Mapping[str, int] = attrs.field(factory=dict)
    """What went wrong, in words, and how often."""

    def as_json(self) -> dict[str, int | float]:
        """Give the keys of ``xdm demo --json``."""
        return {
            "accounts": self.accounts,
            "messages_sent": self.messages_sent,
            "messages_stored": self.messages_stored,
            "duplicates": self.texts.repeated,
            "events_read": self.events.exact,
            "events_expected": self.events.expected,
            "refused_429": self.refused_429,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "lower_bound_seconds": round(self.lower_bound_seconds, 3),
        }

    def failures(self) -> list[str]:
        """Tell what does not hold, a few words each; empty when all of it does."""
        found = []
        if self.messages_sent != self.messages:
            found.append(f"{self.messages_sent:,} of {self.messages:,} messages were sent")
        if self.messages_stored != self.messages:
            found.append(f"the server has {self.messages_stored:,} messages of {self.messages:,}")
        found += _flaws("messages on the server", self.texts)
        found += _flaws("ids of sent messages", self.ids)
        found += _flaws("events read", self.events)
        found += _flaws("events read by conversation", self.conversations)
        if self.refused_429:
            found.append(f"{self.refused_429:,} requests were refused with 429")
        if self.errors:
            found.append(f"{sum(self.errors.values()):,} errors")
        return found

    @property
    def holds(self) -> bool:
        """Every message stored once, every event read once, no refusal and no error."""
        return not self.failures()


def _flaws(what: str, found: Tally) -> list[str]:
    counts = ((found.missing, "missing"), (found.repeated, "too many"), (found.strange, "unknown"))
    flaws = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    return [f"{what}: {flaws}"] if flaws else []
