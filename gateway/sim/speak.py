"""What simulated devices say: the real bytes of each protocol, made from its paper.

The other direction of ``protocols/``: nothing here is used by the gateway itself.
"""

import time
from dataclasses import dataclass

from gateway.model import Fix
from gateway.protocols.octets import crc16_x25

TAC = "00101000"
"Test range of type allocation codes: no device on the market has it."


def test_imei(number: int) -> str:
    """A 15-digit test IMEI with its check digit."""
    digits = f"{TAC}{number % 1_000_000:06d}"
    total = sum(int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(digits))
    return digits + str(-total % 10)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a device knows when it speaks."""

    fix: Fix
    at_us: int
    battery_percent: int = 80


def _civil(at_us: int) -> time.struct_time:
    return time.gmtime(at_us // 1_000_000)


# ----------------------------------------------------------------------------------------------------- GT06


def gt06_frame(kind: int, content: bytes, serial: int) -> bytes:
    """A short frame: header, length, type, content, serial, checksum, tail."""
    body = bytes([len(content) + 5, kind]) + content + (serial & 0xFFFF).to_bytes(2, "big")
    return b"\x78\x78" + body + crc16_x25(body).to_bytes(2, "big") + b"\x0d\x0a"


def gt06_login(imei: str, serial: int = 1) -> bytes:
    """Login with the IMEI as BCD."""
    return gt06_frame(0x01, bytes.fromhex(imei.zfill(16)), serial)


def _gt06_gps(condition: Condition) -> bytes:
    fix, civil = condition.fix, _civil(condition.at_us)
    flags = (round(fix.course_deg or 0) % 360) | (0x1000 if fix.valid else 0) | (0x0400 if fix.lat_e7 >= 0 else 0) | (0x0800 if fix.lon_e7 < 0 else 0)
    stamp = bytes([civil.tm_year % 100, civil.tm_mon, civil.tm_mday, civil.tm_hour, civil.tm_min, civil.tm_sec])
    place = round(abs(fix.lat_e7) * 0.18).to_bytes(4, "big") + round(abs(fix.lon_e7) * 0.18).to_bytes(4, "big")
    return stamp + bytes([0xC0 | (fix.satellites or 9)]) + place + bytes([min(255, round(fix.speed_kmh or 0))]) + flags.to_bytes(2, "big")


_CELL = bytes.fromhex("00F4015FFF001234")
"Mobile country code 244, network 1, a made-up cell."


def gt06_position(condition: Condition, serial: int) -> bytes:
    """Type 0x12: GPS and cell."""
    return gt06_frame(0x12, _gt06_gps(condition) + _CELL, serial)


def gt06_alarm(condition: Condition, serial: int, alarm: int = 0x01) -> bytes:
    """Type 0x26: GPS, cell, status. 0x01 is SOS."""
    status = bytes([0x40 | (4 << 3 if alarm == 0x01 else 0), round(condition.battery_percent * 6 / 100), 4, alarm, 2])
    return gt06_frame(0x26, _gt06_gps(condition) + b"\x09" + _CELL + status, serial)


def gt06_heartbeat(condition: Condition, serial: int) -> bytes:
    """Type 0x13."""
    return gt06_frame(0x13, bytes([0x40, round(condition.battery_percent * 6 / 100), 4, 0, 2]), serial)


# ------------------------------------------------------------------------------------------------- Teltonika


def teltonika_record(condition: Condition, *, sos: bool) -> bytes:
    """One record of codec 8 extended; element 236 is the alarm button, 113 the battery."""
    fix = condition.fix
    head = (condition.at_us // 1000).to_bytes(8, "big") + bytes([2 if sos else 0])
    head += fix.lon_e7.to_bytes(4, "big", signed=True) + fix.lat_e7.to_bytes(4, "big", signed=True)
    head += round(fix.altitude_m or 10).to_bytes(2, "big", signed=True) + (round(fix.course_deg or 0) % 360).to_bytes(2, "big")
    head += bytes([(fix.satellites or 9) if fix.valid else 0]) + round(fix.speed_kmh or 0).to_bytes(2, "big")
    ones = [(113, condition.battery_percent)] + ([(236, 1)] if sos else [])
    body = (236 if sos else 0).to_bytes(2, "big") + len(ones).to_bytes(2, "big") + len(ones).to_bytes(2, "big")
    body += b"".join(number.to_bytes(2, "big") + bytes([value]) for number, value in ones)
    return head + body + bytes(8)


def teltonika_data(records: list[bytes]) -> bytes:
    """Codec 8 extended data from codec id to the second count."""
    return bytes([0x8E, len(records)]) + b"".join(records) + bytes([len(records)])


def teltonika_udp(imei: str, data: bytes, packet: int) -> bytes:
    """A datagram: the packet id comes back in the answer."""
    body = (packet & 0xFFFF).to_bytes(2, "big") + bytes([1, packet & 0xFF]) + len(imei).to_bytes(2, "big") + imei.encode() + data
    return len(body).to_bytes(2, "big") + body


# ----------------------------------------------------------------------------------------------------- Watch


def watch_frame(identity: str, content: str) -> bytes:
    """A frame of the 3G family; ``identity`` has ten digits."""
    return f"[3G*{identity}*{len(content):04X}*{content}]".encode()


def watch_report(identity: str, condition: Condition, *, status: int = 0, kind: str = "UD") -> bytes:
    """Live position (UD) or alarm (AL) with the status word; bit 16 is SOS."""
    fix, civil = condition.fix, _civil(condition.at_us)
    fields = [
        kind, time.strftime("%d%m%y", civil), time.strftime("%H%M%S", civil), "A" if fix.valid else "V",
        f"{abs(fix.lat_e7) / 1e7:.6f}", "N" if fix.lat_e7 >= 0 else "S", f"{abs(fix.lon_e7) / 1e7:.6f}", "E" if fix.lon_e7 >= 0 else "W",
        f"{fix.speed_kmh or 0:.2f}", f"{fix.course_deg or 0:.1f}", "10.0", "8", "90", str(condition.battery_percent), "0", "0", f"{status:08X}",
        "1", "0", "244", "1", "4660", "22136", "-70", "0", f"{fix.accuracy_m or 10:.1f}",
    ]  # fmt: skip
    return watch_frame(identity, ",".join(fields))


# ------------------------------------------------------------------------------------------------------- SMS


def sms_text(condition: Condition) -> str:
    """What a tracker without data sends when its button is held."""
    return f"SOS! lat:{condition.fix.lat_e7 / 1e7:.6f} long:{condition.fix.lon_e7 / 1e7:.6f}"
