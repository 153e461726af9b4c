"""The mix: how urgent the messages of an account are, how many of each kind, and how they arrive.

The shares are of each account's messages. Where they come to fractions the counts are rounded so
that every account has all of its messages, and every kind its share of all accounts together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Final

import attrs

from ..budgets.priority import Priority

FORM: Final = "priority=share[:arrival]"
"""How a part is written."""

ROUNDED: Final = 0.001
"""How far from 1 the sum of shares may be that somebody has rounded."""

PRIORITIES: Final = {priority.name.lower(): priority for priority in Priority}
"""By name, the least urgent first."""


class Arrival(StrEnum):
    """How an account's messages arrive over the hours."""

    BURST = "burst"
    """All of them at the start."""
    STEADY = "steady"
    """Evenly, each account at a phase of its own."""
    DAYTIME = "daytime"
    """At random, most of them about noon and next to none about midnight, when it starts."""


@attrs.frozen
class Part:
    """Some of each account's messages: of one priority, and arriving in one way."""

    priority: Priority
    share: float
    """Of the account's messages, in proportion to the shares of the other parts."""
    arrival: Arrival


def parse_mix(text: str, arrival: Arrival) -> tuple[Part, ...]:
    """Read ``bulk=0.9:burst,interactive=10%``; a part that does not say so arrives as ``arrival``.

    Raises `ValueError`, whose sentence names the part and the rule.
    """
    parts: list[Part] = []
    for piece in text.split(","):
        part = _parse_part(piece.strip(), arrival)
        if any((part.priority, part.arrival) == (p.priority, p.arrival) for p in parts):
            raise ValueError(
                f"{part.priority.name.lower()} is there twice with the arrival {part.arrival}: "
                "make it one part with the sum of its shares"
            )
        parts.append(part)
    total = sum(part.share for part in parts)
    if not abs(total - 1.0) <= ROUNDED + 1e-9:
        raise ValueError(f"the shares sum to {total:.6g}, and must sum to 1 (or 100%)")
    return tuple(parts)


def _parse_part(piece: str, arrival: Arrival) -> Part:
    name, equals, rest = piece.partition("=")
    name = name.strip()
    if not equals:
        raise ValueError(f"{piece!r} is not of the form {FORM}, such as bulk=0.9:burst")
    if name not in PRIORITIES:
        raise ValueError(f"{name!r} is no priority: those are {_listed(PRIORITIES)}")
    number, colon, way = (word.strip() for word in rest.partition(":"))
    share = _parse_share(number)
    if not 0.0 < share < math.inf:  # nor is nan
        raise ValueError(
            f"the share of {name} is {number!r}, and must be a number above 0, such as 0.9 or 90%"
        )
    if colon and way not in list(Arrival):
        raise ValueError(f"the arrival of {name} is {way!r}, and must be {_listed(Arrival)}")
    return Part(PRIORITIES[name], share, Arrival(way) if colon else arrival)


def _parse_share(number: str) -> float:
    try:
        if number.endswith("%"):
            return float(number[:-1]) / 100
        return float(number)
    except ValueError:
        return math.nan


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


def counts(mix: Sequence[Part], accounts: int, messages: int) -> Iterator[tuple[int, ...]]:
    """How many messages of each part the accounts have, one account after the other.

    Always true:

    - the counts of an account sum to ``messages``;
    - each is its exact share, rounded up or down, and so is its sum over all accounts.
    """
    # Exact fractions: floats would now and then round a whole number down.
    total = sum(Fraction(part.share) for part in mix)
    exact = [Fraction(part.share) / total * messages for part in mix]
    whole = [math.floor(share) for share in exact]
    extras = [
        of_all - each * accounts
        for of_all, each in zip(_rounded([s * accounts for s in exact]), whole, strict=True)
    ]
    # One extra a turn, part after part, round the table of accounts: so everybody gets as many
    # extras as anybody, and no part comes to the same account twice.
    starts = [sum(extras[:index]) for index in range(len(mix))]
    for account in range(accounts):
        yield tuple(
            each + ((account - start) % accounts < extra)
            for each, start, extra in zip(whole, starts, extras, strict=True)
        )


def _rounded(shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers of the same sum: the largest remainders are rounded up."""
    found = [math.floor(share) for share in shares]
    missing = int(sum(shares)) - sum(found)
    by_remainder = sorted(range(len(shares)), key=lambda i: found[i] - shares[i])
    for index in by_remainder[:missing]:
        found[index] += 1
    return found
