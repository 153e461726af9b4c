"""Grants stay fresh: one renewal at a time, kept before it is used, and no outage loses one."""

import asyncio
import gc
import logging
from collections import Counter

import attrs
import pytest

from tests.driven import EPOCH, DrivenClock, drive
from xdm_async import (
    AppClosed,
    AuthorizationNeeded,
    InvalidRequest,
    OAuth2,
    RenewalFailed,
    StoreFailed,
)
from xdm_async.auth.grants import AT_ONCE, Grants
from xdm_async.auth.live import PATIENCE, Stale
from xdm_async.auth.terms import moments
from xdm_async.endpoints.events import LIST
from xdm_async.errors import ConnectFailed, ReadTimeout
from xdm_async.stores.base import Grant, fingerprint
from xdm_async.stores.memory import MemoryStore
from xdm_async.wire.exchange import Request
from xdm_async.wire.token_answers import (
    ClientRefused,
    GrantRefused,
    TokenEndpointFailed,
    Tokens,
)

LIFE = 7_200.0


class Endpoint:
    """A token endpoint that takes each refresh token once."""

    def __init__(self) -> None:
        self.script: list[BaseException] = []
        self.asked: list[tuple[float, str]] = []
        self.at_once = self.most = 0
        self.good: set[str] = set()
        self.takes = 0.2
        self.rotates = True
        self.after: list[BaseException] = []
        """Raised after the pair was made: the answer is lost."""

    async def refresh(self, secret: str) -> tuple[Tokens, float]:
        self.asked.append((DrivenClock().now(), secret))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        if self.script:
            raise self.script.pop(0)
        if secret not in self.good:
            raise GrantRefused("Value passed for the token was invalid.")
        if self.rotates:
            self.good.discard(secret)
        n = len(self.asked)
        self.good.add(f"refresh-{n}")
        if self.after:
            raise self.after.pop(0)
        given = Tokens(f"access-{n}", f"refresh-{n}", LIFE, ("dm.read", "tweet.read", "users.read"))
        return given, now()


def now() -> float:
    return EPOCH + DrivenClock().now()


class Desk:
    """Live grants over a store and that endpoint."""

    def __init__(self, store: MemoryStore | None = None, endpoint: Endpoint | None = None) -> None:
        self.endpoint = endpoint or Endpoint()
        self.store = store or MemoryStore()
        self.renewed: list[str] = []
        self.grants = Grants(
            self.store,
            self.endpoint,
            consumer=(None, None),
            clock=DrivenClock(),
            server_now=now,
            renewed=self.renewed.append,
        )

    async def kept(self, user_id: str = "944480690", left: float = LIFE, **more) -> Grant:
        """A stored grant whose token lives for ``left`` more seconds."""
        secret = f"first-{user_id}"
        self.endpoint.good.add(secret)
        grant = Grant(
            user_id, "oauth2", f"old-{user_id}", secret, expires_at=now() + left, lifetime=LIFE
        )
        return await self.store.vault.put(attrs.evolve(grant, **more))


def header(live) -> str:
    return live.authorization(Request(LIST, "/2/dm_events"), "https://api.x.com/2/dm_events")


def test_sixty_four_tasks_with_a_token_that_has_run_out_renew_it_once() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        await asyncio.gather(*(live.ready(LIST) for _ in range(64)))
        assert len(desk.endpoint.asked) == 1
        assert header(live) == "Bearer access-1"
        assert desk.renewed == ["944480690"]

    drive(main)


def test_a_token_that_will_soon_run_out_is_renewed_while_requests_go_on_with_it() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=45)
        live = desk.grants.of("944480690")
        began = now()
        await live.ready(LIST)
        assert now() == began, "nobody waits for it"
        assert header(live) == "Bearer old-944480690"
        await asyncio.sleep(1)
        assert header(live) == "Bearer access-1"

    drive(main)


def test_a_token_that_holds_for_long_is_left_alone() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=LIFE / 2)
        live = desk.grants.of("944480690")
        for _ in range(3):
            await live.ready(LIST)
        await asyncio.sleep(1)
        assert not desk.endpoint.asked
        assert await live.renew("Bearer another") is True, "a newer one is there already"
        assert not desk.endpoint.asked

    drive(main)


def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=60, lifetime=60.0)
        live = desk.grants.of("944480690")
        began = now()
        while not desk.endpoint.asked:
            await live.ready(LIST)
            await asyncio.sleep(1)
        assert now() - began > 40

    drive(main)


@pytest.mark.parametrize("many", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_accounts_that_expire_together_are_renewed_over_many_minutes(many) -> None:
    async def main() -> None:
        desk = Desk()
        desk.endpoint.takes = 0.05
        expires_at = now() + 900
        accounts = []
        for n in range(many):
            await desk.kept(str(10**9 + n), left=900)
            accounts.append(desk.grants.of(str(10**9 + n)))
        while now() < expires_at - 35:  # each account is at work, all the time
            for live in accounts:
                await live.ready(LIST)
            await asyncio.sleep(5)
        await asyncio.sleep(10)
        by_minute = Counter(int(at // 60) for at, _ in desk.endpoint.asked)
        assert len(desk.endpoint.asked) == many
        assert max(by_minute.values()) < many / 5
        assert desk.endpoint.most <= AT_ONCE

    drive(main)


def test_those_that_have_all_run_out_at_once_are_no_storm() -> None:
    async def main() -> None:
        desk = Desk()
        for n in range(500):
            await desk.kept(str(10**9 + n), left=-60)
        accounts = [desk.grants.of(str(10**9 + n)) for n in range(500)]
        await asyncio.gather(*(live.ready(LIST) for live in accounts))
        assert desk.endpoint.most == AT_ONCE
        assert len(desk.endpoint.asked) == 500

    drive(main)


def test_a_new_pair_is_kept_before_it_is_used() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        vault, at_disk, go_on = desk.store.vault, asyncio.Event(), asyncio.Event()
        swap = vault.swap

        async def slow(grant):
            at_disk.set()
            await go_on.wait()
            return await swap(grant)

        vault.swap = slow
        waiting = asyncio.ensure_future(live.ready(LIST))
        await at_disk.wait()
        with pytest.raises(Stale):
            header(live)
        go_on.set()
        await waiting
        assert header(live) == "Bearer access-1"
        assert (await vault.load("944480690")).token == "access-1"

    drive(main)


def test_who_waits_may_be_cancelled_and_the_new_pair_is_kept_all_the_same() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0.1)
        assert desk.endpoint.at_once == 1
        waiting.cancel()
        await asyncio.sleep(1)
        assert (await desk.store.vault.load("944480690")).token == "access-1"
        assert header(live) == "Bearer access-1"

    drive(main)


def test_closing_waits_for_a_renewal_that_is_on_its_way() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        waiting = asyncio.ensure_future(desk.grants.of("944480690").ready(LIST))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await desk.grants.aclose(30.0)
        assert (await desk.store.vault.load("944480690")).token == "access-1"

    drive(main)


@pytest.mark.parametrize(
    "failure",
    [
        TokenEndpointFailed("503", status=503),
        TokenEndpointFailed("429", status=429, retry_after=7.0),
        ConnectFailed("no connection"),
        ReadTimeout("no answer"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_an_outage_of_the_token_endpoint_is_waited_for(failure) -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.script = [failure] * 4
        live = desk.grants.of("944480690")
        began = now()
        await live.ready(LIST)
        assert header(live) == "Bearer access-5"
        assert now() - began > 1.0, "with pauses that grow"

    drive(main)


def test_a_long_outage_fails_in_words_and_poisons_nothing() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.script = [TokenEndpointFailed("503", status=503)] * 1_000
        live = desk.grants.of("944480690")
        began = now()
        with pytest.raises(RenewalFailed, match="944480690") as caught:
            await live.ready(LIST)
        assert caught.value.user_id == "944480690"
        assert now() - began <= PATIENCE
        assert len(desk.endpoint.asked) < 15
        desk.endpoint.script = []
        await asyncio.sleep(60)
        await live.ready(LIST)
        assert header(live).startswith("Bearer access-")

    drive(main)


def test_a_hundred_accounts_in_an_outage_ask_hardly_more_than_one() -> None:
    async def main() -> None:
        desk = Desk()
        for n in range(100):
            await desk.kept(str(10**9 + n), left=-60)
        desk.endpoint.script = [TokenEndpointFailed("503", status=503)] * 10_000
        accounts = [desk.grants.of(str(10**9 + n)) for n in range(100)]
        results = await asyncio.gather(
            *(live.ready(LIST) for live in accounts), return_exceptions=True
        )
        assert all(isinstance(result, RenewalFailed) for result in results)
        minutes = (desk.endpoint.asked[-1][0] - desk.endpoint.asked[0][0]) / 60 + 1
        assert len(desk.endpoint.asked) / minutes < 12 * AT_ONCE

    drive(main)


def test_max_wait_ends_the_wait_and_not_the_renewal() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.takes = 5.0
        live = desk.grants.of("944480690")
        began = now()
        with pytest.raises(RenewalFailed, match="max_wait of 1 s"):
            await live.ready(LIST, 1.0)
        assert now() - began == pytest.approx(1.0)
        await asyncio.sleep(10)
        assert header(live) == "Bearer access-1"

    drive(main)


def test_a_revoked_grant_needs_a_login_and_says_whose_and_how(caplog) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10, username="alice")
        await desk.kept("944480691", left=-10)
        desk.endpoint.good.discard("first-944480690")
        live = desk.grants.of("944480690")
        for _ in range(3):
            with pytest.raises(
                AuthorizationNeeded, match=r"user 944480690 \(@alice\).*xdm login"
            ) as caught:
                await live.ready(LIST)
            assert caught.value.user_id == "944480690"
        assert len(desk.endpoint.asked) == 1, "what is dead is not asked for again"
        assert (await desk.store.vault.load("944480690")).needs_login
        other = desk.grants.of("944480691")
        await other.ready(LIST)
        assert header(other).startswith("Bearer access-")

    drive(main)
    assert "first-944480690" not in caplog.text
    assert "old-944480690" not in caplog.text


def test_after_a_new_login_the_same_handle_goes_on() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.good.clear()
        live = desk.grants.of("944480690")
        with pytest.raises(AuthorizationNeeded):
            await live.ready(LIST)
        other = Desk(desk.store, desk.endpoint)  # another process, by what it shares
        await other.grants.keep(
            Grant("944480690", "oauth2", "anew", "anew-r", expires_at=now() + LIFE)
        )
        await live.ready(LIST)
        assert header(live) == "Bearer anew"

    drive(main)


def test_what_another_process_has_renewed_is_taken_and_not_renewed_again() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        other = Desk(desk.store, desk.endpoint)
        mine, theirs = desk.grants.of("944480690"), other.grants.of("944480690")
        await asyncio.gather(*(live.ready(LIST) for live in (mine, theirs) for _ in range(10)))
        assert len(desk.endpoint.asked) == 1
        assert header(mine) == header(theirs) == "Bearer access-1"

    drive(main)


def test_a_refused_refresh_token_is_not_given_up_while_the_store_has_a_newer_one() -> None:
    async def main() -> None:
        desk = Desk()
        kept = await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        desk.endpoint.good.clear()
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0.1)  # it has asked with the old one
        newer = attrs.evolve(kept, token="newer", secret="newer-r", expires_at=now() + LIFE)
        await desk.store.vault.swap(newer)
        await waiting
        assert header(live) == "Bearer newer"

    drive(main)


def test_a_login_that_comes_in_between_is_not_overwritten() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0.1)
        login = Grant("944480690", "oauth2", "anew", "anew-r", expires_at=now() + LIFE)
        await desk.store.vault.put(login)
        await waiting
        assert header(live) == "Bearer anew"
        assert (await desk.store.vault.load("944480690")).secret == "anew-r"

    drive(main)


def test_a_disk_that_is_full_keeps_the_new_pair_in_memory_until_it_can_be_kept() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        vault, full = desk.store.vault, [True]
        swap = vault.swap

        async def failing(grant):
            if full[0]:
                raise StoreFailed("the disk is full")
            return await swap(grant)

        vault.swap = failing
        with pytest.raises(StoreFailed):
            await live.ready(LIST)
        with pytest.raises(Stale):
            header(live)
        full[0] = False
        await live.ready(LIST)
        assert header(live) == "Bearer access-1"
        assert len(desk.endpoint.asked) == 1, "the pair that was had is the one that is used"

    drive(main)


def test_a_pair_in_hand_is_kept_over_anothers_word_that_the_grant_is_dead() -> None:
    async def main() -> None:
        desk = Desk()
        kept = await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        vault, swap, first = desk.store.vault, desk.store.vault.swap, [True]

        async def raced(grant):
            if first:
                first.clear()
                await swap(attrs.evolve(kept, needs_login="its refresh token was not accepted"))
            return await swap(grant)

        vault.swap = raced
        await live.ready(LIST)
        assert header(live) == "Bearer access-1"
        assert (await vault.load("944480690")).needs_login is None

    drive(main)


def test_the_apps_own_keys_are_not_the_accounts_fault() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.script = [ClientRefused("check client_id and client_secret")]
        live = desk.grants.of("944480690")
        with pytest.raises(RenewalFailed, match="client_secret"):
            await live.ready(LIST)
        await live.ready(LIST)
        assert header(live) == "Bearer access-2"

    drive(main)


def test_a_lost_answer_that_may_have_held_the_new_pair_is_told() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.after = [ReadTimeout("no answer")]
        with pytest.raises(AuthorizationNeeded, match="lost on its way"):
            await desk.grants.of("944480690").ready(LIST)

    drive(main)


def test_an_account_that_nobody_logged_in_says_so() -> None:
    async def main() -> None:
        desk = Desk()
        with pytest.raises(AuthorizationNeeded, match=r"user 12345.*no tokens of it are kept"):
            await desk.grants.of("12345").ready(LIST)

    drive(main)


def test_one_that_was_logged_out_meanwhile_is_not_brought_back() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0.1)
        await desk.store.vault.forget("944480690")
        with pytest.raises(AuthorizationNeeded, match="logged out"):
            await waiting
        assert await desk.store.vault.load("944480690") is None

    drive(main)


# Pairs that are given


def given(desk: Desk, refresh: str = "first-x", user_id: str | None = None, left: float = LIFE):
    desk.endpoint.good.add(refresh)
    return desk.grants.given(OAuth2("old", refresh, now() + left), user_id)


def test_a_pair_that_is_given_is_kept_and_renewed() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk, user_id="944480690", left=-10)
        await live.ready(LIST)
        assert header(live) == "Bearer access-1"
        assert (await desk.store.vault.load("944480690")).token == "access-1"
        assert given(desk, user_id="944480690") is live, "two handles share it"

    drive(main)


def test_a_pair_from_before_a_restart_leads_to_what_came_of_it() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk, user_id="944480690", left=-10)
        await live.ready(LIST)
        await live.renew("Bearer access-1")
        desk.endpoint.good.discard("first-x")
        after = Desk(desk.store, desk.endpoint)
        again = after.grants.given(OAuth2("old", "first-x", now() - 10), None)
        await again.ready(LIST)
        assert header(again) == "Bearer access-2"
        assert again.user_id == "944480690", "and says whose it is"
        assert len(desk.endpoint.asked) == 2

    drive(main)


def test_a_pair_of_a_user_not_yet_known_moves_to_the_users_id() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk, left=-10)
        await live.ready(LIST)
        assert live.user_id is None
        assert len(await desk.store.vault.grants()) == 1, "it is kept before it is known whose"
        await live.settle("944480690")
        assert [grant.owner for grant in await desk.store.vault.grants()] == ["944480690"]
        await live.renew("Bearer access-1")
        assert header(live) == "Bearer access-2"

    drive(main)


def test_one_that_another_process_moved_meanwhile_is_still_renewed() -> None:
    async def main() -> None:
        desk = Desk()
        mine = given(desk)
        await mine.ready(LIST)
        other = Desk(desk.store, desk.endpoint)
        theirs = given(other)
        await theirs.ready(LIST)
        await theirs.settle("944480690")
        await mine.renew("Bearer old")
        assert header(mine) == "Bearer access-1"
        assert (await desk.store.vault.load("944480690")).token == "access-1"

    drive(main)


def test_a_new_pair_of_a_user_takes_the_place_of_the_old_one() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=LIFE)
        live = given(desk, "another", "944480690")
        await live.ready(LIST)
        kept = await desk.store.vault.load("944480690")
        assert kept.secret == "another"
        assert fingerprint("first-944480690") in kept.spent

    drive(main)


def test_nothing_shows_a_token() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk)
        await live.ready(LIST)
        for shown in (repr(live), repr(desk.grants), repr(await desk.store.vault.grants())):
            assert "first-x" not in shown
            assert "'old'" not in shown

    drive(main)


def test_an_app_that_closes_stops_trying() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.script = [TokenEndpointFailed("503", status=503)] * 1_000
        waiting = asyncio.ensure_future(desk.grants.of("944480690").ready(LIST))
        await asyncio.sleep(5)
        await desk.grants.aclose(30.0)
        with pytest.raises(AppClosed):
            await waiting

    drive(main)


@pytest.mark.parametrize("at", range(40))
def test_cancelled_at_any_await_it_still_comes_to_its_end(at) -> None:
    """Whoever waits is cancelled after so many steps; the next one finds everything in order."""

    async def main() -> None:
        desk = Desk()
        desk.endpoint.takes = 0.0
        await desk.kept(left=-10)
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        for _ in range(at):
            await asyncio.sleep(0)
        waiting.cancel()
        await live.ready(LIST)
        assert header(live) == "Bearer access-1"
        assert len(desk.endpoint.asked) == 1

    drive(main)


def test_the_moments_of_renewal_are_spread_and_before_the_end() -> None:
    soft = [
        moments(Grant(str(10**9 + n), "oauth2", "a", "b", 7_200.0, 7_200.0))[0]
        for n in range(1_000)
    ]
    assert min(soft) >= 7_200.0 - 600.0
    assert max(soft) <= 7_200.0 - 60.0
    assert max(Counter(int(at // 60) for at in soft).values()) < 200


# Under attack


def broken(desk: Desk):
    """The store's disk is full, until what is given back is called."""
    swap = desk.store.vault.swap

    async def failing(grant):
        raise StoreFailed("the disk is full")

    desk.store.vault.swap = failing
    return lambda: setattr(desk.store.vault, "swap", swap)


def test_a_pair_that_could_not_be_kept_outlives_the_handle_that_had_it(caplog) -> None:
    caplog.set_level(logging.CRITICAL, "xdm_async")  # a record would hold on to the handle

    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        repair = broken(desk)
        with pytest.raises(StoreFailed):
            await desk.grants.of("944480690").ready(LIST)
        await asyncio.sleep(1)
        gc.collect()
        repair()
        live = desk.grants.of("944480690")
        await live.ready(LIST)
        assert header(live) == "Bearer access-1"
        assert len(desk.endpoint.asked) == 1

    drive(main)


def test_a_pair_that_could_not_be_kept_is_anothers_handle_too() -> None:
    async def main() -> None:
        desk = Desk()
        mine = given(desk, user_id="944480690", left=-10)
        repair = broken(desk)
        with pytest.raises(StoreFailed):
            await mine.ready(LIST)
        repair()
        other = desk.grants.of("944480690")
        await other.ready(LIST)
        assert header(other) == "Bearer access-1"
        assert len(desk.endpoint.asked) == 1

    drive(main)


def test_a_pair_that_could_not_be_kept_goes_along_to_the_users_id() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk, left=60)
        await live.ready(LIST)
        repair = broken(desk)
        with pytest.raises(StoreFailed):
            await live.renew("Bearer old")
        repair()
        await live.settle("944480690")
        assert header(live) == "Bearer access-1"
        assert (await desk.store.vault.load("944480690")).token == "access-1"

    drive(main)


def test_closing_tries_once_more_to_keep_what_could_not_be_kept() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        repair = broken(desk)
        live = desk.grants.of("944480690")
        with pytest.raises(StoreFailed):
            await live.ready(LIST)
        repair()
        await desk.grants.aclose(30.0)
        assert (await desk.store.vault.load("944480690")).token == "access-1"

    drive(main)


def test_a_renewal_that_waits_while_the_user_is_found_out_goes_on() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk)
        await live.ready(LIST)
        adopt = desk.store.vault.adopt

        async def slow(grant, user_id):
            await asyncio.sleep(1)
            return await adopt(grant, user_id)

        desk.store.vault.adopt = slow
        settling = asyncio.ensure_future(live.settle("944480690"))
        await asyncio.sleep(0.5)
        assert await live.renew("Bearer old") is True
        await settling
        assert header(live) == "Bearer access-1"
        assert live.user_id == "944480690"

    drive(main)


def test_an_app_without_a_client_id_says_so_at_once() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept(left=-10)
        desk.endpoint.script = [InvalidRequest("give App a client_id", argument="client_id")] * 99
        began = now()
        with pytest.raises(InvalidRequest, match="client_id"):
            await desk.grants.of("944480690").ready(LIST)
        assert now() - began < 1
        assert not desk.grants.outage.wait(DrivenClock().now()), "no outage for the others"

    drive(main)


def test_one_that_is_logged_out_while_it_is_looked_up_is_logged_out() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.kept()
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0)
        while live._grant is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        desk.grants.forgotten("944480690")
        with pytest.raises(AuthorizationNeeded, match="logged out"):
            await waiting

    drive(main)


def test_who_was_cancelled_while_looking_leaves_no_old_answer() -> None:
    async def main() -> None:
        desk = Desk()
        kept = await desk.kept(needs_login="it was revoked")
        live = desk.grants.of("944480690")
        waiting = asyncio.ensure_future(live.ready(LIST))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(1)
        await desk.store.vault.put(attrs.evolve(kept, token="anew", needs_login=None))
        await live.ready(LIST)
        assert header(live) == "Bearer anew"

    drive(main)


def test_a_pair_that_was_logged_out_is_not_brought_back_by_the_handle_that_had_it() -> None:
    async def main() -> None:
        desk = Desk()
        live = given(desk, user_id="944480690", left=-10)
        await live.ready(LIST)
        await desk.store.vault.forget("944480690")
        desk.grants.forgotten("944480690")
        with pytest.raises(AuthorizationNeeded, match="no tokens of it are kept"):
            await live.ready(LIST)
        assert await desk.store.vault.grants() == []
        again = given(desk, user_id="944480690", refresh="first-x")
        await again.ready(LIST)
        assert header(again) == "Bearer old", "given once more, it is taken once more"

    drive(main)


@pytest.mark.parametrize("known_first", [True, False])
def test_one_pair_given_with_and_without_the_users_id_is_spent_once(known_first) -> None:
    """In two processes that start at the same time."""

    async def main() -> None:
        desk = Desk()
        other = Desk(desk.store, desk.endpoint)
        find = desk.store.vault.find

        async def slow(mark):
            found = await find(mark)
            await asyncio.sleep(0.1)
            return found

        desk.store.vault.find = slow
        names = ["944480690", None] if known_first else [None, "944480690"]
        lives = [given(d, user_id=n, left=-10) for d, n in zip((desk, other), names, strict=True)]
        await asyncio.gather(*(live.ready(LIST) for live in lives))
        assert len(desk.endpoint.asked) == 1
        assert [header(live) for live in lives] == ["Bearer access-1"] * 2
        assert len(await desk.store.vault.grants()) == 1

    drive(main)


def test_a_pair_that_was_kept_before_its_user_was_known_moves_once_the_user_is_told() -> None:
    async def main() -> None:
        desk = Desk()
        await given(desk).ready(LIST)
        after = Desk(desk.store, desk.endpoint)
        live = given(after, user_id="944480690")
        await live.ready(LIST)
        assert live.user_id == "944480690"
        assert [grant.owner for grant in await desk.store.vault.grants()] == ["944480690"]

    drive(main)


def test_in_an_outage_nobody_waits_for_the_others_patience() -> None:
    async def main() -> None:
        desk = Desk()
        for n in range(200):
            await desk.kept(str(10**9 + n), left=-60)
        desk.endpoint.script = [TokenEndpointFailed("503", status=503)] * 10_000
        accounts = [desk.grants.of(str(10**9 + n)) for n in range(200)]
        began = now()
        results = await asyncio.gather(
            *(live.ready(LIST) for live in accounts), return_exceptions=True
        )
        assert {type(result) for result in results} == {RenewalFailed}
        assert now() - began < 2 * PATIENCE

    drive(main)
