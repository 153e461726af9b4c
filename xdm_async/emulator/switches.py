"""Switches: what a server may do where the facts are open, each under a name.

Only the choices and their defaults. Whoever acts on one reads it where it acts.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import attrs

RateLimitBody = Literal["problem", "code 88"]
Names = Literal["classic", "current"]
PastNewest = Literal["empty", "same", "refused"]
ClientType = Literal["confidential", "public", "either"]
Lag = float | tuple[float, float]

TOKEN_LIFE: Final = 7_200
"""Seconds an OAuth 2.0 access token lives."""

REFRESH_TOKEN_LIFE: Final = 180 * 86_400
"""Seconds a refresh token lives, since it was given out: about six months."""


@attrs.frozen(kw_only=True)
class Switches:
    """Choices where the facts are open; the defaults follow the documents that win."""

    send_needs_dm_read: bool = True
    """Sends need the scope dm.read besides dm.write."""

    group_minimum: int = 1
    """The fewest participants a group may be made with, besides its creator."""

    conversation_days: float | None = 30
    """How far back the lists of one conversation reach; None: all the way."""

    last_page_token: bool = True
    """The page with the oldest event still carries a next_token, as recorded."""

    filter_after_cut: bool = False
    """event_types is applied after a page is cut, so that pages come short or empty."""

    count_unauthorized: bool = False
    """A 401 counts against the user whose credentials were refused."""

    rate_limit_body: RateLimitBody = "problem"
    """A 429 is a problem, or the older code 88."""

    names: Names = "classic"
    """The names an answer speaks where those of the query do not tell."""

    list_lag: Lag = 0
    """Seconds until an event shows in the list of all events; of a range, each draws its own."""

    past_newest: PastNewest = "empty"
    """previous_token of the newest page: an empty page, the newest page again, or a 400."""

    token_life: float | None = None
    """Seconds after which a pagination token is refused, since it was last handed out."""

    short_pages: float = 0.0
    """How likely a page that has a next_token is cut short, down to one event."""

    access_token_life: float = TOKEN_LIFE
    """Seconds an OAuth 2.0 access token lives, unless it is asked for with another life."""

    refresh_token_life: float = REFRESH_TOKEN_LIFE
    """Seconds a refresh token may lie unused."""

    reuse_revokes_grant: bool = False
    """A refresh token that comes a second time ends its grant, and the tokens of that."""

    client_type: ClientType = "either"
    """What the App is registered as: with a secret to show (by Basic), without, or as it comes."""

    def __attrs_post_init__(self) -> None:
        shortest, longest = self.lag
        if not 0 <= shortest <= longest < float("inf"):
            raise ValueError(
                f"list_lag is seconds from 0, or the least and the most, not {self.list_lag!r}"
            )
        for name, value, values in (
            ("names", self.names, get_args(Names)),
            ("past_newest", self.past_newest, get_args(PastNewest)),
            ("client_type", self.client_type, get_args(ClientType)),
        ):
            if value not in values:
                raise ValueError(f"{name} is one of {', '.join(values)}, not {value!r}")
        for name, life in (
            ("access_token_life", self.access_token_life),
            ("refresh_token_life", self.refresh_token_life),
        ):
            if not 0 < life < float("inf"):
                raise ValueError(f"{name} is more than 0 seconds, and not for ever, not {life!r}")
        if self.token_life is not None and not self.token_life > 0:
            raise ValueError(f"token_life is more than 0 seconds, or None, not {self.token_life!r}")
        if not 0 <= self.short_pages < 1:
            raise ValueError(
                f"short_pages is from 0 to less than 1, or no scan would end, "
                f"not {self.short_pages!r}"
            )

    @property
    def lag(self) -> tuple[float, float]:
        """The least and the most of `list_lag`."""
        lag = self.list_lag
        return lag if isinstance(lag, tuple) else (lag, lag)
