"""The demo: many accounts of one App write to each other, then read everything back.

One coroutine, `run`, that starts a local X with short windows in its own event loop, lets the
`friends` write and read, and holds what came of it against the server's truth. What that is worth
is decided in `outcome`; how it is shown while it runs is left to `display`.
"""

from __future__ import annotations

import asyncio
import time

import attrs

from .. import App, Plan
from ..budgets import plans
from ..emulator import Emulator
from .friends import Friend, gather_friends
from .outcome import Outcome, Tally, lower_bound, tally, total, used
from .progress import Progress

AT_ONCE = 20_000
"""Sends that wait at the same time, of all accounts; beyond that they are handed in bit by bit."""


@attrs.frozen(kw_only=True)
class Setting:
    """How much there is to do, and how much the local X allows in how many seconds.

    By default each account needs three windows for its messages and two for reading them. Each of
    the three send budgets would take as long by itself: a user's, a user's longer one, and the
    app's, which grows with the number of accounts. The app's is no smaller than what the users'
    longer ones give together: else the accounts whose windows open first would take it all on a
    slow machine, and those who come late would need one window more.
    """

    accounts: int = 40
    messages: int = 100
    """Of each account."""
    seed: int = 0
    send_limit: int = 40
    send_limit_day: int = 75
    send_limit_app: int = 75
    """For each account there is."""
    read_limit: int = 12
    window: float = 12.0
    day: float = 24.0
    """The window that stands for 24 hours."""
    max_results: int = 20

    def limits(self) -> dict[str, list[list[object]]]:
        """Give the emulator's table."""
        return {
            "dm.read": [["user", self.read_limit, self.window]],
            "dm.write": [
                ["user", self.send_limit, self.window],
                ["user", self.send_limit_day, self.day],
                ["app", self.send_limit_app * self.accounts, self.day],
            ],
        }

    def plan(self) -> Plan:
        """Give the client's table: the documented one, with these numbers in it."""
        app = self.send_limit_app * self.accounts
        return plans.DEFAULT.override(
            {
                "dm.read.user.15m": {"limit": self.read_limit, "window": self.window},
                "dm.write.user.15m": {"limit": self.send_limit, "window": self.window},
                "dm.write.user.24h": {"limit": self.send_limit_day, "window": self.day},
                "dm.write.app.24h": {"limit": app, "window": self.day},
            }
        )


async def run(setting: Setting, progress: Progress | None = None) -> Outcome:
    """Send, read back and compare; nothing is left open behind it, also when it is cancelled."""
    progress = Progress() if progress is None else progress
    plan = setting.plan()
    budgets = [budget for group in plan.groups.values() for budget in group]
    progress.windows = {budget.name: budget.window for budget in budgets}
    async with Emulator(setting.limits(), seed=setting.seed) as x, _app(x, plan) as app:
        friends = gather_friends(x, app, accounts=setting.accounts, messages=setting.messages)
        progress.budgets = app.budgets
        progress.to_send = setting.accounts * setting.messages
        untouched = used(x.windows())

        progress.phase, progress.started = "sending", time.monotonic()
        at_once = max(1, AT_ONCE // setting.accounts)
        async with asyncio.TaskGroup() as tasks:
            for friend in friends:
                tasks.create_task(friend.write(progress, at_once))
        all_sent = used(x.windows())

        progress.to_read = sum(len(x.events_of(friend.user_id)) for friend in friends)
        progress.phase = "reading"
        async with asyncio.TaskGroup() as tasks:
            for friend in friends:
                tasks.create_task(friend.read_back(progress, setting.max_results))
        seconds = time.monotonic() - progress.started
        all_read = used(x.windows())

        progress.phase = "comparing"
        bound = lower_bound(untouched, all_sent) + lower_bound(all_sent, all_read)
        return _compare(x, friends, progress, seconds=seconds, bound=bound)


def _app(x: Emulator, plan: Plan) -> App:
    keys = x.app
    return App(
        client_id=keys["client_id"],
        consumer_key=keys["consumer_key"],
        consumer_secret=keys["consumer_secret"],
        base_url=x.url,
        plan=plan,
        reserve={},  # nobody here is in more of a hurry than the others
    )


def _compare(
    x: Emulator, friends: list[Friend], progress: Progress, *, seconds: float, bound: float
) -> Outcome:
    stored, stats = x.messages(), x.stats
    events: list[Tally] = []
    conversations: list[Tally] = []
    for friend in friends:
        truth = x.events_of(friend.user_id)
        events.append(tally(friend.read, [event.id for event in truth]))
        for conversation_id, found in friend.read_in.items():
            there = [event.id for event in truth if event.dm_conversation_id == conversation_id]
            conversations.append(tally(found, there))
    return Outcome(
        accounts=len(friends),
        messages=progress.to_send,
        messages_sent=progress.sent,
        messages_stored=stats.messages_stored,
        texts=tally(
            [event.sent_text or "" for event in stored],
            [text for friend in friends for text in friend.texts],
        ),
        ids=tally(
            [event.id for event in stored],
            [event_id for friend in friends for event_id in friend.sent],
        ),
        events=total(events),
        conversations=total(conversations),
        requests=stats.requests,
        refused_429=stats.refused_429,
        seconds=seconds,
        lower_bound_seconds=bound,
        errors=dict(progress.errors),
    )
