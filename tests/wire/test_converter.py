"""Pages, messages and users are read whole, and never lost to one odd field."""

import contextlib
import copy
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.endpoints.conversations import SEND
from xdm_async.endpoints.events import LIST
from xdm_async.endpoints.users import ME
from xdm_async.errors import UnreadableAnswer
from xdm_async.models import (
    EventId,
    MessageCreate,
    Page,
    ParticipantsJoin,
    ParticipantsLeave,
    PostId,
    UnknownEvent,
    UserId,
)
from xdm_async.testing import answered
from xdm_async.wire.bodies import read_page, read_sent, read_user
from xdm_async.wire.converter import converter, read_json

URL = {
    "start": 19,
    "end": 42,
    "url": "https://t.co/IYFbRIdXHg",
    "expanded_url": "https://x.com/FloodSocial/status/1578900353814519810",
    "display_url": "x.com/FloodSocial/st…",
}
PAGE = {
    "data": [
        {
            "id": "1585047616894574596",
            "event_type": "MessageCreate",
            "text": "Hello, just you!",
            "sender_id": "944480690",
            "dm_conversation_id": "944480690-906948460078698496",
            "created_at": "2022-10-25T23:16:15.000Z",
        },
        {
            "id": "1581048670673260549",
            "event_type": "MessageCreate",
            "text": "Simple Tweet link: https://t.co/IYFbRIdXHg",
            "sender_id": "944480690",
            "referenced_tweets": [{"id": "1578900353814519810"}],
            "entities": {"urls": [URL], "hashtags": [{"start": 0, "end": 3, "tag": "hi"}]},
            "dm_conversation_id": "944480690-906948460078698496",
            "created_at": "2022-10-14T22:25:52.000Z",
        },
        {
            "id": "1580705121553420292",
            "event_type": "MessageCreate",
            "text": "Photo https://t.co/XXXXXXXXXX",
            "attachments": {"media_keys": ["5_1583157113245011970"]},
            "sender_id": "944480690",
            "dm_conversation_id": "944480690-906948460078698496",
            "created_at": "2022-10-13T23:40:43.000Z",
        },
        {
            "id": "1582838535115067392",
            "event_type": "ParticipantsLeave",
            "participant_ids": ["944480690"],
            "dm_conversation_id": "1578398451921985538",
            "created_at": "2022-10-19T20:58:09.000Z",
        },
        {
            "id": "1582835469712138240",
            "event_type": "ParticipantsJoin",
            "participant_ids": ["944480690", "17200003"],
            "sender_id": "906948460078698496",
            "dm_conversation_id": "1578398451921985538",
            "created_at": "2022-10-19T20:45:58.000Z",
        },
    ],
    "includes": {
        "users": [
            {
                "id": "944480690",
                "name": "Flood",
                "username": "FloodSocial",
                "description": "…",
                "created_at": "2012-11-12T22:00:00.000Z",
                "most_recent_tweet_id": "1578900353814519810",
                "public_metrics": {"followers_count": 5, "tweet_count": 7},
                "entities": {"url": {"urls": [URL]}},
            },
            {"id": "906948460078698496", "name": "Bot", "username": "SnowBotDev"},
        ],
        "tweets": [
            {
                "id": "1578900353814519810",
                "text": "…",
                "author_id": "944480690",
                "created_at": "2022-10-09T00:09:13.000Z",
                "edit_history_tweet_ids": ["1578900353814519810"],
                "attachments": {"media_keys": ["5_1583157113245011970"]},
                "referenced_tweets": [{"type": "quoted", "id": "1"}],
                "public_metrics": {"retweet_count": 3, "like_count": 4},
                "note_tweet": {"text": "a longer text", "entities": {"urls": [URL]}},
                "geo": {"coordinates": {"type": "Point", "coordinates": [8.5, 47]}},
            }
        ],
        "media": [
            {
                "media_key": "5_1583157113245011970",
                "type": "photo",
                "url": "https://ton.twitter.com/1.1/ton/data/dm/1/2/x.jpg",
                "width": 1200,
                "height": 675,
            }
        ],
    },
    "errors": [
        {
            "value": "17200003",
            "detail": "Could not find user with ids: [17200003].",
            "title": "Not Found Error",
            "resource_type": "user",
            "parameter": "participant_ids",
            "resource_id": "17200003",
            "type": "https://api.twitter.com/2/problems/resource-not-found",
        }
    ],
    "meta": {
        "result_count": 5,
        "next_token": "18LAA581J5II7LA00C00ZZZZ",
        "previous_token": "1BLC45G1H8CAL5DG0G00ZZZZ",
    },
}
TODAY = {
    "referenced_tweets": "referenced_posts",
    "tweets": "posts",
    "most_recent_tweet_id": "most_recent_post_id",
    "tweet_count": "post_count",
    "retweet_count": "repost_count",
    "note_tweet": "note_post",
    "edit_history_tweet_ids": "edit_history_post_ids",
}


def page_of(body) -> Page:
    return read_page(LIST, answered(200, json.dumps(body).encode()))


def event_of(**fields):
    return page_of({"data": [{"id": "1", "event_type": "MessageCreate"} | fields]}).data[0]


def renamed(value):
    if isinstance(value, dict):
        return {TODAY.get(key, key): renamed(inner) for key, inner in value.items()}
    return [renamed(inner) for inner in value] if isinstance(value, list) else value


def test_a_whole_page_is_read_with_nothing_left_over():
    page = page_of(PAGE)
    kinds = [MessageCreate, MessageCreate, MessageCreate, ParticipantsLeave, ParticipantsJoin]
    assert [type(event) for event in page.data] == kinds
    assert page.meta.next_token == "18LAA581J5II7LA00C00ZZZZ"
    assert page.meta.result_count == 5
    assert page.errors == tuple(PAGE["errors"])
    assert not page.extra
    assert not page.includes.extra
    assert not any(event.extra for event in page.data)
    assert not any(x.extra for x in (*page.includes.users, *page.includes.posts))


def test_an_event_carries_what_the_expansions_brought():
    first, link, photo, leave, join = page_of(PAGE).data
    assert first.sender.username == "FloodSocial"
    assert first.created_at == datetime(2022, 10, 25, 23, 16, 15, tzinfo=UTC)
    assert (type(first.id), type(first.sender_id)) == (EventId, UserId)
    assert link.posts[0].author is first.sender
    assert link.posts[0].media == photo.media
    assert link.entities.urls[0].expanded_url == URL["expanded_url"]
    assert photo.media[0].width == 1200
    assert leave.participants == (first.sender,)
    assert leave.sender is None
    assert join.participant_ids == ("944480690", "17200003")
    assert join.participants == (first.sender,)
    assert join.sender.username == "SnowBotDev"


def test_python_speaks_todays_names_whatever_the_wire_does():
    page = page_of(PAGE)
    (post,) = page.includes.posts
    assert page.includes.users[0].most_recent_post_id == "1578900353814519810"
    assert page.includes.users[0].public_metrics.post_count == 7
    assert (post.public_metrics.repost_count, post.referenced_posts[0].type) == (3, "quoted")
    assert post.edit_history_post_ids == (PostId("1578900353814519810"),)
    assert post.note_post.text == "a longer text"
    assert post.geo.coordinates.coordinates == (8.5, 47)


def test_both_naming_generations_read_the_same():
    assert page_of(renamed(PAGE)) == page_of(PAGE)


def test_a_page_of_default_fields_as_recorded():
    page = page_of(
        {
            "data": [
                {"event_type": "MessageCreate", "id": "1585800613752881156", "text": "Testing 2"},
                {"event_type": "MessageCreate", "id": "1585800613253812228", "text": "Testing 1"},
            ],
            "meta": {"result_count": 2, "next_token": "18LAA5G1SL0NR5OG0G00ZZZZ"},
        }
    )
    assert [event.text for event in page.data] == ["Testing 2", "Testing 1"]
    assert page.data[0].id > page.data[1].id


@pytest.mark.parametrize("body", [{"meta": {"result_count": 0}}, {}, {"data": None, "meta": None}])
def test_an_empty_page_is_a_page(body):
    page = page_of(body)
    assert page.data == ()
    assert page.meta.next_token is None


def test_entities_that_lie_open_on_the_event_are_read_too():
    event = event_of(urls=[URL], mentions=[{"start": 0, "end": 2, "username": "x", "id": "9"}])
    assert event.entities.urls[0].url == URL["url"]
    assert event.entities.mentions[0].id == "9"
    assert not event.extra


def test_an_unknown_kind_of_event_keeps_all_it_came_with():
    (event,) = page_of(
        {"data": [{"id": "7", "event_type": "ReactionCreate", "sender_id": "3", "emoji": "x"}]}
    ).data
    assert event == UnknownEvent(
        event_type="ReactionCreate", id=EventId("7"), sender_id=UserId("3"), extra={"emoji": "x"}
    )


@pytest.mark.parametrize("odd", [None, 3, "x", [], {}, {"event_type": 3}, {"event_type": ["a"]}])
def test_what_is_no_event_does_not_lose_the_others(odd):
    page = page_of({"data": [odd, PAGE["data"][0]]})
    assert isinstance(page.data[0], UnknownEvent)
    assert page.data[1].text == "Hello, just you!"


def test_unknown_fields_are_kept_at_every_depth():
    event = event_of(new=1, attachments={"media_keys": [], "stickers": [2]})
    assert event.extra == {"new": 1}
    assert event.attachments.extra == {"stickers": [2]}


@pytest.mark.parametrize(
    ("field", "odd", "default"),
    [
        ("text", 5, ""),
        ("id", {}, ""),
        ("sender_id", True, None),
        ("created_at", "yesterday", None),
        ("created_at", "\ud800", None),
        ("created_at", 5, None),
        ("participant_ids", ["1", 2], ()),
        ("participant_ids", "1", ()),
        ("attachments", [], None),
        ("referenced_tweets", [{"id": "1"}, "2"], ()),
        ("entities", "none", None),
    ],
)
def test_an_odd_value_goes_to_extra_and_the_field_keeps_its_default(field, odd, default):
    event = event_of(**{field: odd, "dm_conversation_id": "1-2"})
    name = "referenced_posts" if field == "referenced_tweets" else field
    assert getattr(event, name) == default
    assert event.extra == {field: odd}
    assert event.dm_conversation_id == "1-2"


def test_null_is_the_same_as_absent():
    event = event_of(text=None, sender_id=None, referenced_tweets=None, attachments=None)
    assert event == event_of()


def test_an_instant_is_aware_whatever_offset_it_has():
    assert event_of(created_at="2022-10-25T23:16:15").created_at.tzinfo is UTC
    shifted = event_of(created_at="2022-10-25T23:16:15+02:00").created_at
    assert shifted.utcoffset() == timedelta(hours=2)
    assert shifted == datetime(2022, 10, 25, 23, 16, 15, tzinfo=timezone(timedelta(hours=2)))


def test_half_of_a_surrogate_pair_in_one_text_does_not_lose_the_page():
    body = b'{"data":[{"id":"1","event_type":"MessageCreate","text":"a\\ud83d"}]}'
    assert read_page(LIST, answered(200, body)).data[0].text == "a\ud83d"


@pytest.mark.parametrize("part", ["data", "includes", "meta", "errors"])
@pytest.mark.parametrize("odd", [3, "x", True, [3], [None], {"users": 3}, {"next_token": 5}])
def test_an_odd_part_of_a_page_does_not_lose_the_rest(part, odd):
    page = page_of(PAGE | {part: odd})
    assert isinstance(page, Page)
    if part != "data":
        assert len(page.data) == 5


def test_errors_are_read_as_one_object_too():
    assert page_of({"errors": PAGE["errors"][0]}).errors == tuple(PAGE["errors"])


def test_the_included_that_cannot_be_read_stays_in_extra():
    includes = page_of({"includes": {"users": [{"id": "1"}, 3], "spaces": [{"id": "s"}]}}).includes
    assert [user.id for user in includes.users] == ["1"]
    assert includes.extra == {"users": [3], "spaces": [{"id": "s"}]}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'"x"', b'{"a":', b"\xff", b"[" * 9999]
)
def test_a_body_that_is_no_object_cannot_be_read(body):
    for read, route in ((read_page, LIST), (read_sent, SEND), (read_user, ME)):
        with pytest.raises(UnreadableAnswer) as caught:
            read(route, answered(200, body))
        assert caught.value.status == 200
        assert caught.value.__cause__ is None


def test_a_sent_message_as_recorded():
    body = b'{"data":{"dm_conversation_id":"750362064426721281-1072250532645998596",'
    sent = read_sent(SEND, answered(201, body + b'"dm_event_id":"1585800613253812228"}}'))
    assert sent.dm_event_id == "1585800613253812228"
    assert type(sent.dm_event_id) is EventId
    assert sent.dm_conversation_id == "750362064426721281-1072250532645998596"


def test_a_send_answered_without_a_conversation_is_sent_all_the_same():
    assert read_sent(SEND, answered(201, b'{"data":{"dm_event_id":"12"}}')).dm_event_id == "12"


@pytest.mark.parametrize("data", [None, [], {}, {"dm_event_id": None}, {"dm_event_id": ["1"]}])
def test_a_send_answered_without_an_event_has_an_unknown_outcome(data):
    with pytest.raises(UnreadableAnswer, match="may have been sent"):
        read_sent(SEND, answered(201, json.dumps({"data": data}).encode()))


def test_a_user_is_read_and_one_that_is_not_there_is_none():
    user = read_user(ME, answered(200, b'{"data":{"id":"9","name":"N","username":"n"}}'))
    assert (user.id, user.name, user.username) == ("9", "N", "n")
    assert read_user(ME, answered(200, b'{"errors":[{"title":"Not Found Error"}]}')) is None
    with pytest.raises(UnreadableAnswer):
        read_user(ME, answered(200, b'{"data":{}}'))


def test_numbers_beyond_doubles_stay_exact():
    assert read_json(b'{"account_id":2036532529868496897}') == {"account_id": 2036532529868496897}


def test_reading_leaves_the_raw_event_as_it_was():
    raw = copy.deepcopy(PAGE["data"][1])
    assert converter.structure(raw, MessageCreate) == page_of({"data": [raw]}).data[0]
    assert raw == PAGE["data"][1]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, (dict, list)) else ():
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))
        else:
            yield (*path, key)


PLACES = [path for path in places(PAGE) if path]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=4))
def test_whatever_is_put_into_a_page_it_stays_a_page(changes):
    body = copy.deepcopy(PAGE)
    for path, value in changes:
        at = body
        for key in path[:-1]:
            at = at[key] if isinstance(at, dict) and key in at else {}
        if isinstance(at, dict):
            at[path[-1]] = value
    page = page_of(body)
    assert isinstance(page, Page)
    assert all(event.id is not None for event in page.data)
    json.dumps(page.as_json())


@settings(max_examples=100, deadline=None)
@given(
    ANYTHING | st.dictionaries(st.sampled_from(["data", "includes", "meta", "errors"]), ANYTHING)
)
def test_any_json_gives_a_model_or_an_unreadable_answer(value):
    for read, route in ((read_page, LIST), (read_sent, SEND), (read_user, ME)):
        with contextlib.suppress(UnreadableAnswer):
            read(route, answered(200, json.dumps(value).encode()))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.binary(max_size=4))
def test_bytes_cut_or_changed_give_a_page_or_an_unreadable_answer(at, junk):
    body = json.dumps(PAGE).encode()
    for changed in (body[:at], body[:at] + junk + body[at:]):
        with contextlib.suppress(UnreadableAnswer):
            assert isinstance(read_page(LIST, answered(200, changed)), Page)
