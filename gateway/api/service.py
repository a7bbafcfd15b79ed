"""The API: a request goes in, an answer comes out, as values.

Order for every request: route, who asks, may they, does it come from our own page, is the body well-formed, then
the handler. Nothing here waits; what would is an ``Errand`` that comes back through ``settle``.
"""

from typing import cast

from gateway.api.house import House
from gateway.api.identify import identify
from gateway.api.messages import Answer, Call, Errand, Reply, Request
from gateway.api.problems import Refused, problem_of
from gateway.api.route import Route, Table
from gateway.api.routes import ROUTES
from gateway.api.shapes import read_untrusted
from gateway.errors import GatewayError
from gateway.model import Instant

STRANGER_BYTES_MAX = 16_384
"What somebody who need not prove anything may have us read."


class Api:
    """Answers requests."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._table = Table(ROUTES)

    def handle(self, request: Request, now: Instant) -> Answer:
        """The answer to one request. Raises nothing that a caller can cause."""
        try:
            return self._handle(request, now)
        except GatewayError as error:
            return self.refusal(request, error)

    def settle(self, request: Request, errand: Errand, result: object, now: Instant) -> Answer:
        """The answer after an errand; ``result`` is what it returned, or the ``GatewayError`` that it raised."""
        try:
            if isinstance(result, GatewayError):
                raise result
            return errand.then(result, now)
        except GatewayError as error:
            return self.refusal(request, error)

    def refusal(self, request: Request, error: GatewayError) -> Reply:
        """The answer to a request that cannot be met. An SMS bridge gets no body: it would send it to the phone."""
        reply = problem_of(error, request.id)
        return Reply(reply.status) if request.path.startswith("/sms/") else reply

    def _handle(self, request: Request, now: Instant) -> Answer:
        route, parts = self._table.find(request.method, request.path)
        principal = identify(self.house, request, route.roles, parts, now)
        require_role(principal.role, route)
        if "public" in route.roles and len(request.body) > STRANGER_BYTES_MAX:
            raise Refused("too_large", f"A request that needs no proof of who asks has at most {STRANGER_BYTES_MAX} bytes.")
        given = None if route.takes is None else read_untrusted(request.body, cast("type[object]", route.takes))
        return route.handler(self.house, Call(request, principal, parts, now), given)


def require_role(role: str, route: Route) -> None:
    """Default deny: only a role that the route names passes; what is public is everybody's."""
    if role in route.roles or "public" in route.roles:
        return
    raise Refused("not_logged_in" if role == "public" else "forbidden")
