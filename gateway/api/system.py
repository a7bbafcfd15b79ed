"""How the gateway is: alive, ready, health, metrics, its own description; the base map and the pages."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice

import orjson

from gateway import __version__
from gateway.api.access import RUNNERS
from gateway.api.house import House
from gateway.api.messages import Answer, Call, Errand, Parts, Reply, reply_json
from gateway.api.metrics import EXPOSITION, exposition
from gateway.api.problems import Refused
from gateway.api.shapes import SimPress
from gateway.model import Instant

ZOOM_MAX = 20
PART_DEVICES = 200
"Devices of one part of the health page: about a millisecond."


def alive(house: House, call: Call, given: None) -> Answer:
    """The process answers."""
    return reply_json({"alive": True, "version": __version__})


def ready(house: House, call: Call, given: None) -> Answer:
    """200 only when an alarm would be accepted and made durable now; else 503 with the reasons. What should be seen to besides: notices."""
    because = house.not_ready()
    return reply_json({"ready": not because, "because": because, "notices": house.notices()}, 503 if because else 200)


def health(house: House, call: Call, given: None) -> Answer:
    """Health of gateway and devices. No position, no case."""
    return Parts(health_parts(house))


def health_parts(house: House) -> Iterator[Reply]:
    """``shapes.Health``; a town has thousands of devices, and alarms do not wait for a list of them."""
    because = house.not_ready()
    body = {"ready": not because, "because": because, "notices": house.notices(), "statistics": house.desk.statistics()}
    yield Reply(200, orjson.dumps(body)[:-1] + b',"devices":[')
    rows, is_first = iter(house.desk.devices_health()), True
    while some := list(islice(rows, PART_DEVICES)):
        yield Reply(200, (b"" if is_first else b",") + orjson.dumps(some)[1:-1])
        is_first = False
    yield Reply(200, b"]}")


def metrics(house: House, call: Call, given: None) -> Answer:
    """Counters for Prometheus: for programs on this host, and for users whose role may see the gateway's health."""
    is_from_here = is_this_host(call.request.peer) and not call.request.header("x-forwarded-for")
    if call.principal.role not in RUNNERS and not is_from_here:
        raise Refused("not_logged_in")
    return Reply(200, exposition(house.desk.statistics(), not house.not_ready()), (("content-type", EXPOSITION), ("cache-control", "no-store")))


def is_this_host(peer: str) -> bool:
    """Whether an address is a loopback address."""
    try:
        return ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False


def tile(house: House, call: Call, given: None) -> Answer:
    """One tile of the base map: gzipped JSON. 404 where the map has nothing."""
    try:
        z, x, y = (int(call.parts[name]) for name in ("z", "x", "y") if call.parts[name].isascii() and call.parts[name].isdecimal())
    except ValueError:
        raise Refused("not_found") from None
    tiles = house.tiles
    if tiles is None or z > ZOOM_MAX or x >= 1 << z or y >= 1 << z:
        raise Refused("not_found")

    def show(found: object, now: Instant) -> Answer:
        if not isinstance(found, bytes):
            raise Refused("not_found")
        headers = (("content-type", "application/json"), ("content-encoding", "gzip"), ("cache-control", "private, max-age=86400"))
        return Reply(200, found, headers)

    return Errand("tiles", lambda: tiles.get(z, x, y), show)


def page(house: House, call: Call, given: None) -> Answer:
    """A static file of the console."""
    found = house.pages.get(call.request.path)
    if found is None:
        raise Refused("not_found")
    headers = (("content-type", found.media_type), ("etag", found.etag), ("cache-control", "no-cache"), ("vary", "accept-encoding"))
    if found.etag in (tag.strip() for tag in call.request.header("if-none-match").split(",")):
        return Reply(304, b"", headers)
    if found.gzipped is not None and "gzip" in call.request.header("accept-encoding"):
        return Reply(200, found.gzipped, (*headers, ("content-encoding", "gzip")))
    return Reply(200, found.body, headers)


def sim_buttons(house: House, call: Call, given: None) -> Answer:
    """Simulated devices that can be pressed."""
    if house.simulation is None:
        raise Refused("not_found")
    return reply_json({"entries": house.simulation.buttons()})


def sim_press(house: House, call: Call, given: SimPress) -> Answer:
    """Press a simulated button; only in a simulation."""
    if house.simulation is None:
        raise Refused("not_found")
    house.simulation.press(given.device, given.kind)
    return reply_json({"done": True}, 202)
