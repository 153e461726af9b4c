"""Ids order as numbers and are equal as strings."""

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.models.ids import ConversationId, EventId, UserId, is_number, parse_conversation_id


def test_ids_order_as_numbers_where_strings_would_not():
    assert UserId("944480690") < UserId("906948460078698496")
    assert sorted([EventId("1585047616894574596"), EventId("954491830116155396")]) == [
        "954491830116155396",
        "1585047616894574596",
    ]
    assert max(EventId("9"), EventId("10")) == "10"


def test_an_id_compares_with_ints_and_plain_strings_too():
    assert UserId("9") < 10 <= UserId("10")
    assert UserId("9") < "10"
    assert int(EventId("1585047616894574596")) == 1585047616894574596


def test_an_id_equals_and_hashes_as_its_string():
    assert EventId("12") == "12"
    assert {"12": "found"}[EventId("12")] == "found"
    assert EventId("12") != 12


@given(st.lists(st.integers(0, 10**19 - 1)))
def test_any_ids_sort_as_their_numbers(numbers):
    assert [int(i) for i in sorted(UserId(n) for n in numbers)] == sorted(numbers)


def test_an_id_that_is_no_number_sorts_behind_all_that_are():
    ids = [EventId("abc"), EventId("7"), EventId(""), EventId("٣")]
    assert sorted(ids)[0] == "7"


def test_an_id_survives_copying_and_pickling():
    for kept in (copy.deepcopy(EventId("12")), pickle.loads(pickle.dumps(EventId("12")))):
        assert type(kept) is EventId
        assert kept == "12"


@pytest.mark.parametrize("text", ["", "a", "-1", "1 ", "1\n", "٣", "1" * 20, "1.0", "²"])
def test_what_is_not_1_to_19_ascii_digits_is_no_number(text):
    assert not is_number(text)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("944480690-906948460078698496", "944480690-906948460078698496"),
        ("906948460078698496-944480690", "944480690-906948460078698496"),
        ("1072250532645998596-750362064426721281", "750362064426721281-1072250532645998596"),
        ("1582103724607971328", "1582103724607971328"),
    ],
)
def test_the_ids_of_a_pair_come_in_their_numeric_order(given_, kept):
    assert parse_conversation_id(given_) == kept


@pytest.mark.parametrize("text", ["", "1-", "-1", "1-2-3", "12345", "1--2", "a-b", "1-2\n", "g123"])
def test_no_other_shape_is_a_conversation(text):
    assert parse_conversation_id(text) is None


def test_a_conversation_knows_whether_it_is_a_group():
    assert ConversationId("1582103724607971328").is_group
    assert not ConversationId("1-2").is_group


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(instant):
    return (instant - EPOCH) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("event_id", "ms", "created_at"),
    [
        ("1582838499983564806", 1666213080770, "2022-10-19T20:58:00.000Z"),
        ("1582835469712138240", 1666212358297, "2022-10-19T20:45:58.000Z"),
        ("1582838535115067392", 1666213089146, "2022-10-19T20:58:09.000Z"),
        ("1585047616894574596", 1666739775285, "2022-10-25T23:16:15.000Z"),
        ("954491830116155396", 1516403560557, "2018-01-19T23:12:40.000Z"),
    ],
)
def test_a_snowflake_knows_its_millisecond(event_id, ms, created_at):
    instant = EventId(event_id).instant
    assert milliseconds(instant) == ms
    assert instant.replace(microsecond=0) == datetime.fromisoformat(created_at)


@pytest.mark.parametrize("text", ["944480690", "99999999999999", "", "abc", "-5", "1" * 20])
def test_an_id_from_before_the_snowflakes_knows_no_instant(text):
    assert UserId(text).instant is None


def test_a_group_knows_when_it_was_made_and_a_pair_was_always():
    made = ConversationId("1585800614365339648").instant
    assert milliseconds(made) == milliseconds(EventId("1585800614365339652").instant)
    assert ConversationId("944480690-906948460078698496").instant is None


@given(st.integers(10**14, 10**19 - 1))
def test_the_first_id_of_an_instant_is_the_smallest_that_has_it(number):
    event_id = EventId(number)
    first = EventId.first_at(event_id.instant)
    assert first <= event_id
    assert int(first) % 2**22 == 0
    assert (int(event_id) - int(first)) < 2**22


def test_before_the_snowflakes_the_first_id_is_0():
    assert EventId.first_at(datetime(2006, 3, 21, tzinfo=UTC)) == "0"
