"""The emulator: a local X that serves on loopback.

It puts the parts together under one clock, and gives tests and demos their handles: users with
credentials, messages that arrive from elsewhere, and what the server has really stored and
counted. What requests mean is decided in `service`, how they travel in `serving`.

    async with Emulator() as x:
        user = x.add_user("FloodSocial")
        … x.url, x.app, user.oauth2 …
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import attrs

from .authentication import ALL_SCOPES, FULL_ACCESS, Authentication
from .consent import check_callbacks
from .faults import Faults
from .login import Login
from .media import MediaDescription
from .objects import Conversation, Event, Post, Reference, User
from .service import NAMES, Service
from .serving import DateZone, HttpServer
from .snowflake import EPOCH_MS
from .switches import (
    REFRESH_TOKEN_LIFE,
    TOKEN_LIFE,
    ClientType,
    Lag,
    Names,
    PastNewest,
    RateLimitBody,
    Switches,
)
from .windows import Limits, RateLimits, ResetRounding, WindowKind, WindowRecord
from .world import World

CALLBACKS: Final = ("http://127.0.0.1:8347/callback",)
"""The one callback the App has registered, unless an emulator is told others."""


class Stored(NamedTuple):
    """The two ids of a message, as a client gets them too."""

    dm_conversation_id: str
    dm_event_id: str


@attrs.frozen(eq=False)
class EmulatedUser:
    """A user with credentials: `OAuth2(**user.oauth2)`, `OAuth1(**user.oauth1)`."""

    id: str
    username: str
    oauth1: dict[str, str] = attrs.field(repr=False)
    oauth2: dict[str, Any] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Stats:
    """What the server has counted so far; `attrs.asdict` of it is plain JSON."""

    requests: int
    """Those that were answered; what a fault left unanswered counts by endpoint only."""
    requests_by_endpoint: dict[str, int]
    requests_by_status: dict[int, int]
    refused_429: int
    refused: dict[str, int]
    """By budget; a request that several budgets refuse counts in each of them."""
    messages_stored: int
    sent: int
    """Messages stored by a request, as opposed to `deliver` and the like."""
    cookies_received: int
    """Requests that brought a cookie back: a client of the API keeps none."""
    refreshes: int
    """Refresh tokens that were turned into a new pair."""
    refresh_failures: int
    """Refreshes that were refused, whatever was wrong with them."""


class Emulator:
    """A local X. All arguments but `limits` are by name; `Switches` says what they choose.

    `callbacks` are the addresses that are registered for its one App: a login ends at one of
    these, written exactly so. `faults` lets requests fail on demand.

    Always true: nothing it prints, by repr or log, holds a token or a secret.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] | None = None,
        day_headers: bool = False,
        seed: int = 0,
        port: int = 0,
        window_kind: WindowKind = "first-request",
        reset_rounding: ResetRounding = "ceil",
        count_refused: bool = False,
        count_unauthorized: bool = False,
        rate_limit_body: RateLimitBody = "problem",
        send_needs_dm_read: bool = True,
        group_minimum: int = 1,
        conversation_days: float | None = 30,
        last_page_token: bool = True,
        filter_after_cut: bool = False,
        date_zone: DateZone = "GMT",
        names: Names = "classic",
        list_lag: Lag = 0,
        past_newest: PastNewest = "empty",
        token_life: float | None = None,
        short_pages: float = 0.0,
        callbacks: Collection[str] = CALLBACKS,
        client_type: ClientType = "either",
        access_token_life: float = TOKEN_LIFE,
        refresh_token_life: float = REFRESH_TOKEN_LIFE,
        reuse_revokes_grant: bool = False,
    ) -> None:
        self.clock = time.time if clock is None else clock
        if self.clock() * 1000 < EPOCH_MS + 86_400_000:
            raise ValueError("the clock must tell Unix time after 2010-11-05: ids begin there")
        self._port = port
        self._switches = Switches(
            send_needs_dm_read=send_needs_dm_read,
            group_minimum=group_minimum,
            conversation_days=conversation_days,
            last_page_token=last_page_token,
            filter_after_cut=filter_after_cut,
            count_unauthorized=count_unauthorized,
            rate_limit_body=rate_limit_body,
            names=names,
            list_lag=list_lag,
            past_newest=past_newest,
            token_life=token_life,
            short_pages=short_pages,
            client_type=client_type,
            access_token_life=access_token_life,
            refresh_token_life=refresh_token_life,
            reuse_revokes_grant=reuse_revokes_grant,
        )
        self.limits = RateLimits(
            limits,
            window_kind=window_kind,
            count_refused=count_refused,
            reset_rounding=reset_rounding,
            day_headers=day_headers,
        )
        self.world = World(seed)
        self._authentication = Authentication(seed, self._switches)
        self.callbacks = check_callbacks(callbacks)
        self._login = Login(
            self._authentication,
            self.callbacks,
            client_type,
            lambda: [self._user(user) for user in self.users],
        )
        self.faults = Faults(NAMES, seed)
        """What is to go wrong: `add` a fault, `clear` them, and see how many `struck`."""
        self._service = Service(
            self.world,
            self._authentication,
            self._login,
            self.faults,
            self.limits,
            self._switches,
            seed,
        )
        self._server = HttpServer(self._service, self.clock, date_zone=date_zone, seed=seed)
        self._delivered = 0
        self.users: list[EmulatedUser] = []
        """The users added here, in order."""

    def __repr__(self) -> str:
        return f"<Emulator {self._server.url or 'not serving'}, {len(self.users)} users>"

    async def __aenter__(self) -> Self:
        if self._server.url is not None:
            raise RuntimeError("this emulator is already serving")
        await self._server.start(self._port)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        url = self._server.url
        if url is None:
            raise RuntimeError("this emulator serves only inside `async with`")
        return url

    @property
    def app(self) -> dict[str, str]:
        """The four keys of the one App: client_id, client_secret, consumer_key and -secret."""
        return dict(self._authentication.app)

    @property
    def app_only_token(self) -> str:
        """The App's own bearer token, which no Direct Message endpoint accepts."""
        return self._authentication.app_only_token

    # Users

    def add_user(
        self,
        username: str | None = None,
        *,
        user_id: str | None = None,
        accepts_dms: bool = True,
        scopes: Collection[str] = ALL_SCOPES,
        access_level: str = FULL_ACCESS,
    ) -> EmulatedUser:
        """A new user who has authorized the App both ways."""
        now = self.clock()
        user = self.world.add_user(username, now, user_id=user_id, accepts_dms=accepts_dms)
        added = EmulatedUser(
            user.id,
            user.username,
            self._authentication.issue_oauth1(user, access_level),
            self._authentication.issue_oauth2(user, now, scopes),
        )
        self.users.append(added)
        return added

    def token(
        self,
        user: EmulatedUser | str,
        *,
        scopes: Collection[str] = ALL_SCOPES,
        expires_in: float | None = None,
    ) -> dict[str, Any]:
        """One more OAuth 2.0 token for a user, beside those there are, and a grant of its own.

        `expires_in` is for this one; what it is refreshed to lives as long as others.
        """
        return self._authentication.issue_oauth2(self._user(user), self.clock(), scopes, expires_in)

    def revoke(self, user: EmulatedUser | str) -> None:
        """End all that a user has allowed, as if the user had removed the App: no token is left."""
        self._authentication.forget(self._user(user))

    def expire(self, user: EmulatedUser | str) -> None:
        """Let a user's OAuth 2.0 access tokens be expired by now; they can be refreshed."""
        self._authentication.grants.expire(self._user(user), self.clock())

    def refreshes_of(self, user: EmulatedUser | str) -> int:
        """How often this user's grants were refreshed."""
        return self._authentication.grants.refreshes[self._user(user).id]

    # What happens without a request

    def deliver(
        self,
        sender: EmulatedUser | str,
        recipient: EmulatedUser | str,
        text: str,
        *,
        media: MediaDescription | None = None,
    ) -> Stored:
        """Store a message as if it was written elsewhere; to a user, or in a conversation.

        `media` is what is attached to it: `"photo"`, `"video"` or `"animated_gif"`, or a mapping
        with this `type` and what else matters of `width`, `height`, for a photo `alt_text` and
        for a video `duration_ms`.
        """
        author = self._user(sender)
        conversation = None
        if isinstance(recipient, str):
            conversation = self.world.conversation(recipient)
        if conversation is None:
            conversation = self.world.conversation_of_two(author, self._user(recipient))
        if author.id not in conversation.members:
            raise ValueError(f"{author.id} is not in {conversation.id}")
        return self._stored(self.world.send(conversation, author, text, self.clock(), media))

    def create_group(
        self, creator: EmulatedUser | str, invited: Iterable[EmulatedUser | str], text: str
    ) -> Stored:
        """Make a group as if it was made elsewhere."""
        users = [self._user(user) for user in invited]
        return self._stored(
            self.world.create_group(self._user(creator), users, text, self.clock())[1]
        )

    def join(
        self, dm_conversation_id: str, user: EmulatedUser | str, inviter: EmulatedUser | str
    ) -> str:
        """Add a user to a group; returns the id of the event."""
        group = self._group(dm_conversation_id)
        return self.world.join(group, self._user(user), self._user(inviter), self.clock()).id

    def leave(self, dm_conversation_id: str, user: EmulatedUser | str) -> str:
        """Let a user leave a group; returns the id of the event."""
        group = self._group(dm_conversation_id)
        return self.world.leave(group, self._user(user), self.clock()).id

    def hide(self, user: EmulatedUser | str, dm_event_id: str) -> None:
        """Take an event out of what one user sees; for everybody else it stays."""
        reader = self._user(user)
        event = self.world.events.get(int(dm_event_id))
        if event is None or not reader.sees(event):
            raise ValueError(f"{reader.id} sees no event {dm_event_id}")
        self.world.hide(reader, event)

    def forget_user(self, user: EmulatedUser | str) -> None:
        """Let a user be gone: not found, not reachable, and the tokens no longer known.

        What the user wrote stays, and so do the posts; expansions tell that its author is gone.
        """
        gone = self._user(user)
        self.world.forget_user(gone)
        self._authentication.forget(gone)
        self._login.forget(gone)
        self.users[:] = [known for known in self.users if known.id != gone.id]

    # Posts

    def add_post(
        self,
        author: EmulatedUser | str,
        text: str,
        *,
        quotes: str | None = None,
        replies_to: str | None = None,
        media: MediaDescription | None = None,
    ) -> str:
        """Write a post that messages may point to, as `https://x.com/<username>/status/<id>`.

        A post that is only pointed to need not be written: it comes about by that. Returns the
        id; `quotes` and `replies_to` are ids of posts there are.
        """
        refers_to: list[Reference] = []
        if quotes is not None:
            refers_to.append(Reference("quoted", self._post(quotes)))
        if replies_to is not None:
            refers_to.append(Reference("replied_to", self._post(replies_to)))
        post = self.world.add_post(
            self._user(author), text, self.clock(), refers_to=tuple(refers_to), media=media
        )
        return post.id

    def forget_post(self, post_id: str) -> None:
        """Let a post be gone: expansions tell that it is, the messages that point to it stay."""
        self.world.posts.forget(self._post(post_id))

    # What has happened

    @property
    def stats(self) -> Stats:
        """What was counted so far."""
        service, grants = self._service, self._authentication.grants
        return Stats(
            requests=sum(service.requests_by_status.values()),
            requests_by_endpoint=dict(service.requests_by_endpoint),
            requests_by_status=dict(service.requests_by_status),
            refused_429=service.requests_by_status[429],
            refused=dict(self.limits.refused),
            messages_stored=self.world.messages_stored,
            sent=self.world.messages_stored - self._delivered,
            cookies_received=self._server.cookies_received,
            refreshes=grants.refreshes.total(),
            refresh_failures=grants.refresh_failures,
        )

    def windows(self, budget: str | None = None) -> list[WindowRecord]:
        """Every rate limit window so far, by budget and owner, oldest first."""
        return self.limits.windows(budget)

    def messages(self) -> list[Event]:
        """Every message there is, oldest first: `text` as stored, `sent_text` as handed in."""
        return self.world.messages()

    def events_of(self, user: EmulatedUser | str) -> list[Event]:
        """Every event a user sees, oldest first, however old."""
        return self.world.seen_by(self._user(user))

    def _user(self, user: EmulatedUser | str) -> User:
        user_id = user if isinstance(user, str) else user.id
        known = self.world.user(user_id)
        if known is None:
            raise ValueError(f"there is no user {user_id}")
        return known

    def _post(self, post_id: str) -> Post:
        post = self.world.posts.get(post_id)
        if post is None:
            raise ValueError(f"there is no post {post_id}")
        return post

    def _group(self, dm_conversation_id: str) -> Conversation:
        group = self.world.conversation(dm_conversation_id)
        if group is None:
            raise ValueError(f"there is no conversation {dm_conversation_id}")
        return group

    def _stored(self, event: Event) -> Stored:
        self._delivered += 1
        return Stored(event.dm_conversation_id, event.id)


def describe(x: Emulator) -> dict[str, object]:
    """A serving emulator as plain data: all that another client needs to be pointed at it."""
    return {
        "url": x.url,
        "app": x.app,
        "users": [
            {
                "id": user.id,
                "username": user.username,
                "oauth2": user.oauth2,
                "oauth1": user.oauth1,
            }
            for user in x.users
        ],
    }
