"""The public names: exactly these, each there, each explained, each with this signature."""

import inspect
from typing import Any

import pytest

import xdm_async
from xdm_async import Account, App, Conversation, EventStream, Watch
from xdm_async.auth.login import SCOPES
from xdm_async.budgets.priority import RESERVE

NAMES = """
    Account App AppClosed Authorization AuthorizationNeeded BadRequest Budget BudgetExhausted
    BudgetState Checkpoint CheckpointFailed Checkpoints ConnectFailed ConnectionLost
    Conversation Event EventQuery EventStream Fields Forbidden Granted InvalidPlan
    InvalidRequest LoggingObserver Media MessageCreate NotFound NotSent Notice OAuth1
    OAuth1Authorization OAuth2 Observer OutcomeUnknown Page ParticipantsJoin ParticipantsLeave
    PaymentRequired Plan Post Priority Queued RateLimited ReadTimeout Refreshed Refused
    RenewalFailed Sent SentMessage ServerError Settled Store StoreFailed StoredAccount
    TooManyWaiting Unauthorized UnknownEvent UnreadableAnswer UsageCapped User Waiting Watch
    XdmError __version__ notices plans
""".split()  # noqa: SIM905

SIGNATURES = {
    App: {
        "__init__": "(*, client_id=None, client_secret=None, redirect_uri=None, "
        "consumer_key=None, consumer_secret=None, plan=DEFAULT, "
        "store='memory:', vault_key=None, "
        "authorize_url=None, token_url=None, revoke_url=None, "
        "base_url='https://api.x.com', naming='classic', session=None, timeout=30.0, "
        "max_connections=128, "
        "trust_env=False, reserve=RESERVE, pace=None, max_waiting=(10000, 1000000), "
        "observer=None)",
        "from_env": "(environ=None, **overrides)",
        "account": "(credentials, *, user_id=None)",
        "accounts": "()",
        "authorize": "(*, scopes=SCOPES, redirect_uri=None, state=None)",
        "authorize_oauth1": "(*, callback_url=None, sign_in=False)",
        "revoke": "(user_id)",
        "forget": "(user_id)",
        "budgets": "(user_id=None)",
        "watch": "(accounts, *, since=None, checkpoint=None, share=0.5, on_error=None)",
        "eta": "(user_id, group_or_route, n=1, *, priority=<Priority.NORMAL: 1>)",
        "aclose": "()",
    },
    Account: {
        "send": "(participant_id, text)",
        "send_in": "(dm_conversation_id, text)",
        "create_group": "(participant_ids, text)",
        "events": "(**query)",
        "events_with": "(participant_id, **query)",
        "events_in": "(dm_conversation_id, **query)",
        "watch": "(*, conversation=None, since=None, checkpoint=None, share=0.5)",
        "event": "(event_id, *, fields=ALL)",
        "conversation": "(dm_conversation_id=None, *, participant_id=None)",
        "me": "()",
        "using": "(*, priority=None, max_wait=None, weight=None)",
        "user_id": "property",
    },
    Watch: {
        "position": "property",
        "aclose": "()",
    },
    Conversation: {
        "send": "(text)",
        "events": "(**query)",
        "watch": "(*, since=None, checkpoint=None, share=0.5)",
    },
}

TREE = {
    "NotSent": {
        "InvalidRequest": {"InvalidPlan": {}},
        "AuthorizationNeeded": {},
        "BudgetExhausted": {"TooManyWaiting": {}},
        "CheckpointFailed": {},
        "ConnectFailed": {},
        "AppClosed": {},
        "RenewalFailed": {},
        "StoreFailed": {},
    },
    "Refused": {
        "BadRequest": {},
        "Unauthorized": {},
        "PaymentRequired": {},
        "Forbidden": {},
        "NotFound": {},
        "RateLimited": {"UsageCapped": {}},
    },
    "OutcomeUnknown": {
        "ReadTimeout": {},
        "ConnectionLost": {},
        "ServerError": {},
        "UnreadableAnswer": {},
    },
}


def plainly(function: Any) -> str:
    """A signature without annotations, with well-known defaults by their names."""
    if isinstance(function, property):
        return "property"
    known = [
        (xdm_async.plans.DEFAULT, "DEFAULT"),
        (xdm_async.Fields.ALL, "ALL"),
        (RESERVE, "RESERVE"),
        (SCOPES, "SCOPES"),
    ]

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return self.name

    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        default = next((Named(n) for v, n in known if v is parameter.default), parameter.default)
        parameters.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(inspect.Signature(parameters))


def test_these_are_the_public_names_and_no_others() -> None:
    assert sorted(xdm_async.__all__) == sorted(NAMES)
    assert len(set(xdm_async.__all__)) == len(xdm_async.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there_and_explained(name: str) -> None:
    what = getattr(xdm_async, name)
    if inspect.isclass(what) or inspect.ismodule(what):
        told = what.__doc__
        assert told
        assert not told.startswith(f"{name}("), "a dataclass's own text explains nothing"


def test_all_are_imported_by_a_star() -> None:
    space: dict[str, object] = {}
    exec("from xdm_async import *", space)
    assert set(NAMES) <= set(space)


@pytest.mark.parametrize("kind", SIGNATURES, ids=lambda kind: kind.__name__)
def test_what_can_be_called_is_called_like_this(kind: type) -> None:
    public = {name for name in vars(kind) if not name.startswith("_")} | (
        {"__init__"} if "__init__" in SIGNATURES[kind] else set()
    )
    assert public == set(SIGNATURES[kind])
    for name, expected in SIGNATURES[kind].items():
        assert plainly(getattr(kind, name)) == expected, name


@pytest.mark.parametrize(
    "kind", [App, Account, Conversation, EventStream, Watch], ids=lambda kind: kind.__name__
)
def test_everything_that_can_be_called_is_explained(kind: type) -> None:
    for name, what in vars(kind).items():
        if not name.startswith("_"):
            assert inspect.getdoc(what), f"{kind.__name__}.{name}"


def test_errors_are_a_tree_by_what_may_have_been_delivered() -> None:
    def check(parent: type, branches: dict[str, Any]) -> set[str]:
        seen = set()
        for name, below in branches.items():
            kind = getattr(xdm_async, name)
            assert kind.__bases__[0] is parent, name
            seen |= {name} | check(kind, below)
        return seen

    named = check(xdm_async.XdmError, TREE)
    kinds = {n for n in NAMES if inspect.isclass(getattr(xdm_async, n))}
    errors = {n for n in kinds if issubclass(getattr(xdm_async, n), Exception)}
    assert named == errors - {"XdmError"}


def test_the_version_is_a_version() -> None:
    assert all(part.isdigit() for part in xdm_async.__version__.split("."))
