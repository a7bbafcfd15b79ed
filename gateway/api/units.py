"""Units: their positions in batches, their status, and the list for the console."""

import msgspec

from gateway.api.doors import Json
from gateway.api.house import House
from gateway.api.messages import Answer, Call, reply_json, time_us
from gateway.api.problems import Refused
from gateway.api.shapes import UnitFix, UnitStatus, read_untrusted
from gateway.errors import CommandError

BATCH_MAX = 1_000
"Units in one batch: about 5 ms of work, so that no step of the loop is long."

FUTURE_MAX_US = 120_000_000
"A position whose time is farther ahead than this is refused: it would look fresh for longer than it is."


def take_positions(house: House, call: Call, given: list[msgspec.Raw]) -> Answer:
    """Where units are. Every item has its own status: good ones count although others are bad. Kept in memory only."""
    if len(given) > BATCH_MAX:
        raise Refused("bad_field", f"A batch has at most {BATCH_MAX} items.")
    items = [take_position(house, call, index, bytes(raw)) for index, raw in enumerate(given)]
    accepted = sum(item["status"] == "accepted" for item in items)
    return reply_json({"accepted": accepted, "refused": len(items) - accepted, "items": items})


def take_position(house: House, call: Call, index: int, raw: bytes) -> Json:
    """One item of a batch; ``shapes.ItemStatus``."""
    item: Json = {"index": index, "status": "accepted"}
    try:
        fix = read_untrusted(raw, UnitFix)
        item["unit"] = fix.unit
        if call.principal.role == "unit" and fix.unit != call.principal.name:
            raise Refused("forbidden", "A unit reports itself only.")
        lat_e7, lon_e7 = round(fix.lat * 1e7), round(fix.lon * 1e7)
        house.desk.unit_moved(fix.unit, lat_e7, lon_e7, fix.course_deg, fix.speed_kmh, _time_of(fix, call), call.now)
    except (Refused, CommandError) as error:
        item |= {"status": "refused", "code": error.code, "message": str(error)}
    return item


def _time_of(fix: UnitFix, call: Call) -> int | None:
    if fix.at is None:
        return None
    try:
        at_us = time_us(fix.at)
    except (ValueError, OverflowError):
        raise Refused("bad_field", "at: expected an RFC 3339 time with its zone.") from None
    if at_us > call.now.wall_us + FUTURE_MAX_US:
        raise Refused("bad_field", "at: this time is yet to come.")
    return at_us


def set_status(house: House, call: Call, given: UnitStatus) -> Answer:
    """Whether a unit can be sent."""
    unit_id = call.parts["id"]
    if call.principal.role == "unit" and unit_id != call.principal.name:
        raise Refused("forbidden", "A unit sets its own status only.")
    if house.registry.unit(unit_id) is None:
        raise Refused("unknown_unit")
    house.desk.unit_status(unit_id, given.status, call.now)
    return reply_json({"done": True})


def list_positions(house: House, call: Call, given: None) -> Answer:
    """Units with position, its age, and status."""
    return reply_json({"units": list(house.desk.units())})
