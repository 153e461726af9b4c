"""The commands of ``xdm``: their arguments, their exit codes, and what goes to which stream.

0 is done, 1 failed, 2 misused. What a command does is elsewhere; an error is one sentence on
standard error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import stat
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ..budgets import plans
from ..budgets.priority import RESERVE, Priority
from ..emulator import CALLBACKS, check_callbacks
from ..errors import InvalidPlan
from ..simulation import (
    TABLES,
    Arrival,
    Part,
    Result,
    Setting,
    Simulation,
    Table,
    parse_mix,
    svg,
)
from . import accounts as keeping
from . import demo as demos
from . import login as logins
from . import reading, serve
from . import simulate as simulations
from .display import Display, display_on, follow
from .failing import Failed, give_up_output
from .outcome import Outcome
from .progress import Progress
from .stopping import Stopped, run_until_stopped

MOST_MESSAGES = 1_000_000
"""Of all accounts together, so that a demo or a simulation fits into memory."""

_INTERRUPTED = 130
"""What Typer makes of a Ctrl-C outside of what a command does itself."""

cli = typer.Typer(
    name="xdm",
    help="Direct Messages of the X API v2, and a local X to try them on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def run(args: list[str]) -> int:
    """Run a command; returns its exit code."""
    command = typer.main.get_command(cli)
    try:
        code = int(command.main(args, prog_name="xdm", standalone_mode=False) or 0)
    except Failed as exc:
        return _say(f"xdm: {exc}", exc.code)
    except BrokenPipeError:
        give_up_output()  # who read us is gone
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
    callback: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="An address where logins may end, matched exactly, in place of "
            f"{CALLBACKS[0]}. Once for each.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Describe it in one line for machines.")
    ] = False,
) -> int:
    """Serve a local X on loopback until Ctrl-C."""
    try:
        callbacks = check_callbacks(callback or CALLBACKS)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="'--callback'") from None
    try:
        x = serve.build(
            limit or (),
            port=port,
            users=users,
            seed=seed,
            day_headers=day_headers,
            callbacks=callbacks,
        )
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
        raise Failed(f"port {port} of loopback cannot be served on: {reason}") from None
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
            _write(json.dumps(outcome.as_json()) + "\n", json_file)
    except (Stopped, KeyboardInterrupt):
        return _say(f"stopped: {_so_far(progress)}", 1)
    except BaseExceptionGroup as group:
        broken, others = group.split(BrokenPipeError)
        if broken is None or others is not None:
            raise
        raise BrokenPipeError from None
    return 0 if outcome.holds else 1


@cli.command()
def simulate(
    accounts: Annotated[int, typer.Option(min=1, max=100_000, help="They share one App.")] = 1_000,
    messages: Annotated[int, typer.Option(min=1, max=100_000, help="Of each account.")] = 15,
    hours: Annotated[
        float, typer.Option(min=0.01, max=8_784, help="How long; it starts at midnight.")
    ] = 24,
    plan: Annotated[
        str, typer.Option(help="What the client believes: default or pay-per-use.")
    ] = "default",
    server: Annotated[
        Table | None,
        typer.Option(help="What the server counts by, to try a wrong plan; else the plan's own."),
    ] = None,
    arrival: Annotated[
        Arrival, typer.Option(help="How the messages of each account arrive over the hours.")
    ] = Arrival.BURST,
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="How urgent they are, in parts with commas between: bulk=0.9:burst, "
            "interactive=10%:steady. Each is bulk, normal or interactive, its share of each "
            "account's messages, and its --arrival where that is another. The shares sum to 1. "
            "Without it all are normal.",
        ),
    ] = None,
    reserve: Annotated[
        bool,
        typer.Option(help="Let the less urgent leave some of an app's budget to the more urgent."),
    ] = True,
    latency: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds of a round trip, in the mean.")
    ] = 0.12,
    foreign: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the user budgets that others want.")
    ] = 0,
    clock_skew: Annotated[
        float,
        typer.Option(min=-31_536_000, max=31_536_000, help="Seconds the server's clock is ahead."),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write what came of it; - is standard output."),
    ] = None,
    svg_file: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Draw the chart into a file.")
    ] = None,
) -> int:
    """Run the scheduler through whole days in seconds, against a server's windows."""
    if accounts * messages > MOST_MESSAGES:
        raise typer.BadParameter(
            f"{accounts:,} accounts with {messages:,} messages each are more than the "
            f"{MOST_MESSAGES:,} messages that a simulation takes",
            param_hint="'--messages'",
        )
    numbers = {"hours": hours, "latency": latency, "foreign": foreign, "clock-skew": clock_skew}
    for name, number in numbers.items():
        if math.isnan(number):  # which is within every range
            raise typer.BadParameter("nan is not a number", param_hint=f"'--{name}'")
    try:
        believed = plans.named(plan)
    except InvalidPlan as exc:
        raise typer.BadParameter(str(exc), param_hint="'--plan'") from None
    parts: tuple[Part, ...] = (Part(Priority.NORMAL, 1.0, arrival),)
    if mix is not None:
        try:
            parts = parse_mix(mix, arrival)
        except ValueError as exc:
            raise typer.BadParameter(str(exc), param_hint="'--mix'") from None
    if json_file not in (None, "-"):
        _check_writable(Path(json_file or ""))
    if svg_file is not None:
        if svg_file in ("-", json_file):
            raise typer.BadParameter("the chart needs a file of its own", param_hint="'--svg'")
        _check_writable(Path(svg_file), "--svg")
    if server is None:
        server = Table.DOCS_2026 if believed is plans.PAY_PER_USE else Table.DOCUMENTED
    setting = Setting(
        accounts=accounts,
        messages=messages,
        hours=hours,
        plan=believed,
        limits=TABLES[server],
        latency=latency,
        foreign=foreign,
        clock_skew=clock_skew,
        seed=seed,
        mix=parts,
        reserve=RESERVE if reserve else {},
    )
    return _simulate(setting, json_file, svg_file)


def _simulate(setting: Setting, json_file: str | None, svg_file: str | None) -> int:
    began = time.perf_counter()
    simulation: Simulation | None = None
    try:
        simulation = Simulation(setting)
        with simulations.screen_on(sys.stderr if json_file == "-" else sys.stdout) as screen:
            result: Result = run_until_stopped(simulations.simulate(simulation, screen))
            wall_seconds = time.perf_counter() - began
            screen.end(setting, result, wall_seconds)
        if svg_file is not None:
            subtitle = simulations.summary(setting, result, wall_seconds)[2].partition(" ")[2]
            _write(svg(result.timeline, simulations.title(setting), subtitle.strip()), svg_file)
        if json_file is not None:
            _write(json.dumps(result.as_json(wall_seconds)) + "\n", json_file)
    except (Stopped, KeyboardInterrupt):
        far = simulations.so_far(simulation) if simulation else "it had not begun"
        return _say(f"stopped: {far}", 1)
    return 1 if result.failures() else 0


for _reads in (reading.events, reading.watch, reading.export):
    cli.command()(_reads)

for _knows in (logins.login, keeping.accounts, keeping.logout, keeping.whoami):
    cli.command()(_knows)


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


def _check_writable(path: Path, option: str = "--json") -> None:
    """Find out now, and leave what is there as it is; what comes of it takes its time."""
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
            f"{str(path)!r} cannot be written: {_reason(exc)}", param_hint=f"'{option}'"
        ) from None


def _write(text: str, file: str) -> None:
    try:
        if file == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            Path(file).write_text(text, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise Failed(f"{file!r} cannot be written: {_reason(exc)}") from None


def _reason(exc: OSError | ValueError) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return str(exc)
