"""Alarm and Decision -> the bytes that a centre receives: the normalized alert in a CloudEvents body.

Paper: the contract, section 4 (alert); CloudEvents 1.0, JSON format, structured mode (envelope). The JSON Schema of
the alert stands beside this file, ``alert.schema.json``. What is not known is written as null or by a status word,
never left out: a centre must not have to guess whether we forgot or did not know. An alert never holds the name or
address of a person, a telephone number, or the text of an SMS.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import orjson

from gateway.model import OUTCOMES, Alarm, Case, Decision, Device, Facts, Fix, Kind, Networks, Seen, State, Unit, kind_names

Json = dict[str, object]

BODY_BYTES_MAX = 20_000
"A centre must be able to act on one message of this size (centres/webhook.md section 6)."
TRACK_TAIL = 10
"Points of the track in every alert, told before or not: enough to draw which way she moves."
ALTERNATIVES_MAX, SKIPPED_MAX, NAMES_MAX, CELLS_MAX, WIFI_MAX = 4, 10, 16, 8, 16
ID_CHARS_MAX, REASON_CHARS_MAX, INSTRUCTIONS_CHARS_MAX = 64, 160, 800

TIME_US_MAX = 253_402_300_800_000_000
"Year 10000: beyond it a time is a defect and no time."
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"Control characters, line and direction overrides, lone surrogates: never part of what a person should read."
_PHONE = re.compile(r"(?<![\w+-])(?:\+|00|0)[1-9](?:[ ./()-]{0,2}\d){7,13}(?!\w)")
"A telephone number, national or international, as people write it into an instruction."


@dataclass(frozen=True, slots=True)
class Sender:
    """Who we are to a centre."""

    name: str = "gateway"
    public_url: str | None = None
    "Where people reach the console; without it an alert has no live link."


@dataclass(frozen=True, slots=True)
class Heading:
    """What an alert says about itself and its receiver."""

    centre_id: str
    role: str
    "primary, backup, fallback, previous"
    seq: int
    event: str
    "raised, updated, position, escalated, cancel_claimed, closed, test"
    sent_at_us: int
    "When it was queued: the same in every attempt."
    also_offered_to: tuple[str, ...] = ()
    durable_at_us: int | None = None
    last_test_at_us: int | None = None
    told_until_us: int = field(default=0)
    "Track points received up to here are known to the centre already."


def compose(alarm: Alarm, heading: Heading, facts: Facts, sender: Sender) -> bytes:
    """The body of one alert for one centre, at most ``BODY_BYTES_MAX`` bytes.

    The track gives way first, its oldest points before the newer ones; the position itself never does.
    """
    data = alert(alarm, heading, facts, sender)
    event = _cloud_event(alarm, heading, sender, data)
    body = orjson.dumps(event)
    if len(body) > BODY_BYTES_MAX:
        body = _without_ballast(event, data)
    points = _newest_points(alarm.track, heading.told_until_us, BODY_BYTES_MAX - len(body))
    if not points:
        return body
    data["track"] = points
    return orjson.dumps(event)


def alert(alarm: Alarm, heading: Heading, facts: Facts, sender: Sender) -> Json:
    """The normalized alert, its track still empty."""
    data: Json = {
        "alarm_id": alarm.alarm_id,
        "seq": heading.seq,
        "event": heading.event,
        "kinds": kind_names(alarm.kinds | alarm.faults) or kind_names(Kind.UNKNOWN_ALARM),
        "class": "test" if alarm.test else "life",
        "test": alarm.test,
        "simulated": alarm.simulated,
        "silent": True,
        "state": alarm.state.value,
        "repeat_count": alarm.repeat_count,
        "late": alarm.late,
        "cancel_claimed": alarm.cancel_claimed,
        "trust": f"T{int(alarm.trust)}",
        "doubts": _names(alarm.doubts),
        "times": {
            "event_at": rfc3339(alarm.event_at_us),
            "received_at": rfc3339(alarm.received_at_us),
            "durable_at": rfc3339(heading.durable_at_us),
            "sent_at": rfc3339(heading.sent_at_us),
        },
        "device": _device(alarm, heading, facts),
        "case": _case(alarm, heading, facts),
        "position": _position(alarm, heading.sent_at_us),
        "track": [],
        "centre": {
            "id": _id(heading.centre_id),
            "role": heading.role,
            "also_offered_to": _names(heading.also_offered_to),
            "taken_by": _taken_by(alarm),
        },
        "responder": _responder(alarm.decision),
        "links": {"live": live_link(sender, alarm.alarm_id), "audio": None},
    }
    if alarm.networks is not None and alarm.position is None:
        data["networks"] = _networks(alarm.networks)
    if alarm.outcome in OUTCOMES:
        data["outcome"] = alarm.outcome
    return data


def minimal_alarm(alarm_id: str, device_id: str, received_at_us: int, protocol: str = "unknown", transport: str = "unknown") -> Alarm:
    """What can be said of an alarm whose record defeats us: that it exists, of whom, since when (R-13)."""
    return Alarm(
        alarm_id, device_id, protocol, transport, State.RAISED, Kind.UNKNOWN_ALARM, received_at_us, doubts=("undecodable",)
    )  # fmt: skip


class NoFacts:
    """What is known when the registry cannot be trusted for an alarm: nothing."""

    def device(self, device_id: str) -> Device | None:
        return None

    def device_named(self, identifier: str) -> Device | None:
        return None

    def case(self, case_ref: str) -> Case | None:
        return None

    def unit(self, unit_id: str) -> Unit | None:
        return None

    def units(self) -> Iterable[Unit]:
        return ()

    def devices(self) -> Iterable[Device]:
        return ()


def live_link(sender: Sender, alarm_id: str) -> str | None:
    """Where a person who may see it finds this alarm on the console."""
    return f"{sender.public_url.rstrip('/')}/#/alarms/{alarm_id}" if sender.public_url else None


def rfc3339(at_us: int | None) -> str | None:
    """``2026-03-09T13:03:11.250Z``; None for a time that is unknown or outside the years 1970 to 9999."""
    if at_us is None or not 0 <= at_us < TIME_US_MAX:
        return None
    seconds, us = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{us // 1000:03d}Z"


def read_json_untrusted(body: bytes) -> object:
    """What a stranger's JSON says. Raises ``ValueError``; nesting is bounded by the parser."""
    return orjson.loads(body)


# ------------------------------------------------------------------------------------------- parts of an alert


def _cloud_event(alarm: Alarm, heading: Heading, sender: Sender, data: Json) -> Json:
    return {
        "specversion": "1.0",
        "id": f"{alarm.alarm_id}-{heading.seq}",
        "source": f"/gateway/{quote(sender.name, safe='')}",
        "type": f"be.msa.alarm.{heading.event}",
        "subject": alarm.alarm_id,
        "time": rfc3339(heading.sent_at_us),
        "datacontenttype": "application/json",
        "dataschema": "urn:gateway:alert:1",
        "sequence": str(heading.seq),
        "partitionkey": alarm.alarm_id,
        "data": data,
    }


def _device(alarm: Alarm, heading: Heading, facts: Facts) -> Json:
    known = facts.device(alarm.device_id)
    device: Json = {
        # The identity of a device that is not enrolled is whatever it sent: for an SMS, somebody's telephone number.
        "id": "unknown" if known is None or alarm.device_id.startswith("+") else _id(alarm.device_id),
        "protocol": _id(alarm.protocol),
        "transport": _id(alarm.transport),
        "battery_percent": _number(alarm.battery_percent, 0, 0.0, 100.0),
        "last_test_at": rfc3339(heading.last_test_at_us),
    }
    if alarm.device_silent:
        device["lost"] = True
    return device


def _case(alarm: Alarm, heading: Heading, facts: Facts) -> Json:
    case: Case | None = facts.case(alarm.case_ref) if alarm.case_ref else None
    if case is None:
        state = alarm.case_state or "UNKNOWN"
        return {"reference": _id_or_none(alarm.case_ref), "state": _id(state), "zone": None, "risk": None, "instructions": None}
    data: Json = {
        "reference": _id(case.case_ref),
        "state": _id(case.state),
        "zone": _id_or_none(case.zone),
        "risk": _id_or_none(case.risk),
        "instructions": _instructions(case.instructions),
    }
    own_name = next((name for centre_id, name in case.centre_refs if centre_id == heading.centre_id), None)
    if own_name:
        data["centre_reference"] = _id(own_name)
    return data


def _position(alarm: Alarm, now_us: int) -> Json:
    seen = alarm.position or alarm.last_known
    if seen is None or not _on_earth(seen.fix):
        return {"status": "none", "reason": "no position received" if seen is None else "position outside the world"}
    fix = seen.fix
    current = alarm.position is not None and fix.valid
    at_us = fix.at_us if fix.at_us is not None and 0 <= fix.at_us < TIME_US_MAX else seen.received_at_us
    return {
        "status": "fix" if current else "last_known",
        "lat": fix.lat_e7 / 1e7,
        "lon": fix.lon_e7 / 1e7,
        "accuracy_m": _number(fix.accuracy_m, 1, 0.0, 1e7),
        "at": rfc3339(at_us),
        "age_s": max(0.0, round((now_us - at_us) / 1e6, 1)),
        "source": _id(fix.source),
        "speed_kmh": _number(fix.speed_kmh, 1, 0.0, 1e5),
        "course_deg": _number(fix.course_deg, 1, 0.0, 360.0),
        "address": None,
    }


def _networks(seen: Networks) -> Json:
    """What she is near to, strongest or serving first as the device lists them: a place for whoever can look it up."""
    cells: list[Json] = [
        {"mcc": cell.mcc, "mnc": cell.mnc, "lac": cell.lac, "cid": cell.cid, "rssi_dbm": cell.rssi_dbm} for cell in seen.cells[:CELLS_MAX]
    ]
    wifi: list[Json] = [{"mac": point.mac[:17], "rssi_dbm": point.rssi_dbm} for point in seen.wifi[:WIFI_MAX]]
    return {"at": rfc3339(seen.received_at_us), "cells": cells, "wifi": wifi}


def _newest_points(track: Sequence[Seen], told_until_us: int, room_bytes: int) -> list[Json]:
    """Points that the centre does not have yet and the last few in any case, oldest first, as many as there is room for."""
    points: list[Json] = []
    for seen in reversed(track):
        if len(points) >= TRACK_TAIL and seen.received_at_us <= told_until_us:
            break
        if not seen.fix.valid or not _on_earth(seen.fix):
            continue
        fix = seen.fix
        point: Json = {
            "lat": fix.lat_e7 / 1e7,
            "lon": fix.lon_e7 / 1e7,
            "at": rfc3339(fix.at_us) or rfc3339(seen.received_at_us),
            "accuracy_m": _number(fix.accuracy_m, 1, 0.0, 1e7),
        }
        room_bytes -= len(orjson.dumps(point)) + 1
        if room_bytes < 0:
            break
        points.append(point)
    points.reverse()
    return points


def _responder(decision: Decision | None) -> Json:
    if decision is None:
        return {"status": "pending", "reason": "not decided yet"}
    proposal = decision.proposal
    said: Json = {"status": proposal.status, "reason": _text(proposal.reason, REASON_CHARS_MAX)}
    if proposal.status != "proposed" or not proposal.candidates:
        said["status"] = "pending" if proposal.status == "pending" else "none"
    else:
        first, *others = proposal.candidates
        said |= {
            "basis": proposal.basis if proposal.basis in ("road", "straight_line") else None,
            "data_version": _id_or_none(proposal.data_version),
            "unit": _id(first.unit_id),
            "travel_s": _number(first.travel_s, 0, 0.0, 1e6),
            "distance_m": _number(first.distance_m, 0, 0.0, 1e8),
            "position_age_s": _number(first.position_age_s, 0, 0.0, 1e9),
            "alternatives": [
                {
                    "unit": _id(other.unit_id),
                    "travel_s": _number(other.travel_s, 0, 0.0, 1e6),
                    "distance_m": _number(other.distance_m, 0, 0.0, 1e8),
                }
                for other in others[:ALTERNATIVES_MAX]
            ],
        }
    said["skipped"] = [{"unit": _id(unit.unit_id), "reason": _id(unit.reason)} for unit in proposal.skipped[:SKIPPED_MAX]]
    return said


def _taken_by(alarm: Alarm) -> str | None:
    """The centre whose people took it. Never the operator's name: other centres need to know where, not who."""
    if alarm.taken_centre:
        return _id(alarm.taken_centre)
    return "gateway" if alarm.taken_by else None


def _without_ballast(event: Json, data: Json) -> bytes:
    """The body after giving up, one by one, what helps but is not needed to act."""
    for part, name, less in (("responder", "skipped", []), ("case", "instructions", None), ("responder", "alternatives", [])):
        room = data[part]
        assert isinstance(room, dict)
        if name in room:
            room[name] = less
        body = orjson.dumps(event)
        if len(body) <= BODY_BYTES_MAX:
            break
    return body


# ------------------------------------------------------------------------------------------------- small words


def _on_earth(fix: Fix) -> bool:
    return abs(fix.lat_e7) <= 900_000_000 and abs(fix.lon_e7) <= 1_800_000_000


def _number(value: float | None, digits: int, low: float, high: float) -> float | int | None:
    """A number that can be believed, rounded; None for one that is unknown, not finite or out of range."""
    if value is None or not math.isfinite(value) or not low <= value <= high:
        return None
    return round(value, digits) if digits else round(value)


def _text(text: str, chars_max: int) -> str:
    text = _UNPRINTABLE.sub(" ", text)
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _id(text: str) -> str:
    return _text(text, ID_CHARS_MAX) or "unknown"


def _id_or_none(text: str | None) -> str | None:
    return _id(text) if text else None


def _names(names: Sequence[str]) -> list[str]:
    return [_id(name) for name in names[:NAMES_MAX]]


def _instructions(text: str | None) -> str | None:
    return _text(_PHONE.sub("[number withheld]", text), INSTRUCTIONS_CHARS_MAX) if text else None
