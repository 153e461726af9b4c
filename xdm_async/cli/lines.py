"""Lines: one event as one line, for people and for machines.

What others have written is not trusted: a control character of a message never reaches the
terminal, and no message can pass itself off as two lines.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

import attrs
from rich.console import Console
from rich.text import Text

from .. import Event, MessageCreate, ParticipantsJoin, ParticipantsLeave, Post, User
from .failing import output_said

_BREAK = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_REORDERING = "\u202a-\u202e\u2066-\u2069"
"""Marks that turn around the reading order of what follows, up to the end of the line."""
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_REORDERING}\ud800-\udfff]")
_LONGEST_POST = 80


@attrs.frozen
class Line:
    """An event in words, in three parts."""

    at: str
    who: str
    text: str

    def __str__(self) -> str:
        return "  ".join(part for part in (self.at, self.who, self.text) if part)


class Lines:
    """Puts events into words; remembers how users are called, since not every event says it.

    With ``everything`` it also says in which conversation an event is.
    """

    def __init__(self, *, everything: bool) -> None:
        self._everything = everything
        self._names: dict[str, str] = {}

    def line(self, event: Event) -> Line:
        """Give the line of one event."""
        self._learn(event.participants)
        if event.sender is not None:
            self._learn([event.sender])
        who, text = self._words(event)
        return Line(local(event.created_at or event.id.instant), who, text)

    def _words(self, event: Event) -> tuple[str, str]:
        match event:
            case MessageCreate():
                who = self._name(event.sender_id) if event.sender_id else "(sender not known)"
                return who + self._where(event), _message(event)
            case ParticipantsJoin():
                inviter = f" (invited by {self._name(event.sender_id)})" if event.sender_id else ""
                return self._people(event.participant_ids) + self._where(event), f"joined{inviter}"
            case ParticipantsLeave():
                return self._people(event.participant_ids) + self._where(event), "left"
            case _:
                who = self._name(event.sender_id) if event.sender_id else "(somebody)"
                kind = f" {harmless(event.event_type)}" if event.event_type else ""
                return who + self._where(event), f"[an event{kind} that is not known here]"

    def _where(self, event: Event) -> str:
        """Where somebody writes to: a group, or who the account writes to."""
        conversation = event.dm_conversation_id
        if not self._everything or conversation is None:
            return ""
        if conversation.is_group:
            return f" in {harmless(conversation)}"
        if event.sender_id is None or not event.is_mine:
            return ""  # in a 1:1, who wrote says it all
        one, _, two = conversation.partition("-")
        return f" → {self._name(two if one == event.sender_id else one)}"

    def _people(self, ids: Iterable[str]) -> str:
        return ", ".join(self._name(user_id) for user_id in ids) or "(nobody)"

    def _name(self, user_id: str) -> str:
        return self._names.get(user_id) or harmless(user_id)

    def _learn(self, users: Iterable[User]) -> None:
        for user in users:
            if user.username:
                self._names[user.id] = harmless(user.username)


def _message(event: MessageCreate) -> str:
    parts = [harmless(event.text)] if event.text else []
    parts += [f"[{harmless(medium.type) or 'attachment'}]" for medium in event.media]
    if event.attachments is not None:
        attached = len(event.attachments.media_keys) + len(event.attachments.card_ids)
        parts += ["[attachment]"] * (attached - len(event.media))
    shown = {post.id: post for post in event.posts}
    for reference in event.referenced_posts:
        parts.append(_post(reference.id, shown.get(reference.id)))
    return " ".join(parts)


def _post(post_id: str, post: Post | None) -> str:
    if post is None:
        return f"[post {harmless(post_id)}]"
    author = f" of {harmless(post.author.username)}" if post.author is not None else ""
    text = harmless(post.text)
    if len(text) > _LONGEST_POST:
        text = text[: _LONGEST_POST - 1] + "…"
    return f"[post{author}: {text}]"


def harmless(text: str) -> str:
    """The same on one line, with nothing in it that a terminal would act on."""
    return _UNSAFE.sub(_escaped, _BREAK.sub(" ⏎ ", text).replace("\t", " "))


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def local(at: datetime | None) -> str:
    """An instant in the local time zone, to the second."""
    if at is None:
        return "(time not known)"
    with contextlib.suppress(OverflowError, ValueError, OSError):  # at the ends of the calendar
        at = at.astimezone()
    return f"{at:%Y-%m-%d %H:%M:%S}"


def json_line(event: Event, *, ascii_only: bool = False) -> str:
    """The event as a line of JSON, with its end; whatever splits lines finds one."""
    text = json.dumps(event.as_json(), ensure_ascii=ascii_only, separators=(",", ":"))
    # Only strings hold any of these, and there an escape means the same.
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


class Printer:
    """Prints events as they come, each at once: in colours on a terminal, else plain or as JSON."""

    def __init__(self, file: TextIO, *, as_json: bool, everything: bool = True) -> None:
        self._file = file
        self._lines = None if as_json else Lines(everything=everything)
        self._encoding = file.encoding or "utf-8"
        self._unicode = self._encoding.lower().startswith("utf")
        self._console: Console | None = None
        if file.isatty() and self._unicode:
            console = Console(file=file, highlight=False)
            self._console = None if console.is_dumb_terminal else console
        self.printed = 0

    def __call__(self, event: Event) -> None:
        """Print one event.

        Raises:
            Failed: the disk is full, the terminal is gone, or whatever it is.
        """
        with output_said():
            self._print(event)
        self.printed += 1

    def _print(self, event: Event) -> None:
        if self._lines is None:
            self._write(json_line(event, ascii_only=not self._unicode))
        elif self._console is not None:
            line = self._lines.line(event)
            words = Text.assemble((line.at, "dim"), "  ", (line.who, "bold cyan"), "  ", line.text)
            self._console.print(words, soft_wrap=True)
        else:
            self._write(f"{self._lines.line(event)}\n")

    def _write(self, line: str) -> None:
        if not self._unicode:
            line = line.encode(self._encoding, "backslashreplace").decode(self._encoding)
        self._file.write(line)
        self._file.flush()
