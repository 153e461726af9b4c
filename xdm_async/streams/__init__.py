"""Many pages as one async iterator."""

from .paginator import EventStream

__all__ = ["EventStream"]
