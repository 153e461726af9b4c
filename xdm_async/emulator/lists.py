"""Lists: the moods of a server that pages through events.

What is not yet listed, how pages come short, how tokens age and what lies past the newest event:
all of it is switched off until a test wants it. What a page is, and what a token says, is left
to `pagination`.
"""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import Final

import attrs

from .objects import Event, Feed, User
from .pagination import Page, Position, cut
from .parameters import Query
from .problems import invalid_request, invalid_value
from .snowflake import first_number_at, milliseconds_of
from .switches import Switches

_DRAWS: Final = 1 << 64


class Lists:
    """Cuts the pages that are asked for.

    Always true: whoever follows `next_token` until there is none meets every event that was
    listed when the scan began, and none twice, whatever is switched on, as long as the tokens
    live.
    """

    def __init__(self, switches: Switches, seed: int) -> None:
        self._switches = switches
        self._seed = str(seed).encode()
        self._rng = random.Random(f"pages {seed}")
        self._handed_out: dict[tuple[str, str], float] = {}
        """When each user was last given each token, those given last at the end."""

    def page(self, feed: Feed, query: Query, user: User, now: float, oldest_number: int) -> Page:
        """The page of a feed that a user asks for, or the 400 for a token that does not do."""
        self._check_token(query, user, now)
        switches, position = self._switches, query.position
        page = self._cut(feed, query, position, oldest_number)
        if position is not None and not position.older and page.newer is None:
            if switches.past_newest == "refused":
                raise _refused(query)
            if switches.past_newest == "same":
                position = None
                page = self._cut(feed, query, position, oldest_number)
        if (
            switches.short_pages
            and len(page.events) > 1
            and page.older is not None
            and self._rng.random() < switches.short_pages
        ):
            page = _shortened(page, position, self._rng.randrange(1, len(page.events)))
        if switches.token_life is not None:
            self._hand_out(page, user, now, switches.token_life)
        return page

    def listed(self, feed: Feed, now: float) -> Feed:
        """As much of a feed as the list of all events shows by now."""
        _, longest = self._switches.lag
        if longest == 0:
            return feed
        # Whatever is older than the longest lag has come through, so only the end is looked at.
        certain = first_number_at(now - longest - 0.001)
        seen: Feed = {}
        for event_type, events in feed.items():
            end = len(events)
            while end and events[end - 1].number >= certain:
                end -= 1
            late = [event for event in events[end:] if self._listed_at(event) <= now]
            seen[event_type] = events[:end] + late
        return seen

    def _cut(self, feed: Feed, query: Query, position: Position | None, oldest_number: int) -> Page:
        return cut(
            feed,
            position=position,
            size=query.max_results,
            event_types=query.event_types,
            oldest_number=oldest_number,
            filter_after_cut=self._switches.filter_after_cut,
            always_older=self._switches.last_page_token,
        )

    def _listed_at(self, event: Event) -> float:
        """When it shows in the list of all events; drawn from its id, whenever that is asked."""
        shortest, longest = self._switches.lag
        drawn = blake2b(event.id.encode(), digest_size=8, key=self._seed).digest()
        lag = shortest + (longest - shortest) * int.from_bytes(drawn, "big") / _DRAWS
        return milliseconds_of(event.number) / 1000 + lag

    def _check_token(self, query: Query, user: User, now: float) -> None:
        life = self._switches.token_life
        if query.token is None or life is None:
            return
        handed_out = self._handed_out.get((user.id, query.token))
        if handed_out is None or now - handed_out > life:
            raise _refused(query)

    def _hand_out(self, page: Page, user: User, now: float, life: float) -> None:
        for position in (page.older, page.newer):
            if position is not None:
                key = (user.id, position.token())
                self._handed_out.pop(key, None)
                self._handed_out[key] = now
        while now - next(iter(self._handed_out.values()), now) > life:
            del self._handed_out[next(iter(self._handed_out))]


def _refused(query: Query) -> Exception:
    return invalid_request([invalid_value("pagination_token", query.token or "")], query.host)


def _shortened(page: Page, position: Position | None, kept: int) -> Page:
    """The first `kept` events of a page, as seen from where it began; the rest is still ahead."""
    events = page.events
    if position is None or position.older:
        before = Position(events[kept - 1].number, older=True)
        return attrs.evolve(page, events=events[:kept], older=before)
    return attrs.evolve(
        page, events=events[-kept:], newer=Position(events[-kept].number, older=False)
    )
