"""A process of its own with Apps in it, told by lines of JSON what to do: see `processes`.

As ``one`` it is such a process, whose line is its standard input. As ``nursery`` it forks one for
each message that brings a socket and a log file: the package is imported once for all of them, and
of what an App makes there is nothing yet.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from xdm_async import App, OAuth2
from xdm_async.account import Account
from xdm_async.stores import SqliteStore


class Worker:
    """What one process has: its Apps by their names, and handles that stay as they are."""

    def __init__(self, writer: asyncio.StreamWriter, apps: AsyncExitStack) -> None:
        self._writer = writer
        self._closing = apps
        self._apps: dict[str, App] = {}
        self._accounts: dict[str, Account] = {}

    def say(self, **what: Any) -> None:
        self._writer.write(json.dumps(what).encode() + b"\n")

    async def do(self, do: str, **what: Any) -> None:
        self.say(**await getattr(self, do)(**what))

    async def open(self, app: str, path: str, key: str | None, stop: str | None, **keys: Any):
        """Make an App over a store's file; ``stop`` says where its first renewal halts."""
        store: Any = f"sqlite:{path}"
        if stop is not None:
            store, key = SqliteStore(path, [key] if key else []), None
            self._halt(store.vault, stop)
        made = App(store=store, vault_key=key, **keys)
        self._apps[app] = await self._closing.enter_async_context(made)
        return {}

    def _halt(self, vault: Any, where: str) -> None:
        """Stop this process once: with the lock in hand, or just before or after a pair is kept."""
        lock, swap = vault.lock, vault.swap
        left = [where]

        def reached(place: str) -> None:
            if left == [place]:
                left.clear()
                self.say(stopping=place)
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

        @asynccontextmanager
        async def locked(owner: str):
            async with lock(owner):
                reached("locked")
                yield

        async def swapped(grant: Any) -> Any:
            reached("before the write")
            kept = await swap(grant)
            reached("after the write")
            return kept

        vault.lock, vault.swap = locked, swapped

    def _account(self, app: str, known: str | None, pair: Any, max_wait: float | None) -> Account:
        name = json.dumps([app, known, pair])
        if name not in self._accounts:
            given = known if pair is None else OAuth2(**pair)
            user_id = None if pair is None else known
            assert given is not None
            self._accounts[name] = self._apps[app].account(given, user_id=user_id)
        account = self._accounts[name]
        return account if max_wait is None else account.using(max_wait=max_wait)

    async def call(
        self,
        app: str,
        accounts: list[tuple[str | None, Any]],
        tasks: int = 1,
        send: tuple[str, str] | None = None,
        max_wait: float | None = None,
    ):
        """Call as each account in so many tasks at once; says what came of the calls of each."""
        told: dict[str, dict[str, Any]] = {}
        traces: list[str] = []

        async def one(account: Account, number: int) -> str:
            try:
                if send is None:
                    await account.me()
                else:
                    await account.send(send[0], f"{send[1]} {number}")
            except Exception as exc:
                traces.append("".join(traceback.format_exception(exc)))
                name = type(exc).__name__
                told[name] = {
                    "sentence": str(exc),
                    "user_id": getattr(exc, "user_id", None),
                    "reason": getattr(exc, "reason", None),
                }
                return name
            return "ok"

        every = [self._account(app, known, pair, max_wait) for known, pair in accounts]
        outcomes = await asyncio.gather(*(one(who, n) for who in every for n in range(tasks)))
        of = [Counter(outcomes[n : n + tasks]) for n in range(0, len(outcomes), tasks)]
        return {"outcomes": of, "told": told, "traces": traces}

    async def close(self):
        """Close every App."""
        self._accounts.clear()
        self._apps.clear()
        await self._closing.aclose()
        return {}


async def serve(line: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=line, limit=2**20)
    async with AsyncExitStack() as apps:
        worker, doing = Worker(writer, apps), set()
        while said := await reader.readline():
            doing.add(asyncio.create_task(worker.do(**json.loads(said))))
        for task in doing:
            task.cancel()
    writer.close()
    await writer.wait_closed()


def one(debug: bool) -> None:
    os.umask(0)  # so that modes are what the package makes them
    logging.basicConfig(level=logging.DEBUG)
    asyncio.run(serve(socket.socket(fileno=os.dup(0))), debug=debug)


def nursery() -> None:
    control = socket.socket(fileno=os.dup(0))
    while True:
        said, handles, *_ = socket.recv_fds(control, 4096, 2)
        if not said:
            return
        told = json.loads(said)
        if "wait" in told:
            _, status = os.waitpid(told["wait"], os.WUNTRACED)
            stopped = os.WIFSTOPPED(status)
            answer = {"stopped" if stopped else "ended": os.WSTOPSIG(status) if stopped else status}
        else:
            if (pid := os.fork()) == 0:
                control.close()
                for number, handle in enumerate((*handles, handles[1])):
                    os.dup2(handle, number)
                for handle in handles:
                    os.close(handle)
                return one(told["debug"])
            for handle in handles:
                os.close(handle)
            answer = {"pid": pid}
        control.sendall(json.dumps(answer).encode())


if __name__ == "__main__":
    nursery() if sys.argv[1] == "nursery" else one(debug=True)
