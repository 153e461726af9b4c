"""Outages: which errors pass by themselves, and how often an outage is spoken of: twice.

Pure, apart from the log.
"""

from __future__ import annotations

import logging

from ..errors import (
    BudgetExhausted,
    ConnectFailed,
    OutcomeUnknown,
    RateLimited,
    RenewalFailed,
    UsageCapped,
)

_log = logging.getLogger("xdm_async")


def passes(error: Exception) -> bool:
    """Whether asking again later may well succeed, though nobody does anything about it."""
    if isinstance(error, UsageCapped):
        return False
    return isinstance(
        error, OutcomeUnknown | ConnectFailed | BudgetExhausted | RateLimited | RenewalFailed
    )


class Outage:
    """The failures of one account in a row."""

    __slots__ = ("_known", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._known = False

    def failed(self, error: Exception, user_id: str | None) -> None:
        """Count a failure that will pass; the first of them is told."""
        self.failures += 1
        if not self._known:
            self._known = True
            _log.warning(
                "watching account %s is interrupted, and tried again until it succeeds: %s: %s",
                user_id or "(not yet identified)",
                type(error).__name__,
                error,
            )

    def over(self, user_id: str | None) -> None:
        """A poll has succeeded."""
        if self._known:
            _log.info("watching account %s goes on after %d failures", user_id, self.failures)
        self.failures, self._known = 0, False
