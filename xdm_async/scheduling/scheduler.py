"""Scheduler: the link that lets a request leave when no budget will refuse it.

The async shell around `xdm_async.scheduling.machine`: it hands events to the machine, resumes
whom the machine grants, raises at whom it turns away, keeps the machine's one timer, and decides
nothing. A permit is held from the grant until the answer's headers are in; each attempt takes a
new one.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from ..budgets.budget import Plan
from ..budgets.priority import RESERVE, Priority
from ..clock import Clock
from ..errors import AppClosed, BudgetExhausted, TooManyWaiting
from ..wire.exchange import Request, Response, Sender
from ..wire.headers import read_date, read_reports, read_retry_after
from ..wire.problems import is_final_429, refusal
from .events import (
    Action,
    Ask,
    BudgetStatus,
    Cancel,
    Close,
    Event,
    Exhaust,
    Go,
    Lose,
    Refund,
    Room,
    Say,
    Settle,
    Tick,
)
from .flows import Stage, Ticket
from .machine import MAX_WAITING, Machine
from .notices import Observer, Refreshed
from .pacing import Pacer
from .reporter import Reporter, Story

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

    def __init__(
        self,
        onward: Sender,
        plan: Plan,
        *,
        clock: Clock,
        app: str = "app",
        reserve: Mapping[Priority, float] = RESERVE,
        max_waiting: tuple[int, int] = MAX_WAITING,
        pacer: Pacer | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._onward = onward
        self._clock = clock
        self._app = app
        self._machine = Machine(
            plan, app=app, reserve=reserve, max_waiting=max_waiting, pacer=pacer
        )
        self._reporter = None if observer is None else Reporter(observer, clock.now)
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

    def server_instant(self, seconds: float | None) -> datetime | None:
        """So many seconds from now, on the server's clock; None where either is not known."""
        server = self.server_time()
        if seconds is None or server is None or seconds == float("inf"):
            return None
        return datetime.fromtimestamp(server, UTC) + timedelta(seconds=seconds)

    def eta(self, user_id: str, group_or_route: str, n: int, priority: Priority) -> float:
        """In how many seconds ``n`` more requests could have left; KeyError for an unknown name."""
        return self._machine.eta(user_id, group_or_route, n, priority, self._clock.now())

    def room(self, user_id: str, route: str) -> Room | None:
        """What is left for an account on a route now; None where no budget is known."""
        return self._machine.room(user_id, route, self._clock.now())

    def told_renewed(self, user_id: str) -> None:
        """Tell an observer whose tokens were renewed."""
        if self._reporter is not None:
            self._reporter.tell(Refreshed(user_id))

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Wait for the request's turn, carry it out, and return a good answer.

        A 429 that a budget's reset will cure is never seen by the caller: the request goes back
        to the front of its line.

        Raises:
            BudgetExhausted: its turn would come after the ``max_wait`` of its manners, or the
                line is full (`TooManyWaiting`).
            AppClosed: the scheduler was closed before the request could leave.
            XdmError: whatever the server's refusal means (`xdm_async.wire.problems`), or what the
                links below raise.
        """
        if self._reporter is None:
            return self._carry(request, None)
        return self._observed(request, self._reporter)

    async def _carry(self, request: Request, story: Story | None) -> Response:
        manners, now = request.manners, self._clock.now()
        ticket = Ticket(request.user_id, request.route.name, manners.priority, manners.weight)
        if manners.max_wait is not None:
            if request.deadline is None:
                request.deadline = now + manners.max_wait
            ticket.deadline = request.deadline
        ticket.sink = None
        if not self._machine.admit(ticket, now):
            self._step(Ask(ticket, request.again), now)
        while True:
            if ticket.stage is not Stage.GRANTED:
                await self._turn(ticket, request, story)
            request.left, request.answer = 0, None
            try:
                if story is not None:
                    story.granted()
                response = await self._onward.send(request)
            except BaseException:
                self._unanswered(ticket, request)
                raise
            refused = response.status == 429 and not is_final_429(response)
            self._settle(ticket, request, response, refused=refused)
            if refused:
                _log.debug("%s of user %s: 429", request.route.name, request.user_id)
                if story is not None:
                    self._told_refused(ticket, story)
                continue
            if response.status >= 300:
                if story is not None:
                    story.refused(response.status, again=False)
                raise refusal(request.route, response)
            return response

    def _settle(
        self, ticket: Ticket, request: Request, response: Response, *, refused: bool
    ) -> None:
        """Tell the machine what the headers of an answer say about the permit it was given on."""
        headers = response.headers
        sent, received = response.sent_at, response.received_at
        reports, date = read_reports(headers), read_date(headers)
        settled = 0
        if not refused and request.left <= 1 and self._quiet is None:
            settled = self._machine.conclude(ticket, sent, received, reports, date)
            if settled < 0:
                return
        self._step(
            Settle(
                ticket,
                sent,
                received,
                reports,
                date,
                refused,
                (read_retry_after(headers) or 0.0) if refused else 0.0,
                max(0, request.left - 1),
                settled,
            )
        )

    def _unanswered(self, ticket: Ticket, request: Request) -> None:
        """A permit ends without a whole answer: by what is known to have happened."""
        if request.answer is not None:
            self._settle(ticket, request, request.answer, refused=False)
        else:
            self._step(Lose(ticket, request.sent_at) if request.left else Refund(ticket))

    async def _turn(self, ticket: Ticket, request: Request, story: Story | None) -> None:
        if ticket.stage is Stage.DONE:
            verdict, ticket.sink = ticket.sink, None
            raise self._turned_away(verdict, request)
        turn: asyncio.Future[Action] = asyncio.get_running_loop().create_future()
        ticket.sink = turn
        try:
            if story is not None:
                self._told_waiting(ticket, story)
            answer = await turn
        except BaseException:  # cancelled, or thrown away half-way
            self._step(Cancel(ticket))
            raise
        finally:
            ticket.sink = None
        if not isinstance(answer, Go):
            raise self._turned_away(answer, request)

    def _turned_away(self, verdict: object, request: Request) -> AppClosed | BudgetExhausted:
        """What a request that will not be granted raises."""
        if not isinstance(verdict, Exhaust):
            return AppClosed("the App was closed before the request could leave")
        left = verdict.ticket.deadline - self._clock.now()
        kind = TooManyWaiting if verdict.full else BudgetExhausted
        return kind(
            _sentence(verdict, self._app, request.manners.max_wait, left),
            budget=verdict.budget,
            owner=verdict.owner,
            retry_in=verdict.ready_in,
            retry_at=self.server_instant(verdict.ready_in),
            max_wait=request.manners.max_wait,
        )

    # What an observer is told, where there is one

    async def _observed(self, request: Request, reporter: Reporter) -> Response:
        story = reporter.begin(request)
        request.on_left = story.left
        try:
            story.queued()
            response = await self._carry(request, story)
        except BaseException as exc:
            answer = request.answer
            story.settled(answer.status if answer else getattr(exc, "status", None), exc)
            raise
        story.settled(response.status, None)
        return response

    def _told_waiting(self, ticket: Ticket, story: Story) -> None:
        blocker = self._machine.blocker(ticket, self._clock.now())
        if blocker is None:
            story.waiting(None, None, None)
        else:
            budget, owner, opens_in = blocker
            story.waiting(budget, owner, self.server_instant(opens_in))

    def _told_refused(self, ticket: Ticket, story: Story) -> None:
        try:
            story.refused(429, again=ticket.stage is not Stage.DONE)
        except BaseException:  # not an observer's failure: the program is being ended
            self._step(Cancel(ticket))
            raise

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

    def _step(self, event: Event, now: float | None = None) -> None:
        machine = self._machine
        if now is None:
            now = self._clock.now()
        for action in machine.step(event, now):
            if isinstance(action, Say):
                _log.log(action.level, action.text)
                continue
            turn = cast("asyncio.Future[Action] | None", action.ticket.sink)
            if turn is not None:
                if not turn.done():
                    turn.set_result(action)
            elif isinstance(action, Exhaust):
                action.ticket.sink = action  # its sender is about to look
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


def _sentence(verdict: Exhaust, app: str, max_wait: float | None, left: float) -> str:
    """Why a request was turned away; ``left`` is what remains of its ``max_wait``."""
    owner = verdict.owner
    whose = "the app" if owner == app else f"user {owner}" if owner.isdigit() else owner
    budget = f"budget {verdict.budget!r} of {whose}"
    known = verdict.ready_in < float("inf")
    if verdict.full:
        when = f"come again in {_spell(verdict.ready_in)}" if known else "come again later"
        return f"too many requests wait for {budget}, the line is full: {when}"
    first = f"in {_spell(verdict.ready_in)}" if known else "when an answer is in"
    sentence = f"{budget} is spent: next request {first}"
    if max_wait is None:
        return sentence
    if left <= 0 < max_wait:
        return f"{sentence}, max_wait of {_spell(max_wait)} is over"
    if left < max_wait - 0.5:
        return f"{sentence}, max_wait of {_spell(max_wait)} ends in {_spell(left)}"
    return f"{sentence}, max_wait is {_spell(max_wait)}"


def _spell(seconds: float) -> str:
    """``412 s``; tenths where they matter, and never less than it is."""
    seconds = round(max(0.0, seconds), 6)
    return f"{math.ceil(seconds):,} s" if seconds >= 10 else f"{math.ceil(seconds * 10) / 10:g} s"
