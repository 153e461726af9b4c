"""Grants: what users have allowed the App by OAuth 2.0, and the tokens that say so.

Rotation, expiry and the end of a grant are decided here; how tokens are asked for over HTTP is
left to `tokens`, and what a user is asked before to `consent`. The caller says what time it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import attrs

from .mint import Mint
from .objects import User
from .switches import Switches


@attrs.define(eq=False)
class Grant:
    """What one login allowed: it lives on through its refresh tokens until it is ended."""

    user: User
    scopes: tuple[str, ...]
    refresh_token: str | None = attrs.field(default=None, repr=False)
    refreshable_until: float = 0.0
    access_tokens: list[str] = attrs.field(factory=list, repr=False)
    rights: frozenset[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rights = frozenset(self.scopes)


@attrs.define(eq=False)
class Bearer:
    """An access token: whose, and until when."""

    grant: Grant
    expires_at: float


@attrs.frozen
class Issued:
    """A new pair of tokens; without `offline.access` there is nothing to refresh with."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str | None = attrs.field(repr=False)
    life: float
    expires_at: float
    scopes: tuple[str, ...]


class Grants:
    """Every grant there is.

    Always true:

    - a grant has at most one refresh token that is good, and each is good once;
    - access tokens outlive a refresh; none outlives its grant.
    """

    def __init__(self, mint: Mint, switches: Switches) -> None:
        self._mint = mint
        self._switches = switches
        self._bearers: dict[str, Bearer] = {}
        self._good: dict[str, Grant] = {}
        self._spent: dict[str, Grant] = {}
        self._of: dict[str, list[Grant]] = {}
        self.refreshes: Counter[str] = Counter()
        """How often each user's grants were refreshed, by the user's id."""
        self.refresh_failures = 0
        """Refreshes that were refused, for whatever reason."""

    def issue(
        self, user: User, now: float, scopes: Collection[str], life: float | None = None
    ) -> Issued:
        """A new grant, beside those there are, and its first tokens."""
        grant = Grant(user, tuple(scopes))
        self._of.setdefault(user.id, []).append(grant)
        return self._issue(grant, now, life)

    def bearer(self, access_token: str) -> Bearer | None:
        """What this access token is good for; it may have expired."""
        return self._bearers.get(access_token)

    def refresh(self, refresh_token: str, now: float) -> Issued | None:
        """Spend a refresh token for the next pair; None if it is not good.

        Whether one that was spent before takes its grant along is a switch.
        """
        grant = self._good.get(refresh_token)
        if grant is None:
            replayed = self._spent.get(refresh_token)
            if replayed is not None and self._switches.reuse_revokes_grant:
                self._end(replayed)
            return None
        if now >= grant.refreshable_until:
            return None
        self._spent[refresh_token] = self._good.pop(refresh_token)
        self.refreshes[grant.user.id] += 1
        return self._issue(grant, now)

    def end(self, token: str) -> None:
        """End the grant of a refresh token or an access token, if there is one."""
        bearer = self._bearers.get(token)
        grant = self._good.get(token) if bearer is None else bearer.grant
        if grant is not None:
            self._end(grant)

    def end_all(self, user: User) -> None:
        """End every grant of a user."""
        for grant in list(self._of.get(user.id, ())):
            self._end(grant)

    def expire(self, user: User, now: float) -> None:
        """Let every access token of a user be over now; what refreshes them stays."""
        for grant in self._of.get(user.id, ()):
            for bearer in self._bearers_of(grant):
                bearer.expires_at = min(bearer.expires_at, now)

    def _bearers_of(self, grant: Grant) -> Iterable[Bearer]:
        return [self._bearers[token] for token in grant.access_tokens]

    def _issue(self, grant: Grant, now: float, life: float | None = None) -> Issued:
        life = self._switches.access_token_life if life is None else life
        access_token = self._mint.opaque(now, "at")
        grant.access_tokens.append(access_token)
        self._bearers[access_token] = Bearer(grant, now + life)
        grant.refresh_token = None
        if "offline.access" in grant.rights:
            grant.refresh_token = self._mint.opaque(now, "rt")
            grant.refreshable_until = now + self._switches.refresh_token_life
            self._good[grant.refresh_token] = grant
        return Issued(access_token, grant.refresh_token, life, now + life, grant.scopes)

    def _end(self, grant: Grant) -> None:
        for token in grant.access_tokens:
            del self._bearers[token]
        grant.access_tokens.clear()
        if grant.refresh_token is not None:
            self._good.pop(grant.refresh_token, None)
            self._spent[grant.refresh_token] = grant
            grant.refresh_token = None
        grants = self._of[grant.user.id]
        if grant in grants:
            grants.remove(grant)
