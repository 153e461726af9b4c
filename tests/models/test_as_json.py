"""A model as plain data: what is set, as the API would write it."""

import json
from datetime import UTC, datetime, timedelta, timezone

from xdm_async.models import (
    EventId,
    Includes,
    MessageCreate,
    Page,
    ParticipantsJoin,
    UnknownEvent,
    User,
    UserId,
)

SENDER = User(id=UserId("944480690"), username="FloodSocial", protected=False)


def test_it_tells_what_is_set_and_only_that():
    message = MessageCreate(id=EventId("5"), text="hi", sender=SENDER)
    assert message.as_json() == {
        "event_type": "MessageCreate",
        "id": "5",
        "text": "hi",
        "sender": {"id": "944480690", "username": "FloodSocial", "protected": False},
    }


def test_ids_are_plain_strings_and_tuples_lists():
    told = ParticipantsJoin(id=EventId("5"), participant_ids=(UserId("1"), UserId("2"))).as_json()
    assert told["participant_ids"] == ["1", "2"]
    assert {type(value) for value in (told["id"], *told["participant_ids"])} == {str}


def test_an_instant_is_written_as_the_api_writes_it():
    def told(*args, **kwargs):
        at = datetime(*args, **kwargs)
        return MessageCreate(id=EventId("5"), created_at=at).as_json()["created_at"]

    assert told(2022, 10, 25, 23, 16, 15, tzinfo=UTC) == "2022-10-25T23:16:15.000Z"
    assert told(2022, 10, 25, 1, tzinfo=timezone(timedelta(hours=2))) == "2022-10-24T23:00:00.000Z"
    assert told(2022, 10, 25, 0, 0, 0, 123456, tzinfo=UTC) == "2022-10-25T00:00:00.123456Z"
    first_day = told(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert datetime.fromisoformat(first_day).utcoffset() == timedelta(hours=2)


def test_what_is_not_known_stands_beside_the_rest():
    event = UnknownEvent(event_type="ReactionCreate", id=EventId("7"), extra={"emoji": "x"})
    assert event.as_json() == {"event_type": "ReactionCreate", "id": "7", "emoji": "x"}


def test_what_has_a_name_that_is_taken_stays_in_extra():
    message = MessageCreate(id=EventId("5"), extra={"id": 5, "new": 1, "text": 3})
    assert message.as_json() == {
        "event_type": "MessageCreate", "id": "5", "new": 1, "text": 3, "extra": {"id": 5},
    }  # fmt: skip
    message = MessageCreate(id=EventId("5"), extra={"id": 5, "extra": 6})
    assert message.as_json()["extra"] == {"id": 5, "extra": 6}
    assert MessageCreate(id=EventId("5"), extra={"extra": 6}).as_json()["extra"] == 6


def test_an_email_address_that_was_asked_for_is_told():
    told = User(id=UserId("1"), confirmed_email="me@example.org").as_json()
    assert told["confirmed_email"] == "me@example.org"


def test_a_page_is_told_too():
    page = Page(data=(MessageCreate(id=EventId("5")),), includes=Includes(users=(SENDER,)))
    told = json.loads(json.dumps(page.as_json()))
    assert told["data"] == [{"event_type": "MessageCreate", "id": "5"}]
    assert told["includes"]["users"][0]["username"] == "FloodSocial"


def test_telling_changes_nothing():
    extra = {"id": 5, "new": [1]}
    message = MessageCreate(id=EventId("5"), extra=extra)
    message.as_json().clear()
    assert message.extra == {"id": 5, "new": [1]}
