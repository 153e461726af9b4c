"""xdm_async: an asyncio client for the Direct Messages of the X API v2.

It waits for its turn: a scheduler that knows the rate limits lets each request leave when no
budget will refuse it.
"""

from ._version import VERSION as __version__
from .account import Account
from .app import App, BudgetState
from .auth.credentials import OAuth1, OAuth2
from .budgets import plans
from .budgets.budget import Budget, Plan
from .errors import (
    AppClosed,
    BadRequest,
    ConnectFailed,
    ConnectionLost,
    Forbidden,
    InvalidPlan,
    InvalidRequest,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PaymentRequired,
    RateLimited,
    ReadTimeout,
    Refused,
    ServerError,
    Unauthorized,
    UnreadableAnswer,
    UsageCapped,
    XdmError,
)
from .models.events import (
    Event,
    MessageCreate,
    ParticipantsJoin,
    ParticipantsLeave,
    UnknownEvent,
)
from .models.messages import SentMessage
from .models.objects import Media, Post, User
from .models.pages import Fields, Page
from .streams.paginator import EventStream

__all__ = [
    "Account",
    "App",
    "AppClosed",
    "BadRequest",
    "Budget",
    "BudgetState",
    "ConnectFailed",
    "ConnectionLost",
    "Event",
    "EventStream",
    "Fields",
    "Forbidden",
    "InvalidPlan",
    "InvalidRequest",
    "Media",
    "MessageCreate",
    "NotFound",
    "NotSent",
    "OAuth1",
    "OAuth2",
    "OutcomeUnknown",
    "Page",
    "ParticipantsJoin",
    "ParticipantsLeave",
    "PaymentRequired",
    "Plan",
    "Post",
    "RateLimited",
    "ReadTimeout",
    "Refused",
    "SentMessage",
    "ServerError",
    "Unauthorized",
    "UnknownEvent",
    "UnreadableAnswer",
    "UsageCapped",
    "User",
    "XdmError",
    "__version__",
    "plans",
]
