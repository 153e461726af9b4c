"""Every answer about events that documents or recordings show is read, and nothing of it lost."""

import json

import pytest

from xdm_async.endpoints.conversations import SEND
from xdm_async.endpoints.events import LIST
from xdm_async.models import SentMessage
from xdm_async.testing import answered
from xdm_async.wire.bodies import read_page, read_sent
from xdm_async.wire.fields import CLASSIC_NAMES

TODAY = {classic: today for today, classic in CLASSIC_NAMES.items()} | {"tweets": "posts"}
MISSING_USER = {
    "value": "17200003",
    "detail": "Could not find user with ids: [17200003].",
    "title": "Not Found Error",
    "resource_type": "user",
    "parameter": "participant_ids",
    "resource_id": "17200003",
    "type": "https://api.twitter.com/2/problems/resource-not-found",
}
PAGES = {
    "with everything": {
        "data": [
            {"id": "1585047616894574596", "event_type": "MessageCreate",
             "text": "Hello, just you!", "sender_id": "944480690",
             "dm_conversation_id": "944480690-906948460078698496",
             "created_at": "2022-10-25T23:16:15.000Z"},
            {"id": "1581048670673260549", "event_type": "MessageCreate",
             "text": "Simple Tweet link: https://t.co/IYFbRIdXHg", "sender_id": "944480690",
             "referenced_tweets": [{"id": "1578900353814519810"}],
             "dm_conversation_id": "944480690-906948460078698496",
             "created_at": "2022-10-14T22:25:52.000Z"},
            {"id": "1580705121553420292", "event_type": "MessageCreate",
             "text": "Photo https://t.co/XXXXXXXXXX",
             "attachments": {"media_keys": ["5_1583157113245011970"]}, "sender_id": "944480690",
             "dm_conversation_id": "944480690-906948460078698496",
             "created_at": "2022-10-13T23:40:43.000Z"},
        ],
        "includes": {
            "users": [
                {"id": "944480690", "name": "…", "username": "FloodSocial", "description": "…"},
                {"id": "906948460078698496", "name": "…", "username": "SnowBotDev",
                 "description": "…"},
            ],
            "tweets": [
                {"id": "1578900353814519810", "text": "…", "author_id": "944480690",
                 "created_at": "2022-10-09T00:09:13.000Z",
                 "edit_history_tweet_ids": ["1578900353814519810"]},
            ],
            "media": [
                {"media_key": "5_1583157113245011970", "type": "photo", "url": "https://…",
                 "width": 1200, "height": 675},
            ],
        },
        "errors": [MISSING_USER],
        "meta": {"result_count": 3, "next_token": "18LAA581J5II7LA00C00ZZZZ",
                 "previous_token": "1BLC45G1H8CAL5DG0G00ZZZZ"},
    },
    "who joined and left": {
        "data": [
            {"id": "1582835469712138240", "event_type": "ParticipantsJoin",
             "participant_ids": ["944480690"], "sender_id": "17200003",
             "dm_conversation_id": "1578398451921985538",
             "created_at": "2022-10-19T20:45:58.000Z"},
            {"id": "1582838535115067392", "event_type": "ParticipantsLeave",
             "participant_ids": ["944480690"], "dm_conversation_id": "1578398451921985538",
             "created_at": "2022-10-19T20:58:09.000Z"},
        ],
    },
    "default fields, as recorded": {
        "data": [
            {"event_type": "MessageCreate", "id": "1585800613752881156", "text": "Testing 2"},
            {"event_type": "MessageCreate", "id": "1585800613253812228", "text": "Testing 1"},
        ],
        "meta": {"result_count": 2, "next_token": "18LAA5G1SL0NR5OG0G00ZZZZ",
                 "previous_token": "1BLC45G1SL0PMLI00G00ZZZZ"},
    },
    "empty, as recorded": {"meta": {"result_count": 0}},
    "nothing but errors": {
        "errors": [
            {"value": "999", "detail": "Could not find user with id: [999].",
             "title": "Not Found Error", "resource_type": "user", "parameter": "id",
             "resource_id": "999",
             "type": "https://api.twitter.com/2/problems/resource-not-found"},
        ],
    },
}  # fmt: skip


def todays(value):
    if isinstance(value, dict):
        return {TODAY.get(key, key): todays(inner) for key, inner in value.items()}
    return [todays(inner) for inner in value] if isinstance(value, list) else value


def lost(told, raw, path="page"):
    """What ``raw`` says and ``told`` does not, in the same place."""
    if isinstance(raw, dict):
        return [
            leaf
            for key, inner in raw.items()
            for leaf in (lost(told[key], inner, f"{path}.{key}") if key in told else [path, key])
        ]
    if isinstance(raw, list) and len(raw) == len(told):
        return [leaf for one, two in zip(told, raw, strict=True) for leaf in lost(one, two, path)]
    return [] if told == raw else [path]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_goes_round_without_a_loss(name):
    page = read_page(LIST, answered(200, json.dumps(PAGES[name]).encode()))
    told = json.loads(json.dumps(page.as_json()))
    raw = todays(PAGES[name])
    raw["errors"] = PAGES[name].get("errors", [])  # those stay in the words of the server
    assert not lost({"errors": []} | told, raw)
    assert not page.extra
    assert not page.includes.extra
    assert not any(event.extra for event in page.data)


def test_what_comes_back_for_a_message_goes_round():
    data = {
        "dm_conversation_id": "750362064426721281-1072250532645998596",
        "dm_event_id": "1585800613253812228",
    }
    sent = read_sent(SEND, answered(201, json.dumps({"data": data}).encode()))
    assert isinstance(sent, SentMessage)
    assert {name: getattr(sent, name) for name in data} == data
