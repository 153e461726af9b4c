"""What is gone, for one user or for everybody."""

from typing import Any

import pytest

POST = "https://x.com/bob/status/1578900353814519811"
EVERYTHING = "sender_id,participant_ids,referenced_tweets.id,attachments.media_keys"


def error(kind: str, parameter: str, value: str, host: str = "api.twitter.com") -> Any:
    return {
        "value": value,
        "detail": f"Could not find {kind} with ids: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"https://{host}/2/problems/resource-not-found",
    }


async def test_of_a_user_who_is_gone_there_is_an_error_and_the_events_stay(ask, x, ann, bob, cat):
    group = x.create_group(cat, [ann, bob], "hello").dm_conversation_id
    x.deliver(cat, group, "again")
    x.leave(group, cat)
    x.forget_user(cat)
    page = await ask.page(ann, expansions="sender_id,participant_ids")
    assert page["meta"]["result_count"] == len(page["data"]) == 4
    assert {user["id"] for user in page["includes"]["users"]} == {ann.id, bob.id}
    by_parameter = sorted(page["errors"], key=lambda entry: entry["parameter"])
    assert by_parameter == [
        error("user", "participant_ids", cat.id),
        error("user", "sender_id", cat.id),
    ]
    assert "errors" not in await ask.page(ann)


async def test_where_all_users_are_gone_there_are_no_includes(ask, x, ann, bob):
    ids = x.deliver(bob, ann, "bye")
    x.forget_user(bob)
    path = f"/2/dm_events/{ids.dm_event_id}"
    single = (await ask("GET", path, ann, params={"expansions": "sender_id"})).body
    assert single["errors"] == [error("user", "sender_id", bob.id)]
    assert single["data"]["sender_id"] == bob.id
    assert "includes" not in single


async def test_who_is_gone_is_not_found_not_reachable_and_not_let_in(ask, x, ann, bob):
    x.forget_user(bob)
    assert "data" not in (await ask("GET", f"/2/users/{bob.id}", ann)).body
    assert "data" not in (await ask("GET", "/2/users/by/username/bob", ann)).body
    assert (await ask.send(ann, bob, "hello?")).status == 403
    assert (await ask("GET", "/2/users/me", bob)).status == 401
    assert x.users == [ann]
    with pytest.raises(ValueError, match="no user"):
        x.forget_user(bob)
    assert x.add_user("bob").id != bob.id


async def test_of_a_post_that_is_gone_there_is_an_error_in_the_names_asked_for(ask, x, ann, bob):
    x.deliver(ann, bob, POST)
    x.forget_post("1578900353814519811")
    x.deliver(ann, bob, f"again {POST}")
    page = await ask.page(bob, expansions=EVERYTHING)
    assert [event["referenced_tweets"] for event in page["data"]] == [
        [{"id": "1578900353814519811"}]
    ] * 2
    assert page["errors"] == [error("tweet", "referenced_tweets.id", "1578900353814519811")]
    assert page["includes"].keys() == {"users"}
    todays = await ask.page(bob, expansions="referenced_posts")
    assert todays["errors"] == [
        error("post", "referenced_posts", "1578900353814519811", "api.x.com")
    ]


async def test_a_pinned_post_that_is_gone_is_an_error_beside_the_user(ask, x, ann):
    asked = {"expansions": "pinned_tweet_id,most_recent_tweet_id"}
    found = (await ask("GET", "/2/users/me", ann, params=asked)).body
    pinned = found["data"]["pinned_tweet_id"]
    assert [post["id"] for post in found["includes"]["tweets"]].count(pinned) == 1
    x.forget_post(pinned)
    left = (await ask("GET", "/2/users/me", ann, params=asked)).body
    assert left["data"] == found["data"]
    assert left["errors"] == [error("tweet", "pinned_tweet_id", pinned)]
    assert [post["id"] for post in left["includes"]["tweets"]] == [
        found["data"]["most_recent_tweet_id"]
    ]


async def test_a_hidden_event_is_hidden_from_one_user_in_every_list(ask, x, ann, bob):
    first = x.deliver(ann, bob, "first")
    hidden = x.deliver(ann, bob, "hidden")
    last = x.deliver(ann, bob, "last")
    x.hide(bob, hidden.dm_event_id)
    for path in ("/2/dm_events", f"/2/dm_conversations/with/{ann.id}/dm_events"):
        page = await ask.page(bob, path)
        assert [event["id"] for event in page["data"]] == [last.dm_event_id, first.dm_event_id]
    assert "data" not in (await ask("GET", f"/2/dm_events/{hidden.dm_event_id}", bob)).body
    assert len((await ask.page(ann))["data"]) == len(x.messages()) == 3
    assert [event.text for event in x.events_of(bob)] == ["first", "last"]


def test_only_what_there_is_can_be_hidden_or_forgotten(x, ann, bob, cat):
    ids = x.deliver(ann, bob, "hello")
    for impossible in (
        lambda: x.hide(cat, ids.dm_event_id),
        lambda: x.hide(ann, "12"),
        lambda: x.forget_user("12"),
        lambda: x.forget_post("12"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            impossible()
    x.hide(bob, ids.dm_event_id)
    with pytest.raises(ValueError, match="sees no event"):
        x.hide(bob, ids.dm_event_id)
