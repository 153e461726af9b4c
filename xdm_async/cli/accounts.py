"""Accounts: the commands ``accounts``, ``logout`` and ``whoami``: who is logged in, and no more.

How an account gets there is `login`'s business, where it is kept that of `credentials`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from .. import StoredAccount
from ..errors import ConnectFailed, OutcomeUnknown, RenewalFailed
from . import credentials
from .failing import Failed, output_said
from .lines import harmless, local
from .status import Status
from .stopping import Stopped, run_until_stopped
from .wording import errors_said

T = TypeVar("T")

As = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="ACCOUNT",
        help="Act for this account, of those that are logged in: @name or id. Else XDM_ACCOUNT, "
        "or the only one.",
    ),
]


def accounts(
    as_json_: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, for each account.")
    ] = False,
) -> int:
    """Show the accounts that are logged in, until when their tokens are good, and for what."""
    found = _run(credentials.stored())
    with output_said():
        for line in map(json.dumps, map(as_json, found)) if as_json_ else _table(found):
            print(line)
        sys.stdout.flush()
    if not found and not as_json_:
        print("no account is logged in: run xdm login", file=sys.stderr)
    return 0


def logout(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="@name or id.")],
    forget_only: Annotated[
        bool,
        typer.Option(
            "--forget-only",
            help="Do not have X revoke its tokens, as where X cannot be reached: they stay good "
            "until they run out.",
        ),
    ] = False,
    as_json_: Annotated[
        bool, typer.Option("--json", help="Say what was done as one JSON object.")
    ] = False,
) -> int:
    """Log an account out: X revokes its tokens, and they are forgotten here."""
    gone = _run(_logout(account, forget_only), "xdm accounts says whether it is still logged in")
    with output_said():
        if as_json_:
            what = {"user_id": gone.user_id, "username": gone.username, "revoked": not forget_only}
            print(json.dumps(what), flush=True)
        else:
            how = "forgotten here, and not revoked" if forget_only else "revoked and forgotten"
            name = credentials.name_of(gone)
            print(f"logged out {name} ({gone.user_id}): its tokens are {how}", flush=True)
    return 0


def whoami(
    account: As = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Say it as one JSON object.")] = False,
) -> int:
    """Ask X which account the commands act for.

    It is the environment's: XDM_ACCESS_TOKEN, or XDM_OAUTH1_TOKEN and XDM_OAUTH1_TOKEN_SECRET
    with XDM_CONSUMER_KEY and XDM_CONSUMER_SECRET. Else one that xdm login has logged in.
    """

    async def work() -> dict[str, Any]:
        async with credentials.account(account) as acting, Status(sys.stderr, lambda: ""):
            user = await acting.me()
            return {"user_id": user.id, "username": user.username, "name": user.name}

    who = _run(work())
    with output_said():
        if as_json_:
            print(json.dumps(who), flush=True)
        else:
            name = f"@{harmless(who['username'])} " if who["username"] else ""
            print(f"{name}({harmless(who['user_id'])})", flush=True)
    return 0


def as_json(account: StoredAccount) -> dict[str, Any]:
    """An account for machines."""
    return {
        "user_id": account.user_id,
        "username": account.username,
        "kind": account.kind,
        "scopes": list(account.scopes),
        "expires_at": None if account.expires_at is None else account.expires_at.isoformat(),
        "needs_login": account.needs_login,
    }


async def _logout(wanted: str, forget_only: bool) -> StoredAccount:
    gone = credentials.chosen(await credentials.stored(), wanted, "ACCOUNT")
    async with credentials.keeping() as app:
        if forget_only:
            await app.forget(gone.user_id)
            return gone
        try:
            await app.revoke(gone.user_id)
        except (ConnectFailed, OutcomeUnknown, RenewalFailed) as exc:
            raise Failed(
                f"{harmless(str(exc))}; {credentials.name_of(gone)} is still logged in, and "
                "--forget-only forgets its tokens without X"
            ) from None
    return gone


def _table(found: Sequence[StoredAccount]) -> Iterable[str]:
    """The accounts for people, a line for each, in columns."""
    rows = [
        (credentials.name_of(account), account.user_id, account.kind, _standing(account))
        for account in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _standing(account: StoredAccount) -> str:
    """Until when its tokens are good, and for what."""
    if account.needs_login is not None:
        return f"needs login: {harmless(account.needs_login)}"
    words = "does not expire"
    if account.expires_at is not None:
        words = f"token until {local(account.expires_at)}"
        if "offline.access" in account.scopes:
            words += ", renewed by itself"
    return f"{words}  {harmless(' '.join(account.scopes))}"


def _run(work: Coroutine[Any, Any, T], stopped: str = "nothing was changed") -> T:
    try:
        with errors_said({}):
            return run_until_stopped(work)
    except (Stopped, KeyboardInterrupt):
        raise Failed(f"stopped: {stopped}") from None
