"""The moods of a server that pages: each is off until it is switched on."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.emulator import Emulator
from xdm_async.emulator.lists import Lists
from xdm_async.emulator.objects import Event, Feed, User
from xdm_async.emulator.pagination import Position
from xdm_async.emulator.parameters import Query
from xdm_async.emulator.switches import Switches

UNLIMITED: Any = {"dm.read": []}


async def start(emulate, messages: int = 0, **switches: Any):
    ask = await emulate(UNLIMITED, **switches)
    ann, bob = ask.x.add_user("ann"), ask.x.add_user("bob")
    for number in range(messages):
        ask.x.deliver(ann, bob, str(number))
    return ask, ann, bob


def texts(page: Any) -> list[str]:
    return [event["text"] for event in page.get("data", ())]


async def test_an_event_is_in_its_conversation_before_it_is_in_the_list_of_all(emulate, clock):
    ask, ann, bob = await start(emulate, 1, list_lag=2.5)
    path = f"/2/dm_conversations/with/{ann.id}/dm_events"
    clock.advance(2.499)
    assert texts(await ask.page(bob)) == []
    assert texts(await ask.page(bob, path)) == ["0"]
    clock.advance(0.001)
    assert texts(await ask.page(bob)) == ["0"]


async def test_events_come_into_the_list_out_of_order_where_the_lag_is_a_range(emulate, clock):
    ask, ann, bob = await start(emulate, list_lag=(0, 10))
    for number in range(20):
        ask.x.deliver(ann, bob, str(number))
        clock.advance(0.5)
    seen = []
    for _ in range(20):
        page = await ask.page(bob)
        ids = [int(event["id"]) for event in page.get("data", ())]
        assert ids == sorted(ids, reverse=True)
        seen.append({int(text) for text in texts(page)})
        clock.advance(0.5)
    assert all(earlier <= later for earlier, later in pairwise(seen))
    assert seen[-1] == set(range(20))
    assert any(max(found) > len(found) - 1 for found in seen if found), "none was overtaken"


async def test_a_token_leads_on_through_what_is_listed_by_then(emulate, clock):
    ask, ann, bob = await start(emulate, 4, list_lag=5)
    clock.advance(5)
    late = ask.x.deliver(ann, bob, "late")
    first = await ask.page(bob, max_results=2)
    assert texts(first) == ["3", "2"]
    rest = await ask.page(bob, pagination_token=first["meta"]["next_token"])
    assert texts(rest) == ["1", "0"]
    newer = first["meta"]["previous_token"]
    assert texts(await ask.page(bob, pagination_token=newer)) == []
    clock.advance(5)
    news = await ask.page(bob, pagination_token=newer)
    assert [event["id"] for event in news["data"]] == [late.dm_event_id]


def test_the_lag_of_an_event_is_drawn_from_the_seed():
    event = Event(number=10**18, event_type="MessageCreate", dm_conversation_id="1-2")
    feed: Feed = {"MessageCreate": [event]}
    happened = 1_527_253_547.0  # a little after the event

    def listed(seed: int, seconds: float) -> bool:
        lists = Lists(Switches(list_lag=(0, 100)), seed)
        return bool(lists.listed(feed, happened + seconds)["MessageCreate"])

    def first_listed(seed: int) -> int:
        return next(second for second in range(200) if listed(seed, second))

    assert [first_listed(seed) for seed in range(5)] == [first_listed(seed) for seed in range(5)]
    assert len({first_listed(seed) for seed in range(20)}) > 10


@pytest.mark.parametrize("mood", ["empty", "same", "refused"])
async def test_past_the_newest_event_lies_what_is_switched_on(emulate, mood: str):
    ask, ann, bob = await start(emulate, 3, past_newest=mood)
    first = await ask.page(bob, max_results=2)
    token = first["meta"]["previous_token"]
    answer = await ask("GET", f"/2/dm_events?max_results=2&pagination_token={token}", bob)
    if mood == "refused":
        assert answer.status == 400
        assert answer.body["errors"][0]["parameters"] == {"pagination_token": [token]}
    else:
        assert answer.body == (first if mood == "same" else {"meta": {"result_count": 0}})
    ask.x.deliver(ann, bob, "new")
    assert texts(await ask.page(bob, pagination_token=token)) == ["new"]


async def test_past_the_oldest_event_nothing_changes_by_that(emulate):
    ask, _ann, bob = await start(emulate, 1, past_newest="refused")
    token = (await ask.page(bob))["meta"]["next_token"]
    assert await ask.page(bob, pagination_token=token) == {"meta": {"result_count": 0}}


async def test_a_token_dies_unless_it_is_handed_out_again(emulate, clock):
    ask, ann, bob = await start(emulate, 3, token_life=60)
    params = {"max_results": "1"}
    token = (await ask.page(bob, **params))["meta"]["next_token"]
    clock.advance(60)
    assert texts(await ask.page(bob, pagination_token=token)) == ["1", "0"]
    clock.advance(0.5)
    refused = await ask("GET", f"/2/dm_events?pagination_token={token}", bob)
    assert refused.status == 400
    assert refused.body["errors"] == [
        {
            "parameters": {"pagination_token": [token]},
            "message": f"The `pagination_token` query parameter value [{token}] is not valid",
        }
    ]
    assert (await ask.page(bob, **params))["meta"]["next_token"] == token
    assert texts(await ask.page(bob, pagination_token=token)) == ["1", "0"]
    stolen = await ask("GET", f"/2/dm_events?pagination_token={token}", ann)
    assert stolen.status == 400


async def test_without_a_life_a_token_is_good_for_ever(emulate, clock):
    ask, ann, bob = await start(emulate, 2, conversation_days=None)
    path = f"/2/dm_conversations/with/{ann.id}/dm_events"
    token = (await ask.page(bob, path, max_results=1))["meta"]["next_token"]
    clock.advance(400 * 86_400)
    bearer = ask.x.token(bob)["access_token"]
    answer = await ask("GET", f"{path}?pagination_token={token}", token=bearer)
    assert texts(answer.body) == ["0"]


NUMBERS = st.sets(st.integers(1, 300), max_size=40)


@given(NUMBERS, st.integers(1, 12), st.integers(0, 50), st.booleans())
def test_a_scan_through_short_pages_meets_every_event_once(
    numbers: set[int], size: int, seed: int, filter_after_cut: bool
) -> None:
    lists = Lists(Switches(short_pages=0.7, filter_after_cut=filter_after_cut), seed)
    feed, user = feed_of(numbers), User(1, "ann", "Ann", 0)
    found: list[int] = []
    query = Query(max_results=size, event_types=("MessageCreate",))
    for _ in range(2_000):
        page = lists.page(feed, query, user, 0.0, 0)
        found += [event.number for event in page.events]
        if page.older is None:
            break
        query = Query(max_results=size, event_types=("MessageCreate",), position=page.older)
    assert page.older is None
    assert found == sorted((n for n in numbers if n % 5), reverse=True)


@given(NUMBERS, st.integers(1, 12), st.integers(0, 50), st.integers(0, 300))
def test_following_short_pages_to_the_newer_meets_every_event_once(
    numbers: set[int], size: int, seed: int, begin: int
) -> None:
    lists = Lists(Switches(short_pages=0.7), seed)
    feed, user = feed_of(numbers), User(1, "ann", "Ann", 0)
    found: list[int] = []
    position: Position | None = Position(begin, older=False)
    for _ in range(2_000):
        page = lists.page(feed, Query(max_results=size, position=position), user, 0.0, 0)
        found = [event.number for event in page.events] + found
        position = page.newer
        if position is None:
            break
    assert position is None
    assert found == sorted((n for n in numbers if n > begin), reverse=True)


def feed_of(numbers: set[int]) -> Feed:
    """Messages, and a user who leaves at every fifth number."""
    feed: Feed = {}
    for number in sorted(numbers):
        kind: Any = "MessageCreate" if number % 5 else "ParticipantsLeave"
        event = Event(number=number, event_type=kind, dm_conversation_id="1-2")
        feed.setdefault(kind, []).append(event)
    return feed


async def test_short_pages_are_short_in_the_middle(emulate):
    ask, _ann, bob = await start(emulate, 60, short_pages=0.5)
    sizes = []
    params: dict[str, Any] = {"max_results": 5}
    while True:
        page = await ask.page(bob, **params)
        sizes.append(page["meta"]["result_count"])
        if "next_token" not in page["meta"]:
            break
        params["pagination_token"] = page["meta"]["next_token"]
    assert sum(sizes) == 60
    assert 0 not in sizes[:-1]
    assert 5 in sizes
    assert {1, 2, 3, 4} & {*sizes}


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"list_lag": -1}, "list_lag is seconds from 0"),
        ({"list_lag": (3, 1)}, "the least and the most"),
        ({"names": "old"}, "names is one of classic, current, not 'old'"),
        ({"past_newest": "again"}, "one of empty, same, refused, not 'again'"),
        ({"token_life": 0}, "token_life is more than 0 seconds"),
        ({"short_pages": 1}, "short_pages is from 0 to less than 1"),
    ],
)
def test_a_switch_that_cannot_be_is_refused(clock, switch: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Emulator(clock=clock, **switch)
