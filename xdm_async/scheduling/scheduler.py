"""Scheduler: the link that lets a request leave when no budget will refuse it.

The async shell around `xdm_async.scheduling.machine`: it hands events to the machine, resumes
whom the machine grants, keeps the machine's one timer, and decides nothing. A permit is held from
the grant until the answer's headers are in; each attempt takes a new one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ..budgets.budget import Plan
from ..clock import Clock
from ..errors import AppClosed
from ..wire.exchange import Request, Response, Sender
from ..wire.headers import read_date, read_reports, read_retry_after
from ..wire.problems import is_final_429, refusal
from .events import (
    Ask,
    BudgetStatus,
    Cancel,
    Close,
    Drop,
    Event,
    Go,
    Lose,
    Refund,
    Settle,
    Tick,
)
from .flows import Stage, Ticket
from .machine import Machine

_log = logging.getLogger("xdm_async")

_NAP = 30.0
"""The longest the timer sleeps: the loop's clock may stand still while the machine's goes on."""


class Scheduler:
    """A `Sender` that waits for a permit, passes the request on, and settles the permit.

    What holds at each ``await``:

    - waiting for the grant: the caller has a place in line; cancelled, it gives it up;
    - granted and not yet resumed: it holds a permit; cancelled, it refunds it;
    - passed on: cancelled before a byte left it refunds, after that the permit is lost, since the
      server may have counted it.
    """

    def __init__(self, onward: Sender, plan: Plan, *, clock: Clock, app: str = "app") -> None:
        self._onward = onward
        self._clock = clock
        self._machine = Machine(plan, app=app)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._quiet: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Scheduler: {self.waiting} waiting, {self.in_flight} in flight>"

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return self._machine.waiting

    @property
    def in_flight(self) -> int:
        """How many requests are on their way."""
        return self._machine.in_flight

    def statuses(self, user_id: str | None = None) -> list[BudgetStatus]:
        """What every budget looks like now, or those of one account and of the app."""
        return self._machine.statuses(self._clock.now(), user_id)

    def server_time(self) -> float | None:
        """The earliest that it can be on the server, in seconds since 1970, if that is known."""
        clock = self._machine.clock
        return clock.lower(self._clock.now()) if clock.known else None

    async def send(self, request: Request) -> Response:
        """Wait for the request's turn, carry it out, and return a good answer.

        A 429 that a budget's reset will cure is never seen by the caller: the request goes back
        to the front of its line.

        Raises:
            AppClosed: the scheduler was closed before the request could leave.
            XdmError: whatever the server's refusal means (`xdm_async.wire.problems`), or what the
                links below raise.
        """
        ticket = Ticket(request.user_id, request.route.name)
        self._step(Ask(ticket))
        while True:
            if ticket.stage is not Stage.GRANTED:
                await self._turn(ticket)
            request.left, request.answer = 0, None
            try:
                response = await self._onward.send(request)
            except BaseException:
                self._step(_unanswered(ticket, request))
                raise
            refused = response.status == 429 and not is_final_429(response)
            self._step(_answered(ticket, request, response, refused=refused))
            if refused:
                _log.debug("%s of user %s: 429", request.route.name, request.user_id)
                continue
            if response.status >= 300:
                raise refusal(request.route, response)
            return response

    async def _turn(self, ticket: Ticket) -> None:
        if ticket.stage is Stage.DONE:
            raise AppClosed("the App is closed")
        turn = asyncio.get_running_loop().create_future()
        ticket.sink = turn
        try:
            await turn
        except BaseException:  # cancelled, or thrown away half-way
            self._step(Cancel(ticket))
            raise
        finally:
            ticket.sink = None

    async def aclose(self, patience: float) -> None:
        """Drop all who wait (`AppClosed`), and give what is on its way ``patience`` seconds."""
        self._step(Close())
        if self._machine.in_flight:
            self._quiet = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._quiet], timeout=patience)
            self._quiet = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self, event: Event) -> None:
        machine = self._machine
        now = self._clock.now()
        for action in machine.step(event, now):
            if isinstance(action, Go):
                turn = cast("asyncio.Future[None] | None", action.ticket.sink)
                if turn is not None and not turn.done():
                    turn.set_result(None)
            elif isinstance(action, Drop):
                turn = cast("asyncio.Future[None] | None", action.ticket.sink)
                if turn is not None and not turn.done():
                    turn.set_exception(AppClosed("the App was closed while the request waited"))
            else:
                _log.log(action.level, action.text)
        if machine.wake_at < self._timer_at and not machine.closed:
            self._set_timer(machine.wake_at, now)
        if self._quiet is not None and not machine.in_flight and not self._quiet.done():
            self._quiet.set_result(None)

    def _set_timer(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(
            min(_NAP, max(0.0, at - now)), self._wake
        )

    def _wake(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._step(Tick())
        now = self._clock.now()
        if self._timer is None and self._machine.wake_at < float("inf"):
            self._set_timer(self._machine.wake_at, now)


def _answered(ticket: Ticket, request: Request, response: Response, *, refused: bool) -> Settle:
    """What the headers of an answer say about the permit it was given on."""
    headers = response.headers
    return Settle(
        ticket,
        response.sent_at,
        response.received_at,
        read_reports(headers),
        read_date(headers),
        refused,
        (read_retry_after(headers) or 0.0) if refused else 0.0,
        request.left - 1 if request.left > 1 else 0,
    )


def _unanswered(ticket: Ticket, request: Request) -> Event:
    """How a permit ends without a whole answer: by what is known to have happened."""
    if request.answer is not None:
        return _answered(ticket, request, request.answer, refused=False)
    return Lose(ticket, request.sent_at) if request.left else Refund(ticket)
