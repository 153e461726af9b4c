"""The sends: what goes over the wire, and what is refused before anything does."""

import json
import unicodedata

import pytest

from xdm_async.endpoints import conversations
from xdm_async.errors import Forbidden, InvalidRequest, ServerError, UnreadableAnswer
from xdm_async.testing import ScriptedSender, answered

SENT = b'{"data":{"dm_conversation_id":"9-944480690","dm_event_id":"1585800613253812228"}}'


@pytest.fixture
def sender():
    return ScriptedSender([answered(201, SENT)])


async def test_a_message_to_a_user_is_one_post_with_its_text(sender):
    sent = await conversations.send(sender, "944480690", "Hello just you")
    (request,) = sender.requests
    assert request.route.name == "dm_conversations.send"
    assert request.route.method == "POST"
    assert request.path == "/2/dm_conversations/with/944480690/messages"
    assert json.loads(request.body) == {"text": "Hello just you"}
    assert sent.dm_event_id == "1585800613253812228"


async def test_a_message_into_a_pair_is_sent_under_the_name_the_server_knows(sender):
    await conversations.send_in(sender, "906948460078698496-944480690", "hi")
    (request,) = sender.requests
    assert request.route.name == "dm_conversations.send_in"
    assert request.path == "/2/dm_conversations/944480690-906948460078698496/messages"


async def test_a_group_is_created_with_the_documented_body(sender):
    await conversations.create_group(sender, ["944480690", 906948460078698496], "Hello to you two")
    (request,) = sender.requests
    assert request.route.name == "dm_conversations.create"
    assert request.path == "/2/dm_conversations"
    assert json.loads(request.body) == {
        "conversation_type": "Group",
        "message": {"text": "Hello to you two"},
        "participant_ids": ["944480690", "906948460078698496"],
    }


async def test_ids_are_taken_as_numbers_too(sender):
    await conversations.send(sender, 944480690, "hi")
    assert sender.requests[0].path == "/2/dm_conversations/with/944480690/messages"


@pytest.mark.parametrize("route", [conversations.SEND, conversations.SEND_IN, conversations.CREATE])
def test_a_send_needs_the_four_scopes(route):
    assert set(route.scopes) == {"dm.write", "dm.read", "tweet.read", "users.read"}


@pytest.mark.parametrize(
    "bad",
    ["", "@name", "12 ", "12\n", "-1", "1/2", "1" * 20, "٣", -1, True, None, 1.0, b"1", ["1"]],
)
async def test_what_is_no_user_id_is_refused_and_nothing_is_sent(sender, bad):
    with pytest.raises(InvalidRequest, match="participant_id must be a user id") as caught:
        await conversations.send(sender, bad, "hi")
    assert caught.value.argument == "participant_id"
    assert sender.requests == []


@pytest.mark.parametrize("bad", ["", "1-", "1-2-3", "12345", "a-b", 12345, True, None, "1-2/x"])
async def test_what_is_no_conversation_id_is_refused_and_nothing_is_sent(sender, bad):
    with pytest.raises(InvalidRequest, match="dm_conversation_id must be"):
        await conversations.send_in(sender, bad, "hi")
    assert sender.requests == []


@pytest.mark.parametrize(
    "others",
    [[], ["1"] * 50, "944480690", 944480690, None, ["1", "@x"], ["1", None], {"1": True, "": 1}],
)
async def test_what_is_no_group_is_refused_and_nothing_is_sent(sender, others):
    with pytest.raises(InvalidRequest, match="participant_ids"):
        await conversations.create_group(sender, others, "hi")
    assert sender.requests == []


async def test_49_others_are_a_group_and_any_iterable_names_them(sender):
    await conversations.create_group(sender, (str(n) for n in range(49)), "hi")
    assert len(json.loads(sender.requests[0].body)["participant_ids"]) == 49


@pytest.mark.parametrize("bad", ["", None, 5, b"hi"])
async def test_a_message_without_text_is_refused(sender, bad):
    with pytest.raises(InvalidRequest, match="text"):
        await conversations.send(sender, "1", bad)
    assert sender.requests == []


async def test_a_text_is_counted_in_code_points_after_nfc():
    sender = ScriptedSender([answered(201, SENT)] * 3)
    for text in ("x" * 10_000, "🦦" * 10_000, unicodedata.normalize("NFD", "é" * 10_000)):
        await conversations.send(sender, "1", text)
        assert json.loads(sender.requests[-1].body)["text"] == text
    # U+0958 comes apart under NFC, into two.
    for text in ("x" * 10_001, "é" * 10_001, "\u0958" * 5_001):
        with pytest.raises(InvalidRequest, match=r"text has \d+ characters"):
            await conversations.send(sender, "1", text)
    assert len(sender.requests) == 3


async def test_half_of_a_surrogate_pair_is_refused_and_not_quoted(sender):
    with pytest.raises(InvalidRequest, match="surrogate") as caught:
        await conversations.send(sender, "1", "secret \ud83d")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert sender.requests == []


async def test_a_text_in_the_wrong_place_is_not_quoted(sender):
    with pytest.raises(InvalidRequest) as caught:
        await conversations.send(sender, "I love you, dear", "944480690")
    assert "love" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered(403, b'{"title":"Forbidden","status":403}'), Forbidden),
        (answered(503, b""), ServerError),
        (answered(302, b""), UnreadableAnswer),
        (answered(201, b'{"data":{}}'), UnreadableAnswer),
        (answered(201, b"<html>"), UnreadableAnswer),
    ],
)
async def test_any_other_answer_is_the_error_it_means(answer, error):
    with pytest.raises(error):
        await conversations.send(ScriptedSender([answer]), "1", "hi")
