"""A decoded frame as JSON, in the words of the contract's section 2: for ``decode``, ``tap`` and whoever lists frames.

What is not known is absent: never null, never guessed. Key order is the contract's.
"""

from typing import Final

from gateway.model import Cell, Fix, Frame, Report, Wifi, kind_names
from gateway.protocols.octets import civil_of

E7: Final = 10_000_000

Json = bool | int | float | str | list["Json"] | dict[str, "Json"]


def frame_json(frame: Frame, *, with_raw: bool = False) -> dict[str, Json]:
    """One frame, believed or refused."""
    told = refused_json(frame) if frame.refused else believed_json(frame)
    if with_raw:
        told["raw"] = frame.raw.hex()
    return told


def refused_json(frame: Frame) -> dict[str, Json]:
    """A frame that was not believed: why, where, and the alarm that is readable all the same."""
    told: dict[str, Json] = {"protocol": frame.protocol}
    if frame.refused:
        told |= {"reject": frame.refused.reason, "offset": frame.refused.offset, "detail": frame.refused.detail}
    if frame.unverified:
        kinds: list[Json] = [*kind_names(frame.unverified.kinds)]
        told["unverified"] = {"device": frame.device, "kinds": kinds} if frame.device else {"kinds": kinds}
    if frame.reply is not None:
        told["reply"] = frame.reply.hex()
    return told


def believed_json(frame: Frame) -> dict[str, Json]:
    """A frame with what it says. With several records the outer keys are the newest one's, but kinds are everybody's."""
    told: dict[str, Json] = {"protocol": frame.protocol, "class": frame.urgency.value}
    if frame.device is not None:
        told["device"] = frame.device
    told["kinds"] = [*kind_names(frame.kinds)]
    if frame.reports:
        told |= {key: value for key, value in report_json(newest(frame.reports)).items() if key != "kinds"}
    if len(frame.reports) > 1:
        told["records"] = [report_json(report) for report in frame.reports]
    if frame.reply is not None:
        told["reply"] = frame.reply.hex()
    return told


def newest(reports: tuple[Report, ...]) -> Report:
    """The record with the latest time of its own; of several alike, and when none has one, the last in wire order."""
    return max(enumerate(reports), key=lambda entry: (time_us(entry[1]), entry[0]))[1]


def time_us(report: Report) -> int:
    """When it was by the device's clock; before everything else when the record does not say."""
    if report.event_at_us is not None:
        return report.event_at_us
    return report.fix.at_us if report.fix and report.fix.at_us is not None else -(2**63)


def report_json(report: Report) -> dict[str, Json]:
    """One record."""
    told: dict[str, Json] = {"kinds": [*kind_names(report.kinds)]}
    if report.fix:
        told["fix"] = fix_json(report.fix)
    if report.event_at_us is not None:
        told["event_at"] = time_text(report.event_at_us)
    if report.sequence is not None:
        told["sequence"] = report.sequence
    if report.battery_percent is not None:
        told["battery_percent"] = int(report.battery_percent) if report.battery_percent.is_integer() else report.battery_percent
    if report.battery_v is not None:
        told["battery_v"] = report.battery_v
    if report.power_v is not None:
        told["power_v"] = report.power_v
    if report.charging is not None:
        told["charging"] = report.charging
    if report.firmware is not None:
        told["firmware"] = report.firmware
    told |= {name: True for name, marked in (("stored", report.stored), ("standing", report.standing)) if marked}
    if report.cells:
        told["cells"] = [cell_json(cell) for cell in report.cells]
    if report.wifi:
        told["wifi"] = [wifi_json(point) for point in report.wifi]
    if report.text is not None:
        told["text"] = report.text
    if report.unread:
        told["unread"] = [*report.unread]
    return told


def fix_json(fix: Fix) -> dict[str, Json]:
    """A position in degrees."""
    told: dict[str, Json] = {"lat": fix.lat_e7 / E7, "lon": fix.lon_e7 / E7}
    if fix.at_us is not None:
        told["at"] = time_text(fix.at_us)
    told |= {"valid": fix.valid, "source": fix.source}
    values: tuple[tuple[str, float | None], ...] = (
        ("accuracy_m", fix.accuracy_m),
        ("altitude_m", fix.altitude_m),
        ("speed_kmh", fix.speed_kmh),
        ("course_deg", fix.course_deg),
        ("satellites", fix.satellites),
    )
    return told | {name: value for name, value in values if value is not None}


def cell_json(cell: Cell) -> dict[str, Json]:
    """A radio cell."""
    told: dict[str, Json] = {"mcc": cell.mcc, "mnc": cell.mnc, "lac": cell.lac, "cid": cell.cid}
    return told if cell.rssi_dbm is None else told | {"rssi_dbm": cell.rssi_dbm}


def wifi_json(point: Wifi) -> dict[str, Json]:
    """An access point."""
    return {"mac": point.mac} if point.rssi_dbm is None else {"mac": point.mac, "rssi_dbm": point.rssi_dbm}


def time_text(at_us: int) -> str:
    """RFC 3339 in UTC, with a fraction only when there is one."""
    moment = civil_of(at_us)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{moment.microsecond:06d}".rstrip("0") + "Z" if moment.microsecond else text + "Z"
