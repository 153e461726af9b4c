"""The three lists: what is asked for, how it is spelled, and what is refused at the call."""

import asyncio
import re

import pytest

from xdm_async.endpoints import events, users
from xdm_async.endpoints.answers import names_parameter
from xdm_async.endpoints.queries import all_user_fields, as_naming, list_query
from xdm_async.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Refused,
    UnreadableAnswer,
)
from xdm_async.models import Fields
from xdm_async.testing import ScriptedSender, answered

EMPTY = answered(200, b'{"meta":{"result_count":0}}')
MINIMAL = list_query(fields=Fields.MINIMAL)


@pytest.mark.parametrize(
    ("fetch", "name", "path"),
    [
        (lambda s, q: events.list_events(s, q), "dm_events.list", "/2/dm_events"),
        (
            lambda s, q: events.list_with(s, 944480690, q),
            "dm_events.list_with",
            "/2/dm_conversations/with/944480690/dm_events",
        ),
        (
            lambda s, q: events.list_in(s, "906948460078698496-944480690", q),
            "dm_events.list_in",
            "/2/dm_conversations/944480690-906948460078698496/dm_events",
        ),
    ],
)
async def test_each_list_is_one_get_on_its_own_route(fetch, name, path):
    sender = ScriptedSender([EMPTY])
    page = await fetch(sender, MINIMAL)
    (request,) = sender.requests
    assert (request.route.name, request.route.method) == (name, "GET")
    assert request.path == path + "?max_results=100"
    assert request.body is None
    assert set(request.route.scopes) == {"dm.read", "tweet.read", "users.read"}
    assert page.data == ()


async def test_a_pagination_token_goes_along_with_the_same_query():
    sender = ScriptedSender([EMPTY, EMPTY])
    await events.list_events(sender, MINIMAL, "18LAA581J5II7LA00C00ZZZZ")
    await events.list_events(sender, MINIMAL, "a b/+=,~")
    assert sender.requests[0].path.endswith(
        "?max_results=100&pagination_token=18LAA581J5II7LA00C00ZZZZ"
    )
    assert sender.requests[1].path.endswith("&pagination_token=a%20b%2F%2B%3D%2C~")


def test_a_query_is_encoded_as_it_is_signed_with_classic_names():
    query = list_query(
        event_types=["MessageCreate", "ParticipantsJoin"],
        max_results=5,
        fields=Fields(
            event=["text", "referenced_posts"],
            expansions=["sender_id", "referenced_posts"],
            user=["pinned_post_id", "username"],
            post=["note_post", "note_tweet"],
            media=["url"],
        ),
    )
    assert query == (
        "max_results=5&event_types=MessageCreate%2CParticipantsJoin"
        "&dm_event.fields=text%2Creferenced_tweets"
        "&expansions=sender_id%2Creferenced_tweets.id"
        "&user.fields=pinned_tweet_id%2Cusername"
        "&tweet.fields=note_tweet"
        "&media.fields=url"
    )


def test_everything_is_asked_for_by_default_in_names_that_need_no_more_encoding():
    query = list_query()
    assert re.fullmatch(r"[A-Za-z0-9_.~&=-]+", query.replace("%2C", ""))
    assert "post" not in query.replace("possibly", "")
    for name in ("referenced_tweets.id", "receives_your_dm", "variants", "note_tweet", "entities"):
        assert name in query
    assert "non_public_metrics" not in query
    assert "confirmed_email" not in query


@pytest.mark.parametrize("bad", [0, 101, -1, True, "5", 5.0, None])
def test_a_page_size_the_server_would_not_take_is_refused(bad):
    with pytest.raises(InvalidRequest, match="max_results must be") as caught:
        list_query(max_results=bad)
    assert caught.value.argument == "max_results"


@pytest.mark.parametrize(
    ("bad", "hint"),
    [
        ("MessageCreate", r"write \['MessageCreate'\]"),
        ([], "leave it out"),
        (["messagecreate"], "did you mean 'MessageCreate'"),
        (["xyz"], "known are MessageCreate"),
        ([None], "event_types has no None"),
        (5, "must be a list"),
    ],
)
def test_event_types_that_no_event_has_are_refused(bad, hint):
    with pytest.raises(InvalidRequest, match=hint):
        list_query(event_types=bad)


@pytest.mark.parametrize(
    ("bad", "hint"),
    [
        (Fields(event=["sender"]), r"fields.event has no 'sender': did you mean 'sender_id'"),
        (Fields(expansions=["sender"]), "did you mean 'sender_id'"),
        (Fields(user=["user_name"]), "did you mean 'username'"),
        (Fields(post=["authorid"]), "did you mean 'author_id'"),
        (Fields(media="url"), r"write \['url'\]"),
        (Fields(event=5), "must be a list"),
        (["text"], "fields must be a Fields"),
    ],
)
def test_a_field_that_does_not_exist_is_refused_with_the_nearest_that_does(bad, hint):
    with pytest.raises(InvalidRequest, match=hint):
        list_query(fields=bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: events.fetch_all(s, max_results=0),
        lambda s: events.fetch_with(s, "@name"),
        lambda s: events.fetch_in(s, "12"),
        lambda s: events.fetch_in(s, "1-2", event_types="MessageCreate"),
    ],
)
def test_what_a_stream_is_built_from_is_checked_at_the_call(call):
    with pytest.raises(InvalidRequest):
        call(ScriptedSender())


async def test_what_was_prepared_is_sent_with_every_page():
    sender = ScriptedSender([EMPTY, EMPTY])
    fetch = events.fetch_with(sender, 7, max_results=3, fields=Fields.MINIMAL)
    await fetch(None)
    await fetch("18LAA581J5II7LA00C00ZZZZ")
    path = "/2/dm_conversations/with/7/dm_events?max_results=3"
    assert [request.path for request in sender.requests] == [
        path,
        path + "&pagination_token=18LAA581J5II7LA00C00ZZZZ",
    ]


async def test_a_refused_page_is_the_error_it_means():
    with pytest.raises(Forbidden):
        await events.list_events(ScriptedSender([answered(403)]), MINIMAL)


async def test_users_me_asks_for_every_field_and_gives_the_user():
    sender = ScriptedSender([answered(200, b'{"data":{"id":"9","name":"N","username":"n"}}')])
    user = await users.me(sender)
    assert user.username == "n"
    (request,) = sender.requests
    assert request.path.startswith("/2/users/me?user.fields=")
    assert set(request.route.scopes) == {"tweet.read", "users.read"}


async def test_users_me_answered_with_nothing_but_errors_is_refused():
    problem = b'{"errors":[{"title":"Not Found Error","type":"https://api.x.com/2/problems/resource-not-found"}]}'
    with pytest.raises(NotFound):
        await users.me(ScriptedSender([answered(200, problem)]))


async def test_a_cancelled_call_leaves_nothing_behind():
    class Never:
        async def send(self, request):
            await asyncio.Event().wait()

    task = asyncio.create_task(events.list_events(Never(), MINIMAL))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# One event


async def test_one_event_is_one_get_with_its_fields():
    body = b'{"data":{"id":"5","event_type":"MessageCreate","text":"hi"}}'
    sender = ScriptedSender([answered(200, body)] * 2)
    event = await events.get_event(sender, 5, fields=Fields.MINIMAL)
    assert (event.id, event.text) == ("5", "hi")
    await events.get_event(sender, "5", fields=Fields(event=["created_at"]))
    assert [r.path for r in sender.requests] == [
        "/2/dm_events/5",
        "/2/dm_events/5?dm_event.fields=created_at",
    ]
    assert {(r.route.name, r.route.method) for r in sender.requests} == {("dm_events.get", "GET")}


async def test_an_event_that_is_not_there_is_not_found_though_the_server_says_200():
    problem = b'{"type":"https://api.twitter.com/2/problems/resource-not-found","title":"x"}'
    sender = ScriptedSender([answered(200, b'{"errors":[' + problem + b"]}")])
    with pytest.raises(NotFound):
        await events.get_event(sender, 5)


async def test_an_answer_without_an_event_and_without_a_reason_is_unreadable():
    with pytest.raises(UnreadableAnswer, match="holds no event"):
        await events.get_event(ScriptedSender([answered(200, b"{}")]), 5)


@pytest.mark.parametrize("bad", ["", "5a", "1" * 20, -5, None, True, 5.0, "\u0665"])
async def test_a_malformed_event_id_is_refused_before_anything_is_sent(bad):
    sender = ScriptedSender()
    with pytest.raises(InvalidRequest, match="event_id must be an event id of 1 to 19 digits"):
        await events.get_event(sender, bad)
    assert sender.requests == []


# Addresses of conversations


@pytest.mark.parametrize(
    "address",
    [
        "https://x.com/messages/944480690-906948460078698496",
        "https://x.com/messages/906948460078698496-944480690",
        "https://twitter.com/messages/944480690-906948460078698496/info",
        "http://mobile.twitter.com/messages/944480690-906948460078698496?s=20",
        "x.com/i/chat/944480690-906948460078698496#end",
        "HTTPS://WWW.X.COM/messages/944480690-906948460078698496",
    ],
)
async def test_the_address_of_a_conversation_is_understood_where_its_id_is(address):
    sender = ScriptedSender([EMPTY])
    await events.list_in(sender, address, MINIMAL)
    assert sender.requests[0].path.startswith(
        "/2/dm_conversations/944480690-906948460078698496/dm_events?"
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://x.com/messages",
        "https://x.com/messages/",
        "https://x.com/messages/compose?recipient_id=944480690",
        "https://x.com/FloodSocial/status/1578900353814519810",
        "https://x.com.example/messages/944480690-906948460078698496",
        "https://example.com/x.com/messages/944480690-906948460078698496",
        "https://x.com/i/chat/g1582103724607971328",
    ],
)
async def test_an_address_of_something_else_is_no_conversation(address):
    with pytest.raises(InvalidRequest, match="or the address of either on x"):
        await events.list_in(ScriptedSender(), address, MINIMAL)


# The two generations of names


def test_in_current_names_everything_is_asked_for_that_has_one():
    query = list_query(naming="current")
    assert "tweet" not in query
    assert "&post.fields=" in query
    assert "referenced_posts" in query
    assert "sender_id" in query.partition("&expansions=")[2]
    assert "sender_id" not in query.partition("&expansions=")[0]
    assert "post" not in all_user_fields("current")


def test_classic_names_are_translated_where_current_ones_are_sent():
    fields = Fields(
        expansions=["referenced_tweets.id"], post=["note_tweet", "note_post", "article_title"]
    )
    assert list_query(fields=fields, naming="current") == (
        "max_results=100&expansions=referenced_posts&post.fields=note_post%2Carticle_title"
    )


@pytest.mark.parametrize(
    ("naming", "fields", "words"),
    [
        ("current", Fields(event=["sender_id"]), "in naming 'current': it comes unasked, or with"),
        ("current", Fields(user=["pinned_tweet_id"]), "in naming 'current'"),
        ("classic", Fields(user=["subscribes_to_you"]), "did you mean 'subscription'"),
        ("classic", Fields(post=["article_title"]), "did you mean 'article'"),
        ("classic", Fields(event=[["text"]]), "has no \\['text'\\]"),
    ],
)
def test_a_name_that_its_generation_does_not_have_is_refused(naming, fields, words):
    with pytest.raises(InvalidRequest, match=words):
        list_query(fields=fields, naming=naming)


@pytest.mark.parametrize("bad", ["Classic", "", None, 2])
def test_a_generation_that_does_not_exist_is_refused(bad):
    with pytest.raises(InvalidRequest, match="naming is 'classic'"):
        as_naming(bad)


# What a refusal is about


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ({"errors": [{"parameters": {"pagination_token": ["x"]}}]}, True),
        ({"parameter": "pagination_token", "value": "x"}, True),
        ({"errors": [{"parameters": {"max_results": ["0"]}}]}, False),
        ({"errors": "pagination_token"}, False),
        ({"errors": [5, {"parameters": [1]}]}, False),
        ({"detail": "pagination_token"}, False),
    ],
)
def test_a_refusal_names_its_parameter_in_either_generation(problem, expected):
    refused = BadRequest("…", status=400, problems=(problem,))
    assert names_parameter(refused, "pagination_token") is expected
    assert not names_parameter(Refused("…", status=400), "pagination_token")
