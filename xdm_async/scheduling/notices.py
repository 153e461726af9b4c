"""Notices: what becomes of each request, told to an observer as it happens.

Plain values for dashboards, logs and tests: a request begins with `Queued`, ends with `Settled`,
and has in between, for each attempt, `Waiting` where it had to wait, `Granted`, `Sent`, and
`Refused` where the server said no. Who tells them is `xdm_async.scheduling.reporter`.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Protocol

import attrs

from ..budgets.priority import Priority

_log = logging.getLogger("xdm_async")


@attrs.frozen(kw_only=True)
class _OfRequest:
    number: int
    """Which request of the App, counted from 1: the notices of one request share it."""
    route: str
    """As plans name it: ``dm_conversations.send``."""
    user_id: str
    priority: Priority


@attrs.frozen
class Queued(_OfRequest):
    """A request wants to leave: the first notice of each."""


@attrs.frozen
class Waiting(_OfRequest):
    """It cannot leave yet.

    ``budget`` is the one that keeps it waiting and ``owner`` whose it is, both None where no
    budget does: others go first, or requests are paced. ``until`` is when that budget gives
    again, on the server's clock; None where only an answer can tell, or that clock is not known.
    """

    budget: str | None
    until: datetime | None
    owner: str | None


@attrs.frozen
class Granted(_OfRequest):
    """It is its turn, after ``waited`` seconds in line for this attempt."""

    waited: float


@attrs.frozen
class Sent(_OfRequest):
    """Its headers were handed to the network: from here on the server may have counted it."""


@attrs.frozen
class Refused(_OfRequest):
    """The server said no, with ``status``; ``again`` tells whether it goes back into line."""

    status: int
    again: bool


@attrs.frozen
class Settled(_OfRequest):
    """It is over: the last notice of each request.

    ``status`` is that of the last answer, None where none came; ``took`` the seconds since it was
    queued, waiting included; ``error`` the name of what its caller is given instead of a good
    answer (``BudgetExhausted``, ``CancelledError`` …), None where it is a good answer.
    """

    status: int | None
    took: float
    error: str | None


@attrs.frozen
class Refreshed:
    """The tokens of an account were renewed.

    This version renews none and never tells it; it is here so that a ``match`` over every notice
    stays whole.
    """

    user_id: str


Notice = Queued | Waiting | Granted | Sent | Refused | Settled | Refreshed
"""Whatever an observer may be told."""


class Observer(Protocol):
    """Who is told what becomes of every request: ``App(observer=…)``.

    It is called in the event loop, between two steps of the request: it should be quick. What it
    raises is logged once per App and goes no further.
    """

    def on(self, notice: Notice, /) -> None:
        """Take one notice."""
        ...


class LoggingObserver:
    """An `Observer` that writes one line for each notice.

    Args:
        logger: where to; the logger ``xdm_async`` where it is left out.
        level: at which level.
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.DEBUG) -> None:
        self._logger = logger or _log
        self._level = level

    def on(self, notice: Notice, /) -> None:
        """Write one line."""
        if self._logger.isEnabledFor(self._level):
            self._logger.log(self._level, "%s", _line(notice))


def _line(notice: Notice) -> str:
    match notice:
        case Refreshed(user_id):
            return f"tokens of user {user_id} were renewed"
        case Queued():
            told = f"queued as {notice.priority.name}"
        case Waiting(None):
            told = "waits for its turn"
        case Waiting(budget, until):
            when = "" if until is None else f" until {until.isoformat(timespec='seconds')}"
            told = f"waits for {budget!r} of {notice.owner}{when}"
        case Granted(waited):
            told = f"may leave after {waited:.3f} s"
        case Sent():
            told = "left"
        case Refused(status, again):
            told = f"refused with {status}{', goes back into line' if again else ''}"
        case Settled(status, took, error):
            answer = "no answer" if status is None else str(status)
            told = f"over after {took:.3f} s: {answer}{f', {error}' if error else ''}"
    return f"request {notice.number} ({notice.route} of {notice.user_id}) {told}"
