"""Sending: the three ways to write a message, and what a body must look like for it.

A body is judged whole: everything wrong with it is in one 400. Then comes who may write to
whom. The message itself is made by `world`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

import msgspec

from .calls import CONVERSATION_ID, USER_ID, Call, Endpoint, Reply
from .objects import Conversation, Event, User
from .parameters import NOTHING
from .problems import (
    CLASSIC_HOST,
    Fault,
    invalid_request,
    media_not_permitted,
    not_permitted,
    not_reachable,
)
from .world import MOST_PARTICIPANTS

LONGEST_TEXT: Final = 10_000
"""Code points after NFC."""

_SCOPES: Final = frozenset({"dm.write", "tweet.read", "users.read"})
_MOST_INVITED: Final = MOST_PARTICIPANTS - 1
_NFC_GROWTH: Final = 3
_SHOWN: Final = 200


def send(call: Call) -> Reply:
    """POST /2/dm_conversations/with/:participant_id/messages: to one user."""
    participant_id = call.variable("participant_id", USER_ID)
    text = _message(call.json())
    recipient = call.world.user(str(int(participant_id)))
    if recipient is None or not recipient.accepts_dms:
        raise not_reachable()
    conversation = call.world.conversation_of_two(call.user, recipient)
    return _sent(conversation, call.world.send(conversation, call.user, text, call.now))


def send_in(call: Call) -> Reply:
    """POST /2/dm_conversations/:dm_conversation_id/messages: where the caller is a member."""
    dm_conversation_id = call.variable("dm_conversation_id", CONVERSATION_ID)
    text = _message(call.json())
    conversation = _conversation(call, dm_conversation_id)
    if conversation is None or call.user.id not in conversation.members:
        raise not_permitted()
    if not conversation.is_group and not all(
        member.accepts_dms for member in conversation.members.values() if member is not call.user
    ):
        raise not_reachable()
    return _sent(conversation, call.world.send(conversation, call.user, text, call.now))


def create(call: Call) -> Reply:
    """POST /2/dm_conversations: always a new group."""
    text, participant_ids = _group(call)
    invited: list[User] = []
    unknown: list[str] = []
    for participant_id in participant_ids:
        user = call.world.user(participant_id)
        if user is None:
            unknown.append(participant_id)
        else:
            invited.append(user)
    if unknown:
        what = "$.participant_ids: could not find users with these ids"
        raise invalid_request([Fault(what, {"$.participant_ids": unknown})])
    if not all(user.accepts_dms for user in invited):
        raise not_reachable()
    return _sent(*call.world.create_group(call.user, invited, text, call.now))


def _conversation(call: Call, dm_conversation_id: str) -> Conversation | None:
    """The conversation of this id; one of two exists as soon as both users do."""
    known = call.world.conversation(dm_conversation_id)
    if known is not None or "-" not in dm_conversation_id:
        return known
    one, other = map(call.world.user, dm_conversation_id.split("-"))
    if one is None or other is None or call.user not in (one, other) or one.number > other.number:
        return None
    return call.world.conversation_of_two(one, other)


def _sent(conversation: Conversation, event: Event) -> Reply:
    # The quotes around the id are really there.
    location = f'{CLASSIC_HOST}/2/dm_events/"{event.id}"'
    data = {"dm_conversation_id": conversation.id, "dm_event_id": event.id}
    return Reply(201, {"data": data}, (("location", location),))


def _message(body: Mapping[str, object]) -> str:
    """The text of a message, or the refusal of the whole body."""
    faults: list[Fault] = []
    text = _judge_message(body, "$", faults)
    if faults:
        raise invalid_request(faults)
    if body.get("attachments"):
        raise media_not_permitted()
    return text


def _group(call: Call) -> tuple[str, list[str]]:
    """The first text of a group and who is invited, without the caller."""
    body = call.json()
    faults: list[Fault] = []
    _judge_names(body, ("conversation_type", "message", "participant_ids"), "$", faults)
    if "conversation_type" in body and body["conversation_type"] != "Group":
        what = "$.conversation_type: does not have a value in the enumeration [Group]"
        faults.append(_fault("$.conversation_type", body["conversation_type"], what))
    faults += [
        Fault(f"$.{name}: is missing but it is required")
        for name in ("conversation_type", "message", "participant_ids")
        if name not in body
    ]
    text = ""
    message = body.get("message")
    if isinstance(message, dict):
        text = _judge_message(message, "$.message", faults)
    elif "message" in body:
        faults.append(_fault("$.message", message, "$.message: object expected"))
    participant_ids = _judge_participants(call, body, faults)
    if faults:
        raise invalid_request(faults)
    if isinstance(message, dict) and message.get("attachments"):
        raise media_not_permitted()
    return text, participant_ids


def _judge_message(body: Mapping[str, object], path: str, faults: list[Fault]) -> str:
    _judge_names(body, ("text", "attachments"), path, faults)
    if "text" not in body and "attachments" not in body:
        faults.append(Fault(f"{path}: at least one of text, attachments is required"))
    text = body.get("text", "")
    where = f"{path}.text"
    if not isinstance(text, str):
        faults.append(_fault(where, text, f"{where}: string expected"))
    elif "text" in body and not text:
        faults.append(_fault(where, text, f"{where}: must be at least 1 characters long"))
    elif _length(text) > LONGEST_TEXT:
        faults.append(Fault(f"{where}: may only be {LONGEST_TEXT} characters long"))
    if "attachments" in body:
        _judge_attachments(body["attachments"], f"{path}.attachments", faults)
    return text if isinstance(text, str) else ""


def _judge_attachments(attachments: object, where: str, faults: list[Fault]) -> None:
    if not isinstance(attachments, list):
        faults.append(_fault(where, attachments, f"{where}: array expected"))
        return
    if len(attachments) != 1:
        what = f"{where}: there must be exactly 1 item in the array"
        faults.append(_fault(where, attachments, what))
    for index, attachment in enumerate(attachments):
        place = f"{where}[{index}]"
        if not isinstance(attachment, dict):
            faults.append(_fault(place, attachment, f"{place}: object expected"))
            continue
        _judge_names(attachment, ("media_id",), place, faults)
        media_id = attachment.get("media_id")
        if not isinstance(media_id, str) or USER_ID.fullmatch(media_id) is None:
            what = f"{place}.media_id: does not match the regex pattern ^[0-9]{{1,19}}$"
            faults.append(_fault(f"{place}.media_id", media_id, what))


def _judge_participants(call: Call, body: Mapping[str, object], faults: list[Fault]) -> list[str]:
    where = "$.participant_ids"
    given = body.get("participant_ids", [])
    if not isinstance(given, list):
        faults.append(_fault(where, given, f"{where}: array expected"))
        return []
    read: list[str] = []
    for index, item in enumerate(given):
        if isinstance(item, str) and USER_ID.fullmatch(item):
            read.append(str(int(item)))
        else:
            what = f"{where}[{index}]: does not match the regex pattern ^[0-9]{{1,19}}$"
            faults.append(_fault(f"{where}[{index}]", item, what))
    if len(set(read)) < len(read):
        faults.append(_fault(where, given, f"{where}: the items in the array must be unique"))
    fewest = call.switches.group_minimum
    # The creator is a participant without being listed, and being listed adds nobody.
    invited = [participant_id for participant_id in read if participant_id != call.user.id]
    if "participant_ids" in body and len(invited) + len(given) - len(read) < fewest:
        what = f"{where}: there must be a minimum of {fewest} items in the array"
        faults.append(_fault(where, given, what))
    if len(given) > _MOST_INVITED:
        what = f"{where}: there must be a maximum of {_MOST_INVITED} items in the array"
        faults.append(_fault(where, given, what))
    return invited


def _judge_names(
    body: Mapping[str, object], known: tuple[str, ...], path: str, faults: list[Fault]
) -> None:
    for name in body:
        if name not in known:
            what = (
                f"{path}.{name}: is not defined in the schema and the schema does not allow "
                "additional properties"
            )
            faults.append(_fault(f"{path}.{name}", body[name], what))


def _fault(where: str, value: object, what: str) -> Fault:
    """A fault of the body, keyed by the JSON path, with the value as it would be printed."""
    return Fault(what, {where: [msgspec.json.encode(value).decode()[:_SHOWN]]})


def _length(text: str) -> int:
    if len(text) * _NFC_GROWTH <= LONGEST_TEXT:
        return len(text)
    return len(unicodedata.normalize("NFC", text))


ENDPOINTS: Final = (
    Endpoint(
        name="dm_conversations.send",
        method="POST",
        path="/2/dm_conversations/with/:participant_id/messages",
        answer=send,
        accepted=NOTHING,
        scopes=_SCOPES,
        direct_messages=True,
    ),
    Endpoint(
        name="dm_conversations.send_in",
        method="POST",
        path="/2/dm_conversations/:dm_conversation_id/messages",
        answer=send_in,
        accepted=NOTHING,
        scopes=_SCOPES,
        direct_messages=True,
    ),
    Endpoint(
        name="dm_conversations.create",
        method="POST",
        path="/2/dm_conversations",
        answer=create,
        accepted=NOTHING,
        scopes=_SCOPES,
        direct_messages=True,
    ),
)
