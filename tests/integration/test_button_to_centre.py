"""From the button to the centre, against the real process: ten lines of configuration, a frame by hand, a receiver.

The frames stand here as hex, as somebody with ``xxd -r -p | nc`` would send them.
"""

import json
import re
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
import trustme
from standardwebhooks import Webhook

from tests.gateway_process import HOOK_SECRET, ROOT, TEN_LINES, Delivered, Device, Gateway, Receiver, eventually
from tests.unit.gt06_frames import frame

IMEI = "001012371470588"
LOGIN = bytes.fromhex("78780d01000101237147058800013d0b0d0a")
LOGIN_ANSWER = bytes.fromhex("787805010001d9dc0d0a")
SOS = bytes.fromhex("787825261a03090d030bc9057a3fb3006634ea04150f0900ce0104d200ddd564060401020002a5140d0a")
"Serial 2: the button, 51.0543217 north, 3.7212322 east."
SOS_ANSWER = bytes.fromhex("78780526000264790d0a")
POSITION = bytes.fromhex("78781f121a03090d030bc9057a3fb3006634ea04150f00ce0104d200ddd5000308920d0a")
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "gateway/delivery/alert.schema.json").read_text(encoding="utf-8")), format_checker=jsonschema.FormatChecker()
)
BUTTON = ("device", "dev-1", {"identifiers": [IMEI], "protocol": "gt06", "case_ref": "GE-1"})
CASE = ("case", "GE-1", {"zone": "5415", "risk": "high"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[Gateway]:
    """Ten lines, one device."""
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url))
    gateway.enrol(CASE, BUTTON)
    with gateway:
        yield gateway


def verified(one: Delivered) -> dict[str, object]:
    """The event, believed by the public package, with an alert that is valid under the schema."""
    event = Webhook(HOOK_SECRET).verify(one.body, one.headers)
    assert one.headers["content-type"].startswith("application/cloudevents+json")
    SCHEMA.validate(one.alert)
    assert isinstance(event, dict)
    return event


def said(done: "subprocess.CompletedProcess[str]", code: int = 0) -> str:
    """What a command printed; it must have ended with ``code``."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def is_event(name: str) -> Callable[[Delivered], bool]:
    return lambda one: one.alert["event"] == name


# ------------------------------------------------------------------------------------------------- the main story


def test_a_frame_sent_by_hand_reaches_the_receiver_and_its_story_can_be_read(gateway: Gateway, receiver: Receiver) -> None:
    with gateway.device() as device:
        assert device.say(LOGIN, len(LOGIN_ANSWER)) == LOGIN_ANSWER
        assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER
        raised = receiver.wait()
        event = verified(raised)
        assert raised.alert["kinds"] == ["sos_button"]
        assert raised.alert["position"]["status"] in ("fix", "last_known")
        assert (raised.alert["position"]["lat"], raised.alert["position"]["lon"]) == (51.0543217, 3.7212322)
        assert raised.alert["case"]["reference"] == "GE-1"
        assert raised.alert["test"] is False
        assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER, "a copy is answered as well"
    alarm_id = raised.alert["alarm_id"]
    assert event["id"] == raised.headers["webhook-id"]

    assert [one["alarm_id"] for one in json.loads(said(gateway.cli("alarm", "list", "--json")))] == [alarm_id]
    assert alarm_id[:12] in said(gateway.cli("alarm", "list", "--open"))
    assert json.loads(said(gateway.cli("alarm", "show", alarm_id[:8], "--json")))["device"] == "dev-1"
    said(gateway.cli("alarm", "ack", alarm_id, "--note", "we see her"))
    verified(receiver.wait(lambda one: one.alert["state"] == "ACKED"))
    said(gateway.cli("alarm", "close", alarm_id, "--outcome", "REAL_ARREST"))
    closed = receiver.wait(is_event("closed"))
    verified(closed)
    assert closed.alert["alarm_id"] == alarm_id
    said(gateway.cli("alarm", "close", alarm_id, "--outcome", "REAL_ARREST"))
    refused = said(gateway.cli("alarm", "close", alarm_id, "--outcome", "TEST"), 2)
    assert "RESOLVED already" in refused, "an outcome that is not kept is not waved through"
    story = json.loads(said(gateway.cli("alarm", "explain", alarm_id, "--json")))
    told = [line["what"] for line in story]
    assert {"AlarmRouted", "AlertQueued", "AlertOffered", "AlertAnswered", "CentreTold", "AlarmResolved"} <= set(told), told
    assert told.index("FrameKept") < told.index("AlarmRaised") < told.index("AlarmDurable") < told.index("DeviceAnswered")
    assert "51.05" not in said(gateway.cli("alarm", "explain", alarm_id)), "positions only when they are asked for"
    for one in receiver.delivered:
        verified(one)
    assert gateway.stop() == 0
    assert json.loads(said(gateway.cli("alarm", "list", "--json")))[0]["outcome"] == "REAL_ARREST", "the record is read without the server"


def test_an_unknown_device_is_listed_gets_no_byte_and_can_be_adopted(gateway: Gateway, receiver: Receiver) -> None:
    stranger = "001012371470596"
    with gateway.device() as device:
        device.socket.sendall(frame(0x01, bytes.fromhex("0" + stranger), 1) + SOS)
        assert device.hear_end() == b"", "no oracle: not a byte for whom we do not know"
    entries = eventually(lambda: gateway.local("GET", "/api/v1/unknown-devices")["entries"])
    assert [(one["identity"], one["protocol"]) for one in entries] == [(stranger, "gt06")]
    assert not receiver.delivered
    gateway.local("POST", f"/api/v1/unknown-devices/{stranger}/adopt", {"id": "dev-2", "case": "GE-1"})
    assert gateway.local("GET", "/api/v1/unknown-devices")["entries"] == [], "who was adopted is unknown no more"
    with gateway.device() as device:
        assert device.say(frame(0x01, bytes.fromhex("0" + stranger), 1), len(LOGIN_ANSWER)) == LOGIN_ANSWER
        assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER
    assert receiver.wait().alert["device"]["id"] == "dev-2"


def test_a_device_that_the_command_line_adds_is_known_to_the_running_server(gateway: Gateway, receiver: Receiver) -> None:
    stranger = "001012371470604"
    said(gateway.cli("device", "add", stranger, "--protocol", "gt06", "--case-ref", "GE-1"))

    def answered() -> bool:
        with gateway.device() as device:
            return device.say(frame(0x01, bytes.fromhex("0" + stranger), 1), len(LOGIN_ANSWER)) == LOGIN_ANSWER

    eventually(answered, "an answer to a device added beside the server")


def test_a_test_window_makes_the_next_press_a_test(gateway: Gateway, receiver: Receiver) -> None:
    gateway.local("POST", "/api/v1/devices/dev-1/test-window", {})
    with gateway.device() as device:
        device.say(LOGIN, len(LOGIN_ANSWER))
        device.say(SOS, len(SOS_ANSWER))
    told = receiver.wait()
    verified(told)
    assert (told.alert["event"], told.alert["test"], told.alert["class"]) == ("test", True, "test")


def test_a_units_own_tracker_moves_it(gateway: Gateway, receiver: Receiver) -> None:
    said(gateway.cli("unit", "add", "G-21"))
    tracker = "001012371470612"
    gateway.local("PUT", "/api/v1/devices/car-1", {"identifiers": [tracker], "protocol": "gt06", "unit_id": "G-21"})
    with gateway.device() as device:
        device.say(frame(0x01, bytes.fromhex("0" + tracker), 1), len(LOGIN_ANSWER))
        device.socket.sendall(POSITION)
        (unit,) = eventually(lambda: gateway.local("GET", "/api/v1/units/positions")["units"])
    assert (unit["unit"], round(unit["lat"], 4), round(unit["lon"], 4)) == ("G-21", 51.0543, 3.7212)
    with gateway.device() as device:
        device.say(LOGIN, len(LOGIN_ANSWER))
        device.say(SOS, len(SOS_ANSWER))
    assert receiver.wait(lambda one: one.alert["responder"]["status"] == "proposed").alert["responder"]["unit"] == "G-21"


def test_a_button_over_tls_is_a_button(tmp_path: Path, receiver: Receiver) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("gateway.example")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    config = TEN_LINES.format(url=receiver.url)
    config = config.replace("[[centre]]", 'protocol = "gt06"\ntls = { cert_file = "cert.pem", key_file = "key.pem" }\n[[centre]]')
    context = ssl.create_default_context()
    authority.configure_trust(context)
    gateway = Gateway(tmp_path, config)
    gateway.enrol(CASE, BUTTON)
    with gateway:
        with Device(gateway.door("gt06/tcp")) as device:
            device.socket = context.wrap_socket(device.socket, server_hostname="gateway.example")
            assert device.say(LOGIN, len(LOGIN_ANSWER)) == LOGIN_ANSWER
            assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER
        verified(receiver.wait())
        assert gateway.stop() == 0


# --------------------------------------------------------------------------------------------- starting and stopping


def test_a_bad_configuration_is_refused_with_every_mistake_at_once(tmp_path: Path) -> None:
    gateway = Gateway(
        tmp_path,
        '[api]\nbnd = "127.0.0.1:0"\n[[listen]]\nbind = "127.0.0.1:99999"\nprotocol = "gt60"\n'
        '[[centre]]\nid = "cic"\n[[centre.route]]\nkind = "webhok"\nurl = "ftp://x"\nsecret_files = ["not-there"]\n',
    )
    done = gateway.cli("serve")
    text = said(done, 2)
    assert done.stdout == ""
    for line, word in ((2, "bind"), (4, "99999"), (5, "gt06"), (9, "webhook"), (10, "https://host/path"), (11, "not-there")):
        assert re.search(rf"gateway\.toml:{line}: .*{re.escape(word)}", text), (line, word, text)
    assert "Traceback" not in text
    assert not gateway.data_dir.exists(), "nothing is touched before the configuration is right"


def test_a_second_server_on_the_same_folder_refuses_and_names_the_first(gateway: Gateway) -> None:
    assert gateway.process is not None
    text = said(gateway.cli("serve"), 1)
    assert f"in use by process {gateway.process.pid}" in text
    assert "Traceback" not in text
    with gateway.device() as device:
        assert device.say(LOGIN, len(LOGIN_ANSWER)) == LOGIN_ANSWER, "the first one did not notice"


def test_a_port_that_is_taken_is_said_and_nothing_runs(gateway: Gateway, tmp_path: Path) -> None:
    host, port = gateway.door("auto/tcp")
    config = TEN_LINES.format(url="http://127.0.0.1:9/").replace('[[listen]]\nbind = "127.0.0.1:0"', f'[[listen]]\nbind = "{host}:{port}"')
    other = Gateway(tmp_path / "other", config)
    text = said(other.cli("serve"), 2)
    assert f"{host}:{port}" in text
    assert "Traceback" not in text


def test_sigterm_drains_and_ends_and_a_second_one_ends_at_once(gateway: Gateway, receiver: Receiver) -> None:
    with gateway.device() as device:
        device.say(LOGIN, len(LOGIN_ANSWER))
        device.say(SOS, len(SOS_ANSWER))
        assert gateway.stop() == 0, "a connected device does not hold it up"
    with gateway:
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait() in (0, 1, -signal.SIGTERM)


def test_a_hangup_with_a_bad_file_keeps_what_runs(gateway: Gateway, receiver: Receiver) -> None:
    assert gateway.process is not None
    good = gateway.config_file.read_text()
    gateway.config_file.write_text(good.replace("national_fallback", "nationl_fallback"))
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: "reload.refused" in gateway.log)
    assert "did you mean national_fallback?" in gateway.log
    gateway.config_file.write_text(good)
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: "reload.complete" in gateway.log)
    with gateway.device() as device:
        device.say(LOGIN, len(LOGIN_ANSWER))
        device.say(SOS, len(SOS_ANSWER))
    verified(receiver.wait())


def test_a_damaged_registry_is_said_and_its_buttons_work(tmp_path: Path, receiver: Receiver) -> None:
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url))
    gateway.enrol(CASE, BUTTON)
    log = gateway.data_dir / "registry" / "changes.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    with gateway:
        with gateway.device() as device:
            device.say(LOGIN, len(LOGIN_ANSWER))
            assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER
        verified(receiver.wait())
        ready = gateway.local("GET", "/readyz")
        assert ready["ready"] is True
        assert "registry" in ready["notices"][0]


def test_a_centre_that_is_down_at_the_start_gets_the_alarm_when_it_is_back(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url))
    gateway.enrol(CASE, BUTTON)
    with gateway:
        with gateway.device() as device:
            device.say(LOGIN, len(LOGIN_ANSWER))
            assert device.say(SOS, len(SOS_ANSWER)) == SOS_ANSWER, "accepted is durable, not delivered"
        refused = receiver.wait()
        assert gateway.stop() == 0
    receiver.status = 200
    before = len(receiver.delivered)
    with gateway:
        eventually(lambda: len(receiver.delivered) > before)
        assert receiver.alarm_ids() == {refused.alert["alarm_id"]}
        eventually(lambda: gateway.metrics()["gateway_undelivered"] == 0)
