"""A hook makes of an object what stock cattrs makes of it, links it, and lets nothing get lost."""

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import get_args, get_origin, get_type_hints

import attrs
import cattrs
import pytest
from cattrs.gen import make_dict_structure_fn, override
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async.endpoints.events import LIST
from xdm_async.models import (
    Media,
    MessageCreate,
    Meta,
    ParticipantsJoin,
    Place,
    Poll,
    Post,
    Topic,
    UnknownEvent,
    UrlEntity,
    User,
)
from xdm_async.models.base import Model
from xdm_async.testing import answered
from xdm_async.wire.bodies import read_page
from xdm_async.wire.converter import converter
from xdm_async.wire.fields import RESOLVED, keys_of

MODELS = [
    MessageCreate,
    ParticipantsJoin,
    UnknownEvent,
    User,
    Media,
    Post,
    Poll,
    Place,
    Topic,
    Meta,
]


def page_of(body):
    return read_page(LIST, answered(200, json.dumps(body).encode()))


def read(raw, cls=Post):
    return converter.structure(raw, cls)


# Beside stock cattrs

INSTANTS = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
SIMPLE = {
    str: st.text(max_size=9),
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False),
    datetime: INSTANTS,
}


def is_resolved(cls, name):
    return name in RESOLVED and RESOLVED[name][0] in {field.name for field in attrs.fields(cls)}


def raws(kind):
    """Well-formed JSON for a type."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    kinds = [k for k in get_args(kind) if k not in (type(None), Ellipsis)]
    if get_origin(kind) is tuple:
        return st.lists(raws(kinds[0]), max_size=2)
    if kinds and get_origin(kind) is not None and kinds != [str]:
        if len(kinds) == 2 and get_origin(kind).__name__ == "Mapping":
            return st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)
        return st.one_of([raws(k) for k in kinds])
    if kinds:
        return st.one_of([raws(k) for k in kinds])
    if issubclass(kind, Model):
        return st.deferred(lambda: objects(kind))
    return st.text(max_size=9)


def objects(cls):
    """Well-formed objects with any of the model's fields, under their first names on the wire."""
    hints = get_type_hints(cls)
    fields = {
        keys_of(field.name)[0]: raws(hints[field.name])
        for field in attrs.fields(cls)
        if field.name != "extra" and not is_resolved(cls, field.name)
    }
    needed = {
        field.name: fields.pop(field.name)
        for field in attrs.fields(cls)
        if field.default is attrs.NOTHING
    }
    return st.fixed_dictionaries(needed, optional=fields)


stock = cattrs.Converter(detailed_validation=False)


@stock.register_structure_hook_factory(
    lambda kind: isinstance(kind, type) and issubclass(kind, Model)
)
def stock_hook(cls):
    overrides = {
        field.name: override(omit=True)
        if is_resolved(cls, field.name)
        else override(rename=keys_of(field.name)[0])
        for field in attrs.fields(cls)
    }
    return make_dict_structure_fn(cls, stock, **overrides)


stock.register_structure_hook_func(
    lambda kind: isinstance(kind, type) and issubclass(kind, str) and kind is not str,
    lambda text, kind: kind(text),
)
stock.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
stock.register_structure_hook_func(
    lambda kind: {UrlEntity, str} <= set(get_args(kind)),
    lambda either, _: either if isinstance(either, str) else stock.structure(either, UrlEntity),
)


@pytest.mark.parametrize("cls", MODELS)
@settings(max_examples=25)
@given(st.data())
def test_what_is_well_formed_is_read_as_stock_cattrs_reads_it(cls, data):
    raw = data.draw(objects(cls))
    before = copy.deepcopy(raw)
    found = read(raw, cls)
    assert found == stock.structure(raw, cls)
    assert not found.extra
    assert raw == before
    json.dumps(found.as_json())


# Odd values, and guesses that are wrong


def test_nulls_cost_nothing_of_what_is_beside_them():
    raw = {"id": "1", "text": None, "lang": "en", "geo": None, "new": None}
    assert read(raw) == Post(id="1", lang="en", extra={"new": None})


@pytest.mark.parametrize("odd", ["", "2", [], [1], 3, None, True])
def test_what_is_no_object_is_no_model(odd):
    raw = {"id": "1", "attachments": odd, "public_metrics": {"like_count": odd}}
    post = read(raw)
    assert post.attachments is None
    kept = {} if odd is None else {"attachments": odd}
    assert post.extra == kept
    if odd != 3:
        assert post.public_metrics.like_count is None


def test_an_object_among_the_links_does_not_lose_the_list():
    post = read({"id": "1", "suggested_source_links": ["https://a", {"url": "https://b"}]})
    assert post.suggested_source_links == ("https://a", UrlEntity(url="https://b"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("matched_media_notes", {"match_status": "shown", "note_id": "5"}),
        ("note_request_suggestions", {"suggestion": "false", "source_link": {"url": "https://a"}}),
        ("note_request_suggestions", {"suggestion": "false", "source_link": "https://a"}),
        ("suggested_source_links_with_counts", {"count": 2, "url": "https://a"}),
    ],
)
def test_what_is_one_object_in_one_generation_is_a_list_of_one(name, value):
    one, many = read({"id": "1", name: value}), read({"id": "1", name: [value]})
    assert one == many
    assert len(getattr(one, name)) == 1
    assert not one.extra


# Links

NOW = "2022-10-25T23:16:15.000Z"
INCLUDES = {
    "users": [{"id": "7", "name": "N", "username": "n"}],
    "polls": [{"id": "p", "options": [{"position": 1, "label": "yes", "votes": 2}],
               "end_datetime": NOW, "voting_status": "open", "duration_minutes": 5}],
    "places": [{"id": "x", "full_name": "Kehl", "geo": {"type": "Feature", "bbox": [1, 2, 3, 4],
                "properties": {}, "geometry": {"type": "Point", "coordinates": [1.5, 2]}}}],
    "topics": [{"id": "t", "name": "Cats"}],
    "tweets": [
        {"id": "1578900353814519813", "author_id": "7",
         "referenced_tweets": [{"id": "1578900353814519811", "type": "quoted"},
                               {"id": "1", "type": "replied_to"}]},
        {"id": "1578900353814519811", "attachments": {"poll_ids": ["p", "q"]},
         "geo": {"place_id": "x"}},
    ],
}  # fmt: skip


def test_a_post_carries_what_the_answer_included():
    includes = page_of({"includes": INCLUDES}).includes
    newer, older = includes.posts
    assert newer.id > older.id
    assert newer.author is includes.users[0]
    assert newer.posts == (older,)
    assert newer.posts[0] is older
    assert older.polls == includes.polls
    assert older.polls[0].options[0].votes == 2
    assert older.place is includes.places[0]
    assert older.place.geo.geometry.coordinates == (1.5, 2)
    assert includes.topics == (Topic(id="t", name="Cats"),)
    assert not includes.extra


def test_posts_that_refer_to_each_other_do_not_go_round_in_circles():
    both = [
        {"id": "11", "referenced_tweets": [{"id": "12"}, {"id": "11"}]},
        {"id": "12", "referenced_tweets": [{"id": "11"}]},
    ]
    older, newer = page_of({"includes": {"tweets": both}}).includes.posts
    assert (older.posts, newer.posts) == ((), (older,))
    assert newer == copy.deepcopy(newer)
    assert "posts=" in repr(newer)


def test_a_user_leads_to_nothing_that_leads_back():
    user = {"id": "7", "pinned_tweet_id": "1578900353814519813", "affiliation": {"user_id": ["7"]}}
    page = page_of({"includes": INCLUDES | {"users": [user]}})
    assert page.includes.posts[0].author is page.includes.users[0]
    assert page.includes.users[0].pinned_post_id == "1578900353814519813"


def test_what_is_read_is_frozen_and_like_what_is_written_down():
    event = {"id": "5", "event_type": "MessageCreate", "sender_id": "7", "created_at": NOW}
    found = page_of({"data": [event], "includes": INCLUDES}).data[0]
    assert type(found) is MessageCreate
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.text = "another"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del found.text
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == attrs.evolve(found) == found
    with pytest.raises(ValueError, match="an account has read"):
        found.reply("hello")


def test_entities_that_lie_open_are_gathered_for_every_shape():
    tag = {"start": 0, "end": 3, "tag": "hi"}
    raws = [
        {"id": "1", "event_type": "MessageCreate", "hashtags": [tag]},
        {"id": "1", "event_type": "MessageCreate", "entities": {"hashtags": [tag]}},
        {"id": "1", "event_type": "MessageCreate", "hashtags": [tag]},
    ]
    one, two, three = page_of({"data": raws}).data
    assert one == two == three
    assert one.entities.hashtags[0].tag == "hi"


def test_both_lying_open_and_together_loses_neither():
    raw = {"id": "1", "event_type": "MessageCreate", "urls": [1], "entities": {"urls": []}}
    (event,) = page_of({"data": [raw]}).data
    assert event.entities.urls == ()
    assert event.extra == {"urls": [1]}
