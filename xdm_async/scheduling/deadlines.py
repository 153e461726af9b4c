"""Deadlines: which waiting tickets are not wanted any more, and when."""

from __future__ import annotations

import heapq

from .flows import Stage, Ticket

INFINITY = float("inf")


class Deadlines:
    """The tickets that have a deadline, the earliest first; no timer for each.

    Those who are granted or gone are passed over when their time comes, and swept out before they
    are most of them.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ticket]] = []
        self._serial = 0

    @property
    def first_at(self) -> float:
        """When to look next; infinity where there is nothing to look for."""
        return self._heap[0][0] if self._heap else INFINITY

    def add(self, ticket: Ticket, alive: int) -> None:
        """Watch a ticket's deadline; ``alive`` is how many tickets wait or are granted."""
        self._serial += 1
        heapq.heappush(self._heap, (ticket.deadline, self._serial, ticket))
        if len(self._heap) > 2 * alive + 1000:
            self._heap = [entry for entry in self._heap if entry[2].stage <= Stage.GRANTED]
            heapq.heapify(self._heap)

    def pop(self, now: float) -> Ticket | None:
        """A ticket that still waits and whose deadline has come; out of the list."""
        while self._heap and self._heap[0][0] <= now:
            ticket = heapq.heappop(self._heap)[2]
            if ticket.stage is Stage.WAITING and ticket.deadline <= now:
                return ticket
        return None
