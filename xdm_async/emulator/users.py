"""Users: who is asking, and who somebody is.

A user who does not exist is not a 404: the answer is a 200 that holds nothing but `errors`.
"""

from __future__ import annotations

from typing import Final

from .calls import USER_ID, USERNAME, Call, Endpoint, Reply
from .objects import User
from .parameters import ONE_USER
from .problems import not_found
from .rendering import View, render_single_user

_SCOPES: Final = frozenset({"tweet.read", "users.read"})


def me(call: Call) -> Reply:
    """GET /2/users/me: the caller."""
    return _found(call, call.user)


def get(call: Call) -> Reply:
    """GET /2/users/:id: by id."""
    user_id = call.variable("id", USER_ID)
    user = call.world.user(str(int(user_id)))
    return _missing(call, "id", user_id) if user is None else _found(call, user)


def by_username(call: Call) -> Reply:
    """GET /2/users/by/username/:username: by name, in any capitals."""
    username = call.variable("username", USERNAME)
    user = call.world.user_named(username)
    return _missing(call, "username", username) if user is None else _found(call, user)


def _found(call: Call, user: User) -> Reply:
    return Reply(200, render_single_user(user, View(call.world, call.query, call.caller)))


def _missing(call: Call, parameter: str, value: str) -> Reply:
    return Reply(200, {"errors": [not_found("user", parameter, value, call.query.host)]})


ENDPOINTS: Final = (
    Endpoint(
        name="users.me",
        method="GET",
        path="/2/users/me",
        answer=me,
        accepted=ONE_USER,
        scopes=_SCOPES,
    ),
    Endpoint(
        name="users.get",
        method="GET",
        path="/2/users/:id",
        answer=get,
        accepted=ONE_USER,
        scopes=_SCOPES,
        app_only=True,
    ),
    Endpoint(
        name="users.by_username",
        method="GET",
        path="/2/users/by/username/:username",
        answer=by_username,
        accepted=ONE_USER,
        scopes=_SCOPES,
        app_only=True,
    ),
)
