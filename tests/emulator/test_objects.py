"""Posts and users, with all that may be asked of them."""

from typing import Any

from xdm_async.emulator.parameters import ONE_EVENT

ALL_POST = ",".join(sorted(set(ONE_EVENT.lists["tweet.fields"].values())))
CLASSIC_USER = {*ONE_EVENT.lists["user.fields"].values()} - {"subscribes_to_you"}


async def posts_of(ask, user, fields: str = ALL_POST) -> dict[str, Any]:
    page = await ask.page(user, expansions="referenced_tweets.id", tweet__fields=fields)
    return {post["id"]: post for post in page["includes"]["tweets"]}


def said(text: str, entity: Any) -> str:
    return text[entity["start"] : entity["end"]]


async def test_a_post_that_was_only_pointed_to_has_every_detail(ask, x, ann, bob):
    x.deliver(ann, bob, "https://x.com/bob/status/1578900353814519810")
    (post,) = (await posts_of(ask, ann)).values()
    entities = post["entities"]
    assert said(post["text"], entities["mentions"][0]) == "@bob"
    assert entities["mentions"][0]["id"] == bob.id
    assert said(post["text"], entities["hashtags"][0]) == "#emulated"
    assert said(post["text"], entities["cashtags"][0]) == "$XDM"
    assert said(post["text"], entities["urls"][0]) == entities["urls"][0]["url"]
    # Of an annotation alone, the end is the last code point itself.
    (annotation,) = entities["annotations"]
    assert post["text"][annotation["start"] : annotation["end"] + 1] == "Post"
    assert post["created_at"] == "2022-10-09T00:09:13.000Z"
    assert post["edit_controls"]["editable_until"] == "2022-10-09T01:09:13.000Z"
    assert post["display_text_range"] == [0, len(post["text"])]
    assert post["geo"]["coordinates"]["type"] == "Point"
    assert post["context_annotations"][0]["domain"]["id"] == "46"
    assert post["withheld"]["scope"] == "tweet"
    assert post["author_id"] == bob.id
    assert post["conversation_id"] == post["id"]
    assert "note_tweet" not in post
    assert "organic_metrics" not in post


async def test_its_author_alone_sees_how_a_post_is_doing_in_private(ask, x, ann, bob):
    x.deliver(ann, bob, "https://x.com/bob/status/1578900353814519810")
    (own,) = (await posts_of(ask, bob)).values()
    assert {"non_public_metrics", "organic_metrics", "promoted_metrics"} <= own.keys()
    page = await ask.page(bob, expansions="referenced_posts", post__fields="organic_metrics")
    assert "repost_count" in page["includes"]["posts"][0]["organic_metrics"]


async def test_a_post_brings_those_it_refers_to(ask, x, ann, bob, cat):
    asked = x.add_post(cat, "Who is it?")
    seen = x.add_post(bob, "A sight", media="photo")
    answer = x.add_post(bob, "It is @ann", quotes=seen, replies_to=asked)
    x.deliver(ann, bob, f"https://x.com/bob/status/{answer}")
    page = await ask.page(ann, dm_event__fields="referenced_tweets")
    assert page["data"][0]["referenced_tweets"] == [{"id": i} for i in (answer, seen, asked)]
    posts = await posts_of(ask, ann)
    assert posts[answer]["referenced_tweets"] == [
        {"type": "quoted", "id": seen},
        {"type": "replied_to", "id": asked},
    ]
    assert posts[answer]["in_reply_to_user_id"] == cat.id
    assert posts[answer]["conversation_id"] == asked
    assert posts[answer]["entities"]["mentions"][0]["id"] == ann.id
    assert posts[seen]["attachments"]["media_keys"][0].startswith("3_")
    assert "referenced_tweets" not in posts[seen]


async def test_a_long_post_is_whole_in_its_note_alone(ask, x, ann, bob):
    text = "word " * 60 + "#end"
    note = x.add_post(bob, text)
    x.deliver(ann, bob, f"https://x.com/bob/status/{note}")
    post = (await posts_of(ask, ann))[note]
    assert post["text"] == text[:279] + "…"
    assert "hashtags" not in post["entities"]
    assert post["note_tweet"]["text"] == text
    assert said(text, post["note_tweet"]["entities"]["hashtags"][0]) == "#end"
    page = await ask.page(ann, expansions="referenced_posts", post__fields="note_post")
    assert page["includes"]["posts"][0]["note_post"]["text"] == text


async def test_a_user_has_every_detail_that_is_asked_for(ask, x):
    ann = x.add_user("ann", user_id="15")  # wears a badge, and is withheld somewhere
    bob = x.add_user("bob", user_id="16")
    params = {"user.fields": ",".join(CLASSIC_USER)}
    seen = (await ask("GET", "/2/users/15", bob, params=params)).body["data"]
    assert seen.keys() == CLASSIC_USER - {"confirmed_email"}
    (tag,) = seen["entities"]["description"]["hashtags"]
    assert said(seen["description"], tag) == f"#{tag['tag']}"
    (link,) = seen["entities"]["url"]["urls"]
    assert said(seen["url"], link) == link["url"]
    assert seen["withheld"] == {"country_codes": ["DE"], "scope": "user"}
    assert seen["affiliation"]["user_id"] == [ann.id]
    other = (await ask("GET", "/2/users/16", ann, params=params)).body["data"]
    assert seen.keys() - other.keys() == {"affiliation", "withheld"}


async def test_an_address_is_for_its_owner_with_the_scope_for_it(ask, x, ann, bob):
    token = x.token(ann, scopes=["tweet.read", "users.read", "users.email"])["access_token"]
    params = {"user.fields": "confirmed_email"}
    own = await ask("GET", "/2/users/me", token=token, params=params)
    assert own.body["data"]["confirmed_email"] == "ann@example.com"
    for answer in (
        await ask("GET", f"/2/users/{bob.id}", token=token, params=params),
        await ask("GET", "/2/users/me", ann, params=params),
    ):
        assert "confirmed_email" not in answer.body["data"]


async def test_what_a_user_points_to_can_be_brought_along_in_either_names(ask, x):
    ann = x.add_user("ann", user_id="15")
    classic = "affiliation.user_id,pinned_tweet_id,most_recent_tweet_id"
    found = (await ask("GET", "/2/users/me", ann, params={"expansions": classic})).body
    assert {found["data"]["pinned_tweet_id"], found["data"]["most_recent_tweet_id"]} == {
        post["id"] for post in found["includes"]["tweets"]
    }
    assert [user["id"] for user in found["includes"]["users"]] == [ann.id]
    todays = "affiliation,pinned_post_id,most_recent_post_id"
    found = (await ask("GET", "/2/users/me", ann, params={"expansions": todays})).body
    assert {"affiliation", "pinned_post_id", "most_recent_post_id"} <= found["data"].keys()
    assert found["includes"].keys() == {"users", "posts"}


async def test_names_that_only_today_knows_are_answered_in_todays_names(ask, ann):
    for params in (
        {"expansions": "affiliation", "user.fields": "public_metrics"},
        {"user.fields": "public_metrics,subscribes_to_you"},
    ):
        body = (await ask("GET", "/2/users/me", ann, params=params)).body
        assert "post_count" in body["data"]["public_metrics"]
    params = {"expansions": "affiliation.user_id", "user.fields": "affiliation,public_metrics"}
    body = (await ask("GET", "/2/users/me", ann, params=params)).body
    assert "tweet_count" in body["data"]["public_metrics"]


async def test_where_a_query_does_not_tell_its_names_a_switch_does(emulate):
    ask = await emulate(names="current")
    ann = ask.x.add_user("ann")
    for params, name in (
        ({"user.fields": "public_metrics"}, "post_count"),
        ({"user.fields": "public_metrics", "tweet.fields": "id"}, "tweet_count"),
        ({"user.fields": "public_metrics,pinned_tweet_id"}, "tweet_count"),
        ({"user.fields": "public_metrics,pinned_post_id"}, "post_count"),
    ):
        body = (await ask("GET", "/2/users/me", ann, params=params)).body
        assert name in body["data"]["public_metrics"], params
    missing = await ask("GET", "/2/users/999", ann)
    assert missing.body["errors"][0]["type"].startswith("https://api.x.com/")
