"""Whose events they are: the environment says it, and no stream ever tells a token."""

import pytest

from xdm_async.cli.commands import run

from .conftest import Here

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
