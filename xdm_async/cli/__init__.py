"""The command ``xdm``; without the extra ``cli`` it says in one sentence how to get it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``xdm`` with the arguments of the process."""
    try:
        from .commands import run
    except ModuleNotFoundError as exc:
        if exc.name not in ("typer", "rich", "click", "platformdirs"):
            raise
        print("xdm needs its extra: pip install 'xdm_async[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    run()
