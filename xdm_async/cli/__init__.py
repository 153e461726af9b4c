"""The command ``xdm``; without the extra ``cli`` it says in one sentence how to get it."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run ``xdm`` with the arguments of the process, and exit: 0 done, 1 failed, 2 misused."""
    _open_what_is_closed()
    try:
        try:
            from .commands import run
        except ModuleNotFoundError as exc:
            if (exc.name or "").partition(".")[0] not in ("typer", "rich", "click", "platformdirs"):
                raise
            print("xdm needs its extra: pip install 'xdm_async[cli]'", file=sys.stderr)
            sys.exit(2)
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # outside of what a command does itself, such as while it loads
        print("stopped: nothing was on its way", file=sys.stderr)
        code = 1
    sys.exit(code)


def _open_what_is_closed() -> None:
    """What the caller has closed (``>&-``) leads nowhere; no file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
