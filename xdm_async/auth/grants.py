"""Grants: what lets an app act for its accounts, kept fresh, and never spent twice.

X's refresh tokens are single-use: each renewal gives a new pair, and the old refresh token is
dead. So of one account there is one renewal at a time, over all tasks, and over all processes that
share the store; the store is read again before a renewal, and before a grant is given up; and the
new pair is in the store before any request uses it.

A renewal begins well ahead of expiry, at another moment for each account, while requests still go
with the token that holds; where that has run out they wait. It is a task of its own: whoever
waits for it may be cancelled, and the answer with the new pair is still taken in.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import attrs

from ..clock import Clock
from ..errors import AppClosed, AuthorizationNeeded, NotSent, RenewalFailed, StoreFailed, XdmError
from ..stores.base import Grant, Store, fingerprint
from ..wire.exchange import Request, Route
from ..wire.token_answers import ClientRefused, GrantRefused, TokenEndpointFailed, Tokens
from .credentials import OAuth1, OAuth2
from .oauth1 import Signature
from .oauth2 import Bearer
from .outage import Outage
from .tokens import TokenEndpoint

_log = logging.getLogger("xdm_async")

SURELY = 30.0
"""Seconds before its expiry at which a token counts as run out: a request takes its time."""
AHEAD = (60.0, 600.0)
"""Renewals begin between so many seconds ahead of expiry, each account's at its own moment."""
SHARE = 0.25
"""Of a token's life; what is left of a short one is not spent on being ahead."""
AT_ONCE = 16
"""Renewals that are on their way at a time, of all accounts of an App."""
IN_WAITING = 128
"""Of those, and of those that wait for another process to let go of their account: each holds a
file open."""
PATIENCE = 60.0
"""Seconds that a renewal goes on trying while the token endpoint fails."""
AGAIN = 30.0
"""Seconds after which a renewal for those in line is looked at again."""
SAVING = (0.2, 1.0, 0.0)
"""Pauses after each failed try to put a new pair into the store; the last try ends it."""


class Stale(XdmError):
    """A request's turn has come, and its token has run out meanwhile: nothing was sent."""


class Grants:
    """The live grants of one App, and what renewing them takes."""

    def __init__(
        self,
        store: Store,
        endpoint: TokenEndpoint,
        *,
        consumer: tuple[str | None, str | None],
        clock: Clock,
        server_now: Callable[[], float],
        renewed: Callable[[str], None],
    ) -> None:
        self.store = store
        self.vault = store.vault
        self.endpoint = endpoint
        self.consumer = consumer
        self.clock = clock
        self.server_now = server_now
        self.renewed = renewed
        """Is told whose tokens were renewed."""
        self.outage = Outage()
        self.closing = asyncio.Event()
        self.doors = asyncio.Semaphore(IN_WAITING)
        self.slots = asyncio.Semaphore(AT_ONCE)
        self._live: WeakValueDictionary[str, LiveGrant] = WeakValueDictionary()
        self._renewing: set[asyncio.Task[None]] = set()

    def of(self, user_id: str) -> LiveGrant:
        """The grant that the store keeps of a user; it is looked for when it is needed."""
        return self._known(user_id, None, user_id)

    def given(self, credentials: OAuth2, user_id: str | None) -> LiveGrant:
        """The grant that a pair of tokens belongs to, which the store may know as spent."""
        secret = credentials.refresh_token
        assert secret is not None
        mark = fingerprint(secret)
        expires_at = credentials.expires_at
        offered = Grant(
            user_id or f"token:{mark[:16]}",
            "oauth2",
            credentials.access_token,
            secret,
            expires_at=None
            if expires_at is None
            else float(expires_at)
            if isinstance(expires_at, int | float)
            else expires_at.timestamp(),
            scopes=credentials.scopes,
        )
        return self._known(mark, offered, offered.owner)

    def _known(self, name: str, offered: Grant | None, owner: str) -> LiveGrant:
        found = self._live.get(name)
        if found is None:
            found = self._live[name] = LiveGrant(self, owner, offered)
        return found

    async def keep(self, grant: Grant) -> Grant:
        """Keep a new grant in place of the user's old one, whose tokens still lead to it."""
        async with self.vault.lock(grant.owner):
            old = await self.vault.load(grant.owner)
            if old is not None and old.secret is not None:
                grant = attrs.evolve(grant, spent=(*old.spent, fingerprint(old.secret)))
            kept = await self.vault.put(grant)
        live = self._live.get(kept.owner)
        if live is not None:
            live.take(kept)
        return kept

    def forgotten(self, user_id: str) -> None:
        """A user was logged out: no handle goes on with what it holds."""
        for live in list(self._live.values()):
            if live.user_id == user_id:
                live.drop()

    def start(self, work: Any) -> asyncio.Task[None]:
        """Run a renewal to its end, whoever waits for it."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._renewing.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._renewing.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits for it, and else logged where it arose

    async def aclose(self, patience: float) -> None:
        """Let renewals that are on their way come to their end, within ``patience`` seconds."""
        self.closing.set()
        for live in list(self._live.values()):
            live.rest()
        if self._renewing:
            _, late = await asyncio.wait(self._renewing, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def pause(self, seconds: float) -> None:
        """Wait, unless the App closes: then nothing more is sent."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
        if self.closing.is_set():
            raise AppClosed("the App is closed: tokens were not renewed, and are as they were")


class LiveGrant:
    """One account's grant as an `Authorizer`: its token is the newest that is known."""

    lasting = False

    def __init__(self, grants: Grants, owner: str, offered: Grant | None) -> None:
        self._grants = grants
        self._owner = owner
        self._offered = offered
        self._grant: Grant | None = None
        self._authorizer: Bearer | Signature | None = None
        self._soft = self._hard = float("inf")
        self._loading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._unsaved: Grant | None = None
        self._in_line = 0
        self._timer: asyncio.TimerHandle | None = None
        if offered is not None:
            self._authorizer = _authorizer(offered, grants.consumer)  # refuses what cannot be

    def __repr__(self) -> str:
        return f"<LiveGrant of {self._owner}>"

    @property
    def user_id(self) -> str | None:
        """Whose it is, where that is known."""
        return self._owner if self._owner.isdecimal() else None

    def check(self, route: Route) -> None:
        """Refuse what the server is known to refuse; of a grant not looked up yet, nothing is."""
        if self._authorizer is not None:
            self._authorizer.check(route)

    def authorization(self, request: Request, url: str, now: float | None = None) -> str:
        """The ``Authorization`` header of one attempt.

        Raises:
            Stale: the token has run out while the request waited.
        """
        if self._authorizer is None or self._grants.server_now() >= self._hard:
            raise Stale("the token has run out while the request waited for its turn")
        return self._authorizer.authorization(request, url, now)

    # Before a request goes into line

    async def ready(self, route: Route, max_wait: float | None = None) -> None:
        """Have a token that holds; begin to renew one that soon will not.

        Raises:
            AuthorizationNeeded: the grant is no good any more, or none is kept.
            RenewalFailed: the token has run out and could not be renewed, within ``max_wait``.
            StoreFailed: the store cannot be read or written.
        """
        if self._grant is None or self._grant.needs_login:
            await self._load()
            self.check(route)
        now = self._grants.server_now()
        if now < self._soft:
            return
        if now >= self._hard:
            assert self._grant is not None
            await self._renewed(self._grant.token, max_wait)
        elif self._task is None and not self._grants.outage.wait(self._grants.clock.now()):
            self._begin()

    def line_up(self) -> None:
        """A request goes into line, where it may be longer than the token holds."""
        self._in_line += 1
        if self._timer is None and self._soft < float("inf"):
            self._watch(self._soft - self._grants.server_now())

    def leave(self) -> None:
        """It is out of the line, one way or the other."""
        self._in_line -= 1

    def _watch(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(1.0, seconds), self._nudge)

    def _nudge(self) -> None:
        """Renew for those in line, so that they need not wait for it when their turn comes."""
        self._timer = None
        if not self._in_line or self._grants.closing.is_set():
            return
        left = self._soft - self._grants.server_now()
        if left <= 0 and not self._grants.outage.wait(self._grants.clock.now()):
            self._begin()
        self._watch(left if left > 0 else AGAIN)

    async def renew(self, refused: str, max_wait: float | None = None) -> bool:
        """A 401 came for this header: whether there is a newer token to try once more with."""
        grant = self._grant
        if grant is None or grant.kind != "oauth2":
            return False
        if refused != f"Bearer {grant.token}":
            return True
        if grant.secret is None:
            return False
        await self._renewed(grant.token, max_wait)
        return True

    async def settle(self, user_id: str) -> None:
        """It is known now whose it is: keep it under that name."""
        grant = self._grant
        if grant is not None and grant.owner != user_id and not grant.owner.isdecimal():
            async with self._grants.vault.lock(grant.owner):
                self.take(await self._grants.vault.adopt(grant, user_id))

    # Finding it

    async def _load(self) -> None:
        if self._loading is None:
            self._loading = asyncio.ensure_future(self._look_up())
        task = self._loading
        try:
            await asyncio.shield(task)
        finally:
            if task.done() and self._loading is task:
                self._loading = None
        assert self._grant is not None
        if self._grant.needs_login:
            raise needed(self._grant, self._grant.needs_login)

    async def _look_up(self) -> None:
        vault = self._grants.vault
        await self._grants.store.open()
        offered, kept = self._offered, None
        if offered is None:
            kept = await vault.load(self._owner)
            if kept is None:
                reason = "no tokens of it are kept"
                raise AuthorizationNeeded(
                    f"user {self._owner} has not authorized the app here ({reason}): let the user "
                    "log in (App.authorize, or xdm login)",
                    user_id=self._owner,
                    reason=reason,
                )
        else:
            assert offered.secret is not None
            mark = fingerprint(offered.secret)
            kept = await vault.find(mark)
            if kept is None:
                async with vault.lock(offered.owner):
                    kept = await vault.find(mark)
                    if kept is None:
                        kept = await self._offer(offered)
        self.take(kept)

    async def _offer(self, offered: Grant) -> Grant:
        """Keep a pair that nothing is known of, in place of whatever the user had before."""
        old = await self._grants.vault.load(offered.owner)
        spent: tuple[str, ...] = ()
        if old is not None and old.secret is not None:
            spent = (*old.spent, fingerprint(old.secret))
        return await self._grants.vault.put(attrs.evolve(offered, spent=spent))

    def rest(self) -> None:
        """The App closes: nothing is begun any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drop(self) -> None:
        """Look for it in the store again before the next request."""
        self._grant, self._authorizer = None, None

    def take(self, grant: Grant) -> None:
        """Use this from now on."""
        self._grant, self._owner = grant, grant.owner
        self._authorizer = _authorizer(grant, self._grants.consumer)
        self._soft, self._hard = _moments(grant)

    # Renewing it

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            assert self._grant is not None
            self._task = self._grants.start(self._renew(self._grant.token))
            self._task.add_done_callback(self._ended)
        return self._task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and isinstance(exc := task.exception(), XdmError):
            _log.info("tokens were not renewed: %s", exc)

    async def _renewed(self, token: str, max_wait: float | None) -> None:
        """Wait until this token has been replaced."""
        task = self._begin()
        try:
            await asyncio.wait_for(asyncio.shield(task), max_wait)
        except TimeoutError:
            raise RenewalFailed(
                f"the tokens of {_whose(self._owner)} have run out, and were not renewed within "
                f"max_wait of {max_wait:g} s: nothing was sent",
                user_id=self.user_id,
            ) from None

    async def _renew(self, token: str) -> None:
        """Replace a token, unless somebody else has done so already."""
        grants, vault = self._grants, self._grants.vault
        owner = ""
        while owner != self._owner:  # it may get another name meanwhile
            owner = self._owner
            async with grants.doors, vault.lock(owner), grants.slots:
                if self._unsaved is not None:
                    await self._save(self._unsaved)
                    return
                kept = await vault.load(owner) or await self._moved()
                if kept is None:
                    raise self._logged_out()
                if kept.owner != owner:
                    self.take(kept)
                    continue
                if kept.token != token or kept.needs_login:
                    self.take(kept)
                    if kept.needs_login:
                        raise needed(kept, kept.needs_login)
                    if grants.server_now() < self._hard:
                        return
                if kept.secret is None:
                    await self._give_up(kept, "its token has run out, and it has no refresh token")
                tokens, given_at = await self._ask(kept)
                await self._save(_successor(kept, tokens, given_at))
        grants.renewed(self._owner)

    async def _moved(self) -> Grant | None:
        """What became of a grant whose user was found out by somebody else."""
        grant = self._grant
        if grant is None or grant.owner.isdecimal():
            return None
        return await self._grants.vault.find(fingerprint(grant.secret or grant.token))

    def _logged_out(self) -> AuthorizationNeeded:
        reason = "its tokens were taken out of the store"
        return AuthorizationNeeded(
            f"{_whose(self._owner)} is logged out ({reason}): let the user log in again",
            user_id=self.user_id,
            reason=reason,
        )

    async def _ask(self, kept: Grant) -> tuple[Tokens, float]:
        """Ask the token endpoint until it answers one way or the other."""
        grants = self._grants
        clock, outage = grants.clock, grants.outage
        ends_at = clock.now() + PATIENCE
        lost = False
        assert kept.secret is not None
        while True:
            if wait := outage.wait(clock.now()):
                if clock.now() + wait > ends_at:
                    raise RenewalFailed(
                        f"the tokens of {_whose(kept.owner)} could not be renewed: the token "
                        f"endpoint has failed for {PATIENCE:g} s; they are kept as they are",
                        user_id=self.user_id,
                    )
                await grants.pause(wait)
                continue
            try:
                found = await grants.endpoint.refresh(kept.secret)
            except GrantRefused as exc:
                reason = f"its refresh token was not accepted ({exc})"
                if lost:
                    reason += (
                        "; an earlier answer of the token endpoint, which may have held new "
                        "tokens, was lost on its way"
                    )
                await self._give_up(kept, reason)
            except ClientRefused as exc:
                raise RenewalFailed(
                    f"the tokens of {_whose(kept.owner)} could not be renewed: {exc}",
                    user_id=self.user_id,
                ) from None
            except (TokenEndpointFailed, XdmError) as exc:
                if isinstance(exc, AppClosed):
                    raise
                lost |= _may_be_spent(exc)
                outage.failed(clock.now(), getattr(exc, "retry_after", None))
                _log.info("the token endpoint failed (%s); trying again", exc)
            else:
                outage.over()
                return found

    async def _give_up(self, kept: Grant, reason: str) -> None:
        """Nothing can be had for this grant any more: say so, unless there is a newer one.

        Raises:
            AuthorizationNeeded: there is none.
            Stale: there is; the request is to look again.
        """
        now = await self._grants.vault.load(kept.owner)
        if now is not None and now.token == kept.token:
            now = await self._grants.vault.swap(attrs.evolve(kept, needs_login=reason))
        if now is not None:
            self.take(now)
            if not now.needs_login:
                raise Stale("there are newer tokens")
        _log.warning("%s must be authorized anew: %s", _whose(kept.owner), reason)
        raise needed(kept, reason)

    async def _save(self, grant: Grant) -> None:
        """Put a new pair into the store, and only then use it."""
        self._unsaved = grant
        kept = await self._put_down(grant)
        if kept is not None and kept.needs_login and fingerprint(kept.secret or "") in grant.spent:
            # Somebody has tried the old pair before this one was kept: this is the one that holds.
            kept = await self._grants.vault.swap(attrs.evolve(grant, version=kept.version))
        if kept is None and (moved := await self._moved()) is not None:
            kept = await self._grants.vault.swap(
                attrs.evolve(grant, owner=moved.owner, version=moved.version)
            )
        self._unsaved = None
        if kept is None:
            raise self._logged_out()
        self.take(kept)  # another's, where somebody logged in meanwhile

    async def _put_down(self, grant: Grant) -> Grant | None:
        """Swap it in, with more tries than one: the store may be full for a moment."""
        for pause in SAVING:
            try:
                return await self._grants.vault.swap(grant)
            except StoreFailed as exc:
                if not pause:
                    _log.error(
                        "new tokens of %s could not be kept, and are in memory alone: %s",
                        _whose(grant.owner),
                        exc,
                    )
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last pause is none")


def needed(grant: Grant, reason: str) -> AuthorizationNeeded:
    """Say that a grant is no good any more, and how to get another."""
    again = (
        "App.authorize_oauth1, or xdm login --oauth1"
        if grant.kind == "oauth1"
        else ("App.authorize, or xdm login")
    )
    name = f" (@{grant.username})" if grant.username else ""
    return AuthorizationNeeded(
        f"{_whose(grant.owner)}{name} must authorize the app again ({again}): {reason}",
        user_id=grant.owner if grant.owner.isdecimal() else None,
        reason=reason,
    )


def _whose(owner: str) -> str:
    return f"user {owner}" if owner.isdecimal() else "an account not yet identified"


def _authorizer(grant: Grant, consumer: tuple[str | None, str | None]) -> Bearer | Signature:
    if grant.kind == "oauth1":
        return Signature(OAuth1(grant.token, grant.secret or ""), *consumer)
    return Bearer(OAuth2(grant.token, scopes=grant.scopes))


def _moments(grant: Grant) -> tuple[float, float]:
    """From when on a token should be renewed, and from when on it must be."""
    if grant.kind == "oauth1" or grant.expires_at is None:
        return float("inf"), float("inf")
    life = grant.lifetime or 7_200.0
    part = int.from_bytes(hashlib.sha256(grant.owner.encode()).digest()[:4]) / 2**32
    ahead = min(AHEAD[0] + (AHEAD[1] - AHEAD[0]) * part, life * SHARE * (0.5 + part / 2))
    if grant.secret is None:
        ahead = 0.0  # it cannot be renewed, and is used as long as it lasts
    return grant.expires_at - ahead, grant.expires_at - min(SURELY, ahead / 2)


def _successor(kept: Grant, tokens: Tokens, given_at: float) -> Grant:
    assert kept.secret is not None
    life = tokens.expires_in
    return attrs.evolve(
        kept,
        token=tokens.access_token,
        secret=tokens.refresh_token or kept.secret,
        expires_at=None if life is None else given_at + life,
        lifetime=life,
        scopes=tokens.scopes or kept.scopes,
        spent=(*kept.spent, fingerprint(kept.secret)) if tokens.refresh_token else kept.spent,
        needs_login=None,
    )


def _may_be_spent(failure: Exception) -> bool:
    """Whether the server may have taken the refresh token and given a pair that never came."""
    return not isinstance(failure, NotSent)
