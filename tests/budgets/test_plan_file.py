"""Plan files: what a TOML text means, and one sentence on whatever is wrong in it."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xdm_async import App, InvalidPlan, OAuth2
from xdm_async.budgets import plans
from xdm_async.budgets.budget import Budget, Plan
from xdm_async.budgets.plan_file import parse
from xdm_async.emulator import Emulator

README = Path(__file__).parent.parent.parent / "README.md"

OF_THE_API_PAGE = """
base = "default"
[budgets."dm.write.user.15m"]
limit = 100
[groups.mine]
budgets = [{owner = "user", limit = 10, window = 900}]
[routes]
"dm_events.get" = "mine"
"""


def plan(text: str) -> Plan:
    return parse(text, "plans/mine.toml")


@pytest.fixture
def plan_toml(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(OF_THE_API_PAGE)
    return path


@pytest.fixture
def send_is_mine(plan_toml: Path) -> None:
    plan_toml.write_text(OF_THE_API_PAGE + '"dm_conversations.send" = "mine"')


# What a file means


def test_a_file_says_what_differs_from_its_base(plan_toml: Path) -> None:
    loaded = Plan.load(plan_toml)
    assert loaded == Plan(
        "plan",
        plans.DEFAULT.override({"dm.write.user.15m": 100}).groups
        | {"mine": (Budget(10, 900, "user", name="mine.user.15m"),)},
        plans.DEFAULT.routes | {"dm_events.get": "mine"},
    )
    assert Plan.load(str(plan_toml)) == loaded


def test_the_readmes_file_loads() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    loaded = plan(text)
    assert loaded.budget("dm.write.user.15m").limit == 100
    assert loaded.routes["dm_events.list_in"] == "mine"
    assert loaded.routes["dm_events.list"] == "dm.read"


@pytest.mark.parametrize("base", plans.BY_NAME.values(), ids=lambda base: base.name)
def test_a_file_that_names_only_its_base_is_that_plan(base: Plan) -> None:
    loaded = plan(f'base = "{base.name}"')
    assert (loaded.groups, loaded.routes) == (base.groups, base.routes)


def test_a_file_without_a_base_differs_from_the_documented_plan() -> None:
    assert plan("").groups == plans.DEFAULT.groups


def test_a_plan_is_named_after_its_file() -> None:
    assert plan("").name == "mine"


def test_every_key_of_a_budget_can_be_said() -> None:
    loaded = plan(
        "[groups.g]\nbudgets = [{limit = 5, window = 1.5, owner = 'app', name = 'all', "
        "headroom = 1, report = 'app-24h'}]"
    )
    assert loaded.groups["g"] == (Budget(5, 1.5, "app", name="all", headroom=1, report="app-24h"),)


def test_a_budget_without_a_name_is_named_as_in_code() -> None:
    loaded = plan("[groups.'my own']\nbudgets = [{limit = 5, window = 86400, owner = 'app'}]")
    assert loaded.budget("my own.app.24h").limit == 5


def test_a_group_of_the_base_can_be_replaced_and_a_route_sent_elsewhere() -> None:
    loaded = plan(
        """
        [groups."dm.read"]
        budgets = [{owner = "user", limit = 7, window = 60},
                   {owner = "app", limit = 9, window = 60}]
        [routes]
        "users.me" = "dm.read"
        """
    )
    assert [b.name for b in loaded.groups["dm.read"]] == ["dm.read.user.1m", "dm.read.app.1m"]
    assert loaded.routes["users.me"] == "dm.read"
    assert loaded.groups["dm.write"] == plans.DEFAULT.groups["dm.write"]


def test_a_budget_of_the_files_own_group_can_be_changed_by_its_name() -> None:
    loaded = plan(OF_THE_API_PAGE + "[budgets.'mine.user.15m']\nheadroom = 3")
    assert loaded.budget("mine.user.15m").headroom == 3


def test_a_change_of_a_budget_whose_group_was_replaced_is_not_lost_in_silence() -> None:
    with pytest.raises(InvalidPlan, match=r"no budget 'dm\.read\.user\.15m'; the nearest one is"):
        plan("[groups.'dm.read']\nbudgets = []\n[budgets.'dm.read.user.15m']\nlimit = 5")


def test_an_editor_that_leaves_a_byte_order_mark_is_forgiven(plan_toml: Path) -> None:
    plan_toml.write_bytes(b"\xef\xbb\xbf" + OF_THE_API_PAGE.replace("\n", "\r\n").encode())
    assert "mine" in Plan.load(plan_toml).groups


# What is wrong in a file

OWN = "[groups.mine]\nbudgets = [{%s}]"
HEX = "0x" + "f" * 5_000


@pytest.mark.parametrize(
    ("text", "told", "argument"),
    [
        ("bse = 'default'", "a plan has no key 'bse'; the nearest one is 'base'", "bse"),
        ("[route]\na = 'b'", "a plan has no key 'route'; the nearest one is 'routes'", "route"),
        ("base = 'defualt'",
         "base is 'default' or 'pay-per-use', not 'defualt'; the nearest one is 'default'", "base"),
        ("base = 5", "base is 'default' or 'pay-per-use', not 5", "base"),
        ("base = ['default']", "base is 'default' or 'pay-per-use', not ['default']", "base"),
        ("budgets = 5", "budgets is a table, not 5", "budgets"),
        ("groups = []", "groups is a table, not []", "groups"),
        ("routes = 'mine'", "routes is a table, not 'mine'", "routes"),
        ("[[routes]]", "routes is a table, not [{}]", "routes"),
        ("[budgets.'dm.wirte.user.15m']\nlimit = 5",
         "plan 'mine' has no budget 'dm.wirte.user.15m'; the nearest one is 'dm.write.user.15m'",
         "dm.wirte.user.15m"),
        ("[budgets.dm.write.user.15m]\nlimit = 5",
         "there is no budget dm; a name with dots stands in quotes, "
         "as in [budgets.\"dm.write.user.15m\"]", "dm"),
        ("[budgets.'dm.write.user.15m']\nlimt = 5",
         "budget 'dm.write.user.15m' has no key 'limt' to change; the nearest one is 'limit'",
         "limt"),
        ("[budgets.'dm.write.user.15m']\nlimit = 0",
         "limit of budget 'dm.write.user.15m' is a whole number from 1 to 1,000,000,000,000, not 0",
         "limit"),
        ("[budgets.'dm.write.user.15m']\nlimit = -200",
         "limit of budget 'dm.write.user.15m' is a whole number from 1 to", "limit"),
        ("[budgets.'dm.write.user.15m']\nlimit = 1e3",
         "limit of budget 'dm.write.user.15m' is a whole number from 1 to", "limit"),
        (f"[budgets.'dm.write.user.15m']\nlimit = {HEX}",
         "limit of budget 'dm.write.user.15m' is a whole number from 1 to 1,000,000,000,000, "
         "not an absurd int", "limit"),
        ("[budgets]\n'dm.write.user.15m' = 100",
         "budgets.'dm.write.user.15m' is a table such as {limit = 100}, not 100",
         "dm.write.user.15m"),
        ("groups.mine = []", "groups.mine is a table with the key 'budgets', not []", "mine"),
        ("[groups.mine]", "groups.mine.budgets is a list of tables, and it is missing", "budgets"),
        ("[groups.mine]\nbudget = []",
         "groups.mine has no key 'budget'; the nearest one is 'budgets'", "budget"),
        ("[groups.mine]\nbudgets = {}", "groups.mine.budgets is a list of tables, not {}",
         "budgets"),
        ("[groups.mine]\nbudgets = [5]", "groups.mine.budgets[0] is a table such as {owner",
         "budgets"),
        ("[groups.dm.read]\nbudgets = []",
         "groups.dm has no key 'read'; a name with dots stands in quotes, "
         "as in [groups.\"dm.read\"]", "read"),
        (OWN % "limit = 5, window = 900", "groups.mine.budgets[0] needs the key 'owner'", "owner"),
        (OWN % "owner = 'user', window = 900", "groups.mine.budgets[0] needs the key 'limit'",
         "limit"),
        (OWN % "owner = 'user', limit = 5", "groups.mine.budgets[0] needs the key 'window'",
         "window"),
        (OWN % "owner = 'user', limit = 5, widnow = 900",
         "groups.mine.budgets[0] has no key 'widnow'; the nearest one is 'window'", "widnow"),
        (OWN % "owner = 'user', limit = 0, window = 900",
         "in groups.mine.budgets[0], limit of a budget is a whole number from 1", "limit"),
        (OWN % "owner = 'user', limit = true, window = 900",
         "in groups.mine.budgets[0], limit of a budget is a whole number from 1", "limit"),
        (OWN % "owner = 'team', limit = 5, window = 900",
         "in groups.mine.budgets[0], owner of a budget is 'user' or 'app', not 'team'", "owner"),
        (OWN % "owner = 'user', limit = 5, window = '15m'",
         "in groups.mine.budgets[0], window of a budget is a number of seconds", "window"),
        (OWN % "owner = 'user', limit = 5, window = nan",
         "in groups.mine.budgets[0], window of a budget is a number of seconds", "window"),
        (OWN % "owner = 'user', limit = 5, window = inf",
         "in groups.mine.budgets[0], window of a budget is a number of seconds", "window"),
        (OWN % f"owner = 'user', limit = 5, window = {HEX}",
         "in groups.mine.budgets[0], window of a budget is a number of seconds", "window"),
        (OWN % "owner = 'user', limit = 5, window = 900, headroom = 5",
         "in groups.mine.budgets[0], headroom of a budget is a whole number from 0 to below its "
         "limit of 5, not 5", "headroom"),
        (OWN % "owner = 'user', limit = 5, window = 900, report = 'headers'",
         "in groups.mine.budgets[0], report of a budget is 'rate-limit', 'user-24h'", "report"),
        (OWN % "owner = 'user', limit = 5, window = 900, name = 5",
         "in groups.mine.budgets[0], name is a string, not int", "name"),
        (OWN % "owner = 'user', limit = 5, window = 9}, {owner = 'user', limit = 6, window = 9",
         "two different budgets are named 'mine.user.9s' in plan 'mine'", "groups"),
        ("[routes]\n'users.me' = 'dm.wriet'",
         "route 'users.me' draws on group 'dm.wriet', which plan 'mine' does not have; "
         "the nearest one is 'dm.write'", "routes"),
        ("[routes]\nusers.me = 'dm.read'",
         "routes.users is the name of a group, not {'me': 'dm.read'}; "
         "a name with dots stands in quotes, as in \"users.me\" = \"dm.read\"", "users"),
        ("[routes]\n'users.me' = 5", "routes.'users.me' is the name of a group, not 5",
         "users.me"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_file_key_and_rule(
    text: str, told: str, argument: str
) -> None:
    tomllib.loads(text)  # what is wrong is not the TOML
    with pytest.raises(InvalidPlan) as caught:
        plan(text)
    assert str(caught.value).startswith(f"plan file 'plans/mine.toml': {told}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base 'default'", "(at line 1, column 6)"),
        ("\n[routes\n", "(at line 2, column 8)"),
        ("base = 'default'\nbase = 'default'", "Cannot overwrite a value"),
        ("limit = " + "9" * 5_000, "4300 digits"),
        ("a = " + "[" * 5_000, "nested too deeply"),
    ],
)
def test_what_is_not_toml_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        plan(text)
    assert str(caught.value).startswith("plan file 'plans/mine.toml' is not TOML: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("deep", ["base", "routes.a", "groups.a", "budgets.a", "no"])
def test_tables_thousands_of_levels_deep_are_refused_too(deep: str) -> None:
    with pytest.raises(InvalidPlan, match=r"plan file 'plans/mine\.toml': "):
        plan(f"{deep}{'.a' * 5_000} = 1")


# A file that cannot be read


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="No such file") as caught:
        Plan.load(tmp_path / "none.toml")
    assert repr(str(tmp_path / "none.toml")) in str(caught.value)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_folder_is_no_plan_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="cannot be read: "):
        Plan.load(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_one_may_not_read_is_named(plan_toml: Path) -> None:
    plan_toml.chmod(0)
    with pytest.raises(InvalidPlan, match="cannot be read: Permission denied"):
        Plan.load(plan_toml)


def test_a_file_that_is_not_utf_8_is_refused_with_the_byte(plan_toml: Path) -> None:
    plan_toml.write_bytes(b"# caf\xe9")
    with pytest.raises(InvalidPlan, match=r"plan\.toml' is UTF-8 text, and its byte 5 is not"):
        Plan.load(plan_toml)
    plan_toml.write_text(OF_THE_API_PAGE, "utf-16")
    with pytest.raises(InvalidPlan, match="is UTF-8 text, and its byte 0 is not"):
        Plan.load(plan_toml)


@pytest.mark.parametrize("path", [5, None, b"plan.toml", "a\0b", ["plan.toml"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(InvalidPlan, match="a plan file is named by a path, not "):
        Plan.load(path)  # type: ignore[arg-type]


def test_a_file_name_longer_than_any_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="cannot be read"):
        Plan.load("a" * 5_000)


# Where a plan is named


def test_a_plan_is_named_by_the_path_of_a_file(plan_toml: Path) -> None:
    assert plans.named(str(plan_toml)) == Plan.load(plan_toml)


def test_a_published_name_goes_before_a_file_of_that_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "mine"):
        (tmp_path / name).write_text(OF_THE_API_PAGE)
    assert plans.named("default") is plans.DEFAULT
    assert "mine" in plans.named("./default").groups
    assert "mine" in plans.named("mine").groups


@pytest.mark.parametrize("path", ["no/such/plan", "plan.tmol", "./default"])
def test_a_path_without_a_file_is_not_taken_for_a_misspelt_name(
    path: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidPlan) as caught:
        plans.named(path)
    assert str(caught.value) == f"plan file {path!r} cannot be read: No such file or directory"


def test_a_word_that_is_neither_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidPlan) as caught:
        plans.named("defualt")
    assert str(caught.value) == "there is no plan or file 'defualt'; the nearest one is 'default'"


async def test_an_app_takes_the_path_from_its_environment(
    plan_toml: Path, xdm_emulator: Emulator, send_is_mine: None
) -> None:
    x, env = xdm_emulator, {"XDM_PLAN": str(plan_toml), "XDM_BASE_URL": xdm_emulator.url}
    async with App.from_env(env) as app:
        ann = x.add_user("ann")
        await app.account(OAuth2(**ann.oauth2), user_id=ann.id).send(x.add_user("bob").id, "hi")
        assert "mine.user.15m" in {budget.name for budget in app.budgets()}


def test_no_app_is_built_where_the_file_of_its_environment_is_wrong(plan_toml: Path) -> None:
    plan_toml.write_text("[budgets.'dm.write.user.15m']\nlimit = 0")
    with pytest.raises(InvalidPlan, match=r"plan\.toml': limit of budget 'dm\.write\.user\.15m'"):
        App.from_env({"XDM_PLAN": str(plan_toml)})


# Whatever the text


def told_or_planned(text: str) -> None:
    told = None
    try:
        loaded = plan(text)
    except InvalidPlan as refused:
        told = refused
    if told is None:
        assert set(loaded.routes.values()) <= set(loaded.groups)
    else:
        assert str(told).startswith("plan file 'plans/mine.toml'")
        assert isinstance(told.argument, str)


@given(st.text())
@example("\r")
@example("d = 2020-02-30")
@example("[groups.a]\nbudgets = [{limit = 1, window = 1979-05-27, owner = []}]")
def test_no_text_raises_anything_else(text: str) -> None:
    told_or_planned(text)


# fmt: off
WORDS = ["base", "budgets", "groups", "routes", "limit", "window", "owner", "name", "headroom",
         "report", "mine", "'dm.read'", "'dm.read.user.15m'", "'users.me'", "''", "'\U0001f511'"]
SCALARS = ["0", "1", "-1", "900", "1.5", "nan", "-inf", "true", "1e400", HEX, "1979-05-27",
           "07:32:00", "'user'", "'app'", "'default'", "'mine'", "'dm.read'", "'rate-limit'",
           "'user-24h'"]
# fmt: on
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda of: f"[{', '.join(of)}]")
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4).map(
            lambda of: "{" + ", ".join(f"{key} = {value}" for key, value in of.items()) + "}"
        )
    ),
    max_leaves=12,
)
KEYS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(".".join)
LINES = st.tuples(KEYS, VALUES).map(" = ".join) | KEYS.map("[{}]".format)


@given(st.lists(LINES, max_size=5).map("\n".join))
def test_no_toml_of_the_words_of_a_plan_raises_anything_else(text: str) -> None:
    told_or_planned(text)


BUDGETS = st.builds(
    Budget,
    st.integers(2, 10**12),
    st.floats(1e-3, 366 * 86_400) | st.integers(1, 366 * 86_400),
    st.sampled_from(["user", "app"]),
    headroom=st.integers(0, 1),
    report=st.sampled_from(["rate-limit", "user-24h", "app-24h", None]),
)


@given(st.dictionaries(st.from_regex(r"\A[a-z_.]{1,9}\Z"), BUDGETS.map(lambda b: (b,)), max_size=4))
def test_what_code_can_say_a_file_can_say(groups: dict[str, tuple[Budget, ...]]) -> None:
    text = ""
    for group, (budget,) in groups.items():
        report = f", report = '{budget.report}'" if budget.report else ""
        text += (
            f"[groups.'{group}']\nbudgets = [{{limit = {budget.limit}, window = {budget.window!r}, "
            f"owner = '{budget.owner}', headroom = {budget.headroom}{report}}}]\n"
        )
    text += "[routes]\n" + "".join(f"'to.{group}' = '{group}'\n" for group in groups)
    in_code = Plan(
        "mine",
        plans.DEFAULT.groups | groups,
        plans.DEFAULT.routes | {f"to.{group}": group for group in groups},
    )
    assert plan(text) == in_code
