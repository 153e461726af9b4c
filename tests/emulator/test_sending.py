from typing import Any

import pytest

GROUP = "/2/dm_conversations"
INVALID = {
    "title": "Invalid Request",
    "detail": "One or more parameters to your request was invalid.",
    "type": "https://api.twitter.com/2/problems/invalid-request",
}


def group(*participant_ids: Any, **changes: Any) -> dict[str, Any]:
    body = {
        "conversation_type": "Group",
        "message": {"text": "hello all"},
        "participant_ids": list(participant_ids),
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def forbidden(detail: str) -> dict[str, Any]:
    return {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": detail}


NOT_REACHABLE = forbidden("You do not have permission to DM one or more participants.")
NOT_PERMITTED = forbidden("This operation is not permitted.")


async def test_a_message_is_stored_once_and_answered_with_its_ids(ask, x, ann, bob):
    answer = await ask.send(ann, bob, "hello")
    smaller, larger = sorted((ann.id, bob.id), key=int)
    (message,) = x.messages()
    assert answer.status == 201
    assert answer.body == {
        "data": {"dm_conversation_id": f"{smaller}-{larger}", "dm_event_id": message.id}
    }
    assert answer.headers["location"] == f'https://api.twitter.com/2/dm_events/"{message.id}"'
    assert (message.text, message.sender_id) == ("hello", ann.id)
    assert (x.stats.messages_stored, x.stats.sent) == (1, 1)


async def test_both_sides_write_into_one_conversation_named_by_number_not_by_spelling(ask, x):
    old = x.add_user("old", user_id="944480690")
    new = x.add_user("new", user_id="906948460078698496")
    first = await ask.send(old, new, "hi")
    second = await ask.send(new, old, "hi yourself")
    name = "944480690-906948460078698496"
    assert first.body["data"]["dm_conversation_id"] == name
    assert second.body["data"]["dm_conversation_id"] == name
    third = await ask("POST", f"{GROUP}/{name}/messages", old, json={"text": "by name"})
    assert third.status == 201
    ids = [message.number for message in x.messages()]
    assert ids == sorted(ids)
    assert len(ids) == 3


async def test_a_conversation_of_two_may_be_begun_by_its_id(ask, ann, bob):
    smaller, larger = sorted((ann.id, bob.id), key=int)
    begun = await ask("POST", f"{GROUP}/{smaller}-{larger}/messages", ann, json={"text": "hi"})
    assert begun.status == 201
    reversed_ = await ask("POST", f"{GROUP}/{larger}-{smaller}/messages", ann, json={"text": "hi"})
    assert (reversed_.status, reversed_.body) == (403, NOT_PERMITTED)


async def test_a_group_is_new_each_time_and_begins_with_a_join(ask, x, ann, bob, cat):
    answers = [await ask("POST", GROUP, ann, json=group(bob.id, cat.id)) for _ in range(2)]
    made = [answer.body["data"] for answer in answers]
    assert [answer.status for answer in answers] == [201, 201]
    assert made[0]["dm_conversation_id"] != made[1]["dm_conversation_id"]
    for ids in made:
        assert int(ids["dm_event_id"]) == int(ids["dm_conversation_id"]) + 4
    join, message = x.events_of(bob)[:2]
    assert join.event_type == "ParticipantsJoin"
    assert (join.sender_id, join.participant_ids) == (ann.id, (bob.id, cat.id))
    assert int(made[0]["dm_conversation_id"]) < join.number < message.number
    assert join.created_at == message.created_at


async def test_a_member_writes_to_a_group_by_its_id_and_a_stranger_does_not(ask, x, ann, bob, cat):
    made = await ask("POST", GROUP, ann, json=group(bob.id))
    path = f"{GROUP}/{made.body['data']['dm_conversation_id']}/messages"
    assert (await ask("POST", path, bob, json={"text": "yes"})).status == 201
    refused = await ask("POST", path, cat, json={"text": "me too"})
    assert (refused.status, refused.body) == (403, NOT_PERMITTED)
    x.leave(made.body["data"]["dm_conversation_id"], bob)
    assert (await ask("POST", path, bob, json={"text": "still?"})).status == 403


async def test_who_does_not_exist_or_does_not_want_messages_gets_none(ask, x, ann, bob):
    shy = x.add_user("shy", accepts_dms=False)
    smaller, larger = sorted((ann.id, shy.id), key=int)
    refusals = [
        await ask.send(ann, shy, "hello?"),
        await ask("POST", f"{GROUP}/with/12/messages", ann, json={"text": "hello?"}),
        await ask("POST", f"{GROUP}/{smaller}-{larger}/messages", ann, json={"text": "hello?"}),
        await ask("POST", GROUP, ann, json=group(bob.id, shy.id)),
    ]
    assert [(refusal.status, refusal.body) for refusal in refusals] == [(403, NOT_REACHABLE)] * 4
    assert x.messages() == []


async def test_a_conversation_that_does_not_exist_takes_no_message(ask, ann):
    for dm_conversation_id in ("1582103724607971328", "12-13", f"12-{ann.id}"):
        path = f"{GROUP}/{dm_conversation_id}/messages"
        refused = await ask("POST", path, ann, json={"text": "anyone?"})
        assert (refused.status, refused.body) == (403, NOT_PERMITTED)


async def test_a_message_to_oneself_is_seen_once(ask, x, ann):
    assert (await ask.send(ann, ann, "note")).status == 201
    assert [event.text for event in x.events_of(ann)] == ["note"]


LONGEST = "é" * 10_000


@pytest.mark.parametrize(
    ("body", "complaints"),
    [
        ({}, ["$: at least one of text, attachments is required"]),
        ({"text": ""}, ["$.text: must be at least 1 characters long"]),
        ({"text": 7}, ["$.text: string expected"]),
        ({"text": None}, ["$.text: string expected"]),
        ({"text": LONGEST + "!"}, ["$.text: may only be 10000 characters long"]),
        (
            {"text": "x", "attachments": [{"media_id": "1"}, {"media_id": "2"}]},
            ["$.attachments: there must be exactly 1 item in the array"],
        ),
        (
            {"attachments": []},
            ["$.attachments: there must be exactly 1 item in the array"],
        ),
        ({"attachments": {}}, ["$.attachments: array expected"]),
        ({"attachments": ["1"]}, ["$.attachments[0]: object expected"]),
        (
            {"attachments": [{"media_id": 1}]},
            ["$.attachments[0].media_id: does not match the regex pattern ^[0-9]{1,19}$"],
        ),
        (
            {"text": "", "txt": "x"},
            [
                "$.txt: is not defined in the schema and the schema does not allow additional"
                " properties",
                "$.text: must be at least 1 characters long",
            ],
        ),
        ([], ["$: object expected"]),
    ],
)
async def test_a_body_that_is_no_message_is_an_invalid_request(
    ask, x, ann, bob, body: Any, complaints: list[str]
):
    path = f"{GROUP}/with/{bob.id}/messages"
    answer = await ask("POST", path, ann, json=body)
    faults = answer.body["errors"]
    assert answer.status == 400
    assert {name: answer.body[name] for name in INVALID} == INVALID
    assert [fault["message"] for fault in faults] == complaints
    assert x.messages() == []


async def test_the_longest_text_counts_composed_characters(ask, x, ann, bob):
    assert (await ask.send(ann, bob, LONGEST)).status == 201
    assert (await ask.send(ann, bob, "e\u0301" * 10_000)).status == 201
    assert (await ask.send(ann, bob, "e\u0301" * 10_001)).status == 400
    assert x.messages()[0].text == LONGEST


@pytest.mark.parametrize(
    ("content_type", "body", "complaint"),
    [
        (
            "application/x-www-form-urlencoded",
            b"text=hello",
            "Requests with bodies must have content-type of application/json.",
        ),
        (
            "text/plain",
            b'{"text": "hello"}',
            "Requests with bodies must have content-type of application/json.",
        ),
        ("application/json", b'{"text": ', "The body of this request is not valid JSON."),
        ("application/json", b"", "The body of this request is not valid JSON."),
        ("application/json", b'{"text": "\\ud800"}', "The body of this request is not valid JSON."),
    ],
)
async def test_a_body_must_be_json_and_say_so(
    ask, ann, bob, content_type: str, body: bytes, complaint: str
):
    path = f"{GROUP}/with/{bob.id}/messages"
    answer = await ask("POST", path, ann, data=body, headers={"Content-Type": content_type})
    assert answer.status == 400
    assert answer.body == {"errors": [{"message": complaint}], **INVALID}


async def test_json_may_name_its_charset(ask, ann, bob):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    path = f"{GROUP}/with/{bob.id}/messages"
    answer = await ask("POST", path, ann, data=b'{"text": "hello"}', headers=headers)
    assert answer.status == 201


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"conversation_type": "group"},
            "$.conversation_type: does not have a value in the enumeration [Group]",
        ),
        ({"conversation_type": None}, "$.conversation_type: is missing but it is required"),
        ({"message": None}, "$.message: is missing but it is required"),
        ({"message": "hello"}, "$.message: object expected"),
        ({"message": {"text": ""}}, "$.message.text: must be at least 1 characters long"),
        ({"participant_ids": None}, "$.participant_ids: is missing but it is required"),
        ({"participant_ids": "17"}, "$.participant_ids: array expected"),
        (
            {"participant_ids": []},
            "$.participant_ids: there must be a minimum of 1 items in the array",
        ),
        (
            {"participant_ids": ["x"]},
            "$.participant_ids[0]: does not match the regex pattern ^[0-9]{1,19}$",
        ),
        (
            {"participant_ids": [17]},
            "$.participant_ids[0]: does not match the regex pattern ^[0-9]{1,19}$",
        ),
        ({"participant_ids": ["12"]}, "$.participant_ids: could not find users with these ids"),
    ],
)
async def test_a_body_that_is_no_group_is_an_invalid_request(
    ask, x, ann, bob, changes: dict[str, Any], complaint: str
):
    answer = await ask("POST", GROUP, ann, json=group(bob.id, **changes))
    assert answer.status == 400
    assert [fault["message"] for fault in answer.body["errors"]] == [complaint]
    assert x.messages() == []


async def test_participants_are_unique_and_at_most_49(ask, x, ann, bob):
    twice = await ask("POST", GROUP, ann, json=group(bob.id, bob.id))
    (fault,) = twice.body["errors"]
    assert fault == {
        "parameters": {"$.participant_ids": [f'["{bob.id}","{bob.id}"]']},
        "message": "$.participant_ids: the items in the array must be unique",
    }
    others = [x.add_user().id for _ in range(50)]
    full = await ask("POST", GROUP, ann, json=group(*others[:49]))
    assert full.status == 201
    over = await ask("POST", GROUP, ann, json=group(*others))
    assert "there must be a maximum of 49 items" in over.body["errors"][0]["message"]


async def test_the_creator_is_a_participant_without_being_listed(ask, x, ann, bob):
    answer = await ask("POST", GROUP, ann, json=group(ann.id, bob.id))
    assert answer.status == 201
    assert x.events_of(ann)[0].participant_ids == (bob.id,)
    assert (await ask("POST", GROUP, ann, json=group(ann.id))).status == 400


async def test_the_fewest_participants_of_a_group_are_a_switch(emulate):
    ask = await emulate(group_minimum=2)
    ann, bob, cat = (ask.x.add_user() for _ in range(3))
    assert (await ask("POST", GROUP, ann, json=group(bob.id))).status == 400
    assert (await ask("POST", GROUP, ann, json=group(bob.id, cat.id))).status == 201


async def test_media_that_is_not_there_cannot_be_attached(ask, ann, bob):
    body = {"text": "look", "attachments": [{"media_id": "1455952740635586573"}]}
    detail = "You are not permitted to attach this media to a DM event."
    for path, sent in (
        (f"{GROUP}/with/{bob.id}/messages", body),
        (GROUP, group(bob.id, message=body)),
    ):
        answer = await ask("POST", path, ann, json=sent)
        assert (answer.status, answer.body) == (403, forbidden(detail))


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/2/dm_conversations/with/abc/messages", "participant_id", "abc"),
        ("/2/dm_conversations/with/12345678901234567890/messages", "participant_id", None),
        ("/2/dm_conversations/abc/messages", "dm_conversation_id", "abc"),
        ("/2/dm_conversations/1-2-3/messages", "dm_conversation_id", "1-2-3"),
        ("/2/dm_conversations/with/%D9%A3/messages", "participant_id", "٣"),
    ],
)
async def test_an_id_of_the_wrong_form_is_an_invalid_request(
    ask, ann, path: str, name: str, value: str | None
):
    answer = await ask("POST", path, ann, json={"text": "x"})
    value = value or path.split("/")[4]
    what = f"The `{name}` query parameter value [{value}] is not valid"
    assert answer.status == 400
    assert answer.body == {
        "errors": [{"parameters": {name: [value]}, "message": what}],
        **INVALID,
    }


async def test_a_send_takes_no_query(ask, ann, bob):
    path = f"{GROUP}/with/{bob.id}/messages?text=hello"
    answer = await ask("POST", path, ann, json={"text": "hello"})
    assert answer.status == 400
    assert answer.body["errors"][0]["message"] == "The query parameter [text] is not one of []"


async def test_links_come_back_shortened_with_what_they_stood_for(ask, x, ann, bob):
    text = "read https://example.com/a and https://x.com/someone/status/1578900353814519810"
    await ask.send(ann, bob, text)
    (message,) = x.messages()
    assert message.sent_text == text
    page = await ask.page(
        bob,
        dm_event__fields="entities,text",
        expansions="referenced_tweets.id",
        tweet__fields="author_id,created_at",
    )
    (event,) = page["data"]
    assert event["text"] == message.text != text
    assert [url["expanded_url"] for url in event["entities"]["urls"]] == text.split()[1::2]
    assert event["referenced_tweets"] == [{"id": "1578900353814519810"}]
    (tweet,) = page["includes"]["tweets"]
    author = await ask("GET", f"/2/users/{tweet['author_id']}", bob)
    assert author.body["data"]["username"] == "someone"
    assert tweet["created_at"] == "2022-10-09T00:09:13.000Z"
    assert tweet["edit_history_tweet_ids"] == [tweet["id"]]
