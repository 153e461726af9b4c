"""A process of its own over a store's file, told by lines what to do: see `test_processes`."""

import asyncio
import sys
import types
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
sys.modules["xdm_async"] = package = types.ModuleType("xdm_async")
package.__path__ = [str(ROOT / "xdm_async")]  # the stores alone: it starts in a third of the time

from xdm_async.stores import Grant, SqliteStore  # noqa: E402


def say(word: object) -> None:
    print(word, flush=True)


async def heard() -> str:
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def hold(store: SqliteStore) -> None:
    async with store.vault.lock("7"):
        say("held")
        await heard()
    say("free")


async def count(store: SqliteStore, path: Path, times: int) -> None:
    """Raise a number in a file, which no two can do at once."""
    for _ in range(times):
        async with store.vault.lock("7"):
            number = int(path.read_text())  # noqa: ASYNC240
            await asyncio.sleep(0)
            path.write_text(str(number + 1))  # noqa: ASYNC240
    say("done")


async def swap(store: SqliteStore, me: str, times: int) -> None:
    """Renew one grant at each word, and say whose renewal is kept."""
    grant = await store.vault.load("7")
    say("loaded")
    for _ in range(times):
        assert grant is not None
        await heard()
        grant = await store.vault.swap(attrs.evolve(grant, token=me))
        assert grant is not None
        say(f"{grant.version} {grant.token}")


async def write(store: SqliteStore, number: int) -> None:
    """Write on and on; say of each number that it is written."""
    while True:
        number += 1
        await store.vault.put(Grant("7", "oauth2", f"a{number}", f"r{number}" * 300))
        await store.checkpoints.save("inbox", f"w1.{number}")
        say(number)


async def main(path: str, keys: list[str]) -> None:
    store = SqliteStore(path, keys)
    await store.open()
    say("ready")
    while (line := await heard()) != "":
        word, *rest = line.split()
        if word == "hold":
            await hold(store)
        elif word == "count":
            await count(store, Path(rest[0]), int(rest[1]))
        elif word == "swap":
            await swap(store, rest[0], int(rest[1]))
        elif word == "write":
            await write(store, int(rest[0]))
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
