"""Simulating: a day's progress while it is computed, and what came of it, to read and to look at.

It only looks. On a terminal the chart is drawn with blocks, elsewhere it is a few plain lines of
numbers; what is simulated is the simulation's business.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..budgets.priority import Priority
from ..simulation import Arrival, Part, Result, Setting, Simulation, Timeline

AT_ONCE = 2_000
"""Events between two looks at whether somebody wants it to stop."""
PLAIN_ROWS = 12
"""Of the chart without a terminal."""
SAID = 5
"""Lines of the scheduler's log that are shown."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 6
"""Rows of the backlog's chart."""

_ARRIVALS = {
    Arrival.BURST: "all there at the start",
    Arrival.STEADY: "coming evenly over the hours",
    Arrival.DAYTIME: "coming at random, most of them about noon",
}


class Screen(Protocol):
    """Shows how far a simulation is, inside ``with``, and then what came of it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, simulation: Simulation) -> None:
        """Show it as it is now, if it is time to."""

    def end(self, setting: Setting, result: Result, wall_seconds: float) -> None:
        """Say what came of it."""


def screen_on(file: TextIO) -> Screen:
    """Choose the one that suits: a chart where there is a terminal that can, else plain lines."""
    if file.isatty():
        console = Console(file=file)
        if not console.is_dumb_terminal and console.encoding.startswith("utf"):
            return LiveScreen(console)
    return PlainScreen(file)


async def simulate(simulation: Simulation, screen: Screen) -> Result:
    """Run it to its end; cancelled, it stops between two events."""
    while simulation.advance(AT_ONCE):
        screen.show(simulation)
        await asyncio.sleep(0)
    return simulation.result()


class PlainScreen:
    """Lines without control codes; while it runs, one every few seconds."""

    every = 3.0

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it: every line is finished already."""

    def show(self, simulation: Simulation) -> None:
        """Write one line, unless the last was just now."""
        now = time.monotonic()
        if now - self._shown >= self.every:
            self._shown = now
            print(so_far(simulation), file=self._file, flush=True)

    def end(self, setting: Setting, result: Result, wall_seconds: float) -> None:
        """Write the summary, the table of the budgets, and the hours."""
        lines = [*summary(setting, result, wall_seconds), "", *budget_rows(result)]
        lines += ["", *hour_rows(result.timeline), "", verdict(result)]
        print("\n".join(lines), file=self._file, flush=True)


class LiveScreen:
    """One line that moves while it runs, and a chart in colours at the end."""

    every = 0.1

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing of the line, and give the terminal back."""
        self._live.stop()

    def show(self, simulation: Simulation) -> None:
        """Write the line anew, unless that was just now."""
        now = time.monotonic()
        if now - self._shown >= self.every:
            self._shown = now
            line = Text(so_far(simulation), no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=True)

    def end(self, setting: Setting, result: Result, wall_seconds: float) -> None:
        """Draw what came of it."""
        self._live.stop()
        self._print([*summary(setting, result, wall_seconds), "", *budget_rows(result), ""])
        columns = max(24, min(96, self._console.width - 10))
        backlog, budgets, hours = drawing(result.timeline, columns)
        self._print(backlog, "yellow")
        self._print(budgets, "cyan")
        self._print([hours, ""], "dim")
        self._print([verdict(result)], "bold red" if result.failures() else "bold green")

    def _print(self, lines: Sequence[str], style: str | None = None) -> None:
        for line in lines:
            self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def so_far(simulation: Simulation) -> str:
    """How far it is, in one line."""
    return (
        f"hour {simulation.now / 3_600:.1f} of {simulation.setting.hours:g}: "
        f"{simulation.sent:,} of {simulation.asked:,} messages sent, "
        f"{simulation.backlog:,} wait, {simulation.refused:,} refused"
    )


def title(setting: Setting) -> str:
    """What is simulated, in one line."""
    return (
        f"{setting.accounts:,} accounts, {setting.messages:,} messages each, "
        f"{mix_words(setting.mix)}"
    )


def mix_words(mix: Sequence[Part]) -> str:
    """Of which parts the messages are, and how they arrive; briefly, if there are several."""
    if len(mix) > 1:
        total = sum(part.share for part in mix)
        return ", ".join(
            f"{100 * part.share / total:.3g} % {part.priority.name.lower()} ({part.arrival})"
            for part in mix
        )
    urgency = "" if mix[0].priority is Priority.NORMAL else f"{mix[0].priority.name.lower()}, "
    return urgency + _ARRIVALS[mix[0].arrival]


def reserve_words(reserve: Mapping[Priority, float]) -> str:
    """What is kept of an app's budget, and from whom."""
    kept = [f"{100 * share:g} % from {p.name.lower()}" for p, share in reserve.items() if share]
    if not kept:
        return "nothing of an app's budget is kept from anybody"
    return f"of an app's budget {' and '.join(kept)}, melting as its window passes"


def summary(setting: Setting, result: Result, wall_seconds: float) -> list[str]:
    """Tell what a user wants to know, a line each."""
    unsent = result.wanted - result.sent
    messages = f"{result.sent:,} of {result.wanted:,} sent"
    if unsent:
        messages += f"; {unsent:,} still wait when the {setting.hours:g} hours end"
    requests = f"{result.requests:,}, of which {result.refused_429:,} refused with 429"
    if setting.foreign:
        requests += f"; others took {result.taken_by_others:,} units"
    finish, bound = result.finish_seconds, result.lower_bound_seconds
    spent = f"the last answer came after {span(finish)}"
    if bound:
        spent += f"; the limits allow no less than {span(bound)}"
        if all(part.arrival is Arrival.BURST for part in setting.mix):
            spent += f", of which it is {finish / bound:.4f} times"
    agrees = "has the server's limits" if result.right_plan else "is NOT what the server counts by"
    facts = [
        ("accounts", title(setting)),
        ("plan", f"{setting.plan.name!r}, which {agrees}"),
        ("messages", messages),
        ("requests", requests),
        ("reserve", reserve_words(setting.reserve)),
        ("time", spent),
        *(("waits", words) for words in wait_words(result)),
        ("fairness", f"{result.jain:.4f} by Jain's index (1 is equal shares)"),
        ("computed", f"{setting.hours:g} hours in {wall_seconds:.1f} s"),
    ]
    return [f"{name:<10}{fact}" for name, fact in facts] + log_rows(result)


def wait_words(result: Result) -> list[str]:
    """How long messages waited, a line for each priority there is."""
    return [
        f"{priority.name.lower()}: half of {waits.count:,} at most {span(waits.p50)}, "
        f"99 % at most {span(waits.p99)}"
        for priority, waits in result.waits.items()
    ]


def log_rows(result: Result) -> list[str]:
    """The first lines of the scheduler's log, each once with how often it came."""
    times = Counter(text for _, text in result.says)
    first = {text: at for at, text in reversed(result.says)}
    rows = []
    for text in list(times)[:SAID]:
        often = f" ({times[text]:,} times)" if times[text] > 1 else ""
        rows.append(f"{'log':<10}after {span(first[text])}: {text}{often}")
    if len(times) > SAID:
        rows.append(f"{'':<10}and {len(times) - SAID:,} lines more")
    return rows


def budget_rows(result: Result) -> list[str]:
    """Every budget over all of its owners and windows: used, of what was possible."""
    rows = [("budget", "owners", "windows", "used", "possible", "")]
    for name, uses in result.budgets.items():
        used, possible = sum(use.used for use in uses), sum(use.possible for use in uses)
        owners = len({use.owner for use in uses})
        share = f"{used / possible:.1%}" if possible else ""
        rows.append((name, f"{owners:,}", f"{len(uses):,}", f"{used:,}", f"{possible:,}", share))
    return _aligned(rows)


def hour_rows(timeline: Timeline) -> list[str]:
    """The chart in numbers: the most of each stretch."""
    rows = [("hours", "waiting", *timeline.budgets)]
    coarse = timeline.coarser(PLAIN_ROWS)
    each = timeline.hours / PLAIN_ROWS
    for index, waiting in enumerate(coarse.backlog):
        stretch = f"{each * index:.3g} to {each * (index + 1):.3g}"
        shares = [f"{row[index]:.1%}" for row in coarse.budgets.values()]
        rows.append((stretch, f"{waiting:,}", *shares))
    return _aligned(rows)


def drawing(timeline: Timeline, columns: int) -> tuple[list[str], list[str], str]:
    """The chart in blocks: the backlog's rows, the budgets' rows, and the hours below."""
    coarse = timeline.coarser(columns)
    most = max(coarse.backlog)
    backlog = [f"messages waiting, at most {most:,}"]
    for row in range(_HEIGHT, 0, -1):
        if most:
            cells = (_block(level / most * _HEIGHT - (row - 1), row) for level in coarse.backlog)
            backlog.append(f"{'│' if row > 1 else '└'}{''.join(cells)}".rstrip())
    budgets = []
    for name, levels in coarse.budgets.items():
        budgets.append(f"{name} used, at most {max(levels):.1%}")
        budgets.append(f"└{''.join(_block(level, 1) for level in levels)}".rstrip())
    end = f"{timeline.hours:g} h"
    return backlog, budgets, f" 0 h{end:>{columns - 3}}"


def verdict(result: Result) -> str:
    """Say in one line whether the scheduler kept what it promises."""
    failures = result.failures()
    if failures:
        return f"FAILED: {'; '.join(failures)}."
    if result.refused_429:
        why = "others took some" if result.taken_by_others else "the plan was wrong"
        return f"DONE: {result.refused_429:,} requests were refused, since {why}."
    return "OK: nothing was refused."


def span(seconds: float) -> str:
    """Seconds as people say them: ``1.3 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3_600:.1f} h"


def _block(level: float, row: int) -> str:
    """One character, by eighths; the lowest row shows whatever is more than nothing."""
    eighths = max(0, min(8, int(level * 8 + 0.5)))
    return _BLOCKS[max(eighths, 1) if row == 1 and level > 0 else eighths]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
