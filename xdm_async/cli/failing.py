"""Failing: one sentence for standard error and an exit code, from wherever a command gives up."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


class Failed(Exception):
    """A sentence for standard error, and exit code 1."""

    code = 1


class Misused(Failed):
    """The command was asked for what cannot be: exit code 2."""

    code = 2


@contextlib.contextmanager
def output_said() -> Iterator[None]:
    """Say in a sentence why standard output cannot be written; a pipe that nobody reads is no news.

    Raises:
        Failed: the disk that it leads to is full, its terminal is gone, or whatever it is.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        give_up_output()
        reason = exc.strerror or type(exc).__name__
        raise Failed(f"standard output cannot be written: {reason}") from None


def give_up_output() -> None:
    """Let nothing more be told there, not at the end of the process either."""
    with contextlib.suppress(OSError, ValueError):  # it is no file of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
