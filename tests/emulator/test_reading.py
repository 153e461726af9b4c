from typing import Any

import pytest

from xdm_async.emulator.parameters import EVENT_TYPES

DAY = 86_400
EVERYTHING = {
    "dm_event__fields": (
        "id,text,event_type,created_at,dm_conversation_id,sender_id,participant_ids,"
        "referenced_tweets,attachments,entities"
    ),
    "expansions": "sender_id,participant_ids,referenced_tweets.id,attachments.media_keys",
    "user__fields": "created_at,public_metrics,receives_your_dm",
    "tweet__fields": "author_id,public_metrics",
    "media__fields": "url",
}


def texts(page: Any) -> list[str]:
    return [event["text"] for event in page.get("data", ())]


def is_newest_first(page: Any) -> bool:
    ids = [int(event["id"]) for event in page["data"]]
    return ids == sorted(ids, reverse=True)


async def test_a_page_of_defaults_looks_as_recorded(ask, x, ann, bob):
    one = x.deliver(bob, ann, "Testing 1")
    two = x.deliver(ann, bob, "Testing 2")
    page = await ask.page(ann)
    assert page["data"] == [
        {"event_type": "MessageCreate", "id": two.dm_event_id, "text": "Testing 2"},
        {"event_type": "MessageCreate", "id": one.dm_event_id, "text": "Testing 1"},
    ]
    assert page["meta"]["result_count"] == 2
    assert page["meta"].keys() == {"result_count", "next_token", "previous_token"}
    assert "includes" not in page


async def test_an_empty_page_has_neither_data_nor_tokens(ask, ann, bob):
    for path in (
        "/2/dm_events",
        f"/2/dm_conversations/with/{bob.id}/dm_events",
        f"/2/dm_conversations/{bob.id}-{ann.id}/dm_events",
        "/2/dm_conversations/with/12/dm_events",
        "/2/dm_conversations/1582103724607971328/dm_events",
    ):
        assert await ask.page(ann, path) == {"meta": {"result_count": 0}}


async def test_each_list_shows_what_it_covers(ask, x, ann, bob, cat):
    with_bob = x.deliver(bob, ann, "from bob").dm_conversation_id
    x.deliver(cat, ann, "from cat")
    x.deliver(bob, cat, "not for ann")
    group = x.create_group(bob, [ann, cat], "to all").dm_conversation_id
    x.deliver(ann, group, "from ann")

    everything = await ask.page(ann, event_types="MessageCreate")
    assert texts(everything) == ["from ann", "to all", "from cat", "from bob"]
    for path in (f"with/{bob.id}", with_bob):
        assert texts(await ask.page(ann, f"/2/dm_conversations/{path}/dm_events")) == ["from bob"]
    in_group = await ask.page(
        cat, f"/2/dm_conversations/{group}/dm_events", event_types="MessageCreate"
    )
    assert texts(in_group) == ["from ann", "to all"]


async def test_what_others_write_to_each_other_stays_hidden(ask, x, ann, bob, cat):
    ids = x.deliver(bob, ann, "just us")
    path = f"/2/dm_conversations/{ids.dm_conversation_id}/dm_events"
    assert await ask.page(cat, path) == {"meta": {"result_count": 0}}
    single = await ask("GET", f"/2/dm_events/{ids.dm_event_id}", cat)
    assert single.status == 200
    assert single.body == {
        "errors": [
            {
                "value": ids.dm_event_id,
                "detail": f"Could not find dm_event with event_id: [{ids.dm_event_id}].",
                "title": "Not Found Error",
                "resource_type": "dm_event",
                "parameter": "event_id",
                "resource_id": ids.dm_event_id,
                "type": "https://api.twitter.com/2/problems/resource-not-found",
            }
        ]
    }


async def test_a_group_shows_members_what_happens_while_they_are_in_it(ask, x, ann, bob, cat):
    group = x.create_group(ann, [bob], "before").dm_conversation_id
    x.join(group, cat, ann)
    x.deliver(ann, group, "during")
    x.leave(group, cat)
    x.deliver(ann, group, "after")

    seen = await ask.page(cat, f"/2/dm_conversations/{group}/dm_events", **EVERYTHING)
    assert [event["event_type"] for event in seen["data"]] == [
        "ParticipantsLeave",
        "MessageCreate",
        "ParticipantsJoin",
    ]
    leave, during, join = seen["data"]
    assert during["text"] == "during"
    assert join["participant_ids"] == leave["participant_ids"] == [cat.id]
    assert join["sender_id"] == ann.id
    assert "sender_id" not in leave
    assert "text" not in join | leave
    assert "participant_ids" not in during
    assert texts(await ask.page(bob, event_types="MessageCreate")) == ["after", "during", "before"]


async def test_membership_events_carry_their_participants_unasked(ask, x, ann, bob):
    x.create_group(ann, [bob], "hello")
    page = await ask.page(bob, event_types="ParticipantsJoin")
    (join,) = page["data"]
    assert join.keys() == {"id", "event_type", "participant_ids"}


async def test_everything_can_be_asked_for(ask, x, ann, bob):
    ids = x.deliver(ann, bob, "look: https://x.com/bob/status/1578900353814519810 #nice")
    page = await ask.page(bob, **EVERYTHING)
    (event,) = page["data"]
    assert event.pop("entities").keys() == {"urls", "hashtags"}
    assert event.pop("text").startswith("look: https://t.co/")
    assert event == {
        "id": ids.dm_event_id,
        "event_type": "MessageCreate",
        "created_at": "2023-11-14T22:13:20.000Z",
        "dm_conversation_id": ids.dm_conversation_id,
        "sender_id": ann.id,
        "referenced_tweets": [{"id": "1578900353814519810"}],
    }
    (user,) = page["includes"]["users"]
    assert user["id"] == ann.id
    assert user["receives_your_dm"] is True
    assert "tweet_count" in user["public_metrics"]
    (tweet,) = page["includes"]["tweets"]
    assert tweet["author_id"] == bob.id
    assert "retweet_count" in tweet["public_metrics"]


async def test_an_expansion_shows_the_id_and_each_object_once(ask, x, ann, bob, cat):
    for _ in range(3):
        x.create_group(ann, [bob, cat], "again")
    page = await ask.page(bob, expansions="sender_id,participant_ids")
    assert all(event["sender_id"] == ann.id for event in page["data"])
    users = page["includes"]["users"]
    assert sorted(user["id"] for user in users) == sorted((ann.id, bob.id, cat.id))
    assert all(user.keys() == {"id", "name", "username"} for user in users)


async def test_fields_without_their_expansion_change_nothing(ask, x, ann, bob):
    x.deliver(ann, bob, "hello")
    plain = await ask.page(bob)
    assert await ask.page(bob, user__fields="created_at", tweet__fields="lang") == plain


async def test_todays_names_are_taken_and_given_back(ask, x, ann, bob):
    x.deliver(ann, bob, "https://x.com/ann/status/1578900353814519810")
    page = await ask.page(
        bob,
        dm_event__fields="attachments,created_at,dm_conversation_id,entities,event_type,id,text",
        expansions="referenced_posts,sender_id,participant_ids",
        post__fields="note_post,public_metrics",
        user__fields="public_metrics,subscribes_to_you",
    )
    (event,) = page["data"]
    assert event["referenced_posts"] == [{"id": "1578900353814519810"}]
    assert "referenced_tweets" not in event
    assert page["includes"].keys() == {"users", "posts"}
    (post,) = page["includes"]["posts"]
    assert post["edit_history_post_ids"] == [post["id"]]
    assert "repost_count" in post["public_metrics"]
    assert "post_count" in page["includes"]["users"][0]["public_metrics"]
    classic = await ask.page(bob, expansions="referenced_tweets.id")
    assert classic["includes"].keys() == {"tweets"}


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_tokens_lead_through_everything_and_back(emulate, size: int):
    ask = await emulate({"dm.read": []})
    ann, bob = ask.x.add_user(), ask.x.add_user()
    for number in range(20):
        ask.x.deliver(ann, bob, str(number))

    older: list[str] = []
    params: dict[str, Any] = {"max_results": size}
    while True:
        page = await ask.page(bob, **params)
        older += texts(page)
        if "next_token" not in page["meta"]:
            break
        last = page["meta"]["next_token"]
        params["pagination_token"] = last
    assert page == {"meta": {"result_count": 0}}
    assert older == [str(number) for number in reversed(range(20))]

    oldest = await ask.page(bob, max_results=1, pagination_token=last)
    assert "data" not in oldest
    newer: list[str] = []
    params["pagination_token"] = (await oldest_page(ask, bob))["meta"]["previous_token"]
    while True:
        page = await ask.page(bob, **params)
        if "data" not in page:
            break
        assert is_newest_first(page)
        newer = texts(page) + newer
        params["pagination_token"] = page["meta"]["previous_token"]
    assert newer == older[:-1]


async def oldest_page(ask: Any, user: Any) -> Any:
    """The page that holds the oldest event alone."""
    token = (await ask.page(user, max_results=19))["meta"]["next_token"]
    return await ask.page(user, max_results=1, pagination_token=token)


async def test_events_that_arrive_during_a_scan_shift_nothing(ask, x, ann, bob):
    for number in range(6):
        x.deliver(ann, bob, str(number))
    first = await ask.page(bob, max_results=3)
    x.deliver(ann, bob, "late")
    second = await ask.page(bob, max_results=3, pagination_token=first["meta"]["next_token"])
    assert texts(first) + texts(second) == ["5", "4", "3", "2", "1", "0"]
    news = await ask.page(bob, pagination_token=first["meta"]["previous_token"])
    assert texts(news) == ["late"]
    token = news["meta"]["previous_token"]
    assert await ask.page(bob, pagination_token=token) == {"meta": {"result_count": 0}}


async def test_the_last_page_ends_a_scan_when_switched_so(emulate):
    ask = await emulate(last_page_token=False)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    for number in range(4):
        ask.x.deliver(ann, bob, str(number))
    first = await ask.page(bob, max_results=2)
    token = first["meta"]["next_token"]
    second = await ask.page(bob, max_results=2, pagination_token=token)
    assert texts(second) == ["1", "0"]
    assert second["meta"].keys() == {"result_count", "previous_token"}


async def test_event_types_are_filtered_before_the_cut_or_after_it_by_a_switch(emulate):
    counts = []
    for filter_after_cut in (False, True):
        ask = await emulate(filter_after_cut=filter_after_cut)
        ann, bob = ask.x.add_user(), ask.x.add_user()
        ask.x.create_group(ann, [bob], "hello")
        for number in range(4):
            ask.x.deliver(ann, bob, str(number))
        params: dict[str, Any] = {"max_results": 2, "event_types": "ParticipantsJoin"}
        found = []
        while True:
            page = await ask.page(bob, **params)
            found.append(page["meta"]["result_count"])
            if "next_token" not in page["meta"]:
                break
            params["pagination_token"] = page["meta"]["next_token"]
        counts.append(found)
    assert counts == [[1, 0], [0, 0, 1, 0]]


async def test_the_history_of_all_events_ends_after_30_days(emulate, clock):
    ask = await emulate({"dm.read": []}, conversation_days=None)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    ids = ask.x.deliver(ann, bob, "old")
    clock.advance(30 * DAY)
    ask.x.deliver(ann, bob, "new")
    bob_now = ask.x.token(bob)["access_token"]

    async def listed(path: str) -> list[str]:
        return texts((await ask("GET", path, token=bob_now)).body)

    in_conversation = f"/2/dm_conversations/with/{ann.id}/dm_events"
    assert await listed("/2/dm_events") == ["new", "old"]
    clock.advance(0.001)
    assert await listed("/2/dm_events") == ["new"]
    assert await listed(in_conversation) == ["new", "old"]
    single = await ask("GET", f"/2/dm_events/{ids.dm_event_id}", token=bob_now)
    assert single.body["data"]["text"] == "old"


async def test_the_history_of_a_conversation_ends_there_too_by_default(ask, x, ann, bob, clock):
    x.deliver(ann, bob, "old")
    clock.advance(31 * DAY)
    token = x.token(bob)["access_token"]
    path = f"/2/dm_conversations/with/{ann.id}/dm_events"
    assert (await ask("GET", path, token=token)).body == {"meta": {"result_count": 0}}


async def test_a_single_event_comes_with_what_was_asked(ask, x, ann, bob):
    ids = x.deliver(ann, bob, "hello")
    answer = await ask(
        "GET",
        f"/2/dm_events/{ids.dm_event_id}",
        bob,
        params={"expansions": "sender_id", "dm_event.fields": "dm_conversation_id"},
    )
    assert answer.body["data"] == {
        "id": ids.dm_event_id,
        "event_type": "MessageCreate",
        "text": "hello",
        "sender_id": ann.id,
        "dm_conversation_id": ids.dm_conversation_id,
    }
    assert [user["id"] for user in answer.body["includes"]["users"]] == [ann.id]


LIST_NAMES = (
    "dm_event.fields,event_types,expansions,max_results,media.fields,pagination_token,"
    "tweet.fields,user.fields"
)


@pytest.mark.parametrize(
    ("query", "parameters", "message"),
    [
        (
            "previous_token=abc",
            {"previous_token": ["abc"]},
            f"The query parameter [previous_token] is not one of [{LIST_NAMES}]",
        ),
        (
            "max_results=0",
            {"max_results": ["0"]},
            "The `max_results` query parameter value [0] is not between 1 and 100",
        ),
        (
            "max_results=101",
            {"max_results": ["101"]},
            "The `max_results` query parameter value [101] is not between 1 and 100",
        ),
        (
            "max_results=ten",
            {"max_results": ["ten"]},
            "The `max_results` query parameter value [ten] is not between 1 and 100",
        ),
        (
            "pagination_token=abc",
            {"pagination_token": ["abc"]},
            "The `pagination_token` query parameter value [abc] is not valid",
        ),
        (
            "event_types=MessageCreate,Typing",
            {"event_types": ["Typing"]},
            "The `event_types` query parameter value [Typing] is not one of "
            f"[{','.join(EVENT_TYPES)}]",
        ),
        (
            "event_types=",
            {"event_types": [""]},
            f"The `event_types` query parameter value [] is not one of [{','.join(EVENT_TYPES)}]",
        ),
        (
            "expansions=sender_id,sender_id",
            {"expansions": ["sender_id", "sender_id"]},
            "The `expansions` query parameter values are not unique",
        ),
        (
            "expansions=sender_id&expansions=participant_ids",
            {"expansions": ["participant_ids"]},
            "The query parameter [expansions] is given twice",
        ),
    ],
)
async def test_a_query_that_makes_no_sense_is_an_invalid_request(
    ask, ann, query: str, parameters: dict[str, list[str]], message: str
):
    answer = await ask("GET", f"/2/dm_events?{query}", ann)
    assert answer.status == 400
    assert answer.body == {
        "errors": [{"parameters": parameters, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    }


async def test_everything_wrong_with_a_query_is_in_one_answer(ask, ann):
    answer = await ask("GET", "/2/dm_events?since_id=1&max_results=x&dm_event.fields=foo", ann)
    named = [name for fault in answer.body["errors"] for name in fault["parameters"]]
    assert named == ["since_id", "max_results", "dm_event.fields"]


async def test_a_problem_with_todays_names_speaks_todays_names(ask, ann):
    answer = await ask("GET", "/2/dm_events?post.fields=id&foo=1", ann)
    assert answer.body["type"] == "https://api.x.com/2/problems/invalid-request"
    assert "post.fields" in answer.body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/2/dm_conversations/with/a/dm_events", "participant_id"),
        ("/2/dm_conversations/123/dm_events", "id"),
        ("/2/dm_conversations/1-/dm_events", "id"),
        ("/2/dm_events/abc", "event_id"),
    ],
)
async def test_an_id_of_the_wrong_form_is_an_invalid_request(ask, ann, path: str, name: str):
    answer = await ask("GET", path, ann)
    assert answer.status == 400
    assert name in answer.body["errors"][0]["parameters"]


async def test_only_lists_page(ask, x, ann, bob):
    ids = x.deliver(ann, bob, "hello")
    answer = await ask("GET", f"/2/dm_events/{ids.dm_event_id}?max_results=5", bob)
    assert answer.status == 400
