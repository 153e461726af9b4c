"""Progress: how far a demo is, written by those who do it and read by whoever shows it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import attrs

from .. import BudgetState, XdmError


@attrs.define
class Progress:
    """Counts that only grow, and a way to ask what waits for what."""

    phase: str = "starting"
    sent: int = 0
    to_send: int = 0
    read: int = 0
    to_read: int = 0
    """Known when the reading begins: the server is asked what there is."""
    errors: Counter[str] = attrs.field(factory=Counter)
    """What went wrong, in the words of the errors, and how often."""
    started: float = attrs.field(factory=time.monotonic)
    windows: dict[str, float] = attrs.field(factory=dict)
    """Seconds of each budget's window, by its name."""
    budgets: Callable[[], list[BudgetState]] = list
    """What `App.budgets` says; it costs something where there are many accounts."""

    def failed(self, error: XdmError) -> None:
        """Count an error."""
        self.errors[f"{type(error).__name__}: {error}"] += 1
