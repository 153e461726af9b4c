"""Failing: one sentence for standard error and an exit code, from wherever a command gives up."""

from __future__ import annotations


class Failed(Exception):
    """A sentence for standard error, and exit code 1."""

    code = 1


class Misused(Failed):
    """The command was asked for what cannot be: exit code 2."""

    code = 2
