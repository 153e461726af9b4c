"""Reading: the commands ``events``, ``watch`` and ``export``: their arguments and exit codes.

What they print is in `lines`, how a file is written in `export`, whose events they are is found
by `credentials`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from .. import Account, Conversation, EventQuery, EventStream
from ..errors import CheckpointFailed, InvalidRequest, XdmError
from ..models.ids import parse_conversation_id
from . import credentials
from .accounts import As
from .export import Export
from .export_file import SoFar
from .failing import Failed, output_said
from .lines import Printer, harmless
from .status import Status, Waits
from .stopping import Stopped, run_until_stopped
from .when import HELP, Bound, parse_when, spelled
from .wording import misuse

_OPTIONS = {
    "participant_id": "--with",
    "dm_conversation_id": "--in",
    "event_types": "--type",
    "since": "--since",
    "until": "--until",
    "limit": "--limit",
    "max_wait": "--max-wait",
    "naming": "--naming",
    "share": "--share",
    "checkpoint": "--checkpoint",
}
"""What an argument of the library is called on the command line."""

With = Annotated[
    str | None,
    typer.Option("--with", metavar="USER_ID", help="Only the 1:1 conversation with this user."),
]
In = Annotated[
    str | None,
    typer.Option(
        "--in",
        metavar="CONVERSATION",
        help="Only this conversation, 1:1 or group: its id, or its address on x.com.",
    ),
]
Since = Annotated[str | None, typer.Option(metavar="WHEN", help=f"Only what came after it. {HELP}")]
Until = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only what came before it; as --since.")
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Only events of this type: MessageCreate, ParticipantsJoin or ParticipantsLeave. "
        "Once for each.",
    ),
]
MaxWait = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="How long a page may wait for its turn in the budgets; as long as it takes, unless "
        "given. 0 is now or never.",
    ),
]
Naming = Annotated[
    str,
    typer.Option(help="Which names of fields are sent: classic (tweet.fields) or current."),
]


@attrs.frozen
class Which:
    """Which list is read: that of everything, or one conversation's."""

    participant_id: str | None
    dm_conversation_id: str | None

    def __attrs_post_init__(self) -> None:
        if self.participant_id is not None and self.dm_conversation_id is not None:
            raise typer.BadParameter(
                "a conversation is named by --with or by --in: give one of them",
                param_hint="'--with'",
            )

    @property
    def everything(self) -> bool:
        """Whether it is the list of everything."""
        return self.participant_id is None and self.dm_conversation_id is None

    def of(self, account: Account) -> Account | Conversation:
        """Give who can be asked for it."""
        if self.everything:
            return account
        return account.conversation(self.dm_conversation_id, participant_id=self.participant_id)


def events(
    with_: With = None,
    in_: In = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="No more events than this.")
    ] = None,
    types: Types = None,
    max_wait: MaxWait = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    naming: Naming = "classic",
    account: As = None,
) -> int:
    """Show the events of an account, newest first.

    The account is the environment's: XDM_ACCESS_TOKEN, or XDM_OAUTH1_TOKEN and
    XDM_OAUTH1_TOKEN_SECRET with XDM_CONSUMER_KEY and XDM_CONSUMER_SECRET. Else it is one that xdm
    login has logged in.
    """
    which = Which(with_, in_)
    query = _query(since, until, types)
    if limit is not None:
        query["limit"] = limit
        if until is None:  # the pages before it are passed, the larger the better
            query["max_results"] = min(limit, 100)
    printer = Printer(sys.stdout, as_json=as_json, everything=which.everything)
    return _show(which, query, printer, max_wait, naming, account)


def watch(
    with_: With = None,
    in_: In = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help=f"Begin with what came after it, instead of with now. {HELP}"
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep in it how far the watch is: started again with it, it goes on there, "
            "whatever --since says.",
        ),
    ] = None,
    share: Annotated[
        float, typer.Option(help="Of the budget for reads, how much it may use: up to 1.")
    ] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    naming: Naming = "classic",
    account: As = None,
) -> int:
    """Show new events as they happen, oldest first, until Ctrl-C.

    The account is found as by xdm events.
    """
    which = Which(with_, in_)
    how: dict[str, Any] = {"share": share}
    if since is not None:
        how["since"] = _when(since, "--since")
    if checkpoint is not None:
        how["checkpoint"] = checkpoint
    printer = Printer(sys.stdout, as_json=as_json, everything=which.everything)

    async def work() -> None:
        async with (
            credentials.account(account, naming=naming) as acting,
            Status(
                sys.stderr, lambda: "" if printer.printed else "watching, until Ctrl-C"
            ) as status,
            which.of(acting).watch(**how) as found,
        ):
            async for event in found:
                status.hide()
                printer(event)

    try:
        return _run(work(), lambda: 0)
    except CheckpointFailed as exc:
        raise Failed(f"--checkpoint {str(checkpoint)!r}: {harmless(str(exc))}") from None


def export(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; FILE.resume beside it tells how far it is. The same command goes on "
            "with a FILE that was interrupted. - is standard output.",
        ),
    ],
    with_: With = None,
    in_: In = None,
    since: Since = None,
    until: Until = None,
    types: Types = None,
    max_wait: MaxWait = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say what came of it as one JSON object.")
    ] = False,
    naming: Naming = "classic",
    account: As = None,
) -> int:
    """Write all events of an account or a conversation into a file, one JSON object a line.

    Newest first. Interrupted at any moment, it goes on where it was: no line is lost, and none
    repeated. What happens after it has begun is not in it. The account is found as by xdm
    events.
    """
    which = Which(with_, in_)
    query = _query(since, until, types)
    if output == "-":
        if as_json:
            raise typer.BadParameter(
                "standard output is for the events: give --output a FILE", param_hint="'--json'"
            )
        printer = Printer(sys.stdout, as_json=True)
        return _show(which, query, printer, max_wait, naming, account)
    words = {
        "with": with_,
        "in": in_ and (parse_conversation_id(in_) or in_),
        "since": since,
        "until": until,
        "type": sorted(set(types)) if types else None,
    }
    run = Export(
        Path(output),
        SoFar(
            query=words,
            since=None if since is None else spelled(_when(since, "--since")),
            until=None if until is None else spelled(_when(until, "--until")),
        ),
    )
    waits = Waits()

    async def work() -> None:
        async with (
            credentials.account(
                account, naming=naming, max_wait=max_wait, observer=waits
            ) as acting,
            Status(sys.stderr, lambda: "; ".join(filter(None, (run.words(), waits.words())))),
        ):
            target = which.of(acting)

            def ask(bounds: EventQuery) -> EventStream:
                whole = query.copy()
                whole.update(bounds)
                return target.events(**whole)

            await run.run(acting, ask)

    return _export(run, work(), as_json)


def _show(
    which: Which,
    query: EventQuery,
    printer: Printer,
    max_wait: float | None,
    naming: str,
    account: str | None,
) -> int:
    """Print a list to its end."""
    waits = Waits()

    async def work() -> None:
        async with (
            credentials.account(
                account, naming=naming, max_wait=max_wait, observer=waits
            ) as acting,
            Status(sys.stderr, waits.words) as status,
            contextlib.aclosing(which.of(acting).events(**query)) as stream,
        ):
            async for event in stream:
                status.hide()
                printer(event)

    return _run(work(), lambda: _stopped(f"stopped: {printer.printed:,} events were shown"))


def _export(run: Export, work: Coroutine[Any, Any, None], as_json: bool) -> int:
    try:
        try:
            run_until_stopped(work)
        except InvalidRequest as exc:
            raise misuse(exc, _OPTIONS) from None
        except XdmError as exc:
            raise Failed(run.interrupted(harmless(str(exc)))) from None
        except (Stopped, KeyboardInterrupt):
            return _stopped(run.interrupted("stopped"))
        if not as_json:
            with output_said():
                print(run.summary(), flush=True)
    finally:
        if as_json and run.so_far is not None:
            with output_said():
                print(json.dumps(run.as_json()), flush=True)
    return 0


def _run(work: Coroutine[Any, Any, None], stopped: Callable[[], int]) -> int:
    try:
        run_until_stopped(work)
    except (Stopped, KeyboardInterrupt):
        return stopped()
    except InvalidRequest as exc:
        raise misuse(exc, _OPTIONS) from None
    except CheckpointFailed:
        raise
    except XdmError as exc:
        raise Failed(harmless(str(exc))) from None
    return 0


def _stopped(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _query(since: str | None, until: str | None, types: list[str] | None) -> EventQuery:
    query = EventQuery()
    if since is not None:
        query["since"] = _when(since, "--since")
    if until is not None:
        query["until"] = _when(until, "--until")
    if types:
        query["event_types"] = types
    return query


def _when(text: str, option: str) -> Bound:
    try:
        return parse_when(text, datetime.now(UTC))
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=f"'{option}'") from None
