"""The emulator by itself, asked for whatever the files allow, answers as they say."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from xdm_async.emulator import Emulator
from xdm_async.emulator.service import Answer

from .openapi import OpenApi, Operation
from .quirks import NO_SHAPE
from .worlds import Inhabited, inhabited


@attrs.frozen
class Asker:
    """Asks the emulator over HTTP, one question at a time, from tests that know no event loop."""

    naming: str
    world: Inhabited
    session: aiohttp.ClientSession
    run: Callable[[Any], Any]

    def __call__(
        self,
        path: str,
        query: str = "",
        *,
        method: str = "GET",
        token: str | None = None,
        **more: Any,
    ) -> Answer:
        if token is None:
            token = self.world.ann.oauth2["access_token"]
        return self.run(self._ask(method, f"{path}?{query}".rstrip("?"), token, more))

    async def _ask(self, method: str, target: str, token: str, more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.world.x.url + target
        async with self.session.request(
            method, URL(url, encoded=True), headers=headers, **more
        ) as response:
            return Answer(response.status, await response.read())


@pytest.fixture(scope="module")
def ask(naming: Any) -> Iterator[Asker]:
    world = inhabited(names=naming, short_pages=0.2)
    with asyncio.Runner() as runner:
        runner.run(world.x.__aenter__())
        session = runner.run(_session())
        yield Asker(naming, world, session, runner.run)
        runner.run(session.close())
        runner.run(world.x.__aexit__(None, None, None))


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def agrees(openapi: OpenApi, answer: Answer, path: str, method: str = "GET") -> Any:
    operation = openapi.operation(method, path)
    assert operation is not None
    assert openapi.faults_of_answer(operation, answer.status, answer.body) == []
    return msgspec.json.decode(answer.body)


def enums(operation: Operation) -> dict[str, list[str]]:
    """The names that each list among the parameters may hold."""
    return {
        name: rule["schema"]["items"]["enum"]
        for name, rule in operation.query().items()
        if rule["schema"].get("type") == "array"
    }


def spelled(values: Mapping[str, list[str]]) -> str:
    return "&".join(f"{name}={quote(','.join(names))}" for name, names in values.items() if names)


def paths(world: Inhabited) -> list[str]:
    """Every list, an event with everything, and users."""
    found = ["/2/dm_events", f"/2/dm_conversations/with/{world.bob.id}/dm_events"]
    pair = f"{world.ann.id}-{world.bob.id}"
    found += [f"/2/dm_conversations/{place}/dm_events" for place in (pair, world.group)]
    found += [f"/2/dm_events/{event_id}" for event_id in (*world.event_ids, "12")]
    found += ["/2/users/me", "/2/users/by/username/bob", f"/2/users/{world.bob.id}", "/2/users/12"]
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_asked_for_is_answered_as_the_file_says(
    ask: Asker, openapi: OpenApi, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(paths(ask.world)))
    operation = openapi.operation("GET", path)
    assert operation is not None
    chosen: dict[str, list[str]] = {}
    for name, known in enums(operation).items():
        if data.draw(st.booleans()):
            names = st.lists(st.sampled_from(known), min_size=1, unique=True)
            chosen[name] = [*known] if data.draw(st.booleans()) else data.draw(names)
    if "max_results" in operation.query():
        size = data.draw(st.one_of(st.integers(1, 6), st.integers(1, 100)))
        chosen["max_results"] = [f"{size}"]
    answer = ask(path, spelled(chosen))
    assert answer.status == 200
    body = agrees(openapi, answer, path)
    token = body.get("meta", {}).get(data.draw(st.sampled_from(["next_token", "previous_token"])))
    if token is not None:
        again = ask(path, spelled(chosen | {"pagination_token": [token]}))
        assert again.status == 200
        agrees(openapi, again, path)


@pytest.mark.parametrize("path", ["/2/dm_events", "/2/users/me"])
def test_each_name_of_the_file_is_taken_and_no_other(ask: Asker, openapi: OpenApi, path: str):
    operation = openapi.operation("GET", path)
    assert operation is not None
    for parameter, names in enums(operation).items():
        for name in names:
            answer = ask(path, spelled({parameter: [name]}))
            assert answer.status == 200, (parameter, name)
            agrees(openapi, answer, path)
            refused = ask(path, spelled({parameter: [f"{name}s_"]}))
            assert refused.status == 400, (parameter, name)
            agrees(openapi, refused, path)
    unknown = ask(path, "since_id=1")
    assert unknown.status == 400
    agrees(openapi, unknown, path)


def test_every_field_is_served_by_somebody(ask: Asker, openapi: OpenApi):
    """All that may be asked for is asked for; what nothing here has is told in the quirks."""
    kinds = {"users": "user.fields", "media": "media.fields"}
    kinds |= {"posts": "post.fields"} if ask.naming == "current" else {"tweets": "tweet.fields"}
    served: dict[str, set[str]] = {}
    scopes = ["dm.read", "tweet.read", "users.read", "users.email"]
    token = ask.world.x.token(ask.world.ann, scopes=scopes)["access_token"]
    for path in paths(ask.world):
        operation = openapi.operation("GET", path)
        assert operation is not None
        asked = enums(operation)
        body = agrees(openapi, ask(path, spelled(asked), token=token), path)
        objects = dict(body.get("includes", {}))
        data = body.get("data", [])
        own = "users" if "/users/" in path else "events"
        objects[own] = [*objects.get(own, ()), *(data if isinstance(data, list) else [data])]
        for kind, found in objects.items():
            for item in found:
                served.setdefault(kind, set()).update(item)
    operation = openapi.operation("GET", "/2/dm_events")
    assert operation is not None
    known = enums(operation)
    for kind, parameter in {**kinds, "events": "dm_event.fields"}.items():
        assert {*known[parameter]} - served[kind] <= NO_SHAPE, kind


def test_what_is_gone_is_a_problem_of_the_file_beside_the_events(ask: Asker, openapi: OpenApi):
    operation = openapi.operation("GET", "/2/dm_events")
    assert operation is not None
    expansions = {"expansions": enums(operation)["expansions"]}
    body = agrees(openapi, ask("/2/dm_events", spelled(expansions)), "/2/dm_events")
    kinds = {error["resource_type"] for error in body["errors"]}
    assert kinds == {"user", "post" if ask.naming == "current" else "tweet"}


def test_refusals_are_problems_of_the_file(ask: Asker, openapi: OpenApi):
    sending = f"/2/dm_conversations/with/{ask.world.bob.id}/messages"
    for status, path, more in (
        (400, "/2/dm_events", {"query": "max_results=0"}),
        (400, "/2/dm_events", {"query": "pagination_token=abcdefghijklmnop"}),
        (400, "/2/dm_conversations/with/x/dm_events", {}),
        (400, sending, {"method": "POST", "json": {"text": 1, "attachments": []}}),
        (400, sending, {"method": "POST", "data": b"text"}),
        (400, "/2/dm_conversations", {"method": "POST", "json": {}}),
        (401, "/2/dm_events", {"token": ""}),
        (401, "/2/dm_events", {"token": "unknown"}),
        (403, "/2/dm_events", {"token": ask.world.x.app_only_token}),
        (403, sending, {"method": "POST", "json": {"attachments": [{"media_id": "1"}]}}),
        (403, "/2/dm_conversations/12-13/messages", {"method": "POST", "json": {"text": "hi"}}),
    ):
        answer = ask(path, **more)
        assert answer.status == status, (path, more)
        agrees(openapi, answer, path, more.get("method", "GET"))


@pytest.mark.parametrize("body", ["problem", "code 88"])
def test_too_many_requests_are_a_problem_of_the_file(openapi: OpenApi, naming: Any, body: Any):
    limits = {"dm.read": [["user", 1, 900]]}
    x = Emulator(limits, names=naming, rate_limit_body=body)
    ann = x.add_user()

    async def statuses() -> list[Answer]:
        async with x, await _session() as session:
            asker = Asker(
                naming, Inhabited(x, ann, ann, "", []), session, lambda coroutine: coroutine
            )
            return [await asker("/2/dm_events") for _ in range(2)]

    answers = asyncio.run(statuses())
    assert [answer.status for answer in answers] == [200, 429]
    for answer in answers:
        agrees(openapi, answer, "/2/dm_events")


def test_an_unknown_path_is_in_no_file_and_answered_with_nothing(ask: Asker, openapi: OpenApi):
    assert openapi.operation("GET", "/2/dm_event") is None
    answer = ask("/2/dm_event")
    assert (answer.status, answer.body) == (404, b"")
