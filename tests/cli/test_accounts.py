"""`xdm accounts`, `logout` and `whoami`: who is logged in, and whom the commands act for."""

import asyncio
import json
import re

import pytest
from cryptography.fernet import Fernet

from xdm_async import App, OAuth2, Unauthorized
from xdm_async.cli.commands import run

from .conftest import Desk

Capture = pytest.CaptureFixture[str]


def test_accounts_are_shown_with_what_is_known_of_them(desk: Desk, capsys: Capture) -> None:
    desk.keep("ann", scopes=("dm.read", "offline.access"))
    desk.keep("ben", kind="oauth1", secret="a-secret", expires_at=None, scopes=())

    assert run(["accounts"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    ann, ben = out.splitlines()
    assert re.fullmatch(
        rf"@ann  {desk.ann.id} +oauth2  token until \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d, "
        "renewed by itself  dm.read offline.access",
        ann,
    )
    assert re.fullmatch(rf"@ben  {desk.ben.id} +oauth1  does not expire", ben)
    assert not [secret for secret in desk.secrets() if secret in out]


def test_accounts_for_machines_are_one_object_a_line(desk: Desk, capsys: Capture) -> None:
    desk.keep("ann", expires_at=1_700_000_000.0, scopes=("dm.read",))
    desk.keep("ben", needs_login="revoked\nby the user")

    assert run(["accounts", "--json"]) == 0

    out = capsys.readouterr().out
    ann, ben = map(json.loads, out.splitlines())
    assert ann == {
        "user_id": desk.ann.id,
        "username": "ann",
        "kind": "oauth2",
        "scopes": ["dm.read"],
        "expires_at": "2023-11-14T22:13:20+00:00",
        "needs_login": None,
    }
    assert ben["needs_login"] == "revoked\nby the user"

    assert run(["accounts"]) == 0
    assert "needs login: revoked ⏎ by the user\n" in capsys.readouterr().out


def test_where_nobody_is_logged_in_it_says_so_and_makes_no_store(
    desk: Desk, capsys: Capture
) -> None:
    assert run(["accounts", "--json"]) == 0
    assert capsys.readouterr() == ("", "")

    assert run(["accounts"]) == 0

    assert capsys.readouterr() == ("", "no account is logged in: run xdm login\n")
    assert not desk.store.exists()


@pytest.mark.parametrize("called", ["@ann", "Ann", "id"])
def test_who_logs_out_is_revoked_and_forgotten(called: str, desk: Desk, capsys: Capture) -> None:
    desk.keep("ann", "ben")
    token = desk.kept()["ann"].token

    assert run(["logout", desk.ann.id if called == "id" else called]) == 0

    out, err = capsys.readouterr()
    assert (out, err) == (
        f"logged out @ann ({desk.ann.id}): its tokens are revoked and forgotten\n",
        "",
    )
    assert set(desk.kept()) == {"ben"}
    with pytest.raises(Unauthorized):
        asyncio.run(asked(desk, token))


async def asked(desk: Desk, token: str) -> str | None:
    async with App(base_url=desk.x.url) as app:
        return (await app.account(OAuth2(token)).me()).username


def test_where_x_cannot_be_reached_tokens_are_kept_unless_they_shall_be_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    desk.keep("ann")
    token = desk.kept()["ann"].token
    monkeypatch.setenv("XDM_BASE_URL", "http://127.0.0.1:9")

    assert run(["logout", "@ann"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert "@ann is still logged in, and --forget-only" in err
    assert len(err.splitlines()) == 1
    assert set(desk.kept()) == {"ann"}

    assert run(["logout", "@ann", "--forget-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "user_id": desk.ann.id,
        "username": "ann",
        "revoked": False,
    }
    assert desk.kept() == {}
    assert asyncio.run(asked(desk, token)) == "ann"


def test_who_is_not_logged_in_cannot_log_out(desk: Desk, capsys: Capture) -> None:
    assert run(["logout", "@ann"]) == 2
    assert "no account is logged in" in capsys.readouterr().err
    assert not desk.store.exists()

    desk.keep("ben")
    assert run(["logout", "@ann"]) == 2
    err = capsys.readouterr().err
    assert "only @ben" in err
    assert len(err.splitlines()) == 1


def test_whoami_asks_x(desk: Desk, capsys: Capture) -> None:
    desk.keep("ann", username="as she was called once")

    assert run(["whoami"]) == 0
    assert capsys.readouterr() == (f"@ann ({desk.ann.id})\n", "")

    assert run(["whoami", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["user_id"], told["username"]) == (desk.ann.id, "ann")
    assert set(told) == {"user_id", "username", "name"}


def test_an_account_that_must_log_in_again_is_named(desk: Desk, capsys: Capture) -> None:
    desk.keep("ann", needs_login="its grant was revoked")

    assert run(["whoami"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert desk.ann.id in err
    assert "its grant was revoked" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("trouble", "command"),
    [
        ("a wrong key", "accounts"),
        ("a wrong key", "login"),
        ("a wrong key", "whoami"),
        ("no key", "events"),
        ("open to others", "logout @ann"),
        ("open to others", "login"),
        ("no database", "accounts"),
    ],
)
def test_a_store_that_cannot_be_opened_is_one_sentence_and_stays_as_it_is(
    trouble: str,
    command: str,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    key, other = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    desk.keep("ann", key=key)
    monkeypatch.setenv("XDM_VAULT_KEY", other if trouble == "a wrong key" else key)
    if trouble == "no key":
        monkeypatch.delenv("XDM_VAULT_KEY")
    if trouble == "open to others":
        desk.store.chmod(0o644)
    if trouble == "no database":
        desk.store.write_bytes(b"a letter to ben" * 1000)
    before = desk.store.read_bytes()

    assert run(command.split()) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xdm: ")
    assert len(err.splitlines()) == 1
    assert desk.store.read_bytes() == before
    assert key not in err
    assert other not in err
