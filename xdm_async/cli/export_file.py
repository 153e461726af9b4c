"""Export files: lines that are appended page by page, and a note beside them of how far they go.

Only files: what is in the lines, and where they come from, is left to `export`.

    FILE            the lines
    FILE.resume     how many bytes of it count, and where to go on reading

Whatever lies in FILE behind the bytes that count was written after the note, or is half a line:
it is cut off by the next start, and read again. So no kill, at whatever moment, loses or repeats
a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from .failing import Failed, Misused

VERSION = 1


_TEXT = attrs.validators.optional(attrs.validators.instance_of(str))
_COUNT = attrs.validators.and_(attrs.validators.instance_of(int), attrs.validators.ge(0))


@attrs.frozen(kw_only=True)
class SoFar:
    """How far an export is: what its note says."""

    query: dict[str, Any] = attrs.field(validator=attrs.validators.instance_of(dict))
    """What was asked for, in the words of the command."""
    since: str | None = attrs.field(default=None, validator=_TEXT)
    until: str | None = attrs.field(default=None, validator=_TEXT)
    """What those words meant when it began: a span counts back from then."""
    account: str | None = attrs.field(default=None, validator=_TEXT)
    position: str | None = attrs.field(default=None, validator=_TEXT)
    """Where to go on; None as long as nothing was read."""
    bytes: int = attrs.field(default=0, validator=_COUNT)
    events: int = attrs.field(default=0, validator=_COUNT)
    newest: str | None = attrs.field(default=None, validator=_TEXT)
    oldest: str | None = attrs.field(default=None, validator=_TEXT)
    gap_from: str | None = attrs.field(default=None, validator=_TEXT)
    gap_to: str | None = attrs.field(default=None, validator=_TEXT)
    """From when to when events may be missing."""
    done: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))


class ExportFile:
    """FILE and its note, while one process has both to itself.

    Always true:

    - the note says no more than what FILE holds on the disk, and the position behind it;
    - whoever finds FILE in another state than the note tells leaves both as they are.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.resume_path = _beside(path)
        self._handle = handle
        self.so_far = SoFar(query={})

    @classmethod
    def open(cls, path: Path, wanted: SoFar) -> Self:
        """Open FILE to go on with it, or to begin with what is wanted.

        Raises:
            Failed: another process is at work on it, it cannot be written, or it is not what its
                note tells of.
            Misused: it is something else than this export.
        """
        with _said(path):
            file = cls(path, _open(path))
        try:
            with _said(path):
                file._begin(wanted)
        except BaseException:
            file.close()
            raise
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave both for whoever comes next."""
        os.close(self._handle)

    def append(self, lines: Iterable[str], so_far: SoFar) -> None:
        """Write lines, then the note; ``so_far`` comes without ``bytes``, which are counted here.

        Raises:
            Failed: the disk is full, or whatever it is; the next start goes on from the last note.
        """
        with _said(self.path):
            written = 0
            left = memoryview("".join(lines).encode())
            while left:
                count = os.write(self._handle, left)
                written += count
                left = left[count:]
            if written:
                os.fsync(self._handle)
            self._note(attrs.evolve(so_far, bytes=self.so_far.bytes + written))

    def _begin(self, wanted: SoFar) -> None:
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            raise Misused(
                f"{_name(self.path)} is no file to write lines to; -o - is standard output"
            )
        if not _lock(self._handle):
            raise Failed(f"{_name(self.path)} is being written by another export")
        size = os.fstat(self._handle).st_size
        known = _read_note(self.resume_path)
        if known is None:
            if size:
                raise Misused(
                    f"{_name(self.path)} is there already, and no export that can be gone on "
                    f"with: {_name(self.resume_path)} is not beside it; choose another FILE"
                )
            known = wanted
        elif known.position is None and not known.bytes:
            known = wanted  # nothing came of what was asked for then
        elif known.query != wanted.query:
            raise Misused(
                f"{_name(self.path)} was begun with {_options(known.query)}: run it with the same, "
                "or choose another FILE"
            )
        if known.bytes > size or not self._line_ends_at(known.bytes):
            raise Failed(
                f"{_name(self.path)} is not what {_name(self.resume_path)} tells of: "
                f"{known.bytes:,} bytes were written, and it has {size:,}, or was changed; move "
                "both away to begin anew"
            )
        self.so_far = known
        if not known.done:
            os.ftruncate(self._handle, known.bytes)
            os.lseek(self._handle, known.bytes, os.SEEK_SET)
            self._note(known)

    def _line_ends_at(self, size: int) -> bool:
        if not size:
            return True
        os.lseek(self._handle, size - 1, os.SEEK_SET)
        return os.read(self._handle, 1) == b"\n"

    def _note(self, so_far: SoFar) -> None:
        """Put a note in the place of the one before: it is whole whenever it is there."""
        new = self.resume_path.with_name(self.resume_path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump({"version": VERSION, **attrs.asdict(so_far)}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.resume_path)
        self.so_far = so_far


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".resume")


def _name(path: Path) -> str:
    return repr(str(path))


def _open(path: Path) -> int:
    """Open FILE, or make it, for its owner alone: messages are private."""
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        known = _read_note(_beside(path))
        if known is not None and known.bytes:
            raise Failed(
                f"{_name(path)} is gone, with {known.events:,} events in it: bring it back to go "
                f"on with it, or move {_name(_beside(path))} away to begin anew"
            ) from None
        return os.open(path, flags | os.O_CREAT, 0o600)


def _read_note(path: Path) -> SoFar | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        told = json.loads(text)
        if told.pop("version") > VERSION:
            raise Failed(f"{_name(path)} was written by a later xdm_async")
        return SoFar(**told)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Failed(f"{_name(path)} is damaged; move it and its FILE away to begin anew") from None


def _options(query: Mapping[str, Any]) -> str:
    """A query as it is written on a command line."""
    words = []
    for option, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            words += [] if one is None else [f"--{option} {one}"]
    return " ".join(words) or "all conversations and no bounds"


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        os.lseek(handle, 1 << 40, os.SEEK_SET)  # far behind any line: a locked byte is not readable
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        """Take FILE for this process; the lock goes with it, however it ends."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be written."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise Failed(f"{_name(path)} cannot be written: {reason}") from None
