"""The server's windows over HTTP: what counts, what is refused, and what the headers say."""

from typing import Any

import pytest

SHORT = {
    "dm.write": [["user", 2, 12], ["user", 5, 60], ["app", 8, 60]],
    "dm.read": [["user", 3, 12]],
}
TOO_MANY = {
    "title": "Too Many Requests",
    "type": "about:blank",
    "status": 429,
    "detail": "Too Many Requests",
}
DAY = ("x-user-limit-24hour", "x-app-limit-24hour")


def day(answer: Any) -> dict[str, tuple[int, int, int]]:
    return {
        family: tuple(int(answer.headers[f"{family}-{n}"]) for n in ("limit", "remaining", "reset"))
        for family in DAY
        if f"{family}-limit" in answer.headers
    }


async def test_the_headers_count_down_as_recorded(ask, ann, bob, cat, clock):
    path = "/2/dm_conversations"
    body = {
        "conversation_type": "Group",
        "message": {"text": "hello"},
        "participant_ids": [bob.id, cat.id],
    }
    first = await ask.send(ann, bob, "one")
    clock.advance(10.5)
    second = await ask("POST", path, ann, json=body)
    name = first.body["data"]["dm_conversation_id"]
    third = await ask("POST", f"{path}/{name}/messages", ann, json={"text": "three"})
    reset = 1_700_000_900
    assert [a.limits for a in (first, second, third)] == [(200, r, reset) for r in (199, 198, 197)]
    assert not any(day(answer) for answer in (first, second, third))

    reads = [
        await ask("GET", f"/2/{p}", ann)
        for p in ("dm_events", f"dm_conversations/with/{bob.id}/dm_events")
    ]
    assert [read.limits for read in reads] == [(300, r, 1_700_000_911) for r in (299, 298)]


async def test_what_is_too_much_is_refused_until_exactly_the_end_of_the_window(emulate, clock):
    ask = await emulate(SHORT)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    statuses = [(await ask.send(ann, bob, str(n))).status for n in range(3)]
    assert statuses == [201, 201, 429]
    refused = await ask.send(ann, bob, "again")
    assert refused.body == TOO_MANY
    assert refused.limits == (2, 0, 1_700_000_012)
    assert "retry-after" not in refused.headers
    assert (await ask.send(bob, ann, "another user")).status == 201

    clock.advance(11.999)
    assert (await ask.send(ann, bob, "early")).status == 429
    clock.advance(0.001)
    assert (await ask.send(ann, bob, "in time")).limits == (2, 1, 1_700_000_024)
    assert [message.text for message in ask.x.messages()] == ["0", "1", "another user", "in time"]
    assert ask.x.stats.refused == {"dm.write.user.12s": 3}
    assert ask.x.stats.refused_429 == 3
    assert [(w.used, w.refused) for w in ask.x.windows("dm.write.user.12s")] in (
        [(2, 3), (1, 0), (1, 0)],
        [(1, 0), (2, 3), (1, 0)],
    )


async def test_an_exhausted_day_shows_the_short_window_with_room_in_it(emulate, clock):
    ask = await emulate(SHORT)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    for _ in range(2):
        await ask.send(ann, bob, "hello")
        await ask.send(ann, bob, "hello")
        clock.advance(12)
    await ask.send(ann, bob, "the fifth of the day")
    refused = await ask.send(ann, bob, "hello")
    assert refused.status == 429
    assert refused.limits == (2, 1, 1_700_000_036)
    clock.advance(12)
    unopened = await ask.send(ann, bob, "hello")
    assert (unopened.status, unopened.limits) == (429, (2, 2, 1_700_000_048))
    assert ask.x.stats.refused == {"dm.write.user.1m": 2}
    assert ask.x.stats.sent == 5


async def test_day_budgets_show_on_a_switch(emulate):
    ask = await emulate(SHORT, day_headers=True)
    ann, bob = ask.x.add_user(), ask.x.add_user()
    await ask.send(bob, ann, "hello")
    answer = await ask.send(ann, bob, "hello")
    assert answer.limits == (2, 1, 1_700_000_012)
    assert day(answer) == {
        "x-user-limit-24hour": (5, 4, 1_700_000_060),
        "x-app-limit-24hour": (8, 6, 1_700_000_060),
    }


async def test_all_users_of_the_app_share_its_budget(emulate):
    ask = await emulate(SHORT)
    users = [ask.x.add_user() for _ in range(5)]
    statuses = [
        (await ask.send(user, users[0], "hello")).status for user in users for _ in range(2)
    ]
    assert statuses == [201] * 8 + [429] * 2
    assert ask.x.stats.refused == {"dm.write.app.1m": 2}


async def test_every_token_of_a_user_draws_on_one_budget(emulate):
    ask = await emulate(SHORT)
    ann = ask.x.add_user()
    tokens = [ask.x.token(ann)["access_token"] for _ in range(4)]
    answers = [await ask("GET", "/2/dm_events", token=token) for token in tokens]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


async def test_a_400_and_a_403_count(emulate):
    ask = await emulate(SHORT)
    ann = ask.x.add_user()
    shy = ask.x.add_user(accepts_dms=False)
    refused = await ask.send(ann, shy, "hello")
    assert (refused.status, refused.limits) == (403, (2, 1, 1_700_000_012))
    invalid = await ask.send(ann, shy, "")
    assert (invalid.status, invalid.limits) == (400, (2, 0, 1_700_000_012))
    assert (await ask.send(ann, shy, "")).status == 429


async def test_credentials_are_judged_before_the_budget(emulate):
    ask = await emulate({"dm.read": [["user", 1, 12]]})
    ann = ask.x.add_user()
    poor = ask.x.token(ann, scopes=["users.read"])["access_token"]
    for token, status in ((poor, 403), ("unknown", 401), (ask.x.app_only_token, 403)):
        answer = await ask("GET", "/2/dm_events", token=token)
        assert answer.status == status
        assert "x-rate-limit-limit" not in answer.headers
    assert (await ask("GET", "/2/dm_events?foo=1", ann)).status == 400
    assert (await ask("GET", "/2/dm_events?foo=1", ann)).status == 429


@pytest.mark.parametrize(("counted", "left"), [(False, 2), (True, 1)])
async def test_a_401_counts_only_when_switched_on(emulate, clock, counted: bool, left: int):
    ask = await emulate(SHORT, count_unauthorized=counted)
    ann = ask.x.add_user()
    short = ask.x.token(ann, expires_in=1)["access_token"]
    clock.advance(1)
    assert (await ask("GET", "/2/dm_events", token=short)).status == 401
    assert (await ask("GET", "/2/dm_events", ann)).limits[1] == left


async def test_a_refusal_may_be_the_older_code_88(emulate):
    ask = await emulate({"users.me": [["user", 1, 12]]}, rate_limit_body="code 88")
    ann = ask.x.add_user()
    await ask("GET", "/2/users/me", ann)
    answer = await ask("GET", "/2/users/me", ann)
    assert answer.status == 429
    assert answer.body == {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}


async def test_an_endpoint_may_count_for_itself(emulate):
    ask = await emulate({"dm_conversations.send": [["user", 1, 12]]})
    ann, bob = ask.x.add_user(), ask.x.add_user()
    first = await ask.send(ann, bob, "hello")
    assert (await ask.send(ann, bob, "hello")).status == 429
    path = f"/2/dm_conversations/{first.body['data']['dm_conversation_id']}/messages"
    assert (await ask("POST", path, ann, json={"text": "hello"})).limits[0] == 200


async def test_an_unknown_path_costs_nothing_and_says_nothing(ask, ann):
    for method, path in (
        ("GET", "/"),
        ("GET", "/2/dm_events/"),
        ("GET", "/2/nothing"),
        ("DELETE", "/2/dm_events"),
        ("POST", "/2/dm_events"),
        ("GET", "/3/users/me"),
    ):
        answer = await ask(method, path, ann)
        assert (answer.status, answer.raw) == (404, b"")
        assert "x-rate-limit-limit" not in answer.headers
        assert "content-type" not in answer.headers
