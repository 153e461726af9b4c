"""The fast way and the way that loses nothing lead to the same models."""

import copy
import json
import logging
import pickle

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.endpoints.events import LIST
from xdm_async.models import (
    Media,
    MessageCreate,
    Meta,
    Page,
    ParticipantsJoin,
    ParticipantsLeave,
    Place,
    Poll,
    Post,
    Topic,
    User,
)
from xdm_async.models.base import NOTHING
from xdm_async.testing import answered
from xdm_async.wire.bodies import read_page
from xdm_async.wire.converter import converter, read_json
from xdm_async.wire.hooks import ModelHook
from xdm_async.wire.links import Links
from xdm_async.wire.pages import _Users, structure_page
from xdm_async.wire.pages import fast as fast_way
from xdm_async.wire.structs import SaidTwice

from .test_converter import ANYTHING, PAGE, PLACES
from .test_hooks import objects

EVENTS = st.one_of(
    [
        objects(cls).map(lambda raw, name=cls.__name__: {**raw, "event_type": name})
        for cls in (MessageCreate, ParticipantsJoin, ParticipantsLeave)
    ]
)
INCLUDES = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(objects(cls), max_size=2)
        for name, cls in {
            "users": User,
            "media": Media,
            "tweets": Post,
            "polls": Poll,
            "places": Place,
            "topics": Topic,
        }.items()
    },
)
PAGES = st.fixed_dictionaries(
    {},
    optional={
        "data": st.lists(EVENTS, max_size=3),
        "includes": INCLUDES,
        "meta": objects(Meta),
        "errors": st.lists(st.dictionaries(st.text(max_size=5), st.text(), max_size=2), max_size=2),
    },
)


def fast(body):
    return fast_way().read(body)


def plain(body):
    return structure_page(read_json(body))


@settings(max_examples=12)
@given(PAGES)
def test_what_is_as_the_documents_say_is_read_the_same_both_ways(raw):
    body = json.dumps(raw).encode()
    page = fast(body)
    assert page == plain(body)
    assert not page.extra
    assert all(event.extra == {} for event in page.data)


def test_a_page_as_x_sends_it_goes_the_fast_way():
    body = json.dumps(PAGE).encode()
    assert fast(body) == plain(body)


@pytest.mark.parametrize(
    "cls", [MessageCreate, ParticipantsJoin, ParticipantsLeave, User, Media, Post, Poll, Place]
)
@settings(max_examples=15)
@given(st.data())
def test_one_object_is_read_the_same_field_by_field(cls, data):
    hook = ModelHook(cls, converter.get_structure_hook)
    raw = data.draw(objects(cls))
    for key in data.draw(st.lists(st.sampled_from(sorted({*raw, "new", "urls"})), max_size=2)):
        raw[key] = data.draw(ANYTHING)
    assert hook.read(raw, Links()) == hook.plainly(raw, Links())


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_whatever_is_put_into_a_page_the_fast_way_reads_it_the_same_or_not_at_all(changes):
    raw = copy.deepcopy(PAGE)
    for path, value in changes:
        at = raw
        for key in path[:-1]:
            at = at[key] if isinstance(at, dict) and key in at else {}
        if isinstance(at, dict):
            at[path[-1]] = value
    body = json.dumps(raw).encode()
    try:
        page = fast(body)
    except (msgspec.DecodeError, SaidTwice, RecursionError):
        return
    assert page == plain(body)


@pytest.mark.parametrize(
    "odd",
    [
        {"new": 1},
        {"text": 5},
        {"created_at": "yesterday"},
        {"created_at": "2022-10-25T23:16:15.000"},
        {"event_type": "Reaction"},
        {"participant_ids": [1]},
        {"referenced_tweets": [{"id": "1"}], "referenced_posts": [{"id": "2"}]},
        {"urls": [{"start": 0, "end": 5, "url": "https://t.co/x"}]},
    ],
    ids=lambda odd: "+".join(odd),
)
def test_what_is_not_is_read_the_other_way_and_the_log_can_say_why(odd, caplog):
    event = {"id": "5", "event_type": "MessageCreate", "text": "a secret"} | odd
    body = json.dumps({"data": [event]}).encode()
    with caplog.at_level(logging.DEBUG, "xdm_async"):
        page = read_page(LIST, answered(200, body))
    assert page == plain(body)
    assert page.data[0].id == "5"
    assert "is read field by field" in caplog.text
    assert "secret" not in caplog.text


def test_half_of_a_surrogate_pair_costs_no_page():
    body = b'{"data":[{"id":"5","event_type":"MessageCreate","text":"\\ud800"}]}'
    assert read_page(LIST, answered(200, body)).data[0].text == "\ud800"


def test_what_has_nothing_extra_shares_one_nothing_that_nobody_can_change():
    page = fast(json.dumps(PAGE).encode())
    assert isinstance(page, Page)
    assert page.extra is NOTHING
    with pytest.raises(TypeError, match="is not changed"):
        page.extra["new"] = 1
    assert copy.deepcopy(page) == pickle.loads(pickle.dumps(page)) == page


def test_a_user_of_whom_the_same_is_said_again_is_the_same_user():
    ann, ben = {"id": "1", "username": "ann"}, {"id": "2", "username": "ben"}
    message = {"event_type": "MessageCreate", "id": "5", "sender_id": "1"}

    def users(*included):
        body = json.dumps({"data": [message], "includes": {"users": list(included)}}).encode()
        page = fast(body)
        assert page == plain(body)
        assert page.data[0].sender is page.includes.users[0]
        return page.includes.users

    first, again = users(ann, ben), users(ann, ben)
    assert first[0] is again[0]
    assert first[1] is again[1]
    renamed = users({**ann, "username": "anna"}, ben)
    assert renamed[0].username == "anna"
    assert renamed[1] is first[1]


def test_ever_new_users_cost_no_memory():
    users = _Users()
    for n in range(users.MOST + 5):
        raw = msgspec.Raw(json.dumps({"id": str(n)}).encode())
        assert users.read([raw], Links())[0].id == str(n)
    assert len(users._known) == 5
