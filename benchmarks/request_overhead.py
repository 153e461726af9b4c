"""What do one send and one typed page of 100 events cost, beside plain aiohttp and orjson?

    python benchmarks/request_overhead.py [--rounds N] [--requests N] [--json FILE]

Three clients do the same requests on the same local server, interleaved round by round:

- *ours*: `App`, its scheduler (the default plan, with limits that are never reached), its signer
  and its transport; a page comes back as models, with expansions resolved;
- *plain*: an aiohttp session as it comes, orjson, a header dict per request; a page comes back as
  a dict;
- *tuned*: the same with what is known to help: no cookie jar, headers that never change on the
  session, URLs built once and taken as they are.

The server is a process of its own, so that the CPU time of this process is the client's alone. It
answers with what the emulator answered once, byte for byte; only ``Date`` and ``x-rate-limit-*``
go on. Like X it sets a cookie, which a session as it comes keeps and sends back. Before anything
is measured, each client's requests are shown to the emulator itself. It measures and does not
judge: the exit status is 0 whatever the numbers are.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp
import orjson
from oauthlib.oauth1 import Client as OAuth1Signer
from yarl import URL

from xdm_async import App, OAuth1, OAuth2, plans
from xdm_async.emulator import Emulator, describe
from xdm_async.endpoints.queries import list_query

TEXT = "Your order 4711 has left our house and should be with you on Thursday. Thank you!"
EVENTS = 100
RECIPIENTS = 64
"""So few that yarl's own caches hold all URLs, which is kind to the plain client."""
UNLIMITED = 10**9
WINDOW = 900.0
CONCURRENCY = (1, 32)
LONGEST = 40.0
"""Seconds after which no further round begins."""
DELAY = 0.05
"""Seconds that the server takes for an answer while sockets are counted."""
TASKS = (128, 1_000)
LIST = "/2/dm_events"
AUTHS = ("oauth2", "oauth1")
JOBS = ("send", "page")


# The server, in its own process


class Canned(NamedTuple):
    """An answer of the emulator: all of it but what changes from one to the next."""

    head: bytes
    body: bytes


class Counts:
    """What the server has seen of sockets and requests."""

    def __init__(self) -> None:
        self.accepted = self.open = self.peak = self.requests = 0
        self.delay = 0.0


class Dressing:
    """The headers that change: the date, and what is left of a budget of a billion."""

    def __init__(self) -> None:
        self._second = -1
        self._date = b""
        self._opened = time.time()
        self._used = 0

    def headers(self) -> bytes:
        """The date and one more unit used, as header lines."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._date = f"date: {formatdate(self._second, usegmt=True)}\r\n".encode()
        if now >= self._opened + WINDOW:
            self._opened, self._used = now, 0
        self._used += 1
        return (
            self._date
            + (
                f"x-rate-limit-limit: {UNLIMITED}\r\n"
                f"x-rate-limit-remaining: {UNLIMITED - self._used}\r\n"
                f"x-rate-limit-reset: {math.ceil(self._opened + WINDOW)}\r\n\r\n"
            ).encode()
        )


class Answering(asyncio.Protocol):
    """One connection: every POST gets the one answer, every GET the other."""

    def __init__(
        self, answers: dict[bytes, Canned], dressings: dict[bytes, Dressing], counts: Counts
    ) -> None:
        self._answers = answers
        self._dressings = dressings
        self._counts = counts
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        counts = self._counts
        counts.accepted += 1
        counts.open += 1
        counts.peak = max(counts.peak, counts.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        self._counts.open -= 1
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            method = head[:4].rstrip()
            whole = end + 4
            if method == b"POST":
                length = head.lower().index(b"content-length: ") + 16
                whole += int(head[length:].split(b"\r\n", 1)[0])
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._counts.requests += 1
            if self._counts.delay:
                loop = asyncio.get_running_loop()
                loop.call_later(self._counts.delay, self._answer, method)
            else:
                self._answer(method)

    def _answer(self, method: bytes) -> None:
        if self._transport is not None:
            canned = self._answers[method]
            dressing = self._dressings[method].headers()
            self._transport.write(b"".join((canned.head, dressing, canned.body)))


_CHANGING = ("date", "x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset")


async def record(emulator: Emulator) -> dict[bytes, Canned]:
    """Ask the emulator for one send and one page, and keep the answers as they came."""
    reader, *others = emulator.users
    chance = random.Random(0)
    for i in range(EVENTS):
        other = others[i % 20]
        pair = (other, reader) if i % 3 else (reader, other)
        words = " ".join(f"{chance.getrandbits(24):x}" for _ in range(chance.randint(4, 24)))
        link = f" https://example.com/orders/{i}" if i % 10 == 0 else ""
        emulator.deliver(*pair, words + link)
    headers = {
        "Authorization": f"Bearer {reader.oauth2['access_token']}",
        "Content-Type": "application/json",
    }
    calls: list[tuple[str, str, bytes | None]] = [
        ("GET", f"{LIST}?{list_query()}", None),
        ("POST", send_path(others[0].id), orjson.dumps({"text": TEXT})),
    ]
    answers = {}
    async with aiohttp.ClientSession(auto_decompress=False, headers=headers) as session:
        for method, path, body in calls:
            url = URL(emulator.url + path, encoded=True)
            async with session.request(method, url, data=body) as answer:
                answer.raise_for_status()
                lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
                lines += [f"{k}: {v}" for k, v in answer.headers.items() if keeps(k)]
                head = "".join(f"{line}\r\n" for line in lines).encode()
                answers[method.encode()] = Canned(head, await answer.read())
    return answers


def keeps(header: str) -> bool:
    return header.lower() not in _CHANGING


def send_path(participant_id: str) -> str:
    return f"/2/dm_conversations/with/{participant_id}/messages"


async def listen(answers: dict[bytes, Canned], counts: Counts) -> asyncio.Server:
    """Open a port for one client: what it has left must not fall by what others send."""
    dressings = {method: Dressing() for method in answers}
    return await asyncio.get_running_loop().create_server(
        lambda: Answering(answers, dressings, counts), "127.0.0.1", 0, backlog=2_048
    )


def url_of(server: asyncio.Server) -> str:
    # By name, as api.x.com is: no aiohttp cookie jar keeps what a bare address sets.
    return f"http://localhost:{server.sockets[0].getsockname()[1]}"


async def serve() -> None:
    """Serve until standard input ends; each line on it is a command, answered by one line."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    over = asyncio.Event()
    limits = {"dm.read": [["user", UNLIMITED, WINDOW]], "dm.write": [["user", UNLIMITED, WINDOW]]}
    emulator = Emulator(limits)
    for _ in range(RECIPIENTS + 1):
        emulator.add_user()

    def obey(line: str) -> None:
        word, _, value = line.partition(" ")
        if word == "delay":
            counts.delay = float(value)
        elif word == "reset":
            counts.accepted, counts.requests, counts.peak = 0, 0, counts.open
        print(json.dumps(vars(counts)), flush=True)

    def read_commands() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(obey, line.strip())
        loop.call_soon_threadsafe(over.set)

    async with emulator:
        answers = await record(emulator)
        servers = {name: await listen(answers, counts) for name in CLIENTS}
        about = {
            "canned": {name: url_of(server) for name, server in servers.items()},
            "emulator": describe(emulator),
            "bytes": {method.decode(): len(canned.body) for method, canned in answers.items()},
        }
        print(json.dumps(about), flush=True)
        threading.Thread(target=read_commands, daemon=True).start()
        await over.wait()
        for server in servers.values():
            server.close()


class Server:
    """The server's process, as this one sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.about = self._read()

    def ask(self, command: str) -> dict[str, Any]:
        """Have a command carried out, and return its counts."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return self._read()

    def stop(self) -> None:
        """End it, and wait for its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the benchmark's server ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


# The clients


class Client(Protocol):
    """What is compared."""

    async def send(self, auth: str, to: str) -> str:
        """Send `TEXT`; the id of the event it became."""
        ...

    async def page(self, auth: str) -> int:
        """Read one page of everything; how many events it holds."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Ours:
    """The whole of xdm_async."""

    def __init__(self, base: str, about: dict[str, Any]) -> None:
        keys, user = about["app"], about["users"][0]
        budgets = [b.name for group in plans.DEFAULT.groups.values() for b in group]
        self._app = App(
            consumer_key=keys["consumer_key"],
            consumer_secret=keys["consumer_secret"],
            base_url=base,
            plan=plans.DEFAULT.override(dict.fromkeys(budgets, UNLIMITED)),
        )
        self._accounts = {
            "oauth2": self._app.account(OAuth2(user["oauth2"]["access_token"]), user_id=user["id"]),
            "oauth1": self._app.account(OAuth1(**user["oauth1"])),
        }

    async def send(self, auth: str, to: str) -> str:
        """Send by `Account.send`."""
        return (await self._accounts[auth].send(to, TEXT)).dm_event_id

    async def page(self, auth: str) -> int:
        """Read the first page of `Account.events`."""
        page = await anext(self._accounts[auth].events().pages())
        return len(page.data)

    async def close(self) -> None:
        """Close the App."""
        await self._app.aclose()


class Plain:
    """An aiohttp session as it comes."""

    def __init__(self, base: str, about: dict[str, Any]) -> None:
        keys, user = about["app"], about["users"][0]
        self._base = base
        self._bearer = f"Bearer {user['oauth2']['access_token']}"
        self._signer = OAuth1Signer(
            keys["consumer_key"],
            client_secret=keys["consumer_secret"],
            resource_owner_key=user["oauth1"]["token"],
            resource_owner_secret=user["oauth1"]["token_secret"],
        )
        self._list = f"{base}{LIST}?{list_query()}"
        self._session = self._open()

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    def _authorization(self, auth: str, method: str, url: str) -> str:
        if auth == "oauth2":
            return self._bearer
        return str(self._signer.sign(url, http_method=method)[1]["Authorization"])

    async def send(self, auth: str, to: str) -> str:
        """POST and read the id."""
        url = self._base + send_path(to)
        async with self._session.post(
            url,
            data=orjson.dumps({"text": TEXT}),
            headers={
                "Authorization": self._authorization(auth, "POST", url),
                "Content-Type": "application/json",
            },
        ) as answer:
            answer.raise_for_status()
            return str(orjson.loads(await answer.read())["data"]["dm_event_id"])

    async def page(self, auth: str) -> int:
        """GET and read the list, as it lies in the JSON."""
        headers = {"Authorization": self._authorization(auth, "GET", self._list)}
        async with self._session.get(self._list, headers=headers) as answer:
            answer.raise_for_status()
            return len(orjson.loads(await answer.read())["data"])

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()


class Tuned(Plain):
    """The same with a session that is set up for this one job."""

    def __init__(self, base: str, about: dict[str, Any]) -> None:
        super().__init__(base, about)
        self._list_url = URL(self._list, encoded=True)
        self._urls: dict[str, URL] = {}

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Content-Type": "application/json"},
        )

    async def send(self, auth: str, to: str) -> str:
        """POST and read the id."""
        url = self._urls.get(to)
        if url is None:
            url = self._urls[to] = URL(self._base + send_path(to), encoded=True)
        headers = {"Authorization": self._authorization(auth, "POST", str(url))}
        async with self._session.post(
            url, data=orjson.dumps({"text": TEXT}), headers=headers
        ) as answer:
            answer.raise_for_status()
            return str(orjson.loads(await answer.read())["data"]["dm_event_id"])

    async def page(self, auth: str) -> int:
        """GET and read the list, as it lies in the JSON."""
        headers = {"Authorization": self._authorization(auth, "GET", self._list)}
        async with self._session.get(self._list_url, headers=headers) as answer:
            answer.raise_for_status()
            return len(orjson.loads(await answer.read())["data"])


CLIENTS: dict[str, Callable[[str, dict[str, Any]], Client]] = {
    "ours": Ours,
    "plain": Plain,
    "tuned": Tuned,
}


# Measuring


class Cell(NamedTuple):
    """One thing that is measured, for each client."""

    job: str
    auth: str
    concurrency: int

    def __str__(self) -> str:
        return f"{self.job}  {self.auth}  {self.concurrency:>2} at once"


class Cost(NamedTuple):
    """What one request cost in one round."""

    cpu: float
    """Microseconds of this process, in user and kernel mode."""
    rate: float
    """Requests a second."""


Once = Callable[[int], Awaitable[object]]


async def run(once: Once, concurrency: int, requests: int) -> None:
    """Make ``requests`` requests by so many workers, each doing one after the other."""
    if concurrency == 1:
        for i in range(requests):
            await once(i)
        return
    numbers = iter(range(requests))

    async def work() -> None:
        for i in numbers:
            await once(i)

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def measure(once: Once, concurrency: int, requests: int) -> Cost:
    """Time one cell of one client, after a short warm-up of its connections."""
    await run(once, concurrency, concurrency)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    await run(once, concurrency, requests)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu / requests * 1e6, requests / wall)


def request_of(client: Client, cell: Cell, recipients: Sequence[str]) -> Once:
    if cell.job == "send":
        return lambda i: client.send(cell.auth, recipients[i % len(recipients)])
    return lambda _: client.page(cell.auth)


async def check(about: dict[str, Any], recipients: Sequence[str]) -> None:
    """Show every client's requests to the emulator: what it refuses would measure nothing."""
    for name, make in CLIENTS.items():
        client = make(about["url"], about)
        try:
            for auth in AUTHS:
                assert await client.send(auth, recipients[0]), name
                assert await client.page(auth) == EVENTS, name
        finally:
            await client.close()


async def compare(
    server: Server, rounds: int, requests: int, say: Callable[[str], None]
) -> dict[Cell, dict[str, list[Cost]]]:
    """Measure every cell of every client, once a round, in an order that changes."""
    about = server.about["emulator"]
    recipients = [user["id"] for user in about["users"][1:]]
    await check(about, recipients)
    cells = [Cell(job, auth, n) for job in JOBS for auth in AUTHS for n in CONCURRENCY]
    costs: dict[Cell, dict[str, list[Cost]]] = {
        cell: {name: [] for name in CLIENTS} for cell in cells
    }
    clients = {name: make(server.about["canned"][name], about) for name, make in CLIENTS.items()}
    order = random.Random(0)
    try:
        for name, client in clients.items():
            for cell in cells:
                await measure(request_of(client, cell, recipients), cell.concurrency, 50)
            say(f"warm: {name}")
        began = time.monotonic()
        for number in range(rounds):
            if time.monotonic() - began > LONGEST:
                break
            for cell in order.sample(cells, len(cells)):
                many = requests if cell.job == "send" else max(requests // 4, 1)
                many = max(many, cell.concurrency)
                for name in order.sample(list(clients), len(clients)):
                    once = request_of(clients[name], cell, recipients)
                    costs[cell][name].append(await measure(once, cell.concurrency, many))
            say(f"round {number + 1} of {rounds}")
    finally:
        for client in clients.values():
            await client.close()
    return costs


async def count_sockets(server: Server) -> list[dict[str, int]]:
    """How many sockets many sends at once hold, and how many they open after the warm-up."""
    about = server.about["emulator"]
    recipients = [user["id"] for user in about["users"][1:]]
    client = Ours(server.about["canned"]["ours"], about)
    seen = []

    async def burst(tasks: int) -> None:
        await asyncio.gather(*(client.send("oauth2", recipients[i % 64]) for i in range(tasks)))

    server.ask(f"delay {DELAY}")
    try:
        server.ask("reset")
        for _ in range(3):
            await burst(TASKS[0])
        warm = server.ask("stats")
        seen.append({"tasks": TASKS[0], "held": warm["peak"], "opened": warm["accepted"]})
        for tasks in TASKS:
            server.ask("reset")
            for _ in range(3):
                await burst(tasks)
            now = server.ask("stats")
            seen.append({"tasks": tasks, "held": now["peak"], "opened": now["accepted"]})
    finally:
        await client.close()
        server.ask("delay 0")
    return seen


# Telling


class Spread(NamedTuple):
    """The least, the middle and the most of some rounds."""

    least: float
    median: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def spread(values: Iterable[float]) -> Spread:
    known = sorted(values)
    return Spread(known[0], statistics.median(known), known[-1])


def ratio(costs: dict[str, list[Cost]], field: int, of: str = "ours", to: str = "plain") -> Spread:
    """How two clients compare, round by round."""
    return spread(a[field] / b[field] for a, b in zip(costs[of], costs[to], strict=True))


def table(costs: dict[Cell, dict[str, list[Cost]]]) -> Iterable[str]:
    """The medians, and our CPU and rate as ratios to those of the plain client."""
    left, width = 27, 9
    names = "".join(f"{name:>{width}}" for name in CLIENTS)
    titles = (
        f"{title:>{3 * width}}" for title in ("client CPU, µs a request", "requests a second")
    )
    yield f"{'':{left}}{'   '.join(titles)}"
    yield f"{'':{left}}{names}   {names}"
    for cell, by_client in costs.items():
        cpu = [statistics.median(c.cpu for c in by_client[name]) for name in CLIENTS]
        rate = [statistics.median(c.rate for c in by_client[name]) for name in CLIENTS]
        yield (
            f"{cell!s:{left}}"
            + "".join(f"{value:>{width},.0f}" for value in cpu)
            + "   "
            + "".join(f"{value:>{width},.0f}" for value in rate)
        )
    yield ""
    yield "ratios, round by round: the median (least to most)"
    yield f"{'':{left}}{'CPU ours/plain':<23}{'CPU tuned/plain':<23}rate ours/plain"
    for cell, by_client in costs.items():
        yield (
            f"{cell!s:{left}}"
            f"{ratio(by_client, 0)!s:<23}"
            f"{ratio(by_client, 0, 'tuned')!s:<23}"
            f"{ratio(by_client, 1)}"
        )


def as_json(
    costs: dict[Cell, dict[str, list[Cost]]], sockets: list[dict[str, int]], rounds: int
) -> dict[str, Any]:
    """All of it as plain data, for whoever compares two runs."""
    return {
        "python": platform.python_version(),
        "aiohttp": aiohttp.__version__,
        "machine": platform.platform(),
        "rounds": rounds,
        "cells": [
            cell._asdict()
            | {
                name: {
                    "cpu_us": round(statistics.median(c.cpu for c in rows), 1),
                    "requests_per_second": round(statistics.median(c.rate for c in rows), 1),
                }
                for name, rows in by_client.items()
            }
            | {
                "cpu_ours_to_plain": ratio(by_client, 0)._asdict(),
                "cpu_tuned_to_plain": ratio(by_client, 0, "tuned")._asdict(),
                "rate_ours_to_plain": ratio(by_client, 1)._asdict(),
            }
            for cell, by_client in costs.items()
        ],
        "sockets": sockets,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=12, help="at most; none begins after 40 s")
    parser.add_argument(
        "--requests", type=int, default=120, help="sends a cell and round; a quarter of it, pages"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return

    def say(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    rounds, requests = max(options.rounds, 1), max(options.requests, 1)
    server = Server()
    try:
        size = server.about["bytes"]
        print(
            f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}; "
            f"the answer to a send has {size['POST']:,} bytes, a page {size['GET']:,} (gzip)"
        )
        costs = asyncio.run(compare(server, rounds, requests, say))
        say("")
        done = len(next(iter(costs.values()))["ours"])
        print(f"{done} rounds of {requests} sends and {max(requests // 4, 1)} pages a client\n")
        for line in table(costs):
            print(line)
        print("\nsockets, with an answer after 50 ms")
        sockets = asyncio.run(count_sockets(server))
        for when, seen in zip(("warm-up, 3 x", "3 x", "3 x"), sockets, strict=True):
            print(
                f"  {when} {seen['tasks']:,} sends at once: "
                f"{seen['held']} held at most, {seen['opened']} opened"
            )
        if options.json is not None:
            data = as_json(costs, sockets, done)
            options.json.write_text(json.dumps(data, indent=2) + "\n")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
