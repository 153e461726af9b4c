"""Friends: the accounts of a demo, whom each of them writes to, and what each reads back.

Only the public surface of the package is used here, as a program of a user would use it: no
word on rate limits, since whatever is asked waits for its turn by itself. What is asked of whom,
and when, is in `demo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import attrs

from .. import Account, App, EventStream, OAuth1, OAuth2, SentMessage, XdmError
from ..emulator import Emulator
from .progress import Progress

_Way = Callable[[str], Awaitable[SentMessage]]
"""A way to send a text."""


@attrs.define(eq=False)
class Friend:
    """One account, and the ids of what it has sent and read."""

    account: Account
    user_id: str
    texts: list[str]
    """What it has to say, each text once in the whole demo."""
    next: str = ""
    previous: str = ""
    group: list[str] = attrs.field(factory=list)
    conversation_id: str | None = None
    group_id: str | None = None
    sent: list[str] = attrs.field(factory=list)
    read: list[str] = attrs.field(factory=list)
    """Of all its events."""
    read_in: dict[str, list[str]] = attrs.field(factory=dict)
    """Of single conversations, by their ids."""

    async def write(self, progress: Progress, at_once: int) -> None:
        """Send all texts: first what makes conversations, then the rest at once."""
        opening, *texts = self.texts
        async with asyncio.TaskGroup() as tasks:
            opened = tasks.create_task(self._sent(self._to_next(opening), progress))
            if texts:
                founding = self.account.create_group(self.group, texts.pop(0))
                self.group_id = await self._sent(founding, progress)
        self.conversation_id = opened.result()
        ways = (self._in_conversation, self._in_group, self._to_next, self._to_previous)
        letters = ((ways[number % len(ways)], text) for number, text in enumerate(texts))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(texts), at_once)):
                tasks.create_task(self._deliver(letters, progress))

    async def read_back(self, progress: Progress, max_results: int) -> None:
        """Read every event there is for this account, and two conversations by themselves."""
        account = self.account
        async with asyncio.TaskGroup() as tasks:
            events = account.events(max_results=max_results)
            tasks.create_task(_collect(events, self.read, progress, counted=True))
            if self.conversation_id is not None:
                events = account.events_with(self.next, max_results=max_results)
                found = self.read_in.setdefault(self.conversation_id, [])
                tasks.create_task(_collect(events, found, progress))
            if self.group_id is not None:
                events = account.events_in(self.group_id, max_results=max_results)
                found = self.read_in.setdefault(self.group_id, [])
                tasks.create_task(_collect(events, found, progress))

    async def _deliver(self, letters: Iterator[tuple[_Way, str]], progress: Progress) -> None:
        # Many tasks take from the same letters, so that each letter is sent by one of them.
        for way, text in letters:
            await self._sent(way(text), progress)

    async def _sent(self, sending: Awaitable[SentMessage], progress: Progress) -> str | None:
        """Wait for one message and note what came of it; the id of its conversation."""
        try:
            message = await sending
        except XdmError as error:
            progress.failed(error)
            return None
        self.sent.append(message.dm_event_id)
        progress.sent += 1
        return message.dm_conversation_id

    def _to_next(self, text: str) -> Awaitable[SentMessage]:
        return self.account.send(self.next, text)

    def _to_previous(self, text: str) -> Awaitable[SentMessage]:
        return self.account.send(self.previous, text)

    def _in_conversation(self, text: str) -> Awaitable[SentMessage]:
        # Where it could not be opened, the empty id is refused as such: an error like any other.
        return self.account.send_in(self.conversation_id or "", text)

    def _in_group(self, text: str) -> Awaitable[SentMessage]:
        return self.account.send_in(self.group_id or "", text)


async def _collect(
    events: EventStream, found: list[str], progress: Progress, *, counted: bool = False
) -> None:
    try:
        async for event in events:
            found.append(event.id)
            progress.read += counted
    except XdmError as error:
        progress.failed(error)


def gather_friends(x: Emulator, app: App, *, accounts: int, messages: int) -> list[Friend]:
    """Sign in accounts that sit in a circle: every other one by OAuth 1.0a, the rest by 2.0."""
    friends = []
    for number in range(accounts):
        user = x.add_user()
        # The 2.0 tokens do not say whose they are, so those accounts ask once.
        credentials = OAuth2(**user.oauth2) if number % 2 else OAuth1(**user.oauth1)
        name = user.username
        texts = [f"{name} writes message {k} of {messages}" for k in range(1, messages + 1)]
        friends.append(Friend(app.account(credentials), user.id, texts))
    for number, friend in enumerate(friends):
        one, two, previous = (friends[(number + k) % accounts].user_id for k in (1, 2, -1))
        friend.next, friend.previous = one, previous
        friend.group = [other for other in (one, two) if other != friend.user_id]
    return friends
