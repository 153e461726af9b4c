"""The commands of ``xdm``: their arguments, their exit codes, and what goes to which stream.

0 is done, 1 failed, 2 misused. What a command does is elsewhere; an error is one sentence on
standard error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import demo as demos
from . import serve
from .display import Display, display_on, follow
from .outcome import Outcome
from .progress import Progress
from .stopping import Stopped, run_until_stopped

MOST_MESSAGES = 1_000_000
"""Of all accounts together, so that a demo fits into memory."""

_INTERRUPTED = 130
"""What Typer makes of a Ctrl-C outside of what a command does itself."""

cli = typer.Typer(
    name="xdm",
    help="Direct Messages of the X API v2, and a local X to try them on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Failed(Exception):
    """A sentence for standard error, and exit code 1."""


def run(args: list[str]) -> int:
    """Run a command; returns its exit code."""
    command = typer.main.get_command(cli)
    try:
        code = int(command.main(args, prog_name="xdm", standalone_mode=False) or 0)
    except _Failed as exc:
        return _say(f"xdm: {exc}", 1)
    except BrokenPipeError:
        # Who read us is gone; at the end of the process nothing must try to tell them more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as exc:
        # Typer's own, wherever it comes from: older ones bring click's, newer ones their copy.
        format_message = getattr(exc, "format_message", None)
        if format_message is None:
            raise
        words = format_message().strip()
        return _say(" ".join(["xdm:", *words.split()]), 2) if words else 2
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    return code


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


@cli.callback()
def _xdm() -> None:
    """Direct Messages of the X API v2, and a local X to try them on."""


@cli.command()
def emulator(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of loopback; 0 takes any that is free.")
    ] = 0,
    users: Annotated[
        int, typer.Option(min=1, max=10_000, help="Users with tokens to begin with.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Of what is random in ids and tokens.")] = 0,
    day_headers: Annotated[
        bool, typer.Option("--day-headers", help="Report 24-hour limits in headers, too.")
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of a group's documented limits: dm.write.user=20/12 is 20 per 12 "
            "seconds of each user. Once for each."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Describe it in one line for machines.")
    ] = False,
) -> int:
    """Serve a local X on loopback until Ctrl-C."""
    try:
        x = serve.build(limit or (), port=port, users=users, seed=seed, day_headers=day_headers)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="'--limit'") from None
    try:
        run_until_stopped(serve.serve(x, sys.stdout, as_json=as_json))
    except (Stopped, KeyboardInterrupt):
        return 0
    except BrokenPipeError:
        raise
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc)
        raise _Failed(f"port {port} of loopback cannot be served on: {reason}") from None
    return 0


@cli.command()
def demo(
    accounts: Annotated[int, typer.Option(min=2, max=10_000, help="They share one App.")] = 40,
    messages: Annotated[int, typer.Option(min=1, max=100_000, help="Of each account.")] = 100,
    seed: Annotated[int, typer.Option(help="Of what is random in the local X.")] = 0,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write what came of it; - is standard output."),
    ] = None,
) -> int:
    """Send and read back, with many accounts, against a local X with short windows."""
    if accounts * messages > MOST_MESSAGES:
        raise typer.BadParameter(
            f"{accounts:,} accounts with {messages:,} messages each are more than the "
            f"{MOST_MESSAGES:,} messages that a demo takes",
            param_hint="'--messages'",
        )
    if json_file not in (None, "-"):
        _check_writable(Path(json_file or ""))
    setting = demos.Setting(accounts=accounts, messages=messages, seed=seed)
    progress = Progress()
    display = display_on(sys.stderr if json_file == "-" else sys.stdout)
    try:
        with display:
            outcome = run_until_stopped(_demo(setting, progress, display))
            display.end(outcome)
        if json_file is not None:
            _write(outcome, json_file)
    except (Stopped, KeyboardInterrupt):
        return _say(f"stopped: {_so_far(progress)}", 1)
    except BaseExceptionGroup as group:
        broken, others = group.split(BrokenPipeError)
        if broken is None or others is not None:
            raise
        raise BrokenPipeError from None
    return 0 if outcome.holds else 1


async def _demo(setting: demos.Setting, progress: Progress, display: Display) -> Outcome:
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(follow(progress, display))
        outcome = await demos.run(setting, progress)
        watching.cancel()
    return outcome


def _so_far(progress: Progress) -> str:
    if not progress.to_send:
        return "nothing was sent"
    words = f"{progress.sent:,} of {progress.to_send:,} messages were sent"
    if progress.to_read:
        words += f", {progress.read:,} of {progress.to_read:,} events read"
    if progress.errors:
        words += f", with {progress.errors.total():,} errors"
    return words


def _check_writable(path: Path) -> None:
    """Find out now, and leave what is there as it is; a demo takes its time."""
    try:
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:
            path.touch()
            path.unlink()
            return
        if regular:
            path.open("ab").close()
        elif path.is_dir() or not os.access(path, os.W_OK):
            why = errno.EISDIR if path.is_dir() else errno.EACCES
            raise OSError(why, os.strerror(why))
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(
            f"{str(path)!r} cannot be written: {_reason(exc)}", param_hint="'--json'"
        ) from None


def _write(outcome: Outcome, json_file: str) -> None:
    line = json.dumps(outcome.as_json()) + "\n"
    try:
        if json_file == "-":
            sys.stdout.write(line)
            sys.stdout.flush()
        else:
            Path(json_file).write_text(line, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise _Failed(f"{json_file!r} cannot be written: {_reason(exc)}") from None


def _reason(exc: OSError | ValueError) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return str(exc)
