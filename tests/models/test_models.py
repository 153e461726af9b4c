"""Models are frozen, can be kept and compared, and their repr tells what is set."""

import copy
import pickle
from datetime import UTC, datetime

import attrs
import pytest

from xdm_async.models import EventId, Fields, Media, MessageCreate, Page, Post, User, UserId

MESSAGE = MessageCreate(
    id=EventId("1585047616894574596"),
    text="Hello, just you!",
    created_at=datetime(2022, 10, 25, 23, 16, 15, tzinfo=UTC),
    sender=User(id=UserId("944480690"), username="FloodSocial"),
    extra={"new": [1]},
)


def test_a_model_cannot_be_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        MESSAGE.text = "another"  # type: ignore[misc]


def test_a_model_survives_copying_and_pickling():
    assert copy.deepcopy(MESSAGE) == MESSAGE
    assert pickle.loads(pickle.dumps(MESSAGE)) == MESSAGE
    assert attrs.evolve(MESSAGE, text="b").text == "b"


def test_what_has_an_id_hashes_by_it():
    assert MESSAGE in {attrs.evolve(MESSAGE)}
    assert (
        len({User(id=UserId("1")), User(id=UserId("1")), Post(id="1"), Media(media_key="1")}) == 3
    )


def test_a_repr_leaves_out_what_is_not_set():
    assert repr(Post(id="1", text="hi")) == "Post(id='1', text='hi')"
    assert repr(Page()).startswith("Page(")


def test_a_repr_keeps_an_email_address_to_itself():
    assert "me@example.org" not in repr(User(id="1", confirmed_email="me@example.org"))


def test_a_message_can_be_matched_on_its_sender():
    match MESSAGE:
        case MessageCreate(sender=User(username=name), text=text):
            assert (name, text) == ("FloodSocial", "Hello, just you!")
        case _:
            pytest.fail("did not match")


def test_fields_are_equal_by_their_names_and_can_be_keys():
    assert Fields(event=["text"]) == Fields(event=("text",))
    assert {Fields.ALL: 1}[attrs.evolve(Fields.ALL)] == 1
    assert Fields() == Fields.MINIMAL
