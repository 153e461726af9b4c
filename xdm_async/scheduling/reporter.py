"""Reporter: tells an observer of each request, and keeps the observer's failures to itself.

There is none where nobody observes: then no notice is made, and nothing is spent on one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from ..budgets.priority import Priority
from ..wire.exchange import Request
from .notices import Granted, Notice, Observer, Queued, Refused, Sent, Settled, Waiting

_log = logging.getLogger("xdm_async")


class _Who(TypedDict):
    number: int
    route: str
    user_id: str
    priority: Priority


class Reporter:
    """Hands notices to an observer, and keeps its failures away from the requests."""

    def __init__(self, observer: Observer, now: Callable[[], float]) -> None:
        self._observer = observer
        self._failed = False
        self._count = 0
        self.now = now

    def begin(self, request: Request) -> Story:
        """A request has come: what follows is told by its `Story`."""
        self._count += 1
        return Story(self, self._count, request)

    def tell(self, notice: Notice) -> None:
        """Tell it, whatever the observer makes of it."""
        try:
            self._observer.on(notice)
        except Exception:
            if not self._failed:
                self._failed = True
                _log.exception(
                    "the observer failed; it is still told, and its failures are not logged again"
                )


class Story:
    """What becomes of one request, told as it happens."""

    __slots__ = ("_asked", "_since", "_told", "_who")

    def __init__(self, told: Reporter, number: int, request: Request) -> None:
        self._told = told
        self._who: _Who = {
            "number": number,
            "route": request.route.name,
            "user_id": request.user_id,
            "priority": request.manners.priority,
        }
        self._asked = self._since = told.now()

    def queued(self) -> None:
        """It has come."""
        self._told.tell(Queued(**self._who))

    def waiting(self, budget: str | None, owner: str | None, until: datetime | None) -> None:
        """It was not granted at once."""
        self._told.tell(Waiting(budget, until, owner, **self._who))

    def granted(self) -> None:
        """It is its turn."""
        waited = max(0.0, self._told.now() - self._since)
        self._told.tell(Granted(waited, **self._who))

    def left(self) -> None:
        """Its headers are with the network."""
        self._told.tell(Sent(**self._who))

    def refused(self, status: int, *, again: bool) -> None:
        """The server said no."""
        self._since = self._told.now()
        self._told.tell(Refused(status, again, **self._who))

    def settled(self, status: int | None, error: BaseException | None) -> None:
        """It is over."""
        took = max(0.0, self._told.now() - self._asked)
        name = None if error is None else type(error).__name__
        self._told.tell(Settled(status, took, name, **self._who))
