"""`xdm events`, `watch` and `export` on real terminals, with real signals and pipes."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import MAIN, Here, Start, ended, first_line, posix

IMPATIENT = f"import xdm_async.cli.status as status; status.PATIENCE = 0.0; {MAIN}"
"""The command, that says at once what it waits for."""


async def until(screen: bytearray, words: str, terminal: int) -> None:
    """Read what a terminal is told up to these words, colours aside."""
    while words not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode(errors="replace")):
        screen += await asyncio.to_thread(os.read, terminal, 4096)


async def rest(screen: bytearray, terminal: int) -> str:
    while True:
        try:
            screen += await asyncio.to_thread(os.read, terminal, 4096)
        except OSError:  # the other side is closed
            return screen.decode()


@posix
@pytest.mark.slow
@pytest.mark.parametrize("command", ["events", "export"])
async def test_on_a_terminal_it_says_what_it_waits_for_and_stops_cleanly(
    command: str, settle: Callable[..., Here], start: Start, tmp_path: Path
) -> None:
    here = settle(limits={"dm.read": [["user", 1, 900]]})
    here.deliver(150)
    file = tmp_path / "all.jsonl"
    args = [command] + (["-o", str(file)] if command == "export" else [])
    terminal, theirs = os.openpty()
    try:
        how = {"TERM": "xterm", "COLUMNS": "150"}
        process = await start(
            *args, code=IMPATIENT, stdout=theirs, stderr=theirs, env=os.environ | how
        )
    finally:
        os.close(theirs)
    screen = bytearray()
    await until(screen, "waiting for budget dm.read.user.15m until ", terminal)

    process.send_signal(signal.SIGINT)
    told = await rest(screen, terminal)
    os.close(terminal)

    assert await process.wait() == 1
    assert told.rindex("\x1b[?25l") < told.rindex("\x1b[?25h")  # the cursor is back
    assert "Traceback" not in told
    last = told.rstrip().splitlines()[-1]
    if command == "events":
        assert last.endswith("stopped: 100 events were shown")
        assert "\x1b[1;36mben\x1b[0m" in told
    else:
        assert "100 events, back to " in told
        assert last.endswith(
            f"stopped: 100 events are in {str(file)!r}; run the same command to go on"
        )
        assert len(file.read_text().splitlines()) == 100
    assert here.token not in told


@pytest.mark.slow
@posix
async def test_who_reads_no_further_ends_it_without_a_word(here: Here, start: Start) -> None:
    here.deliver(3)
    reader, writer = os.pipe()
    os.close(reader)
    process = await start("events", stdout=writer)
    os.close(writer)

    assert await ended(process) == (1, "", "")


@pytest.mark.slow
@posix
async def test_a_watch_shows_what_is_new_and_goes_on_after_a_restart(
    here: Here, start: Start, tmp_path: Path
) -> None:
    """What came while it was down is shown, what was shown is not shown again."""
    group = here.x.create_group(here.ann, [here.ben], "all together").dm_conversation_id
    watch = ["watch", "--since", "1h", "--checkpoint", str(tmp_path / "at")]
    here.deliver(1)
    process = await start(*watch, "--json", "--in", group)
    shown = [json.loads(await first_line(process))["id"] for _ in range(2)]

    process.send_signal(signal.SIGINT)
    assert await ended(process) == (0, "", "")
    here.x.deliver(here.ben, group, "good night")
    process = await start(*watch, "--in", group, "--share", "1")
    line = (await first_line(process)).decode()
    process.send_signal(signal.SIGTERM)

    assert await ended(process) == (0, "", "")
    assert shown == [e.id for e in here.x.events_of(here.ann) if e.dm_conversation_id == group][:2]
    assert line.endswith("  ben  good night\n")
