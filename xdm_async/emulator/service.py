"""The service: one request in, one answer out, without a socket.

The order of judgement is that of the platform: does the path exist (404), who asks (401), may
these credentials (403), is there budget (429), is the request well formed (400), and then the
endpoint itself. What belongs to `login` is answered there, before any of this. Headers that
belong to HTTP rather than to the API are left to `serving`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from . import login, problems, reading, sending, users
from .answers import Answer, Silence, in_json, refusal
from .asked import Asked
from .authentication import FULL_ACCESS, Authentication, Caller, Unauthenticated
from .calls import Call, Endpoint
from .faults import Faults
from .lists import Lists
from .login import Login
from .parameters import read_query
from .problems import Problem
from .switches import Switches
from .windows import RateLimits, Report
from .world import World

ENDPOINTS: Final = (*reading.ENDPOINTS, *sending.ENDPOINTS, *users.ENDPOINTS)


NAMES: Final = frozenset(
    (*(endpoint.name for endpoint in ENDPOINTS), *login.ROUTES.values(), "unknown")
)
"""What requests are counted under; `unknown` are those that fit no path."""


class Routes:
    """Finds the endpoint of a path. Where several fit, the one with fewer variables wins."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
        for endpoint in sorted(endpoints, key=lambda endpoint: endpoint.path.count(":")):
            parts = tuple(endpoint.path.split("/"))
            shape = (endpoint.method, len(parts))
            self._by_shape.setdefault(shape, []).append((parts, endpoint))

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint, and the variable parts of the path."""
        parts = path.split("/")
        for template, endpoint in self._by_shape.get((method, len(parts)), ()):
            variables: dict[str, str] = {}
            for wanted, given in zip(template, parts, strict=True):
                if wanted[:1] == ":" and given:
                    variables[wanted[1:]] = unquote(given) if "%" in given else given
                elif wanted != given:
                    break
            else:
                return endpoint, variables
        return None


class Service:
    """Judges and answers requests, and counts what happened to them."""

    def __init__(
        self,
        world: World,
        authentication: Authentication,
        logins: Login,
        faults: Faults,
        limits: RateLimits,
        switches: Switches,
        seed: int,
    ) -> None:
        self._world = world
        self._logins = logins
        self._faults = faults
        self._authentication = authentication
        self._limits = limits
        self._switches = switches
        self._todays_names = switches.names == "current"
        self._lists = Lists(switches, seed)
        self._routes = Routes(ENDPOINTS)
        self.requests_by_endpoint: Counter[str] = Counter()
        """All requests, refused ones too; `unknown` are those that fit no path."""
        self.requests_by_status: Counter[int] = Counter()
        """All requests that were answered, by the status that was told."""

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> Answer | Silence:
        """Answer one request; `target` is the path and query as they were sent."""
        path, _, query = target.partition("?")
        asked = Asked(method, path, query, headers, body, now)
        found = self._routes.find(method, path)
        name = login.ROUTES.get((method, path), "unknown") if found is None else found[0].name
        self.requests_by_endpoint[name] += 1
        fault = self._faults.strike(name)
        answer: Answer | Silence
        if fault is None:
            answer = self._carry_out(name, found, asked)
        else:
            if fault.carried_out:
                self._carry_out(name, found, asked)
            answer = fault.ending
        if isinstance(answer, Answer):
            self.requests_by_status[answer.status] += 1
        return answer

    def _carry_out(
        self, name: str, found: tuple[Endpoint, dict[str, str]] | None, asked: Asked
    ) -> Answer:
        if found is not None:
            return self._answer(*found, asked)
        if name == "unknown":
            return refusal(problems.unknown_path())
        return self._logins.answer(name, asked)

    def _answer(self, endpoint: Endpoint, variables: Mapping[str, str], asked: Asked) -> Answer:
        now = asked.now
        try:
            caller = self._authentication.identify(asked)
        except Unauthenticated as refused:
            return self._unauthenticated(refused, endpoint, now)
        level = () if caller.access_level is None else (("x-access-level", caller.access_level),)
        user_id = None if caller.user is None else caller.user.id
        try:
            self._authorize(caller, endpoint)
            admission = self._limits.draw(endpoint.name, user_id, now)
        except Problem as problem:
            return refusal(problem, level)
        extra = level + _report_headers(admission.reports)
        if not admission.admitted:
            return refusal(self._too_many(), extra)
        try:
            call = Call(
                self._world,
                self._switches,
                self._lists,
                caller,
                variables,
                read_query(asked.query, endpoint.accepted, todays_names=self._todays_names),
                asked.headers.get("Content-Type", ""),
                asked.body,
                now,
            )
            reply = endpoint.answer(call)
        except Problem as problem:
            return refusal(problem, extra)
        return in_json(reply.status, reply.body, extra + reply.headers)

    def _authorize(self, caller: Caller, endpoint: Endpoint) -> None:
        if caller.user is None:
            if not endpoint.app_only:
                raise problems.unsupported_authentication()
        elif caller.access_level is not None:
            if endpoint.direct_messages and caller.access_level != FULL_ACCESS:
                raise problems.oauth1_permissions()
        elif not endpoint.scopes <= caller.scopes or (
            self._switches.send_needs_dm_read
            and "dm.write" in endpoint.scopes
            and "dm.read" not in caller.scopes
        ):
            raise problems.forbidden()

    def _unauthenticated(self, refused: Unauthenticated, endpoint: Endpoint, now: float) -> Answer:
        if refused.user is None or not self._switches.count_unauthorized:
            return refusal(refused.problem)
        admission = self._limits.draw(endpoint.name, refused.user.id, now)
        problem = refused.problem if admission.admitted else self._too_many()
        return refusal(problem, _report_headers(admission.reports))

    def _too_many(self) -> Problem:
        if self._switches.rate_limit_body == "code 88":
            return problems.rate_limit_exceeded()
        return problems.too_many_requests()


def _report_headers(reports: tuple[Report, ...]) -> tuple[tuple[str, str], ...]:
    if len(reports) == 1:
        return reports[0].headers()
    return tuple([header for report in reports for header in report.headers()])
