"""Stopping: Ctrl-C and SIGTERM as one exception, after everything was closed in order.

A command's coroutine is cancelled and closes what it opened; what is said about it, and with
which exit code, is left to the command.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The user wanted it to stop, and it has."""


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own.

    Raises:
        Stopped: a SIGINT or SIGTERM came before its end.
    """
    try:
        return asyncio.run(_stoppable(work))
    except KeyboardInterrupt:  # before the loop listened, or where loops do not (Windows)
        raise Stopped from None
    finally:
        work.close()  # nothing to do, unless it was never begun


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    told = False

    def tell() -> None:
        nonlocal told
        told = True
        task.cancel()

    loop = asyncio.get_running_loop()
    # Also where a shell that runs us in the background has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, tell)
        except (NotImplementedError, RuntimeError, ValueError):
            break
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            raise Stopped from None
        raise
