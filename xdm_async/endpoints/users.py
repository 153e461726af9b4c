"""Users: who the account is.

The facts: https://docs.x.com/x-api/users/get-my-user
"""

from __future__ import annotations

from ..models.objects import User
from ..wire.bodies import read_user
from ..wire.exchange import Request, Route, Sender
from ..wire.problems import failed_lookup
from .answers import accepted
from .queries import Naming, all_user_fields

ME = Route("users.me", "GET", "/2/users/me", ("tweet.read", "users.read"))


async def me(sender: Sender, naming: Naming = "classic") -> User:
    """Fetch the user whose account this is, with every field that the models hold.

    Sends ``GET /2/users/me`` and draws on ``users.me``.

    Raises:
        BudgetExhausted: the turn would come too late.
        Refused: the server said no, also in a 200 that holds nothing but errors.
        UnreadableAnswer: the answer holds no user.
    """
    request = Request(ME, f"/2/users/me?{all_user_fields(naming)}")
    response = accepted(ME, await sender.send(request))
    user = read_user(ME, response)
    if user is None:
        raise failed_lookup(ME, response)
    return user
