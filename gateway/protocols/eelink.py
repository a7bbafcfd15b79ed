"""Eelink locators (TK116, GT30, GPT06, GPT12, K20, K30) over TCP and UDP: the reference decoder.

Paper: "Eelink protocol" of Eelink, Shenzhen, versions 1 (old positions) and 2 (new ones). Big-endian. This file delimits, checks
and answers; what a package says is read in ``eelink_packages.py``. Witnesses in ``tests/vectors/eelink.json``:

* Over TCP packages stand back to back without a checksum, and the login names the device: ``login``, ``position-before-login``.
* Over UDP a datagram has an envelope with a checksum and the identity, and often ten packages: ``udp-position-and-sos``. Every
  package is answered in an envelope of its own.
* Positions of version 1 (``old-sos``) and of version 2 (``sos``) come from the same devices.
* Warnings and heartbeats are repeated until they are answered; positions of type 0x02 and results (0x81) are not answered.
* A login may name the versions of the system and the application: ``login-firmware``.
* Alarm codes that the paper does not name are news for the log: ``warning-unnamed``.

Not supported: OBD data (0x07, 0x17 to 0x19: answered, not interpreted), sensors behind the battery of 0x12.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason
from gateway.model import LIFE, Kind, Report
from gateway.protocols.eelink_packages import login_report, report_untrusted
from gateway.protocols.octets import bcd_digits, u16be
from gateway.protocols.stream import Content, Shape, StreamSession

NAME: Final = "eelink"

PACKAGE: Final = b"\x67\x67"
ENVELOPE: Final = b"EL"
PACKAGE_HEADER_BYTES: Final = 7
"67 67, type 1, length 2, sequence 2; the length counts from the sequence on."
ENVELOPE_HEADER_BYTES: Final = 14
"EL, length 2, checksum 2, IMEI 8; the length counts from the checksum on, the checksum from the IMEI on."
PACKAGE_BYTES_MAX: Final = 2048
"Guard: the longest package seen has 340 bytes."
ENVELOPE_BYTES_MAX: Final = 4096
"Guard: a datagram of two Ethernet frames and more is nobody's."

LOGIN, POSITION_OLD, RESULT = 0x01, 0x02, 0x81
NOT_ANSWERED: Final = frozenset((POSITION_OLD, RESULT))
LOGIN_BYTES_MIN: Final = 8
"The IMEI; language, zone and versions follow. The zone does not matter: times are UTC."


class Package(NamedTuple):
    """One package."""

    kind: int
    sequence: int
    content: bytes


class Session(StreamSession):
    """One connection of an Eelink device, or the datagrams of one sender."""

    NAME = NAME
    STARTS = re.compile(rb"[gE]")

    def shape(self, data: bytes, at: int) -> tuple[Shape, int]:
        """A package by its length; an envelope by its length and its checksum. Over UDP nothing stands outside an envelope."""
        head = data[at : at + 2]
        if head in (PACKAGE[:1], ENVELOPE[:1]):
            return Shape.WAIT, 0
        if head == PACKAGE and self.transport != "udp":
            return package_shape(data, at)
        return envelope_shape(data, at) if head == ENVELOPE else (Shape.NOISE, 1)

    def content_untrusted(self, raw: bytes, now_us: int) -> Content:
        """What the packages say, and their answers."""
        if raw[:2] == ENVELOPE:
            return self._envelope_untrusted(raw, now_us)
        if self.transport == "udp":
            raise FrameError(Reason.FRAMING, 0, "a datagram without an envelope")
        package = package_untrusted(raw)
        if package.kind == LOGIN:
            self.device = imei_untrusted(package.content[:LOGIN_BYTES_MIN], PACKAGE_HEADER_BYTES)
        elif self.device is None:
            raise FrameError(Reason.IDENTITY, 2, f"package 0x{package.kind:02x} before a login")
        return Content((self._report_untrusted(package),), answer_to(package, now_us))

    def _envelope_untrusted(self, raw: bytes, now_us: int) -> Content:
        """Every package that can be read; the others are neither reported nor answered. Raises what the first says if none can."""
        require_envelope_untrusted(raw)
        identity = raw[6:ENVELOPE_HEADER_BYTES]
        device = imei_untrusted(identity, 6)
        reports, replies, faults = [], [], []
        for part in packages_of(raw):
            try:
                package = package_untrusted(part)
                reports.append(self._report_untrusted(package))
            except FrameError as error:
                faults.append(error)
                continue
            answer = answer_to(package, now_us)
            if answer:
                replies.append(enveloped(identity, answer))
        if not reports:
            raise faults[0] if faults else FrameError(Reason.LENGTH, ENVELOPE_HEADER_BYTES, "an envelope without a package")
        if faults:
            reports[-1] = replace(reports[-1], unread=(*reports[-1].unread, "package that cannot be read"))
        self.device = device
        return Content(tuple(reports), b"".join(replies) or None)

    def _report_untrusted(self, package: Package) -> Report:
        if package.kind == LOGIN:
            return replace(login_report(package.content), sequence=package.sequence)
        offset_s = self.settings.clock_offset_s or 0
        return replace(report_untrusted(package.kind, package.content, offset_s), sequence=package.sequence)

    def unverified(self, raw: bytes, error: FrameError, now_us: int) -> Report | None:
        """The first alarm for life in an envelope whose checksum is wrong."""
        if error.reason is not Reason.CHECKSUM:
            return None
        for part in packages_of(raw):
            try:
                report = self._report_untrusted(package_untrusted(part))
            except FrameError:
                continue
            if report.kinds & LIFE & ~Kind.UNKNOWN_ALARM:
                return report
        return None

    def named(self, raw: bytes) -> str | None:
        """The identity in the envelope."""
        try:
            return imei_untrusted(raw[6:ENVELOPE_HEADER_BYTES], 6)
        except FrameError:
            return None


def recognise(data: bytes) -> int:
    """How surely these first bytes are Eelink: 98 with an envelope and its checksum, 90 with a login, 0 when they cannot be."""
    if data in (PACKAGE[:1], ENVELOPE[:1]):
        return 5
    if data[:2] == ENVELOPE:
        shape, _ = envelope_shape(data, 0)
        return {Shape.FRAME: 98, Shape.SPOILT: 55, Shape.WAIT: 30, Shape.NOISE: 0}[shape]
    if data[:2] != PACKAGE or package_shape(data, 0)[0] is Shape.NOISE:
        return 0
    if data[2:3] != bytes((LOGIN,)):
        return 20
    identity = data[PACKAGE_HEADER_BYTES : PACKAGE_HEADER_BYTES + LOGIN_BYTES_MIN]
    if identity and (identity[0] > 0x09 or bcd_digits(identity) is None):
        return 0
    return 90 if len(identity) == LOGIN_BYTES_MIN else 30


# ------------------------------------------------------------------------------------------------- delimiting


def package_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """What the package at ``at`` is. An unknown type is passed over by its length; 67 is none, the mark begins a byte later there."""
    left = len(data) - at
    if data[at + 2 : at + 3] == PACKAGE[:1]:
        return Shape.NOISE, 1
    if left < 5:
        return Shape.WAIT, 0
    size = 5 + u16be(data, at + 3)
    if not PACKAGE_HEADER_BYTES <= size <= PACKAGE_BYTES_MAX:
        return Shape.NOISE, 1
    return (Shape.WAIT, 0) if left < size else (Shape.FRAME, size)


def envelope_shape(data: bytes, at: int) -> tuple[Shape, int]:
    """What the envelope at ``at`` is. Text may begin with EL too: the first digit of the identity is 0."""
    left = len(data) - at
    if left < 7:
        return Shape.WAIT, 0
    size = 4 + u16be(data, at + 2)
    if not ENVELOPE_HEADER_BYTES <= size <= ENVELOPE_BYTES_MAX or data[at + 6] > 0x09:
        return Shape.NOISE, 1
    if left < size:
        return Shape.WAIT, 0
    is_right = rotating_sum(data[at + 6 : at + size]) == u16be(data, at + 4)
    return (Shape.FRAME if is_right else Shape.SPOILT), size


def packages_of(raw: bytes) -> Iterator[bytes]:
    """The packages in an envelope; bytes between them are passed over. A last one that is cut off comes as far as it goes."""
    at = raw.find(PACKAGE, ENVELOPE_HEADER_BYTES)
    while at >= 0:
        end = at + 5 + u16be(raw, at + 3) if len(raw) - at >= 5 else len(raw)
        yield raw[at:end]
        at = raw.find(PACKAGE, end)


def package_untrusted(raw: bytes) -> Package:
    """One whole package, taken apart. Raises: FrameError."""
    if raw[:2] != PACKAGE:
        raise FrameError(Reason.FRAMING, 0, "begins with neither 6767 nor EL")
    if len(raw) < PACKAGE_HEADER_BYTES:
        raise FrameError(Reason.LENGTH, len(raw), f"a package has {PACKAGE_HEADER_BYTES} bytes and more, {len(raw)} found")
    size = 5 + u16be(raw, 3)
    if size != len(raw) or size > PACKAGE_BYTES_MAX:
        raise FrameError(Reason.LENGTH, 3, f"the package says {size} bytes, {len(raw)} found; at most {PACKAGE_BYTES_MAX} are possible")
    return Package(raw[2], u16be(raw, 5), raw[PACKAGE_HEADER_BYTES:])


def require_envelope_untrusted(raw: bytes) -> None:
    """Raise ``FrameError`` unless ``raw`` is one whole envelope with its own checksum."""
    if not ENVELOPE_HEADER_BYTES <= len(raw) <= ENVELOPE_BYTES_MAX:
        raise FrameError(Reason.LENGTH, len(raw), f"{ENVELOPE_HEADER_BYTES} to {ENVELOPE_BYTES_MAX} bytes expected, {len(raw)} found")
    size = 4 + u16be(raw, 2)
    if size != len(raw):
        raise FrameError(Reason.LENGTH, 2, f"the envelope says {size} bytes, {len(raw)} found")
    carried, computed = u16be(raw, 4), rotating_sum(raw[6:])
    if carried != computed:
        raise FrameError(Reason.CHECKSUM, 4, f"the envelope says {carried:04x}, its bytes give {computed:04x}")


def imei_untrusted(data: bytes, at: int) -> str:
    """Sixteen digits in BCD, of which the first is a 0 before the IMEI. Raises: FrameError."""
    digits = bcd_digits(data) or ""
    if len(digits) != 16 or not digits.strip("0"):
        raise FrameError(Reason.IDENTITY, at, "the identity is not an IMEI in 16 decimal digits")
    return digits[1:] if digits[0] == "0" else digits


def rotating_sum(data: bytes) -> int:
    """Sixteen bits, rotated left by one before each byte is added."""
    total = 0
    for byte in data:
        total = ((total << 1 | total >> 15) + byte) & 0xFFFF
    return total


# ------------------------------------------------------------------------------------------------- the answers


def answer_to(package: Package, now_us: int) -> bytes | None:
    """Same type and sequence; a login is told the time as well."""
    if package.kind in NOT_ANSWERED:
        return None
    content = package.sequence.to_bytes(2, "big")
    if package.kind == LOGIN:
        content += (now_us // 1_000_000 & 0xFFFFFFFF).to_bytes(4, "big") + b"\x00\x01\x00"
    return PACKAGE + bytes((package.kind,)) + len(content).to_bytes(2, "big") + content


def enveloped(identity: bytes, answer: bytes) -> bytes:
    """An answer as it goes over UDP."""
    covered = identity + answer
    return ENVELOPE + (2 + len(covered)).to_bytes(2, "big") + rotating_sum(covered).to_bytes(2, "big") + covered
