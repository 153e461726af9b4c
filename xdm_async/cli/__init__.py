"""The command ``xdm``; without the extra ``cli`` it says in one sentence how to get it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``xdm`` with the arguments of the process, and exit: 0 done, 1 failed, 2 misused."""
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
