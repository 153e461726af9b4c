"""xdm_async: an asyncio client for the Direct Messages of the X API v2.

It waits for its turn: a scheduler that knows the rate limits lets each request leave when no
budget will refuse it.
"""

from ._version import VERSION as __version__
from .access import StoredAccount
from .account import Account
from .app import App, BudgetState
from .auth.credentials import OAuth1, OAuth2
from .auth.login import Authorization
from .auth.login1 import OAuth1Authorization
from .budgets import plans
from .budgets.budget import Budget, Plan
from .budgets.priority import Priority
from .conversation import Conversation
from .errors import (
    AppClosed,
    AuthorizationNeeded,
    BadRequest,
    BudgetExhausted,
    CheckpointFailed,
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
    RenewalFailed,
    ServerError,
    StoreFailed,
    TooManyWaiting,
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
from .reading import EventQuery
from .scheduling import notices
from .scheduling.notices import (
    Granted,
    LoggingObserver,
    Notice,
    Observer,
    Queued,
    Refreshed,
    Sent,
    Settled,
    Waiting,
)
from .stores.base import Checkpoint, Checkpoints, Store
from .streams.paginator import EventStream
from .streams.watch import Watch

__all__ = [
    "Account",
    "App",
    "AppClosed",
    "Authorization",
    "AuthorizationNeeded",
    "BadRequest",
    "Budget",
    "BudgetExhausted",
    "BudgetState",
    "Checkpoint",
    "CheckpointFailed",
    "Checkpoints",
    "ConnectFailed",
    "ConnectionLost",
    "Conversation",
    "Event",
    "EventQuery",
    "EventStream",
    "Fields",
    "Forbidden",
    "Granted",
    "InvalidPlan",
    "InvalidRequest",
    "LoggingObserver",
    "Media",
    "MessageCreate",
    "NotFound",
    "NotSent",
    "Notice",
    "OAuth1",
    "OAuth1Authorization",
    "OAuth2",
    "Observer",
    "OutcomeUnknown",
    "Page",
    "ParticipantsJoin",
    "ParticipantsLeave",
    "PaymentRequired",
    "Plan",
    "Post",
    "Priority",
    "Queued",
    "RateLimited",
    "ReadTimeout",
    "Refreshed",
    "Refused",
    "RenewalFailed",
    "Sent",
    "SentMessage",
    "ServerError",
    "Settled",
    "Store",
    "StoreFailed",
    "StoredAccount",
    "TooManyWaiting",
    "Unauthorized",
    "UnknownEvent",
    "UnreadableAnswer",
    "UsageCapped",
    "User",
    "Waiting",
    "Watch",
    "XdmError",
    "__version__",
    "notices",
    "plans",
]
