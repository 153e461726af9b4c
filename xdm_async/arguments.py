"""Arguments: what those of `App` may be, and what is made of them.

Each function gives back what is used, or refuses with a sentence that names the argument.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .budgets.budget import shown
from .budgets.priority import Priority
from .errors import InvalidRequest


def vault_keys(keys: str | Iterable[str] | None) -> list[str]:
    """The keys that seal a store, the one in use first."""
    if keys is None:
        return []
    given: object = keys.split(",") if isinstance(keys, str) else keys
    listed = list(given) if isinstance(given, Iterable) else [None]
    found = [key.strip() for key in listed if isinstance(key, str)]
    if len(found) < len(listed):
        raise InvalidRequest(
            "vault_key is a key, several, or 'keyring:', as text", argument="vault_key"
        )
    return [key for key in found if key]


def address(url: str, argument: str = "base_url") -> str:
    """An address without a slash at its end, or `InvalidRequest`."""
    try:
        if not isinstance(url, str) or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise ValueError
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise InvalidRequest(
            f"{argument} is an http or https URL with a host, such as https://api.x.com",
            argument=argument,
        ) from None
    if "?" in url or "#" in url or "@" in parts.netloc:
        raise InvalidRequest(
            f"{argument} has no query, no fragment and no credentials in it", argument=argument
        )
    return url.rstrip("/")


def seconds(value: object, argument: str) -> float:
    """A number of seconds above 0."""
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise InvalidRequest(
            f"{argument} is a number of seconds above 0, not {value!r}", argument=argument
        )
    return float(value)


def reserve_of(shares: Mapping[Priority, float] | None) -> dict[Priority, float]:
    """What is kept from each priority, as numbers from 0 to 1."""
    if shares is None:
        return {}
    if not isinstance(shares, Mapping):
        raise InvalidRequest(
            "reserve is a mapping of Priority to a share from 0 to 1, or None, "
            f"not {shown(shares)}",
            argument="reserve",
        )
    for priority, share in shares.items():
        if not isinstance(priority, Priority):
            raise InvalidRequest(
                f"reserve has a Priority for each key, not {shown(priority)}", argument="reserve"
            )
        # Comparing says the rest: nan is neither.
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InvalidRequest(
                f"reserve of Priority.{priority.name} is a number from 0 to 1, not {shown(share)}",
                argument="reserve",
            )
    return {priority: float(share) for priority, share in shares.items()}


def waiting_limits(most: tuple[int, int]) -> tuple[int, int]:
    """How many wait at most: of one account, and altogether."""
    if (
        not isinstance(most, tuple | list)
        or len(most) != 2
        or not all(type(number) is int and number >= 1 for number in most)
    ):
        raise InvalidRequest(
            "max_waiting is two whole numbers of at least 1, for each account and for all, "
            f"not {shown(most)}",
            argument="max_waiting",
        )
    return most[0], most[1]
