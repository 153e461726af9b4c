"""Faults: what can go wrong on the way, on demand.

A fault strikes a request before it is carried out or after, and a client that gets no usable
answer cannot tell which: that is what it is there for. Which requests are struck is decided
here, and what becomes of them in `service` and `serving`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

import attrs

from .answers import HTML, Answer, Silence, refusal
from .problems import plain

_SOME_HTML: Final = b"<!DOCTYPE html>\n<html><head><title>X</title></head><body>X</body></html>\n"


@attrs.frozen
class Fault:
    """What becomes of a request that is struck."""

    carried_out: bool
    ending: Answer | Silence


def _broken(status: int, title: str) -> Answer:
    return refusal(plain(status, title))


_UNAVAILABLE: Final = _broken(503, "Service Unavailable")

KINDS: Final[Mapping[str, Fault]] = {
    "500": Fault(False, _broken(500, "Internal Server Error")),
    "502": Fault(False, _broken(502, "Bad Gateway")),
    "503": Fault(False, _UNAVAILABLE),
    "504": Fault(False, _broken(504, "Gateway Timeout")),
    "html": Fault(False, Answer(200, _SOME_HTML, media_type=HTML)),
    "cut": Fault(False, "cut"),
    "stall": Fault(False, "stall"),
    "503-after": Fault(True, _UNAVAILABLE),
    "cut-after": Fault(True, "cut"),
    "stall-after": Fault(True, "stall"),
}
"""By name. Those with `-after` strike a request that is carried out all the same."""


@attrs.define
class _Rule:
    kind: str
    route: str
    rate: float
    left: float


class Faults:
    """The faults that are to happen; of several that could strike, the one added first does."""

    def __init__(self, routes: Collection[str], seed: int) -> None:
        self._routes = frozenset(routes)
        self._rng = random.Random(f"faults {seed}")
        self._rules: list[_Rule] = []
        self.struck: Counter[str] = Counter()
        """How many requests each kind has struck."""

    def add(self, kind: str, route: str = "*", rate: float = 1.0, times: int | None = None) -> None:
        """Let requests fail.

        Args:
            kind: ``500``, ``502``, ``503``, ``504``: refused before anything is done. ``html``:
                a 200 that is a page, with nothing done. ``cut``: the connection is closed without
                an answer, with nothing done. ``stall``: no answer until the client gives up, with
                nothing done. ``503-after``, ``cut-after``, ``stall-after``: the same after the
                request was carried out.
            route: A name as in `Stats.requests_by_endpoint`, or a pattern: ``oauth2.*``.
            rate: How likely a request of the route is struck.
            times: How many requests it strikes; None: every one it can.

        Raises:
            ValueError: there is no such kind or route, or a number makes no sense.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        if not any(fnmatchcase(name, route) for name in self._routes):
            raise ValueError(f"no route {route!r}; there are {', '.join(sorted(self._routes))}")
        if not 0 < rate <= 1:
            raise ValueError(f"rate is more than 0 and at most 1, not {rate!r}")
        if times is not None and times < 1:
            raise ValueError(f"times is at least 1, or None, not {times!r}")
        self._rules.append(_Rule(kind, route, rate, float("inf") if times is None else times))

    def clear(self) -> None:
        """Let nothing fail any more; those who wait for an answer go on waiting."""
        self._rules.clear()

    def strike(self, route: str) -> Fault | None:
        """What becomes of this request of a route, if it is struck."""
        for rule in self._rules:
            if fnmatchcase(route, rule.route) and (
                rule.rate == 1 or self._rng.random() < rule.rate
            ):
                rule.left -= 1
                if rule.left < 1:
                    self._rules.remove(rule)
                self.struck[rule.kind] += 1
                return KINDS[rule.kind]
        return None
