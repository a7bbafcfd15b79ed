"""Queclink: what a message says.

Paper: as in ``queclink.py``; section numbers are those of the dossier. Fields are parted by commas:

* 0 header and type, 1 version, 2 IMEI, 3 device name, then what the type needs, last but one send time, last count (4 hex)

The location group is found wherever two fields ``-?d{1,3}.d{6}`` are followed by a time, which may be empty (section 2); counted
from the longitude:

* -4 accuracy (0: no fix, the last known place; else the smaller the better, no metres), -3 km/h, -2 course, -1 altitude (m)
* 0 longitude, 1 latitude, 2 GNSS time ``yyyymmddhhmmss`` in UTC, 3 MCC, 4 MNC, 5 LAC, 6 CID (hex), 7 reserved or odometer
"""

import re
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.model import NO_KIND, Cell, Fix, Kind, Report, Wifi
from gateway.protocols.base import DeviceSettings
from gateway.protocols.fields import course, decimal, degrees_e7, field, fix, hexadecimal, on_globe, percent, speed, whole, year_first_us

KINDS: Final = {
    "SOS": Kind.SOS_BUTTON,
    "SPD": Kind.OVERSPEED,
    "PNA": Kind.POWER_ON, "PFA": Kind.POWER_OFF,
    "EPN": Kind.POWER_RESTORED, "MPN": Kind.POWER_RESTORED,
    "EPF": Kind.POWER_CUT, "MPF": Kind.POWER_CUT,
    "BPL": Kind.BATTERY_LOW,
    "JDR": Kind.JAMMING, "JDS": Kind.JAMMING,
    "TOW": Kind.TOW,
    "IDL": Kind.IDLE,
    "SWG": Kind.GEOFENCE,
    "TEM": Kind.TEMPERATURE, "TMP": Kind.TEMPERATURE,
}  # fmt: skip
"Section 3: types that say alarm."
HARSH: Final = {0: Kind.HARSH_BRAKE, 3: Kind.HARSH_BRAKE, 1: Kind.HARSH_ACCEL, 4: Kind.HARSH_ACCEL, 2: Kind.HARSH_CORNER}
"The low nibble of field 5 of GTHBM."
QUIET: Final = frozenset(
    ("FRI", "ERI", "RTL", "DOG", "STR", "CTN", "GEO", "NMR", "STT", "BTC", "STC", "INF", "LBS", "WIF", "GSM", "VER", "CID", "HBD")
)  # fmt: skip
"Section 3: types that say no alarm. The text of every other type is kept."
CHARGING: Final = {"BTC": True, "STC": False}

DEGREES: Final = re.compile(r"-?[0-9]{1,3}\.[0-9]{5,7}", re.ASCII)
"The paper says six decimals."
STAMP: Final = re.compile(r"[0-9]{14}", re.ASCII)
STAMP_OR_NOTHING: Final = re.compile(r"(?:[0-9]{14})?", re.ASCII)
COUNT: Final = re.compile(r"[0-9A-Fa-f]{4}", re.ASCII)
IMEI: Final = re.compile(r"[0-9]{15}", re.ASCII)
IMEI_OR_MEID: Final = re.compile(r"[0-9]{15}|[0-9A-Fa-f]{14}", re.ASCII)
GT300_VERSION: Final = re.compile(r"[0-9A-Fa-f]{6,10}", re.ASCII)
MAC: Final = re.compile(r"[0-9A-Fa-f]{12}", re.ASCII)
SIGNAL: Final = re.compile(r"-[0-9]{1,3}", re.ASCII)
PADDED: Final = re.compile(r"0[0-9]{3}", re.ASCII)
"MCC and MNC as most models write them; elsewhere than in a location group nothing else is taken for a cell."
MOTION: Final = re.compile(r"(?:1[126A]|2[12]|4[12])[0-9A-F]{4}(?:[0-9A-F]{4})?", re.ASCII)
"Device status of vehicles: motion state and inputs. The backup battery's percentage stands before it."
MILLIVOLTS: Final = re.compile(r"[0-9]{4,5}", re.ASCII)

MCC_MIN, MCC_MAX = 200, 799
CELLS_MAX: Final = 8
WIFI_MAX: Final = 32


class Message(NamedTuple):
    """A message taken apart. Nothing is refused here."""

    head: str
    "RESP, BUFF, ACK or NACK"
    type: str
    "Three letters behind GT."
    version: str
    device: str | None
    identity_at: int
    "Byte at which the identity should stand."
    fields: list[str]
    end: int
    "The field of the send time: what stands before it belongs to the type."
    sent: str
    count_hex: str
    "Empty when it cannot be read."
    text: str


def message_of(text: str) -> Message:
    """The text of a message, without its end."""
    fields = text.split(",")
    head, _, kind = fields[0].removeprefix("+").partition(":")
    is_gt300 = IMEI.fullmatch(field(fields, 1)) is not None
    at = 1 if is_gt300 else 2
    # An identity that nothing follows may have been cut off: 14 of 15 digits would pass for a MEID.
    is_named = len(fields) > at + 1 and IMEI_OR_MEID.fullmatch(field(fields, at)) is not None
    end = len(fields)
    last = end - 2 if is_gt300 and GT300_VERSION.fullmatch(fields[-1]) and COUNT.fullmatch(fields[-2]) else end - 1
    count = ""
    if last > at + 1 and COUNT.fullmatch(fields[last]) and (not fields[last - 1] or STAMP.fullmatch(fields[last - 1])):
        count, end = fields[last], last - 1
    return Message(
        head, kind.removeprefix("GT"), "" if is_gt300 else field(fields, 1), fields[at].upper() if is_named else None,
        sum(len(one) + 1 for one in fields[:at]), fields, end, field(fields, end) if count else "", count, text,
    )  # fmt: skip


def reports_of(message: Message, settings: DeviceSettings) -> tuple[Report, ...]:
    """A report for each place of a message, measured or not; one for a message without any position."""
    kinds, unread = kinds_of(message, settings), []
    sent_us = stamp_us(message.sent, settings.clock_offset_s or 0)
    if not message.count_hex:
        unread.append("send time and count number")
    elif message.sent and sent_us is None:
        unread.append("send time")
    places = groups(message.fields)
    fixes = [fix_of(message.fields, at) for at in places]
    if any(place and place.at_us is None for place in fixes):
        unread.append("time of the position")
    if any(not on_globe_or_zero(message.fields, at) for at in places):
        unread.append("position out of range")
    if has_half_a_place(message.fields):
        unread.append("position")
    battery_percent, battery_v, power_v = power_of(message, places)
    told = Report(
        kinds or (Kind.POSITION if any(fixes) else quiet_kind(message)), None, sent_us,
        sequence=hexadecimal(message.count_hex), battery_percent=battery_percent, battery_v=battery_v, power_v=power_v,
        charging=charging_of(message), stored=message.head == "BUFF", wifi=wifi_of(message.fields),
        text=None if kinds or message.type in QUIET or message.type == "HBM" else message.text, unread=tuple(unread),
    )  # fmt: skip
    if not any(fixes):
        return (replace(told, cells=loose_cells(message.fields)),)
    # All positions of an alarm belong to one event. Those of a batch were taken (or missed) one after the other: each has its own time.
    has_own_time = (len(fixes) > 1 and not kinds) or sent_us is None
    return tuple(
        replace(told, fix=place, event_at_us=stamp_us(message.fields[at + 2]) if has_own_time else sent_us, cells=cell_behind(message.fields, at))
        for at, place in zip(places, fixes, strict=True)
        if place or not kinds
    )


def kinds_of(message: Message, settings: DeviceSettings) -> Kind:
    """What the type says beside a position."""
    if message.head not in ("RESP", "BUFF"):
        return NO_KIND
    kinds = KINDS.get(message.type, NO_KIND)
    if message.type == "HBM":
        way = hexadecimal(field(message.fields, 5))
        kinds |= HARSH.get((way or 0) & 15, NO_KIND) if way is not None else NO_KIND
    if message.type and message.type == (settings.value("man_down") or "").removeprefix("GT"):
        kinds |= Kind.MAN_DOWN
    return kinds


def quiet_kind(message: Message) -> Kind:
    """What a message without alarm and position is."""
    return Kind.DEVICE_ACK if message.head in ("ACK", "NACK") and message.type != "HBD" else Kind.HEARTBEAT


def stamp_us(stamp: str, offset_s: int = 0) -> int | None:
    """``yyyymmddhhmmss``."""
    return year_first_us(stamp[:8], stamp[8:], offset_s) if STAMP.fullmatch(stamp) else None


# ------------------------------------------------------------------------------------------------------ positions


def groups(fields: list[str]) -> list[int]:
    """The fields in which a longitude stands, with its latitude and time behind it."""
    return [
        at
        for at in range(4, len(fields) - 2)
        if DEGREES.fullmatch(fields[at]) and DEGREES.fullmatch(fields[at + 1]) and STAMP_OR_NOTHING.fullmatch(fields[at + 2])
    ]


def fix_of(fields: list[str], at: int) -> Fix | None:
    """The position whose longitude is field ``at``."""
    return fix(
        degrees_e7(fields[at + 1]), degrees_e7(fields[at]), stamp_us(fields[at + 2]), decimal(fields[at - 4]) != 0,
        altitude_m=decimal(fields[at - 1]), speed_kmh=speed(fields[at - 3]), course_deg=course(fields[at - 2]),
    )  # fmt: skip


def on_globe_or_zero(fields: list[str], at: int) -> bool:
    """0, 0 is no fault: it is how a receiver says that it has no position."""
    lat_e7, lon_e7 = degrees_e7(fields[at + 1]), degrees_e7(fields[at])
    return on_globe(lat_e7, lon_e7) or (lat_e7, lon_e7) == (0, 0)


def has_half_a_place(fields: list[str]) -> bool:
    """One coordinate beside a time, and instead of the other something unreadable."""
    return any(
        fields[at] and fields[at + 1] and (DEGREES.fullmatch(fields[at]) is None) != (DEGREES.fullmatch(fields[at + 1]) is None)
        for at in range(4, len(fields) - 2)
        if STAMP.fullmatch(fields[at + 2])
    )


# ----------------------------------------------------------------------------------------------- cells and Wi-Fi


def cell_at(fields: list[str], at: int) -> Cell | None:
    """MCC, MNC, LAC and CID from field ``at``."""
    mcc, mnc = whole(field(fields, at), MCC_MAX), whole(field(fields, at + 1), 999)
    lac, cid = hexadecimal(field(fields, at + 2)), hexadecimal(field(fields, at + 3))
    if mcc is None or mcc < MCC_MIN or mnc is None or lac is None or cid is None or not cid:
        return None
    return Cell(mcc, mnc, lac, cid)


def cell_behind(fields: list[str], at: int) -> tuple[Cell, ...]:
    """The serving cell of a location group; access points may stand before it (GT501)."""
    slot = at + 3
    points = whole(field(fields, slot), WIFI_MAX)
    if points and MAC.fullmatch(field(fields, slot + 1)):
        slot += 1 + 5 * points
    cell = cell_at(fields, slot)
    return (cell,) if cell else ()


def loose_cells(fields: list[str]) -> tuple[Cell, ...]:
    """Cells of a message without position, wherever four fields look like one."""
    cells: list[Cell] = []
    at = 4
    while at < len(fields) - 3 and len(cells) < CELLS_MAX:
        is_padded = PADDED.fullmatch(fields[at]) and PADDED.fullmatch(fields[at + 1]) and COUNT.fullmatch(fields[at + 2])
        cell = cell_at(fields, at) if is_padded and len(fields[at + 3]) >= 4 else None
        if cell:
            cells.append(cell)
        at += 4 if cell else 1
    return tuple(cells)


def wifi_of(fields: list[str]) -> tuple[Wifi, ...]:
    """Access points: a MAC as twelve digits with its signal (dBm) behind it."""
    points: list[Wifi] = []
    for mac, signal in zip(fields[4:], fields[5:], strict=False):
        if len(points) < WIFI_MAX and MAC.fullmatch(mac) and SIGNAL.fullmatch(signal):
            points.append(Wifi(":".join(mac[at : at + 2] for at in range(0, 12, 2)).lower(), int(signal)))
    return tuple(points)


# ---------------------------------------------------------------------------------------------------------- power

INF_VOLTS, INF_CHARGING, INF_FIX_AT, INF_PERCENT, INF_POWER_MV = 11, 12, 17, 18, 9
"Fields of GTINF; trackers that a person carries have the last fix time in field 17 and the battery's percentage behind it."


def power_of(message: Message, places: list[int]) -> tuple[float | None, float | None, float | None]:
    """Battery in percent, battery in volts, external power in volts."""
    fields = message.fields
    if message.type == "INF":
        is_personal = STAMP.fullmatch(field(fields, INF_FIX_AT)) is not None
        return (
            percent(field(fields, INF_PERCENT)) if is_personal else None, volts(field(fields, INF_VOLTS)),
            None if is_personal else millivolts(field(fields, INF_POWER_MV)),
        )  # fmt: skip
    if message.type == "BPL":
        return None, volts(field(fields, 4)), None
    if message.type == "WIF":
        return percent(field(fields, message.end - 1)), None, None
    if not places:
        return None, None, None
    power_v = millivolts(field(fields, places[0] - 7)) if message.type in ("FRI", "ERI") else None
    return percent_of(message, places), None, power_v


def percent_of(message: Message, places: list[int]) -> float | None:
    """The battery's percentage, for which each family has its own place."""
    fields, last = message.fields, places[-1]
    if message.type in ("STR", "CTN"):
        return percent(field(fields, last - 5))
    for at in range(last + 8, message.end):
        if MOTION.fullmatch(fields[at]):
            return percent(fields[at - 1])
    is_behind_group = message.end == last + 9
    is_behind_wifi = MAC.fullmatch(field(fields, last + 4)) is not None
    return percent(field(fields, message.end - 1)) if is_behind_group or is_behind_wifi else None


def volts(text: str) -> float | None:
    """A voltage with decimals."""
    value = decimal(text)
    return value if value and 0 < value < 10 else None


def millivolts(text: str) -> float | None:
    """Four or five digits of millivolts, in volts."""
    return int(text) / 1000 if MILLIVOLTS.fullmatch(text) else None


def charging_of(message: Message) -> bool | None:
    """GTBTC and GTSTC tell it by their type, GTINF in a field (2: charged)."""
    if message.type == "INF" and STAMP.fullmatch(field(message.fields, INF_FIX_AT)):
        return {"0": False, "1": True, "2": False}.get(field(message.fields, INF_CHARGING))
    return CHARGING.get(message.type)
