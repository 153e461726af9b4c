"""Freshness: requests go with a token that holds, in bounded time, and with few renewals."""

import asyncio

import attrs
import pytest

from tests.driven import DrivenClock, drive
from xdm_async import AppClosed, AuthorizationNeeded, RenewalFailed
from xdm_async.auth.freshness import Freshness
from xdm_async.auth.live import IN_VAIN, LiveGrant
from xdm_async.endpoints.events import LIST
from xdm_async.errors import Unauthorized
from xdm_async.stores.base import Grant
from xdm_async.wire.exchange import Manners, Request, Response

from .test_grants import LIFE, Desk, given, now

HOUR = 3_600.0


class Line:
    """The links below: waits, signs, and answers; a 401 to whatever is not accepted."""

    def __init__(self, waits: tuple[float, ...] = (), accepts=lambda header: True) -> None:
        self.waits = list(waits)
        self.accepts = accepts
        self.sent: list[str] = []

    async def send(self, request: Request) -> Response:
        if self.waits:
            await asyncio.sleep(self.waits.pop(0))
        live = request.credentials
        assert isinstance(live, LiveGrant)
        request.authorization = live.authorization(request, "https://api.x.com/2/dm_events")
        self.sent.append(request.authorization)
        if not self.accepts(request.authorization):
            raise Unauthorized("401", status=401)
        return Response(200, {}, b"{}", 0.0, 0.0)


async def send(line: Line, live: LiveGrant, max_wait: float | None = None) -> Response:
    request = Request(LIST, "/2/dm_events", credentials=live, manners=Manners(max_wait=max_wait))
    return await asyncio.wait_for(Freshness(line).send(request), 20 * HOUR)


@pytest.mark.parametrize("ahead", [3 * HOUR, 24 * 365 * HOUR, -3 * HOUR])
def test_a_clock_that_is_hours_off_costs_one_renewal(ahead: float) -> None:
    """The token's end is told by the server's clock, the time by a machine that is mistaken."""

    async def main() -> None:
        desk = Desk()
        desk.grants.server_now = lambda: now() + ahead
        await desk.kept()
        line, live = Line(), desk.grants.of("944480690")
        for _ in range(5):
            await send(line, live)
            await asyncio.sleep(60)
        assert len(desk.endpoint.asked) == (ahead > 0)
        assert len(line.sent) == 5

    drive(main)


@pytest.mark.parametrize("life", [1.0, 20.0, 600.0])
def test_a_token_that_lives_shortly_is_renewed_once_for_each_of_its_lives(
    life: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.auth.test_grants.LIFE", life)

    async def main() -> None:
        desk = Desk()
        desk.grants.server_now = lambda: now() + 0.9  # the header Date is in whole seconds
        await desk.kept(left=-1, lifetime=life)
        line, live = Line(waits=(2.5 * life,)), desk.grants.of("944480690")
        await send(line, live)
        assert len(line.sent) == 1
        assert len(desk.endpoint.asked) <= 4

    drive(main)


def test_a_token_without_an_end_is_used_until_it_is_refused() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=0, expires_at=None, lifetime=None)
        line = Line(accepts=lambda header: "access-1" in header)
        await send(line, desk.grants.of("944480690"))
        assert line.sent == ["Bearer old-944480690", "Bearer access-1"]

    drive(main)


def test_what_is_refused_for_another_reason_is_told_and_not_renewed_for_each_request() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept()
        refused, live = [True], desk.grants.of("944480690")
        line = Line(accepts=lambda header: not refused[0])
        for _ in range(100):
            with pytest.raises(Unauthorized):
                await send(line, live)
        assert len(desk.endpoint.asked) == 1
        assert len(line.sent) == 101
        await asyncio.sleep(IN_VAIN + 1)
        with pytest.raises(Unauthorized):
            await send(line, live)
        assert len(desk.endpoint.asked) == 2, "it is tried again now and then"
        refused[0] = False
        await send(line, live)
        refused[0] = True
        with pytest.raises(Unauthorized):
            await send(line, live)
        assert len(desk.endpoint.asked) == 3, "what was accepted since may have run out"

    drive(main)


def test_a_401_after_which_somebody_else_has_renewed_is_no_error() -> None:
    async def main() -> None:
        desk = Desk()
        kept = await desk.kept()
        desk.endpoint.good.clear()
        line = Line(accepts=lambda header: header == "Bearer newer")
        sending = asyncio.ensure_future(send(line, desk.grants.of("944480690")))
        await asyncio.sleep(0.1)  # it asks with the old refresh token
        newer = attrs.evolve(kept, token="newer", secret="newer-r", expires_at=now() + LIFE)
        await desk.store.vault.swap(newer)
        assert (await sending).status == 200

    drive(main)


@pytest.mark.parametrize("kind", ["oauth1", "oauth2"])
def test_what_cannot_be_renewed_is_looked_up_again_after_a_401(kind) -> None:
    """Somebody may have logged in anew, in another process."""

    async def main() -> None:
        desk = Desk()
        desk.grants.consumer = ("key", "consumer-secret")
        secret = "token-secret" if kind == "oauth1" else None
        await desk.store.vault.put(Grant("944480690", kind, "old-token", secret))
        line, live = Line(accepts=lambda header: "new-token" in header), desk.grants.of("944480690")
        with pytest.raises(Unauthorized):
            await send(line, live)
        await desk.store.vault.put(Grant("944480690", kind, "new-token", secret))
        assert (await send(line, live)).status == 200

    drive(main)


def test_a_token_without_a_refresh_token_is_given_up_by_the_servers_word_alone() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(secret=None)
        ahead = [3 * HOUR]  # this machine's clock, and no answer has told the server's yet
        desk.grants.server_now = lambda: now() + ahead[0]
        holds = [True]
        line, live = Line(accepts=lambda header: holds[0]), desk.grants.of("944480690")
        assert (await send(line, live)).status == 200
        holds[0], ahead[0] = False, 0.0
        with pytest.raises(Unauthorized):
            await send(line, live)
        await asyncio.sleep(LIFE)
        with pytest.raises(AuthorizationNeeded, match="no refresh token"):
            await send(line, live)
        assert (await desk.store.vault.load("944480690")).needs_login

    drive(main)


@pytest.mark.parametrize("waits", [(0.0,), (50.0, 0.0)], ids=["before the line", "after it"])
def test_max_wait_is_one_span_over_the_line_and_the_renewals(waits) -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-1 if len(waits) == 1 else 40, lifetime=40.0)
        desk.endpoint.takes = 55.0 if len(waits) == 1 else 0.2
        live, began = desk.grants.of("944480690"), now()
        request = Request(LIST, "/2/dm_events", credentials=live, manners=Manners(max_wait=60.0))
        if len(waits) == 1:
            await Freshness(Line(waits)).send(request)
            assert request.deadline == pytest.approx(DrivenClock().now() + 5.0)
        else:
            desk.endpoint.script = [desk_failure()] * 1_000
            with pytest.raises(RenewalFailed, match="max_wait of 60 s"):
                await Freshness(Line(waits)).send(request)
            assert now() - began <= 61

    drive(main)


def desk_failure() -> Exception:
    from xdm_async.wire.token_answers import TokenEndpointFailed

    return TokenEndpointFailed("503", status=503)


def test_after_a_close_nothing_is_begun() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live, opened = desk.grants.of("944480690"), []

        async def open_() -> None:
            opened.append(1)

        desk.store.open = open_
        await desk.grants.aclose(1.0)
        with pytest.raises(AppClosed):
            await send(Line(), live)
        assert not opened, "a closed store is not opened again"
        assert not desk.endpoint.asked

    drive(main)


def test_who_waits_for_a_renewal_that_a_close_cuts_off_is_told_so() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.takes = 100.0
        sending = asyncio.ensure_future(send(Line(), desk.grants.of("944480690")))
        await asyncio.sleep(1)
        await desk.grants.aclose(5.0)
        with pytest.raises(AppClosed):
            await sending

    drive(main)


def test_a_request_that_comes_while_the_app_closes_begins_no_renewal() -> None:
    """It would be cut off with the connections, and its new pair lost."""

    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        await desk.kept("944480691", left=-10)
        desk.endpoint.takes = 2.0
        first = asyncio.ensure_future(send(Line(), desk.grants.of("944480690")))
        await asyncio.sleep(1)
        closing = asyncio.ensure_future(desk.grants.aclose(30.0))
        await asyncio.sleep(0.5)
        with pytest.raises(AppClosed):
            await send(Line(), desk.grants.of("944480691"))
        await closing
        assert (await first).status == 200
        assert len(desk.endpoint.asked) == 1

    drive(main)


def test_who_waits_for_a_pair_to_be_kept_when_the_app_closes_is_told_so() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk)
        async with desk.store.vault.lock(live._owner):  # another process
            sending = asyncio.ensure_future(send(Line(), live))
            await asyncio.sleep(1)
            await desk.grants.aclose(5.0)
            with pytest.raises(AppClosed):
                await sending

    drive(main)


def test_now_or_never_is_not_never_where_the_store_is_read_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept()
        load = desk.store.vault.load

        async def from_disk(owner: str) -> Grant | None:
            await asyncio.sleep(0.01)
            return await load(owner)

        monkeypatch.setattr(desk.store.vault, "load", from_disk)
        assert (await send(Line(), desk.grants.of("944480690"), 0.0)).status == 200

    drive(main)
