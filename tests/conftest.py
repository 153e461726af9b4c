"""The one place where aioresponses meets aiohttp: shared by every test that wants an odd answer."""

import gc
import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from hypothesis import settings

_NEEDS_WRITER = "stream_writer" in inspect.signature(aiohttp.ClientResponse).parameters
"""aiohttp 3.14 wants what aioresponses 0.7.9 does not know of."""


class _Answer(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _NEEDS_WRITER:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def odd_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Answers that no server here gives: nothing reaches the network, each is given once."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", _Answer)
    with aioresponses() as answers:
        yield answers


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")  # the default suite tries the same examples each time
