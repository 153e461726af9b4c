"""What every vault promises of grants: in memory, in a file, and in a sealed one."""

import asyncio
import traceback

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.stores import Grant, MemoryVault, SqliteStore, fingerprint
from xdm_async.stores.writing import SPENT

GRANT = Grant("7", "oauth2", "access-1", "refresh-1", 1_790_000_000.5, 7200.0, ("dm.read",), "ada")
PROVISIONAL = attrs.evolve(GRANT, owner="token:0123456789abcdef")


def renewed(grant, n):
    """What a renewal makes of a grant."""
    spent = (*grant.spent, fingerprint(grant.secret))
    return attrs.evolve(grant, token=f"access-{n}", secret=f"refresh-{n}", spent=spent)


async def test_what_was_never_kept_is_none(store):
    assert await store.vault.load("7") is None
    assert await store.vault.find(fingerprint("access-1")) is None
    assert await store.vault.forget("7") is None
    assert await store.vault.grants() == []


async def test_a_grant_comes_back_as_it_was_put_with_a_version(store, other):
    kept = await store.vault.put(GRANT)
    assert kept == attrs.evolve(GRANT, version=1)
    assert await other.vault.load("7") == kept


async def test_a_login_takes_the_place_of_what_was_there_whatever_its_version(store):
    await store.vault.put(GRANT)
    again = await store.vault.put(attrs.evolve(GRANT, token="access-9", version=77))
    assert again.version == 2
    assert await store.vault.load("7") == again
    assert await store.vault.find(fingerprint("access-1")) is None


async def test_grants_are_listed_by_owner(store):
    for owner in ("9", "10", "7"):
        await store.vault.put(attrs.evolve(GRANT, owner=owner))
    assert [grant.owner for grant in await store.vault.grants()] == ["10", "7", "9"]


async def test_a_swap_that_wins_gives_the_grant_with_the_next_version(store, other):
    first = await store.vault.put(GRANT)
    second = await store.vault.swap(renewed(first, 2))
    assert second == attrs.evolve(renewed(first, 2), version=2)
    assert await other.vault.load("7") == second


async def test_a_swap_that_loses_gives_what_is_kept_and_writes_nothing(store, other):
    first = await store.vault.put(GRANT)
    won = await other.vault.swap(renewed(first, 2))
    assert await store.vault.swap(renewed(first, 3)) == won
    assert await store.vault.load("7") == won


async def test_a_swap_of_what_was_forgotten_gives_none_and_brings_nothing_back(store, other):
    first = await store.vault.put(GRANT)
    assert await other.vault.forget("7") == first
    assert await store.vault.swap(renewed(first, 2)) is None
    assert await store.vault.grants() == []


async def test_a_swap_of_before_a_logout_does_not_overwrite_the_login_after_it(store):
    first = await store.vault.put(GRANT)
    await store.vault.forget("7")
    login = await store.vault.put(attrs.evolve(GRANT, token="access-9", secret="refresh-9"))
    assert login.version > first.version
    assert await store.vault.swap(renewed(first, 2)) == login


async def test_of_many_swaps_of_one_version_one_wins(store, other):
    first = await store.vault.put(GRANT)
    answers = await asyncio.gather(
        *((store, other)[n % 2].vault.swap(renewed(first, n)) for n in range(2, 18))
    )
    kept = await store.vault.load("7")
    assert kept.version == 2
    assert answers == [kept] * 16


async def test_a_grant_is_found_by_its_tokens_and_by_those_it_came_from(store, other):
    grant = await store.vault.put(GRANT)
    for n in range(2, 6):
        grant = await store.vault.swap(renewed(grant, n))
    for secret in ("access-5", "refresh-5", "refresh-4", "refresh-1"):
        assert await other.vault.find(fingerprint(secret)) == grant
    assert await store.vault.find(fingerprint("access-4")) is None  # it leads to nothing any more


async def test_of_spent_tokens_the_oldest_and_the_newest_fifty_are_kept(store):
    spent = tuple(fingerprint(f"refresh-{n}") for n in range(SPENT + 20))
    kept = await store.vault.put(attrs.evolve(GRANT, spent=spent))
    assert kept.spent == (spent[0], *spent[-50:])
    assert await store.vault.load("7") == kept
    assert await store.vault.find(spent[0]) == kept
    assert await store.vault.find(spent[20]) == kept
    assert await store.vault.find(spent[19]) is None


async def test_after_a_logout_nothing_leads_to_the_grant(store):
    await store.vault.swap(renewed(await store.vault.put(GRANT), 2))
    await store.vault.forget("7")
    for secret in ("access-1", "access-2", "refresh-1", "refresh-2"):
        assert await store.vault.find(fingerprint(secret)) is None


# Adopting


async def test_a_provisional_grant_moves_to_the_users_id(store, other):
    grant = await store.vault.put(PROVISIONAL)
    adopted = await store.vault.adopt(grant, "7")
    assert attrs.evolve(adopted, version=0) == GRANT
    assert await other.vault.grants() == [adopted]
    assert await other.vault.find(fingerprint("refresh-1")) == adopted


async def test_what_is_adopted_is_what_is_kept_and_not_what_the_caller_has(store, other):
    grant = await store.vault.put(PROVISIONAL)
    await other.vault.swap(renewed(grant, 2))
    assert (await store.vault.adopt(grant, "7")).token == "access-2"


async def test_adopting_twice_gives_the_users(store, other):
    grant = await store.vault.put(PROVISIONAL)
    adopted = await other.vault.adopt(grant, "7")
    assert await store.vault.adopt(grant, "7") == adopted
    assert await store.vault.adopt(adopted, "7") == adopted
    assert await store.vault.grants() == [adopted]


async def test_adopting_takes_the_place_of_another_grant_of_the_user(store):
    old = await store.vault.put(attrs.evolve(GRANT, token="access-0", secret="refresh-0"))
    adopted = await store.vault.adopt(await store.vault.put(PROVISIONAL), "7")
    assert adopted.secret == "refresh-1"
    assert adopted.version > old.version
    assert await store.vault.swap(renewed(old, 2)) == adopted


async def test_adopting_does_not_bring_a_spent_token_back(store, other):
    """Two begin with one token; the slower one keeps it again after the other has renewed it."""
    adopted = await store.vault.adopt(await store.vault.put(PROVISIONAL), "7")
    renewal = await store.vault.swap(renewed(adopted, 2))
    late = await other.vault.put(PROVISIONAL)
    assert await other.vault.adopt(late, "7") == renewal
    assert await store.vault.grants() == [renewal]


async def test_a_users_grant_is_found_before_a_provisional_one(store):
    await store.vault.put(PROVISIONAL)
    user = await store.vault.put(GRANT)
    assert await store.vault.find(fingerprint("refresh-1")) == user
    await store.vault.forget("7")
    assert (await store.vault.find(fingerprint("refresh-1"))).owner == PROVISIONAL.owner


async def test_adopting_what_was_forgotten_writes_nothing(store):
    grant = await store.vault.put(PROVISIONAL)
    await store.vault.forget(grant.owner)
    given = await store.vault.adopt(grant, "7")
    assert given == attrs.evolve(grant, owner="7")
    assert await store.vault.swap(given) is None
    assert await store.vault.grants() == []


async def test_a_swap_of_what_was_adopted_gives_none_and_find_tells_where_it_is(store):
    grant = await store.vault.put(PROVISIONAL)
    adopted = await store.vault.adopt(grant, "7")
    assert await store.vault.swap(renewed(grant, 2)) is None
    assert await store.vault.find(fingerprint("refresh-1")) == adopted


# Locks


async def test_a_lock_has_one_holder_at_a_time_in_all_stores(store, other):
    inside, most = 0, 0

    async def visit(vault):
        nonlocal inside, most
        async with vault.lock("7"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            await vault.load("7")
            inside -= 1

    await asyncio.gather(*(visit((store, other)[n % 2].vault) for n in range(10)))
    assert most == 1


async def test_owners_do_not_wait_for_each_other(store):
    async with store.vault.lock("7"), asyncio.timeout(20), store.vault.lock("8"):
        pass


async def test_a_lock_is_free_after_an_error_of_its_holder(store, other):
    with pytest.raises(ZeroDivisionError):
        async with store.vault.lock("7"):
            raise ZeroDivisionError
    async with asyncio.timeout(20), other.vault.lock("7"):
        pass


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_is_cancelled_while_waiting_or_holding_leaves_the_lock_free(
    store, other, turns
):
    """At each moment of a waiter's life, and also at the one when it is its turn."""
    for vault in (store.vault, other.vault):
        for free_first in (False, True):

            async def wait(vault=vault):
                async with vault.lock("7"):
                    await asyncio.sleep(0)
                    await vault.load("7")

            async with store.vault.lock("7"):
                task = asyncio.create_task(wait())
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not free_first:
                    task.cancel()
                    await asyncio.wait([task])
            if free_first:
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            async with asyncio.timeout(20), other.vault.lock("7"):
                pass


def test_threads_with_loops_of_their_own_share_the_locks_and_the_grants(make):
    async def count(store, times):
        for _ in range(times):
            async with store.vault.lock("7"):
                grant = await store.vault.load("7")
                await store.vault.put(attrs.evolve(grant, username=f"{int(grant.username) + 1}"))

    async def main():
        store = make()
        await store.open()
        await store.vault.put(attrs.evolve(GRANT, username="0"))
        await asyncio.gather(
            *(asyncio.to_thread(asyncio.run, count(store, 10)) for _ in range(2)), count(store, 10)
        )
        counted = (await store.vault.load("7")).username
        await store.aclose()
        return counted

    assert asyncio.run(main()) == "30"


# Cancellation


async def test_a_cancelled_write_is_whole_and_the_next_call_sees_it(store):
    grant = await store.vault.put(GRANT)
    for turns in range(5):
        task = asyncio.create_task(store.vault.swap(renewed(grant, grant.version + 1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        kept = await store.vault.load("7")
        assert kept.version == grant.version + (turns > 0)
        assert kept.token == f"access-{kept.version}"
        grant = kept


async def test_every_call_can_be_cancelled_at_each_of_its_moments(store):
    grant = await store.vault.put(PROVISIONAL)
    calls = [
        lambda: store.vault.load("7"),
        lambda: store.vault.find("x"),
        lambda: store.vault.put(PROVISIONAL),
        lambda: store.vault.adopt(grant, "7"),
        lambda: store.vault.grants(),
        lambda: store.vault.forget("8"),
        lambda: store.checkpoints.save("inbox", "w1.a"),
        lambda: store.checkpoints.load("inbox"),
        lambda: store.open(),
    ]
    for call in calls:
        for turns in range(4):
            task = asyncio.create_task(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
    assert {kept.secret for kept in await store.vault.grants()} == {"refresh-1"}


# Whatever is kept

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TOKEN = st.text("abcXYZ019-_~.", min_size=1, max_size=80)
SECONDS = st.none() | st.floats(-1e12, 1e12)
GRANTS = st.builds(
    Grant,
    owner=st.sampled_from(["7", "8", "token:1"]),
    kind=st.sampled_from(["oauth2", "oauth1"]),
    token=TOKEN,
    secret=st.none() | TOKEN,
    expires_at=SECONDS,
    lifetime=SECONDS,
    scopes=st.lists(TEXT, max_size=3),
    username=st.none() | TEXT,
    needs_login=st.none() | TEXT,
    spent=st.lists(TOKEN.map(fingerprint), max_size=3),
)


@pytest.mark.parametrize("keys", [0, 1])
def test_a_file_keeps_any_grants_exactly_as_memory_does(tmp_path_factory, keys):
    from .conftest import KEY

    path = tmp_path_factory.mktemp("any") / "store.db"

    @settings(max_examples=15)
    @given(st.lists(st.tuples(st.sampled_from(["put", "swap", "adopt", "forget"]), GRANTS)))
    def compare(steps):
        asyncio.run(both(steps))

    async def both(steps):
        memory, store = MemoryVault(), SqliteStore(path, [KEY][:keys])
        path.unlink(missing_ok=True)
        await store.open()
        for step, grant in steps:
            answers = []
            for vault in (memory, store.vault):
                there = await vault.load(grant.owner)
                if step == "put":
                    answers.append(await vault.put(grant))
                elif step == "swap":
                    version = there.version if there else 0
                    answers.append(await vault.swap(attrs.evolve(grant, version=version)))
                elif step == "adopt":
                    answers.append(await vault.adopt(grant, "7"))
                else:
                    answers.append(await vault.forget(grant.owner))
            assert answers[0] == answers[1]
        assert await memory.grants() == await store.vault.grants()
        for _, grant in steps:
            for name in (fingerprint(grant.token), *grant.spent):
                assert await memory.find(name) == await store.vault.find(name)
        await store.aclose()

    compare()


async def test_no_token_shows_in_a_repr_or_a_log(store, caplog):
    caplog.set_level("DEBUG")
    grant = await store.vault.put(attrs.evolve(GRANT, token="planted-1", secret="planted-2"))
    shown = [repr(grant), str(grant), repr(store), repr(store.vault), repr(store.checkpoints)]
    try:
        raise ValueError(grant)
    except ValueError as exc:
        shown += traceback.format_exception(exc)
    assert not [text for text in (*shown, caplog.text) if "planted" in text]
    assert "ada" in shown[0]
