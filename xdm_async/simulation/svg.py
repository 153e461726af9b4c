"""The chart as an SVG file: backlog above, use of the budgets below, over the hours.

Written by hand, and needing nothing: no scripts, no fonts, no styles from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .timeline import Timeline

WIDTH = 960
_LEFT, _RIGHT = 72, 936
_BACKLOG, _BUDGETS = (72, 242), (312, 482)
"""Top and bottom of the two panels."""
_LEGEND = 526
"""Where the names of the budgets begin, a line each."""
_COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#be185d")
_GREY, _INK = "#6b7280", "#111827"


def svg(timeline: Timeline, title: str, subtitle: str = "") -> str:
    """Draw a timeline; ``title`` and ``subtitle`` say what it is of."""
    most = max(1, *timeline.backlog)
    height = _LEGEND + 18 * len(timeline.budgets)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 26, title, size=16, fill=_INK),
        _text(_LEFT, 44, subtitle),
        _text(_LEFT, _BACKLOG[0] - 8, "messages waiting", fill=_INK),
        *_frame(_BACKLOG, timeline.hours, (f"{most:,}", f"{most / 2:,.0f}", "0")),
        _area([level / most for level in timeline.backlog], _BACKLOG),
        _text(_LEFT, _BUDGETS[0] - 8, "budgets used, of all owners together", fill=_INK),
        *_frame(_BUDGETS, timeline.hours, ("100 %", "50 %", "0 %")),
    ]
    for index, (name, row) in enumerate(timeline.budgets.items()):
        colour, y = _COLOURS[index % len(_COLOURS)], _LEGEND + 18 * index
        parts.append(_line(row, _BUDGETS, colour))
        parts.append(f'<rect x="{_LEFT}" y="{y - 6}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(_LEFT + 22, y, f"{name}, at most {max(row):.1%}", fill=_INK))
    return "\n".join([*(part for part in parts if part), "</svg>", ""])


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, fill: str = _GREY
) -> str:
    if not words:
        return ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">'
        f"{escape(words)}</text>"
    )


def _frame(panel: tuple[int, int], hours: float, labels: Sequence[str]) -> Iterable[str]:
    """Lines across with what they mean, and the hours below."""
    top, bottom = panel
    for index, label in enumerate(labels):
        y = top + (bottom - top) * index / (len(labels) - 1)
        yield f'<path d="M{_LEFT} {y:g}H{_RIGHT}" stroke="#e5e7eb" fill="none"/>'
        yield _text(_LEFT - 8, y + 4, label, anchor="end")
    for index in range(9):
        x = _LEFT + (_RIGHT - _LEFT) * index / 8
        yield f'<path d="M{x:g} {bottom}v4" stroke="{_GREY}" fill="none"/>'
        yield _text(x, bottom + 18, f"{hours * index / 8:.3g} h", anchor="middle")


def _steps(row: Sequence[float], panel: tuple[int, int]) -> str:
    """One step a column, from the first column's level to the last one's."""
    top, bottom = panel
    width = (_RIGHT - _LEFT) / len(row)
    levels = [bottom - min(1.0, max(0.0, level)) * (bottom - top) for level in row]
    words = [f"{_LEFT} {levels[0]:.2f}"]
    for index, level in enumerate(levels):
        if index and level != levels[index - 1]:
            words.append(f"V{level:.2f}")
        words.append(f"H{_LEFT + width * (index + 1):.2f}")
    return "".join(words)


def _area(row: Sequence[float], panel: tuple[int, int]) -> str:
    return (
        f'<path d="M{_LEFT} {panel[1]}L{_steps(row, panel)}V{panel[1]}Z" '
        'fill="#f59e0b" fill-opacity="0.45" stroke="#b45309"/>'
    )


def _line(row: Sequence[float], panel: tuple[int, int], colour: str) -> str:
    return f'<path d="M{_steps(row, panel)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
