"""What an observer is told of a request, in which order, and that its failures stay its own."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from tests.driven import EPOCH, drive
from tests.scheduling.test_scheduler import Server, headers, request, scheduler_for, time, turns
from xdm_async import (
    BudgetExhausted,
    ConnectionLost,
    Forbidden,
    LoggingObserver,
    Notice,
    Priority,
    Refreshed,
    notices,
)
from xdm_async.scheduling import reporter
from xdm_async.testing import answered
from xdm_async.wire.exchange import Request, Response


class Listener:
    """Remembers what it is told, and when."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.at: list[float] = []

    def on(self, notice: Notice) -> None:
        self.told.append(notice)
        self.at.append(time())

    def names(self, number: int = 1) -> list[str]:
        return [type(notice).__name__ for notice in self.told if notice.number == number]


class Script:
    """A sender that answers by a list of statuses; None breaks off after the request has left."""

    def __init__(self, *statuses: int | None, takes: float = 0.5, reset_in: float = 30) -> None:
        self.statuses = list(statuses)
        self.takes = takes
        self.reset_in = reset_in

    async def send(self, sent: Request) -> Response:
        sent.left, sent.sent_at = 1, time()
        if sent.on_left is not None:
            sent.on_left()
        await asyncio.sleep(self.takes)
        status = self.statuses.pop(0)
        if status is None:
            raise ConnectionLost("it broke")
        left = headers(0 if status == 429 else 9, reset_in=self.reset_in)
        sent.answer = answered(status, b"{}", left, at=time())
        return sent.answer


def test_a_request_that_goes_straight_through_is_told_in_four_notices() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(200), observer=listener)
        await scheduler.send(request("944480690", priority=Priority.BULK))
        assert listener.names() == ["Queued", "Granted", "Sent", "Settled"]
        assert listener.at == [1_000, 1_000, 1_000, 1_000.5]
        for notice in listener.told:
            assert (notice.number, notice.route) == (1, "dm_events.list")
            assert (notice.user_id, notice.priority) == ("944480690", Priority.BULK)
        _, granted, _, settled = listener.told
        assert granted.waited == 0
        assert (settled.status, settled.took, settled.error) == (200, 0.5, None)

    drive(main)


def test_who_has_to_wait_is_told_for_what_and_until_when() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Server(limit=1), observer=listener)
        await scheduler.send(request())
        await scheduler.send(request())
        assert listener.names(2) == ["Queued", "Waiting", "Granted", "Sent", "Settled"]
        _, waiting, granted, _, settled = (n for n in listener.told if n.number == 2)
        assert (waiting.budget, waiting.owner) == ("dm.read.user.15m", "1")
        assert waiting.until.tzinfo is UTC
        assert waiting.until.timestamp() == pytest.approx(EPOCH + 1_000 + granted.waited, abs=2)
        assert granted.waited == pytest.approx(902, abs=2)
        assert settled.took == pytest.approx(granted.waited, abs=0.1)

    drive(main)


def test_who_waits_for_an_answer_is_told_that_nobody_knows_until_when() -> None:
    async def main() -> None:
        listener = Listener()
        server = Server(held=True)
        scheduler = scheduler_for(server, observer=listener)
        sends = [asyncio.create_task(scheduler.send(request())) for _ in range(2)]
        await turns()
        assert listener.names(2) == ["Queued", "Waiting"]
        assert listener.told[-1].until is None
        server.gate.set()
        await asyncio.gather(*sends)

    drive(main)


def test_a_refusal_that_a_reset_cures_is_told_and_tried_again() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(429, 200), observer=listener)
        await scheduler.send(request())
        assert listener.names() == [
            "Queued", "Granted", "Sent", "Refused", "Waiting", "Granted", "Sent", "Settled",
        ]  # fmt: skip
        refused, granted, settled = listener.told[3], listener.told[5], listener.told[7]
        assert (refused.status, refused.again) == (429, True)
        assert granted.waited == pytest.approx(31, abs=2)
        assert (settled.status, settled.error) == (200, None)
        assert settled.took == pytest.approx(granted.waited + 1, abs=0.1)

    drive(main)


def test_a_refusal_after_which_its_turn_would_come_too_late_is_not_tried_again() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(429), observer=listener)
        with pytest.raises(BudgetExhausted):
            await scheduler.send(request(max_wait=10))
        assert listener.names() == ["Queued", "Granted", "Sent", "Refused", "Settled"]
        refused, settled = listener.told[3:]
        assert (refused.status, refused.again) == (429, False)
        assert (settled.status, settled.error) == (429, "BudgetExhausted")

    drive(main)


def test_a_no_is_told_and_not_tried_again() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(403), observer=listener)
        with pytest.raises(Forbidden):
            await scheduler.send(request())
        assert listener.names() == ["Queued", "Granted", "Sent", "Refused", "Settled"]
        refused, settled = listener.told[3:]
        assert (refused.status, refused.again) == (403, False)
        assert (settled.status, settled.error) == (403, "Forbidden")

    drive(main)


def test_who_is_turned_away_at_the_door_was_queued_and_is_over() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Server(limit=1), observer=listener)
        await scheduler.send(request())
        with pytest.raises(BudgetExhausted):
            await scheduler.send(request(max_wait=60))
        assert listener.names(2) == ["Queued", "Settled"]
        settled = listener.told[-1]
        assert (settled.status, settled.took, settled.error) == (None, 0, "BudgetExhausted")

    drive(main)


def test_a_caller_that_is_cancelled_is_told_where_it_was() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(200, takes=9), observer=listener)
        on_its_way = asyncio.create_task(scheduler.send(request()))
        await turns()
        in_line = asyncio.create_task(scheduler.send(request()))
        await turns()
        in_line.cancel()
        await turns()
        on_its_way.cancel()
        await turns()
        assert listener.names(1) == ["Queued", "Granted", "Sent", "Settled"]
        assert listener.names(2) == ["Queued", "Waiting", "Settled"]
        for settled in listener.told[-2:]:
            assert (settled.status, settled.error) == (None, "CancelledError")

    drive(main)


def test_an_answer_that_is_lost_is_over_without_a_status() -> None:
    async def main() -> None:
        listener = Listener()
        scheduler = scheduler_for(Script(None), observer=listener)
        with pytest.raises(ConnectionLost):
            await scheduler.send(request())
        assert listener.names() == ["Queued", "Granted", "Sent", "Settled"]
        settled = listener.told[-1]
        assert (settled.status, settled.took, settled.error) == (None, 0.5, "ConnectionLost")

    drive(main)


def test_an_observer_that_fails_is_logged_once_and_never_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Listener):
        def on(self, notice: Notice) -> None:
            super().on(notice)
            raise KeyError("the dashboard is down")

    async def main() -> None:
        listener = Failing()
        scheduler = scheduler_for(Script(200, 429, 200), observer=listener)
        await scheduler.send(request())
        await scheduler.send(request())
        assert len(listener.told) == 12, "it is still told everything"
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)

    drive(main)
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "the observer failed" in record.getMessage()
    assert "the dashboard is down" in caplog.text


@pytest.mark.parametrize("last", ["Queued", "Waiting", "Granted", "Sent", "Refused", "Settled"])
def test_a_program_that_is_ended_inside_an_observer_leaves_no_permit_behind(last: str) -> None:
    class Ended(BaseException):
        pass

    class Ending(Listener):
        def on(self, notice: Notice) -> None:
            super().on(notice)
            if notice.number == 2 and type(notice).__name__ == last:  # type: ignore[union-attr]
                raise Ended

    async def main() -> None:
        listener = Ending()
        scheduler = scheduler_for(Script(200, 429, 200), observer=listener)
        first = asyncio.create_task(scheduler.send(request()))
        await turns()
        with pytest.raises(Ended):
            await scheduler.send(request())
        assert listener.names(2)[-1] == "Settled"
        await first
        await asyncio.sleep(3_600)
        assert (scheduler.waiting, scheduler.in_flight) == (0, 0)
        assert all(status.in_flight == 0 for status in scheduler.statuses())

    drive(main)


def test_without_an_observer_no_notice_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*args: object, **kwargs: object) -> None:
        raise AssertionError("made for nobody")

    for name in ("Queued", "Waiting", "Granted", "Sent", "Refused", "Settled"):
        monkeypatch.setattr(reporter, name, made)
    for kind in (reporter.Reporter, reporter.Story):
        monkeypatch.setattr(kind, "__init__", made)

    async def main() -> None:
        scheduler = scheduler_for(Script(200, 429, 200, 403))
        await scheduler.send(request())
        sent = request()
        await scheduler.send(sent)
        assert sent.on_left is None
        with pytest.raises(Forbidden):
            await scheduler.send(request())

    drive(main)


def test_a_notice_is_frozen_and_matched_by_what_it_says() -> None:
    about: dict[str, Any] = {"number": 1, "route": "r", "user_id": "9", "priority": Priority.BULK}
    notice = notices.Waiting("b", None, "9", **about)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        notice.budget = "other"  # type: ignore[misc]
    match notice:
        case notices.Waiting(budget, until):
            assert (budget, until) == ("b", None)


def test_a_logging_observer_writes_one_line_for_each_notice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    about: dict[str, Any] = {"number": 7, "route": "r", "user_id": "9", "priority": Priority.BULK}
    until = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
    told = [
        (notices.Queued(**about), "queued as BULK"),
        (notices.Waiting(None, None, None, **about), "waits for its turn"),
        (notices.Waiting("b", None, "app", **about), "waits for 'b' of app"),
        (notices.Waiting("b", until, "9", **about),
         "waits for 'b' of 9 until 2026-09-21T14:00:00+00:00"),
        (notices.Granted(1.5, **about), "may leave after 1.500 s"),
        (notices.Sent(**about), "left"),
        (notices.Refused(429, True, **about), "refused with 429, goes back into line"),
        (notices.Refused(403, False, **about), "refused with 403"),
        (notices.Settled(200, 1.75, None, **about), "over after 1.750 s: 200"),
        (notices.Settled(None, 0.5, "ReadTimeout", **about),
         "over after 0.500 s: no answer, ReadTimeout"),
    ]  # fmt: skip
    caplog.set_level(logging.DEBUG)
    observer = LoggingObserver()
    for notice, _ in told:
        observer.on(notice)
    observer.on(Refreshed("9"))
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
        *(("xdm_async", logging.DEBUG, f"request 7 (r of 9) {line}") for _, line in told),
        ("xdm_async", logging.DEBUG, "tokens of user 9 were renewed"),
    ]


def test_a_logging_observer_writes_where_and_as_loud_as_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "mine")
    logger = logging.getLogger("mine")
    LoggingObserver(logger).on(Refreshed("9"))
    assert caplog.records == []
    LoggingObserver(logger, logging.INFO).on(Refreshed("9"))
    assert [(r.name, r.levelno) for r in caplog.records] == [("mine", logging.INFO)]
