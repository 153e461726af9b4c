"""An event that an account has read knows that account: whose it is, and how to answer it."""

import copy
import pickle

import attrs
import pytest

from xdm_async.models import (
    ConversationId,
    EventId,
    MessageCreate,
    ParticipantsJoin,
    ParticipantsLeave,
    UnknownEvent,
    UserId,
)
from xdm_async.models.events import bind

KINDS = [MessageCreate, ParticipantsJoin, ParticipantsLeave, UnknownEvent]
MESSAGE = MessageCreate(
    id=EventId("5"),
    sender_id=UserId("944480690"),
    dm_conversation_id=ConversationId("17200003-944480690"),
)


class Reader:
    def __init__(self, user_id):
        self.user_id = user_id
        self.sent = []

    async def send_in(self, dm_conversation_id, text):
        self.sent.append((dm_conversation_id, text))
        return "sent"


def read_by(user_id, event=MESSAGE):
    event = copy.copy(event)
    reader = Reader(user_id)
    bind([event], reader)
    return event, reader


def test_a_message_is_mine_if_the_account_that_read_it_wrote_it():
    assert read_by("944480690")[0].is_mine
    assert not read_by("17200003")[0].is_mine


def test_an_event_tells_which_account_has_read_it():
    assert read_by("944480690")[0].read_by == "944480690"
    assert MESSAGE.read_by is None


@pytest.mark.parametrize("kind", KINDS[1:])
def test_an_event_without_a_sender_is_nobodys(kind):
    event, _ = read_by("17200003", kind(id=EventId("5")))
    assert not event.is_mine


async def test_a_reply_goes_into_the_events_conversation():
    event, reader = read_by("17200003")
    assert await event.reply("hello") == "sent"
    assert reader.sent == [("17200003-944480690", "hello")]


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_that_nobody_read_says_so(kind):
    event = kind(id=EventId("5"))
    with pytest.raises(ValueError, match="is_mine needs an event that an account has read"):
        _ = event.is_mine
    with pytest.raises(ValueError, match="reply needs an event that an account has read"):
        event.reply("hello")


def test_what_was_not_asked_for_is_not_guessed():
    event, _ = read_by("17200003", MessageCreate(id=EventId("5")))
    with pytest.raises(ValueError, match="is_mine needs sender_id"):
        _ = event.is_mine
    with pytest.raises(ValueError, match="reply needs dm_conversation_id"):
        event.reply("hello")


def test_who_read_an_event_is_no_part_of_what_it_says():
    event, _ = read_by("17200003")
    other, _ = read_by("944480690")
    assert event == other == MESSAGE
    assert hash(event) == hash(other)
    assert repr(event) == repr(MESSAGE)
    assert attrs.asdict(event, recurse=False) == attrs.asdict(MESSAGE, recurse=False)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)), attrs.evolve],
    ids=["copy", "deepcopy", "pickle", "evolve"],
)
def test_a_copy_says_the_same_and_knows_no_account(copied):
    event, _ = read_by("17200003")
    assert copied(event) == event
    with pytest.raises(ValueError, match="an account has read"):
        copied(event).reply("hello")
