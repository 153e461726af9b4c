import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from xdm_async.budgets import plans
from xdm_async.budgets.priority import Priority
from xdm_async.cli import simulate
from xdm_async.cli.commands import run
from xdm_async.simulation import (
    TABLES,
    Arrival,
    Part,
    Result,
    Setting,
    Simulation,
    Table,
    Timeline,
)

KEYS = {
    "sent",
    "refused_429",
    "budgets",
    "jain",
    "waits",
    "finish_seconds",
    "lower_bound_seconds",
    "wall_seconds",
}
SMALL = ["simulate", "--accounts", "10", "--messages", "20"]


@pytest.mark.parametrize(
    "line",
    [
        "--accounts 0",
        "--accounts 100001",
        "--accounts many",
        "--messages 0",
        "--accounts 100000 --messages 11",
        "--hours 0",
        "--hours nan",
        "--hours inf",
        "--plan defalt",
        "--server sometimes",
        "--arrival never",
        "--latency -1",
        "--latency nan",
        "--foreign 1.1",
        "--foreign nan",
        "--clock-skew inf",
        "--clock-skew nan",
        "--seed x",
        "--mix=",
        "--mix bulk",
        "--mix bulk=0.9",
        "--mix urgent=1",
        "--mix bulk=1:never",
        "--mix bulk=0.5,bulk=0.5:burst",
        "--reserve=0.5",
        "--json /nowhere/at/all.json",
        "--svg /nowhere/at/all.svg",
        "--svg -",
        "--svg /tmp/same --json /tmp/same",
        "more",
    ],
)
def test_misuse_is_one_sentence_and_exit_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *line.split()]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("xdm: ")


def test_a_plan_that_there_is_not_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["simulate", "--plan", "pay-per-us"]) == 2
    assert "'pay-per-use'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_default_is_a_day_of_1000_accounts_without_a_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They want all that the app may send, of which the reserve never quite gives the last."""
    assert run(["simulate", "--json", "-"]) == 0

    out, err = capsys.readouterr()
    came = json.loads(out)
    assert 0.985 * 15_000 <= came["sent"] <= 15_000
    assert came["refused_429"] == 0
    assert err.splitlines()[-1] == "OK: nothing was refused."


def test_json_on_standard_output_has_it_to_itself_and_exact_keys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*SMALL, "--json", "-"]) == 0

    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    came = json.loads(line)
    assert set(came) == KEYS
    assert set(came["budgets"]) == {
        "dm.write.user.15m",
        "dm.write.user.24h",
        "dm.write.app.24h",
    }
    for uses in came["budgets"].values():
        assert all(set(use) == {"owner", "opened", "used", "possible"} for use in uses)
    assert set(came["waits"]) == {"normal"}
    assert set(came["waits"]["normal"]) == {"count", "p50", "p99"}
    assert "fairness" in err


def test_a_mix_has_waits_and_a_row_for_each_of_its_priorities(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mix = "bulk=80%:burst, bulk=0.1, interactive=0.1"

    assert run([*SMALL, "--arrival", "steady", "--mix", mix, "--json", "-"]) == 0

    out, err = capsys.readouterr()
    waits = json.loads(out)["waits"]
    assert list(waits) == ["interactive", "bulk"]
    assert [row["count"] for row in waits.values()] == [20, 180]
    assert "80 % bulk (burst), 10 % bulk (steady), 10 % interactive (steady)\n" in err
    rows = [line.split()[1] for line in err.splitlines() if line.startswith("waits ")]
    assert rows == ["interactive:", "bulk:"]


def test_the_rule_of_a_mix_is_told_with_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--mix", "bulk=0.9,interactive=0.2"]) == 2

    assert capsys.readouterr().err == (
        "xdm: Invalid value for '--mix': the shares sum to 1.1, and must sum to 1 (or 100%)\n"
    )


@pytest.mark.slow
def test_without_the_reserve_the_first_to_come_take_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["simulate", "--no-reserve", "--json", "-"]) == 0

    out, err = capsys.readouterr()
    came = json.loads(out)
    assert came["sent"] == 15_000
    assert came["finish_seconds"] < 60
    assert "nothing of an app's budget is kept from anybody" in err


def test_what_the_reserve_keeps_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SMALL) == 0
    assert "of an app's budget 50 % from bulk and 15 % from normal" in capsys.readouterr().out


def test_the_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    def written(seed: str) -> dict[str, Any]:
        file = tmp_path / "came.json"
        assert run([*SMALL, "--seed", seed, "--arrival", "daytime", "--json", str(file)]) == 0
        came: dict[str, Any] = json.loads(file.read_text())
        del came["wall_seconds"]
        return came

    assert written("3") == written("3")
    assert written("3") != written("4")


def test_the_chart_is_a_file_of_well_formed_xml(tmp_path: Path) -> None:
    file = tmp_path / "day.svg"

    assert run([*SMALL, "--svg", str(file)]) == 0

    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert "10 accounts, 20 messages each" in file.read_text()


def test_without_a_terminal_the_day_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--hours", "24"]) == 0

    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert "0 to 2 " in out
    assert "22 to 24" in out


def test_the_plan_brings_its_own_server_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--plan", "pay-per-use"]) == 0
    assert "which has the server's limits" in capsys.readouterr().out


def test_refusals_under_a_wrong_plan_are_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    busy = ["simulate", "--accounts", "100", "--messages", "50"]

    assert run([*busy, "--server", "docs-2026"]) == 0

    assert "refused, since the plan was wrong" in capsys.readouterr().out.splitlines()[-1]


def test_a_promise_that_was_not_kept_is_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = Simulation.result

    def refused(self: Simulation) -> Result:
        self.refused = 2
        return honest(self)

    monkeypatch.setattr(Simulation, "result", refused)

    assert run(SMALL) == 1
    assert "FAILED: 2 requests were refused" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--json", "--svg"])
def test_a_disk_that_is_full_at_the_end_is_exit_1(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    assert run([*SMALL, option, "/dev/full"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_ctrl_c_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Simulation, events: int) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Simulation, "advance", interrupted)

    assert run(SMALL) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "stopped: hour 0.0 of 24: 0 of 0 messages sent, 0 wait, 0 refused\n"


def test_the_drawing_shows_all_that_is_more_than_nothing() -> None:
    timeline = Timeline(24.0, [0, 1, 100, 0], {"b": [0.0, 0.001, 1.0, 0.0]})

    backlog, budgets, hours = simulate.drawing(timeline, 4)

    assert backlog[0] == "messages waiting, at most 100"
    assert backlog[1] == "│  █"
    assert backlog[-1] == "└ ▁█"
    assert budgets == ["b used, at most 100.0%", "└ ▁█"]
    assert hours.endswith("24 h")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "0.0 s"), (119.0, "119.0 s"), (900.0, "15.0 min"), (9e4, "25.0 h")]
)
def test_a_span_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert simulate.span(seconds) == words


def test_a_repeated_line_of_the_log_is_shown_once() -> None:
    simulation = Simulation(_setting())
    simulation.says = [(1.0, "held"), (2.0, "held"), (3.0, "spent")]

    assert simulate.log_rows(simulation.result()) == [
        "log       after 1.0 s: held (2 times)",
        "log       after 3.0 s: spent",
    ]


def _setting() -> Setting:
    return Setting(
        accounts=1,
        messages=1,
        hours=1.0,
        plan=plans.DEFAULT,
        limits=TABLES[Table.DOCUMENTED],
        latency=0.1,
        foreign=0.0,
        clock_skew=0.0,
        seed=0,
        mix=(Part(Priority.NORMAL, 1.0, Arrival.BURST),),
        reserve={},
    )
