"""Credentials: which account a command acts for, from the environment.

Never from arguments: every user of the machine sees those. Where tokens come from is known here
alone; commands ask for an account and are given one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from .. import Account, App, OAuth1, OAuth2
from ..errors import InvalidPlan, InvalidRequest
from .failing import Misused

_BEARER = "XDM_ACCESS_TOKEN"
_SIGNED = ("XDM_OAUTH1_TOKEN", "XDM_OAUTH1_TOKEN_SECRET")
_KEYS = ("XDM_CONSUMER_KEY", "XDM_CONSUMER_SECRET")

_VARIABLES = {
    "access_token": _BEARER,
    "token": _SIGNED[0],
    "token_secret": _SIGNED[1],
    "user_id": "XDM_USER_ID",
    "base_url": "XDM_BASE_URL",
}
"""What an argument of the library is called in the environment."""


@contextlib.asynccontextmanager
async def account(
    environ: Mapping[str, str] | None = None, *, max_wait: float | None = None, **app: Any
) -> AsyncIterator[Account]:
    """Open the account that the environment names, with an App that is closed at the end.

    Raises:
        Misused: it names none, more than one, or one that cannot be.
        InvalidRequest: an argument cannot be.
    """
    env = os.environ if environ is None else environ
    try:
        credentials = _credentials(env)
        opened = App.from_env(env, **app)
    except InvalidPlan as exc:
        raise Misused(f"XDM_PLAN: {exc}") from None
    except InvalidRequest as exc:
        raise _named(exc) from None
    async with opened:
        try:
            known = opened.account(credentials, user_id=env.get("XDM_USER_ID") or None)
        except InvalidRequest as exc:
            raise _named(exc) from None
        yield known.using(max_wait=max_wait)


def _named(exc: InvalidRequest) -> Exception:
    """The same, with the name of the variable that it came from; a flag's is told elsewhere."""
    variable = _VARIABLES.get(exc.argument or "")
    return exc if variable is None else Misused(f"{variable}: {exc}")


def _credentials(env: Mapping[str, str]) -> OAuth1 | OAuth2:
    bearer = env.get(_BEARER)
    signed = [name for name in _SIGNED if env.get(name)]
    if bearer and signed:
        raise Misused(
            f"both {_BEARER} and {' and '.join(signed)} are set: leave only those of the account "
            "to act for"
        )
    if bearer:
        return OAuth2(bearer)
    missing = [name for name in (*_SIGNED, *_KEYS) if not env.get(name)]
    if not signed:
        raise Misused(
            f"no account is given: set {_BEARER} to an OAuth 2.0 user token, or "
            f"{' and '.join(_SIGNED)} to those of OAuth 1.0a, in the environment"
        )
    if missing:
        raise Misused(
            f"OAuth 1.0a needs {', '.join((*_SIGNED, *_KEYS))} in the environment; not set: "
            f"{', '.join(missing)}"
        )
    return OAuth1(env[_SIGNED[0]], env[_SIGNED[1]])
