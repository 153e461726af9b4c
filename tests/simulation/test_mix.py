"""The mix: how it is read, and how it is shared out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.budgets.priority import Priority
from xdm_async.simulation import Arrival, Part, parse_mix
from xdm_async.simulation.mix import counts
from xdm_async.simulation.setting import arrivals

from .test_days import setting

BULK, NORMAL, INTERACTIVE = Priority
BURST, STEADY, DAYTIME = Arrival


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("normal=1", [(NORMAL, 1.0, DAYTIME)]),
        ("bulk=0.9:burst,interactive=0.1", [(BULK, 0.9, BURST), (INTERACTIVE, 0.1, DAYTIME)]),
        (" bulk = 75% : steady , normal=25 %", [(BULK, 0.75, STEADY), (NORMAL, 0.25, DAYTIME)]),
        ("bulk=.5:burst,bulk=5e-1", [(BULK, 0.5, BURST), (BULK, 0.5, DAYTIME)]),
    ],
)
def test_a_part_has_a_priority_a_share_and_perhaps_an_arrival(
    text: str, parts: list[tuple[Priority, float, Arrival]]
) -> None:
    assert parse_mix(text, DAYTIME) == tuple(Part(*part) for part in parts)


@pytest.mark.parametrize(
    "text", ["bulk=0.333,normal=0.333,interactive=0.333", "bulk=33.3%,normal=66.8%"]
)
def test_shares_may_be_rounded(text: str) -> None:
    assert len(parse_mix(text, BURST)) == text.count("=")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "'' is not of the form priority=share"),
        ("bulk", "'bulk' is not of the form priority=share"),
        ("bulk=1,", "'' is not of the form"),
        ("bulk:burst", "'bulk:burst' is not of the form"),
        ("=1", "'' is no priority: those are bulk, normal or interactive"),
        ("urgent=1", "'urgent' is no priority"),
        ("BULK=1", "'BULK' is no priority"),
        ("bulk=", "the share of bulk is '', and must be a number above 0"),
        ("bulk=all", "the share of bulk is 'all'"),
        ("bulk=0,normal=1", "the share of bulk is '0'"),
        ("bulk=2,normal=-1", "the share of normal is '-1'"),
        ("bulk=nan", "the share of bulk is 'nan'"),
        ("bulk=inf", "the share of bulk is 'inf'"),
        ("bulk=%", "the share of bulk is '%'"),
        ("bulk=1:", "the arrival of bulk is '', and must be burst, steady or daytime"),
        ("bulk=1:noon", "the arrival of bulk is 'noon'"),
        ("bulk=1:burst:burst", "the arrival of bulk is 'burst:burst'"),
        ("bulk=90", "the shares sum to 90, and must sum to 1"),
        ("bulk=0.9", "the shares sum to 0.9, and must sum to 1"),
        ("bulk=0.9,normal=0.2", "the shares sum to 1.1, and must sum to 1"),
        ("bulk=1e308,normal=1e308", "the shares sum to inf, and must sum to 1"),
        ("bulk=0.5,bulk=0.5:burst", "bulk is there twice with the arrival burst"),
    ],
)
def test_what_is_no_mix_is_told_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are the test
        parse_mix(text, BURST)

    assert str(caught.value).startswith(rule)


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=9),
    st.integers(1, 40),
    st.integers(1, 200),
)
def test_everybody_has_all_of_theirs_and_each_part_its_share(
    shares: list[float], accounts: int, messages: int
) -> None:
    mix = [Part(NORMAL, share, BURST) for share in shares]

    rows = list(counts(mix, accounts, messages))

    assert [sum(row) for row in rows] == [messages] * accounts
    for share, column in zip(shares, zip(*rows, strict=True), strict=True):
        exact = share / sum(shares) * messages
        assert all(abs(count - exact) < 1 + 1e-6 and count >= 0 for count in column)
        assert abs(sum(column) - exact * accounts) < 1 + 1e-6


def test_a_share_below_one_message_is_of_some_accounts() -> None:
    """A fiftieth of 10 messages is none of any account, and 20 of a hundred accounts."""
    mix = parse_mix("bulk=0.98,interactive=0.02", BURST)

    rows = Counter(counts(mix, 100, 10))

    assert rows == {(10, 0): 80, (9, 1): 20}


def test_whole_shares_are_whole_in_every_account() -> None:
    mix = parse_mix("bulk=0.7,normal=0.29,interactive=0.01", BURST)

    assert set(counts(mix, 30, 100)) == {(70, 29, 1)}


def test_each_part_arrives_in_its_own_way() -> None:
    mix = parse_mix("bulk=0.5:burst,interactive=0.3:steady,normal=0.2:daytime", BURST)
    there = setting(mix=mix, messages=100)

    found = arrivals(there, random.Random(1))

    assert found == sorted(found)
    assert Counter((account, part) for _, account, part in found) == {
        (account, part): count for account in range(20) for part, count in enumerate((50, 30, 20))
    }
    of_part = [[at for at, _, p in found if p == part] for part in range(3)]
    assert set(of_part[0]) == {0.0}
    by_quarter = [Counter(int(at // 21_600) for at in times) for times in of_part]
    assert all(145 <= by_quarter[1][quarter] <= 155 for quarter in range(4))
    assert by_quarter[2][1] + by_quarter[2][2] > 0.7 * 400
