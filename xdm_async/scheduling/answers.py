"""Answers: what the headers of one answer say, and what follows for buckets, plan and suspects.

Which bucket of a permit each report is about, what the server shows of its own structure, and
what is held for a refusal. Nobody is granted anything here: that is decided by
`xdm_async.scheduling.machine`, when this is done.
"""

from __future__ import annotations

import logging
import random

from ..budgets.bucket import DOUBTED, Bucket, Finding
from ..budgets.budget import Budget, Report
from ..budgets.outlook import opens_at
from ..budgets.server_clock import ServerClock
from .events import Action, Say, Settle
from .flows import Ticket
from .layout import fits
from .roster import Roster
from .suspicion import Suspicion

INFINITY = float("inf")


class Answers:
    """Takes answers in, each for a permit that has just ended."""

    def __init__(self, roster: Roster, clock: ServerClock, seed: int | None) -> None:
        self._roster = roster
        self._clock = clock
        self.suspicion = Suspicion(roster)
        self._random = random.Random(seed)
        self._disbelieved: set[str] = set()

    def take_in(self, event: Settle, now: float) -> list[Action]:
        """Settle every bucket of the ticket, and draw the conclusions; what there is to say."""
        ticket = event.ticket
        says: list[Action] = []
        reports = _assigned(ticket, event.reports, event.date)
        findings = []
        explained = False
        for index, held in enumerate(ticket.buckets):
            bucket, report = held.real, reports.get(index)
            if index < event.settled:
                continue
            probe = bool(ticket.probes >> index & 1)
            for _ in range(event.repeated):
                bucket.take_again()
                self._settle(bucket, None, event, probe=False)
            finding = self._settle(bucket, report, event, probe=probe)
            if finding is not Finding.NOTHING and report is not None:
                findings.append((finding, bucket, report))
            if event.refused and report is not None and report.remaining == 0:
                explained |= bucket.spent(now, self._clock)
        self._doubt(ticket, reports, says)
        if event.refused:
            if not explained:
                self._hold(ticket, reports, event, now, says)
            elif event.retry_after:
                for index in reports:
                    ticket.buckets[index].real.hold(now, event.retry_after)
        elif self.suspicion:
            self.suspicion.acquit(ticket, event.sent)
        self._learn(ticket, reports, event)
        for finding, bucket, report in findings:
            self._find(finding, bucket, report, event)
        says.extend(Say(logging.INFO, sentence) for sentence in self._roster.news)
        self._roster.news.clear()
        return says

    def _settle(
        self, bucket: Bucket, report: Report | None, event: Settle, *, probe: bool
    ) -> Finding:
        return bucket.settle(
            report,
            route=event.ticket.route,
            probe=probe,
            refused=event.refused,
            sent=event.sent,
            received=event.received,
            date=event.date,
            clock=self._clock,
        )

    def _doubt(self, ticket: Ticket, reports: dict[int, Report], says: list[Action]) -> None:
        """A plan caught wrong about a limit is not trusted where no header confirms it."""
        if len(reports) == len(ticket.buckets):
            return
        for index, report in reports.items():
            budget = ticket.buckets[index].budget
            if report.limit is None or report.limit == budget.limit:
                continue
            for bucket in ticket.buckets:
                if not bucket.reported and not bucket.doubted:
                    bucket.real.doubt()
                    bucket.doubted = True
                    self._disbelieve(bucket.budget.name, budget, report.limit, says)
            return

    def _disbelieve(self, name: str, known: Budget, limit: int, says: list[Action]) -> None:
        """Say once for each budget why it is drawn on with care from now on."""
        if name not in self._disbelieved:
            self._disbelieved.add(name)
            text = (
                f"the server's limit of {known.name!r} is {limit}, the plan's {known.limit}: "
                f"{name!r}, which no header confirms, is drawn on by {DOUBTED} requests at a "
                "time (a plan with the server's limits is not)"
            )
            says.append(Say(logging.INFO, text))

    def _hold(
        self,
        ticket: Ticket,
        reports: dict[int, Report],
        event: Settle,
        now: float,
        says: list[Action],
    ) -> None:
        """Hold what may be behind a refusal that no report explains."""
        visible = any(r.remaining for r in event.reports)
        for bucket in self.suspicion.suspects(ticket, reports, now):
            before = bucket.strikes
            bucket.strike(
                now,
                event.sent,
                self._random.random(),
                visible=visible,
                at_least=event.retry_after,
            )
            if bucket.strikes > before and bucket.strikes in (1, 4):
                level = logging.INFO if bucket.strikes == 1 else logging.WARNING
                text = (
                    f"refused without an explanation ({bucket.strikes} in a row): "
                    f"{called(bucket)} is held for "
                    f"{max(0.0, (opens_at(bucket, now) or now) - now):.1f} s"
                )
                says.append(Say(level, text))

    # What the server shows of its own structure

    def _learn(self, ticket: Ticket, reports: dict[int, Report], event: Settle) -> None:
        """Reports that no bucket of the permit is about make new ones."""
        if len(reports) == len(event.reports) or event.date is None:
            return
        taken = set(map(id, reports.values()))
        for report in event.reports:
            if id(report) not in taken:
                budget = self._roster.learn(ticket, report, event.date)
                if budget is not None:
                    self._feed(ticket, budget, report, event)

    def _find(self, finding: Finding, bucket: Bucket, report: Report, event: Settle) -> None:
        """A report contradicts the plan: follow it."""
        if finding is Finding.SHARED:
            self._roster.join(event.ticket, bucket, event.received)
            return
        if finding is Finding.SLIDES:
            self._roster.reunite(bucket, event.received)
            return
        own = self._roster.split(event.ticket.route, bucket)
        if own is not None:
            self._feed(event.ticket, own, report, event)

    def _feed(self, ticket: Ticket, budget: Budget, report: Report, event: Settle) -> None:
        """Let a bucket that is new take in the answer that made it known."""
        for bucket in self._roster.flow(ticket).buckets:
            if bucket.budget.name == budget.name:
                probe = bucket.take(event.sent)
                self._settle(bucket, report, event, probe=probe)


def _assigned(ticket: Ticket, reports: tuple[Report, ...], date: float | None) -> dict[int, Report]:
    """Which bucket of the permit each report is about: its family, its window, its limit."""
    assigned: dict[int, Report] = {}
    for report in reports:
        best, best_rank = -1, (-1, -1, -INFINITY)
        for index, bucket in enumerate(ticket.buckets):
            if (
                bucket.budget.report == report.family
                and index not in assigned
                and fits(bucket.budget, report, date)
            ):
                real = bucket.real
                rank = (
                    int(report.reset is not None and real.reset == report.reset),
                    int(real.limit == report.limit),
                    -bucket.budget.window,
                )
                if rank > best_rank:
                    best, best_rank = index, rank
        if best >= 0:
            assigned[best] = report
    return assigned


def called(bucket: Bucket) -> str:
    """A bucket in a sentence."""
    if bucket.budget.owner == "app":
        return f"budget {bucket.budget.name!r} of the app"
    return f"budget {bucket.budget.name!r} of user {bucket.owner}"
