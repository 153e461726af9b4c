"""OAuth 1.0a signatures, verified: HMAC-SHA1 as RFC 5849 says, by oauthlib's primitives.

It answers whether a request was signed with two given secrets, over any of the addresses that
the emulator goes by. Whose secrets those are, whether the timestamp is near and the nonce
fresh, is left to `authentication`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import attrs
from oauthlib.oauth1.rfc5849 import signature

DOCUMENTED_HOSTS: Final = ("https://api.x.com", "https://api.twitter.com")
"""A client with a fixed host signs for one of these, wherever its bytes are sent."""

FORM: Final = "application/x-www-form-urlencoded"

rfc5849: Final[Any] = signature
"""Untyped here: the published stubs take no list of pairs, which is what RFC 5849 has."""

_METHOD: Final = "HMAC-SHA1"
_PARAMETER: Final = re.compile(r'\s*([A-Za-z0-9_]+)="([^"]*)"\s*(?:,|$)')
_REQUIRED: Final = (
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
)


@attrs.frozen(repr=False)
class _Secrets:
    """The two secrets under the names by which oauthlib reads them off its own client."""

    client_secret: str
    resource_owner_secret: str


@attrs.frozen(kw_only=True)
class Signed:
    """A signed request, taken apart: its protocol parameters and what the signature covers."""

    method: str
    path: str
    consumer_key: str
    token: str
    signature_method: str
    timestamp: str
    nonce: str
    signature: str = attrs.field(repr=False)
    covered: str = attrs.field(repr=False)

    def by(self, consumer_secret: str, token_secret: str, bases: Iterable[str]) -> bool:
        """Whether these secrets made the signature, over the path at one of the bases."""
        given = self.signature.encode()
        secrets = _Secrets(consumer_secret, token_secret)
        return self.signature_method == _METHOD and any(
            hmac.compare_digest(given, self._expected(base, secrets)) for base in bases
        )

    def _expected(self, base: str, secrets: _Secrets) -> bytes:
        address = _normalized(base) + self.path
        text = rfc5849.signature_base_string(self.method, address, self.covered)
        made: str = rfc5849.sign_hmac_sha1_with_client(text, secrets)
        return made.encode()


def read_signed(
    method: str, path: str, query: str, authorization: str, form: str = ""
) -> Signed | None:
    """Take a request apart; None if its Authorization header or its query cannot be read.

    `form` is the body of a form. A JSON body is not covered by the signature: leave it out.
    """
    protocol = _protocol_parameters(authorization)
    try:
        others: list[tuple[str, str]] = rfc5849.collect_parameters(uri_query=query, body=form)
    except ValueError:
        return None
    found = dict(protocol)
    if len(found) < len(protocol) or any(not found.get(name) for name in _REQUIRED):
        return None
    if found.get("oauth_version", "1.0") != "1.0":
        return None
    covered = rfc5849.normalize_parameters(
        [*others, *(pair for pair in protocol if pair[0] != "oauth_signature")]
    )
    return Signed(
        method=method,
        path=path,
        consumer_key=found["oauth_consumer_key"],
        token=found["oauth_token"],
        signature_method=found["oauth_signature_method"],
        timestamp=found["oauth_timestamp"],
        nonce=found["oauth_nonce"],
        signature=found["oauth_signature"],
        covered=covered,
    )


def bases_of(host: str) -> Iterable[str]:
    """The addresses a request may have been signed for, the one it was sent to first."""
    return dict.fromkeys((f"http://{host}", *DOCUMENTED_HOSTS, f"https://{host}"))


def _protocol_parameters(authorization: str) -> list[tuple[str, str]]:
    """The parameters of an `OAuth name="value", …` header; none if it is of another form."""
    parameters: list[tuple[str, str]] = []
    place = len("OAuth ")
    while place < len(authorization):
        match = _PARAMETER.match(authorization, place)
        if match is None:
            return []
        if match[1] != "realm":
            parameters.append((match[1], unquote(match[2])))
        place = match.end()
    return parameters


@lru_cache(maxsize=64)
def _normalized(base: str) -> str:
    """Scheme and host as a signature covers them: lower case, without a default port."""
    address: str = rfc5849.base_string_uri(base)
    return address.removesuffix("/")
