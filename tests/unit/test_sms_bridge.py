"""Messages of a bridge are read with what the registry says about their device."""

from urllib.parse import urlencode

from gateway.api.messages import Request
from gateway.model import Device, DeviceId, Frame, Instant, Kind
from gateway.shell.sms import KannelInbox

NUMBER, IMEI = "+32475000002", "001012400079194"
TEXT = f"+RESP:GTXYZ,30040A,{IMEI},GL300,0,0,1,1,2.5,181,11.0,3.725012,51.053829,20260314210405,0206,0001,1234,00056789,,87,20260314210406,1A2B$"
FALLEN = Device(DeviceId("dev-1"), config="man_down=XYZ")
NOW = Instant(1_773_234_191_000_000, 0)


def heard(name: str) -> Frame:
    """The message as it is read when the registry knows this name."""
    inbox = KannelInbox(lambda asked: FALLEN if asked == name else None)
    query = urlencode({"from": NUMBER, "to": "+32460123456", "hex": TEXT.encode().hex(), "coding": "0", "id": "1"})
    [(sender, frame)], _ = inbox.take(Request("GET", "/sms/kannel", query, {}, b""), NOW)
    assert sender == NUMBER
    return frame


def test_a_sender_is_read_as_its_entry_says() -> None:
    assert heard(NUMBER).kinds == Kind.MAN_DOWN


def test_a_device_named_in_the_text_is_read_as_its_entry_says() -> None:
    assert heard(IMEI).kinds == Kind.MAN_DOWN


def test_a_stranger_is_read_as_it_stands() -> None:
    assert heard("+32475999999").kinds == Kind.POSITION
