"""What a route is, and how the one of a request is found."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.messages import Answer
from gateway.api.problems import Refused

JSON_TYPE, EVENTS_TYPE, TEXT_TYPE = "application/json", "text/event-stream", "text/plain"


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one address, for some roles."""

    method: str
    path: str
    "``{name}`` stands for one part."
    roles: frozenset[str]
    handler: Callable[..., Answer]
    takes: object | None = None
    "Shape of the body; None: it has none, or one that the handler reads itself."
    gives: type | None = None
    "Shape of the answer."
    query: tuple[tuple[str, str], ...] = ()
    "Parameters: name and meaning."
    problems: tuple[str, ...] = ()
    "Codes of ``problems.py`` beside those that every route of its kind has."
    media: str = JSON_TYPE
    status: int = 200
    raw: object | None = None
    "Shape of a body that the handler reads itself, for the document."
    operation: str = ""
    "The operation's name in the document; default: the handler's."

    @property
    def name(self) -> str:
        """The operation's name, unique in the table."""
        return self.operation or self.handler.__name__

    @property
    def purpose(self) -> str:
        """What it does, in a sentence or two."""
        return " ".join((self.handler.__doc__ or "").split())


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._shaped: list[tuple[tuple[str, ...], dict[str, Route]]] = []
        shaped: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            parts = tuple(route.path.split("/"))
            methods = shaped.setdefault(parts, {}) if "{" in route.path else self._exact.setdefault(route.path, {})
            assert route.method not in methods, f"two routes for {route.method} {route.path}"
            methods[route.method] = route
        self._shaped = list(shaped.items())

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and what stands at its names. Raises ``Refused``; an exact address goes before one with names."""
        parts: dict[str, str] = {}
        methods = self._exact.get(path)
        if methods is None:
            methods, parts = self._match(path.split("/"))
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = sorted({*methods, *(("HEAD",) if "GET" in methods else ())})
            raise Refused("method_not_allowed", headers=(("allow", ", ".join(allowed)),))
        return route, parts

    def _match(self, given: list[str]) -> tuple[dict[str, Route], dict[str, str]]:
        for pattern, methods in self._shaped:
            if len(pattern) == len(given) and all(want == have or (want[:1] == "{" and have) for want, have in zip(pattern, given, strict=True)):
                return methods, {want[1:-1]: have for want, have in zip(pattern, given, strict=True) if want[:1] == "{"}
        raise Refused("not_found")
