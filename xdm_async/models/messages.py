"""Messages: what comes back for one that was sent."""

from __future__ import annotations

import attrs

from .ids import ConversationId, EventId


@attrs.frozen
class SentMessage:
    """A message that the server has accepted: where it went, and the event that it became.

    Accepted is not read: it may still land in the recipient's request folder, or be filtered.
    """

    dm_conversation_id: ConversationId
    dm_event_id: EventId
