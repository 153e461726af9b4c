"""The mint: what a seed makes of random keys and tokens.

No secrets in earnest: with the same seed, the same come in the same order.
"""

from __future__ import annotations

import base64
import random
import string
from typing import Final

_ALPHABET: Final = string.ascii_letters + string.digits


class Mint:
    """Makes what means nothing to a client and is never made twice."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"credentials {seed}")

    def made_of(self, length: int) -> str:
        """So many letters and digits."""
        return "".join(self._rng.choices(_ALPHABET, k=length))

    def opaque(self, now: float, kind: str) -> str:
        """An OAuth 2.0 token or code as X makes them: base64 around what is X's own business."""
        inside = f"{self.made_of(43)}:{int(now * 1000)}:1:1:{kind}:1"
        return base64.b64encode(inside.encode()).decode().rstrip("=")

    def pin(self) -> str:
        """Seven digits, for a person to type."""
        return f"{self._rng.randrange(10**7):07}"
