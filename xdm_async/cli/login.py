"""Logging in: the command ``login``: what it says, what it asks, and what ends it before its end.

A user allows the app to act for them in a browser, X sends the browser back with a code, and the
library makes of it tokens that are kept. Where the code arrives is `loopback`'s business; typed or
pasted, it is that of `asking`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated

import attrs
import typer

from .. import Account, App, StoredAccount
from ..errors import InvalidRequest, XdmError
from . import credentials
from .accounts import as_json as described
from .asking import Answers
from .failing import Failed, Misused, output_said
from .lines import harmless
from .loopback import Loopback
from .status import Status
from .stopping import Stopped, run_until_stopped
from .wording import errors_said

REDIRECT_URI = "http://127.0.0.1:8347/callback"

_OPTIONS = {"scopes": "--scopes", "redirect_uri": "--redirect-uri"}
"""What an argument of the library is called on the command line."""
_ANSWERS = ("callback_url", "callback_url_or_pin")

_OAUTH2 = ("XDM_CLIENT_ID",)
_OAUTH1 = ("XDM_CONSUMER_KEY", "XDM_CONSUMER_SECRET")


@attrs.define
class Login:
    """One login: how it is done, and how far it is."""

    timeout: float
    browser: bool
    redirect_uri: str = REDIRECT_URI
    scopes: str | None = None
    answered: bool = False
    """Whether X has said yes or no, so that tokens may be under way."""

    async def oauth2(self, app: App, status: Status) -> Account:
        """Log in by OAuth 2.0 with PKCE; the answer comes to the loopback address, or is pasted.

        Raises:
            Failed: no answer came, or nobody can listen for it.
            Misused: the redirect URI is none that can be listened at.
            XdmError: what the library raises.
        """
        if self.scopes is None:
            authorization = app.authorize(redirect_uri=self.redirect_uri)
        else:
            authorization = app.authorize(
                scopes=self.scopes.split(), redirect_uri=self.redirect_uri
            )
        if not self.browser:
            status.say(
                "Open this address in a browser and allow it; then paste the address that the "
                "browser ends at, within 30 seconds. It does not matter if nothing shows there."
            )
            status.say(authorization.url)
            typed = await self._typed("the address")
            with _answer_said():
                return await authorization.complete(typed)
        async with Loopback(authorization.redirect_uri) as loopback:
            self._show(authorization.url, status)
            async with self._patience():
                callback = await loopback.callback()
            self.answered = True
            try:
                with _answer_said():
                    account = await authorization.complete(callback.url)
            except (Failed, XdmError) as exc:
                await callback.answer("Not logged in", harmless(str(exc)))
                raise
            await callback.answer("Logged in", "xdm has what it needs: this page can be closed.")
            return account

    async def oauth1(self, app: App, status: Status) -> Account:
        """Log in by OAuth 1.0a; X shows a PIN, that is typed in.

        Raises:
            Failed: no PIN came.
            XdmError: what the library raises.
        """
        authorization = await app.authorize_oauth1()
        if self.browser:
            self._show(authorization.url, status)
        else:
            status.say("Open this address in a browser and allow it:")
            status.say(authorization.url)
        status.say("Then type the PIN that it shows:")
        typed = await self._typed("the PIN")
        with _answer_said():
            return await authorization.complete(typed)

    def _show(self, url: str, status: Status) -> None:
        if _open_browser(url):
            status.say("Allow it in the browser; if none has opened, open this address in one:")
        else:
            status.say("There is no browser here that could be opened: open this address in one:")
        status.say(url)

    async def _typed(self, what: str) -> str:
        async with self._patience():
            line = await Answers(sys.stdin).next()
        if line is None:
            raise Failed(f"standard input ended before {what} came: nobody was logged in")
        self.answered = True
        return line

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout):
                yield
        except TimeoutError:
            raise Failed(
                f"no answer came within {self.timeout:g} s: nobody was logged in; --timeout gives "
                "it longer"
            ) from None


@contextlib.contextmanager
def _answer_said() -> Iterator[None]:
    """What comes back is no argument of ours: where it cannot be, the login has failed."""
    try:
        yield
    except InvalidRequest as exc:
        if exc.argument not in _ANSWERS:
            raise
        raise Failed(f"the login failed: {harmless(str(exc))}") from None


def login(
    oauth1: Annotated[
        bool, typer.Option("--oauth1", help="By OAuth 1.0a: X shows a PIN, to be typed in here.")
    ] = False,
    no_browser: Annotated[
        bool,
        typer.Option(
            "--no-browser",
            help="Open none, and ask for the address that the browser of another machine ends at.",
        ),
    ] = False,
    redirect_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where X sends the browser back to: one that the app has registered, to the "
            f"letter. Else XDM_REDIRECT_URI, or {REDIRECT_URI}.",
        ),
    ] = None,
    scopes: Annotated[
        str | None,
        typer.Option(
            metavar="SCOPES",
            help="What to ask for, with spaces between; else all that Direct Messages need.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for the user.")
    ] = 300.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say who was logged in as one JSON object.")
    ] = False,
) -> int:
    """Log an account in, in a browser, and keep its tokens for the other commands.

    The app's own keys come from the environment: XDM_CLIENT_ID, and XDM_CLIENT_SECRET if it has
    one; for OAuth 1.0a XDM_CONSUMER_KEY and XDM_CONSUMER_SECRET. Tokens are kept in XDM_STORE, or
    in a file of the user's own; XDM_VAULT_KEY seals them.
    """
    if not 0 < timeout < math.inf:
        raise typer.BadParameter(
            f"{timeout} is no number of seconds to wait for", param_hint="'--timeout'"
        )
    given = {"--redirect-uri": redirect_uri, "--scopes": scopes}
    for option, value in given.items():
        if oauth1 and value is not None:
            raise typer.BadParameter(
                "it is of OAuth 2.0, and --oauth1 has nothing like it", param_hint=f"'{option}'"
            )
    missing = [name for name in (_OAUTH1 if oauth1 else _OAUTH2) if not os.environ.get(name)]
    if missing:
        raise Misused(
            f"a login needs the app's {' and '.join(missing)} in the environment, from the "
            "developer portal of X"
        )
    if credentials.store_of(os.environ) == "memory:":
        raise Misused("XDM_STORE is memory:, which would forget the login at once: name a file")
    doing = Login(
        timeout=timeout,
        browser=not no_browser,
        redirect_uri=redirect_uri or os.environ.get("XDM_REDIRECT_URI") or REDIRECT_URI,
        scopes=scopes,
    )
    options = {name: option for name, option in _OPTIONS.items() if given[option] is not None}
    how = doing.oauth1 if oauth1 else doing.oauth2
    try:
        with errors_said(options):
            account = run_until_stopped(_login(how))
    except (Stopped, KeyboardInterrupt):
        words = "nobody was logged in"
        if doing.answered:
            words = "X may have given the tokens; xdm accounts says whether they were kept"
        print(f"stopped: {words}", file=sys.stderr)
        return 1
    with output_said():
        if as_json:
            print(json.dumps(described(account)), flush=True)
        else:
            print(f"logged in as {credentials.name_of(account)} ({account.user_id})", flush=True)
    return 0


async def _login(how: Callable[[App, Status], Awaitable[Account]]) -> StoredAccount:
    async with credentials.keeping() as app, Status(sys.stderr, lambda: "") as status:
        user_id = (await how(app, status)).user_id
        return next(kept for kept in await app.accounts() if kept.user_id == user_id)


def _open_browser(url: str) -> bool:
    """Open one, if there is a screen for it; it may take its time, and is not waited for."""
    env = os.environ
    shown = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or env.get("BROWSER")
    if not shown and sys.platform not in ("win32", "darwin"):
        return False  # a browser in this terminal would take it away

    def open_() -> None:
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(url)

    threading.Thread(target=open_, name="xdm-browser", daemon=True).start()
    return True
