"""The files find fault: each of these would be found if the client or the emulator did it."""

from typing import Any

import msgspec
import pytest

from .openapi import OpenApi

USER = {"Authorization": "Bearer x", "Content-Type": "application/json"}
SEND = "/2/dm_conversations/with/12/messages"
GROUP = {"conversation_type": "Group", "message": {"text": "x"}, "participant_ids": ["1", "2"]}


def faults(openapi: OpenApi, method: str, target: str, body: Any = None, **headers: str) -> Any:
    sent = b"" if body is None else msgspec.json.encode(body)
    return openapi.faults_of_request(method, target, USER | headers, sent)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("since_id=1", "no parameter since_id"),
        ("max_results=0", "max_results: 0 is less than"),
        ("max_results=101", "max_results: 101 is greater"),
        ("max_results=ten", "max_results: 'ten' is not of type"),
        ("pagination_token=short", "pagination_token: 'short' is too short"),
        ("expansions=sender_id&expansions=participant_ids", "expansions is given twice"),
        ("expansions=sender_id%2Csender_id", "expansions: ['sender_id', 'sender_id'] has non-uniq"),
        ("expansions=sender_id%2C%20participant_ids", "' participant_ids' is not one of"),
        ("event_types=", "event_types[0]: '' is not one of"),
        ("user.fields=nickname", "user.fields[0]: 'nickname' is not one of"),
    ],
)
def test_a_query_that_the_file_does_not_allow(openapi: OpenApi, query: str, fault: str):
    (found, *_) = faults(openapi, "GET", f"/2/dm_events?{query}")
    assert fault in found


def test_each_generation_knows_its_own_names_alone(openapi: OpenApi, naming: str):
    own, other = ("tweet", "post") if naming == "classic" else ("post", "tweet")
    assert faults(openapi, "GET", f"/2/dm_events?{own}.fields=text") == []
    assert faults(openapi, "GET", f"/2/dm_events?{other}.fields=text") != []


@pytest.mark.parametrize(
    ("target", "body", "headers"),
    [
        (SEND, {"text": ""}, {}),
        (SEND, {"text": 1}, {}),
        (SEND, {}, {}),
        (SEND, {"text": "x", "reply_to": "1"}, {}),
        (SEND, {"attachments": [{"media_id": "x"}]}, {}),
        (SEND, {"text": "x"}, {"Content-Type": "text/plain"}),
        (SEND, {"text": "x"}, {"Authorization": "Basic x"}),
        (SEND, {"text": "x"}, {"Authorization": ""}),
        (SEND.replace("12", "x12"), {"text": "x"}, {}),
        ("/2/dm_conversations", GROUP | {"conversation_type": "group"}, {}),
        ("/2/dm_conversations", GROUP | {"participant_ids": ["1"]}, {}),
        ("/2/dm_conversations", GROUP | {"participant_ids": [1, 2]}, {}),
        ("/2/dm_conversations", GROUP | {"name": "us"}, {}),
        ("/2/dm_conversation", GROUP, {}),
    ],
)
def test_a_request_that_the_file_does_not_allow(openapi, target: str, body: Any, headers: Any):
    assert faults(openapi, "POST", SEND, {"text": "x"}) == []
    assert faults(openapi, "POST", "/2/dm_conversations", GROUP) == []
    assert faults(openapi, "POST", target, body, **headers) != []


EVENT = {"id": "1", "event_type": "MessageCreate"}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"data": [EVENT | {"id": 1}]}),
        (200, {"data": [EVENT | {"sender": "1"}]}),
        (200, {"data": [EVENT | {"created_at": "yesterday"}]}),
        (200, {"data": EVENT}),
        (200, {"data": [EVENT], "includes": {"users": [{"id": 1}]}}),
        (200, {"data": [EVENT], "includes": {"media": [{"type": "photo", "size": 1}]}}),
        (200, {"data": [EVENT], "errors": [{"type": "about:blanc", "title": "", "detail": ""}]}),
        (200, {"data": [EVENT], "meta": {"count": 1}}),
        (201, {"data": [EVENT]}),
        (400, {"title": "Invalid Request"}),
        (400, {"errors": [{"message": "no code"}]}),
    ],
)
def test_an_answer_that_the_file_does_not_allow(openapi: OpenApi, status: int, answer: Any):
    operation = openapi.operation("GET", "/2/dm_events")
    assert operation is not None
    assert openapi.faults_of_answer(operation, 200, msgspec.json.encode({"data": [EVENT]})) == []
    assert openapi.faults_of_answer(operation, status, msgspec.json.encode(answer)) != []
