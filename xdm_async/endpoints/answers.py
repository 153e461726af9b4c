"""A good answer goes on to be read, any other becomes the error it means, and what that is about.

The scheduler refuses what is refused before it gets here; this is for a road without one.
"""

from __future__ import annotations

from ..errors import Refused
from ..wire.exchange import Response, Route
from ..wire.problems import refusal


def accepted(route: Route, response: Response) -> Response:
    """Give ``response`` back if it is a 2xx, else raise what it means."""
    if 200 <= response.status < 300:
        return response
    raise refusal(route, response)


def names_parameter(refused: Refused, parameter: str) -> bool:
    """Whether the server says that it is this parameter that it does not take."""
    for problem in refused.problems:
        if problem.get("parameter") == parameter:
            return True
        errors = problem.get("errors")
        for error in errors if isinstance(errors, list) else (problem,):
            parameters = error.get("parameters") if isinstance(error, dict) else None
            if isinstance(parameters, dict) and parameter in parameters:
                return True
    return False
