"""Privacy of files: made for their owner alone from the first byte on, and refused where not so.

A folder that others can read shows them names and no content, so it is taken; one that others can
write into is not, as they could put a file of theirs in place of ours (a sticky one, such as
``/tmp``, keeps them from it). Windows has no such modes: what a user's own folder allows holds.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from .base import StoreFailed

_OWN = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file for this user alone, where there is none; a umask takes no part in it."""
    # A file that is there is not opened: closing it would let go of the locks that SQLite holds
    # on it for another connection of this process.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def check_file(path: Path) -> None:
    """Refuse a file that others can read or write, or that is not this user's own.

    One that is not there is no trouble.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise StoreFailed(f"{path} is not a file: name one, or a path where none is yet")
    if sys.platform == "win32":
        return
    _check_owner(path, found)
    if found.st_mode & _OTHERS:
        raise StoreFailed(
            f"{path} can be read or written by other users (mode {stat.S_IMODE(found.st_mode):04o})"
            f" and may hold tokens: chmod 600 {path}"
        )
    if found.st_mode & _OWN != _OWN:
        raise StoreFailed(
            f"{path} cannot be read and written by this user (mode "
            f"{stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}"
        )


def check_folder(path: Path) -> None:
    """Refuse a folder in which others could put a file of theirs in place of ours."""
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise StoreFailed(f"{path} is not a folder: name a path in one")
    if sys.platform == "win32":
        return
    if found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise StoreFailed(
            f"the folder {path} can be written by other users (mode "
            f"{stat.S_IMODE(found.st_mode):04o}), who could replace what is in it: "
            f"chmod go-w {path}, or name a file in another folder"
        )


def check_own_folder(path: Path) -> None:
    """Refuse a folder of ours that others can enter, or that is not this user's own."""
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise StoreFailed(f"{path} is not a folder: move it away, it is where locks are kept")
    if sys.platform == "win32":
        return
    _check_owner(path, found)
    if found.st_mode & _OTHERS:
        raise StoreFailed(
            f"the folder {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}), "
            f"who could hold its locks: chmod 700 {path}"
        )


def _check_owner(path: Path, found: os.stat_result) -> None:
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        raise StoreFailed(
            f"{path} belongs to another user (uid {found.st_uid}, this is {os.geteuid()}): run as "
            "that user, or name another file"
        )
