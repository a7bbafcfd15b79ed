"""Orders reach real devices over real sockets: after the answer, as the life of the alarm asks, or as a person does."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.protocols.octets import crc16_arc
from tests.gateway_process import TEN_LINES, WAIT_S, Device, Gateway, Receiver, eventually
from tests.unit.gt06_frames import alarm, frame, login

GT06, TELTONIKA = "001012371470588", "001012600000014"
LOGIN, SOS = login(GT06), alarm(0x16, 4, 1)
SHORT_ANSWER = 10
TRUSTED = TEN_LINES.replace('[[listen]]\nbind = "127.0.0.1:0"\n', '[[listen]]\nbind = "127.0.0.1:0"\ngroup = "apn-sim"\n')
PUBLIC = TEN_LINES


def people(gateway: Gateway) -> None:
    gateway.enrol(
        ("case", "GE-1", {"zone": "5415"}),
        ("device", "dev-1", {"identifiers": [GT06], "protocol": "gt06", "case_ref": "GE-1", "interval_s": 900}),
        ("device", "dev-2", {"identifiers": [TELTONIKA], "protocol": "teltonika", "case_ref": "GE-1"}),
    )


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Devices over a network in which the carrier vouches for the SIM, and a centre that stores."""
    with Receiver() as receiver:
        gateway = Gateway(tmp_path, TRUSTED.format(url=receiver.url))
        people(gateway)
        with gateway:
            yield gateway


def command(words: str, serial: int) -> bytes:
    """0x80 as the paper has it: length of flag and words, flag, words; the flag is our serial number."""
    return frame(0x80, bytes((4 + len(words),)) + serial.to_bytes(4, "big") + words.encode(), serial)


def told(words: str, serial: int) -> bytes:
    """0x15, the device's answer, with the flag that it was given."""
    return frame(0x15, bytes((4 + len(words),)) + serial.to_bytes(4, "big") + words.encode() + b"\0\2", 9)


def orders_of(gateway: Gateway, device: str = "dev-1") -> list[dict[str, object]]:
    found: list[dict[str, object]] = gateway.local("GET", f"/api/v1/devices/{device}/orders")["orders"]
    return found


def pressed(device: Device) -> str:
    """Login, SOS, both answers."""
    device.say(LOGIN, SHORT_ANSWER)
    answer = device.say(SOS, SHORT_ANSWER)
    assert answer[3] == 0x16, "the answer to the alarm comes first"
    return answer.hex()


def test_an_alarm_shortens_the_interval_after_its_answer_and_its_end_makes_it_normal_again(gateway: Gateway) -> None:
    with gateway.device() as device:
        pressed(device)
        quick = command("TIMER,10,10#", 1)
        assert device.hear(len(quick)) == quick
        device.say(told("TIMER,10,10 OK!", 1))
        (answered,) = eventually(lambda: [one for one in orders_of(gateway) if one["state"] == "ANSWERED"])
        assert (answered["reason"], answered["seconds"], answered["via"], answered["attempts"]) == ("raised", 10, "tcp", 1)
        alarm_id = gateway.local("GET", "/api/v1/alarms")["alarms"][0]["alarm_id"]
        assert gateway.cli("alarm", "close", alarm_id, "--outcome", "TEST").returncode == 0
        normal = command("TIMER,900,900#", 2)
        assert device.hear(len(normal)) == normal
        device.say(told("OK", 2))
        eventually(lambda: [one["reason"] for one in orders_of(gateway) if one["state"] == "ANSWERED"] == ["raised", "ended"])
    story = gateway.cli("alarm", "explain", alarm_id).stdout
    assert "A report every 10 s is asked of the device" in story and "A report every 900 s" in story and "left for the device over tcp" in story


def test_a_person_locates_a_device_that_has_an_alarm_and_the_record_says_who(gateway: Gateway) -> None:
    done = gateway.cli("device", "order", "dev-1", "locate", "--json")
    assert done.returncode != 0 and "alarm" in done.stderr, "nobody is located without an alarm"
    with gateway.device() as device:
        pressed(device)
        device.hear(len(command("TIMER,10,10#", 1)))
        device.say(told("OK", 1))
        eventually(lambda: orders_of(gateway)[0]["state"] == "ANSWERED")
        asked = json.loads(gateway.cli("device", "order", "dev-1", "locate", "--json").stdout)
        where = command("WHERE#", 2)
        assert device.hear(len(where)) == where
        device.say(told("Lat:N48.123456,Lon:E2.345678", 2))
        shown = eventually(lambda: next((one for one in orders_of(gateway) if one["kind"] == "locate" and one["state"] == "ANSWERED"), None))
    assert shown["order_id"] == asked["order_id"]
    assert shown["actor"].startswith("local:") and "answer" not in shown
    assert "answered" in gateway.cli("device", "orders", "dev-1", "--json").stdout.lower()
    dump = gateway.cli("journal", "dump", "--json").stdout
    assert "order locate" in dump and asked["order_id"] in dump
    everything = b"".join(path.read_bytes() for path in gateway.data_dir.rglob("*.seg"))
    assert b"48.123456" not in everything, "a device's words about where she is are not kept"


def test_what_no_protocol_knows_is_said_at_once(gateway: Gateway) -> None:
    with gateway.device() as device:
        pressed(device)
        eventually(lambda: gateway.local("GET", "/api/v1/alarms")["alarms"][0]["state"] == "DELIVERED")
        done = gateway.cli("device", "order", "dev-1", "confirm")
        assert done.returncode != 0 and "no confirm order" in done.stderr


def test_an_order_waits_for_the_next_connection(gateway: Gateway) -> None:
    gateway.local("POST", "/api/v1/devices/dev-1/orders", {"kind": "server", "host": "gw.example", "port": 5023})
    assert orders_of(gateway)[0]["state"] == "ASKED"
    with gateway.device() as device:
        device.say(LOGIN, SHORT_ANSWER)
        server = command("SERVER,1,gw.example,5023,0#", 1)
        assert device.hear(len(server)) == server


def test_a_stranger_and_a_link_of_too_low_a_tier_get_no_order(tmp_path: Path) -> None:
    with Receiver() as receiver:
        gateway = Gateway(tmp_path, PUBLIC.format(url=receiver.url))
        people(gateway)
        with gateway:
            gateway.local("POST", "/api/v1/devices/dev-1/orders", {"kind": "interval", "seconds": 60})
            with gateway.device() as device:
                pressed(device)
                receiver.wait()
                device.socket.shutdown(socket.SHUT_WR)
                assert device.hear_end() == b""
            assert [(one["kind"], one["state"]) for one in orders_of(gateway)] == [("interval", "ASKED")]


def test_a_teltonika_device_is_asked_with_codec_12(gateway: Gateway) -> None:
    gateway.local("POST", "/api/v1/devices/dev-2/orders", {"kind": "text", "text": "getinfo"})
    with gateway.device() as device:
        assert device.say(b"\x00\x0f" + TELTONIKA.encode(), 1) == b"\x01"
        # The very bytes of the maker's wiki, section "Codec 12", example getinfo.
        asked = bytes.fromhex("000000000000000F0C010500000007676574696E666F0100004312")
        assert device.hear(len(asked)) == asked
        data = bytes((0x0C, 1, 6)) + (5).to_bytes(4, "big") + b"RTC:1" + b"\x01"
        device.say(bytes(4) + len(data).to_bytes(4, "big") + data + crc16_arc(data).to_bytes(4, "big"))
        shown = eventually(lambda: next((one for one in orders_of(gateway, "dev-2") if one["state"] == "ANSWERED"), None))
        assert shown["answer"] == "RTC:1"


def test_what_was_sent_before_a_kill_is_not_sent_twice_without_saying_so(gateway: Gateway) -> None:
    gateway.local("POST", "/api/v1/devices/dev-1/orders", {"kind": "text", "text": "RESET#"})
    with gateway.device() as device:
        device.say(LOGIN, SHORT_ANSWER)
        reset = command("RESET#", 1)
        assert device.hear(len(reset)) == reset
        gateway.kill()
    gateway.start()
    with gateway.device() as device:
        device.say(LOGIN, SHORT_ANSWER)
        assert orders_of(gateway)[0]["state"] == "SENT"
        device.say(told("OK", 1))
        eventually(lambda: orders_of(gateway)[0]["state"] == "ANSWERED")
        assert orders_of(gateway)[0]["attempts"] == 1
        device.socket.settimeout(WAIT_S)
        device.socket.shutdown(socket.SHUT_WR)
        assert device.hear_end() == b""
