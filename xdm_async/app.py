"""App: one X App, that builds the road and owns what must be closed.

caller -> App, Account -> endpoints -> scheduling -> auth -> transport -> api.x.com
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import attrs

from .access import Access, Keys, StoredAccount
from .account import Account
from .arguments import address, reserve_of, seconds, vault_keys, waiting_limits
from .auth.credentials import Credentials
from .auth.login import SCOPES, Authorization
from .auth.login1 import OAuth1Authorization
from .auth.signing import Signer
from .budgets import plans
from .budgets.budget import Plan, nearest, shown
from .budgets.priority import RESERVE, Priority
from .clock import SystemClock, wall_time
from .endpoints import checks
from .endpoints.queries import Naming, as_naming
from .errors import AppClosed, InvalidPlan, InvalidRequest
from .hands import Road
from .scheduling.machine import MAX_WAITING
from .scheduling.notices import Observer
from .scheduling.pacing import Pace, pacer
from .scheduling.scheduler import Scheduler
from .stores.base import Store
from .stores.opening import open_store
from .streams.watch import Watch
from .transport import Transport
from .watching import KeepMany, Since, watch_many
from .wire.exchange import as_priority


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
        client_id: the app's OAuth 2.0 client id; names the app where its budgets are shown, and
            is needed to log users in and to renew their tokens.
        client_secret: its secret, where it is a confidential client.
        redirect_uri: where the browser comes back to after a login by OAuth 2.0, letter for letter
            as it is registered in the developer portal.
        consumer_key: with ``consumer_secret``, signs the requests of OAuth 1.0a users.
        plan: which routes draw on which budgets; what the server's headers say wins.
        store: where tokens and positions are kept: ``sqlite:PATH``, a file that processes of one
            machine share; ``memory:``, which is forgotten with the process; or a `Store`. Budgets
            are learned anew by each process.
        vault_key: seals the tokens in the file: a Fernet key; several, of which the first seals
            and the others still open; or ``keyring:`` for one in the system's keyring.
        authorize_url: where users log in; X's own page, or ``/2/oauth2/authorize`` below another
            ``base_url``.
        token_url: where tokens are had and renewed; ``/2/oauth2/token`` below ``base_url``.
        revoke_url: where they are revoked; ``/2/oauth2/revoke`` below ``base_url``.
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
        client_secret: str | None = None,
        redirect_uri: str | None = None,
        consumer_key: str | None = None,
        consumer_secret: str | None = None,
        plan: Plan = plans.DEFAULT,
        store: str | Store = "memory:",
        vault_key: str | Iterable[str] | None = None,
        authorize_url: str | None = None,
        token_url: str | None = None,
        revoke_url: str | None = None,
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
        self._base = address(base_url)
        self._store = open_store(store, vault_keys(vault_key))
        self._timeout = seconds(timeout, "timeout")
        if type(max_connections) is not int or max_connections < 1:
            raise InvalidRequest(
                f"max_connections is a whole number of at least 1, not {max_connections!r}",
                argument="max_connections",
            )
        for name, value, kind, none in (
            ("client_id", client_id, str, True),
            ("client_secret", client_secret, str, True),
            ("redirect_uri", redirect_uri, str, True),
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
            reserve=reserve_of(reserve),
            max_waiting=waiting_limits(max_waiting),
            pacer=pacer(pace),
            observer=observer,
        )
        self._access = Access(
            Keys(
                self._base,
                client_id,
                client_secret,
                redirect_uri,
                (consumer_key, consumer_secret),
                *(
                    None if url is None else address(url, name)
                    for name, url in (
                        ("authorize_url", authorize_url),
                        ("token_url", token_url),
                        ("revoke_url", revoke_url),
                    )
                ),
            ),
            self._store,
            self._transport,
            clock=clock,
            server_now=self._seconds,
            renewed=self._scheduler.told_renewed,
        )
        self._road = self._access.road = Road(
            self._access.above(self._scheduler),
            as_naming(naming),
            self._scheduler.room,
            self._now,
            self._scheduler.server_time,
            checkpoints=self._store.checkpoints,
            clock=clock,
        )
        self._plan = plan
        self._closed = False

    def __repr__(self) -> str:
        return f"<App at {self._base}: {self._scheduler!r}>"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Build an App from the environment; ``overrides`` are arguments of `App`.

        Reads ``XDM_CLIENT_ID``, ``XDM_CLIENT_SECRET``, ``XDM_REDIRECT_URI``,
        ``XDM_CONSUMER_KEY``, ``XDM_CONSUMER_SECRET``, ``XDM_STORE``, ``XDM_VAULT_KEY`` (several
        with commas between), ``XDM_BASE_URL`` and ``XDM_PLAN`` (``default``, ``pay-per-use`` or the
        path of a plan file).
        """
        env = os.environ if environ is None else environ
        named = {
            "client_id": env.get("XDM_CLIENT_ID"),
            "client_secret": env.get("XDM_CLIENT_SECRET"),
            "redirect_uri": env.get("XDM_REDIRECT_URI"),
            "store": env.get("XDM_STORE"),
            "vault_key": [key for key in env.get("XDM_VAULT_KEY", "").split(",") if key.strip()],
            "consumer_key": env.get("XDM_CONSUMER_KEY"),
            "consumer_secret": env.get("XDM_CONSUMER_SECRET"),
            "base_url": env.get("XDM_BASE_URL"),
            "plan": plans.named(env["XDM_PLAN"]) if env.get("XDM_PLAN") else None,
        }
        return cls(**{k: v for k, v in named.items() if v} | overrides)

    def account(
        self, credentials: Credentials | str | int, *, user_id: str | int | None = None
    ) -> Account:
        """A handle for one authorised user; cheap, and two of one user share their budgets.

        The user's id is taken from the argument or from an OAuth 1.0a token. For an OAuth 2.0
        token without it, the first call asks ``GET /2/users/me`` once, unless the store knows the
        token; give the id where it is known. An OAuth 2.0 pair with a refresh token is kept in the
        store and renewed there, where the App has a client_id: a pair that was spent since leads
        to what came of it.

        Args:
            credentials: an `OAuth2`, an `OAuth1`, or the id of a user whose tokens the store keeps
                (``"944480690"``).
            user_id: whose the credentials are, where that is known.

        Raises:
            InvalidRequest: the credentials are of no kind known here, or belong to another user.
                What a call raises besides: `AuthorizationNeeded` where the store keeps no tokens of
                the user or they are no good any more, `RenewalFailed` where they ran out and cannot
                be renewed now, `StoreFailed`.
        """
        return self._access.account(credentials, user_id)

    async def accounts(self) -> list[StoredAccount]:
        """The accounts whose tokens the store keeps, by user id; `account` opens one of them.

        Raises:
            StoreFailed: the store cannot be read.
        """
        return await self._access.accounts()

    def authorize(
        self,
        *,
        scopes: Iterable[str] | str = SCOPES,
        redirect_uri: str | None = None,
        state: str | None = None,
    ) -> Authorization[Account]:
        """Begin a login by OAuth 2.0 (Authorization Code with PKCE, S256); sends nothing.

        Send the user to ``authorization.url``, and complete it with the address that the browser
        comes back to: ``account = await authorization.complete(callback_url)``. The tokens are kept
        in the store.

        Args:
            scopes: what to ask the user for; all that this library needs where it is left out.
                Without ``offline.access`` there is no refresh token, and the login lasts two hours.
            redirect_uri: where the browser comes back to, letter for letter as it is registered;
                the App's where it is left out.
            state: 16 to 500 characters that nobody can guess, to find this login again by; one is
                made where it is left out.

        Raises:
            InvalidRequest: the App has no client_id, or an argument cannot be.

        Source: https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
        """
        return self._access.authorize(scopes, redirect_uri, state)

    async def authorize_oauth1(
        self, *, callback_url: str | None = None, sign_in: bool = False
    ) -> OAuth1Authorization[Account]:
        """Begin a login by OAuth 1.0a: ``POST /oauth/request_token``.

        Send the user to its ``url``; complete it with the address that the browser comes back to,
        or with the PIN.

        Args:
            callback_url: where the browser comes back to, as it is registered; None for a PIN that
                the user is shown and types in.
            sign_in: ask only a user who has not allowed the app yet (``/oauth/authenticate``).

        Raises:
            InvalidRequest: the App has no consumer key and secret.
            RenewalFailed: the server does not accept them, or the callback address, or fails.
            NotSent, OutcomeUnknown: what a request raises that does not come through.

        Source: https://docs.x.com/fundamentals/authentication/oauth-1-0a/obtaining-user-access-tokens
        """
        return await self._access.authorize_oauth1(callback_url, sign_in)

    async def revoke(self, user_id: str | int) -> None:
        """End a user's grant at the server, and forget its tokens.

        Sends ``POST /2/oauth2/revoke``, or ``POST /1.1/oauth/invalidate_token.json`` for OAuth
        1.0a. What is revoked already is forgotten all the same.

        Raises:
            AuthorizationNeeded: the store keeps no tokens of this user.
            RenewalFailed: the server did not do it: they are kept, as they are where the request
                does not come through (`NotSent`, `OutcomeUnknown`).
            StoreFailed: the store cannot be read or written.
        """
        await self._access.revoke(user_id)

    async def forget(self, user_id: str | int) -> bool:
        """Forget a user's tokens here, and leave the grant at the server; whether there were any.

        Raises:
            StoreFailed: the store cannot be written.
        """
        return await self._access.forget(user_id)

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
        """Open the store; connections open with the first request.

        Raises:
            StoreFailed: the store cannot be opened.
        """
        if self._closed:
            raise AppClosed("the App is closed; make a new one")
        await self._store.open()
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
            try:
                await self._access.aclose(self._timeout)
            finally:
                await self._transport.aclose()

    def _seconds(self) -> float:
        """`_now` in seconds since 1970."""
        known = self._scheduler.server_time()
        return wall_time().timestamp() if known is None else known

    def _now(self) -> datetime:
        """The time on the server, or what the machine takes for it."""
        return self._scheduler.server_instant(0.0) or wall_time()
