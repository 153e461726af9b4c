"""Serving: the local X as a program of its own, that any other client can be pointed at.

It says where it is and whom it knows, then serves until it is cancelled. What it serves is the
emulator's business.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Iterable
from typing import TextIO

from ..emulator import CALLBACKS, Emulator, describe
from .failing import output_said

SHOWN = 5
"""Users in the description for people; the one for machines has all of them."""

_LIMIT = re.compile(r"(?P<group>[\w.]+)\.(?P<owner>user|app|app-only)=(?P<rule>\d+/\d+(\.\d+)?)")


def parse_limits(words: Iterable[str]) -> dict[str, list[list[object]]]:
    """``dm.write.user=20/12`` as the emulator's table: 20 per 12 seconds of each user.

    A group that is named has these budgets and no others.

    Raises:
        ValueError: for a word of another shape.
    """
    limits: dict[str, list[list[object]]] = {}
    for word in words:
        match = _LIMIT.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} is not like dm.write.user=20/12 (20 per 12 seconds)")
        limit, window = match["rule"].split("/")
        limits.setdefault(match["group"], []).append([match["owner"], int(limit), float(window)])
    return limits


def build(
    limits: Iterable[str],
    *,
    port: int,
    users: int,
    seed: int,
    day_headers: bool,
    callbacks: Collection[str] = CALLBACKS,
) -> Emulator:
    """Make an emulator with its users, not serving yet.

    Raises:
        ValueError: a limit cannot be. So may a callback; `check_callbacks` tells beforehand.
    """
    x = Emulator(
        parse_limits(limits), port=port, seed=seed, day_headers=day_headers, callbacks=callbacks
    )
    for _ in range(users):
        x.add_user()
    return x


async def serve(x: Emulator, out: TextIO, *, as_json: bool) -> None:
    """Serve until cancelled; what it says is out at once, so that another program can read it.

    Raises:
        OSError: it cannot listen on its port.
    """
    async with x:
        with output_said():
            print(json.dumps(describe(x)) if as_json else description(x), file=out, flush=True)
        await asyncio.Event().wait()


def description(x: Emulator) -> str:
    """Say where it is and how to talk to it; its tokens are good for nothing but it."""
    lines = [f"A local X serves at {x.url} until Ctrl-C.", ""]
    for user in x.users[:SHOWN]:
        lines.append(f"  {user.username:<10} {user.id:<20} {user.oauth2['access_token']}")
    if len(x.users) > SHOWN:
        lines.append(f"  and {len(x.users) - SHOWN:,} more; --json shows all of them")
    if x.users:
        token = x.users[0].oauth2["access_token"]
        lines += [
            "",
            f'  curl -H "Authorization: Bearer {token}" {x.url}/2/users/me',
            "",
            f'  async with App(base_url="{x.url}") as app:',
            f'      me = app.account(OAuth2("{token}"))',
            f'      await me.send("{x.users[-1].id}", "Hello!")',
        ]
    return "\n".join(lines)
