"""Wording: what the library raises, as the sentence of a command.

The argument that broke a rule is named as the user knows it: the option that it was given by.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import typer

from ..errors import InvalidRequest, XdmError
from .failing import Failed, Misused
from .lines import harmless


def misuse(exc: InvalidRequest, options: Mapping[str, str]) -> Exception:
    """The same with exit code 2; ``options`` says what an argument is on the command line."""
    option = options.get(exc.argument or "")
    if option is None:
        return Misused(harmless(str(exc)))
    return typer.BadParameter(harmless(str(exc)), param_hint=f"'{option}'")


@contextlib.contextmanager
def errors_said(options: Mapping[str, str]) -> Iterator[None]:
    """Turn what the library raises into a sentence and an exit code.

    Raises:
        Misused: an argument cannot be, and came from no option.
        BadParameter: an option cannot be.
        Failed: anything else that is the library's.
    """
    try:
        yield
    except InvalidRequest as exc:
        raise misuse(exc, options) from None
    except XdmError as exc:
        raise Failed(harmless(str(exc))) from None
