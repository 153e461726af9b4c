"""Headers: each number read on its own; nonsense is None, never zero and never an error."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from xdm_async.budgets.budget import Report
from xdm_async.wire.headers import read_date, read_reports, read_retry_after

DATE = "Fri, 28 Oct 2022 01:08:23 GMT"
AT = 1_666_919_303.0
STEMS = {
    "rate-limit": "x-rate-limit",
    "user-24h": "x-user-limit-24hour",
    "app-24h": "x-app-limit-24hour",
}


def headers(**named: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in named.items()})


@pytest.mark.parametrize("family", STEMS)
def test_each_family_is_a_report_of_its_own(family) -> None:
    stem = STEMS[family]
    read = read_reports(
        CIMultiDict(
            {f"{stem}-limit": "200", f"{stem}-remaining": "0", f"{stem}-reset": "1666920203"}
        )
    )
    assert read == (Report(family, 200, 0, 1_666_920_203.0),)


def test_all_families_of_one_answer_are_read_whatever_their_capitals() -> None:
    mixed = CIMultiDict()
    for n, stem in enumerate(STEMS.values()):
        mixed[f"{stem}-limit".upper()] = f"{n + 1}0"
        mixed[f"{stem}-remaining".title()] = f"{n}"
        mixed[f"{stem}-reset"] = f"{1_666_920_000 + n}"
    assert read_reports(mixed) == tuple(
        Report(family, (n + 1) * 10, n, 1_666_920_000.0 + n) for n, family in enumerate(STEMS)
    )


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"limit": "15"}, (15, None, None)),
        ({"remaining": "0"}, (None, 0, None)),
        ({"reset": "1666920203"}, (None, None, 1_666_920_203.0)),
        ({"limit": "15", "reset": "1666920203"}, (15, None, 1_666_920_203.0)),
        ({"limit": "", "remaining": "3", "reset": "soon"}, (None, 3, None)),
        ({"limit": "40000", "remaining": "39999.0", "reset": " 1666920203 "},
         (40_000, 39_999, 1_666_920_203.0)),
    ],
)  # fmt: skip
def test_a_partial_report_is_read_as_far_as_it_goes(given, report) -> None:
    read = read_reports(headers(**{f"x_rate_limit_{name}": v for name, v in given.items()}))
    assert read == (Report("rate-limit", *report),)


@pytest.mark.parametrize(
    "nonsense",
    ["", " ", "-1", "+5", "1e3", "0x10", "nan", "inf", "1_000", "1,000", "٣", "²", "..", ".",
     "1.2.3", "true", "null", "9" * 21, "200, 200", "\ud83d"],
)  # fmt: skip
def test_nonsense_is_no_number(nonsense) -> None:
    named = headers(x_rate_limit_limit="200", x_rate_limit_remaining=nonsense)
    assert read_reports(named) == (Report("rate-limit", 200, None, None),)
    alone = {f"x_rate_limit_{name}": nonsense for name in ("limit", "remaining", "reset")}
    assert read_reports(headers(**alone)) == ()
    assert read_retry_after(headers(retry_after=nonsense, date=DATE)) is None


def test_an_answer_without_any_has_no_report_and_no_date() -> None:
    assert read_reports(headers(content_type="application/json")) == ()
    assert read_date(headers()) is None
    assert read_retry_after(headers()) is None


def test_a_reset_in_milliseconds_is_known_by_its_size() -> None:
    (report,) = read_reports(headers(x_rate_limit_reset="1666920203500"))
    assert report.reset == 1_666_920_203.5


def test_a_reset_that_is_a_span_is_counted_from_the_servers_date() -> None:
    (report,) = read_reports(headers(x_rate_limit_reset="900", date=DATE))
    assert report.reset == AT + 900
    (report,) = read_reports(headers(x_rate_limit_reset="0", date=DATE))
    assert report.reset == AT
    assert read_reports(headers(x_rate_limit_reset="900")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 28 Oct 2022 01:08:23 GMT",
        "Fri, 28 Oct 2022 01:08:23 UTC",
        "Fri, 28 Oct 2022 01:08:23",
        "Fri, 28 Oct 2022 01:08:23 +0000",
        "Fri, 28 Oct 2022 03:08:23 +0200",
        "28 Oct 2022 01:08:23 GMT",
        "Friday, 28-Oct-22 01:08:23 GMT",
    ],
)
def test_a_date_is_read_whatever_its_zone_is_called(text) -> None:
    assert read_date(headers(date=text)) == AT


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0", "Fri, 99 Oct 2022 01:08:23 GMT", "1666919303", "GMT", ","]
)
def test_a_date_that_is_none_is_none(text) -> None:
    assert read_date(headers(date=text)) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Fri, 28 Oct 2022 01:10:23 GMT", 120.0),
        ("Fri, 28 Oct 2022 01:00:00 UTC", 0.0),
        ("tomorrow", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text, seconds) -> None:
    assert read_retry_after(headers(retry_after=text, date=DATE)) == seconds


def test_retry_after_as_a_date_needs_the_servers_date_to_be_a_span() -> None:
    assert read_retry_after(headers(retry_after="Fri, 28 Oct 2022 01:10:23 GMT")) is None


NAMES = [f"{stem}-{part}" for stem in STEMS.values() for part in ("limit", "remaining", "reset")]
TEXT = (
    st.text(max_size=40)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.from_regex(r"\A[A-Z][a-z]{2}, -?\d{1,12} [A-Z][a-z]{2} \d{1,12} \d+:\d+:\d+ [A-Z+-]?\d*\Z")
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*NAMES, "date", "retry-after"]), TEXT))
@example({"date": "Fri, 28 Oct 99999999999 01:08:23 GMT", "x-rate-limit-reset": "5"})
@example({"date": "Fri, 28 Oct 2022 99999999999:08:23 GMT", "retry-after": "x"})
@example({"date": "Fri, 28 Oct 2022 01:08:23 +" + "9" * 5000})
def test_no_header_ever_raises_and_no_number_is_below_zero(named) -> None:
    given = CIMultiDict(named)
    for report in read_reports(given):
        for number in (report.limit, report.remaining):
            assert number is None or number >= 0
        assert (report.limit, report.remaining, report.reset) != (None, None, None)
    date, after = read_date(given), read_retry_after(given)
    assert date is None or date == date
    assert after is None or after >= 0
