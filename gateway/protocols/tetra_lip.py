"""TETRA LIP: where police radios are, and their own emergency button.

Paper: ETSI TS 100 392-18-1, Location Information Protocol, in SDS type 4 messages under protocol identifier 0x0A. The TETRA gateway
(a bridge of ours) gives the message from the identifier on, padded with zero bits, and says whose it is: the ISSI or TSI is the
``peer`` of the session, for no message holds it. Witnesses in ``tests/vectors/tetra-lip.json``:

- an age in classes instead of a time; the fix counts as old as its class is at least: ``short-minutes``, ``short-age-unknown``
- long reports have a time of the month: ``long-time-last-month``; one maker writes another one there: ``long-time-out-of-range``
- a place that is too old or too vague to send a unit by, or of which the radio does not know how old or how vague, has the
  source ``radio``: ``short-half-hour``, ``short-age-unknown``, ``short-error-6``
- shapes and velocities that the standard alone describes are believed when nothing but padding follows: ``long-ellipse-sos``,
  ``long-shape-padded-sos``; where more follows, an emergency is still one: ``long-shape-doubtful``, ``long-shape-doubtful-sos``

Not supported: the uncertainty of circles and ellipses and the altitude (opaque to us), user defined data, requests and answers of
LIP, text (0x82) and other location services (0x83).
"""

from dataclasses import dataclass
from typing import Final

from gateway.errors import FrameError, Reason
from gateway.model import Frame, Kind, Report
from gateway.protocols import fields
from gateway.protocols.base import refused
from gateway.protocols.messages import MessageSession
from gateway.protocols.octets import civil_of, civil_us

NAME: Final = "tetra-lip"
IDENTIFIER: Final = 0x0A
SHORT, EXTENDED = 0, 1
LONG_REPORT: Final = 3
SHORT_BYTES: Final = 11
"The identifier, 76 bits and padding."

SECOND_US: Final = 1_000_000
AGE_S_MIN: Final = (0, 5, 300, None)
"Time elapsed: below 5 s, 5 min, 30 min, not known. What is shown is how old the fix is at least."
AGE_S_MAX: Final = 300
"No unit is sent by a place that could be older."
CLOCK_AHEAD_US: Final = 12 * 3600 * SECOND_US
"A time of the month that is later than this was last month."
ERROR_M: Final = (2, 20, 200, 2_000, 20_000, 200_000)
ERROR_ABOVE: Final = 6
"Higher ones are not known."

LOST_POSITIONING, EMERGENCY = 21, 2
REASONS: Final = {0: Kind.POWER_ON, 1: Kind.POWER_OFF, 2: Kind.SOS_BUTTON, 12: Kind.BATTERY_LOW}
"Reasons for sending that are more than a position; reserved ones are not."
SPEED_UNKNOWN: Final = 127

POINT_AND_ERROR: Final = 10
SHAPE_BITS: Final = {1: 0, 2: 6, 3: 23, 4: 12, 5: 18, 6: 35, 7: 21, 8: 38, 9: 51, POINT_AND_ERROR: 3}
"Location shape -> bits behind longitude and latitude."
WITH_DIRECTION: Final = 5
VELOCITY_BITS: Final = {1: 0, 2: 3, 3: 8, 4: 14, WITH_DIRECTION: 0, 6: 14, 7: 25}
"Velocity type -> bits behind the horizontal velocity that are not read."
PROVEN_SHAPES, PROVEN_VELOCITIES = frozenset((0, 1, 2, 5, POINT_AND_ERROR)), frozenset((0, WITH_DIRECTION))
"Those that were seen in messages; of the others the widths come from the standard alone."


class Session(MessageSession):
    """The messages of one radio; ``peer`` is its ISSI or TSI."""

    def read(self, raw: bytes, now_us: int) -> Frame:
        """One message, from the protocol identifier on."""
        try:
            report = report_untrusted(raw, now_us)
        except FrameError as error:
            return refused(NAME, self.transport, raw, error, self.device)
        return Frame(NAME, self.transport, raw, self.device, (report,))


class Bits:
    """The bits of a message in sending order, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, width: int) -> int:
        """The next ``width`` bits as a whole number. Raises ``FrameError`` when there are not so many."""
        if width > self.left:
            raise FrameError(Reason.LENGTH, 0, f"{width} bits expected, {self.left} left")
        self.left -= width
        return self._value >> self.left & ((1 << width) - 1)

    def take_signed(self, width: int) -> int:
        """The next ``width`` bits in two's complement."""
        value = self.take(width)
        return value - (1 << width) if value >> width - 1 else value

    def is_padding(self) -> bool:
        """Is what is left nothing but zero bits? Gateways fill up the last byte, and some a whole buffer."""
        return not self._value & ((1 << self.left) - 1)


@dataclass(slots=True)
class Said:
    """What a report has said so far."""

    lat_e7: int | None = None
    lon_e7: int | None = None
    at_us: int | None = None
    accuracy_m: float | None = None
    speed_kmh: float | None = None
    course_deg: float | None = None
    reason: int | None = None
    is_recent: bool = True
    has_error_bound: bool = True
    unread: tuple[str, ...] = ()

    def report(self) -> Report:
        """The whole. Lost positioning leaves the last known place."""
        fix = fields.fix(
            self.lat_e7, self.lon_e7, self.at_us, self.reason != LOST_POSITIONING,
            source="gnss" if self.is_recent and self.has_error_bound else "radio",
            accuracy_m=self.accuracy_m, speed_kmh=self.speed_kmh, course_deg=self.course_deg,
        )  # fmt: skip
        return Report(REASONS.get(self.reason if self.reason is not None else -1, Kind.POSITION), fix, unread=self.unread)


# -------------------------------------------------------------------------------------------------- the messages


def report_untrusted(raw: bytes, now_us: int) -> Report:
    """``protocol identifier 8 bits, PDU type 2, ...``. Raises ``FrameError``."""
    if not raw:
        raise FrameError(Reason.LENGTH, 0, "an empty message")
    if raw[0] != IDENTIFIER:
        raise FrameError(Reason.UNSUPPORTED, 0, f"protocol identifier 0x{raw[0]:02x} is not LIP")
    bits = Bits(raw[1:])
    kind = bits.take(2)
    if kind == SHORT:
        return short_untrusted(bits, now_us)
    extension = bits.take(4)
    if kind != EXTENDED or extension != LONG_REPORT:
        raise FrameError(Reason.UNSUPPORTED, 1, f"PDU type {kind}, extension {extension} is not a location report")
    return long_untrusted(bits, now_us)


def short_untrusted(bits: Bits, now_us: int) -> Report:
    """Short location report, behind its PDU type.

    - 2  time elapsed, 25  longitude, 24  latitude, 3  position error
    - 7  horizontal velocity, 4  direction in 22.5 degrees
    - 1  type of additional data, 8  additional data
    """
    said = Said()
    _take_age(bits, said, now_us)
    _take_place(bits, said)
    _take_error(bits, said)
    _take_speed(bits, said, 4)
    _take_reason(bits, said)
    return said.report()


def long_untrusted(bits: Bits, now_us: int) -> Report:
    """Long location report, behind its extension: time, place, velocity, 1 acknowledgement request, additional data.

    A message that goes on behind the widths of a rare form does not have those widths: what stands behind is not believed then,
    but for an emergency, which is never explained away. An acknowledgement is a matter of the TETRA gateway.
    """
    said = Said()
    _take_time(bits, said, now_us)
    shape = bits.take(4)
    if shape and shape not in SHAPE_BITS:
        said.unread += (f"location shape {shape} and what follows",)
        return said.report()
    if shape:
        _take_place(bits, said)
        _take_shape(bits, said, shape)
    velocity = bits.take(3)
    if velocity:
        _take_speed(bits, said, 8 if velocity == WITH_DIRECTION else 0)
        bits.take(VELOCITY_BITS[velocity])
    bits.take(1)
    _take_reason(bits, said)
    if not (shape in PROVEN_SHAPES and velocity in PROVEN_VELOCITIES) and not bits.is_padding():
        said.reason = said.reason if said.reason == EMERGENCY else None
        said.speed_kmh = said.course_deg = None
        said.unread += (f"what follows location shape {shape} with velocity type {velocity}",)
    return said.report()


# ---------------------------------------------------------------------------------------------------- the fields


def _take_age(bits: Bits, said: Said, now_us: int) -> None:
    """``2 time elapsed``."""
    age_s = AGE_S_MIN[bits.take(2)]
    said.at_us = None if age_s is None else now_us - age_s * SECOND_US
    said.is_recent = age_s is not None and age_s < AGE_S_MAX


def _take_time(bits: Bits, said: Said, now_us: int) -> None:
    """``2 time type``: 0 nothing, 1 time elapsed 2, 2 day 5, hour 5, minute 6, second 6. 3 is reserved, and sent with as many."""
    kind = bits.take(2)
    if kind == 1:
        _take_age(bits, said, now_us)
    elif kind:
        said.at_us = month_time_us(bits.take(5), bits.take(5), bits.take(6), bits.take(6), now_us)
        said.is_recent = said.at_us is not None
        said.unread += () if said.is_recent else ("time of position",)


def month_time_us(day: int, hour: int, minute: int, second: int, now_us: int) -> int | None:
    """A time of this month, or of the last one when it is still to come; None when it is in neither."""
    now = civil_of(now_us)
    for shift in (1, 0, -1):
        year, month = divmod(now.year * 12 + now.month - 1 + shift, 12)
        at_us = civil_us(year, month + 1, day, hour, minute, second)
        if at_us is not None and at_us <= now_us + CLOCK_AHEAD_US:
            return at_us
    return None


def _take_place(bits: Bits, said: Said) -> None:
    """``25 longitude x 360 / 2^25, 24 latitude x 180 / 2^24``, both in two's complement."""
    said.lon_e7 = (bits.take_signed(25) * 360 * fields.E7 + (1 << 24)) >> 25
    said.lat_e7 = (bits.take_signed(24) * 180 * fields.E7 + (1 << 23)) >> 24


def _take_error(bits: Bits, said: Said) -> None:
    """``3 position error``: an upper bound in metres, or none."""
    error = bits.take(3)
    if error < len(ERROR_M):
        said.accuracy_m = float(ERROR_M[error])
    else:
        said.has_error_bound = False
        said.unread += ("position error above 200 km" if error == ERROR_ABOVE else "position error not known",)


def _take_shape(bits: Bits, said: Said, shape: int) -> None:
    """What stands behind the place: an error, or uncertainties and altitudes whose tables we do not have."""
    if shape == POINT_AND_ERROR:
        _take_error(bits, said)
    elif SHAPE_BITS[shape]:
        bits.take(SHAPE_BITS[shape])
        said.unread += (f"uncertainty and altitude of location shape {shape}",)


def _take_speed(bits: Bits, said: Said, direction_bits: int) -> None:
    """``7 horizontal velocity, direction``. The radio sends a direction while it stands, too; without a speed it means nothing."""
    step = bits.take(7)
    direction = bits.take(direction_bits)
    if step == SPEED_UNKNOWN:
        return
    said.speed_kmh = float(step) if step < 29 else round(16 * 1.038 ** (step - 13), 2)
    if direction_bits:
        said.course_deg = direction * 360 / (1 << direction_bits)


def _take_reason(bits: Bits, said: Said) -> None:
    """``1 type of additional data, 8 additional data``: a reason for sending, or what users agreed upon."""
    is_user_defined, value = bits.take(1), bits.take(8)
    if is_user_defined:
        said.unread += (f"user defined data 0x{value:02x}",)
    else:
        said.reason = value


def recognise(data: bytes) -> int:
    """How surely a message is a location report: 80 with the identifier and its shape, 0 when it cannot be."""
    if len(data) < SHORT_BYTES or data[0] != IDENTIFIER:
        return 0
    if data[1] >> 6 == SHORT:
        return 80 if len(data) == SHORT_BYTES and not data[-1] & 0x0F else 0
    return 80 if data[1] >> 2 == EXTENDED << 4 | LONG_REPORT else 0
