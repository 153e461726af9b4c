"""Whose events they are: the environment or the store says it, and no stream ever tells a token."""

import shlex
import time
from pathlib import Path

import pytest

from xdm_async.cli.commands import run

from .conftest import Desk, Here

TOKEN = "a-token-of-somebody"


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "set XDM_ACCESS_TOKEN"),
        ({"XDM_ACCESS_TOKEN": ""}, "set XDM_ACCESS_TOKEN"),
        ({"XDM_CONSUMER_KEY": "k", "XDM_CONSUMER_SECRET": "s"}, "XDM_OAUTH1_TOKEN_SECRET"),
        ({"XDM_ACCESS_TOKEN": TOKEN, "XDM_OAUTH1_TOKEN": "t"}, "both XDM_ACCESS_TOKEN and"),
        ({"XDM_OAUTH1_TOKEN": TOKEN}, "not set: XDM_OAUTH1_TOKEN_SECRET, XDM_CONSUMER_KEY, "),
        ({"XDM_ACCESS_TOKEN": f"{TOKEN} "}, "XDM_ACCESS_TOKEN: access_token is"),
        ({"XDM_ACCESS_TOKEN": TOKEN, "XDM_USER_ID": "ann"}, "XDM_USER_ID: user_id must be"),
        ({"XDM_ACCESS_TOKEN": TOKEN, "XDM_BASE_URL": "x.com"}, "XDM_BASE_URL: base_url is"),
        ({"XDM_ACCESS_TOKEN": TOKEN, "XDM_PLAN": "pay-per-us"}, "XDM_PLAN: there is no plan"),
        ({"XDM_REFRESH_TOKEN": TOKEN}, "XDM_REFRESH_TOKEN is set without XDM_ACCESS_TOKEN"),
        ({"XDM_ACCESS_TOKEN": "a", "XDM_REFRESH_TOKEN": TOKEN}, "XDM_CLIENT_ID"),
        ({"XDM_ACCESS_TOKEN": TOKEN, "XDM_ACCOUNT": "@ann"}, "both XDM_ACCOUNT and"),
        ({"XDM_OAUTH1_TOKEN": TOKEN, "XDM_ACCOUNT": "@ann"}, "both XDM_ACCOUNT and"),
        ({"XDM_ACCOUNT": "@ann"}, "XDM_ACCOUNT @ann: no account is logged in"),
        ({"XDM_STORE": "cloud:"}, "XDM_STORE: "),
    ],
)
@pytest.mark.parametrize("command", ["events", "watch", "export -o never.jsonl"])
def test_what_is_missing_or_cannot_be_is_one_sentence_and_exit_2(
    env: dict[str, str],
    says: str,
    command: str,
    clean: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert run(command.split()) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert len(err.splitlines()) == 1
    assert says in err
    assert TOKEN not in err


def test_oauth_1_does_as_well(
    here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deliver(1)
    for name in ("XDM_ACCESS_TOKEN", "XDM_USER_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDM_OAUTH1_TOKEN", here.ann.oauth1["token"])
    monkeypatch.setenv("XDM_OAUTH1_TOKEN_SECRET", here.ann.oauth1["token_secret"])
    monkeypatch.setenv("XDM_CONSUMER_KEY", here.x.app["consumer_key"])
    monkeypatch.setenv("XDM_CONSUMER_SECRET", here.x.app["consumer_secret"])

    assert run(["events"]) == 0
    assert capsys.readouterr().out.endswith("  ben  message 0\n")


def test_a_token_that_is_refused_is_not_told(
    here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDM_ACCESS_TOKEN", TOKEN)

    assert run(["events"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert "401" in err
    assert len(err.splitlines()) == 1
    assert TOKEN not in err


def whoami(*args: str) -> int:
    return run(["whoami", *args])


def test_the_only_account_that_is_logged_in_is_the_one(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.keep("ann")

    assert whoami() == 0
    assert capsys.readouterr().out == f"@ann ({desk.ann.id})\n"


@pytest.mark.parametrize(
    ("command", "called"), [("whoami", "@ben"), ("events", "BEN"), ("export -o -", "id")]
)
def test_of_several_the_one_that_is_named(
    command: str,
    called: str,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk.keep("ann", "ben")
    cid = desk.x.add_user("cid")
    desk.x.deliver(cid, desk.ben, "for ben")
    name = desk.ben.id if called == "id" else called

    assert run([*command.split(), "--account", name]) == 0
    told = capsys.readouterr().out
    monkeypatch.setenv("XDM_ACCOUNT", name)
    assert run(command.split()) == 0

    assert capsys.readouterr().out == told
    assert ("@ben" if command == "whoami" else "for ben") in told


def test_an_option_is_nearer_than_the_environment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.keep("ann", "ben")
    monkeypatch.setenv("XDM_ACCOUNT", "@ann")

    assert whoami("--account", "@ben") == 0
    assert capsys.readouterr().out.startswith("@ben ")


@pytest.mark.parametrize(
    ("args", "env", "says"),
    [
        ("", {}, "by --account or XDM_ACCOUNT, of @ann and @ben"),
        ("--account @cid", {}, "--account @cid: no such account is logged in, only @ann and @ben;"),
        ("", {"XDM_ACCOUNT": "@cid"}, "XDM_ACCOUNT @cid: no such account is logged in"),
        ("--account @ann", {"XDM_USER_ID": "1"}, "XDM_USER_ID is 1, and the account"),
        ("--account @ann", {"XDM_ACCESS_TOKEN": TOKEN}, "both --account and XDM_ACCESS_TOKEN"),
        ("--account '@a\x1b[2Jnn'", {}, r"--account @a\x1b[2Jnn: no such"),
    ],
)
@pytest.mark.parametrize("command", ["whoami", "watch"])
def test_an_account_that_is_not_clear_is_one_sentence_and_exit_2(
    command: str,
    args: str,
    env: dict[str, str],
    says: str,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk.keep("ann", "ben")
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert run([*command.split(), *shlex.split(args)]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not [secret for secret in desk.secrets() if secret in err]


def test_a_token_of_the_environment_leaves_no_store_behind(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDM_ACCESS_TOKEN", desk.x.token(desk.ann)["access_token"])
    monkeypatch.setenv("XDM_VAULT_KEY", "kept for xdm login")

    assert whoami() == 0

    assert capsys.readouterr().out.startswith("@ann ")
    assert not desk.store.exists()


def test_a_refresh_token_of_the_environment_is_spent_once_and_what_came_of_it_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment stays as it is, run for run, and its refresh token is good for one time."""
    given = desk.x.token(desk.ann, expires_in=-1)
    monkeypatch.setenv("XDM_ACCESS_TOKEN", given["access_token"])
    monkeypatch.setenv("XDM_REFRESH_TOKEN", given["refresh_token"])

    for _ in range(2):
        assert whoami() == 0
        assert capsys.readouterr() == (f"@ann ({desk.ann.id})\n", "")

    (kept,) = desk.kept().values()
    assert kept.owner == desk.ann.id
    assert kept.secret not in (None, given["refresh_token"])
    assert (kept.expires_at or 0) > time.time()


def test_the_store_can_be_another(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    default, desk.store = desk.store, tmp_path / "own" / "mine.db"
    desk.keep("ann")
    monkeypatch.setenv("XDM_STORE", "sqlite:~/own/mine.db")

    assert whoami() == 0

    assert capsys.readouterr().out == f"@ann ({desk.ann.id})\n"
    assert not default.exists()
