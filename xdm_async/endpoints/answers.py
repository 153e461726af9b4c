"""A good answer goes on to be read, any other becomes the error it means.

The scheduler refuses what is refused before it gets here; this is for a road without one.
"""

from __future__ import annotations

from ..wire.exchange import Response, Route
from ..wire.problems import refusal


def accepted(route: Route, response: Response) -> Response:
    """Give ``response`` back if it is a 2xx, else raise what it means."""
    if 200 <= response.status < 300:
        return response
    raise refusal(route, response)
