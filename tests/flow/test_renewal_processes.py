"""Several processes over one store, and processes killed or stopped in the midst of a renewal."""

import asyncio
import base64
import contextlib
import random
import sqlite3
import stat
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from xdm_async import App
from xdm_async.emulator import Emulator
from xdm_async.emulator.app import EmulatedUser
from xdm_async.stores import Grant, SqliteStore
from xdm_async.stores.base import fingerprint

from .browser import visit
from .processes import Nursery, Process

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and fork of POSIX")

KEY = Fernet.generate_key().decode()
CALLBACK = "http://127.0.0.1:8347/callback"
PLENTY = {"users.me": [["user", 100_000, 900]], "dm.write": [["user", 100_000, 900]]}


class Server(Emulator):
    """A local X that remembers each refresh token that came, and whatever it gave out."""

    def __init__(self, **more: Any) -> None:
        super().__init__(PLENTY, **more)
        self.asked = 0
        self.presented: list[tuple[str, str | None]] = []
        """Refresh tokens as they came, and what each was turned into."""
        self.given_out: list[str] = []
        self._turns: list[tuple[Callable[[], bool], asyncio.Event]] = []
        grants, mint, service = (
            self._authentication.grants,
            self._authentication.mint,
            self._service,
        )
        refresh, opaque, answer = grants.refresh, mint.opaque, service.answer

        def remembered(refresh_token: str, now: float) -> Any:
            issued = refresh(refresh_token, now)
            self.presented.append((refresh_token, issued and issued.refresh_token))
            return issued

        def given(now: float, kind: str) -> str:
            self.given_out.append(opaque(now, kind))
            return self.given_out[-1]

        def counted(*request: Any) -> Any:
            self.asked += 1
            answered = answer(*request)
            for condition, event in self._turns:
                if condition():
                    event.set()
            return answered

        grants.refresh, mint.opaque, service.answer = remembered, given, counted  # type: ignore[method-assign]

    def end(self, access_token: str) -> None:
        """Let one token expire, and no other of its user."""
        bearer = self._authentication.grants.bearer(access_token)
        assert bearer is not None
        bearer.expires_at = self.clock()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so, right after a request was carried out."""
        event = asyncio.Event()
        turn = (condition, event)
        self._turns.append(turn)
        try:
            async with asyncio.timeout(60):
                await event.wait()
        finally:
            self._turns.remove(turn)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.end()


@pytest.fixture
async def x() -> AsyncIterator[Server]:
    async with Server() as x:
        yield x


class Scene:
    """A store's file, the processes over it, and a look at it from here."""

    def __init__(self, x: Server, folder: Path, nursery: Nursery, key: str | None = None) -> None:
        self.x = x
        self.path = folder / "private" / "store.db"
        self.key = key
        self.store = SqliteStore(self.path, [key] if key else [])
        self.processes: list[Process] = []
        self._folder = folder
        self._nursery = nursery

    async def start(
        self,
        *,
        stop: str | None = None,
        longest: float | None = None,
        alone: bool = False,
        debug: bool = False,
    ) -> Process:
        """One more process, with an App that is open."""
        log = self._folder / f"{len(self.processes)}.log"
        process = Process(log, None if alone else self._nursery, debug)
        self.processes.append(process)
        keys: dict[str, Any] = {"base_url": self.x.url, **self.x.app}
        if longest is not None:
            keys["timeout"] = longest
        await process.ask("open", app="app", path=str(self.path), key=self.key, stop=stop, **keys)
        return process

    async def keep(self, user: EmulatedUser, *, left: float = 7_200.0) -> str:
        """Keep a grant of a user, whose token has so many seconds left; gives the token."""
        tokens = self.x.token(user, expires_in=left)
        await self.store.vault.put(
            Grant(
                user.id,
                "oauth2",
                tokens["access_token"],
                tokens["refresh_token"],
                expires_at=tokens["expires_at"],
                lifetime=7_200.0,
                scopes=tokens["scopes"],
                username=user.username,
            )
        )
        return tokens["access_token"]

    async def log_in(self, user: EmulatedUser) -> None:
        """Let a user log in again, in an App of this process."""
        keys = {"base_url": self.x.url, "redirect_uri": CALLBACK, **self.x.app}
        async with App(store=f"sqlite:{self.path}", vault_key=self.key, **keys) as app:
            login = app.authorize()
            await login.complete(await visit(login.url, user.username))

    async def is_free(self, user: EmulatedUser) -> bool:
        """Whether the lock is had at the first try, with no wait at all."""
        lock = self.store.vault.lock(user.id)
        entering: Any = lock.__aenter__()
        try:
            entering.send(None)
        except StopIteration:
            await lock.__aexit__(None, None, None)
            return True
        with contextlib.suppress(asyncio.CancelledError):
            entering.throw(asyncio.CancelledError())
        return False

    def secrets(self) -> set[str]:
        """All that may be nowhere but in requests, in memory, and in the store's file."""
        app = self.x.app
        known = {app["client_secret"], app["consumer_secret"], *self.x.given_out}
        basic = f"{app['client_id']}:{app['client_secret']}".encode()
        known |= {base64.b64encode(basic).decode(), self.key or KEY}
        for user in self.x.users:
            known |= {user.oauth1["token_secret"]}
        return known | {quote(secret, safe="") for secret in known}

    def said(self) -> str:
        """All that the processes have said and logged."""
        return "\n".join(
            "\n".join([*process.heard, process.log.read_text()]) for process in self.processes
        )

    def check_what_was_said(self) -> None:
        said, secrets = self.said(), self.secrets()
        assert not [secret for secret in secrets if secret in said]
        assert "never retrieved" not in said
        assert "was never awaited" not in said
        assert "was destroyed" not in said
        assert "Exception in callback" not in said

    def check_modes(self) -> None:
        files = [self.path.parent, *self.path.parent.rglob("*")]
        assert len(files) > 3
        for file in files:
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


@pytest.fixture
async def scene(
    x: Server, tmp_path: Path, nursery: Nursery, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    """Whatever a test is about: at its end no secret has been said, and no file is open to all."""
    scene = Scene(x, tmp_path, nursery, getattr(request, "param", None))
    await scene.store.open()
    yield scene
    scene.check_modes()
    for process in scene.processes:
        await process.kill()
    await scene.store.aclose()
    scene.check_what_was_said()


def only(answer: dict[str, Any], outcome: str, count: int = 1) -> dict[str, Any]:
    """What was told of this outcome, which all calls of the one account had."""
    assert answer["outcomes"] == [{outcome: count}], answer["told"] or answer["outcomes"]
    return answer["told"].get(outcome, {})


# All at once


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scene", [None, KEY], ids=["plain", "sealed"], indirect=True)
async def test_an_expired_token_is_renewed_once_for_four_processes(scene, alone) -> None:
    """Each had it while it was good, and all learn by a 401 that it is over."""
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    await scene.keep(ann)
    processes = [await scene.start(alone=alone) for _ in range(4)]
    for process in processes:
        only(await process.ask("call", app="app", accounts=[(ann.id, None)]), "ok")
    x.expire(ann)
    await everyone_sends(scene, processes, ben, (ann.id, None))
    assert x.stats.requests_by_status[401] >= 4
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


async def test_four_fresh_processes_that_find_it_expired_ask_for_a_new_one_once(scene) -> None:
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    await scene.keep(ann, left=-1)
    processes = [await scene.start() for _ in range(4)]
    await everyone_sends(scene, processes, ben, (ann.id, None))
    assert x.stats.requests_by_status.get(401, 0) == 0
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


@pytest.mark.parametrize(
    "left",
    [pytest.param(-1, marks=pytest.mark.slow), None],
    ids=["expiry known", "expiry not known"],
)
@pytest.mark.parametrize("named", [True, False], ids=["user known", "user not known"])
async def test_four_processes_given_one_expired_pair_renew_it_once(scene, named, left) -> None:
    """Where the user is not known, they find out at the same time whose it is."""
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    pair = pair_of(x, ann, left)
    if left is None:
        x.expire(ann)
        del pair["expires_at"]
    processes = [await scene.start() for _ in range(4)]
    await everyone_sends(scene, processes, ben, (ann.id if named else None, pair))
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)
    (kept,) = await scene.store.vault.grants()
    assert kept.owner == ann.id


async def everyone_sends(scene, processes, recipient, account, tasks=64) -> None:
    """All at the same moment; each message arrives, and does so once."""
    for n, process in enumerate(processes):
        send = (recipient.id, f"{n}")
        await process.tell("call", app="app", accounts=[account], tasks=tasks, send=send)
    for process in processes:
        only(await process.hear(), "ok", tasks)
    texts = Counter(message.sent_text for message in scene.x.messages())
    assert texts == {f"{n} {m}": 1 for n in range(len(processes)) for m in range(tasks)}
    for process in processes:
        await process.ask("close")


# Killed


@pytest.mark.parametrize(
    ("scene", "answered"),
    [
        pytest.param(None, False, id="plain-on its way"),
        pytest.param(KEY, True, id="sealed-not yet written"),
        pytest.param(None, True, id="plain-not yet written", marks=pytest.mark.slow),
        pytest.param(KEY, False, id="sealed-on its way", marks=pytest.mark.slow),
    ],
    indirect=["scene"],
)
async def test_a_pair_lost_with_its_process_costs_one_login_of_one_account(scene, answered) -> None:
    """Killed after the server has changed the pair, before the new one was kept."""
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    await scene.keep(ann)
    await scene.keep(ben)
    x.expire(ann)
    if not answered:
        x.faults.add("stall-after", "oauth2.token", times=1)
    first = await scene.start(stop="before the write")
    second = await scene.start()
    await first.tell("call", app="app", accounts=[(ann.id, None)])
    if answered:
        assert await first.hear() == {"stopping": "before the write"}
    else:
        await x.until(lambda: x.refreshes_of(ann) == 1)
    assert not await scene.is_free(ann)
    await first.kill()
    assert await scene.is_free(ann)

    told = only(
        await second.ask("call", app="app", accounts=[(ann.id, None)], tasks=9),
        "AuthorizationNeeded",
        9,
    )
    assert told["user_id"] == ann.id
    assert f"user {ann.id} (@ann)" in told["sentence"]
    assert "xdm login" in told["sentence"]
    assert told["reason"]
    third = await scene.start()
    only(
        await third.ask("call", app="app", accounts=[(ann.id, None)], tasks=9),
        "AuthorizationNeeded",
        9,
    )
    assert x.stats.refresh_failures == 1, "it is known from then on, to all"
    for process in (second, third):
        only(await process.ask("call", app="app", accounts=[(ben.id, None)]), "ok")

    await scene.log_in(ann)
    for process in (second, third):
        only(await process.ask("call", app="app", accounts=[(ann.id, None)]), "ok")
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 1)


@pytest.mark.parametrize("where", ["locked", "after the write"])
async def test_a_process_killed_before_or_after_costs_nothing(scene, where) -> None:
    """Before the server was asked, or between the write of the new pair and its first use."""
    x = scene.x
    ann = x.add_user("ann")
    await scene.keep(ann)
    x.expire(ann)
    first, second = await scene.start(stop=where), await scene.start()
    await first.tell("call", app="app", accounts=[(ann.id, None)])
    assert await first.hear() == {"stopping": where}
    assert x.refreshes_of(ann) == (0 if where == "locked" else 1)
    await first.kill()
    only(await second.ask("call", app="app", accounts=[(ann.id, None)], tasks=9), "ok", 9)
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


@pytest.mark.parametrize(
    ("rounds", "seed"),
    [(5, 1), *(pytest.param(50, seed, marks=pytest.mark.slow) for seed in (2, 3))],
)
async def test_kills_at_random_moments_lose_no_more_than_what_was_on_its_way(
    scene, rounds, seed
) -> None:
    """Every account works or says that it needs a login; a spent token comes again only where
    what it was turned into was never kept."""
    x, chance = scene.x, random.Random(seed)
    users = [x.add_user() for _ in range(4)]
    for user in users:
        await scene.keep(user)
    processes = [await scene.start() for _ in range(3)]
    accounts = [(user.id, None) for user in users]
    for kills in range(1, rounds + 1):
        for user in users:
            x.expire(user)
        asked, refreshed = x.asked, len(x.presented)
        if chance.random() < 0.5:
            turn = asyncio.create_task(x.until(_reached(x, "asked", asked, chance)))
        else:
            turn = asyncio.create_task(x.until(_reached(x, "presented", refreshed, chance)))
        for process in processes:
            await process.tell("call", app="app", accounts=accounts, tasks=2)
        await turn
        for _ in range(chance.choice([0, 0, 50, 200])):
            await asyncio.sleep(0)  # the moment is any, so the loop turns a few times more
        victim = processes.pop(chance.randrange(len(processes)))
        await victim.kill()
        needed = set()
        for process in processes:
            answer = await process.hear()
            for user, outcomes in zip(users, answer["outcomes"], strict=True):
                assert outcomes.keys() <= {"ok", "AuthorizationNeeded"}, answer["told"]
                if "AuthorizationNeeded" in outcomes:
                    needed.add(user)
        await _nothing_spent_twice(scene, users, kills)
        for user in users:
            kept = await scene.store.vault.load(user.id)
            assert (user in needed) == bool(kept.needs_login)
            if kept.needs_login:
                await scene.log_in(user)
        processes.append(await scene.start())

    answer = await processes[-1].ask("call", app="app", accounts=accounts)
    assert answer["outcomes"] == [{"ok": 1}] * len(users)
    with sqlite3.connect(scene.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def _reached(x: Server, what: str, since: int, chance: random.Random) -> Callable[[], bool]:
    """A few requests, or a few renewals, from now."""
    if what == "asked":
        least = since + chance.randrange(1, 30)
        return lambda: x.asked >= least
    least = since + chance.randrange(1, 4)
    return lambda: len(x.presented) >= least


async def _nothing_spent_twice(scene: Scene, users: list[EmulatedUser], kills: int) -> None:
    x = scene.x
    turned_into = {token: new for token, new in x.presented if new is not None}
    again = [token for token, new in x.presented if new is None]
    assert len(again) == x.stats.refresh_failures <= kills * len(users)
    for token, times in Counter(again).items():
        assert times <= kills
        assert await scene.store.vault.find(fingerprint(turned_into[token])) is None


# Stopped


@pytest.mark.parametrize(
    "where", [pytest.param("locked", marks=pytest.mark.slow), "before the write"]
)
async def test_a_stopped_process_that_holds_the_lock_holds_up_only_who_needs_the_token(
    scene, where
) -> None:
    """Before it has asked for the new pair, or with that in hand; when it goes on, so do all."""
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    token = await scene.keep(ann, left=45)  # so that renewing it has begun, and it still holds
    await scene.keep(ben)
    first, second, third = others = [await scene.start(stop=where), *await both(scene)]
    await first.tell("call", app="app", accounts=[(ann.id, None)])
    await halted(first, where)

    for process in (second, third):
        only(await process.ask("call", app="app", accounts=[(ann.id, None)], tasks=8), "ok", 8)
    assert not await scene.is_free(ann)
    x.end(token)
    for process in (second, third):
        await process.tell("call", app="app", accounts=[(ann.id, None)], tasks=8, max_wait=0.2)
    for process in (second, third):
        told = only(await process.hear(), "RenewalFailed", 8)
        assert told["user_id"] == ann.id
        assert "max_wait of 0.2 s" in told["sentence"]
        only(await process.ask("call", app="app", accounts=[(ben.id, None)]), "ok")

    for process in (second, third):
        await process.tell("call", app="app", accounts=[(ann.id, None)], tasks=8)
    first.resume()
    for process in (second, third):
        only(await process.hear(), "ok", 8)
    await first.tell("call", app="app", accounts=[(ann.id, None)], tasks=7)
    while (answer := await first.hear()) and answer["outcomes"] != [{"ok": 7}]:
        only(answer, "ok")  # of its first call, unless that was told before it halted
    for process in others:
        await process.ask("close")
    assert await scene.is_free(ann)
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


async def both(scene: Scene) -> tuple[Process, Process]:
    return await scene.start(), await scene.start()


async def halted(process: Process, where: str) -> None:
    """Wait until it has stopped itself there; its call may have been answered before."""
    while (heard := await process.hear()) != {"stopping": where}:
        only(heard, "ok")
    await process.stopped()


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["user known", "user not known"])
async def test_max_wait_ends_a_wait_for_the_lock_of_a_stopped_process(scene, named) -> None:
    """Also where it is not a renewal that needs the lock, but a pair that is to be kept."""
    x = scene.x
    ann = x.add_user("ann")
    pair = pair_of(x, ann)
    first, second = await scene.start(stop="locked"), await scene.start()
    account = (ann.id if named else None, pair)
    await first.tell("call", app="app", accounts=[account])
    await halted(first, "locked")
    await second.tell("call", app="app", accounts=[account], tasks=8, max_wait=0.2)
    await second.tell("call", app="app", accounts=[account], tasks=7)  # as long as it takes
    told = only(await second.hear(), "RenewalFailed", 8)
    assert "max_wait of 0.2 s" in told["sentence"]
    first.resume()
    only(await first.hear(), "ok")
    only(await second.hear(), "ok", 7)
    for process in (first, second):
        await process.ask("close")
    assert x.stats.refreshes == 0
    (kept,) = await scene.store.vault.grants()
    assert kept.owner == ann.id


@pytest.mark.slow
async def test_whose_a_token_is_can_be_found_out_while_another_process_renews_it(scene) -> None:
    """That one is stopped in the midst of it, and the token still holds."""
    x = scene.x
    ann = x.add_user("ann")
    pair = pair_of(x, ann, left=45)
    first, second = await scene.start(stop="before the write"), await scene.start()
    await first.tell("call", app="app", accounts=[(None, pair)])
    await halted(first, "before the write")
    only(await second.ask("call", app="app", accounts=[(None, pair)], tasks=8), "ok", 8)
    first.resume()
    for process in (first, second):
        answer = await process.ask("call", app="app", accounts=[(None, pair)], tasks=7)
        while answer["outcomes"] != [{"ok": 7}]:
            only(answer, "ok")
            answer = await process.hear()
    for _ in range(500):  # whoever has the lock next keeps it under the user's id
        (kept,) = await scene.store.vault.grants()
        if kept.owner == ann.id:
            break
        only(await second.ask("call", app="app", accounts=[(None, pair)]), "ok")
    assert kept.owner == ann.id
    for process in (first, second):
        await process.ask("close")
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


def pair_of(x: Server, user: EmulatedUser, left: float | None = None) -> dict[str, Any]:
    """A pair that no store knows of yet."""
    tokens = x.token(user, expires_in=left)
    return {key: tokens[key] for key in ("access_token", "refresh_token", "expires_at")}


@pytest.mark.parametrize("waiting", [False, True], ids=["nobody waits", "a call waits"])
async def test_closing_does_not_wait_for_a_process_that_is_stopped(scene, waiting) -> None:
    """Who only waits for the lock has asked nothing yet, and nothing is lost by leaving."""
    x = scene.x
    ann = x.add_user("ann")
    await scene.keep(ann)
    x.expire(ann)
    first, second = await scene.start(stop="locked"), await scene.start(longest=3_600)
    await first.tell("call", app="app", accounts=[(ann.id, None)])
    await halted(first, "locked")
    answer = await second.ask("call", app="app", accounts=[(ann.id, None)], max_wait=0.2)
    only(answer, "RenewalFailed")
    if waiting:
        await second.tell("call", app="app", accounts=[(ann.id, None)])
    answers = [await second.ask("close"), *([await second.hear()] if waiting else [])]
    assert {} in answers
    if waiting:
        only(max(answers, key=len), "AppClosed")
    first.resume()
    only(await first.hear(), "ok")
    assert (x.refreshes_of(ann), x.stats.refresh_failures) == (1, 0)


# Secrets


@pytest.mark.parametrize("scene", [None, KEY], ids=["plain", "sealed"], indirect=True)
async def test_no_secret_leaves_a_process_that_logs_all_there_is_to_log(scene) -> None:
    """At DEBUG, with asyncio's own debug mode; while renewals fail, succeed and end."""
    x = scene.x
    ann, ben = x.add_user("ann"), x.add_user("ben")
    await scene.keep(ann)
    await scene.keep(ben)
    alone = scene.key is None  # a process that nothing was forked from
    process = await scene.start(alone=alone, debug=True)
    pair = {"access_token": "A-planted-access-token", "refresh_token": "A-planted-refresh-token"}
    x.given_out += pair.values()
    x.expire(ann)
    x.faults.add("html", "oauth2.token", times=1)
    only(await process.ask("call", app="app", accounts=[(ann.id, None)], tasks=4), "ok", 4)
    x.revoke(ben)
    told = only(
        await process.ask("call", app="app", accounts=[(ben.id, None)]), "AuthorizationNeeded"
    )
    assert "xdm login" in told["sentence"]
    only(await process.ask("call", app="app", accounts=[("77", pair)]), "AuthorizationNeeded")
    only(await process.ask("call", app="app", accounts=[(None, pair)]), "AuthorizationNeeded")
    assert x.refreshes_of(ann) == 1

    assert not [secret for secret in scene.secrets() if secret.encode() in shown_of(process)]
    for file in (file for file in scene.path.parent.rglob("*") if file.is_file()):
        kept = [secret for secret in scene.secrets() if secret.encode() in file.read_bytes()]
        assert scene.key is None or not kept, file
    await process.ask("close")
    log = process.log.read_text()
    assert "DEBUG:asyncio:" in log
    assert "WARNING:xdm_async:" in log, "it is a log that says something"


def shown_of(process: Process) -> bytes:
    """What the system shows of a process."""
    if sys.platform != "linux":
        return b""
    about = Path(f"/proc/{process.pid}")
    return b"".join((about / name).read_bytes() for name in ("cmdline", "environ", "comm"))
