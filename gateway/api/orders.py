"""Orders to devices: ask, list, look. Who may ask for what stands in ``access.py``; who may not is told that there is no device."""

from msgspec import UNSET

from gateway.api import access
from gateway.api.alarms import place_of
from gateway.api.doors import Json
from gateway.api.house import House
from gateway.api.messages import Answer, Call, reply_json, time_text
from gateway.api.problems import Refused
from gateway.api.shapes import OrderWish
from gateway.events import OrderAsked
from gateway.model import Order, OrderKind
from gateway.orders import Ordered

NEEDS = {OrderKind.INTERVAL: ("seconds",), OrderKind.SERVER: ("host", "port"), OrderKind.TEXT: ("text",)}
"Fields that a kind must have; it may have no others."
WORDS = ("host", "port", "text", "answer")
"For those who may ask in such words."


def device_of(house: House, call: Call) -> str:
    """The id of the device that the path names, if the caller may ask it for anything."""
    device_id = call.parts["id"]
    if house.registry.device(device_id) is None or not access.may_order(call.principal, house.desk.alarms_of(device_id)):
        raise Refused("unknown_device")
    return device_id


def order_of(given: OrderWish) -> Order:
    """What is wished for. Raises: Refused: a field is missing, or belongs to another kind."""
    kind = OrderKind(given.kind)
    for name in ("seconds", "host", "port", "text"):
        is_there, is_wanted = getattr(given, name) is not UNSET, name in NEEDS.get(kind, ())
        if is_there != is_wanted:
            raise Refused("bad_field", f"{name}: {'missing' if is_wanted else 'not'} with kind {kind}.")
    found = {name: getattr(given, name) for name in NEEDS.get(kind, ())}
    if any(isinstance(value, str) and not value.isprintable() for value in found.values()):
        raise Refused("bad_field", "host, text: one line of printable ASCII.")  # a pattern's end lets a last line feed pass
    return Order(kind, **found)


def ask_order(house: House, call: Call, given: OrderWish) -> Answer:
    """Ask a device for something. 202: it is in the record and leaves as soon as there is a way to the device; look at it
    for what became of it. Nobody is located without an alarm, and nothing is confirmed that no centre has accepted."""
    device_id, order = device_of(house, call), order_of(given)
    who = call.principal
    if order.kind not in access.ORDERS_OF[who.role]:
        raise Refused("forbidden", f"kind: a {who.role} may not ask for {order.kind}.")
    events = house.desk.ask_order(device_id, order, who.name, call.now)
    asked = events[-1]
    assert isinstance(asked, OrderAsked)
    noted = house.desk.viewed(who.name, f"order {order.kind}", f"order {asked.order_id} from {place_of(call)}", asked.alarm_id, call.now)
    ordered = next(one for one in house.desk.orders_of(device_id) if one.order_id == asked.order_id)
    return reply_json(order_json(ordered, who.role), 202, events=(*events, *noted))


def list_orders(house: House, call: Call, given: None) -> Answer:
    """What a device was asked for lately, by whom, and what became of it."""
    found = house.desk.orders_of(device_of(house, call))
    return reply_json({"orders": [order_json(ordered, call.principal.role) for ordered in found]})


def show_order(house: House, call: Call, given: None) -> Answer:
    """One order."""
    for ordered in house.desk.orders_of(device_of(house, call)):
        if ordered.order_id == call.parts["order_id"]:
            return reply_json(order_json(ordered, call.principal.role))
    raise Refused("unknown_order")


def order_json(ordered: Ordered, role: str) -> Json:
    """``shapes.OrderSeen``; what is unknown is absent."""
    order = ordered.order
    known: Json = {
        "order_id": ordered.order_id,
        "device": ordered.device_id,
        "kind": order.kind.value,
        "state": ordered.state.value,
        "actor": ordered.actor,
        "reason": ordered.reason,
        "asked_at": time_text(ordered.asked_at_us),
        "expires_at": time_text(ordered.expires_at_us),
        "attempts": ordered.attempts,
        "simulated": ordered.simulated,
    }
    perhaps: Json = {
        "alarm_id": ordered.alarm_id,
        "via": ordered.via,
        "sent_at": time_text(ordered.sent_at_us) if ordered.sent_at_us is not None else None,
        "ended_at": time_text(ordered.ended_at_us) if ordered.ended_at_us is not None else None,
        "why": ordered.why,
        "seconds": order.seconds,
        "host": order.host,
        "port": order.port,
        "text": order.text,
        "answer": ordered.answer,
    }
    hidden = () if OrderKind.TEXT in access.ORDERS_OF[role] else WORDS
    return known | {name: value for name, value in perhaps.items() if value is not None and name not in hidden}
