"""Processes with an App in each, all over one store's file, and all that they have said.

They are told by lines of JSON over a socket; what they log at DEBUG goes to a file. Each is ended
by its id.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 20.0
"""Seconds after which a process that says nothing hangs."""


class Nursery:
    """The process that the others are forked from, and that waits for their ends."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen([sys.executable, WORKER, "nursery"], stdin=theirs)

    def fork(self, line: socket.socket, log: int, debug: bool) -> int:
        told = json.dumps({"debug": debug}).encode()
        socket.send_fds(self._control, [told], [line.fileno(), log])
        return int(self._heard()["pid"])

    def wait(self, pid: int) -> dict[str, int]:
        self._control.sendall(json.dumps({"wait": pid}).encode())
        return self._heard()

    def _heard(self) -> dict[str, int]:
        return json.loads(self._control.recv(4096))

    def end(self) -> None:
        self._control.close()
        self.process.wait(PATIENCE)


class Process:
    """One process: told and heard by lines, stopped, resumed and killed."""

    def __init__(self, log: Path, nursery: Nursery | None, debug: bool) -> None:
        self.log = log
        self.heard: list[str] = []
        """All that it said, in answers; what it logs is in the file."""
        self._nursery = nursery
        self._over = False
        self._line, theirs = socket.socketpair()
        with theirs, open(log, "wb") as file:
            if nursery is None:
                self._process = subprocess.Popen(
                    [sys.executable, WORKER, "one"], stdin=theirs, stdout=file, stderr=file
                )
                self.pid = self._process.pid
            else:
                self.pid = nursery.fork(theirs, file.fileno(), debug)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def tell(self, do: str, **what: Any) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._line, limit=2**24)
        self._streams[1].write(json.dumps({"do": do} | what).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        assert self._streams is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._streams[0].readline()
        if not line:
            raise EOFError(f"process {self.pid} has ended: {self.log.read_text()[-2000:]}")
        self.heard.append(line.decode())
        return json.loads(line)

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        await self.tell(do, **what)
        return await self.hear()

    async def stopped(self) -> None:
        """It is about to stop: wait until it has, or is over."""
        assert self._nursery is not None
        assert "stopped" in await asyncio.to_thread(self._nursery.wait, self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """End it in the midst of whatever it does, and wait until nothing of it is left."""
        if self._over:
            return
        self._over = True
        os.kill(self.pid, signal.SIGKILL)
        wait = self._process.wait if self._nursery is None else self._ended
        await asyncio.to_thread(wait)
        if self._streams is not None:
            self._streams[1].close()
        else:
            self._line.close()

    def _ended(self) -> None:
        assert self._nursery is not None
        while "ended" not in self._nursery.wait(self.pid):
            pass  # it had been stopped before
