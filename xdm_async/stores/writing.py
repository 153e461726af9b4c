"""Writing grants: what becomes of the versions, the spent tokens and the provisional owners.

Plain functions over frozen values, so that every vault decides alike. Versions of one owner only
rise, also over a `forget`: one who still has the old grant in hand cannot take a new login for it.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .base import Grant, fingerprint

SPENT = 50
"""So many of the newest spent fingerprints are kept, and the oldest: it may be what a
configuration still holds."""


def kept(grant: Grant, version: int) -> Grant:
    """The grant as it is written: with its version, and no more spent tokens than are kept."""
    spent = grant.spent
    if len(spent) > SPENT + 1:
        spent = (spent[0], *spent[-SPENT:])
    return attrs.evolve(grant, spent=spent, version=version)


def known_by(grant: Grant | None) -> set[str]:
    """The fingerprints that a grant is found by; none where there is no grant."""
    if grant is None:
        return set()
    found = {fingerprint(grant.token), *grant.spent}
    if grant.secret is not None:
        found.add(fingerprint(grant.secret))
    return found


def provisional(owner: str) -> bool:
    """Whether this owner stands for a user whose id is not known yet."""
    return owner.startswith("token:")


def nearest(owners: Iterable[str]) -> str | None:
    """Of the owners that a fingerprint leads to, the one that is meant."""
    return min(owners, key=lambda owner: (provisional(owner), owner), default=None)


def came_from(grant: Grant, other: Grant) -> bool:
    """Whether a grant is the other one, or what a renewal has made of it."""
    return fingerprint(other.secret or other.token) in known_by(grant)
