"""`xdm emulator --callback`: where logins may end."""

import pytest

from xdm_async.cli import serve
from xdm_async.cli.commands import run
from xdm_async.emulator import CALLBACKS


def built(**more: object) -> object:
    return serve.build((), port=0, users=1, seed=0, day_headers=False, **more)  # type: ignore[arg-type]


def test_the_callbacks_are_those_of_the_command_line_or_the_usual_one():
    assert built().callbacks == CALLBACKS
    other = ("https://example.com/back", "myapp://back")
    assert built(callbacks=other).callbacks == other


@pytest.mark.parametrize("callback", ["example.com", "https://example.com/#here"])
def test_a_callback_that_cannot_be_is_a_misuse(callback: str, capsys: pytest.CaptureFixture[str]):
    assert run(["emulator", "--callback", callback]) == 2
    told = capsys.readouterr()
    assert "--callback" in told.err
    assert callback in told.err
