"""Holds: how long nothing goes after a refusal that nothing explains.

1, 2, 4 … seconds, each between half and whole of that, so that many owners' holds end apart. What
is held, and what goes when a hold is over, is the bucket's business.
"""

from __future__ import annotations

from .server_clock import DRIFT


class Hold:
    """The refusals of one bucket that no report explained, and until when it is held for them.

    Always true: a hold is a deadline; nothing shortens it.
    """

    __slots__ = ("strikes", "struck_at", "until")

    def __init__(self) -> None:
        self.strikes = 0
        """Refusals in a row, one a round trip."""
        self.struck_at = float("-inf")
        self.until = float("-inf")

    def strike(
        self,
        window: float,
        now: float,
        spread: float,
        *,
        opened: float,
        visible: bool,
        reported: bool,
    ) -> None:
        """One more: hold, longer each time.

        ``opened`` is when the window must have opened at the latest, ``visible`` says that the
        refusal came with reports that have something left, ``reported`` that this budget's are
        among those that come.
        """
        self.strikes += 1
        self.struck_at = now
        span = self._span(window, hidden=visible and not reported)
        until = now + span * (0.5 + spread / 2.0)
        over = opened + window * (1.0 + DRIFT)
        if visible and now + 1.0 < over < until:
            until = over
        self.until = max(self.until, until)

    def absorb(self, other: Hold) -> None:
        """Both hold one and the same bucket from now on."""
        self.strikes = max(self.strikes, other.strikes)
        self.struck_at = max(self.struck_at, other.struck_at)
        self.until = max(self.until, other.until)

    def _span(self, window: float, *, hidden: bool) -> float:
        """1, 2, 4 … s up to window / 24, at least 900 s. A day's budget that is spent behind
        healthy reports is asked for less and less often, so that a day costs a dozen refusals.
        """
        if hidden and window > 900.0 and self.strikes > 1:
            return float(min(2.0 * 5.0 ** min(self.strikes - 1, 20), window))
        cap = min(window, max(900.0, window / 24.0))
        return float(min(2.0 ** min(self.strikes - 1, 40), cap))
