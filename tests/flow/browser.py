"""What a user does in a browser to log in, in one call."""

import aiohttp

from tests.emulator.browser import Browser


async def visit(url: str, username: str, decision: str = "authorize") -> str:
    """Decide as this user; gives the address the browser is sent to, or what the page says."""
    async with aiohttp.ClientSession() as session:
        browser = Browser(session)
        page = await browser.open(url)
        back = await browser.click(page, decision.capitalize(), user=username)
        return back.location if back.status == 302 else " ".join(back.form.codes)
