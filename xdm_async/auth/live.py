"""Live grants: one account's tokens, renewed ahead of their end, one renewal at a time.

The store is read again before a renewal, and before a grant is given up; the new pair is in the
store before any request uses it. A renewal is a task of its own: whoever waits for it may be
cancelled, and the answer with the new pair is still taken in. What the accounts of an App share
in this is `xdm_async.auth.grants`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import attrs

from ..errors import (
    AppClosed,
    AuthorizationNeeded,
    InvalidRequest,
    RenewalFailed,
    StoreFailed,
    XdmError,
)
from ..stores.base import Grant, fingerprint
from ..wire.exchange import Request, Route
from ..wire.token_answers import ClientRefused, GrantRefused, TokenEndpointFailed, Tokens
from .credentials import OAuth1, OAuth2
from .oauth1 import Signature
from .oauth2 import Bearer
from .terms import may_be_spent, moments, needed, provisional, successor, whose

if TYPE_CHECKING:
    from .grants import Grants

_log = logging.getLogger("xdm_async")

PATIENCE = 60.0
"""Seconds that a renewal goes on trying while the token endpoint fails."""
AGAIN = 30.0
"""Seconds after which a renewal for those in line is looked at again."""
IN_VAIN = 60.0
"""Seconds for which nothing is renewed on a 401 after a new token was refused as well."""
SOON = 1.0
"""Seconds that a call waits for what the store has to do, whatever its ``max_wait``."""
SAVING = (0.2, 1.0, 0.0)
"""Pauses after each failed try to put a new pair into the store; the last try ends it."""
_NEVER = (float("-inf"), float("-inf"))


class Stale(XdmError):
    """A request's turn has come, and its token has run out meanwhile: nothing was sent."""


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
        self._sure = _NEVER
        """The same two moments on the local clock, of a token that was had here: a machine that
        is mistaken about the time of day would renew it for ever."""
        self.vain_until = 0.0
        """On the local clock: until then a 401 is not what a renewal cures."""
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
        if self._authorizer is None or self._has_run_out(self._grants.server_now()):
            raise Stale("the token has run out while the request waited for its turn")
        return self._authorizer.authorization(request, url, now)

    # Before a request goes into line

    async def ready(
        self, route: Route, max_wait: float | None = None, deadline: float | None = None
    ) -> None:
        """Have a token that holds; begin to renew one that soon will not.

        Raises:
            AuthorizationNeeded: the grant is no good any more, or none is kept.
            RenewalFailed: the token has run out and could not be renewed, within ``max_wait``
                (which ends at ``deadline``, on the local clock, where it has begun before).
            StoreFailed: the store cannot be read or written.
            AppClosed: the App is closed.
        """
        if self._grant is None or self._grant.needs_login:
            await self._load(max_wait, deadline)
            self.check(route)
        now = self._grants.server_now()
        if now < self._soft:
            return
        if self._has_run_out(now):
            assert self._grant is not None
            await self._renewed(self._grant.token, max_wait, deadline)
        elif self._task is None and self._due_in() <= 0:
            self._begin_ahead()

    def now(self) -> float:
        """The local clock, which deadlines are on."""
        return self._grants.clock.now()

    def _has_run_out(self, now: float) -> bool:
        return now >= self._hard and self._grants.clock.now() >= self._sure[1]

    def _due_in(self) -> float:
        """Seconds until it should be renewed."""
        left = self._soft - self._grants.server_now()
        return max(left, self._sure[0] - self._grants.clock.now())

    def line_up(self) -> None:
        """A request goes into line, where it may be longer than the token holds."""
        self._in_line += 1
        if self._timer is None and self._soft < float("inf"):
            self._watch(self._due_in())

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
        left = self._due_in()
        if left <= 0:
            self._begin_ahead()
        self._watch(left if left > 0 else AGAIN)

    async def renew(
        self, refused: str, max_wait: float | None = None, deadline: float | None = None
    ) -> bool:
        """A 401 came for this header: whether there is a newer token to try once more with."""
        grant = self._grant
        if grant is None:
            return False
        if grant.kind == "oauth2" and refused != f"Bearer {grant.token}":
            return True
        if grant.kind != "oauth2" or grant.secret is None:
            return await self._replaced(grant)
        if self.now() < self.vain_until:
            return False
        await self._renewed(grant.token, max_wait, deadline)
        return True

    async def _replaced(self, grant: Grant) -> bool:
        """Whether somebody has logged in anew, where nothing can be renewed."""
        kept = await self._grants.vault.load(grant.owner)
        if kept is None:
            return False
        if (kept.token, kept.secret) != (grant.token, grant.secret):
            self.take(kept)
            return True
        if grant.expires_at is not None and self._grants.server_now() >= grant.expires_at:
            with contextlib.suppress(Stale):
                await self._give_up(kept, "its token has run out, and it has no refresh token")
            return True
        return False

    def refused_again(self) -> None:
        """A 401 came for a new token too: it is not its age."""
        self.vain_until = self.now() + IN_VAIN

    async def settle(self, user_id: str) -> None:
        """It is known now whose it is: keep it under that name.

        While another process has it in hand, that is done later: nobody waits for it here.
        """
        task = self._grants.start(self._settle(user_id))
        done, _ = await asyncio.wait([task], timeout=SOON)
        if done:
            task.result()

    async def _settle(self, user_id: str) -> None:
        grant = self._grant
        if grant is not None and grant.owner != user_id and not grant.owner.isdecimal():
            async with self._grants.held(grant.owner):
                if (unsaved := self._grants.unsaved.get(grant.owner)) is not None:
                    await self._save(unsaved)
                self.take(await self._grants.vault.adopt(grant, user_id))

    # Finding it

    async def _load(self, max_wait: float | None, deadline: float | None) -> None:
        task = self._loading
        if task is None or task.done():  # who was cancelled may have left it
            if self._grants.closing.is_set():
                raise AppClosed("the App is closed; make a new one")
            task = self._loading = self._grants.start(self._look_up())
        left = max_wait if deadline is None else deadline - self.now()
        if left is not None:
            left = max(SOON, left)  # looking is no waiting in line: max_wait may be 0
        try:
            await asyncio.wait_for(asyncio.shield(task), left)
        except asyncio.CancelledError:
            if self._cut_off(task):
                raise AppClosed("the App was closed before tokens were found") from None
            raise
        except TimeoutError:
            raise RenewalFailed(
                f"the tokens of {whose(self._owner)} are in the hands of another process, which "
                f"did not let go of them within max_wait of {max_wait:g} s: nothing was sent",
                user_id=self.user_id,
            ) from None
        finally:
            if task.done() and self._loading is task:
                self._loading = None
        if self._grant is None:
            raise self._logged_out()
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
                # By the pair's own name: others may not know, or know, whose it is.
                async with self._grants.held(provisional(mark)):
                    kept = await vault.find(mark)
                    if kept is None:
                        kept = await self._keep(offered)
            if offered.owner.isdecimal() and not kept.owner.isdecimal():
                async with self._grants.held(kept.owner):
                    kept = await vault.adopt(kept, offered.owner)
        self.take(kept)

    async def _keep(self, offered: Grant) -> Grant:
        """Keep a pair that nothing is known of, in place of whatever the user had before."""
        vault = self._grants.vault
        while (old := await vault.load(offered.owner)) is not None:
            spent = old.spent if old.secret is None else (*old.spent, fingerprint(old.secret))
            new = attrs.evolve(offered, spent=spent, version=old.version)
            kept = await vault.swap(new)
            if kept is not None and kept.secret == offered.secret:
                return kept
        return await vault.put(offered)

    def offer(self, offered: Grant) -> None:
        """Tokens are given once more, which a logout may have taken."""
        if self._offered is None:
            self._offered = offered

    def rest(self) -> None:
        """The App closes: nothing is begun any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drop(self) -> None:
        """Look for it in the store again before the next request."""
        self._grant = self._authorizer = self._offered = None

    def take(self, grant: Grant) -> None:
        """Use this from now on."""
        self._grant, self._owner = grant, grant.owner
        self._authorizer = _authorizer(grant, self._grants.consumer)
        self._soft, self._hard = moments(grant)
        self._sure = _NEVER

    # Renewing it

    def _begin_ahead(self) -> None:
        """Begin a renewal that nobody waits for, unless it is not the time for one."""
        grants = self._grants
        if not grants.closing.is_set() and not grants.outage.wait(grants.clock.now()):
            self._begin()

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            if self._grants.closing.is_set():  # it would be cut off, and its new pair lost
                raise AppClosed("the App is closed: tokens were not renewed, and are as they were")
            assert self._grant is not None
            self._task = self._grants.start(self._renew(self._grant.token))
            self._task.add_done_callback(self._ended)
        return self._task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and isinstance(exc := task.exception(), XdmError):
            _log.info("tokens were not renewed: %s", exc)

    async def _renewed(self, token: str, max_wait: float | None, deadline: float | None) -> None:
        """Wait until this token has been replaced."""
        task = self._begin()
        left = max_wait if deadline is None else max(0.0, deadline - self.now())
        try:
            await asyncio.wait_for(asyncio.shield(task), left)
        except Stale:
            return  # replaced by somebody else
        except asyncio.CancelledError:
            if self._cut_off(task):
                raise AppClosed("the App was closed before tokens were renewed") from None
            raise
        except TimeoutError:
            raise RenewalFailed(
                f"the tokens of {whose(self._owner)} have run out, and were not renewed within "
                f"max_wait of {max_wait:g} s: nothing was sent",
                user_id=self.user_id,
            ) from None

    def _cut_off(self, task: asyncio.Task[None]) -> bool:
        """Whether the App's close has ended what is waited for, and nobody who waits."""
        me = asyncio.current_task()
        return task.cancelled() and self._grants.closing.is_set() and not (me and me.cancelling())

    async def _renew(self, token: str) -> None:
        """Replace a token, unless somebody else has done so already."""
        grants, vault = self._grants, self._grants.vault
        ends_at = grants.clock.now() + PATIENCE
        owner = ""
        while owner != self._owner:  # it may get another name meanwhile
            owner = self._owner
            async with grants.doors, grants.held(owner), grants.slots:
                if (unsaved := grants.unsaved.get(owner)) is not None:
                    await self._save(unsaved)
                    return
                kept = await self._moved() or await vault.load(owner)
                if kept is None:
                    if owner != self._owner:
                        continue
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
                tokens, given_at = await self._ask(kept, ends_at)
                had_at = grants.clock.now()
                await self._save(successor(kept, tokens, given_at))
                if self._grant is not None and self._grant.token == tokens.access_token:
                    self._sure = (had_at + self._soft - given_at, had_at + self._hard - given_at)
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
            f"{whose(self._owner)} is logged out ({reason}): let the user log in again",
            user_id=self.user_id,
            reason=reason,
        )

    async def _ask(self, kept: Grant, ends_at: float) -> tuple[Tokens, float]:
        """Ask the token endpoint until it answers one way or the other."""
        grants = self._grants
        clock, outage = grants.clock, grants.outage
        lost = False
        assert kept.secret is not None
        while True:
            if wait := outage.wait(clock.now()):
                if clock.now() + wait > ends_at:
                    raise RenewalFailed(
                        f"the tokens of {whose(kept.owner)} could not be renewed: the token "
                        f"endpoint fails; they are kept as they are, and the next call tries again",
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
                    f"the tokens of {whose(kept.owner)} could not be renewed: {exc}",
                    user_id=self.user_id,
                ) from None
            except (TokenEndpointFailed, XdmError) as exc:
                if isinstance(exc, AppClosed | InvalidRequest):
                    raise
                lost |= may_be_spent(exc)
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
        _log.warning("%s must be authorized anew: %s", whose(kept.owner), reason)
        raise needed(kept, reason)

    async def save(self) -> None:
        """Put what the store did not take before into it."""
        async with self._grants.vault.lock(self._owner):
            if (unsaved := self._grants.unsaved.get(self._owner)) is not None:
                await self._save(unsaved)

    async def _save(self, grant: Grant) -> None:
        """Put a new pair into the store, and only then use it."""
        self._grants.unsaved[grant.owner] = grant
        kept = await self._put_down(grant)
        if kept is not None and kept.needs_login and fingerprint(kept.secret or "") in grant.spent:
            # Somebody has tried the old pair before this one was kept: this is the one that holds.
            kept = await self._grants.vault.swap(attrs.evolve(grant, version=kept.version))
        if kept is None and not grant.owner.isdecimal() and grant.spent:
            kept = moved = await self._grants.vault.find(grant.spent[-1])
            if moved is not None and fingerprint(moved.secret or "") in grant.spent:
                kept = await self._grants.vault.swap(
                    attrs.evolve(grant, owner=moved.owner, version=moved.version)
                )
        self._grants.unsaved.pop(grant.owner, None)
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
                        whose(grant.owner),
                        exc,
                    )
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last pause is none")


def _authorizer(grant: Grant, consumer: tuple[str | None, str | None]) -> Bearer | Signature:
    if grant.kind == "oauth1":
        return Signature(OAuth1(grant.token, grant.secret or ""), *consumer)
    return Bearer(OAuth2(grant.token, scopes=grant.scopes))
