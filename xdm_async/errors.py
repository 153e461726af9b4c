"""Every error, drawn by the question that matters: may the request have been carried out?

    XdmError
    ├── NotSent            nothing left this machine, trying again is safe
    ├── Refused            the server read the request and said no
    └── OutcomeUnknown     the request left, and no usable answer came back

An error carries its facts as attributes and reads as one sentence. Tokens, secrets and
message texts never appear in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Problem = Mapping[str, Any]
"""One problem as the server wrote it: ``type``, ``title``, ``detail`` and whatever came along."""


class XdmError(Exception):
    """The root: whatever goes wrong in xdm_async is one of these."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled with its facts, whatever its constructor asks for."""
        return _rebuilt, (type(self), self.args), self.__dict__


def _rebuilt(kind: type[XdmError], args: tuple[Any, ...]) -> XdmError:
    return kind.__new__(kind, *args)


class NotSent(XdmError):
    """Nothing left this machine: the server knows nothing of the request, another try is safe."""


class InvalidRequest(NotSent, ValueError):
    """The request would be refused, so it was not sent: ``argument`` broke the rule in the text."""

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class InvalidPlan(InvalidRequest):
    """A plan names what does not exist, or a limit or window that cannot be."""


class BudgetExhausted(NotSent):
    """Its turn would come after its ``max_wait``: the server accepted nothing of the request.

    ``budget`` is the name of the budget that keeps it waiting and ``owner`` whose it is: a user
    id, or the app. ``retry_in`` is in how many seconds the next request of its kind could go,
    as far as is known (inf where only an answer can tell), and ``retry_at`` the same on the
    server's clock, None where that is not known. ``max_wait`` is what the request would wait.
    """

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        owner: str,
        retry_in: float,
        retry_at: datetime | None = None,
        max_wait: float | None = None,
    ) -> None:
        super().__init__(message)
        self.budget = budget
        self.owner = owner
        self.retry_in = retry_in
        self.retry_at = retry_at
        self.max_wait = max_wait


class TooManyWaiting(BudgetExhausted):
    """So many requests wait already that this one was not let into the line."""


class ConnectFailed(NotSent):
    """No connection (name resolution, connect, TLS, or the pool stayed full): not a byte left."""


class AppClosed(NotSent):
    """The `App` was closed while, or before, the request waited for its turn."""


class AuthorizationNeeded(NotSent):
    """An account must be authorized anew: its grant was revoked, has run out, or was never kept.

    ``user_id`` is whose it is, None where that is not known, and ``reason`` why. It is about this
    one account; others go on.
    """

    def __init__(self, message: str, *, user_id: str | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.user_id = user_id
        self.reason = reason


class RenewalFailed(NotSent):
    """Tokens could not be had: the token endpoint fails, or does not accept the app's own keys.

    The grant is kept as it was, and the next call tries again. ``user_id`` is whose tokens, None
    where that is not known.
    """

    def __init__(self, message: str, *, user_id: str | None = None) -> None:
        super().__init__(message)
        self.user_id = user_id


class StoreFailed(NotSent):
    """The store cannot be opened, read or written: permissions, a wrong key, a full disk, …

    Nothing in it was overwritten.
    """


class CheckpointFailed(NotSent):
    """A position could not be saved or loaded: the disk is full, the file is not readable, …

    Nothing is lost by it: the position stays where it was, and is saved with the next one.
    """


class Refused(XdmError):
    """The server answered, and the answer is no.

    ``status`` is the HTTP status, ``problems`` the problems of the body (both body families of
    the API, see `xdm_async.wire.problems`), ``explanation`` one sentence on what to do about it,
    ``transaction_id`` the server's own name for the exchange (``x-transaction-id``).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        problems: Sequence[Problem] = (),
        explanation: str | None = None,
        transaction_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problems = tuple(problems)
        self.explanation = explanation
        self.transaction_id = transaction_id


class BadRequest(Refused):
    """400: a parameter or the body is not what the endpoint takes."""


class Unauthorized(Refused):
    """401: the token or the signature was not accepted."""


class PaymentRequired(Refused):
    """402, or 403 with a spend cap: the account has no credits or reached its cap."""


class Forbidden(Refused):
    """403: who asks is known, and may not do this."""


class NotFound(Refused):
    """404, or a lookup whose only answer is that the resource is not there."""


class RateLimited(Refused):
    """429 that waiting does not cure by itself; budgets that reset are waited for instead."""


class UsageCapped(RateLimited):
    """429 ``usage-capped``: the plan's quota for the period is used up. Final until it renews."""


class OutcomeUnknown(XdmError):
    """The request left and no usable answer came back: it may have been carried out, or not."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ReadTimeout(OutcomeUnknown):
    """The request left, and no whole answer came within the timeout."""


class ConnectionLost(OutcomeUnknown):
    """The connection broke after the request had left."""


class ServerError(OutcomeUnknown):
    """5xx: the server failed while it had the request in hand."""


class UnreadableAnswer(OutcomeUnknown):
    """An answer came that cannot be read: not JSON, cut short, or not of the documented shape."""
