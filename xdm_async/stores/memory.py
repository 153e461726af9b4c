"""A store in memory: it is forgotten with the process."""

from __future__ import annotations


class MemoryCheckpoints:
    """`Checkpoints` that end with the process: what they promise holds until then."""

    def __init__(self) -> None:
        self._positions: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<MemoryCheckpoints: {len(self._positions)} positions>"

    async def load(self, name: str) -> str | None:
        """Give the position that was saved last under a name."""
        return self._positions.get(name)

    async def save(self, name: str, position: str) -> None:
        """Keep a position under a name."""
        self._positions[name] = position
