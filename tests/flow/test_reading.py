"""Reading from the emulator over real HTTP: positions, directions, handles and replies."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from xdm_async import App, Conversation, EventStream, InvalidRequest, NotFound, OAuth1, OAuth2
from xdm_async.emulator import Emulator


def texts(events):
    return [event.text for event in events]


def fill(x, sender, recipient, many, word="message"):
    for n in range(many):
        x.deliver(sender, recipient, f"{word} {n}")


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"last_page_token": False},
        {"filter_after_cut": True},
        {"short_pages": 0.5},
        {"past_newest": "same"},
        {"past_newest": "refused"},
        {"token_life": 60.0},
    ],
    ids=lambda switches: next(iter(switches), "as recorded"),
)
async def test_a_read_is_gone_on_with_by_another_process_and_then_kept_up_to_date(switches):
    now = 1_790_000_000.0
    async with Emulator(clock=lambda: now, **switches) as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        fill(x, ben, ann, 30)
        group = x.create_group(ben, [ann], "welcome").dm_conversation_id
        fill(x, ben, ann, 30, "more")
        kinds = ["MessageCreate"]
        async with App(base_url=x.url) as app:
            stream = app.account(OAuth2(**ann.oauth2)).events(max_results=7, event_types=kinds)
            first = [await anext(stream) for _ in range(25)]
            position = stream.position
        now += 3_600
        fill(x, ben, ann, 20, "later")
        async with App(base_url=x.url) as app:
            account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
            rest = await account.events(max_results=9, event_types=kinds, resume=position).collect()
            seen = [e for e in x.events_of(ann) if e.event_type == "MessageCreate"]
            assert [e.id for e in first + rest] == [e.id for e in reversed(seen[:61])]

            newer = account.events(max_results=6, event_types=kinds, newer_than=position)
            assert texts(await newer.collect()) == [f"later {n}" for n in range(20)]
            now += 600
            x.deliver(ben, group, "the last")
            again = account.events(event_types=kinds, newer_than=newer.position)
            assert texts(await again.collect()) == ["the last"]
            with pytest.raises(InvalidRequest, match="another stream"):
                account.events(newer_than=newer.position)
        assert x.stats.refused_429 == 0


async def test_since_and_until_are_ids_or_instants():
    now = 1_790_000_000.0
    async with Emulator(clock=lambda: now) as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        for day in range(10):
            now += 86_400
            x.deliver(ben, ann, f"day {day}")
        day_4 = datetime.fromtimestamp(1_790_000_000 + 5 * 86_400, UTC)
        async with App(base_url=x.url) as app:
            account = app.account(OAuth2(**x.token(ann)))
            found = await account.events(since=day_4, until=day_4 + timedelta(days=3)).collect()
            assert texts(found) == ["day 6", "day 5", "day 4"]
            between = account.events(since=found[2].id, until=found[0].id, max_results=2)
            assert texts(await between.collect()) == ["day 5"]


async def test_a_conversation_is_read_and_written_by_its_handle():
    async with Emulator() as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        async with App(base_url=x.url) as app:
            account = app.account(OAuth2(**ann.oauth2), user_id=ann.id)
            with_ben = account.conversation(participant_id=ben.id)
            sent = await with_ben.send("first")
            address = f"https://x.com/messages/{sent.dm_conversation_id}"
            same = account.conversation(address)
            await same.send("second")
            assert isinstance(with_ben.events(), EventStream)
            for handle in (with_ben, same):
                assert texts(await handle.events().collect()) == ["second", "first"]
            assert repr(same) == f"<Conversation {sent.dm_conversation_id} of {ann.id}>"
            assert repr(with_ben) == f"<Conversation with {ben.id} of {ann.id}>"
            assert isinstance(same, Conversation)
            for wrong in ({}, {"dm_conversation_id": address, "participant_id": ben.id}):
                with pytest.raises(InvalidRequest, match="give one of them"):
                    account.conversation(**wrong)
            with pytest.raises(InvalidRequest, match="dm_conversation_id must be"):
                account.conversation("https://x.com/home")


async def test_a_reply_goes_where_the_event_came_from_and_is_ones_own():
    async with Emulator() as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        x.create_group(ben, [ann], "welcome")
        x.deliver(ben, ann, "hello")
        app_keys = {k: x.app[k] for k in ("consumer_key", "consumer_secret")}
        async with App(base_url=x.url, **app_keys) as app:
            account = app.account(OAuth1(**ann.oauth1))
            for event in await account.events(event_types=["MessageCreate"]).collect():
                assert not event.is_mine
                sent = await event.reply(f"re: {event.text}")
                assert sent.dm_conversation_id == event.dm_conversation_id
                mine = await account.event(sent.dm_event_id)
                assert mine.is_mine
                assert mine.text == f"re: {event.text}"
        assert [m.sent_text for m in x.messages()][2:] == ["re: hello", "re: welcome"]


async def test_an_event_that_is_not_there_or_not_ones_own_is_not_found():
    async with Emulator() as x:
        ann, ben, cat = x.add_user(), x.add_user(), x.add_user()
        stored = x.deliver(ben, cat, "not for ann")
        async with App(base_url=x.url) as app:
            account = app.account(OAuth2(**ann.oauth2))
            for event_id in (stored.dm_event_id, "12345"):
                with pytest.raises(NotFound):
                    await account.event(event_id)
            with pytest.raises(InvalidRequest):
                await account.event("x")
        assert x.stats.requests_by_endpoint["dm_events.get"] == 2


async def test_both_generations_of_names_bring_the_same_events():
    async with Emulator() as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        x.deliver(ben, ann, "see https://x.com/ben/status/1578900353814519810 and @ann #here")
        x.create_group(ben, [ann], "welcome")
        found = []
        for naming in ("classic", "current"):
            async with App(base_url=x.url, naming=naming) as app:
                account = app.account(OAuth2(**ann.oauth2))
                found.append(await account.events().collect())
                assert (await account.me()).id == ann.id
        for classic, current in zip(*found, strict=True):
            assert (classic.id, classic.sender_id) == (current.id, current.sender_id)
            assert classic.sender.username == current.sender.username == "ben"
            assert classic.dm_conversation_id == current.dm_conversation_id
        message = found[1][-1]
        assert [post.id for post in message.posts] == ["1578900353814519810"]
        assert message.posts[0].public_metrics.repost_count is not None
        assert not message.extra


async def test_the_next_page_comes_ahead_and_a_closed_app_leaves_nothing_behind():
    async with Emulator() as x:
        ann, ben = x.add_user("ann"), x.add_user("ben")
        fill(x, ben, ann, 30)
        async with App(base_url=x.url) as app:
            stream = app.account(OAuth2(**ann.oauth2), user_id=ann.id).events(max_results=10)
            for _ in range(5):
                await anext(stream)
            await asyncio.sleep(0)  # the reader lets others run
            assert stream._ahead is not None
            await stream.aclose()
            assert len(await stream.collect()) == 25
            stream = app.account(OAuth2(**ann.oauth2), user_id=ann.id).events(max_results=10)
            for _ in range(5):
                await anext(stream)
        assert stream._ahead is not None
        await asyncio.wait([stream._ahead])
