"""Radios of units by the door of a TETRA gateway, against the real process: positions move the unit, the emergency button is an alarm."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway_process import TEN_LINES, Gateway, Receiver, eventually

TOKEN = "t0ken-of-the-tetra-gateway"
MOVED = bytes.fromhex("0a002a4bba44e270fe0810")
"51.0543036 north, 3.7174022 east, less than 5 s ago; sent because it was time."
EMERGENCY = bytes.fromhex("0a002a4bba44e270fe0020")
DOOR = '[[sds]]\nname = "tetra"\ntoken_file = "sds.token"\ntrusted = true\n'
UNIT = ("unit", "G-21", {"zone": "5415"})
RADIO = ("device", "radio-21", {"identifiers": ["2061234"], "protocol": "tetra-lip", "unit_id": "G-21"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[Gateway]:
    (tmp_path / "sds.token").write_text(TOKEN + "\n")
    (tmp_path / "sds.token").chmod(0o600)
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url).replace("[[centre]]", f"{DOOR}[[centre]]", 1))
    gateway.enrol(UNIT, RADIO)
    with gateway:
        yield gateway


def bring(gateway: Gateway, payload: bytes, issi: str = "2061234", message_id: str = "", token: str = TOKEN) -> tuple[int, dict[str, object]]:
    """What the network's gateway would send."""
    link = http.client.HTTPConnection(*gateway.door("http"), timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    link.request("POST", f"/sds/tetra?issi={issi}&id={message_id}", payload, headers)
    answer = link.getresponse()
    told = json.loads(answer.read())
    link.close()
    return answer.status, told


def test_a_radio_moves_its_unit_and_leaves_nothing_behind(gateway: Gateway, receiver: Receiver) -> None:
    assert bring(gateway, MOVED) == (200, {"accepted": True, "alarm_id": None})
    (unit,) = gateway.local("GET", "/api/v1/units/positions")["units"]
    assert (unit["unit"], round(unit["lat"], 6), round(unit["lon"], 6)) == ("G-21", 51.054304, 3.717402)
    assert not receiver.delivered
    assert gateway.local("GET", "/api/v1/alarms?state=all")["alarms"] == []


def test_a_radios_emergency_button_reaches_the_centre(gateway: Gateway, receiver: Receiver) -> None:
    status, told = bring(gateway, EMERGENCY, message_id="m-1")
    assert (status, told["accepted"]) == (200, True)
    alert = receiver.wait().alert
    assert (alert["alarm_id"], alert["kinds"], alert["trust"]) == (told["alarm_id"], ["sos_button"], "T3")
    assert (alert["device"]["protocol"], alert["device"]["transport"]) == ("tetra-lip", "sds")
    assert round(alert["position"]["lat"], 6) == 51.054304
    assert bring(gateway, EMERGENCY, message_id="m-1") == (200, {"accepted": True, "alarm_id": None}), "brought again"
    (alarm,) = gateway.local("GET", "/api/v1/alarms")["alarms"]
    assert alarm["repeat_count"] == 0


def test_a_radio_that_nobody_registered_is_listed(gateway: Gateway, receiver: Receiver) -> None:
    assert bring(gateway, EMERGENCY, issi="2069999") == (200, {"accepted": False, "alarm_id": None})
    (entry,) = eventually(lambda: gateway.local("GET", "/api/v1/unknown-devices")["entries"])
    assert (entry["identity"], entry["protocol"], entry["transport"]) == ("2069999", "tetra-lip", "sds")
    assert not receiver.delivered


def test_who_has_not_the_token_finds_nothing(gateway: Gateway, receiver: Receiver) -> None:
    assert bring(gateway, EMERGENCY, token="guess")[0] == 404
    assert bring(gateway, b"\x82text")[0] == 422
    assert not receiver.delivered
