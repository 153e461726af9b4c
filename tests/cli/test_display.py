import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rich.console import Console

from xdm_async import BudgetState
from xdm_async.cli.display import Display, LiveDisplay, PlainDisplay, display_on, queues
from xdm_async.cli.progress import Progress

from .test_outcome import GOOD

NOW = datetime.now(UTC)
"""When this was imported; what opens long after it does so long after any test."""


def budget(name: str, owner: str, *, waiting: int, opens_in: float | None = 5.0) -> BudgetState:
    resets_at = None if opens_in is None else NOW + timedelta(seconds=opens_in)
    return BudgetState(name, owner, "known", 10, 3, 1, waiting, resets_at)


def half_way(ask: Callable[[], list[BudgetState]]) -> Progress:
    return Progress(
        phase="sending", sent=1_500, to_send=4_000, windows={"dm.write": 12.0}, budgets=ask
    )


def test_what_waits_is_summed_up_by_budget_until_the_first_that_opens() -> None:
    write, read = queues(
        [
            budget("write", "1", waiting=4, opens_in=9.0),
            budget("write", "2", waiting=2, opens_in=7.0),
            budget("write", "3", waiting=0, opens_in=1.0),
            budget("read", "1", waiting=0),
        ]
    )[::-1]

    assert (write.owners, write.limit, write.remaining) == (3, 30, 9)
    assert (write.waiting, write.waiting_owners) == (6, 2)
    assert write.opens(NOW) == "in 7 s"
    assert write.opens(NOW + timedelta(seconds=8)) == "now"
    assert (read.waiting, read.opens(NOW)) == (0, "")


def test_a_budget_that_nobody_knows_the_end_of_says_nothing_about_it() -> None:
    (queue,) = queues([budget("write", "1", waiting=4, opens_in=None)])

    assert queue.opens(NOW) == ""


def shown(display: Display, file: io.StringIO) -> str:
    with display:
        display.show(half_way(lambda: [budget("dm.write", "1", waiting=2_500, opens_in=600.0)]))
        display.end(GOOD)
    return file.getvalue()


def test_what_is_no_terminal_gets_plain_lines() -> None:
    file = io.StringIO()
    display = display_on(file)

    text = shown(display, file)

    assert isinstance(display, PlainDisplay)
    assert "1,500 of 4,000 messages sent; 2,500 wait for dm.write, opens in" in text
    assert text.isascii()
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.splitlines()[-1].startswith("OK: ")


def test_a_terminal_gets_bars_and_is_given_back_with_its_cursor() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=30, _environ={})

    text = shown(LiveDisplay(console), file)

    assert "1,500 of 4,000 messages" in text
    assert "10 per 12 s" in text
    assert "2,500" in text
    hidden, shown_again = text.rindex("\x1b[?25l"), text.rindex("\x1b[?25h")
    assert hidden < shown_again
    assert "OK: " in text
