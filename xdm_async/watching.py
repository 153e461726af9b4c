"""Watching: how a watch of one account, of one conversation or of many accounts is begun.

What a watch does is in `streams.watch`; here it gets the lists that it looks at, and the places
where its positions are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from .hands import Hands
from .reading import live_source
from .stores.base import Checkpoint, Checkpoints
from .stores.keeping import keeper
from .streams.watch import Watch

Since = str | int | datetime
Keep = str | os.PathLike[str] | Checkpoint
KeepMany = str | os.PathLike[str] | Checkpoints


def watch_one(
    hands: Hands,
    dm_conversation_id: str | None,
    participant_id: str | None,
    *,
    since: Since | None,
    checkpoint: Keep | None,
    share: float,
) -> Watch:
    """Watch an account, or one of its conversations."""
    road = hands.road
    return Watch(
        [live_source(hands, dm_conversation_id, participant_id)],
        since=since,
        keep=keeper(checkpoint, road.checkpoints),
        share=share,
        clock=road.clock,
    )


def watch_many(
    hands: Iterable[Hands],
    *,
    since: Since | None,
    checkpoint: KeepMany | None,
    share: float,
    on_error: Callable[[str | None, Exception], Any] | None,
) -> Watch:
    """Watch all conversations of many accounts of one app."""
    all_hands = list(hands)
    keep = None
    if all_hands:
        keep = keeper(checkpoint, all_hands[0].road.checkpoints, many=True)
    return Watch(
        [live_source(one) for one in all_hands],
        many=True,
        since=since,
        keep=keep,
        share=share,
        on_error=on_error,
        clock=all_hands[0].road.clock if all_hands else None,
    )
