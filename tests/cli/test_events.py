"""`xdm events`: lines for people and for machines, and what ends it before its end."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xdm_async.cli import main
from xdm_async.cli.commands import run

from .conftest import Clock, Here


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    """What the command prints, without the times."""
    assert run(["events", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return [line.split("  ", 1)[1] for line in out.splitlines()]


def test_each_event_is_a_line_newest_first(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    x, ann, ben = here.x, here.ann, here.ben
    x.deliver(ben, ann, "hi\n\x1b[2Jthere", media="photo")
    x.deliver(ann, ben, "hello")
    group = x.create_group(ann, [ben], "all together").dm_conversation_id
    cid = x.add_user("cid")
    x.join(group, cid, ann)
    x.leave(group, cid)
    post = x.add_post(ben, "a post")
    x.deliver(ben, group, f"https://x.com/ben/status/{post}")

    lines = [re.sub(r"https://t\.co/\w+", "LINK", line) for line in shown(capsys)]

    assert lines == [
        f"ben in {group}  LINK [post of ben: a post]",
        f"cid in {group}  left",
        f"cid in {group}  joined (invited by ann)",
        f"ann in {group}  all together",
        f"ben in {group}  joined (invited by ann)",
        "ann → ben  hello",
        r"ben  hi ⏎ \x1b[2Jthere LINK [photo]",
    ]


def test_one_conversation_is_named_by_who_it_is_with_by_its_id_or_by_its_address(
    here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    x, ann, ben = here.x, here.ann, here.ben
    x.deliver(ben, ann, "hi")
    pair = x.deliver(ann, ben, "hello").dm_conversation_id
    x.create_group(ann, [ben], "all together")

    ways = [["--with", ben.id], ["--in", pair], ["--in", f"https://x.com/messages/{pair}"]]

    for way in ways:
        assert shown(capsys, *way) == ["ann  hello", "ben  hi"]


def test_bounds_types_and_a_limit_choose_what_is_shown(
    settle: Callable[..., Here], capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    clock.ahead = -86_400
    here = settle(clock=clock)
    here.deliver(1)
    clock.ahead = 0
    here.x.create_group(here.ann, [here.ben], "now")
    newest, joined, oldest = here.ids()

    def ids(*args: str) -> list[str]:
        assert run(["events", "--json", *args]) == 0
        return [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]

    assert ids() == [newest, joined, oldest]
    assert ids("--limit", "2", "--naming", "current") == [newest, joined]
    assert ids("--since", "2h") == [newest, joined]
    assert ids("--until", "2h") == [oldest]
    assert ids("--since", oldest, "--until", newest) == [joined]
    assert ids("--type", "MessageCreate", "--type", "ParticipantsLeave") == [newest, oldest]


def test_a_few_events_are_asked_for_as_few(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    """A page of five: X charges for what it gives, and not for what is shown."""
    here.deliver(12)

    assert len(shown(capsys, "--limit", "5")) == 5
    assert here.x.stats.requests == 1


def test_all_pages_are_shown(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    here.deliver(230)

    assert run(["events", "--json"]) == 0

    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == here.ids()
    assert err == ""


def test_a_budget_that_is_not_waited_for_is_one_sentence_and_exit_1(
    settle: Callable[..., Here], capsys: pytest.CaptureFixture[str]
) -> None:
    here = settle(limits={"dm.read": [["user", 1, 900]]})
    here.deliver(101)

    assert run(["events", "--max-wait", "0"]) == 1

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 100
    assert len(err.splitlines()) == 1
    assert err.startswith("xdm: ")
    assert "dm.read.user.15m" in err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("events more", "more"),
        ("events --with ann", "'--with'"),
        ("events --with 1 --in 1-2", "'--with'"),
        ("events --in here", "'--in'"),
        ("events --since tomorrow", "'--since'"),
        ("events --until 7", "'--until'"),
        ("events --since 1h --until 2h", "'--since'"),
        ("events --limit 0", "'--limit'"),
        ("events --type Message", "'--type'"),
        ("events --max-wait -1", "'--max-wait'"),
        ("events --max-wait nan", "'--max-wait'"),
        ("events --naming old", "'--naming'"),
        ("export", "--output"),
        ("export -o - --json", "'--json'"),
        ("export -o never.jsonl --in here", "'--in'"),
        ("export -o never.jsonl --since 1h --until 2h", "'--since'"),
        ("export -o never.jsonl --type Message", "'--type'"),
        ("watch --since tomorrow", "'--since'"),
        ("watch --share 0", "'--share'"),
        ("watch --with 1 --in 1-2", "'--with'"),
    ],
)
def test_misuse_is_one_sentence_and_exit_2_and_nothing_is_asked(
    line: str, says: str, nowhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")
@pytest.mark.parametrize(
    "line", ["events", "events --json", "export -o all.jsonl", "export -o all.jsonl --json"]
)
def test_an_output_that_is_full_is_one_sentence_and_exit_1(
    line: str,
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here.deliver(3)
    monkeypatch.chdir(tmp_path)

    with open("/dev/full", "w") as full, monkeypatch.context() as output:
        output.setattr(sys, "stdout", full)
        code = run(line.split())

    assert code == 1
    assert capsys.readouterr().err == (
        "xdm: standard output cannot be written: No space left on device\n"
    )


def test_an_output_that_is_closed_is_not_written(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ``>&- 2>&-``: what would have been said there goes nowhere."""
    here.deliver(3)

    with monkeypatch.context() as closed:
        for name in ("stdout", "stderr"):
            closed.setattr(sys, name, None)
        closed.setattr(sys, "argv", ["xdm", "events"])
        with pytest.raises(SystemExit) as ended:
            main()
        for opened in (sys.stdout, sys.stderr):
            assert opened.name == os.devnull
            opened.close()

    assert ended.value.code == 0


def test_a_checkpoint_that_cannot_be_read_is_named(
    here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["watch", "--checkpoint", str(tmp_path)]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"xdm: --checkpoint {str(tmp_path)!r}: ")
    assert len(err.splitlines()) == 1
