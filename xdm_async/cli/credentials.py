"""Credentials: which account a command acts for, and where the accounts are kept.

Tokens come from the environment or from the store that `xdm login` has filled, never from
arguments: every user of the machine sees those. Where they come from is known here alone;
commands ask for an account, or for the App that keeps them, and are given one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from .. import Account, App, OAuth1, OAuth2, StoredAccount
from ..errors import InvalidPlan, InvalidRequest
from .failing import Misused
from .lines import harmless

_BEARER = "XDM_ACCESS_TOKEN"
_REFRESH = "XDM_REFRESH_TOKEN"
_SIGNED = ("XDM_OAUTH1_TOKEN", "XDM_OAUTH1_TOKEN_SECRET")
_KEYS = ("XDM_CONSUMER_KEY", "XDM_CONSUMER_SECRET")
_STORE = "XDM_STORE"
_VAULT_KEY = "XDM_VAULT_KEY"
_CHOICE = "XDM_ACCOUNT"

_VARIABLES = {
    "access_token": _BEARER,
    "refresh_token": _REFRESH,
    "token": _SIGNED[0],
    "token_secret": _SIGNED[1],
    "user_id": "XDM_USER_ID",
    "base_url": "XDM_BASE_URL",
    "client_id": "XDM_CLIENT_ID",
    "client_secret": "XDM_CLIENT_SECRET",
    "consumer_key": _KEYS[0],
    "consumer_secret": _KEYS[1],
    "redirect_uri": "XDM_REDIRECT_URI",
    "store": _STORE,
    "vault_key": _VAULT_KEY,
}
"""What an argument of the library is called in the environment."""

_SHOWN = 10
"""Accounts that a sentence names at most."""


def store_of(env: Mapping[str, str]) -> str:
    """Where accounts are kept: as the environment says, or in the user's own folder for data."""
    return env.get(_STORE) or f"sqlite:{platformdirs.user_data_path('xdm_async') / 'store.sqlite'}"


@contextlib.asynccontextmanager
async def opened(env: Mapping[str, str], **app: Any) -> AsyncIterator[App]:
    """Open the App that the environment describes; it is closed at the end.

    Raises:
        Misused: the environment says what cannot be.
        InvalidRequest: an argument cannot be.
        StoreFailed: its store cannot be opened.
    """
    try:
        made = App.from_env(env, **app)
    except InvalidPlan as exc:
        raise Misused(f"XDM_PLAN: {exc}") from None
    except InvalidRequest as exc:
        raise _named(exc) from None
    async with made:
        yield made


@contextlib.asynccontextmanager
async def keeping(environ: Mapping[str, str] | None = None, **app: Any) -> AsyncIterator[App]:
    """Open the App with the store that keeps the accounts; what it raises is as of `opened`."""
    env = os.environ if environ is None else environ
    async with opened(env, store=store_of(env), **app) as made:
        yield made


async def stored(environ: Mapping[str, str] | None = None) -> list[StoredAccount]:
    """The accounts that are kept, by name; looking for them makes no store where there is none.

    Raises:
        Misused: the environment says what cannot be.
        StoreFailed: the store cannot be read.
    """
    env = os.environ if environ is None else environ
    if _absent(store_of(env)):
        return []
    async with keeping(env) as made:
        return sorted(await made.accounts(), key=_order)


def chosen(
    accounts: Sequence[StoredAccount], wanted: str | None, said: str = "--account"
) -> StoredAccount:
    """The account that is meant: by ``@name`` or id, or the only one.

    Args:
        accounts: those that are kept.
        wanted: what the user calls it; None where there is no need to.
        said: how it was given.

    Raises:
        Misused: there is none, none that is called so, or more than one to choose from.
    """
    if not accounts:
        if wanted is not None:
            raise Misused(f"{said} {harmless(wanted)}: no account is logged in; run xdm login")
        raise Misused(
            f"no account is given: run xdm login, or set {_BEARER} to an OAuth 2.0 user token, or "
            f"{' and '.join(_SIGNED)} to those of OAuth 1.0a, in the environment"
        )
    if wanted is None:
        if len(accounts) == 1:
            return accounts[0]
        raise Misused(
            f"{len(accounts)} accounts are logged in: choose one by --account or {_CHOICE}, of "
            f"{_names(accounts)}"
        )
    for account in accounts:
        if account.user_id == wanted or (
            account.username is not None
            and account.username.casefold() == wanted.removeprefix("@").casefold()
            and (wanted.startswith("@") or not wanted.isdecimal())
        ):
            return account
    raise Misused(
        f"{said} {harmless(wanted)}: no such account is logged in, only {_names(accounts)}; xdm "
        "login adds another"
    )


def name_of(account: StoredAccount) -> str:
    """How an account is called: ``@name``, or its id where the name is not known."""
    return f"@{harmless(account.username)}" if account.username else harmless(account.user_id)


@contextlib.asynccontextmanager
async def account(
    wanted: str | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    max_wait: float | None = None,
    **app: Any,
) -> AsyncIterator[Account]:
    """Open the account to act for, with an App that is closed at the end.

    It is the environment's, by its tokens; else the one of the store that is called ``wanted``,
    by ``XDM_ACCOUNT``, or the only one.

    Raises:
        Misused: it is none, more than one, or one that cannot be.
        InvalidRequest: an argument cannot be.
        StoreFailed: the store cannot be read.
    """
    env = os.environ if environ is None else environ
    credentials = _credentials(env, wanted)
    if credentials is None:
        said = "--account" if wanted else _CHOICE
        wanted = wanted or env.get(_CHOICE) or None
        if _absent(store_of(env)):
            chosen((), wanted, said)
        async with keeping(env, **app) as made:
            user_id = chosen(await made.accounts(), wanted, said).user_id
            told = env.get("XDM_USER_ID")
            if told and told != user_id:
                raise Misused(
                    f"XDM_USER_ID is {harmless(told)}, and the account to act for is {user_id}: "
                    "unset it, or choose that account"
                )
            yield made.account(user_id).using(max_wait=max_wait)
        return
    if isinstance(credentials, OAuth2) and credentials.refresh_token:
        # It is good for one time: what came of it must outlive this process.
        app = {"store": store_of(env)} | app
    elif not env.get(_STORE):
        env = {name: value for name, value in env.items() if name != _VAULT_KEY}  # seals nothing
    async with opened(env, **app) as made:
        try:
            known = made.account(credentials, user_id=env.get("XDM_USER_ID") or None)
        except InvalidRequest as exc:
            raise _named(exc) from None
        yield known.using(max_wait=max_wait)


def _absent(store: str) -> bool:
    """Whether it is a file that nobody has made yet."""
    kind, _, path = store.partition(":")
    return kind == "sqlite" and bool(path) and not Path(path).expanduser().exists()


def _named(exc: InvalidRequest) -> Exception:
    """The same, with the name of the variable that it came from; a flag's is told elsewhere."""
    variable = _VARIABLES.get(exc.argument or "")
    return exc if variable is None else Misused(f"{variable}: {exc}")


def _order(account: StoredAccount) -> str:
    return (account.username or account.user_id).casefold()


def _names(accounts: Sequence[StoredAccount]) -> str:
    names = [name_of(account) for account in sorted(accounts, key=_order)[:_SHOWN]]
    if len(accounts) > _SHOWN:
        names.append(f"{len(accounts) - _SHOWN:,} more that xdm accounts shows")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _credentials(env: Mapping[str, str], wanted: str | None) -> OAuth1 | OAuth2 | None:
    """Those of the environment; None where it has none."""
    bearer = [name for name in (_BEARER, _REFRESH) if env.get(name)]
    signed = [name for name in _SIGNED if env.get(name)]
    if bearer and signed:
        raise Misused(
            f"both {' and '.join(bearer)} and {' and '.join(signed)} are set: leave only those of "
            "the account to act for"
        )
    tokens = bearer or signed
    if not tokens:
        return None
    for said, name in (("--account", wanted), (_CHOICE, env.get(_CHOICE))):
        if name:
            raise Misused(
                f"both {said} and {' and '.join(tokens)} say which account to act for: leave one "
                "of them"
            )
    if bearer:
        if _BEARER not in bearer:
            raise Misused(f"{_REFRESH} is set without {_BEARER}: set both, or neither")
        if _REFRESH in bearer and not env.get("XDM_CLIENT_ID"):
            raise Misused(f"{_REFRESH} needs the app's XDM_CLIENT_ID beside it; it is not set")
        try:
            return OAuth2(env[_BEARER], env.get(_REFRESH) or None)
        except InvalidRequest as exc:
            raise _named(exc) from None
    missing = [name for name in (*_SIGNED, *_KEYS) if not env.get(name)]
    if missing:
        raise Misused(
            f"OAuth 1.0a needs {', '.join((*_SIGNED, *_KEYS))} in the environment; not set: "
            f"{', '.join(missing)}"
        )
    try:
        return OAuth1(env[_SIGNED[0]], env[_SIGNED[1]])
    except InvalidRequest as exc:
        raise _named(exc) from None
