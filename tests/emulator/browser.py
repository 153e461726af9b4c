"""As much of a browser as a login needs: it reads the form of a page, fills it in and clicks."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
import attrs


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.method = self.action = ""
        self.fields: dict[str, str] = {}
        self.options: dict[str, dict[str, str]] = {}
        self.buttons: dict[str, tuple[str, str]] = {}
        self.codes: list[str] = []
        self._select: str | None = None
        self._reading: tuple[str, dict[str, str]] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.method, self.action = given.get("method", "get"), given.get("action", "")
        elif tag == "select":
            self._select = given["name"]
            self.options[self._select] = {}
        elif tag in ("option", "button", "code"):
            self._reading = (tag, given)

    def handle_data(self, data: str) -> None:
        if self._reading is None:
            return
        tag, given = self._reading
        self._reading = None
        if tag == "code":
            self.codes.append(data)
        elif tag == "button":
            self.buttons[data] = (given["name"], given["value"])
        elif self._select is not None:
            self.options[self._select][data] = given["value"]
            self.fields.setdefault(self._select, given["value"])  # the first is chosen


@attrs.frozen
class Shown:
    """A page as it is shown, or where the browser is sent instead."""

    url: str
    status: int
    headers: aiohttp.typedefs.LooseHeaders
    text: str

    @property
    def form(self) -> _Form:
        form = _Form()
        form.feed(self.text)
        return form

    @property
    def location(self) -> str:
        assert self.status == 302, (self.status, self.text)
        return str(self.headers["location"])  # type: ignore[index,call-overload]

    @property
    def told(self) -> dict[str, str]:
        """The parameters with which the App is called back."""
        return dict(parse_qsl(urlsplit(self.location).query, keep_blank_values=True))


@attrs.frozen
class Browser:
    """Opens pages and clicks their buttons; it follows nowhere, for the App is not at home."""

    session: aiohttp.ClientSession

    async def open(self, url: str) -> Shown:
        return await self._go("GET", url)

    async def click(self, page: Shown, button: str, *, user: str | None = None) -> Shown:
        """Choose a user by name, if one is given, and click."""
        form = page.form
        fields = dict(form.fields)
        if user is not None:
            fields["user"] = form.options["user"][f"@{user}"]
        name, value = form.buttons[button]
        assert form.method == "post"
        return await self._go("POST", urljoin(page.url, form.action), fields | {name: value})

    async def _go(self, method: str, url: str, form: dict[str, str] | None = None) -> Shown:
        async with self.session.request(method, url, data=form, allow_redirects=False) as answer:
            return Shown(url, answer.status, answer.headers, await answer.text())
