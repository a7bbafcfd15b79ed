"""The table of routes -> an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable

import msgspec

from gateway import __version__
from gateway.api import shapes
from gateway.api.doors import Json
from gateway.api.problems import PROBLEMS
from gateway.api.route import EVENTS_TYPE, JSON_TYPE, Route

REF = "#/components/schemas/{name}"
EVERY_ROUTE = ("bad_request", "internal")

SECURITY: dict[str, Json] = {
    "session": {"type": "apiKey", "in": "cookie", "name": "gateway_session", "description": "Over TLS the name is __Host-gateway_session."},
    "token": {"type": "http", "scheme": "bearer", "description": "USER:TOKEN"},
    "device": {"type": "apiKey", "in": "header", "name": "X-Gw-Sig", "description": "HMAC of a device, with X-Gw-Id, X-Gw-Time and X-Gw-Key."},
    "centre": {"type": "apiKey", "in": "header", "name": "webhook-signature", "description": "Standard Webhooks, signed by the centre."},
    "bridge": {"type": "apiKey", "in": "header", "name": "Host", "description": "The address must be allowed. SMS: the path ends in the secret. "
               "SDS: Authorization: Bearer."},
}
"""How each kind of caller proves who it is. The control socket is proof by itself."""


def document(routes: Iterable[Route]) -> Json:
    """The whole document; schemas come from ``shapes``, errors from ``problems``."""
    table = [route for route in routes if not route.path.startswith("/static/{folder}")]
    types = [shape for route in table for shape in (route.raw or route.takes, route.gives) if shape is not None]
    schemas, components = msgspec.json.schema_components([*types, shapes.ProblemBody], schema_hook=_anything, ref_template=REF)
    by_type = dict(zip(map(id, [*types, shapes.ProblemBody]), schemas, strict=True))
    paths: dict[str, Json] = {}
    for route in table:
        operation = _operation(route, by_type)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alarm gateway",
            "version": __version__,
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
            "description": "From the hidden button to the police car. Nothing is accepted unless the answer is 2xx; a 2xx is durable. "
            "x-roles names who may call an operation; objects that are not one's own do not exist for one.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
    }


def _anything(of: type) -> Json:
    """A field that may hold any JSON."""
    assert of is object, of
    return {"description": "Any JSON value."}


def _operation(route: Route, by_type: dict[int, Json]) -> Json:
    summary, _, more = route.purpose.partition(". ")
    operation: Json = {
        "operationId": route.name,
        "summary": summary.rstrip("."),
        "description": more or summary,
        "x-roles": sorted(route.roles),
        "parameters": _parameters(route),
        "responses": _responses(route, by_type),
    }
    if security := _security(route.roles):
        operation["security"] = security
    takes = route.raw or route.takes
    if takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": by_type[id(takes)]}}}
    return operation


def _parameters(route: Route) -> list[Json]:
    named: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    named += [{"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}} for name, meaning in route.query]
    if route.media == EVENTS_TYPE:
        named.append({"name": "Last-Event-ID", "in": "header", "description": "Journal sequence to go on from.", "schema": {"type": "integer"}})
    return named


def _responses(route: Route, by_type: dict[int, Json]) -> Json:
    schema: Json = by_type[id(route.gives)] if route.gives is not None else {"type": "string"}
    if route.gives is None and route.media == JSON_TYPE:
        schema = {"type": "object"}
    responses: Json = {str(route.status): {"description": "Done, and durable where something changed.", "content": {route.media: {"schema": schema}}}}
    by_status: dict[int, list[str]] = {}
    for code in _codes(route):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        meaning = " ".join(f"{code}: {PROBLEMS[code].meaning}" for code in codes)
        responses[str(status)] = {"description": meaning, "content": {JSON_TYPE: {"schema": by_type[id(shapes.ProblemBody)]}}}
    return responses


def _codes(route: Route) -> list[str]:
    codes = [*EVERY_ROUTE, *route.problems]
    if "public" not in route.roles:
        codes += ["not_authentic"] if route.roles <= {"device", "centre"} else ["not_logged_in", "forbidden"]
    if route.takes is not None:
        codes += ["bad_json", "bad_field", "too_large", "wrong_encoding"]
    if route.method != "GET":
        codes += ["not_durable", "csrf"]
    return list(dict.fromkeys(codes))


def _security(roles: frozenset[str]) -> list[Json]:
    if "public" in roles:
        return []
    proofs: list[str] = [name for name in ("device", "centre", "bridge") if name in roles]
    if roles - {"device", "centre", "bridge", "local"}:
        proofs += ["session", "token"]
    return [{name: []} for name in proofs]
