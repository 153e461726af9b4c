"""A world in which everything that can be asked for is there for somebody."""

from __future__ import annotations

from typing import Any

import attrs

from xdm_async.emulator import EmulatedUser, Emulator

UNLIMITED: Any = {
    group: [] for group in ("dm.read", "dm.write", "dm_events.get", "users.me", "users.get")
}


@attrs.frozen
class Inhabited:
    """Ann's account, and what there is in it."""

    x: Emulator
    ann: EmulatedUser
    bob: EmulatedUser
    group: str
    event_ids: list[str]


def inhabited(**switches: Any) -> Inhabited:
    """An emulator, not serving yet."""
    x = Emulator(UNLIMITED, **switches)
    ann = x.add_user("ann", user_id="15")  # with a badge, and withheld in a country
    bob, gone = x.add_user("bob", user_id="944480690"), x.add_user("gone")
    seen = x.add_post(bob, "A sight", media="photo")
    long = x.add_post(bob, "@ann $XDM #long https://example.com/ " + "word " * 60, quotes=seen)
    answer = x.add_post(ann, "Indeed", replies_to=long)
    lost = x.add_post(bob, "Lost")
    for text in (
        "Grüße @bob, @nobody #hash $CASH https://example.com/some/where?q=1&r=2 🎉",
        f"https://x.com/ann/status/{answer} https://x.com/bob/status/{lost}",
        f"https://x.com/bob/status/{seen} https://x.com/bob/status/{long}",
        "https://x.com/somebody/status/1578900353814519810 https://x.com/ann/status/20",
    ):
        x.deliver(bob, ann, text)
    x.deliver(ann, bob, "mine", media={"type": "video", "duration_ms": 4_000, "width": 320})
    for media in ("photo", "animated_gif", {"type": "photo", "alt_text": "a cat"}):
        x.deliver(bob, ann, "", media=media)
    group = x.create_group(bob, [ann, gone], "all of us").dm_conversation_id
    x.deliver(gone, group, "bye")
    x.leave(group, gone)
    x.forget_user(gone)
    x.forget_post(lost)
    event_ids = [event.id for event in x.events_of(ann)]
    return Inhabited(x, ann, bob, group, event_ids)
