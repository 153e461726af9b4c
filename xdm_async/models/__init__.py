"""What the API says, as frozen attrs classes."""

from .entities import (
    AnnotationEntity,
    Entities,
    MentionEntity,
    TagEntity,
    UrlEntity,
    UrlImage,
)
from .events import (
    Event,
    EventAttachments,
    MessageCreate,
    ParticipantsJoin,
    ParticipantsLeave,
    UnknownEvent,
)
from .ids import ConversationId, EventId, MediaId, PaginationToken, PostId, UserId
from .included import Place, Poll, PollOption, Topic
from .messages import SentMessage
from .objects import Media, Post, PostReference, User
from .pages import Fields, Includes, Meta, Page

__all__ = [
    "AnnotationEntity",
    "ConversationId",
    "Entities",
    "Event",
    "EventAttachments",
    "EventId",
    "Fields",
    "Includes",
    "Media",
    "MediaId",
    "MentionEntity",
    "MessageCreate",
    "Meta",
    "Page",
    "PaginationToken",
    "ParticipantsJoin",
    "ParticipantsLeave",
    "Place",
    "Poll",
    "PollOption",
    "Post",
    "PostId",
    "PostReference",
    "SentMessage",
    "TagEntity",
    "Topic",
    "UnknownEvent",
    "UrlEntity",
    "UrlImage",
    "User",
    "UserId",
]
