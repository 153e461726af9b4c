"""Credentials: plain values that print no secret, and are refused where they cannot be."""

from datetime import UTC, datetime

import pytest

from xdm_async import App, InvalidRequest, OAuth1, OAuth2

APP_ONLY = "AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid%2BULvsea4JtiGRiSDSJSI%3DEUifiRBkKG5E2XzMDjRfl"
BAD = ["", " ", "a b", "a\n", "a\r\nX-Evil: 1", "\tb", "grüße", "a\x00", None, 5, b"abc"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda bad: OAuth2(bad), "access_token"),
        (lambda bad: OAuth1(bad, "secret"), "token"),
        (lambda bad: OAuth1("token", bad), "token_secret"),
    ],
    ids=["access_token", "token", "token_secret"],
)
def test_what_cannot_stand_in_a_header_is_no_token(make, argument, bad) -> None:
    with pytest.raises(InvalidRequest, match=f"{argument} is a string of visible") as caught:
        make(bad)
    assert caught.value.argument == argument
    if isinstance(bad, str) and bad.strip():
        assert bad not in str(caught.value)


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad is not None])
def test_a_refresh_token_may_be_missing_but_not_broken(bad) -> None:
    assert OAuth2("a", None).refresh_token is None
    with pytest.raises(InvalidRequest, match="refresh_token"):
        OAuth2("a", bad)


def test_no_secret_is_printed() -> None:
    both = [
        OAuth2("se-cr-et", "re-fr-esh", 1.0, ("dm.read",)),
        OAuth1("12-se-cr-et", "re-fr-esh"),
    ]
    for credentials in both:
        for shown in (repr(credentials), str(credentials), f"{credentials}"):
            assert "se-cr-et" not in shown
            assert "re-fr-esh" not in shown
    assert "dm.read" in repr(both[0])
    assert "refresh_token=None" in repr(OAuth2("a"))


def test_scopes_are_taken_as_a_list_or_as_the_server_writes_them() -> None:
    expected = ("dm.read", "users.read")
    assert OAuth2("a", scopes="dm.read users.read").scopes == expected
    assert OAuth2("a", scopes=["dm.read", "users.read"]).scopes == expected
    assert OAuth2("a").scopes == ()


@pytest.mark.parametrize("bad", [5, None, [None], ["dm.read", 5], b"dm.read"])
def test_scopes_are_strings(bad) -> None:
    with pytest.raises(InvalidRequest, match="scopes are a list of strings") as caught:
        OAuth2("a", scopes=bad)
    assert caught.value.argument == "scopes"


@pytest.mark.parametrize("bad", ["tomorrow", True, float("nan"), datetime(2030, 1, 1), [1]])
def test_when_it_expires_is_a_moment_that_is_known(bad) -> None:
    with pytest.raises(InvalidRequest, match="seconds since 1970 or a datetime with") as caught:
        OAuth2("a", None, bad)
    assert caught.value.argument == "expires_at"


def test_when_it_expires_is_kept_as_it_came() -> None:
    when = datetime(2030, 1, 1, tzinfo=UTC)
    assert OAuth2("a", None, when).expires_at == when
    assert OAuth2("a", None, 12.5).expires_at == 12.5


def test_credentials_are_values_that_cannot_be_changed() -> None:
    assert OAuth2("a") == OAuth2("a")
    assert hash(OAuth1("1-a", "b")) == hash(OAuth1("1-a", "b"))
    with pytest.raises(AttributeError):
        OAuth2("a").access_token = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("token", "user_id"),
    [
        ("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "370773112"),
        ("906948460078698496-a-b", "906948460078698496"),
        ("370773112", None),
        ("-abc", None),
        ("me-abc", None),
        ("1" * 20 + "-abc", None),
    ],
)
def test_an_oauth1_token_says_whose_it_is(token, user_id) -> None:
    assert OAuth1(token, "s").user_id == user_id


@pytest.mark.parametrize(
    ("token", "app_only"),
    [
        (APP_ONLY, True),
        ("A" * 21 + "abc%2Fdef%3D", True),
        ("A" * 21 + "abcdef", False),
        ("AAAA%2F", False),
        ("bW9yZSBvciBsZXNz" * 5, False),
        ("x" + APP_ONLY, False),
    ],
)
def test_an_app_only_token_is_known_by_its_look(token, app_only) -> None:
    assert OAuth2(token).for_app_only is app_only


def test_any_token_can_be_said_to_be_app_only_but_only_by_name() -> None:
    assert OAuth2("abc", app_only=True).for_app_only
    with pytest.raises(TypeError):
        OAuth2("abc", None, None, (), True)  # type: ignore[misc]


@pytest.mark.parametrize("bad", [None, "token", b"token", {"access_token": "a"}, OAuth2])
async def test_what_are_no_credentials_make_no_account(bad) -> None:
    async with App() as app:
        with pytest.raises(InvalidRequest, match="an OAuth2, an OAuth1, or the id") as caught:
            app.account(bad)
    assert caught.value.argument == "credentials"
    assert "token" not in str(caught.value).replace("tokens", "")


KEYS = {"consumer_key": "ck", "consumer_secret": "cs"}


async def test_the_user_of_an_oauth1_token_is_known_from_it() -> None:
    async with App(**KEYS) as app:
        assert app.account(OAuth1("944480690-abc", "s")).user_id == "944480690"
        assert app.account(OAuth1("944480690-abc", "s"), user_id=944480690).user_id == "944480690"
        assert app.account(OAuth1("opaque", "s")).user_id is None
        assert app.account(OAuth1("opaque", "s"), user_id="12").user_id == "12"


async def test_an_oauth1_token_of_somebody_else_is_refused() -> None:
    async with App(**KEYS) as app:
        with pytest.raises(InvalidRequest, match="belongs to user 944480690, not to 12") as caught:
            app.account(OAuth1("944480690-abc", "s"), user_id="12")
    assert caught.value.argument == "user_id"
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "me", "12 ", -1, True, 1.5, "1" * 20])
async def test_a_user_id_is_a_user_id(bad) -> None:
    async with App() as app:
        with pytest.raises(InvalidRequest, match="user_id must be a user id"):
            app.account(OAuth2("a"), user_id=bad)
