"""Laipac: the S-911 Bracelet Locator and its successors, worn by victims and offenders; StarFinder in vehicles.

Paper: the maker's StarFinder and S-911 communication protocol. Lines of ASCII over TCP and UDP, ``$...*hh`` CR LF, checked like
NMEA 0183. Witnesses in ``tests/vectors/laipac.json``:

- a status letter in lower case asks for an acknowledgement: ``report-ack-wanted``
- newer devices send the battery in millivolts, without a dot: ``battery-millivolts``
- connecting or asked, a device names its firmware: ``system``, ``query-answer``
- the network of a cell is ``206001`` or ``020601``, and both are MCC 206, MNC 1: ``cells-three-three``, ``cells-four-two``

A device repeats its alarm until ``AVCFG`` resets it; the wearer may notice that, so ``reset_line`` is for whoever knows that the
centre has the alarm. It is part of the answer only where the word ``laipac_reset_at_once`` asks for it: ``sos-reset-at-once``.

Not supported: mileage and the analogue inputs. The reset as an order: ``laipac_orders.py``.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Cell, Kind, Report
from gateway.protocols import fields
from gateway.protocols.octets import xor8
from gateway.protocols.stream import Content, Shape, StreamSession, opens_with

NAME: Final = "laipac"
LINE_BYTES_MAX: Final = 512
SENTENCE: Final = re.compile(rb"\$([\x20-\x7e]*)\*([0-9A-Fa-f]{2})\s*")
FAMILIES: Final = (b"$AV", b"$EAV")
"How every sentence of the maker begins."
HEADS: Final = (b"$AVRMC,", b"$AVSYS,", b"$EAVSYS,", b"$ECHK,")

ID, TIME, STATUS, LAT, LAT_LETTER, LON, LON_LETTER, SPEED, COURSE, DATE, EVENT, BATTERY = range(1, 13)
"Fields of a report, behind its name."
CELLS_FROM: Final = 17

FIXED: Final = frozenset("ARP")
"Status letters of a position that counts as one: valid, last known by the device's clock, parked."
EVENTS: Final = {
    "3": Kind.SOS_BUTTON, "5": Kind.POWER_CUT, "T": Kind.TAMPER_CASE, "X": Kind.GEOFENCE_ENTER, "6": Kind.OVERSPEED,
    "Z": Kind.BATTERY_LOW, "H": Kind.POWER_OFF, "8": Kind.VIBRATION, "4": Kind.GEOFENCE_EXIT, "7": Kind.GEOFENCE_EXIT, "Y": Kind.TOW,
}  # fmt: skip
ROUTINE: Final = frozenset("0ABCDOPQRabcdopqr")
"A regular report, and inputs that went on or off."
RESETS: Final = {"3": "d", "M": "m", "S": "t", "T": "t", "X": "x", "4": "x", "Y": "y", "Z": "z"}
"What ends the alarm of an event in the device."
PASSWORD: Final = "00000000"
CELL: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
NETWORK: Final = re.compile(r"[0-9]{6}", re.ASCII)


class Session(StreamSession):
    """One connection of a Laipac device."""

    NAME = NAME
    STARTS = re.compile(rb"\$")
    WORDS: ClassVar[Mapping[str, str]] = {
        "password=…": "the device's password, where it is not the maker's `00000000`",
        "laipac_reset_at_once": "end the alarm in the device with the first answer; the wearer may notice",
    }

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A line up to its LF; a report that another sentence interrupts is one with a wrong checksum."""
        end = data.find(b"\n", at, at + LINE_BYTES_MAX)
        following = data.find(b"$", at + 1, end if end >= 0 else at + LINE_BYTES_MAX)
        if following >= 0:
            return Shape.SPOILT if data.startswith(HEADS[0], at) else Shape.NOISE, following - at
        if end < 0:
            return (Shape.WAIT, 0) if len(data) - at < LINE_BYTES_MAX else (Shape.NOISE, 1)
        return (Shape.FRAME if is_right(data[at : end + 1]) else Shape.SPOILT), end + 1 - at

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """``$name,id,...*hh``."""
        try:
            sentence = sentence_untrusted(raw)
        except FrameError:
            self.device = self.device or _presser(raw)  # the alarm in a damaged report needs somebody who pressed
            raise
        told = sentence[1].decode("ascii").split(",")
        device = fields.field(told, ID) or self.device
        if device is None:
            raise FrameError(Reason.IDENTITY, len(told[0]) + 2, "no identity in this sentence, and none before it")
        if told[0] == "AVRMC":
            report, reply = self._report_untrusted(told), self._reply(told, sentence[2])
        elif told[0] in ("AVSYS", "EAVSYS"):
            report, reply = system_report(told), None
        elif told[0] == "ECHK":
            report, reply = Report(Kind.HEARTBEAT, sequence=fields.whole(fields.field(told, 2))), line(sentence[1])
        else:
            report, reply = Report(unread=("a sentence that nobody described",)), None
        self.device = device
        return Content((report,), reply)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """A pressed button in a sentence that is damaged, without the position."""
        return Report(Kind.SOS_BUTTON, unread=("everything but the event",)) if error.reason is not Reason.IDENTITY and _presser(raw) else None

    def _report_untrusted(self, told: list[str]) -> Report:
        """A report, field by field:

        - id, hhmmss, status, ddmm.mmmm, N or S, dddmm.mmmm, E or W, knots, course, ddmmyy
        - event, battery, mileage in km, GPS, analogue inputs 1 and 2
        - any number of: LAC and CID (four hexadecimal digits each), MCC and MNC
        """
        if len(told) <= EVENT:
            raise FrameError(Reason.FIELD, 0, f"a report has {EVENT} fields and more, {len(told) - 1} found")
        unread = []
        at_us = fields.day_first_us(fields.field(told, DATE), fields.field(told, TIME)[:6], self.settings.clock_offset_s or 0)
        if at_us is None:
            unread.append("time")
        status = fields.field(told, STATUS).upper()
        if status not in FIXED | {"V"}:
            unread.append("status")
        valid = status in FIXED
        fix = fields.fix(
            fields.minutes_e7(fields.field(told, LAT), fields.field(told, LAT_LETTER)),
            fields.minutes_e7(fields.field(told, LON), fields.field(told, LON_LETTER)),
            at_us if valid else None,
            valid,
            speed_kmh=fields.speed(fields.field(told, SPEED), fields.KMH_PER_KNOT),
            course_deg=fields.course(fields.field(told, COURSE)),
        )
        event = fields.field(told, EVENT)
        if not event:
            unread.append("event")
        return Report(
            kinds_of(event), fix, at_us, battery_v=volts(fields.field(told, BATTERY)), cells=cells_of(told[CELLS_FROM:]), unread=tuple(unread)
        )

    def _reply(self, told: list[str], checksum: bytes) -> bytes | None:
        """An acknowledgement where the status letter asks for one; the reset where the settings do."""
        event, reply = fields.field(told, EVENT), b""
        if fields.field(told, STATUS).islower():
            reply += line(b"EAVACK,%b,%b" % (event.encode(), checksum))
        if self.settings.has("laipac_reset_at_once"):
            reply += reset_line(event, self.settings.value("password") or PASSWORD) or b""
        return reply or None


# --------------------------------------------------------------------------------------------------- the fields


def system_report(told: list[str]) -> Report:
    """``AVSYS,id,firmware,serial,memory`` or, for a query, ``EAVSYS,id,iccid,phone,owner,firmware``."""
    is_login = told[0] == "AVSYS"
    firmware, unread = fields.firmware(fields.field(told, 2 if is_login else 5).encode("ascii"))
    return Report(Kind.LOGIN if is_login else Kind.CONFIG_REPLY, firmware=firmware, unread=unread)


def kinds_of(event: str) -> Kind:
    """What an event code says. One that nobody described is an alarm."""
    if not event or event in ROUTINE:
        return Kind.POSITION
    return EVENTS.get(event, Kind.UNKNOWN_ALARM)


def volts(text: str) -> float | None:
    """``3.727`` is volts, ``3804`` millivolts."""
    value = fields.decimal(text)
    return value if value is None or "." in text else value / 1000


def cells_of(told: list[str]) -> tuple[Cell, ...]:
    """Pairs of ``LAC CID`` and ``MCC MNC``, up to the first that is none. No MCC begins with 0, so ``0206`` is 206."""
    cells = []
    for cell, network in zip(told[::2], told[1::2], strict=False):
        if not CELL.fullmatch(cell) or not NETWORK.fullmatch(network):
            break
        digits = 4 if network[0] == "0" else 3
        cells.append(Cell(int(network[:digits]), int(network[digits:]), int(cell[:4], 16), int(cell[4:], 16)))
    return tuple(cells)


def is_right(raw: bytes) -> bool:
    """A whole sentence with its own checksum: the exclusive or between ``$`` and ``*``."""
    sentence = SENTENCE.fullmatch(raw)
    return sentence is not None and int(sentence[2], 16) == xor8(sentence[1])


def sentence_untrusted(raw: bytes) -> re.Match[bytes]:
    """The parts of a sentence that is right. Raises ``FrameError``."""
    if not raw.startswith(b"$"):
        raise FrameError(Reason.FRAMING, 0, "does not start with $")
    if len(raw) > LINE_BYTES_MAX:
        raise FrameError(Reason.LENGTH, LINE_BYTES_MAX, f"longer than {LINE_BYTES_MAX} bytes")
    sentence = SENTENCE.fullmatch(raw)
    if sentence is None:
        raise FrameError(Reason.FRAMING, len(raw), "does not end in * and two hexadecimal digits")
    carried, computed = int(sentence[2], 16), xor8(sentence[1])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, sentence.end(1) + 1, f"sentence says {carried:02x}, its bytes give {computed:02x}")
    return sentence


def _presser(raw: bytes) -> str | None:
    """Who pressed the button, by a damaged report in which the event can still be read."""
    if not raw.startswith(HEADS[0]) or len(raw) > LINE_BYTES_MAX:
        return None
    told = raw.decode("latin-1").partition("*")[0].split(",")
    return fields.field(told, ID) or None if kinds_of(fields.field(told, EVENT)) & LIFE & ~Kind.UNKNOWN_ALARM else None


# -------------------------------------------------------------------------------------------------- what we send


def line(text: bytes) -> bytes:
    """A whole sentence around ``text``."""
    return b"$%b*%02X\r\n" % (text, xor8(text))


def reset_line(event: str, password: str = PASSWORD) -> bytes | None:
    """The sentence that ends the alarm of an event in the device; None where there is nothing to end.

    Only for after the centre has the alarm: until then the device is to repeat it.
    """
    reset = RESETS.get(event)
    return None if reset is None else line(f"AVCFG,{password},{reset}".encode("ascii", "replace"))


def recognise(data: bytes) -> int:
    """How surely these first bytes are Laipac's: 95 with a whole sentence, 80 with the name of one, 0 when they cannot be."""
    opening = opens_with(data, *HEADS)
    if opening < 2:
        family = opens_with(data, *FAMILIES)
        return 60 if family == 2 and is_right(data.partition(b"\n")[0]) else 20 if opening else 10 * family
    return 95 if is_right(data.partition(b"\n")[0]) else 80
