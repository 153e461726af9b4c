"""Forgetting: when each account is looked at for being dropped, many of them at a time."""

from __future__ import annotations

from .flows import Owner

ROUND = 16.0
"""Seconds of accounts that are looked at together."""
AT_ONCE = 1_000


class Forgetting:
    """The accounts to look at, by the round they are due in; a number each, and no timer."""

    def __init__(self) -> None:
        self._rounds: dict[int, list[Owner]] = {}

    def plan(self, owner: Owner, at: float) -> float | None:
        """Look at an account at ``at`` or soon after; when its round is due if that is news."""
        owner.due = int(at // ROUND) + 1
        known = self._rounds.get(owner.due)
        if known is not None:
            known.append(owner)
            return None
        self._rounds[owner.due] = [owner]
        return owner.due * ROUND

    def due(self, now: float) -> list[Owner]:
        """Who is due, no more than so many at a time."""
        found: list[Owner] = []
        for number in sorted(n for n in self._rounds if n * ROUND <= now):
            owners = self._rounds[number]
            room = AT_ONCE - len(found)
            found.extend(owners[-room:])
            del owners[-room:]
            if not owners:
                del self._rounds[number]
            if len(found) >= AT_ONCE:
                break
        return found

    def behind(self, now: float) -> bool:
        """Whether more are due already."""
        return any(number * ROUND <= now for number in self._rounds)
