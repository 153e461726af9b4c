"""App: one X App, that builds the road and owns what must be closed.

caller -> App, Account -> endpoints -> scheduling -> auth -> transport -> api.x.com
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import attrs

from .account import Account
from .auth.credentials import Credentials, OAuth1, OAuth2
from .auth.signing import Authorizer, Signer, authorizer
from .budgets import plans
from .budgets.budget import Plan, nearest, shown
from .budgets.priority import RESERVE, Priority
from .clock import SystemClock, wall_time
from .endpoints import checks, users
from .endpoints.queries import Naming, as_naming
from .errors import AppClosed, BudgetExhausted, InvalidPlan, InvalidRequest
from .hands import Hands, Road
from .scheduling.machine import MAX_WAITING
from .scheduling.notices import Observer
from .scheduling.pacing import Pace, pacer
from .scheduling.scheduler import Scheduler
from .streams.watch import Watch
from .transport import Transport
from .watching import KeepMany, Since, watch_many
from .wire.exchange import Manners, as_priority


@attrs.frozen
class BudgetState:
    """What is left of one budget for one owner, as this process knows it at the moment.

    ``owner`` is a user id, or the app. ``state`` is one of cold, known, provisional, rolling,
    held. ``waiting`` counts the requests that this budget keeps waiting now, ``in_flight`` those
    that hold a token of it. ``resets_at`` is on the server's clock: when its window ends, its
    next unit comes back, or its hold is over; None where that is not known. ``reserved`` is what
    of ``remaining`` is kept from `Priority.BULK` at the moment, in a budget of the app.
    """

    name: str
    owner: str
    state: str
    limit: int
    remaining: int
    in_flight: int
    waiting: int
    resets_at: datetime | None
    reserved: int = 0


class App:
    """One X App: its keys, its HTTP session, its scheduler; an async context manager.

    Args:
        client_id: the app's OAuth 2.0 client id; names the app where its budgets are shown.
        consumer_key: with ``consumer_secret``, signs the requests of OAuth 1.0a users.
        plan: which routes draw on which budgets; what the server's headers say wins.
        store: where what was learned is kept; ``memory:`` forgets it with the process.
        base_url: where the API is.
        naming: which names of fields are sent: ``classic`` (``tweet.fields``), or ``current``
            (``post.fields``). Both are read, whichever the server answers with.
        session: an aiohttp session of yours to use; it is never closed, and its own settings
            for connections, TLS and cookies hold.
        timeout: seconds for one exchange, from a free connection to the whole answer.
        max_connections: how many sockets at most, where the session is its own.
        trust_env: take the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``).
        reserve: of a budget that all accounts share, the part that is kept from a priority when
            its window opens; it melts as the window passes. ``{}`` or None keeps nothing.
        pace: an ``aiolimiter.AsyncLimiter`` for all requests, or one each for some priorities,
            to spread them out instead of letting them burst.
        max_waiting: how many requests wait at most, of one account and altogether; one more
            is `TooManyWaiting`.
        observer: is told what becomes of every request (`Observer`).

    Raises:
        InvalidRequest: an argument cannot be; the sentence names it and the rule.
    """

    def __init__(
        self,
        *,
        client_id: str | None = None,
        consumer_key: str | None = None,
        consumer_secret: str | None = None,
        plan: Plan = plans.DEFAULT,
        store: str = "memory:",
        base_url: str = "https://api.x.com",
        naming: Naming = "classic",
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
        max_connections: int = 128,
        trust_env: bool = False,
        reserve: Mapping[Priority, float] | None = RESERVE,
        pace: Pace = None,
        max_waiting: tuple[int, int] = MAX_WAITING,
        observer: Observer | None = None,
    ) -> None:
        if not isinstance(plan, Plan):
            raise InvalidPlan(
                f"plan is a Plan, such as plans.DEFAULT, not {type(plan).__name__}",
                argument="plan",
            )
        if store != "memory:":
            raise InvalidRequest(
                "store is 'memory:', the only one that this version has; a URL of another is not "
                "understood",
                argument="store",
            )
        self._base = _base(base_url)
        self._consumer_key = consumer_key
        self._consumer_secret = consumer_secret
        self._timeout = _positive(timeout, "timeout")
        if type(max_connections) is not int or max_connections < 1:
            raise InvalidRequest(
                f"max_connections is a whole number of at least 1, not {max_connections!r}",
                argument="max_connections",
            )
        for name, value, kind, none in (
            ("client_id", client_id, str, True),
            ("session", session, aiohttp.ClientSession, True),
            ("trust_env", trust_env, bool, False),
        ):
            if not isinstance(value, kind) and not (none and value is None):
                raise InvalidRequest(
                    f"{name} is a {kind.__name__}{' or None' if none else ''}, "
                    f"not {type(value).__name__}",
                    argument=name,
                )
        if observer is not None and not callable(getattr(observer, "on", None)):
            raise InvalidRequest(
                f"observer has a method on(notice), and {shown(observer)} has none",
                argument="observer",
            )
        clock = SystemClock()
        self._transport = Transport(
            self._base,
            clock=clock,
            session=session,
            timeout=self._timeout,
            max_connections=max_connections,
            trust_env=trust_env,
        )
        self._scheduler = Scheduler(
            Signer(self._transport, self._base, lambda: self._scheduler.server_time()),
            plan,
            clock=clock,
            app=client_id or "app",
            reserve=_reserve(reserve),
            max_waiting=_pair(max_waiting),
            pacer=pacer(pace),
            observer=observer,
        )
        self._road = Road(
            self._scheduler,
            as_naming(naming),
            self._scheduler.room,
            lambda: self._scheduler.server_instant(0.0) or wall_time(),
            self._scheduler.server_time,
            clock=clock,
        )
        self._plan = plan
        self._known: dict[str, asyncio.Task[str]] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<App at {self._base}: {self._scheduler!r}>"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Build an App from the environment; ``overrides`` are arguments of `App`.

        Reads ``XDM_CLIENT_ID``, ``XDM_CONSUMER_KEY``, ``XDM_CONSUMER_SECRET``, ``XDM_BASE_URL``
        and ``XDM_PLAN`` (``default``, ``pay-per-use`` or the path of a plan file).
        """
        env = os.environ if environ is None else environ
        named = {
            "client_id": env.get("XDM_CLIENT_ID"),
            "consumer_key": env.get("XDM_CONSUMER_KEY"),
            "consumer_secret": env.get("XDM_CONSUMER_SECRET"),
            "base_url": env.get("XDM_BASE_URL"),
            "plan": plans.named(env["XDM_PLAN"]) if env.get("XDM_PLAN") else None,
        }
        return cls(**{k: v for k, v in named.items() if v} | overrides)

    def account(self, credentials: Credentials, *, user_id: str | int | None = None) -> Account:
        """A handle for one authorised user; cheap, and two of one user share their budgets.

        The user's id is taken from the argument or from an OAuth 1.0a token. For an OAuth 2.0
        token without it, the first call asks ``GET /2/users/me`` once; give it where it is known.

        Raises:
            InvalidRequest: the credentials are of no kind known here, or belong to another user.
        """
        if not isinstance(credentials, OAuth2 | OAuth1):
            raise InvalidRequest(
                f"credentials are an OAuth2 or an OAuth1, not {type(credentials).__name__}",
                argument="credentials",
            )
        known = None if user_id is None else checks.user_id(user_id, "user_id")
        if isinstance(credentials, OAuth1):
            told = credentials.user_id
            if known is not None and told is not None and known != told:
                raise InvalidRequest(
                    f"this OAuth 1.0a token belongs to user {told}, not to {known}",
                    argument="user_id",
                )
            known, secret = known or told, credentials.token
        else:
            secret = credentials.access_token
        authorize = authorizer(
            credentials, consumer_key=self._consumer_key, consumer_secret=self._consumer_secret
        )
        digest = hashlib.sha256(secret.encode()).hexdigest()

        async def identify(manners: Manners) -> str:
            return await self._identify(digest, authorize, manners)

        return Account(Hands(self._road, authorize, known, identify))

    def watch(
        self,
        accounts: Iterable[Account],
        *,
        since: Since | None = None,
        checkpoint: KeepMany | None = None,
        share: float = 0.5,
        on_error: Callable[[str | None, Exception], Any] | None = None,
    ) -> Watch:
        """Watch many accounts for new events, as one iterator; they take turns, event by event.

        Arguments are those of `Account.watch`, and each account is polled by its own budget.

        Args:
            accounts: handles of this app, each of another user.
            since: for all of them; or the `Watch.position` of a watch of many.
            checkpoint: keeps a position for each: the path of a directory, a name in the app's
                store, or an object with ``async load(name)`` and ``async save(name, position)``.
            share: of each account's budget.
            on_error: is called with the user id (None where it is not known) and the error when an
                account fails for good; that account is then watched no more. Without it the error
                is raised, with the account in a note, and iterating on goes on with the others.

        Raises:
            InvalidRequest: at once, for an argument that cannot be.
        """
        hands = []
        for account in accounts:
            if not isinstance(account, Account) or account._hands.road is not self._road:
                raise InvalidRequest(
                    f"accounts are handles that this App's account() made, not {shown(account)}",
                    argument="accounts",
                )
            hands.append(account._hands)
        return watch_many(hands, since=since, checkpoint=checkpoint, share=share, on_error=on_error)

    def budgets(self, user_id: str | None = None) -> list[BudgetState]:
        """What is left of every budget now, or of those that one user draws on."""
        return [
            BudgetState(
                status.name,
                status.owner,
                status.state.value,
                status.limit,
                status.remaining,
                status.in_flight,
                status.waiting,
                self._scheduler.server_instant(status.reset_in),
                status.reserved,
            )
            for status in self._scheduler.statuses(user_id)
        ]

    def eta(
        self,
        user_id: str | int,
        group_or_route: str,
        n: int = 1,
        *,
        priority: Priority = Priority.NORMAL,
    ) -> float:
        """In how many seconds ``n`` more requests of a user could have left, from now.

        As far as is known: those who wait already are counted in, those to come are not.

        Args:
            user_id: whose requests.
            group_or_route: a group of the plan (``dm.write``), or one of its routes
                (``dm_conversations.send``).
            n: how many, at least 1.
            priority: how urgent they would be.

        Raises:
            InvalidRequest: the plan has no such group or route, or an argument cannot be.
        """
        user = checks.user_id(user_id, "user_id")
        as_priority(priority)
        if type(n) is not int or n < 1:
            raise InvalidRequest(f"n is a whole number of at least 1, not {shown(n)}", argument="n")
        plan = self._plan
        if not isinstance(group_or_route, str):
            raise InvalidRequest(
                f"group_or_route is a name of the plan, not {shown(group_or_route)}",
                argument="group_or_route",
            )
        try:
            return self._scheduler.eta(user, group_or_route, n, priority)
        except KeyError:
            names = (*plan.groups, *plan.routes)
            raise InvalidRequest(
                f"group_or_route is a group or a route of plan {plan.name!r}, which has no "
                f"{shown(group_or_route)}{nearest(group_or_route, names)}",
                argument="group_or_route",
            ) from None

    async def __aenter__(self) -> Self:
        """Ready at once; connections open with the first request."""
        if self._closed:
            raise AppClosed("the App is closed; make a new one")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it, as `aclose` does."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close: who waits gets `AppClosed`, what is on its way gets up to ``timeout`` seconds.

        Closes only what it opened: a session that was given to it stays open.
        """
        if self._closed:
            return
        self._closed = True
        self._road.closing.set()
        try:
            await self._scheduler.aclose(self._timeout)
        finally:
            for task in self._known.values():
                task.cancel()
            await self._transport.aclose()

    async def _identify(self, digest: str, authorize: Authorizer, manners: Manners) -> str:
        """Whose token this is: asked once, however many calls want to know at the same time."""
        while True:
            task = self._known.get(digest)
            mine = task is None
            if task is None:
                task = asyncio.ensure_future(self._ask_who(digest, authorize, manners))
                self._known[digest] = task
                task.add_done_callback(lambda done: self._forget_failed(digest, done))
            try:
                return await asyncio.shield(task)
            except BudgetExhausted:
                # Another handle's max_wait has ended the question; this one's may be longer.
                if mine:
                    raise

    async def _ask_who(self, digest: str, authorize: Authorizer, manners: Manners) -> str:
        # Until the answer is in, its budget has an owner of its own: the token's fingerprint.
        stranger = f"token {digest[:8]}"

        async def nobody(manners: Manners) -> str:
            return stranger

        hands = Hands(self._road, authorize, stranger, nobody, manners)
        return (await users.me(hands, self._road.naming)).id

    def _forget_failed(self, digest: str, task: asyncio.Task[str]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._known.pop(digest, None)


def _base(url: str) -> str:
    """The base of every URL, without a slash at its end, or `InvalidRequest`."""
    try:
        if not isinstance(url, str) or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise ValueError
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise InvalidRequest(
            "base_url is an http or https URL with a host, such as https://api.x.com",
            argument="base_url",
        ) from None
    if "?" in url or "#" in url or "@" in parts.netloc:
        raise InvalidRequest(
            "base_url has no query, no fragment and no credentials in it", argument="base_url"
        )
    return url.rstrip("/")


def _positive(value: object, argument: str) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise InvalidRequest(
            f"{argument} is a number of seconds above 0, not {value!r}", argument=argument
        )
    return float(value)


def _reserve(shares: Mapping[Priority, float] | None) -> dict[Priority, float]:
    """What is kept from each priority, as numbers from 0 to 1."""
    if shares is None:
        return {}
    if not isinstance(shares, Mapping):
        raise InvalidRequest(
            "reserve is a mapping of Priority to a share from 0 to 1, or None, "
            f"not {shown(shares)}",
            argument="reserve",
        )
    for priority, share in shares.items():
        if not isinstance(priority, Priority):
            raise InvalidRequest(
                f"reserve has a Priority for each key, not {shown(priority)}", argument="reserve"
            )
        # Comparing says the rest: nan is neither.
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InvalidRequest(
                f"reserve of Priority.{priority.name} is a number from 0 to 1, not {shown(share)}",
                argument="reserve",
            )
    return {priority: float(share) for priority, share in shares.items()}


def _pair(most: tuple[int, int]) -> tuple[int, int]:
    """How many wait at most: of one account, and altogether."""
    if (
        not isinstance(most, tuple | list)
        or len(most) != 2
        or not all(type(number) is int and number >= 1 for number in most)
    ):
        raise InvalidRequest(
            "max_waiting is two whole numbers of at least 1, for each account and for all, "
            f"not {shown(most)}",
            argument="max_waiting",
        )
    return most[0], most[1]
