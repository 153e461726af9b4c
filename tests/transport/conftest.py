from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from xdm_async.clock import SystemClock
from xdm_async.transport import Transport
from xdm_async.wire.exchange import Request, Route

LIST = Route("dm_events.list", "GET", "/2/dm_events")
SEND = Route("dm_conversations.send", "POST", "/2/dm_conversations/with/:id/messages")
SECRET = "Bearer se-cr-et"

Carry = Callable[..., Transport]


def asking() -> Request:
    return Request(LIST, "/2/dm_events?max_results=1", authorization=SECRET)


def sending() -> Request:
    path = "/2/dm_conversations/with/9/messages"
    return Request(SEND, path, b'{"text":"hush"}', authorization=SECRET)


@pytest_asyncio.fixture
async def carry() -> AsyncIterator[Carry]:
    """Makes transports that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> Transport:
            transport = Transport(url, clock=SystemClock(), **options)
            stack.push_async_callback(transport.aclose)
            return transport

        yield make
