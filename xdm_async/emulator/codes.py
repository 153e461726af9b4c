"""Authorization codes: what a user has just allowed, for the App to fetch within 30 seconds.

Proof Key for Code Exchange (RFC 7636) is checked here: a code is good only for who knows the
verifier that its challenge was made of. Verifiers are held against their challenges and not
against the grammar of the RFC, since the documentation's own example is shorter than that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from .mint import Mint
from .objects import User

CODE_LIFE: Final = 30
"""Seconds an authorization code is good for."""

ChallengeMethod = Literal["S256", "plain"]

METHODS: Final[Mapping[str, ChallengeMethod]] = {"S256": "S256", "plain": "plain"}


@attrs.frozen(eq=False)
class Code:
    """What a code stands for. It is the one App's: its `client_id` was checked on both ways."""

    user: User
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str = attrs.field(repr=False)
    method: ChallengeMethod
    expires_at: float

    def proved_by(self, verifier: str) -> bool:
        """Whether the challenge was made of this verifier."""
        made = challenge_of(verifier) if self.method == "S256" else verifier
        return hmac.compare_digest(made.encode(), self.challenge.encode())


class Codes:
    """The codes that were given out. Always true: each is taken back once, if it is in time."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._codes: dict[str, Code] = {}

    def give(
        self,
        user: User,
        scopes: tuple[str, ...],
        redirect_uri: str,
        challenge: str,
        method: ChallengeMethod,
        now: float,
    ) -> str:
        """A new code."""
        code = self._mint.opaque(now, "ac")
        expires_at = now + CODE_LIFE
        self._codes[code] = Code(user, scopes, redirect_uri, challenge, method, expires_at)
        return code

    def take(self, code: str, now: float) -> Code | None:
        """What a code stands for; it is spent by this, whatever comes of it."""
        taken = self._codes.pop(code, None)
        return taken if taken is not None and now < taken.expires_at else None

    def forget(self, user: User) -> None:
        """A user is gone, and what the user has just allowed."""
        for code in [code for code, known in self._codes.items() if known.user is user]:
            del self._codes[code]


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
