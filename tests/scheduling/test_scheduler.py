"""The shell around the machine: what each await holds, and what a cancelled caller gives back."""

import asyncio
import copy
import gc
import logging
import pickle
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.driven import EPOCH, DrivenClock, drive
from xdm_async import (
    AppClosed,
    BudgetExhausted,
    Priority,
    RateLimited,
    Refused,
    ServerError,
    TooManyWaiting,
    UsageCapped,
    plans,
)
from xdm_async.budgets.budget import Plan
from xdm_async.scheduling.events import Action, Ask, Event, Exhaust, Settle
from xdm_async.scheduling.flows import Stage, Ticket
from xdm_async.scheduling.scheduler import Scheduler
from xdm_async.testing import ScriptedSender, answered
from xdm_async.wire.exchange import Manners, Request, Response, Route

SEND = Route("dm_conversations.send", "POST", "/2/…")
READ = Route("dm_events.list", "GET", "/2/dm_events")


def date() -> str:
    from email.utils import formatdate

    return formatdate(EPOCH + asyncio.get_running_loop().time(), usegmt=True)


def headers(remaining: int, limit: int = 300, reset_in: float = 900) -> dict[str, str]:
    reset = int(EPOCH + asyncio.get_running_loop().time() + reset_in) + 1
    return {
        "date": date(),
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(reset),
    }


class Server:
    """A sender whose answers a test lets go one by one, with one fixed window of its own."""

    def __init__(self, limit: int = 300, *, held: bool = False) -> None:
        self.limit = limit
        self.count = 0
        self.opened = -1e9
        self.held = held
        self.gate = asyncio.Event()
        self.requests: list[Request] = []
        self.cut_after_leaving = False

    async def send(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time()
        request.sent_at = now
        await asyncio.sleep(0)
        if self.held:
            await self.gate.wait()
        request.left += 1
        if request.on_left is not None:
            request.on_left()
        self.requests.append(request)
        if self.cut_after_leaving:
            await asyncio.Future()
        if now >= self.opened + 900:
            self.opened, self.count = now, 0
        if self.count >= self.limit:
            left = self.opened + 900 - now
            return self._answer(429, b'{"title":"Too Many Requests"}', headers(0, self.limit, left))
        self.count += 1
        left = self.opened + 900 - now
        return self._answer(200, b"{}", headers(self.limit - self.count, self.limit, left))

    def _answer(self, status: int, body: bytes, fields: dict[str, str]) -> Response:
        return answered(status, body, fields, at=asyncio.get_running_loop().time())


def request(user: str = "1", route: Route = READ, **manners: Any) -> Request:
    return Request(route, "/2/x", user_id=user, manners=Manners(**manners))


def scheduler_for(onward: object, plan: Plan = plans.DEFAULT, **settings: Any) -> Scheduler:
    return Scheduler(onward, plan, clock=DrivenClock(), **settings)  # type: ignore[arg-type]


async def turns(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def test_what_does_not_fit_this_window_leaves_in_the_next() -> None:
    async def main() -> None:
        server = Server(limit=10)
        scheduler = scheduler_for(server)
        await asyncio.gather(*(scheduler.send(request()) for _ in range(25)))
        assert server.count == 5
        assert len(server.requests) == 25
        assert asyncio.get_running_loop().time() < 1_000 + 2 * 904

    drive(main)


def test_a_task_cancelled_while_it_waits_gives_up_its_place_and_nobody_is_refused() -> None:
    async def main() -> None:
        server = Server(limit=5)
        scheduler = scheduler_for(server)
        tasks = [asyncio.create_task(scheduler.send(request())) for _ in range(10)]
        await asyncio.gather(*tasks[:5])
        tasks[5].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [t.cancelled() for t in tasks] == [False] * 5 + [True] + [False] * 4
        assert server.count == 4
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)

    drive(main)


def test_a_task_cancelled_between_its_grant_and_its_resumption_refunds_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        server = Server(limit=3)
        scheduler = scheduler_for(server)
        first, second, third, fourth = (
            asyncio.create_task(scheduler.send(request())) for _ in range(4)
        )
        step = scheduler._step

        def cancel_once_granted(event: Event, now: float | None = None) -> None:
            step(event, now)
            if isinstance(event, Settle) and not second.cancelling():
                assert scheduler.in_flight == 2, "second and third are granted, and have not run"
                second.cancel()

        monkeypatch.setattr(scheduler, "_step", cancel_once_granted)
        await asyncio.gather(first, second, third, fourth, return_exceptions=True)
        assert second.cancelled()
        assert len(server.requests) == 3
        assert server.count == 3
        assert asyncio.get_running_loop().time() == pytest.approx(1_000, abs=1)

    drive(main)


def test_a_task_cancelled_before_its_bytes_left_refunds_and_after_it_loses() -> None:
    async def main() -> None:
        server = Server(held=True)
        scheduler = scheduler_for(server)
        before = asyncio.create_task(scheduler.send(request()))
        await turns()
        before.cancel()
        await turns()
        assert scheduler.statuses("1")[0].in_flight == 0

        server.held, server.cut_after_leaving = False, True
        after = asyncio.create_task(scheduler.send(request()))
        await turns()
        after.cancel()
        await turns()
        assert scheduler.in_flight == 0
        assert scheduler.statuses("1")[0].in_flight == 1, "the server may have counted it"

    drive(main)


def test_an_answer_whose_body_broke_off_still_settles_by_its_headers() -> None:
    async def main() -> None:
        class Broken:
            async def send(self, sent: Request) -> Response:
                sent.left = 1
                sent.answer = answered(200, b"", headers(41), at=asyncio.get_running_loop().time())
                raise ConnectionError

        scheduler = scheduler_for(Broken())
        with pytest.raises(ConnectionError):
            await scheduler.send(request())
        status = scheduler.statuses("1")[0]
        assert (status.remaining, status.in_flight, status.state.value) == (41, 0, "known")

    drive(main)


def test_a_server_that_only_answers_429_without_headers_costs_a_handful_of_requests() -> None:
    async def main() -> None:
        class Refusing:
            count = 0

            async def send(self, sent: Request) -> Response:
                self.count += 1
                at = asyncio.get_running_loop().time()
                return answered(429, b"", {"date": date()}, at=at)

        server = Refusing()
        scheduler = scheduler_for(server)
        tasks = [asyncio.create_task(scheduler.send(request())) for _ in range(20)]
        await asyncio.wait(tasks, timeout=60)
        assert 2 <= server.count <= 7
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert scheduler.waiting == 0

    drive(main)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"type":"https://api.twitter.com/2/problems/usage-capped","title":"UsageCapExceeded"}',
            UsageCapped,
        ),
        (b'{"type":"https://api.x.com/2/problems/credits","title":"CreditsDepleted"}', RateLimited),
    ],
)
def test_a_cap_that_waiting_does_not_cure_is_raised_at_once(
    body: bytes, expected: type[Exception]
) -> None:
    async def main() -> None:
        scheduler = scheduler_for(ScriptedSender([answered(429, body)]))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the exact class is asserted below
            await scheduler.send(request())
        assert caught.value.status == 429  # type: ignore[attr-defined]
        assert expected is not UsageCapped or isinstance(caught.value, UsageCapped)

    drive(main)


def test_a_server_error_is_raised_and_its_request_counted() -> None:
    async def main() -> None:
        scheduler = scheduler_for(ScriptedSender([answered(503, b"<html>", {"date": date()})]))
        with pytest.raises(ServerError):
            await scheduler.send(request())
        assert scheduler.statuses("1")[0].remaining == 299

    drive(main)


def test_closing_drops_who_waits_and_lets_finish_what_is_on_its_way() -> None:
    async def main() -> None:
        server = Server(held=True)
        scheduler = scheduler_for(server)
        tasks = [asyncio.create_task(scheduler.send(request())) for _ in range(4)]
        await turns()
        closing = asyncio.create_task(scheduler.aclose(10))
        await turns()
        server.gate.set()
        await closing
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], Response)
        assert all(isinstance(r, AppClosed) for r in results[1:])
        with pytest.raises(AppClosed):
            await scheduler.send(request())

    drive(main)


def test_closing_waits_no_longer_than_it_was_told_to() -> None:
    async def main() -> None:
        scheduler = scheduler_for(Server(held=True))
        task = asyncio.create_task(scheduler.send(request()))
        await turns()
        await scheduler.aclose(7)
        assert asyncio.get_running_loop().time() == pytest.approx(1_007, abs=0.1)
        task.cancel()

    drive(main)


def test_no_timer_is_left_behind() -> None:
    async def main() -> None:
        server = Server(limit=2)
        scheduler = scheduler_for(server)
        tasks = [asyncio.create_task(scheduler.send(request())) for _ in range(3)]
        await asyncio.gather(*tasks[:2])
        await scheduler.aclose(1)
        await asyncio.gather(*tasks, return_exceptions=True)
        handles = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert not [h for h in handles if not h.cancelled()]

    drive(main)


def test_a_refusal_is_not_logged_above_debug_and_a_long_wait_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        scheduler = scheduler_for(Server(limit=2))
        await asyncio.gather(*(scheduler.send(request()) for _ in range(4)))

    caplog.set_level(logging.INFO, "xdm_async")
    drive(main)
    assert [r.levelname for r in caplog.records] == ["WARNING"]


@pytest.mark.slow
def test_ten_thousand_waiting_sends_cost_less_than_two_kib_each_above_a_bare_task() -> None:
    from xdm_async.account import Account
    from xdm_async.auth.credentials import OAuth2
    from xdm_async.auth.oauth2 import Bearer
    from xdm_async.hands import Hands, Road

    count = 10_000

    async def measure(start: Callable[[int], object]) -> float:
        gc.collect()
        tracemalloc.start()
        tasks = [asyncio.ensure_future(start(n)) for n in range(count)]  # type: ignore[call-overload]
        await turns(3)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] / count
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return float(size)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def bare(n: int) -> None:
            await loop.create_future()

        async def identify(manners: Manners) -> str:
            return "1"

        scheduler = scheduler_for(Server(held=True))
        hands = Hands(Road(scheduler), Bearer(OAuth2("token")), "1", identify)
        account = Account(hands)
        sending = await measure(lambda n: account.send("944480690", f"message number {n}"))
        waiting = await measure(bare)
        assert scheduler.waiting == 0
        assert sending - waiting < 2_048, f"{sending - waiting:.0f} bytes"

    drive(main)


# How long a request waits at most


def time() -> float:
    return asyncio.get_running_loop().time()


async def spent(limit: int = 1, **settings: Any) -> tuple[Server, Scheduler]:
    """A server whose window is used up, and a scheduler that knows it; it opens in 900 s."""
    server = Server(limit=limit)
    scheduler = scheduler_for(server, **settings)
    for _ in range(limit):
        await scheduler.send(request())
    return server, scheduler


def test_a_turn_that_comes_too_late_is_an_error_at_once_and_nothing_left() -> None:
    async def main() -> None:
        server, scheduler = await spent()
        late = request(max_wait=60)
        with pytest.raises(
            BudgetExhausted,
            match=r"^budget 'dm\.read\.user\.15m' of user 1 is spent: "
            r"next request in 90\d s, max_wait is 60 s$",
        ) as caught:
            await scheduler.send(late)
        error = caught.value
        assert (error.budget, error.owner, error.max_wait) == ("dm.read.user.15m", "1", 60)
        assert error.retry_in == pytest.approx(902, abs=2)
        assert error.retry_at is not None
        assert error.retry_at.timestamp() == pytest.approx(EPOCH + 1_000 + error.retry_in, abs=2)
        assert error.retry_at.tzinfo is UTC
        assert (time(), late.left, len(server.requests)) == (1_000, 0, 1)
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)

    drive(main)


def test_a_turn_that_comes_in_time_is_waited_for() -> None:
    async def main() -> None:
        server, scheduler = await spent()
        await scheduler.send(request(max_wait=1_000))
        assert time() == pytest.approx(1_902, abs=2)
        assert len(server.requests) == 2

    drive(main)


def test_with_a_max_wait_of_zero_it_is_now_or_never() -> None:
    async def main() -> None:
        server = Server(limit=1)
        scheduler = scheduler_for(server)
        await scheduler.send(request(max_wait=0))
        with pytest.raises(BudgetExhausted, match="max_wait is 0 s"):
            await scheduler.send(request(max_wait=0))
        assert (time(), len(server.requests)) == (1_000, 1)

    drive(main)


def test_who_learns_while_waiting_that_it_is_too_late_does_not_wait_beyond_it() -> None:
    """At the door nothing is known; then the first answer says that the window is used up."""

    async def main() -> None:
        server = Server(limit=1, held=True)
        scheduler = scheduler_for(server)
        first = asyncio.create_task(scheduler.send(request()))
        await turns()
        waits = asyncio.create_task(scheduler.send(request(max_wait=60)))
        await turns()
        assert scheduler.waiting == 1
        server.gate.set()
        await first
        with pytest.raises(BudgetExhausted, match="max_wait") as caught:
            await waits
        assert time() <= 1_060.001
        assert caught.value.budget == "dm.read.user.15m"
        assert (len(server.requests), scheduler.waiting, scheduler.in_flight) == (1, 0, 0)

    drive(main)


def test_of_two_who_wait_the_patient_one_gets_its_turn() -> None:
    async def main() -> None:
        server = Server(limit=1, held=True)
        scheduler = scheduler_for(server)
        sends = [
            asyncio.create_task(scheduler.send(request(max_wait=max_wait)))
            for max_wait in (None, 100, 2_000, 50)
        ]
        await turns()
        server.gate.set()
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert [type(r).__name__ for r in results] == [
            "Response", "BudgetExhausted", "Response", "BudgetExhausted",
        ]  # fmt: skip
        assert len(server.requests) == 2
        assert time() < 2_000

    drive(main)


def test_a_caller_with_a_max_wait_that_is_cancelled_gives_up_its_place() -> None:
    async def main() -> None:
        server, scheduler = await spent(2)
        first = asyncio.create_task(scheduler.send(request(max_wait=1_000)))
        second = asyncio.create_task(scheduler.send(request(max_wait=1_000)))
        await turns()
        first.cancel()
        await second
        assert first.cancelled()
        await asyncio.sleep(1_000)  # its deadline passes, and finds nobody
        assert len(server.requests) == 3
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)

    drive(main)


def test_closing_comes_before_the_end_of_a_max_wait() -> None:
    async def main() -> None:
        _, scheduler = await spent()
        waits = asyncio.create_task(scheduler.send(request(max_wait=1_000)))
        await turns()
        await scheduler.aclose(1)
        with pytest.raises(AppClosed):
            await waits
        with pytest.raises(AppClosed):
            await scheduler.send(request(max_wait=0))
        assert time() == 1_000

    drive(main)


def test_a_refused_request_waits_on_within_the_max_wait_it_had() -> None:
    """Its place in line is the old one, and so is its deadline."""

    class Refusing:
        def __init__(self, after: float) -> None:
            self.after = after
            self.asked: list[float] = []

        async def send(self, sent: Request) -> Response:
            self.asked.append(time())
            await asyncio.sleep(self.after)
            sent.left = 1
            refused = len(self.asked) < 3
            answer = headers(0 if refused else 9, reset_in=30)
            return answered(429 if refused else 200, b"{}", answer, at=time())

    async def send(max_wait: float | None, after: float) -> tuple[object, Refusing, Request]:
        server = Refusing(after)
        scheduler = scheduler_for(server)
        asked = request(max_wait=max_wait)
        try:
            outcome: object = await scheduler.send(asked)
        except BudgetExhausted as error:
            outcome = error
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)
        return outcome, server, asked

    async def main() -> None:
        for max_wait in (None, 80):
            outcome, server, _ = await send(max_wait, 1)
            assert isinstance(outcome, Response)
            assert len(server.asked) == 3

        start = time()
        outcome, server, _ = await send(50, 1)
        assert isinstance(outcome, BudgetExhausted)
        assert len(server.asked) == 2
        assert time() <= start + 50

        outcome, server, _ = await send(5, 6)
        assert isinstance(outcome, BudgetExhausted)
        assert "max_wait of 5 s is over" in str(outcome)
        assert len(server.asked) == 1

    drive(main)


@pytest.mark.parametrize(("max_waiting", "users"), [((2, 100), "1111"), ((100, 2), "1112")])
def test_a_line_that_is_full_takes_no_more(max_waiting: tuple[int, int], users: str) -> None:
    async def main() -> None:
        server = Server(held=True)
        scheduler = scheduler_for(server, max_waiting=max_waiting)
        other = asyncio.create_task(scheduler.send(request("2")))
        sends = [asyncio.create_task(scheduler.send(request(user))) for user in users]
        await turns()
        with pytest.raises(TooManyWaiting, match="too many requests wait for budget") as caught:
            await sends[-1]
        assert caught.value.max_wait is None
        assert scheduler.waiting == 2
        sends[1].cancel()
        await turns()
        again = asyncio.create_task(scheduler.send(request(users[-1])))
        server.gate.set()
        await asyncio.gather(other, sends[0], sends[2], again)
        assert len(server.requests) == 4

    drive(main)


class Doorman:
    """A machine that turns everyone away in the words of a test, at once or when time is over."""

    closed = False
    in_flight = waiting = 0

    def __init__(self, *words: Any, after: float = 0.0) -> None:
        self.words = words
        self.after = after
        self.wake_at = float("inf")
        self.tickets: list[Ticket] = []
        self.clock = scheduler_for(None)._machine.clock

    def admit(self, ticket: Ticket, now: float) -> bool:
        return False

    def step(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, Ask):
            self.tickets.append(event.ticket)
            self.wake_at = now + self.after
        if now >= self.wake_at:
            self.wake_at = float("inf")
            self.tickets[-1].stage = Stage.DONE
            return [Exhaust(self.tickets[-1], *self.words)]
        return []


@pytest.mark.parametrize(
    ("owner", "ready_in", "full", "max_wait", "after", "sentence"),
    [
        ("944480690", 412, False, 60, 0,
         "budget 'b' of user 944480690 is spent: next request in 412 s, max_wait is 60 s"),
        ("my-app", 412.2, False, 0, 0,
         "budget 'b' of the app is spent: next request in 413 s, max_wait is 0 s"),
        ("token 1a2b3c4d", 80_000, False, 7.5, 0,
         "budget 'b' of token 1a2b3c4d is spent: next request in 80,000 s, max_wait is 7.5 s"),
        ("1", 2.34, False, 60, 60,
         "budget 'b' of user 1 is spent: next request in 2.4 s, max_wait of 60 s is over"),
        ("1", 30, False, 60, 40,
         "budget 'b' of user 1 is spent: next request in 30 s, max_wait of 60 s ends in 20 s"),
        ("1", float("inf"), False, 60, 60,
         "budget 'b' of user 1 is spent: next request when an answer is in, "
         "max_wait of 60 s is over"),
        ("1", 412, True, None, 0,
         "too many requests wait for budget 'b' of user 1, the line is full: come again in 412 s"),
        ("my-app", 412, True, 60, 0,
         "too many requests wait for budget 'b' of the app, the line is full: come again in 412 s"),
        ("1", float("inf"), True, None, 0,
         "too many requests wait for budget 'b' of user 1, the line is full: come again later"),
    ],
)  # fmt: skip
def test_every_reason_to_turn_a_request_away_is_one_sentence(
    owner: str, ready_in: float, full: bool, max_wait: float | None, after: float, sentence: str
) -> None:
    async def main() -> None:
        scheduler = scheduler_for(None, app="my-app")
        scheduler._machine = Doorman("b", owner, ready_in, full, after=after)  # type: ignore[assignment]
        with pytest.raises(BudgetExhausted) as caught:
            await scheduler.send(request(max_wait=max_wait))
        error = caught.value
        assert str(error) == sentence
        assert isinstance(error, TooManyWaiting) is full
        assert (error.budget, error.owner, error.retry_in) == ("b", owner, ready_in)
        assert (error.max_wait, error.retry_at) == (max_wait, None)
        assert time() == 1_000 + after

    drive(main)


def test_the_manners_of_a_request_are_those_of_its_ticket() -> None:
    async def main() -> None:
        scheduler = scheduler_for(None)
        scheduler._machine = doorman = Doorman("b", "1", 1.0, False)  # type: ignore[assignment]
        for manners in ({}, {"priority": Priority.BULK, "weight": 2, "max_wait": 60}):
            with pytest.raises(BudgetExhausted):
                await scheduler.send(request(**manners))
        first, second = doorman.tickets
        assert first.priority is Priority.NORMAL
        assert first.deadline == float("inf")
        assert second.priority is Priority.BULK
        assert first.cost == 2 * second.cost
        assert second.deadline == 1_060

    drive(main)


@pytest.mark.parametrize(
    "error",
    [
        BudgetExhausted(
            "spent", budget="b", owner="1", retry_in=4.0, retry_at=datetime.now(UTC), max_wait=1.0
        ),
        TooManyWaiting("full", budget="b", owner="1", retry_in=4.0),
        Refused("no", status=400, problems=[{"title": "Bad"}]),
        ServerError("late", status=503),
        AppClosed("closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_copied_and_pickled_with_its_facts(error: Exception) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
