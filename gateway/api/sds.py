"""Short data of a TETRA network, which its gateway brings: ``POST /sds/{name}``, answered 2xx only when it is durable.

``issi`` (or a whole TSI) says which radio sent it; the payload, protocol identifier first, is the body itself
(``application/octet-stream``) or stands in hex. What names the message, ``id``, makes a repetition harmless.

    POST /sds/astrid?issi=2061234&id=m-17             the payload as octets
    {"issi": "2061234", "hex": "0a010e62…", "id": "m-17"}   the same as JSON; or as a form
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from gateway.api.house import House, SdsBridge
from gateway.api.identify import sds_bridge_of
from gateway.api.messages import Answer, Call, Reply, Request, reply_json
from gateway.api.problems import Refused
from gateway.events import AlarmPressed, AlarmRaised
from gateway.model import Link, Trust
from gateway.protocols import open_session

PROTOCOL = "tetra-lip"
PAYLOAD_BYTES_MAX = 512
"SDS type 4 has at most 2047 bits; several may be concatenated."
FIELDS_MAX = 16
ID_CHARS_MAX = 64
ISSI = re.compile(r"[0-9]{1,20}", re.ASCII)
"24 bits of a short subscriber identity, or country, network and subscriber in digits."
OCTETS_TYPE, FORM_TYPE = "application/octet-stream", "application/x-www-form-urlencoded"


class Sds(NamedTuple):
    """One message of a radio."""

    issi: str
    payload: bytes
    message_id: str


def sds(house: House, call: Call, given: None) -> Answer:
    """Short data of a radio, brought by a TETRA gateway: 200 when it is durable, 503 when not (bring it again), 422 when its
    payload is none that we read. ``issi``, the payload as the body or in ``hex``, and ``id`` against repetitions."""
    bridge = sds_bridge_of(house, call.request)
    message = message_untrusted(call.request)
    if bridge.accepted.has(message):
        return Reply(200, reply_json({"accepted": True, "alarm_id": None}).body, after_all=True)
    return taken(house, call, bridge, message)


def taken(house: House, call: Call, bridge: SdsBridge, message: Sds) -> Answer:
    """What the desk makes of a message, and the answer to it."""
    frame = open_session(PROTOCOL, "sds", peer=message.issi).read(message.payload, call.now.wall_us)
    trust = Trust.T3 if bridge.trusted else Trust.T1
    verdict = house.desk.frame(frame, Link(call.request.link_id, f"sds {bridge.name}", "sds", message.issi, trust, house.is_simulation), call.now)
    if frame.refused is not None and frame.unverified is None:
        raise Refused("unreadable", f"payload, byte {frame.refused.offset}: {frame.refused.detail}")
    alarm_id = next((event.alarm_id for event in verdict.events if isinstance(event, AlarmRaised | AlarmPressed)), None)
    body = reply_json({"accepted": verdict.outcome == "accepted", "alarm_id": alarm_id}).body
    return Reply(200, body, events=tuple(verdict.events), when_durable=lambda: bridge.accepted.remember(message), after_all=True)


def message_untrusted(request: Request) -> Sds:
    """The message in a request. Raises ``Refused`` that names the field."""
    kind = request.header("content-type").partition(";")[0].strip().lower()
    fields = fields_untrusted(request, kind)
    issi, message_id = fields.get("issi", ""), fields.get("id", "")
    if not ISSI.fullmatch(issi):
        raise Refused("bad_field", "issi: 1 to 20 digits are required.")
    if len(message_id) > ID_CHARS_MAX:
        raise Refused("bad_field", f"id: at most {ID_CHARS_MAX} characters.")
    payload = request.body if kind == OCTETS_TYPE else octets_untrusted(fields.get("hex", ""))
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        raise Refused("bad_field", f"payload: 1 to {PAYLOAD_BYTES_MAX} bytes are required, {len(payload)} found.")
    return Sds(issi, payload, f"{issi}/{message_id}" if message_id else "")


def fields_untrusted(request: Request, kind: str) -> dict[str, str]:
    """What the query says, and a form or a JSON object in the body."""
    try:
        fields = request.fields()
        if kind == FORM_TYPE:
            fields |= parse_qsl(request.body.decode("ascii"), max_num_fields=FIELDS_MAX)
        elif kind != OCTETS_TYPE and request.body:
            told = msgspec.json.decode(request.body, type=dict[str, str | int | None])
            fields |= {name: str(value) for name, value in told.items() if value is not None}
    except msgspec.DecodeError:
        raise Refused("bad_json", "The body is no JSON object of texts.") from None
    except ValueError:
        raise Refused("bad_field", "The query or the form cannot be read.") from None
    return fields


def octets_untrusted(word: str) -> bytes:
    """Bytes that a word writes in hex."""
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise Refused("bad_field", "hex: pairs of hex digits are required.") from None
