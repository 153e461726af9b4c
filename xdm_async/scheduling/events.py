"""What the machine is told, and what it answers: events in, actions out.

Plain values; what they mean is decided in `xdm_async.scheduling.machine`.
"""

from __future__ import annotations

import attrs

from ..budgets.bucket import State
from ..budgets.budget import Report
from .flows import Ticket


@attrs.define(eq=False)
class Ask:
    """A request wants to leave."""

    ticket: Ticket
    again: bool = False
    """It was granted before, and could not go: it goes before those of its line."""


@attrs.define(eq=False)
class Cancel:
    """Whoever held the ticket is gone: it leaves the line, or gives its permit back unused."""

    ticket: Ticket


@attrs.define(eq=False)
class Refund:
    """Provably nothing was sent on this permit."""

    ticket: Ticket


@attrs.define(eq=False)
class Lose:
    """Bytes left on this permit, and no answer will come."""

    ticket: Ticket
    sent: float


@attrs.define(eq=False)
class Settle:
    """An answer's headers are in. ``refused`` is a 429 that waiting can cure."""

    ticket: Ticket
    sent: float
    received: float
    reports: tuple[Report, ...] = ()
    date: float | None = None
    refused: bool = False
    retry_after: float = 0.0
    repeated: int = 0
    """How often the bytes left beyond the first time, each of which the server may have counted."""
    settled: int = 0
    """How many of the permit's buckets have taken the answer in already (`Machine.conclude`)."""


@attrs.define(eq=False)
class Tick:
    """It is ``wake_at``, or later."""


@attrs.define(eq=False)
class Close:
    """No more grants: all who wait are dropped."""


Event = Ask | Cancel | Refund | Lose | Settle | Tick | Close


@attrs.define(eq=False)
class Go:
    """This ticket is granted: its request may leave now."""

    ticket: Ticket


@attrs.define(eq=False)
class Drop:
    """This ticket will never be granted: the machine is closed."""

    ticket: Ticket


@attrs.define(eq=False)
class Exhaust:
    """This ticket will not be granted: its deadline comes before its turn, or the line is full.

    It is done, and nothing was sent. ``ready_in`` is in how many seconds the next request of its
    kind could go, as far as is known; ``full`` says that the line is full.
    """

    ticket: Ticket
    budget: str
    owner: str
    ready_in: float
    full: bool = False


@attrs.define(eq=False)
class Say:
    """A line for the log."""

    level: int
    text: str


Action = Go | Drop | Exhaust | Say


@attrs.frozen
class BudgetStatus:
    """What one bucket looks like at a moment; ``reset_in`` in seconds from then, if any, and
    ``reserved`` what of ``remaining`` is kept from the least urgent.
    """

    name: str
    owner: str
    state: State
    limit: int
    remaining: int
    in_flight: int
    waiting: int
    reset_in: float | None
    reserved: int = 0


@attrs.frozen
class Room:
    """What is left for one account on one route: of the scarcest budget, and by the tightest.

    ``limit`` per ``window`` seconds is the rate that lasts longest; where the app's accounts share
    it, one account's part. ``remaining`` could leave now, and ``waiting`` wait already; ``budget``
    is the scarcest, and ``reset_in`` the seconds until its window ends, where that is known.
    """

    limit: int
    window: float
    remaining: int
    waiting: int
    budget: str
    reset_in: float | None
