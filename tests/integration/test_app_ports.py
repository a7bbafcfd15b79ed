"""Telephone apps on a port of their own, against the real process and with a real HTTP client: pressed, durable, told, answered."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.gateway_process import TEN_LINES, Device, Gateway, Receiver, eventually

PORT = '[[listen]]\nbind = "127.0.0.1:0"\nprotocol = "osmand"\ntransport = "http"\nlogin_timeout_s = 1.0\nframe_timeout_s = 1.0\n'
CASE = ("case", "GE-1", {"zone": "5415", "risk": "high"})
APP = ("device", "app-1", {"identifiers": ["button-0001"], "protocol": "osmand", "case_ref": "GE-1"})
GUARDED = ("device", "app-2", {"identifiers": ["button-0002"], "protocol": "osmand", "key_hex": "a27b0cf3"})
PLACE = "timestamp=1773061391&lat=51.0543217&lon=3.7212322"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url).replace("[[centre]]", f"{PORT}[[centre]]", 1))
    gateway.enrol(CASE, APP, GUARDED)
    with gateway:
        yield gateway


@pytest.fixture
def app(gateway: Gateway) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(*gateway.door("osmand/http"), timeout=60)
    yield client
    client.close()


def status(client: http.client.HTTPConnection, query: str, body: str | None = None, **headers: str) -> int:
    """Ask and read the whole answer; the client keeps the connection when the answer lets it."""
    client.request("GET" if body is None else "POST", f"/?{query}" if query else "/", body, headers)
    answer = client.getresponse()
    assert answer.read() == b""
    return answer.status


def test_a_press_in_an_app_reaches_the_centre_once(gateway: Gateway, receiver: Receiver, app: http.client.HTTPConnection) -> None:
    assert status(app, f"id=button-0001&{PLACE}") == 200, "a position"
    first = app.sock
    assert status(app, f"id=button-0001&{PLACE}&alarm=sos&batt=80") == 200
    raised = receiver.wait().alert
    assert (raised["kinds"], raised["case"]["reference"], raised["device"]["protocol"]) == (["sos_button"], "GE-1", "osmand")
    assert (raised["position"]["lat"], raised["position"]["lon"]) == (51.0543217, 3.7212322)
    assert (raised["device"]["transport"], raised["device"]["battery_percent"]) == ("http", 80)
    assert status(app, f"id=button-0001&{PLACE}&alarm=sos&batt=80") == 200, "sent again, because the answer was lost"
    assert app.sock is first, "one connection carries them all"
    (alarm,) = json.loads(gateway.cli("alarm", "list", "--json").stdout)
    assert alarm["alarm_id"] == raised["alarm_id"]
    assert alarm["repeat_count"] == 0
    told = [line["what"] for line in json.loads(gateway.cli("alarm", "explain", raised["alarm_id"], "--json").stdout)]
    assert told.index("FrameKept") < told.index("AlarmRaised") < told.index("AlarmDurable") < told.index("DeviceAnswered")


def test_what_the_telephone_says_of_itself_is_shown_and_never_where_it_is(gateway: Gateway, app: http.client.HTTPConnection) -> None:
    cell = "cell=206,1,1234,56789,-71"
    assert status(app, f"id=button-0001&{PLACE}&batt=63&charge=true&{cell}") == 200
    told = json.loads(gateway.cli("device", "show", "app-1", "--json").stdout)
    health = told["health"]
    assert (health["state"], health["battery_percent"], health["charging"], health["signal_dbm"]) == ("ONLINE", 63, True, -71)
    assert "battery_percent=63" in gateway.cli("device", "show", "app-1").stdout
    assert gateway.local("GET", "/api/v1/devices/app-1")["health"] == {"device": "app-1"} | health
    assert "51.05" not in json.dumps(told) and "56789" not in json.dumps(told) and "1234" not in json.dumps(health)
    assert gateway.stop() == 0
    assert "health" not in json.loads(gateway.cli("device", "show", "app-1", "--json").stdout), "nothing of it is on the disk"


def test_every_form_of_a_press_is_taken(gateway: Gateway, receiver: Receiver, app: http.client.HTTPConnection) -> None:
    location = {"timestamp": "2026-03-09T13:03:11Z", "coords": {"latitude": 51.0543217, "longitude": 3.7212322}, "extras": {"alarm": "sos"}}
    body = json.dumps({"device_id": "button-0001", "location": location})
    assert status(app, "", body, **{"Content-Type": "application/json"}) == 200
    assert receiver.wait().alert["position"]["lat"] == 51.0543217
    form = f"id=button-0001&{PLACE.replace('1391', '1999')}&alarm=fallDown"
    assert status(app, "", form, **{"Content-Type": "application/x-www-form-urlencoded"}) == 200
    assert "fall" in receiver.wait(lambda one: "fall" in one.alert["kinds"]).alert["kinds"]


def test_strangers_and_bad_requests_are_told_so_and_the_line_ends(
    gateway: Gateway, receiver: Receiver, app: http.client.HTTPConnection
) -> None:
    assert status(app, f"id=button-9999&{PLACE}&alarm=sos") == 404
    assert app.sock is None, "the answer says that the connection ends"
    assert status(app, "id=button-0001&lat=abc&lon=3.7") == 400
    assert status(app, PLACE) == 400
    with Device(gateway.door("osmand/http")) as device:
        device.socket.sendall(b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n" + b"x" * 100_000)
        assert device.hear_end().startswith(b"HTTP/1.1 400 ")
    (entry,) = eventually(lambda: gateway.local("GET", "/api/v1/unknown-devices")["entries"])
    assert (entry["identity"], entry["protocol"]) == ("button-9999", "osmand")
    assert not receiver.delivered


def test_a_token_is_asked_for_from_the_first_request_on(gateway: Gateway, receiver: Receiver, app: http.client.HTTPConnection) -> None:
    assert status(app, f"id=button-0002&{PLACE}&alarm=sos") == 404, "as if it did not exist"
    assert status(app, f"id=button-0002&{PLACE}&alarm=sos&token=guess") == 404
    assert status(app, f"id=button-0002&lat=abc&{PLACE}") == 400, "other mistakes are told to everybody alike"
    assert not receiver.delivered
    assert status(app, f"id=button-0002&{PLACE}&alarm=sos", Authorization="Bearer a27b0cf3") == 200
    assert receiver.wait().alert["device"]["id"] == "app-2"
    assert status(app, f"id=button-0001&{PLACE}&alarm=sos") == 200, "one line before several apps: each has its own settings"
    receiver.wait(lambda one: one.alert["device"]["id"] == "app-1")


def test_who_begins_a_request_and_does_not_end_it_loses_his_seat(gateway: Gateway, app: http.client.HTTPConnection) -> None:
    with Device(gateway.door("osmand/http")) as slow:
        slow.socket.sendall(b"GET /?id=button-0001 HTTP/1.1\r\nX-Slow: ")
        assert slow.hear_end() == b""
    assert status(app, f"id=button-0001&{PLACE}") == 200


def test_an_app_over_tls_and_on_a_shared_port(tmp_path: Path, receiver: Receiver) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    port = PORT + 'tls = { cert_file = "cert.pem", key_file = "key.pem" }\n'
    context = ssl.create_default_context()
    authority.configure_trust(context)
    gateway = Gateway(tmp_path, TEN_LINES.format(url=receiver.url).replace("[[centre]]", f"{port}[[centre]]", 1))
    gateway.enrol(CASE, APP)
    with gateway:
        client = http.client.HTTPSConnection("localhost", gateway.door("osmand/http")[1], timeout=60, context=context)
        assert status(client, f"id=button-0001&{PLACE}&alarm=sos") == 200
        client.close()
        receiver.wait()
        plain = http.client.HTTPConnection(*gateway.door("auto/tcp"), timeout=60)
        assert status(plain, f"id=button-0001&{PLACE}") == 200
        plain.close()
        assert gateway.stop() == 0
