"""Consent by OAuth 2.0: `/2/oauth2/authorize`, where a user allows the App something.

What is wrong with the App or the address to go back to is said on a page; everything else is
for the App to hear, so the browser is sent back with it (RFC 6749, 4.1.2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import attrs

from . import consent_page
from .answers import Answer
from .asked import Asked, Unreadable
from .codes import METHODS, ChallengeMethod, Codes
from .objects import User

SCOPES: Final = frozenset(
    (
        "block.read",
        "block.write",
        "bookmark.read",
        "bookmark.write",
        "broadcast.read",
        "broadcast.write",
        "dm.read",
        "dm.write",
        "follows.read",
        "follows.write",
        "like.read",
        "like.write",
        "list.read",
        "list.write",
        "media.write",
        "mute.read",
        "mute.write",
        "offline.access",
        "space.read",
        "timeline.read",
        "tweet.read",
        "tweet.write",
        "tweet.moderate.write",
        "users.read",
        "users.email",
    )
)
"""Every scope there is."""

MOST_STATE: Final = 500
MOST_CALLBACKS: Final = 10


@attrs.frozen
class _Wish:
    """What an authorization request asks for, once nothing is wrong with it."""

    redirect_uri: str
    state: str = attrs.field(repr=False)
    scopes: tuple[str, ...]
    challenge: str = attrs.field(repr=False)
    method: ChallengeMethod


class Consent:
    """Asks users, and gives the App a code for each yes."""

    def __init__(
        self,
        client_id: str,
        callbacks: Sequence[str],
        codes: Codes,
        users: Callable[[], Sequence[User]],
    ) -> None:
        self._client_id = client_id
        self._callbacks = callbacks
        self._codes = codes
        self._users = users

    def authorize(self, asked: Asked) -> Answer:
        """GET: the question. POST: the decision, and back to the App with it."""
        wish = self._wish(asked)
        if isinstance(wish, Answer):
            return wish
        users = self._users()
        if asked.method == "GET":
            return consent_page.consent(wish.scopes, users)
        chosen = decided(asked, users)
        if isinstance(chosen, Answer):
            return chosen
        if chosen is None:
            return consent_page.sent_on(
                wish.redirect_uri, {"error": "access_denied", "state": wish.state}
            )
        code = self._codes.give(
            chosen, wish.scopes, wish.redirect_uri, wish.challenge, wish.method, asked.now
        )
        return consent_page.sent_on(wish.redirect_uri, {"state": wish.state, "code": code})

    def _wish(self, asked: Asked) -> _Wish | Answer:
        try:
            given = asked.parameters
        except Unreadable as wrong:
            return consent_page.refused(str(wrong))
        if given.get("client_id") != self._client_id:
            return consent_page.refused("There is no App with this client_id.")
        redirect_uri = given.get("redirect_uri", "")
        if redirect_uri not in self._callbacks:
            return consent_page.refused(
                "The redirect_uri is none of the App's callbacks: it must match one exactly."
            )
        scopes = tuple(dict.fromkeys(given.get("scope", "").split()))
        challenge = given.get("code_challenge", "")
        state = given.get("state", "")
        fault = _fault(given, scopes)
        if fault is not None:
            error, description = fault
            back = {"error": error, "error_description": description}
            return consent_page.sent_on(redirect_uri, back | ({"state": state} if state else {}))
        method = METHODS[given.get("code_challenge_method", "plain")]
        return _Wish(redirect_uri, state, scopes, challenge, method)


def decided(asked: Asked, users: Sequence[User]) -> User | Answer | None:
    """Who said yes on the page; None for a no, and a page for what is neither."""
    try:
        form = asked.form
    except Unreadable as wrong:
        return consent_page.refused(str(wrong))
    decision = form.get("decision")
    if decision == consent_page.CANCEL:
        return None
    for user in users:
        if decision == consent_page.AUTHORIZE and user.id == form.get("user"):
            return user
    return consent_page.refused("Nobody here has authorized or cancelled this.")


def check_callbacks(callbacks: Collection[str]) -> tuple[str, ...]:
    """The addresses that may be registered for one App; `ValueError` for others."""
    if isinstance(callbacks, str):
        raise ValueError(f"callbacks is a list of addresses, not {callbacks!r}")
    if len(callbacks) > MOST_CALLBACKS:
        raise ValueError(f"an App has at most {MOST_CALLBACKS} callbacks, not {len(callbacks)}")
    for callback in callbacks:
        scheme, separator, rest = callback.partition("://")
        if not (scheme and separator and rest) or "#" in rest or not callback.isprintable():
            raise ValueError(
                f"a callback is a whole address without a fragment, like "
                f"http://127.0.0.1:8347/callback, not {callback!r}"
            )
    return tuple(callbacks)


def _fault(given: dict[str, str], scopes: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with a request that may be sent back: an error, and a sentence."""
    for name in ("response_type", "scope", "state", "code_challenge"):
        if not given.get(name):
            return "invalid_request", f"Missing required parameter [{name}]."
    if given["response_type"] != "code":
        return "unsupported_response_type", "The response_type is code."
    if len(given["state"]) > MOST_STATE:
        return "invalid_request", f"The state has at most {MOST_STATE} characters."
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        return "invalid_scope", "The scope holds names of scopes and nothing else."
    if given.get("code_challenge_method", "plain") not in METHODS:
        return "invalid_request", f"The code_challenge_method is {' or '.join(METHODS)}."
    return None
