import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdm_async.emulator.snowflake import (
    Snowflakes,
    created_at,
    first_number_at,
    milliseconds_of,
)

RECORDED = [
    (1582838499983564806, 1666213080770, "2022-10-19T20:58:00.000Z"),
    (1582835469712138240, 1666212358297, "2022-10-19T20:45:58.000Z"),
    (1582838535115067392, 1666213089146, "2022-10-19T20:58:09.000Z"),
    (1585047616894574596, 1666739775285, "2022-10-25T23:16:15.000Z"),
]


@pytest.mark.parametrize(("number", "milliseconds", "printed"), RECORDED)
def test_an_id_says_when_it_was_made_as_recorded(
    number: int, milliseconds: int, printed: str
) -> None:
    assert milliseconds_of(number) == milliseconds
    assert created_at(number) == printed


def test_an_id_carries_the_millisecond_of_the_clock() -> None:
    number = Snowflakes(machine=5).take(1_700_000_000.123)
    assert milliseconds_of(number) == 1_700_000_000_123
    assert number >= first_number_at(1_700_000_000.123)
    assert number < first_number_at(1_700_000_000.124)


@given(
    st.lists(
        st.tuples(st.floats(-2, 2), st.integers(1, 5)),
        max_size=200,
    )
)
def test_ids_only_grow_however_the_clock_goes(steps: list[tuple[float, int]]) -> None:
    snowflakes = Snowflakes(machine=1023)
    now = 1_700_000_000.0
    last = 0
    for step, count in steps:
        now += step
        number = snowflakes.take(now, count)
        assert number > last
        last = number + count - 1
        assert milliseconds_of(last) == milliseconds_of(number)


def test_more_ids_than_fit_into_a_millisecond_run_ahead_of_the_clock() -> None:
    snowflakes = Snowflakes(machine=3)
    numbers = [snowflakes.take(1_700_000_000.0) for _ in range(10_000)]
    assert numbers == sorted(set(numbers))
    assert milliseconds_of(numbers[-1]) == 1_700_000_000_002
