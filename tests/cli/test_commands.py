import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from xdm_async.cli import demo
from xdm_async.cli.commands import run
from xdm_async.cli.outcome import Outcome, tally
from xdm_async.cli.progress import Progress
from xdm_async.cli.serve import build, parse_limits

from .test_outcome import GOOD

KEYS = {
    "accounts",
    "messages_sent",
    "messages_stored",
    "duplicates",
    "events_read",
    "events_expected",
    "refused_429",
    "requests",
    "seconds",
    "lower_bound_seconds",
}


@pytest.mark.parametrize(
    "line",
    [
        "frob",
        "demo more",
        "demo --accounts 1",
        "demo --accounts 10001",
        "demo --accounts two",
        "demo --messages 0",
        "demo --messages 100001",
        "demo --accounts 10000 --messages 101",
        "demo --json",
        "demo --json /nowhere/at/all.json",
        "demo --json /",
        "emulator --port -1",
        "emulator --port 65536",
        "emulator --users 0",
        "emulator --limit dm.write.user",
        "emulator --limit dm.write.user=0/12",
        "emulator --limit dm.write.user=20/0",
        "emulator --limit dm.wrote.user=20/12",
        "emulator --limit dm.write.user=20/12 --limit dm.write.user=30/12",
    ],
)
def test_misuse_is_one_sentence_and_exit_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("xdm: ")


def test_help_is_no_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert run(["demo", "--help"]) == 0
    assert "--messages" in capsys.readouterr().out


def test_a_file_that_can_be_written_is_left_as_it_is_until_the_end(
    tmp_path: Path, demo_that_ends_as: Any
) -> None:
    """Until the demo is over, an old file stays whole, and a new one is not there."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("as it was")
    seen: list[object] = []

    demo_that_ends_as(GOOD, lambda: seen.append(old.read_text()))
    assert run(["demo", "--json", str(old)]) == 0
    demo_that_ends_as(GOOD, lambda: seen.append(new.exists()))
    assert run(["demo", "--json", str(new)]) == 0

    assert seen == ["as it was", False]
    assert json.loads(old.read_text()) == json.loads(new.read_text()) == GOOD.as_json()
    assert set(GOOD.as_json()) == KEYS


@pytest.mark.parametrize(
    "change",
    [
        {"texts": tally("abcc", "abc"), "messages_stored": 4},
        {"refused_429": 1},
        {"events": tally("aab", "abc")},
        {"errors": {"ServerError: 503": 1}},
    ],
)
def test_what_does_not_hold_is_exit_1_and_written_all_the_same(
    change: dict[str, Any],
    tmp_path: Path,
    demo_that_ends_as: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = attrs.evolve(GOOD, **change)
    demo_that_ends_as(bad)

    assert run(["demo", "--json", str(tmp_path / "out.json")]) == 1

    assert json.loads((tmp_path / "out.json").read_text()) == bad.as_json()
    assert "FAILED: " in capsys.readouterr().out


def test_json_on_standard_output_has_it_to_itself(
    demo_that_ends_as: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    demo_that_ends_as(GOOD)

    assert run(["demo", "--json", "-"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out) == GOOD.as_json()
    assert len(out.splitlines()) == 1
    assert "OK: " in err


def test_a_disk_that_is_full_at_the_end_is_exit_1(
    demo_that_ends_as: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    demo_that_ends_as(GOOD)

    assert run(["demo", "--json", "/dev/full"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def demo_that_ends_as(monkeypatch: pytest.MonkeyPatch) -> Any:
    def choose(outcome: Outcome, meanwhile: Any = None) -> None:
        async def ended(setting: demo.Setting, progress: Progress) -> Outcome:
            if meanwhile is not None:
                meanwhile()
            return outcome

        monkeypatch.setattr(demo, "run", ended)

    return choose


def test_limits_are_read_as_the_emulators_table() -> None:
    words = ["dm.write.user=20/12", "dm.write.app=500/86400", "users.get.app-only=3/1.5"]

    limits = parse_limits(words)

    assert limits == {
        "dm.write": [["user", 20, 12.0], ["app", 500, 86400.0]],
        "users.get": [["app-only", 3, 1.5]],
    }
    assert len(build(words, port=0, users=2, seed=0, day_headers=True).users) == 2
