"""Terms: how long a grant holds, what follows it, and what is said of it. Pure."""

from __future__ import annotations

import hashlib

import attrs

from ..errors import AuthorizationNeeded, NotSent
from ..stores.base import Grant, fingerprint
from ..wire.token_answers import Tokens

SURELY = 30.0
"""Seconds before its expiry at which a token counts as run out: a request takes its time."""
AHEAD = (60.0, 600.0)
"""Renewals begin between so many seconds ahead of expiry, each account's at its own moment."""
SHARE = 0.25
"""Of a token's life; what is left of a short one is not spent on being ahead."""


def needed(grant: Grant, reason: str) -> AuthorizationNeeded:
    """Say that a grant is no good any more, and how to get another."""
    again = (
        "App.authorize_oauth1, or xdm login --oauth1"
        if grant.kind == "oauth1"
        else ("App.authorize, or xdm login")
    )
    name = f" (@{grant.username})" if grant.username else ""
    return AuthorizationNeeded(
        f"{whose(grant.owner)}{name} must authorize the app again ({again}): {reason}",
        user_id=grant.owner if grant.owner.isdecimal() else None,
        reason=reason,
    )


def provisional(mark: str) -> str:
    """The owner of a pair while it is not known whose it is; ``mark`` is its fingerprint."""
    return f"token:{mark[:16]}"


def whose(owner: str) -> str:
    """An owner in a sentence."""
    return f"user {owner}" if owner.isdecimal() else "an account not yet identified"


def moments(grant: Grant) -> tuple[float, float]:
    """From when on a token should be renewed, and from when on it must be."""
    if grant.kind == "oauth1" or grant.expires_at is None or grant.secret is None:
        return float("inf"), float("inf")  # where nothing can be renewed, the server's word counts
    life = grant.lifetime or 7_200.0
    part = int.from_bytes(hashlib.sha256(grant.owner.encode()).digest()[:4]) / 2**32
    ahead = min(AHEAD[0] + (AHEAD[1] - AHEAD[0]) * part, life * SHARE * (0.5 + part / 2))
    return grant.expires_at - ahead, grant.expires_at - min(SURELY, ahead / 2)


def successor(kept: Grant, tokens: Tokens, given_at: float) -> Grant:
    """What a grant becomes with the tokens that were given for its refresh token."""
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


def may_be_spent(failure: Exception) -> bool:
    """Whether the server may have taken the refresh token and given a pair that never came."""
    return not isinstance(failure, NotSent)
