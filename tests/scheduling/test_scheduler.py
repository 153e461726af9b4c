"""The shell around the machine: what each await holds, and what a cancelled caller gives back."""

import asyncio
import gc
import logging
import tracemalloc
from collections.abc import Callable

import pytest

from tests.driven import EPOCH, DrivenClock, drive
from xdm_async import AppClosed, RateLimited, ServerError, UsageCapped, plans
from xdm_async.budgets.budget import Plan
from xdm_async.scheduling.events import Event, Settle
from xdm_async.scheduling.scheduler import Scheduler
from xdm_async.testing import ScriptedSender, answered
from xdm_async.wire.exchange import Request, Response, Route

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


def request(user: str = "1", route: Route = READ) -> Request:
    return Request(route, "/2/x", user_id=user)


def scheduler_for(onward: object, plan: Plan = plans.DEFAULT) -> Scheduler:
    return Scheduler(onward, plan, clock=DrivenClock())  # type: ignore[arg-type]


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

        def cancel_once_granted(event: Event) -> None:
            step(event)
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


def test_ten_thousand_waiting_sends_cost_less_than_two_kib_each_above_a_bare_task() -> None:
    from xdm_async.account import Account, Hands
    from xdm_async.auth.credentials import OAuth2
    from xdm_async.auth.oauth2 import Bearer

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

        async def identify() -> str:
            return "1"

        scheduler = scheduler_for(Server(held=True))
        hands = Hands(scheduler, Bearer(OAuth2("token")), "1", identify)
        account = Account(hands)
        sending = await measure(lambda n: account.send("944480690", f"message number {n}"))
        waiting = await measure(bare)
        assert scheduler.waiting == 0
        assert sending - waiting < 2_048, f"{sending - waiting:.0f} bytes"

    drive(main)
