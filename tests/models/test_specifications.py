"""Whatever either specification says that an answer may hold has an attribute."""

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest

from tests.descriptions import CLASSIC, CURRENT, FOLDER, needed
from xdm_async.models import Includes, Media, MessageCreate, Meta, PollOption, UrlImage
from xdm_async.models.base import Model
from xdm_async.models.entities import Entities
from xdm_async.models.included import PlaceGeo
from xdm_async.wire.fields import keys_of

LISTS = {CLASSIC: "Get2DmEventsResponse", CURRENT: "GetDirectMessagesEventsResponse"}
GENERATIONS = tuple(LISTS)


@pytest.fixture(autouse=True)
def _descriptions() -> None:
    needed()


class Specification:
    """One of the files, with the places of a schema spelled out."""

    def __init__(self, name: str) -> None:
        self._whole = json.loads((FOLDER / name).read_text())
        self.answer = self._whole["components"]["schemas"][LISTS[name]]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            *_, name = schema["$ref"].split("/")
            schema = self._whole["components"]["schemas"][name]
        return schema

    def properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The properties of an object, and of each kind that its discriminator tells apart."""
        schema = self.resolved(schema)
        found = dict(schema.get("properties", {}))
        kinds = schema.get("discriminator", {}).get("mapping", {}).values()
        for part in schema.get("allOf", ()):
            found |= self.own(part)
        for reference in kinds:
            for part in self.resolved({"$ref": reference}).get("allOf", ()):
                found |= self.own(part)
        return found

    def own(self, schema: dict[str, Any]) -> dict[str, Any]:
        return dict(self.resolved(schema).get("properties", {}))

    def item(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a list is a list of; anything else as it is."""
        schema = self.resolved(schema)
        return self.resolved(schema["items"]) if "items" in schema else schema


def models_in(kind: Any) -> set[type[Model]]:
    if isinstance(kind, type) and issubclass(kind, Model):
        return {kind}
    return {model for inner in get_args(kind) for model in models_in(inner)}


def missing(spec: Specification, schema: dict[str, Any], cls: Any, path: str) -> list[str]:
    """The properties of ``schema``, at any depth, that ``cls`` has no attribute for."""
    hints = get_type_hints(cls)
    fields = {
        key: name for name in (f.name for f in attrs.fields(cls)) for key in (*keys_of(name), name)
    }
    lost = []
    for name, inner in spec.properties(schema).items():
        at = f"{path}.{name}"
        if cls is MessageCreate and name in {f.name for f in attrs.fields(Entities)}:
            lost += missing_within(spec, inner, get_type_hints(Entities)[name], at)
        elif cls is MessageCreate and name == "event_type":
            continue
        elif cls is Includes and name == "tweets":
            lost += missing_within(spec, inner, hints["posts"], at)
        elif name not in fields:
            lost.append(at)
        else:
            lost += missing_within(spec, inner, hints[fields[name]], at)
    return lost


def missing_within(spec: Specification, schema: dict[str, Any], kind: Any, path: str) -> list[str]:
    item = spec.item(schema)
    if (
        not spec.properties(item)
        or get_origin(kind) is Mapping
        or Mapping in map(get_origin, get_args(kind))
    ):
        return []
    models = models_in(kind)
    if not models:
        return [f"{path} is an object"]
    return [lost for cls in models for lost in missing(spec, item, cls, path)]


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_property_has_an_attribute(name):
    spec = Specification(name)
    parts = spec.properties(spec.answer)
    lost = missing(spec, spec.item(parts["data"]), MessageCreate, "event")
    lost += missing(spec, spec.resolved(parts["includes"]), Includes, "includes")
    lost += missing(spec, spec.resolved(parts["meta"]), Meta, "meta")
    assert not lost


@pytest.mark.parametrize("name", GENERATIONS)
@pytest.mark.parametrize(
    ("cls", "field", "lost"),
    [
        (Media, "duration_ms", "includes.media.duration_ms"),
        (PlaceGeo, "bbox", "includes.places.geo.bbox"),
        (UrlImage, "width", "entities.urls.images.width"),
        (PollOption, "votes", "includes.polls.options.votes"),
    ],
)
def test_a_field_that_is_gone_is_missed(name, cls, field, lost, monkeypatch):
    """The walk gets to the far corners, and tells where it is."""
    whole = attrs.fields
    monkeypatch.setattr(
        attrs,
        "fields",
        lambda of: [f for f in whole(of) if (of, f.name) != (cls, field)],
    )
    spec = Specification(name)
    includes = spec.resolved(spec.properties(spec.answer)["includes"])
    assert any(path.endswith(lost) for path in missing(spec, includes, Includes, "includes"))
