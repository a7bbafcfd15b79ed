"""The JSON form: a background-geolocation object, as the newer apps send it.

``{"device_id": "…", "location": {"timestamp": "…", "coords": {"latitude", "longitude", "accuracy", "speed" (m/s), "heading", "altitude"},
"is_moving", "odometer", "event", "battery": {"level" (0 to 1), "is_charging"}, "activity": {"type"}, "alarm", "mock", "extras": {…}}}``

-1 is unknown. An alarm may stand in the location, in its extras, or beside the location; whatever stands anywhere counts. Several
locations may come in a list, and one without its wrapping (``json-bare``).
"""

import json
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import Fix, Report
from gateway.protocols.messages import json_depth
from gateway.protocols.osmand_http import Request
from gateway.protocols.osmand_values import (
    TEXT_CHARS_MAX,
    UNREAD_MAX,
    WORDS_MAX,
    between,
    degrees_e7,
    instant_us,
    kinds_of,
    number,
    place,
    resting,
    shown,
    truth,
    unknown_alarms,
)

DEPTH_MAX: Final = 8
LOCATIONS_MAX: Final = 128
KMH_PER_MS: Final = 3.6
AS_TEXT: Final = ("event", "is_moving", "odometer")

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Fields = dict[str, Json]


class Told(NamedTuple):
    """What a request says, in either form."""

    identity: str
    token: str
    reports: tuple[Report, ...]
    wrong: FrameError | None
    "Why it is refused, unless it holds an alarm."


def is_json(request: Request) -> bool:
    """Whether the body is meant as JSON: by its type, or by its beginning when no query says anything."""
    body = request.body.lstrip()
    return bool(body) and (request.media_type == b"application/json" or (not request.query and body.startswith(b"{")))


def told_untrusted(body: bytes, offset_s: int) -> Told:
    """The object in a body."""
    given = object_untrusted(body)
    locations = given.get("location", given if "coords" in given else {})
    listed = locations if isinstance(locations, list) else [locations]
    if len(listed) > LOCATIONS_MAX:
        raise FrameError(Reason.LENGTH, 0, f"more than {LOCATIONS_MAX} locations")
    beside = alarm_words(given) if given is not locations else []
    reports, wrong = [], None
    for location in listed or [{}]:
        if not isinstance(location, dict):
            wrong, location = FrameError(Reason.FIELD, 0, "location: an object expected"), {}
        report, complaint = report_of(location, beside, offset_s)
        reports.append(report)
        wrong = complaint or wrong
    return Told(word_of(given, "device_id") or word_of(given, "id"), word_of(given, "token"), tuple(reports), wrong)


def object_untrusted(body: bytes) -> Fields:
    """The body as a JSON object of bounded depth."""
    if json_depth(body) > DEPTH_MAX:
        raise FrameError(Reason.FRAMING, 0, f"JSON nested deeper than {DEPTH_MAX}")
    try:
        # Digits stay as they were written: degrees are read from them, and thousands of digits never become a number.
        value: Json = json.loads(body.decode("utf-8-sig"), parse_constant=str, parse_int=Digits, parse_float=Digits)
    except UnicodeDecodeError as error:
        raise FrameError(Reason.FRAMING, error.start, "the body is not UTF-8") from None
    except ValueError as error:
        raise FrameError(Reason.FRAMING, getattr(error, "pos", 0), "the body is not JSON") from None
    if not isinstance(value, dict):
        raise FrameError(Reason.FRAMING, 0, "the body is not a JSON object")
    return value


class Digits(str):
    """A number as it was written."""

    __slots__ = ()


def report_of(location: Fields, alarms_beside: list[str], offset_s: int) -> tuple[Report, FrameError | None]:
    """One location, and what is wrong with its degrees."""
    unread: list[str] = []
    extras = inner(location, "extras")
    alarm = ",".join([*alarm_words(location), *alarm_words(extras), *alarms_beside])
    unread += [f"alarm {shown(word)}" for word in unknown_alarms(alarm)]
    stamp = word_of(location, "timestamp")
    at_us = instant_us(stamp, offset_s)
    if at_us is None and stamp:
        unread.append("timestamp: not a time")
    fix, wrong = fix_of(location, at_us, unread)
    battery = inner(location, "battery")
    level = between(number(word_of(battery, "level")), 0, 1)
    report = Report(
        resting(kinds_of(alarm), fix is not None), fix, at_us,
        battery_percent=None if level is None else round(level * 100, 1),
        charging=truth(word_of(battery, "is_charging")),
        text=text_of(location, extras),
        unread=tuple(unread[:UNREAD_MAX]),
    )  # fmt: skip
    return report, wrong


def fix_of(location: Fields, at_us: int | None, unread: list[str]) -> tuple[Fix | None, FrameError | None]:
    """The position, and what is wrong with its degrees."""
    coords = inner(location, "coords")
    lat, lon = word_of(coords, "latitude"), word_of(coords, "longitude")
    if not coords and "coords" not in location:
        return None, None
    lat_e7, lon_e7 = degrees_e7(lat), degrees_e7(lon)
    if lat_e7 is None or lon_e7 is None:
        unread.append("position: latitude and longitude are not both numbers")
        return None, FrameError(Reason.FIELD, 0, "coords: latitude and longitude in decimal degrees expected")
    speed = between(number(word_of(coords, "speed")), 0, 5_000)
    return place(
        lat_e7, lon_e7, at_us, True, unread,
        is_mock=any(truth(word_of(fields, "mock")) for fields in (location, coords, inner(location, "extras"))),
        accuracy_m=between(number(word_of(coords, "accuracy")), 0, 1e7),
        altitude_m=between(number(word_of(coords, "altitude")), -20_000, 1e6),
        speed_kmh=None if speed is None else speed * KMH_PER_MS,
        course_deg=between(number(word_of(coords, "heading")), 0, 360),
    ), None  # fmt: skip


def alarm_words(fields: Fields) -> list[str]:
    """What stands under ``alarm``: a text, a list of texts, or true. Whatever else stands there is an alarm too."""
    value = fields.get("alarm")
    listed = value if isinstance(value, list) else [value]
    return [word for word in (word_for(item) for item in listed) if word]


def word_of(fields: Fields, key: str) -> str:
    """The text, number or truth under a key, as text; empty when there is none."""
    value = fields.get(key)
    return "" if isinstance(value, list | dict) else word_for(value)


def word_for(value: Json) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else json.dumps(value)


def inner(fields: Fields, key: str) -> Fields:
    """The object under a key; empty when there is none."""
    value = fields.get(key)
    return value if isinstance(value, dict) else {}


def text_of(location: Fields, extras: Fields) -> str | None:
    """What has no field of ours, as text."""
    words = [f"{key}={word_of(location, key)}" for key in AS_TEXT if word_of(location, key)]
    activity = word_of(inner(location, "activity"), "type")
    words += [f"activity={activity}"] if activity else []
    words += [f"{key}={word_of(extras, key)}" for key in extras if key not in ("alarm", "mock") and word_of(extras, key)]
    return " ".join(shown(word, 256) for word in words[:WORDS_MAX])[:TEXT_CHARS_MAX] or None
