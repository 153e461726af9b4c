"""What each call needs of an OAuth 2.0 token, held against the documented table."""

import importlib
import pkgutil

from xdm_async import endpoints
from xdm_async.wire.exchange import Route

READ = {"dm.read", "tweet.read", "users.read"}
NEEDED = {
    "dm_conversations.send": READ | {"dm.write"},
    "dm_conversations.send_in": READ | {"dm.write"},
    "dm_conversations.create": READ | {"dm.write"},
    "dm_events.list": READ,
    "dm_events.list_with": READ,
    "dm_events.list_in": READ,
    "dm_events.get": READ,
    "users.me": {"tweet.read", "users.read"},
}


def routes():
    for module in pkgutil.iter_modules(endpoints.__path__, "xdm_async.endpoints."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Route):
                yield value


def test_every_call_knows_the_scopes_it_needs():
    assert {route.name: set(route.scopes) for route in routes()} == NEEDED


def test_no_scope_is_named_twice():
    assert all(len(set(route.scopes)) == len(route.scopes) for route in routes())
