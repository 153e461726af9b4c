import pytest


async def test_me_is_who_asks(ask, ann):
    answer = await ask("GET", "/2/users/me", ann)
    assert answer.status == 200
    assert answer.body == {"data": {"id": ann.id, "name": "Ann", "username": "ann"}}


async def test_a_user_is_found_by_id_and_by_name_in_any_capitals(ask, ann, bob):
    by_id = await ask("GET", f"/2/users/{bob.id}", ann)
    by_name = await ask("GET", "/2/users/by/username/BOB", ann)
    assert by_id.body == by_name.body == {"data": {"id": bob.id, "name": "Bob", "username": "bob"}}


@pytest.mark.parametrize(
    ("path", "parameter", "value"),
    [("/2/users/999", "id", "999"), ("/2/users/by/username/nobody", "username", "nobody")],
)
async def test_a_missing_user_is_a_200_with_only_errors(
    ask, ann, path: str, parameter: str, value: str
):
    answer = await ask("GET", path, ann)
    assert answer.status == 200
    assert answer.body == {
        "errors": [
            {
                "value": value,
                "detail": f"Could not find user with {parameter}: [{value}].",
                "title": "Not Found Error",
                "resource_type": "user",
                "parameter": parameter,
                "resource_id": value,
                "type": "https://api.twitter.com/2/problems/resource-not-found",
            }
        ]
    }


async def test_receives_your_dm_tells_whom_one_may_write_to(ask, x, ann):
    shy = x.add_user("shy", accepts_dms=False)
    params = {"user.fields": "receives_your_dm,created_at"}
    seen = (await ask("GET", f"/2/users/{shy.id}", ann, params=params)).body["data"]
    assert seen["receives_your_dm"] is False
    assert seen["created_at"].endswith(".000Z")


async def test_the_app_itself_may_look_users_up_but_has_no_me(ask, x, ann):
    assert (await ask("GET", f"/2/users/{ann.id}", token=x.app_only_token)).status == 200
    assert (await ask("GET", "/2/users/by/username/ann", token=x.app_only_token)).status == 200
    assert (await ask("GET", "/2/users/me", token=x.app_only_token)).status == 403


async def test_a_user_in_todays_names(ask, ann):
    params = {"user.fields": "public_metrics", "expansions": "pinned_post_id"}
    body = (await ask("GET", "/2/users/me", ann, params=params)).body
    assert "post_count" in body["data"]["public_metrics"]
    missing = await ask("GET", "/2/users/999?post.fields=id", ann)
    assert missing.body["errors"][0]["type"].startswith("https://api.x.com/2/problems/")


@pytest.mark.parametrize(
    "path", ["/2/users/x1", "/2/users/by/username/no-body", "/2/users/me?dm_event.fields=id"]
)
async def test_a_request_of_the_wrong_form_is_an_invalid_request(ask, ann, path: str):
    assert (await ask("GET", path, ann)).status == 400


async def test_a_user_may_be_called_with_the_name_of_a_path(ask, x):
    me = x.add_user("me")
    answer = await ask("GET", "/2/users/by/username/me", me)
    assert answer.body["data"]["id"] == me.id


def test_users_have_ids_of_both_kinds(x):
    lengths = {len(x.add_user().id) for _ in range(20)}
    assert min(lengths) <= 10
    assert max(lengths) >= 18


def test_a_name_or_an_id_is_given_once(x):
    x.add_user("ann", user_id="17")
    with pytest.raises(ValueError, match="already a user"):
        x.add_user("ANN")
    with pytest.raises(ValueError, match="already a user"):
        x.add_user("bob", user_id="17")
