"""A small house for the API to stand in: real sessions, throttle and views; a desk, registry and journal of a few lines."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from itertools import count

import trio

from gateway import events as ev
from gateway.api.doors import Json
from gateway.api.house import House, Page, SdsBridge, SmsBridge
from gateway.api.messages import JSON, Errand, Parts, Reply
from gateway.api.service import Api
from gateway.api.sessions import OneTimeToken, Sessions
from gateway.errors import CommandError, JournalError
from gateway.model import (
    Alarm,
    Area,
    Case,
    CaseRef,
    CentreId,
    Decision,
    Device,
    DeviceId,
    Fix,
    Frame,
    Instant,
    Kind,
    Link,
    Order,
    Proposal,
    Seen,
    State,
    Unit,
    UnitId,
    User,
)
from gateway.orders import Ordered
from gateway.protocols import app
from gateway.shell.sms import KannelInbox

WALL_US = 1_774_000_000_000_000
SECRET_PATH = "s3cret-path"
SDS_TOKEN = "t0ken-of-the-tetra-gateway"
OWN_ALARM, OTHER_ALARM = "0a" * 16, "0b" * 16
PASSWORD = "correct horse battery"
TOKEN = "t0ken"
LAT_E7, LON_E7 = 510_543_210, 37_212_345
CANARIES = (b"51.054321", b"3.7212345", b"510543210", b"37212345")


def at(seconds: float = 0.0) -> Instant:
    """So many seconds after the beginning of a test."""
    return Instant(WALL_US + round(seconds * 1e6), 1_000_000 + round(seconds * 1e6))


def alarm(alarm_id: str = OWN_ALARM, **fields: object) -> Alarm:
    """An alarm of zone 5415 that centre cic-ovl was offered, with unit G-21 sent."""
    fix = Fix(LAT_E7, LON_E7, at_us=WALL_US, accuracy_m=12.0)
    seen = Seen(fix, WALL_US)
    area = Area(CentreId("cic-ovl"), "polygon")
    base = Alarm(
        alarm_id, "dev-1", "gt06", "tcp", State.DELIVERED, Kind.SOS_BUTTON, WALL_US, case_ref="GE-1", position=seen, track=(seen,),
        decision=Decision(area, Proposal("none", "no units")), offered_to=("cic-ovl",), unit_assigned="G-21", last_press_at_us=WALL_US,
    )  # fmt: skip
    return replace(base, **fields)  # type: ignore[arg-type]


@dataclass
class Verdict:
    events: tuple[ev.Event, ...] = ()
    reply: bytes | None = None
    outcome: str = "accepted"


@dataclass
class FakeDesk:
    """Keeps alarms in a mapping and remembers what it was told."""

    kept: dict[str, Alarm] = field(default_factory=dict)
    told: list[tuple[object, ...]] = field(default_factory=list)
    frames: list[tuple[Frame, Link]] = field(default_factory=list)
    moved: dict[str, tuple[object, ...]] = field(default_factory=dict)
    unknown: list[Json] = field(default_factory=list)
    orders: list[Ordered] = field(default_factory=list)
    counters: dict[str, object] = field(default_factory=lambda: {"frames": {"gt06": {"A": {"accepted": 3}}}})

    def alarms(self) -> Iterable[Alarm]:
        return list(self.kept.values())

    def alarm(self, alarm_id: str) -> Alarm | None:
        return self.kept.get(alarm_id)

    def alert(self, alarm: Alarm, now: Instant) -> Json:
        position: Json = {"status": "none"}
        if alarm.position:
            fix = alarm.position.fix
            position = {"status": "fix", "lat": fix.lat_e7 / 1e7, "lon": fix.lon_e7 / 1e7, "age_s": 1.0, "source": "gnss"}
        return {
            "alarm_id": alarm.alarm_id, "kinds": ["sos_button"], "class": "life", "test": alarm.test, "simulated": False, "silent": True,
            "state": str(alarm.state), "repeat_count": 0, "late": False, "cancel_claimed": False, "trust": "T1", "doubts": [],
            "times": {"received_at": "2026-03-20T09:46:40.000Z"}, "position": position, "track": [{"lat": 1.0}],
            "device": {"id": alarm.device_id}, "case": {"reference": alarm.case_ref}, "centre": {"id": "cic-ovl"},
            "responder": {"status": "none", "reason": "no units"}, "links": {"live": None, "audio": None},
        }  # fmt: skip

    def frame(self, frame: Frame, link: Link, now: Instant) -> Verdict:
        self.frames.append((frame, link))
        if frame.refused:
            return Verdict()
        return Verdict((ev.AlarmPressed(OWN_ALARM, link.transport, frame.kinds, now.wall_us, link.trust, "k", False),))

    def _tell(self, alarm_id: str, state: State | None, event: ev.Event, *what: object) -> tuple[ev.Event, ...]:
        if self.kept[alarm_id].state is State.CLOSED:
            raise CommandError("closed already", code="ended")
        self.told.append((alarm_id, *what))
        if state:
            self.kept[alarm_id] = replace(self.kept[alarm_id], state=state)
        return (event,)

    def centre_told(self, alarm_id, centre_id, level, operator, unit, note, message_id, now):  # type: ignore[no-untyped-def]
        event = ev.CentreTold(alarm_id, centre_id, level, operator, unit, note, message_id)
        return self._tell(alarm_id, State.ACKED if level == "accepted" else None, event, level, centre_id, operator, unit, note, message_id)

    def resolve(self, alarm_id, outcome, operator, centre_id, note, now):  # type: ignore[no-untyped-def]
        event = ev.AlarmResolved(alarm_id, outcome, operator, centre_id, note)
        return self._tell(alarm_id, State.RESOLVED, event, "resolve", outcome, operator, centre_id)

    def reopen(self, alarm_id, operator, reason, now):  # type: ignore[no-untyped-def]
        return self._tell(alarm_id, State.ACKED, ev.AlarmReopened(alarm_id, operator, reason), "reopen", operator, reason)

    def mark_real(self, alarm_id, operator, now):  # type: ignore[no-untyped-def]
        return self._tell(alarm_id, None, ev.TestMarkedReal(alarm_id, operator), "mark_real", operator)

    def extend_tracking(self, alarm_id, operator, seconds, now):  # type: ignore[no-untyped-def]
        return self._tell(alarm_id, None, ev.TrackingExtended(alarm_id, operator, seconds), "extend", seconds)

    def stop_tracking(self, alarm_id, operator, now):  # type: ignore[no-untyped-def]
        return self._tell(alarm_id, None, ev.TrackingStopped(alarm_id, "operator"), "stop", operator)

    def reassign(self, alarm_id, centre_id, operator, reason, now):  # type: ignore[no-untyped-def]
        return self._tell(alarm_id, None, ev.CentreTold(alarm_id, centre_id, "note", operator), "reassign", centre_id)

    def open_test_window(self, device_id, actor, now):  # type: ignore[no-untyped-def]
        return (ev.TestWindowOpened(device_id, now.wall_us + 900_000_000, actor),)

    def viewed(self, actor, what, why, alarm_id, now):  # type: ignore[no-untyped-def]
        return (ev.Viewed(actor, what, why, alarm_id),)

    def ask_order(self, device_id: str, order: Order, actor: str, now: Instant) -> tuple[ev.Event, ...]:
        asked = ev.OrderAsked(f"{len(self.orders):016x}", device_id, order, actor, "asked", now.wall_us + 600_000_000, OWN_ALARM)
        self.orders.append(Ordered(asked.order_id, device_id, order, actor, "asked", now.wall_us, asked.expires_at_us, OWN_ALARM))
        return (asked,)

    def orders_of(self, device_id: str) -> list[Ordered]:
        return [one for one in self.orders if one.device_id == device_id]

    def alarms_of(self, device_id: str) -> list[Alarm]:
        return [one for one in self.kept.values() if one.device_id == device_id]

    def unit_moved(self, unit_id, lat_e7, lon_e7, course_deg, speed_kmh, at_us, now):  # type: ignore[no-untyped-def]
        if unit_id not in ("G-21", "G-07"):
            raise CommandError(f"no unit {unit_id}", code="unknown_unit")
        self.moved[unit_id] = (lat_e7, lon_e7, course_deg, speed_kmh, at_us)

    def unit_status(self, unit_id, status, now):  # type: ignore[no-untyped-def]
        self.told.append((unit_id, status))

    def units(self) -> Iterable[Json]:
        return [{"unit": name, "status": "available", "lat": place[0], "lon": place[1]} for name, place in self.moved.items()]

    def unknown_devices(self) -> Iterable[Json]:
        return list(self.unknown)

    def devices_health(self) -> Iterable[Json]:
        return [{"device": "dev-1", "state": "ONLINE"}]

    def device_health(self, device_id: str) -> Json | None:
        return next((dict(row) for row in self.devices_health() if row["device"] == device_id), None)

    def incidents(self, is_own: Callable[[str], bool]) -> Iterable[Json]:
        return [{"devices": [device_id]} for device_id in ("dev-1", "dev-9") if is_own(device_id)]

    def statistics(self) -> Mapping[str, object]:
        return self.counters

    def way(self, alarm_id: str) -> Sequence[tuple[float, float]]:
        return [(51.0, 3.0), (51.1, 3.1)]


def user(user_id: str, role: str, secret: str = PASSWORD, *, token: bool = False, **fields: object) -> User:
    """A user whose "argon2" is a prefix."""
    secret_hash = "sha256:" + hashlib.sha256(secret.encode()).hexdigest() if token else f"argon:{secret}"
    return User(user_id, role, secret_hash, **fields)  # type: ignore[arg-type]


@dataclass
class FakeRegistry:
    """Facts in mappings."""

    kept: dict[str, dict[str, Json]] = field(default_factory=lambda: {noun: {} for noun in ("device", "case", "unit", "user")})
    users: dict[str, User] = field(default_factory=dict)

    def user(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    def case(self, case_ref: str) -> Case | None:
        entry = self.kept["case"].get(case_ref)
        return Case(CaseRef(case_ref), zone=entry.get("zone")) if entry else None  # type: ignore[arg-type]

    def device(self, device_id: str) -> Device | None:
        entry = self.kept["device"].get(device_id)
        return Device(DeviceId(device_id), case_ref=entry.get("case_ref")) if entry else None  # type: ignore[arg-type]

    def device_named(self, identifier: str) -> Device | None:
        return next((self.device(key) for key, entry in self.kept["device"].items() if identifier in entry.get("identifiers", ())), None)  # type: ignore[operator]

    def unit(self, unit_id: str) -> Unit | None:
        return Unit(UnitId(unit_id)) if unit_id in self.kept["unit"] else None

    def units(self) -> Iterable[Unit]:
        return [Unit(UnitId(name)) for name in self.kept["unit"]]

    def devices(self) -> Iterable[Device]:
        return []

    def put(self, noun: str, key: str, fields: Json, actor: str, now_us: int) -> Json:
        if fields.get("protocol") == "nonsense":
            raise CommandError("protocol: no such protocol")
        id_name = "case_ref" if noun == "case" else f"{noun}_id"
        entry = self.kept[noun].setdefault(key, {id_name: key})
        entry |= fields
        if noun == "user":
            entry.setdefault("role", "operator")
            centre_id, zone, secret_hash = entry.get("centre_id"), entry.get("zone"), str(entry.get("secret_hash", ""))
            self.users[key] = User(key, str(entry["role"]), secret_hash, centre_id, zone, entry.get("active") is not False)  # type: ignore[arg-type]
        return shown(entry)

    def remove(self, noun: str, key: str, actor: str, now_us: int) -> bool:
        self.users.pop(key, None)
        return self.kept[noun].pop(key, None) is not None

    def get(self, noun: str, key: str) -> Json | None:
        entry = self.kept[noun].get(key)
        return shown(entry) if entry else None

    def list(self, noun: str) -> list[Json]:
        return [shown(entry) for entry in self.kept[noun].values()]


def shown(entry: Json) -> Json:
    """Without secrets, as the real one promises."""
    return {name: value for name, value in entry.items() if name not in ("secret_hash", "app_key_hex")}


@dataclass(frozen=True)
class Entry:
    seq: int
    at_us: int
    event: ev.Event


@dataclass
class FakeJournal:
    """A list that is durable at once, or breaks when told to."""

    entries: list[Entry] = field(default_factory=list)
    kept_from: int = 0
    "Records up to this one are no longer at hand."
    is_broken: bool = False
    changed: trio.Event = field(default_factory=trio.Event)

    @property
    def durable_seq(self) -> int:
        return self.entries[-1].seq if self.entries else 0

    def entries_since(self, seq: int, limit: int) -> Sequence[Entry] | None:
        return None if seq < self.kept_from else [entry for entry in self.entries if entry.seq > seq][:limit]

    async def wait_new(self, seq: int) -> None:
        while self.durable_seq <= seq:
            await self.changed.wait()

    def add(self, *events: ev.Event) -> None:
        if self.is_broken:
            raise JournalError("planted")
        for event in events:
            self.entries.append(Entry(self.durable_seq + 1, WALL_US, event))
        self.changed.set()
        self.changed = trio.Event()

    async def record(self, events: tuple[ev.Event, ...]) -> None:
        await trio.lowlevel.checkpoint()
        self.add(*events)

    def of(self, kind: type) -> list[ev.Event]:
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]


@dataclass
class FakeCallbacks:
    """A centre signs by writing its name."""

    seen: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def signers(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Sequence[str]:
        names = headers.get("webhook-signature", "").removeprefix("v1,").split("+")
        return [name for name in names if name in ("cic-ovl", "cic-ant")]

    def is_repetition(self, centre_id: str, message_id: str, body: bytes) -> bool:
        if self.seen.get((centre_id, message_id), body) != body:
            raise CommandError("this id had another body", code="conflict")
        return (centre_id, message_id) in self.seen

    def remember(self, centre_id: str, message_id: str, body: bytes) -> None:
        self.seen[centre_id, message_id] = body


def read_press(device_id: str, body: bytes, now_us: int) -> Frame:
    """The real one; the app path has no state."""
    return app.Session("http", peer=device_id).read(body, now_us)


class FakeTiles:
    about = {"bounds": "[51.0, 3.6, 51.1, 3.8]", "attribution": "© OpenStreetMap contributors"}

    def get(self, z: int, x: int, y: int) -> bytes | None:
        return b"\x1f\x8btile" if (z, x, y) == (8, 1, 2) else None


@dataclass
class FakeSimulation:
    pressed: list[tuple[str, str]] = field(default_factory=list)

    def buttons(self) -> list[Json]:
        return [{"device": "sim-1", "protocol": "gt06", "label": "One"}]

    def press(self, device: str, kind: str) -> None:
        if device != "sim-1":
            raise CommandError("none of ours", code="unknown_device")
        self.pressed.append((device, kind))


USERS = (
    user("anna", "operator", centre_id="cic-ovl"),
    user("olga", "operator", centre_id="cic-ant"),
    user("otto", "operator"),
    user("sven", "supervisor", centre_id="*"),
    user("team", "case_team", zone="5415"),
    user("team2", "case_team", zone="9999"),
    user("gone", "operator", centre_id="*", active=False),
    user("carl", "carrier", TOKEN, token=True),
    user("G-21", "unit", TOKEN, token=True),
    user("G-07", "unit", TOKEN, token=True),
    user("odin", "operations"),
    user("audi", "auditor"),
    user("adam", "admin"),
)


def fake_house(**fields: object) -> House:
    """Two alarms, a case with a device, two units, a user of every role."""
    numbers = count(1)
    registry = FakeRegistry()
    registry.users = {one.user_id: one for one in USERS}
    registry.kept["user"] = {one.user_id: {"user_id": one.user_id, "role": one.role, "secret_hash": one.secret_hash} for one in USERS}
    registry.kept["case"] = {"GE-1": {"case_ref": "GE-1", "zone": "5415"}, "AN-1": {"case_ref": "AN-1", "zone": "1000"}}
    registry.kept["device"] = {
        "dev-1": {"device_id": "dev-1", "case_ref": "GE-1", "identifiers": ["i1"], "app_key_hex": "00"},
        "dev-2": {"device_id": "dev-2", "case_ref": "AN-1", "identifiers": ["i2"]},
        "dev-3": {"device_id": "dev-3", "identifiers": ["i3"]},
    }
    registry.kept["unit"] = {"G-21": {"unit_id": "G-21"}, "G-07": {"unit_id": "G-07"}}
    desk = FakeDesk({OWN_ALARM: alarm()})
    desk.kept[OTHER_ALARM] = alarm(
        OTHER_ALARM, case_ref="AN-1", offered_to=("cic-bxl",), unit_assigned=None,
        decision=Decision(Area(CentreId("cic-bxl"), "polygon"), Proposal("none", "no units")),
    )  # fmt: skip
    page = Page(b"<html>", None, "text/html; charset=utf-8", '"e"')
    house = House(
        desk=desk,
        registry=registry,
        journal=FakeJournal(),
        callbacks=FakeCallbacks(),
        read_press=read_press,
        story=lambda alarm_id: [{"what": "AlarmRaised", "text": alarm_id}],
        sessions=Sessions(900.0, 43_200.0, lambda n: next(numbers).to_bytes(n, "big")),
        setup=OneTimeToken(None, 0),
        signed_device=lambda request, now: request.headers.get("x-gw-key") if request.header("x-gw-sig") == "good" else None,
        hash_secret=lambda user_id, secret: f"argon:{secret}",
        verify_secret=lambda secret_hash, secret: secret_hash == f"argon:{secret}",
        not_ready=list,
        random_bytes=lambda n: next(numbers).to_bytes(n, "big"),
        tiles=FakeTiles(),
        simulation=FakeSimulation(),
        pages={"/": page, "/static/a.js": page, "/static/leaflet/a.css": page, "/static/i18n/nl/a.json": page},
        sds=(SdsBridge("tetra", SDS_TOKEN.encode(), (ip_network("127.0.0.0/8"),), True),),
        sms=(SmsBridge(SECRET_PATH.encode(), (ip_network("127.0.0.0/8"),), False, KannelInbox(lambda name: None)),),
        centre_ids=frozenset({"cic-ovl", "cic-ant", "cic-bxl"}),
        is_simulation=True,
    )
    return replace(house, **fields)  # type: ignore[arg-type]


def joined(answer: Reply | Parts | Errand) -> Reply:
    """The whole of a long answer, all its parts durable at once."""
    assert not isinstance(answer, Errand)
    if isinstance(answer, Reply):
        return answer
    parts = list(answer.parts)

    def settle() -> None:
        for part in parts:
            if part.when_durable is not None:
                part.when_durable()

    return Reply(200, b"".join(part.body for part in parts), JSON, sum((part.events for part in parts), ()), settle)


def session_headers(api: Api, user_id: str, now: Instant | None = None) -> dict[str, str]:
    """The headers of somebody who is logged in at our own page."""
    found = api.house.registry.user(user_id)
    assert found is not None
    cookie, session = api.house.sessions.start(found, now or at())
    return {"cookie": f"gateway_session={cookie}", "x-csrf-token": session.csrf, "origin": "http://gw", "host": "gw"}


def token_headers(user_id: str, secret: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {user_id}:{secret}", "host": "gw"}
