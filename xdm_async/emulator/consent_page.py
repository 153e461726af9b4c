"""The pages of a login: plain HTML that a browser can click through, and that tells no secret.

There is one form: who is asked, and the buttons *Authorize* and *Cancel*. It is posted to the
address it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from .answers import HTML, Answer
from .objects import User

AUTHORIZE: Final = "authorize"
CANCEL: Final = "cancel"

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 32em; margin: 3em auto; padding: 0 1em }}
select, button {{ font: inherit; padding: .3em .8em; margin: .2em 0 }}
</style>
</head>
<body>
<h1>{title}</h1>
{inside}
</body>
</html>
"""

_FORM: Final = """<p>An app wants to access your account on this local X. It could use:</p>
<ul>
{allowed}
</ul>
<form method="post" accept-charset="utf-8">
<p><label>As <select name="user">
{users}
</select></label></p>
<p>
<button type="submit" name="decision" value="authorize">Authorize</button>
<button type="submit" name="decision" value="cancel">Cancel</button>
</p>
</form>"""


def consent(allowed: Sequence[str], users: Sequence[User]) -> Answer:
    """The question; the first of the users is chosen to begin with."""
    inside = _FORM.format(
        allowed="\n".join(f"<li>{escape(item)}</li>" for item in allowed),
        users="\n".join(
            f'<option value="{user.id}">@{escape(user.username)}</option>' for user in users
        ),
    )
    return _page(200, "Authorize app", inside)


def said(status: int, title: str, text: str, *, code: str | None = None) -> Answer:
    """A page that says something, and perhaps a code to type elsewhere."""
    shown = "" if code is None else f"\n<p><code>{escape(code)}</code></p>"
    return _page(status, title, f"<p>{escape(text)}</p>{shown}")


def refused(text: str) -> Answer:
    """The page for a request that must not be sent on to where it says."""
    return said(400, "Something went wrong", text)


def sent_on(address: str, parameters: Mapping[str, str]) -> Answer:
    """Back to the App, at an address that is registered, with these parameters added."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    location = f"{address}{'&' if '?' in address else '?'}{added}"
    return Answer(302, b"", (("location", location),), page=True)


def _page(status: int, title: str, inside: str) -> Answer:
    body = _PAGE.format(title=escape(title), inside=inside)
    return Answer(status, body.encode(), media_type=HTML, page=True)
