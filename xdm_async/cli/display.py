"""The display: a demo as it runs, live on a terminal and in plain lines elsewhere, and its summary.

It only looks: at `Progress` while a demo runs, at its `Outcome` afterwards. Asking what waits for
what costs something where there are many accounts, so it is asked the less often the longer it
takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol, Self, TextIO

import attrs
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .. import BudgetState
from .outcome import Outcome
from .progress import Progress


@attrs.define
class Queue:
    """One budget over all of its owners: what is left of it, and what waits for it until when."""

    name: str
    owners: int = 0
    limit: int = 0
    remaining: int = 0
    waiting: int = 0
    waiting_owners: int = 0
    until: datetime | None = None
    """When the first of those that something waits for gives again."""

    def opens(self, now: datetime) -> str:
        """``in 3 s``, ``now``, or nothing where it is not known."""
        if self.until is None:
            return ""
        seconds = (self.until - now).total_seconds()
        return f"in {seconds:.0f} s" if seconds >= 0.5 else "now"


def queues(states: Iterable[BudgetState]) -> list[Queue]:
    """Sum up what waits for which budget, by the names of the budgets."""
    found: dict[str, Queue] = {}
    for state in states:
        queue = found.get(state.name)
        if queue is None:
            queue = found[state.name] = Queue(state.name)
        queue.owners += 1
        queue.limit += state.limit
        queue.remaining += state.remaining
        if state.waiting:
            queue.waiting += state.waiting
            queue.waiting_owners += 1
            if state.resets_at and (queue.until is None or state.resets_at < queue.until):
                queue.until = state.resets_at
    return sorted(found.values(), key=lambda queue: queue.name)


class Display(Protocol):
    """Shows how far a demo is, inside ``with``."""

    every: float
    """Seconds between two looks, at least."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show it as it is now."""

    def end(self, outcome: Outcome) -> None:
        """Say what came of it."""


def display_on(file: TextIO) -> Display:
    """Choose the one that suits: live where there is a terminal that can, plain lines elsewhere."""
    # Asked of the file itself: variables that ask for colour make no terminal of a pipe.
    if file.isatty():
        console = Console(file=file)
        if not console.is_dumb_terminal:
            return LiveDisplay(console)
    return PlainDisplay(file)


async def follow(progress: Progress, display: Display) -> None:
    """Show it again and again until cancelled, with a small share of one core's time."""
    while True:
        began = time.perf_counter()
        display.show(progress)
        await asyncio.sleep(max(display.every, 25 * (time.perf_counter() - began)))


class PlainDisplay:
    """Lines without control codes, one every few seconds."""

    every = 3.0

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it: every line is finished already."""

    def show(self, progress: Progress) -> None:
        """Write one line."""
        now = datetime.now(UTC)
        words = [f"{time.monotonic() - progress.started:5.1f} s  {progress.phase}"]
        if progress.to_send:
            words.append(f"{progress.sent:,} of {progress.to_send:,} messages sent")
        if progress.to_read:
            words.append(f"{progress.read:,} of {progress.to_read:,} events read")
        for queue in queues(progress.budgets()):
            if queue.waiting:
                until = f", opens {queue.opens(now)}" if queue.until else ""
                words.append(f"{queue.waiting:,} wait for {queue.name}{until}")
        if progress.errors:
            words.append(f"{progress.errors.total():,} errors")
        print("; ".join(words), file=self._file, flush=True)

    def end(self, outcome: Outcome) -> None:
        """Write the summary."""
        print("", *summary(outcome), verdict(outcome), sep="\n", file=self._file, flush=True)


class LiveDisplay:
    """Bars, and a table of what waits for what, drawn in place."""

    every = 0.2

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it is, and give the terminal back."""
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        self._live.update(
            Group(bars(progress), Text(), table(progress, datetime.now(UTC))), refresh=True
        )

    def end(self, outcome: Outcome) -> None:
        """Write the summary in place of the display."""
        self._live.update(Text(), refresh=True)
        self._live.stop()
        for line in summary(outcome):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        style = "bold green" if outcome.holds else "bold red"
        self._console.print(
            verdict(outcome), style=style, markup=False, highlight=False, soft_wrap=True
        )


def bars(progress: Progress) -> RenderableType:
    """Draw how much was sent and read, as two bars."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8)
    grid.add_column(width=40)
    grid.add_column()
    rows = (
        ("sending", progress.sent, progress.to_send, "messages"),
        ("reading", progress.read, progress.to_read, "events"),
    )
    for label, done, there, what in rows:
        # A bar whose total is 0 would count as full.
        bar = ProgressBar(total=max(there, 1), completed=done, width=40)
        grid.add_row(label, bar, f"{done:,} of {there:,} {what}" if there else "")
    seconds = f"{time.monotonic() - progress.started:.0f} s"
    errors = f"{progress.errors.total():,} errors" if progress.errors else ""
    grid.add_row(seconds, progress.phase, Text(errors, style="bold red"))
    return grid


def table(progress: Progress, now: datetime) -> RenderableType:
    """Draw what waits for which budget, and until when."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    found.add_column("budget", no_wrap=True)
    found.add_column("each allows", no_wrap=True)
    for title in ("owners", "left in all", "waiting", "opens"):
        found.add_column(title, justify="right", no_wrap=True)
    for queue in queues(progress.budgets()):
        each, window = queue.limit // queue.owners, progress.windows.get(queue.name)
        found.add_row(
            queue.name,
            f"{each:,} per {window:g} s" if window else f"{each:,}",
            f"{queue.owners:,}",
            f"{queue.remaining:,}",
            Text(f"{queue.waiting:,}" if queue.waiting else "-", style="yellow"),
            queue.opens(now),
        )
    return found


def summary(outcome: Outcome) -> list[str]:
    """Tell what a user wants to know, a line each."""
    events, apart = outcome.events, outcome.conversations
    bound = outcome.lower_bound_seconds
    spent = f"{outcome.seconds:.1f} s"
    if bound:
        spent += f"; the limits allow no less than {bound:.1f} s, of which it is"
        spent += f" {outcome.seconds / bound:.2f} times"
    facts: Mapping[str, str] = {
        "accounts": f"{outcome.accounts:,} of one App, half of them by OAuth 1.0a, half by 2.0",
        "messages": f"{outcome.messages_sent:,} sent, {outcome.messages_stored:,} on the server, "
        f"{outcome.texts.repeated:,} duplicates",
        "events": f"{events.exact:,} of {events.expected:,} read exactly once, and again "
        f"{apart.exact:,} of {apart.expected:,} by conversation",
        "requests": f"{outcome.requests:,}, of which {outcome.refused_429:,} refused with 429",
        "time": spent,
    }
    lines = [f"{name:<10}{fact}" for name, fact in facts.items()]
    worst = sorted(outcome.errors.items(), key=lambda item: -item[1])
    lines += [f"{'error':<10}{count:,} times {text}" for text, count in worst[:10]]
    if len(worst) > 10:
        lines.append(f"{'':<10}and {len(worst) - 10:,} kinds more")
    return lines


def verdict(outcome: Outcome) -> str:
    """Say in one line whether all of it holds, and what does not."""
    failures = outcome.failures()
    if failures:
        return f"FAILED: {'; '.join(failures)}."
    return "OK: every message is stored once, every event was read once, nothing was refused."
