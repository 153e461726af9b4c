"""The vectors of the fact sheet, and what spoils a signature."""

import pytest

from xdm_async.emulator.signatures import Signed, bases_of, read_signed

CONSUMER_KEY = "xvz1evFS4wEEPTGEFPHBog"
TOKEN = "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"
CONSUMER_SECRET = "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"
TOKEN_SECRET = "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"

UPDATE = ("POST", "/1.1/statuses/update.json", "include_entities=true")
FORM = "status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21"
LIST = ("GET", "/2/dm_events", "max_results=100&dm_event.fields=created_at%2Csender_id")
SEND = ("POST", "/2/dm_conversations/with/944480690/messages", "")
PUBLISHED = ("kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "1318622958")
COMPUTED = ("abc123", "1700000000")


def header(
    nonce: str, timestamp: str, signature: str, *, method: str = "HMAC-SHA1", more: str = ""
) -> str:
    escaped = signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return (
        f'OAuth oauth_consumer_key="{CONSUMER_KEY}", oauth_nonce="{nonce}", '
        f'oauth_signature="{escaped}", oauth_signature_method="{method}", '
        f'oauth_timestamp="{timestamp}", oauth_token="{TOKEN}", oauth_version="1.0"{more}'
    )


def signed(
    request: tuple[str, str, str],
    once: tuple[str, str],
    signature: str,
    form: str = "",
    **variant: str,
) -> Signed:
    read = read_signed(*request, header(*once, signature, **variant), form)
    assert read is not None
    return read


def accepted(read: Signed, *bases: str) -> bool:
    return read.by(CONSUMER_SECRET, TOKEN_SECRET, bases)


@pytest.mark.parametrize(
    ("request_", "once", "base", "signature", "form"),
    [
        (UPDATE, PUBLISHED, "https://api.x.com", "Ls93hJiZbQ3akF3HF3x1Bz8/zU4=", FORM),
        (UPDATE, PUBLISHED, "https://api.twitter.com", "hCtSmYh+iHYCEqBWrE7C7hYmtUk=", FORM),
        (LIST, COMPUTED, "https://api.x.com", "qLdsEVLuXBk7+8r0WTjB6sdv7aM=", ""),
        (SEND, COMPUTED, "https://api.x.com", "LA1DI8v7+gMIAT1eL7dJjF68NHE=", ""),
    ],
)
def test_the_published_signatures_are_accepted(
    request_: tuple[str, str, str], once: tuple[str, str], base: str, signature: str, form: str
) -> None:
    read = signed(request_, once, signature, form)
    assert accepted(read, base)
    assert not accepted(read, "http://127.0.0.1:8080")
    assert not read.by(CONSUMER_SECRET, TOKEN_SECRET + "x", [base])


def test_the_address_may_be_the_one_sent_to_or_a_documented_one() -> None:
    assert list(bases_of("127.0.0.1:80")) == [
        "http://127.0.0.1:80",
        "https://api.x.com",
        "https://api.twitter.com",
        "https://127.0.0.1:80",
    ]
    read = signed(LIST, COMPUTED, "qLdsEVLuXBk7+8r0WTjB6sdv7aM=")
    assert accepted(read, *bases_of("localhost"))


def test_a_comma_may_be_sent_bare_or_escaped_and_signs_the_same() -> None:
    bare = (*LIST[:2], LIST[2].replace("%2C", ","))
    assert accepted(signed(bare, COMPUTED, "qLdsEVLuXBk7+8r0WTjB6sdv7aM="), "https://api.x.com")


@pytest.mark.parametrize(
    "other",
    [
        ("POST", *LIST[1:]),
        (LIST[0], "/2/dm_events/1", LIST[2]),
        (*LIST[:2], LIST[2].replace("100", "10")),
        (*LIST[:2], LIST[2] + "&expansions=sender_id"),
    ],
)
def test_a_signature_is_for_one_request_only(other: tuple[str, str, str]) -> None:
    read = signed(other, COMPUTED, "qLdsEVLuXBk7+8r0WTjB6sdv7aM=")
    assert not accepted(read, "https://api.x.com")


def test_only_hmac_sha1_is_taken() -> None:
    read = signed(SEND, COMPUTED, f"{CONSUMER_SECRET}&{TOKEN_SECRET}", method="PLAINTEXT")
    assert not accepted(read, "https://api.x.com")


@pytest.mark.parametrize(
    "authorization",
    [
        "OAuth",
        "OAuth ",
        "OAuth oauth_token=unquoted",
        'OAuth oauth_token="x"',
        header(*COMPUTED, ""),
        header(*COMPUTED, "LA1DI8v7+gMIAT1eL7dJjF68NHE=", more=', oauth_nonce="again"'),
        header(*COMPUTED, "LA1DI8v7+gMIAT1eL7dJjF68NHE=").replace("1.0", "2.0"),
    ],
)
def test_a_header_that_cannot_be_read_is_no_signature(authorization: str) -> None:
    assert read_signed(*SEND, authorization) is None


def test_a_query_that_cannot_be_read_is_no_signature() -> None:
    good = header(*COMPUTED, "LA1DI8v7+gMIAT1eL7dJjF68NHE=")
    assert read_signed("GET", "/2/dm_events", "a=%zz", good) is None


def test_a_realm_is_no_part_of_what_is_signed() -> None:
    read = signed(SEND, COMPUTED, "LA1DI8v7+gMIAT1eL7dJjF68NHE=", more=', realm="here, there"')
    assert accepted(read, "https://api.x.com")


def test_a_signed_request_prints_no_signature() -> None:
    assert "LA1DI8" not in repr(signed(SEND, COMPUTED, "LA1DI8v7+gMIAT1eL7dJjF68NHE="))
