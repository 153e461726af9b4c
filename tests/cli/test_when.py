from datetime import UTC, datetime, timedelta

import pytest

from xdm_async.cli.when import parse_when, read_spelled, spelled

NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1585800613253812228", "1585800613253812228"),
        ("90m", NOW - timedelta(minutes=90)),
        ("36h", NOW - timedelta(hours=36)),
        (" 7d ", NOW - timedelta(days=7)),
        ("1.5w", NOW - timedelta(days=10.5)),
        ("2026-05-01T14:30+05:00", datetime(2026, 5, 1, 9, 30, tzinfo=UTC)),
        ("2026-05-01 14:30:15Z", datetime(2026, 5, 1, 14, 30, 15, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 4, 30, 22, tzinfo=UTC)),
        ("2026-05-01T14:30", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_can_be_written_in_several_ways(
    text: str, means: str | datetime, clean: None
) -> None:
    """What names no time zone is in the local one, which is two hours ahead here."""
    found = parse_when(text, NOW)

    assert found == means
    assert read_spelled(spelled(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "7",
        "20260501",
        "7y",
        "-7d",
        "7 d",
        "99999999d",
        "2026-13-01",
        "١d",
        "1" * 20,
    ],
)
def test_what_cannot_be_an_instant_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"2026-05-01"):
        parse_when(text, NOW)
