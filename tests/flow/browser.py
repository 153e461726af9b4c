"""A browser at the local X's page: gets it, fills in the form, posts it, stops at the redirect."""

from html.parser import HTMLParser

import aiohttp


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, str] = {}
        self._user = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "option":
            self._user = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._user and data.strip():
            self.users[data.strip().removeprefix("@")] = self._user
            self._user = ""


async def visit(url: str, username: str, decision: str = "authorize") -> str:
    """Decide as this user; gives the address the browser is sent to, or the page it ends at."""
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as page:
            assert page.status == 200, await page.text()
            form = _Form()
            form.feed(await page.text())
        chosen = {"user": form.users[username], "decision": decision}
        async with session.post(url, data=chosen, allow_redirects=False) as answer:
            if answer.status == 302:
                return answer.headers["Location"]
            return await answer.text()
