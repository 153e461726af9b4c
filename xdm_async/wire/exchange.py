"""What crosses the road: a Route asked with a Request, answered by a Response, carried by Senders.

The road is a chain of links of one shape, `Sender`: the scheduler, the signer and the transport
are each one, so that they stack, swap and fake freely. Nothing here touches the network.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol

import attrs

from ..budgets.budget import shown
from ..budgets.priority import Priority
from ..errors import InvalidRequest

Method = Literal["GET", "POST", "DELETE"]


@attrs.frozen
class Route:
    """One operation of the API, by the name that plans know it by."""

    name: str
    """As plans name it: ``dm_conversations.send``."""
    method: Method
    template: str
    """The documented path, for people and logs; the path that is sent is on the `Request`."""
    scopes: tuple[str, ...] = ()
    """The OAuth 2.0 scopes that the call needs."""


LIGHTEST, HEAVIEST = 0.001, 1000.0
"""The smallest and the largest ``weight``."""


def _finite(value: object) -> float | None:
    """A finite number as a float; None for whatever else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def _seconds(value: float | None) -> float | None:
    if value is None:
        return None
    seconds = _finite(value)
    if seconds is None or seconds < 0:
        raise InvalidRequest(
            f"max_wait is a finite number of seconds of at least 0, not {shown(value)}",
            argument="max_wait",
        )
    return seconds


def _weight(value: float) -> float:
    weight = _finite(value)
    if weight is None or not LIGHTEST <= weight <= HEAVIEST:
        raise InvalidRequest(
            f"weight is a number from {LIGHTEST:g} to {HEAVIEST:g}, not {shown(value)}",
            argument="weight",
        )
    return weight


def as_priority(value: object) -> Priority:
    """A `Priority`, or `InvalidRequest`: its numbers and names do not stand for it."""
    if not isinstance(value, Priority):
        raise InvalidRequest(
            "priority is Priority.BULK, Priority.NORMAL or Priority.INTERACTIVE, "
            f"not {shown(value)}",
            argument="priority",
        )
    return value


@attrs.frozen
class Manners:
    """How a request waits for its turn.

    Raises:
        InvalidRequest: one of them cannot be; the sentence names it and the rule.
    """

    priority: Priority = attrs.field(default=Priority.NORMAL, converter=as_priority)
    max_wait: float | None = attrs.field(default=None, converter=_seconds)
    """Seconds in line, over all attempts; 0 is now or never, None as long as it takes."""
    weight: float = attrs.field(default=1.0, converter=_weight)
    """The share of its account in what the app may spend, against 1 for the others."""


MANNERS = Manners()
"""Those of a request that nobody said anything about."""


@attrs.define(eq=False, repr=False)
class Request:
    """One request on its way down, and the facts that the links learn about it.

    ``left`` counts how often its headers were handed to the network: 0 as long as provably
    nothing left this machine. ``credentials`` is opaque to every link but the signer.
    """

    route: Route
    path: str
    """Percent-encoded path and query, as signed and as sent."""
    body: bytes | None = None
    url: str | None = None
    """The whole address, of what does not lie below the API's own."""
    form: bool = False
    """Whether the body is a form; it is JSON otherwise."""
    user_id: str = ""
    credentials: object = None
    """Whose request it is; the account's own link fills both in."""
    authorization: str = ""
    """Set afresh by the signer for each attempt; never logged."""
    left: int = 0
    sent_at: float = 0.0
    """The local clock when its headers were handed over, for the latest attempt."""
    answer: Response | None = None
    """Set when the headers of the answer are in, whatever becomes of its body."""
    manners: Manners = MANNERS
    deadline: float | None = None
    """On the local clock, when its ``max_wait`` ends: it counts from its first attempt."""
    again: bool = False
    """Whether it was granted before: it goes again before those that wait."""
    on_left: Callable[[], None] | None = None
    """Called each time that its headers have been handed over, where somebody wants to know."""

    def __repr__(self) -> str:
        return f"<Request {self.route.name} of user {self.user_id}, left={self.left}>"


@attrs.define(eq=False, repr=False)
class Response:
    """One answer on its way up: ``status``, ``headers``, and the body as bytes, unopened."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    sent_at: float
    received_at: float
    """The local clock before the request was handed over, and when the headers were in."""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


class Sender(Protocol):
    """One link of the road: the scheduler, the signer and the transport are each a `Sender`."""

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Carry ``request`` out and return the answer, or raise an `XdmError`.

        Written as ``async def``, or as a function that hands on another link's coroutine.
        """
        ...


JSON = Any
"""What a JSON reader gives back."""
