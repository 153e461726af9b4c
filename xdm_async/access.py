"""Access: how an app comes by its accounts: tokens given, kept in the store, had by login, revoked.

Each account needs something that authorizes its requests, and somebody who knows whose they are;
both are put together here. How tokens are renewed is left to `xdm_async.auth`, what a request waits
for to the scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import attrs

from .account import Account
from .auth.credentials import Credentials, OAuth1, OAuth2
from .auth.freshness import Freshness
from .auth.grants import Grants
from .auth.live import LiveGrant
from .auth.login import Authorization, redirect_to, scopes_of
from .auth.login1 import OAuth1Authorization, OAuth1Endpoint
from .auth.signing import Authorizer, authorizer
from .auth.tokens import TokenEndpoint
from .clock import Clock
from .endpoints import checks, users
from .errors import AppClosed, AuthorizationNeeded, BudgetExhausted, InvalidRequest, RenewalFailed
from .hands import Hands, Road
from .models.ids import is_number
from .models.objects import User
from .stores.base import Grant, Store, fingerprint
from .wire.exchange import Manners, Sender
from .wire.token_answers import ClientRefused, GrantRefused, TokenEndpointFailed


@attrs.frozen
class StoredAccount:
    """An account whose tokens the store keeps; it holds none of them.

    ``kind`` is ``oauth2`` or ``oauth1``. ``expires_at`` is when the present access token runs out,
    on the server's clock; it is renewed before. ``needs_login`` says why the account must authorize
    the app again, None where it need not.
    """

    user_id: str
    username: str | None
    kind: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    needs_login: str | None


@attrs.frozen
class Keys:
    """What the app itself is known by, and where its users log in."""

    base_url: str
    client_id: str | None
    client_secret: str | None = attrs.field(repr=False)
    redirect_uri: str | None
    consumer: tuple[str | None, str | None] = attrs.field(repr=False)
    authorize_url: str | None = None
    token_url: str | None = None
    revoke_url: str | None = None

    @property
    def authorize_at(self) -> str:
        """Where users are sent to: a page of X's own, or below another base."""
        if self.authorize_url is not None:
            return self.authorize_url
        if self.base_url == "https://api.x.com":
            return "https://twitter.com/i/oauth2/authorize"
        return f"{self.base_url}/2/oauth2/authorize"


class Access:
    """The accounts of one App."""

    def __init__(
        self,
        keys: Keys,
        store: Store,
        transport: Sender,
        *,
        clock: Clock,
        server_now: Callable[[], float],
        renewed: Callable[[str], None],
    ) -> None:
        self._keys = keys
        self._store = store
        self._endpoint = TokenEndpoint(
            transport,
            client_id=keys.client_id,
            client_secret=keys.client_secret,
            token_url=keys.token_url or f"{keys.base_url}/2/oauth2/token",
            revoke_url=keys.revoke_url or f"{keys.base_url}/2/oauth2/revoke",
            now=server_now,
        )
        self._oauth1 = OAuth1Endpoint(transport, keys.base_url, keys.consumer)
        self._grants = Grants(
            store,
            self._endpoint,
            consumer=keys.consumer,
            clock=clock,
            server_now=server_now,
            renewed=renewed,
        )
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._closed = False
        self.road: Road

    def above(self, scheduler: Sender) -> Sender:
        """The link above the scheduler, which sees to tokens that hold."""
        return Freshness(scheduler)

    async def aclose(self, patience: float) -> None:
        """Let what renews tokens come to its end, and close the store."""
        self._closed = True
        for task in self._asking.values():
            task.cancel()
        try:
            await self._grants.aclose(patience)
        finally:
            await self._store.aclose()

    # Accounts

    def account(self, credentials: Credentials | str | int, user_id: str | int | None) -> Account:
        """A handle for the user that credentials are of, or for one whom the store knows."""
        known = None if user_id is None else checks.user_id(user_id, "user_id")
        if isinstance(credentials, str | int) and is_number(str(credentials)):
            stored = checks.user_id(credentials, "credentials")
            if known not in (None, stored):
                raise InvalidRequest(
                    f"user_id is {known}, and the account to open is {stored}", argument="user_id"
                )
            return self._handle(self._grants.of(stored), stored, "")
        if not isinstance(credentials, OAuth2 | OAuth1):
            # What it is instead is not quoted: it may be a token.
            raise InvalidRequest(
                "credentials are an OAuth2, an OAuth1, or the id of a user whose tokens the store "
                f"keeps, not {type(credentials).__name__}",
                argument="credentials",
            )
        if isinstance(credentials, OAuth1):
            told = credentials.user_id
            if known is not None and told is not None and known != told:
                raise InvalidRequest(
                    f"this OAuth 1.0a token belongs to user {told}, not to {known}",
                    argument="user_id",
                )
            known, secret = known or told, credentials.token
        else:
            secret = credentials.refresh_token or credentials.access_token
            renewable = credentials.refresh_token is not None and self._keys.client_id
            if renewable and not credentials.for_app_only:
                return self._handle(self._grants.given(credentials, known), known, secret)
        key, consumer_secret = self._keys.consumer
        authorize = authorizer(credentials, consumer_key=key, consumer_secret=consumer_secret)
        return self._handle(authorize, known, secret)

    def _handle(self, authorize: Authorizer, known: str | None, secret: str) -> Account:
        digest = fingerprint(secret)

        async def identify(manners: Manners) -> str:
            return await self._identify(digest, authorize, manners)

        return Account(Hands(self.road, authorize, known, identify))

    async def accounts(self) -> list[StoredAccount]:
        """Those that the store knows."""
        await self._store.open()
        return [
            StoredAccount(
                grant.owner,
                grant.username,
                grant.kind,
                grant.scopes,
                _instant(grant.expires_at),
                grant.needs_login,
            )
            for grant in await self._store.vault.grants()
            if grant.owner.isdecimal()
        ]

    # Logging in and out

    def authorize(
        self, scopes: Iterable[str] | str, redirect_uri: str | None, state: str | None
    ) -> Authorization[Account]:
        """Begin a login by OAuth 2.0."""
        return Authorization(
            self._endpoint,
            self._keys.authorize_at,
            redirect_to(redirect_uri or self._keys.redirect_uri),
            scopes_of(scopes),
            state,
            self._settle,
        )

    async def authorize_oauth1(
        self, callback_url: str | None, sign_in: bool
    ) -> OAuth1Authorization[Account]:
        """Begin a login by OAuth 1.0a."""
        pair = await self._oauth1.request_token(callback_url)
        return OAuth1Authorization(self._oauth1, pair, sign_in=sign_in, settle=self._settle)

    async def _settle(self, grant: Grant) -> Account:
        """Find out whose new grant it is, keep it, and open the account."""
        await self._store.open()
        if not grant.owner:
            user = await self._who(grant)
            grant = attrs.evolve(grant, owner=user.id, username=user.username)
        kept = await self._grants.keep(grant)
        return self.account(kept.owner, None)

    async def _who(self, grant: Grant) -> User:
        stranger = f"token {fingerprint(grant.token)[:8]}"

        async def nobody(manners: Manners) -> str:
            return stranger

        bearer = authorizer(
            OAuth2(grant.token, scopes=grant.scopes), consumer_key=None, consumer_secret=None
        )
        return await users.me(Hands(self.road, bearer, stranger, nobody), self.road.naming)

    async def revoke(self, user_id: str | int) -> None:
        """End a user's grant at the server, then forget it."""
        user = checks.user_id(user_id, "user_id")
        await self._store.open()
        async with self._store.vault.lock(user):
            grant = await self._store.vault.load(user)
            if grant is None:
                reason = "no tokens of it are kept"
                raise AuthorizationNeeded(
                    f"user {user} is not logged in here: {reason}", user_id=user, reason=reason
                )
            with contextlib.suppress(GrantRefused):  # it is over already
                await self._end(grant)
            await self._forget(user)

    async def forget(self, user_id: str | int) -> bool:
        """Forget a user's tokens here alone; whether there were any."""
        user = checks.user_id(user_id, "user_id")
        await self._store.open()
        async with self._store.vault.lock(user):
            return await self._forget(user)

    async def _forget(self, user: str) -> bool:
        gone = await self._store.vault.forget(user)
        self._grants.forgotten(user)
        return gone is not None

    async def _end(self, grant: Grant) -> None:
        try:
            if grant.kind == "oauth2":
                await self._endpoint.revoke(grant.secret or grant.token)
            else:
                await self._oauth1.invalidate(grant.token, grant.secret or "")
        except (ClientRefused, TokenEndpointFailed) as exc:
            raise RenewalFailed(
                f"the tokens of user {grant.owner} were not revoked, and are kept: {exc}",
                user_id=grant.owner,
            ) from None

    # Whose a token is

    async def _identify(self, digest: str, authorize: Authorizer, manners: Manners) -> str:
        """Whose token this is: asked once, however many calls want to know at the same time."""
        while True:
            task = self._asking.get(digest)
            if isinstance(authorize, LiveGrant) and not (task and task.done()):
                # Each waits for tokens as long as it will itself: only the question is shared.
                await authorize.ready(users.ME, manners.max_wait)
                task = self._asking.get(digest)
            mine = task is None
            if task is None:
                task = asyncio.ensure_future(self._ask_who(digest, authorize, manners))
                self._asking[digest] = task
                task.add_done_callback(lambda done: self._forget_failed(digest, done))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if self._closed and task.cancelled() and not (me and me.cancelling()):
                    raise AppClosed("the App was closed before the request could leave") from None
                raise
            except BudgetExhausted:
                # Another handle's max_wait has ended the question; this one's may be longer.
                if mine:
                    raise

    async def _ask_who(self, digest: str, authorize: Authorizer, manners: Manners) -> str:
        grant = authorize if isinstance(authorize, LiveGrant) else None
        if grant is not None and grant.user_id is not None:
            return grant.user_id
        # Until the answer is in, its budget has an owner of its own: the token's fingerprint.
        stranger = f"token {digest[:8]}"

        async def nobody(manners: Manners) -> str:
            return stranger

        hands = Hands(self.road, authorize, stranger, nobody, manners)
        user = await users.me(hands, self.road.naming)
        if grant is not None:
            await grant.settle(user.id)
        return user.id

    def _forget_failed(self, digest: str, task: asyncio.Task[str]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._asking.pop(digest, None)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
