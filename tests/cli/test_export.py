"""`xdm export`: each event once in the file, however it was stopped, and nothing destroyed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xdm_async.cli.commands import run
from xdm_async.cli.export_file import ExportFile, SoFar

from .conftest import ROOT, Clock, Here, posix

EVERYTHING: dict[str, Any] = dict.fromkeys(("with", "in", "since", "until", "type"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "all.jsonl"


def note(file: Path) -> Path:
    return file.with_name(file.name + ".resume")


def ids(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["id"] for line in lines]


def told(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary and standard error of an export."""
    code = run(["export", "--json", *args])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def refused(capsys: pytest.CaptureFixture[str], code: int, *args: str) -> str:
    """The one sentence of an export that does not begin."""
    assert run(["export", *args]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert len(err.splitlines()) == 1
    return err


def one_page_a_window(settle: Callable[..., Here], clock: Clock, events: int) -> Here:
    """A local X that gives one page, and the next after its clock has gone on."""
    here = settle(clock=clock, limits={"dm.read": [["user", 1, 900]]}, last_page_token=False)
    here.deliver(events)
    return here


def test_all_events_are_in_the_file_one_json_a_line_newest_first(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.x.deliver(here.ben, here.ann, "one\nmessage\u2028is one line, ünïcode too")
    here.deliver(230)

    assert run(["export", "-o", str(file)]) == 0

    out, err = capsys.readouterr()
    assert out.startswith(f"231 events are in {str(file)!r}, from 20")
    assert err == ""
    assert ids(file) == here.ids()
    last = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    assert last["text"] == "one\nmessage\u2028is one line, ünïcode too"
    assert last["sender"]["username"] == "ben"
    assert "ünïcode" in file.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert {path.stat().st_mode & 0o777 for path in (file, note(file))} == {0o600}
    assert sorted(file.parent.iterdir()) == [file, note(file)]


def test_what_came_of_it_is_told_to_machines(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(3)

    code, summary, err = told(capsys, "-o", str(file), "--with", here.ben.id)

    assert (code, err) == (0, "")
    instants = summary.pop("newest"), summary.pop("oldest")
    assert all(at.endswith("+00:00") for at in instants)
    assert summary == {
        "file": str(file),
        "account": here.ann.id,
        "events": 3,
        "new_events": 3,
        "bytes": file.stat().st_size,
        "gap": None,
        "done": True,
    }


def test_one_conversation_and_bounds_are_exported_as_they_are_shown(here: Here, file: Path) -> None:
    here.deliver(3)
    group = here.x.create_group(here.ann, [here.ben], "all together").dm_conversation_id
    *_, since = here.ids()
    pair = here.x.deliver(here.ann, here.ben, "hi").dm_conversation_id

    bounds = ["--since", since, "--type", "MessageCreate"]
    assert run(["export", "-o", str(file), "--in", f"https://x.com/messages/{pair}", *bounds]) == 0

    of_pair = [e.id for e in here.x.events_of(here.ann) if e.dm_conversation_id != group]
    assert ids(file) == list(reversed(of_pair))[:-1]


def test_a_minus_is_standard_output(
    here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(120)

    assert run(["export", "-o", "-"]) == 0

    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == here.ids()
    assert err == ""


@posix
def test_a_link_is_followed_to_a_file_that_is_there_or_not(
    here: Here, file: Path, tmp_path: Path
) -> None:
    here.deliver(3)
    link = tmp_path / "link"
    link.symlink_to(file)

    for _ in range(2):
        assert run(["export", "-o", str(link)]) == 0
        assert link.is_symlink()
        assert ids(file) == here.ids()


def test_an_account_without_events_is_an_empty_file(here: Here, file: Path) -> None:
    assert run(["export", "-o", str(file)]) == 0
    assert file.read_bytes() == b""


# Interrupted, and gone on with


def test_it_goes_on_where_it_was_and_what_came_meanwhile_is_not_in_it(
    settle: Callable[..., Here], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    here = one_page_a_window(settle, clock, 230)
    expected = here.ids()
    often = ("-o", str(file), "--max-wait", "0")

    for page in (1, 2):
        code, summary, err = told(capsys, *often)
        assert code == 1
        assert "dm.read.user.15m" in err
        assert err.endswith(
            f": {page}00 events are in {str(file)!r}; run the same command to go on\n"
        )
        assert (summary["events"], summary["new_events"]) == (100 * page, 100)
        assert not summary["done"]
        assert ids(file) == expected[: 100 * page]
        here.deliver(1)
        clock.ahead += 901

    code, summary, _ = told(capsys, *often)
    assert (code, summary["events"], summary["done"]) == (0, 230, True)
    assert ids(file) == expected


def test_a_span_counts_back_from_when_it_began(
    settle: Callable[..., Here], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    here = one_page_a_window(settle, clock, 150)
    command = ["export", "-o", str(file), "--since", "1h", "--max-wait", "0"]

    assert run(command) == 1
    since = json.loads(note(file).read_text())["since"]
    clock.ahead += 7_200
    assert run(command) == 0

    assert json.loads(note(file).read_text())["since"] == since
    assert ids(file) == here.ids()


@pytest.mark.parametrize("behind", [b'{"id":"1"}\n{', b"\xff" * 10_000])
def test_what_lies_behind_the_last_note_goes(
    behind: bytes, settle: Callable[..., Here], file: Path
) -> None:
    clock = Clock()
    here = one_page_a_window(settle, clock, 150)
    command = ["export", "-o", str(file), "--max-wait", "0"]
    assert run(command) == 1

    with file.open("ab") as more:
        more.write(behind)
    clock.ahead += 901

    assert run(command) == 0
    assert ids(file) == here.ids()


def test_what_is_done_is_left_alone(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(3)
    assert run(["export", "-o", str(file)]) == 0
    capsys.readouterr()
    here.deliver(1)
    before, asked = file.read_bytes(), here.x.stats.requests

    assert run(["export", "-o", str(file)]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("there is nothing left to read: 3 events are in ")
    assert err == ""
    assert file.read_bytes() == before
    assert here.x.stats.requests == asked


def test_what_the_30_days_have_overtaken_is_said_and_said_again(
    settle: Callable[..., Here], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    here = one_page_a_window(settle, clock, 150)
    assert run(["export", "-o", str(file), "--max-wait", "0"]) == 1
    capsys.readouterr()

    clock.ahead += 40 * 86_400
    code, summary, err = told(capsys, "-o", str(file))

    assert (code, summary["events"], summary["done"]) == (0, 100, True)
    assert summary["gap"]["from"] < summary["gap"]["to"]
    assert len(err.splitlines()) == 1
    assert "may be missing" in err
    assert ids(file) == here.ids()[:100]

    assert run(["export", "-o", str(file)]) == 0
    assert "may be missing" in capsys.readouterr().out


# Nothing is destroyed


def test_another_query_than_the_file_was_begun_with_is_refused(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(3)
    assert run(["export", "-o", str(file), "--since", "1d"]) == 0
    before = file.read_bytes(), note(file).read_bytes()
    capsys.readouterr()

    for other in (["--with", "7"], ["--since", "2d"], ["--since", "1d", "--type", "MessageCreate"]):
        assert "begun with --since 1d:" in refused(capsys, 2, "-o", str(file), *other)
        assert (file.read_bytes(), note(file).read_bytes()) == before


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("done", [True, False])
def test_another_account_than_the_file_was_begun_with_is_refused(
    done: bool,
    known: bool,
    settle: Callable[..., Here],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    here = one_page_a_window(settle, clock, 90 if done else 150)
    assert run(["export", "-o", str(file), "--max-wait", "0"]) == (0 if done else 1)
    before = file.read_bytes(), note(file).read_bytes()
    capsys.readouterr()
    monkeypatch.setenv("XDM_ACCESS_TOKEN", here.ben.oauth2["access_token"])
    monkeypatch.setenv("XDM_USER_ID", here.ben.id)
    if not known:
        monkeypatch.delenv("XDM_USER_ID")

    err = refused(capsys, 2, "-o", str(file))

    assert f"was begun with account {here.ann.id}, and this is {here.ben.id}" in err
    assert (file.read_bytes(), note(file).read_bytes()) == before


def test_a_file_that_is_something_else_is_left_as_it_is(
    here: Here, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("a novel\n")

    assert "choose another FILE" in refused(capsys, 2, "-o", str(file))
    assert file.read_text() == "a novel\n"
    assert not note(file).exists()
    refused(capsys, 1, "-o", str(tmp_path))
    refused(capsys, 1, "-o", str(tmp_path / "nowhere" / "all.jsonl"))
    refused(capsys, 2, "-o", os.devnull)


def test_a_file_that_was_shortened_changed_or_taken_away_is_not_gone_on_with(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(3)
    assert run(["export", "-o", str(file)]) == 0
    capsys.readouterr()
    whole = file.read_bytes()

    for changed in (whole[:-1], b"", whole[:-1] + b" "):
        file.write_bytes(changed)
        assert "is not what" in refused(capsys, 1, "-o", str(file))
        assert file.read_bytes() == changed
    file.unlink()
    assert "is gone, with 3 events in it" in refused(capsys, 1, "-o", str(file))
    assert not file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "query": {}, "bytes": "7"}',
        '{"version": 1, "query": {}, "bytes": -7}',
        '{"version": "x", "query": {}}',
        '{"version": 2, "query": {}}',
        '{"version": 1, "query": {}, "other": 1}',
    ],
)
def test_a_note_that_cannot_be_read_is_left_as_it_is(
    text: str, nowhere: None, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("lines\n")
    note(file).write_text(text)

    assert str(note(file)) in refused(capsys, 1, "-o", str(file))
    assert (file.read_text(), note(file).read_text()) == ("lines\n", text)


def test_a_position_that_is_damaged_is_said(
    settle: Callable[..., Here], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = one_page_a_window(settle, Clock(), 150)
    assert run(["export", "-o", str(file), "--max-wait", "0"]) == 1
    capsys.readouterr()
    told = json.loads(note(file).read_text())
    note(file).write_text(json.dumps(told | {"position": "e1.x"}))

    assert "is damaged" in refused(capsys, 1, "-o", str(file))
    assert ids(file) == here.ids()[:100]


def test_two_exports_do_not_write_one_file(
    here: Here, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExportFile.open(file, SoFar(query=EVERYTHING)):
        assert "another export" in refused(capsys, 1, "-o", str(file))

    assert run(["export", "-o", str(file)]) == 0


def test_where_nothing_was_read_another_query_may_begin(
    here: Here,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here.deliver(1)
    with monkeypatch.context() as wrong:
        wrong.setenv("XDM_ACCESS_TOKEN", "nobody's")
        assert "401" in refused(capsys, 1, "-o", str(file), "--with", "7")

    assert run(["export", "-o", str(file), "--with", here.ben.id]) == 0
    assert ids(file) == here.ids()


# Killed


FORKS = """
import json, os, resource, signal, sys
from xdm_async.cli.commands import run

calls = 0
warm = False

def doomed(call, die_at):
    def dies(*args, **more):
        global calls
        calls += 1
        if calls == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    return dies

def bit_by_bit(handle, data, write=os.write):
    return write(handle, data[:50_000])

for asked in sys.stdin:
    env, die_at, most, args = json.loads(asked)
    os.environ.update(env)
    if not warm:  # what is made once is made before the forks
        warm = run(["events", "--limit", "1"]) == 0
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if most:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        tell, os.write = os.write, bit_by_bit
        # What is on the disk changes by these alone.
        for name in ("open", "write", "fsync", "replace", "unlink", "ftruncate"):
            setattr(os, name, doomed(getattr(os, name), die_at))
        code = run(args)
        sys.stdout.flush()
        tell(writer, str(calls).encode())
        os._exit(code)
    os.close(writer)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(reader) as told:
        print("\\n" + json.dumps([code, int(told.read() or 0)]), flush=True)
"""


class Forks:
    """Exports in processes of their own, which begin with everything imported."""

    env: dict[str, str]

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, *args: str, die_at: int = 0, most: int = 0) -> tuple[int, int]:
        """Give the exit code, and how many calls could have been the last."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps([self.env, die_at, most, args]), file=stdin, flush=True)
        for line in stdout:
            if line.startswith("["):
                code, calls = json.loads(line)
                return code, calls
        raise AssertionError("the forks have ended")


@pytest.fixture(scope="module")
def forking() -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FORKS],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture
def forks(forking: Forks, here: Here) -> Forks:
    here.deliver(205)
    forking.env = here.env
    return forking


def survives(kills: tuple[int, ...], forks: Forks, file: Path, expected: list[str]) -> None:
    command = ("export", "-o", str(file))
    for die_at in kills:
        code, _ = forks.run(*command, die_at=die_at)
        assert code in (-signal.SIGKILL, 0)
    assert forks.run(*command)[0] == 0, kills
    assert ids(file) == expected, kills
    assert sorted(file.parent.iterdir()) == [file, note(file)]


@pytest.mark.slow
@posix
def test_no_kill_loses_or_repeats_a_line(forks: Forks, here: Here, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    code, calls = forks.run("export", "-o", str(tmp_path / "whole" / "all.jsonl"))
    assert code == 0

    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        die_at = 1 + calls * number // 5
        kills = (die_at, calls - die_at) if number % 2 else (die_at,)
        survives(kills, forks, folder / "all.jsonl", here.ids())


@posix
@pytest.mark.slow
def test_no_kill_at_any_moment_loses_or_repeats_a_line(
    forks: Forks, here: Here, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    code, calls = forks.run("export", "-o", str(tmp_path / "whole" / "all.jsonl"))
    assert code == 0

    for die_at in range(1, calls + 1):
        folder = tmp_path / str(die_at)
        folder.mkdir()
        survives((die_at, 1 + die_at * 7 % calls), forks, folder / "all.jsonl", here.ids())


@posix
def test_a_disk_that_is_full_is_one_sentence_and_can_be_gone_on_after(
    forks: Forks, here: Here, file: Path
) -> None:
    """The second page does not fit, nor does a part of it count."""
    assert forks.run("export", "-o", str(file), most=200_000)[0] == 1
    assert json.loads(note(file).read_text())["events"] == 100

    assert forks.run("export", "-o", str(file))[0] == 0
    assert ids(file) == here.ids()


@pytest.mark.parametrize("fails", ["fsync", "replace", "write"])
def test_a_file_that_cannot_be_written_is_said(
    fails: str,
    here: Here,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here.deliver(3)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as broken:
        broken.setattr(f"xdm_async.cli.export_file.os.{fails}", full)
        assert "cannot be written: No space left on device" in refused(capsys, 1, "-o", str(file))

    assert run(["export", "-o", str(file)]) == 0
    assert ids(file) == here.ids()
