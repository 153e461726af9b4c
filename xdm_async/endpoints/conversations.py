"""Conversations: send to a user, send into a conversation, create a group.

Builds the requests and reads the answers; when they may go, who signs them and how they travel
is left to the links further down the road.

The facts: https://docs.x.com/x-api/direct-messages/manage/integrate
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InvalidRequest
from ..models.messages import SentMessage
from ..wire.bodies import read_sent
from ..wire.converter import write_json
from ..wire.exchange import JSON, Request, Route, Sender
from . import checks
from .answers import accepted

_SCOPES = ("dm.write", "dm.read", "tweet.read", "users.read")
"""The specification leaves out dm.read, the documents' prose demands it."""

SEND = Route(
    "dm_conversations.send",
    "POST",
    "/2/dm_conversations/with/:participant_id/messages",
    _SCOPES,
)
SEND_IN = Route(
    "dm_conversations.send_in",
    "POST",
    "/2/dm_conversations/:dm_conversation_id/messages",
    _SCOPES,
)
CREATE = Route("dm_conversations.create", "POST", "/2/dm_conversations", _SCOPES)


async def send(sender: Sender, participant_id: str | int, text: str) -> SentMessage:
    """Send a message to one user, into the 1:1 conversation that exists or is made by it.

    Sends ``POST /2/dm_conversations/with/:participant_id/messages`` and draws on ``dm.write``,
    the budgets that the three sends share.

    Raises:
        InvalidRequest: the id is malformed, or the text is empty or over 10,000 characters.
        BudgetExhausted: the turn would come too late; nothing was sent.
        Refused: the server said no: among others `Forbidden` where the recipient takes no
            messages from this user.
        OutcomeUnknown: the message may have been delivered, or not.
    """
    to = checks.user_id(participant_id, "participant_id")
    body = _write({"text": checks.text(text)})
    request = Request(SEND, f"/2/dm_conversations/with/{to}/messages", body)
    return read_sent(SEND, accepted(SEND, await sender.send(request)))


async def send_in(sender: Sender, dm_conversation_id: str | int, text: str) -> SentMessage:
    """Send a message into a conversation that exists, 1:1 or group.

    Sends ``POST /2/dm_conversations/:dm_conversation_id/messages`` and draws on ``dm.write``.
    A 1:1 id is sent with its smaller number first, however it was given.

    Raises:
        InvalidRequest: the id is malformed, or the text is empty or over 10,000 characters.
        BudgetExhausted: the turn would come too late; nothing was sent.
        Refused: the server said no.
        OutcomeUnknown: the message may have been delivered, or not.
    """
    to = checks.conversation_id(dm_conversation_id)
    body = _write({"text": checks.text(text)})
    request = Request(SEND_IN, f"/2/dm_conversations/{to}/messages", body)
    return read_sent(SEND_IN, accepted(SEND_IN, await sender.send(request)))


async def create_group(
    sender: Sender, participant_ids: Iterable[str | int], text: str
) -> SentMessage:
    """Create a group of the caller and 1 to 49 others, with its first message.

    Sends ``POST /2/dm_conversations`` and draws on ``dm.write``. Each call makes a new group,
    also for participants that share one already.

    Raises:
        InvalidRequest: no participants or more than 49, a malformed id, or a text that is
            empty or over 10,000 characters.
        BudgetExhausted: the turn would come too late; nothing was sent.
        Refused: the server said no, as it does when one of the users takes no invitations.
        OutcomeUnknown: the group may have been created, or not.
    """
    ids = checks.participants(participant_ids)
    message = {"text": checks.text(text)}
    body = {"conversation_type": "Group", "message": message, "participant_ids": ids}
    request = Request(CREATE, "/2/dm_conversations", _write(body))
    return read_sent(CREATE, accepted(CREATE, await sender.send(request)))


def _write(body: JSON) -> bytes:
    try:
        return write_json(body)
    except ValueError:
        # Only half of a surrogate pair gets here; the cause is dropped, it may quote the text.
        raise InvalidRequest(
            "text holds half of a surrogate pair, which no JSON body can carry", argument="text"
        ) from None
