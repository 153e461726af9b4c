from typing import Any

import attrs
import pytest

from xdm_async.cli.display import summary, verdict
from xdm_async.cli.outcome import Outcome, Tally, lower_bound, tally, total, used
from xdm_async.emulator import WindowRecord

GOOD = Outcome(
    accounts=2,
    messages=3,
    messages_sent=3,
    messages_stored=3,
    texts=tally("abc", "abc"),
    ids=tally("123", "123"),
    events=Tally(6, 6, 0, 0, 0),
    conversations=Tally(4, 4, 0, 0, 0),
    requests=9,
    refused_429=0,
    seconds=3.0,
    lower_bound_seconds=2.0,
)


def test_a_tally_tells_what_is_missing_what_is_twice_and_what_is_strange() -> None:
    assert tally("aabcx", "abcd") == Tally(expected=4, exact=2, missing=1, repeated=1, strange=1)
    assert tally("cab", "abc").holds
    assert not tally("abx", "ab").holds
    assert tally("", "").holds


def test_tallies_add_up() -> None:
    assert total([tally("a", "ab"), tally("cc", "c")]) == Tally(3, 1, 1, 1, 0)
    assert total([]) == Tally(0, 0, 0, 0, 0)


def test_all_that_holds_is_said_in_one_line() -> None:
    assert GOOD.holds
    assert verdict(GOOD).startswith("OK: ")
    assert any("1.50 times" in line for line in summary(GOOD))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"messages_sent": 2}, "2 of 3 messages were sent"),
        ({"messages_stored": 4}, "the server has 4 messages of 3"),
        ({"texts": tally("abcc", "abc")}, "1 too many"),
        ({"texts": tally("ab", "abc")}, "1 missing"),
        ({"ids": tally("1234", "123")}, "1 unknown"),
        ({"events": Tally(6, 5, 1, 0, 0)}, "events read: 1 missing"),
        ({"conversations": Tally(6, 5, 0, 2, 0)}, "events read by conversation: 2 too many"),
        ({"refused_429": 1}, "1 requests were refused with 429"),
        ({"errors": {"ReadTimeout: no answer": 2}}, "2 errors"),
    ],
)
def test_whatever_does_not_hold_fails_it_and_is_named(change: dict[str, Any], word: str) -> None:
    bad = attrs.evolve(GOOD, **change)

    assert not bad.holds
    assert verdict(bad).startswith("FAILED: ")
    assert word in verdict(bad)


def test_an_error_is_shown_in_its_own_words() -> None:
    bad = attrs.evolve(GOOD, errors={"ReadTimeout: no answer in 30 s": 2})

    assert any("2 times ReadTimeout: no answer in 30 s" in line for line in summary(bad))


def test_the_bound_is_that_of_the_slowest_budget_between_two_moments() -> None:
    def window(budget: str, owner: str, opened_at: float, count: int) -> WindowRecord:
        length, limit = (12.0, 10) if budget == "short" else (40.0, 25)
        return WindowRecord(budget, owner, opened_at, opened_at + length, limit, count, 0)

    begun = used([window("short", "1", 0, 10)])
    ended = used(
        [
            window("short", "1", 0, 10),
            window("short", "1", 13, 10),
            window("short", "2", 5, 1),
            window("long", "app", 0, 20),
        ]
    )

    assert lower_bound({}, begun) == 0.0  # ten in a window of ten
    assert lower_bound({}, ended) == 12.0  # twenty need a second one
    assert lower_bound(begun, ended) == 0.0  # ten of them are from before
    more = {**ended, ("long", "app"): (26, 25, 40.0)}
    assert lower_bound(begun, more) == 40.0
