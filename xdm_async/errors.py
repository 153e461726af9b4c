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
from typing import Any

Problem = Mapping[str, Any]
"""One problem as the server wrote it: ``type``, ``title``, ``detail`` and whatever came along."""


class XdmError(Exception):
    """The root: whatever goes wrong in xdm_async is one of these."""


class NotSent(XdmError):
    """Nothing left this machine: the server knows nothing of the request, another try is safe."""


class InvalidRequest(NotSent, ValueError):
    """The request would be refused, so it was not sent: ``argument`` broke the rule in the text."""

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class InvalidPlan(InvalidRequest):
    """A plan names what does not exist, or a limit or window that cannot be."""


class ConnectFailed(NotSent):
    """No connection (name resolution, connect, TLS, or the pool stayed full): not a byte left."""


class AppClosed(NotSent):
    """The `App` was closed while, or before, the request waited for its turn."""


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
