"""Export: all events of an account or a conversation in a file, one JSON object a line.

It reads page by page and hands each to the file with the position behind it. How a file survives
a kill is `export_file`'s business, what a line looks like `lines`'.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from .. import Account, EventQuery, EventStream
from ..errors import InvalidRequest
from .export_file import ExportFile, SoFar
from .failing import Failed, Misused
from .lines import json_line, local
from .when import read_spelled

Ask = Callable[[EventQuery], EventStream]
"""Opens the list that is exported, with these bounds."""


class Export:
    """One run of one export; its counts are there to be looked at, whatever becomes of it."""

    def __init__(self, path: Path, wanted: SoFar) -> None:
        self.path = path
        self._wanted = wanted
        self.so_far: SoFar | None = None
        """How far it is; None as long as the file is not open."""
        self.before = 0
        """Events that were in the file when this run began."""
        self.was_done = False

    async def run(self, account: Account, ask: Ask) -> None:
        """Read from where the file ends to the end of the list.

        Raises:
            Failed: the file cannot be written, or is not this export's.
            InvalidRequest: what is asked for cannot be; the file was not touched.
            XdmError: what reading raises; what was read is in the file.
        """
        ask(_bounds(self._wanted))
        with ExportFile.open(self.path, self._wanted) as file:
            self.so_far, self.before = file.so_far, file.so_far.events
            self.was_done = file.so_far.done
            self._check_whose(account)
            if self.was_done:
                if account.user_id is None:
                    await account.me()
                    self._check_whose(account)
                return
            try:
                async with contextlib.aclosing(ask(_bounds(file.so_far))) as stream:
                    await self._read(stream, file, account)
            except InvalidRequest as exc:
                self._check_whose(account)
                if exc.argument == "resume":
                    raise Failed(f"{str(file.resume_path)!r} is damaged: {exc}") from None
                raise

    async def _read(self, stream: EventStream, file: ExportFile, account: Account) -> None:
        async for page in stream.pages():
            so_far = file.so_far
            told = [event.created_at or event.id.instant for event in page.data]
            instants = sorted(at for at in told if at is not None)
            gap = stream.gap
            file.append(
                [json_line(event) for event in page.data],
                attrs.evolve(
                    so_far,
                    account=account.user_id,
                    position=stream.position,
                    events=so_far.events + len(page.data),
                    newest=so_far.newest or (instants[-1].isoformat() if instants else None),
                    oldest=instants[0].isoformat() if instants else so_far.oldest,
                    gap_from=so_far.gap_from if gap is None else gap[0].isoformat(),
                    gap_to=so_far.gap_to if gap is None else gap[1].isoformat(),
                ),
            )
            self.so_far = file.so_far
        file.append([], attrs.evolve(file.so_far, done=True))
        self.so_far = file.so_far

    def _check_whose(self, account: Account) -> None:
        """Refuse another account than the file was begun with, as soon as it is known."""
        begun_with = None if self.so_far is None else self.so_far.account
        if None not in (begun_with, account.user_id) and begun_with != account.user_id:
            raise Misused(
                f"{str(self.path)!r} was begun with account {begun_with}, and this is "
                f"{account.user_id}: use the same, or choose another FILE"
            )

    @property
    def new_events(self) -> int:
        """Events that this run has added."""
        return (self.so_far.events if self.so_far else 0) - self.before

    def words(self) -> str:
        """How far it is, for while it runs."""
        if self.so_far is None or self.so_far.oldest is None:
            return "reading the first page"
        return f"{self.so_far.events:,} events, back to {_local(self.so_far.oldest)}"

    def summary(self) -> str:
        """What came of it, in a sentence."""
        so_far = self.so_far
        assert so_far is not None
        words = f"{so_far.events:,} events are in {str(self.path)!r}"
        if so_far.newest is not None and so_far.oldest is not None:
            words += f", from {_local(so_far.oldest)} to {_local(so_far.newest)}"
        if so_far.gap_from is not None and so_far.gap_to is not None:
            words += (
                f"; what happened from {_local(so_far.gap_from)} to {_local(so_far.gap_to)} may be "
                "missing, since the lists reach back 30 days"
            )
        return f"there is nothing left to read: {words}" if self.was_done else words

    def interrupted(self, reason: str) -> str:
        """That it has ended before its end, and what to do about it."""
        if self.so_far is None or self.so_far.position is None:
            return f"{reason}: nothing was read" if reason == "stopped" else reason
        return (
            f"{reason}: {self.so_far.events:,} events are in {str(self.path)!r}; run the same "
            "command to go on"
        )

    def as_json(self) -> dict[str, Any]:
        """What came of it, for machines."""
        so_far = self.so_far or self._wanted
        gap = None
        if so_far.gap_from is not None:
            gap = {"from": so_far.gap_from, "to": so_far.gap_to}
        return {
            "file": str(self.path),
            "account": so_far.account,
            "events": so_far.events,
            "new_events": self.new_events,
            "bytes": so_far.bytes,
            "newest": so_far.newest,
            "oldest": so_far.oldest,
            "gap": gap,
            "done": so_far.done,
        }


def _bounds(so_far: SoFar) -> EventQuery:
    query = EventQuery()
    if so_far.since is not None:
        query["since"] = read_spelled(so_far.since)
    if so_far.until is not None:
        query["until"] = read_spelled(so_far.until)
    if so_far.position is not None:
        query["resume"] = so_far.position
    return query


def _local(instant: str) -> str:
    return local(datetime.fromisoformat(instant))
