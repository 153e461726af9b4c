"""The two files, whatever passes between a client and the emulator, and a world to ask about."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs
import pytest

from tests import descriptions
from xdm_async.emulator.service import Answer, Service

from .openapi import OpenApi
from .quirks import CLASSIC, CURRENT

FILES = {"classic": (descriptions.CLASSIC, CLASSIC), "current": (descriptions.CURRENT, CURRENT)}


@cache
def read(naming: str) -> OpenApi:
    name, quirks = FILES[naming]
    return OpenApi(descriptions.FOLDER / name, quirks)


@pytest.fixture(scope="session")
def files() -> Mapping[str, OpenApi]:
    """X's own descriptions of both generations; without them there is nothing to hold against."""
    descriptions.needed()
    return {naming: read(naming) for naming in FILES}


@pytest.fixture(scope="module", params=FILES)
def naming(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def openapi(files: Mapping[str, OpenApi], naming: str) -> OpenApi:
    return files[naming]


@attrs.frozen
class Exchange:
    """One request as it came in, and its answer."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    answer: Answer = attrs.field(repr=False)

    def faults(self, openapi: OpenApi) -> list[str]:
        """What is wrong with the request, and with the answer."""
        faults = openapi.faults_of_request(self.method, self.target, self.headers, self.body)
        operation = openapi.operation(self.method, self.target.partition("?")[0])
        if operation is not None:
            status, body = self.answer.status, self.answer.body
            faults += openapi.faults_of_answer(operation, status, body)
        return faults


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """All that emulators are asked and answer, in the order of the answers."""
    seen: list[Exchange] = []
    answer = Service.answer

    def recorded(self: Service, method: str, target: str, headers: Any, body: bytes, now: float):
        given = answer(self, method, target, headers, body, now)
        seen.append(Exchange(method, target, dict(headers), body, given))
        return given

    monkeypatch.setattr(Service, "answer", recorded)
    return seen
