"""A small world for the delivery tests: centres, facts, alarms, a clock moved by hand, and a desk that only carries."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import jsonschema

from gateway.delivery.envelope import Sender
from gateway.delivery.offers import FAILED, REFUSED, STORED, TAKEN, Answer, Offer
from gateway.delivery.options import CentreOptions, OutboxOptions, RouteOptions
from gateway.delivery.outbox import Outbox
from gateway.events import AlertQueued, Event
from gateway.model import (
    Alarm,
    Area,
    Candidate,
    Case,
    CaseRef,
    CentreId,
    Decision,
    Device,
    DeviceId,
    Fix,
    Instant,
    Kind,
    Proposal,
    Seen,
    State,
    Trust,
    Unit,
    UnitId,
)

SCHEMA = json.loads((Path(__file__).resolve().parents[1] / "gateway" / "delivery" / "alert.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
WALL_US = 1_773_061_391_250_000
"2026-03-09T13:03:11.250Z"
ALARM_ID = "0f3a" * 8
SOON, NOW_US = 1_000, 5_000_000

OK = Answer(STORED, "stored")
NO = Answer(FAILED, "status_503")
TOOK = Answer(TAKEN, "accepted")
BAD = Answer(REFUSED, "refused_400")


@dataclass
class BookFacts:
    """Facts from two dictionaries."""

    devices_by_id: dict[str, Device] = field(default_factory=dict)
    cases_by_ref: dict[str, Case] = field(default_factory=dict)

    def device(self, device_id: str) -> Device | None:
        return self.devices_by_id.get(device_id)

    def device_named(self, identifier: str) -> Device | None:
        return next((device for device in self.devices_by_id.values() if identifier in device.identifiers), None)

    def case(self, case_ref: str) -> Case | None:
        return self.cases_by_ref.get(case_ref)

    def unit(self, unit_id: str) -> Unit | None:
        return None

    def units(self) -> Iterable[Unit]:
        return ()

    def devices(self) -> Iterable[Device]:
        return self.devices_by_id.values()


def facts() -> BookFacts:
    device = Device(DeviceId("dev-0042"), identifiers=("001010123456789", "+32475000001"), case_ref=CaseRef("GE-2026-0042"))
    case = Case(
        CaseRef("GE-2026-0042"), zone="5415", risk="high", instructions="Stay covert. Partner: 0475 12 34 56.",
        centre_refs=(("ovl", "OVL/77"),),
    )  # fmt: skip
    return BookFacts({device.device_id: device}, {case.case_ref: case})


def centre(name: str, routes: int = 1, **more: object) -> CentreOptions:
    route = tuple(RouteOptions("webhook", f"http://127.0.0.1:{9000 + n}/hook") for n in range(routes))
    return replace(CentreOptions(CentreId(name), route=route), **more)  # type: ignore[arg-type]


def proposal() -> Proposal:
    near, far = Candidate(UnitId("G-21"), 212.4, 2310.2, 8.0), Candidate(UnitId("G-07"), 305.0, 3120.0)
    return Proposal("proposed", "quickest of 14 available units", "road", "ghent-2026-03", (near, far))


def decision(centre_id: str = "ovl", backup: str | None = "wvl", basis: str = "polygon") -> Decision:
    return Decision(Area(CentreId(centre_id), basis, CentreId(backup) if backup else None), proposal())


def seen(n: int = 0, lat_e7: int = 510543210, lon_e7: int = 37212345) -> Seen:
    at_us = WALL_US + n * 10_000_000
    return Seen(Fix(lat_e7 + n * 1000, lon_e7, at_us=at_us, accuracy_m=12.0, speed_kmh=4.0, course_deg=271.0), at_us, trust=Trust.T3)


def alarm(alarm_id: str = ALARM_ID, **more: object) -> Alarm:
    base = Alarm(
        alarm_id, "dev-0042", "gt06", "tcp", State.ROUTED, Kind.SOS_BUTTON, WALL_US, case_ref="GE-2026-0042", trust=Trust.T3,
        position=seen(), track=(seen(),), decision=decision(), battery_percent=80.0,
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def alert_of(body: bytes) -> dict[str, object]:
    """The alert inside a body, proved valid."""
    assert len(body) <= 20_000
    event = json.loads(body)
    assert event["specversion"] == "1.0" and event["dataschema"] == "urn:gateway:alert:1"
    assert event["id"] == f"{event['subject']}-{event['sequence']}" and event["partitionkey"] == event["subject"]
    data: dict[str, object] = event["data"]
    VALIDATOR.validate(data)
    assert event["type"] == f"be.msa.alarm.{data['event']}"
    return data


class SteadyDice:
    """No jitter."""

    def random(self) -> float:
        return 0.5


@dataclass
class Sent:
    """One offer, with the second at which it left."""

    at_s: float
    offer: Offer


class Desk:
    """Carries between an outbox and scripted centres; keeps the journal; checks every alert that leaves."""

    def __init__(self, *centres: CentreOptions, options: OutboxOptions | None = None, dice: Random | SteadyDice | None = None) -> None:
        self.centres = centres or (centre("ovl", backup="wvl"), centre("wvl", national_fallback=True))
        self.options = options or OutboxOptions()
        self.dice = dice or SteadyDice()
        self.journal: list[tuple[Event, Alarm | None, Instant]] = []
        self.sent: list[Sent] = []
        self.alarms: dict[str, Alarm] = {}
        self.mono_us = NOW_US
        self.outbox = self.new_outbox()
        self.outbox.resume((), self.now)
        self.answers: Callable[[Offer], tuple[float, Answer]] = lambda offer: (0.001, OK)
        self.landing: list[tuple[int, int, Offer, Answer]] = []

    def new_outbox(self) -> Outbox:
        return Outbox(self.options, self.centres, facts(), self.dice, Sender("gw1", "https://gw.example.be"))

    @property
    def now(self) -> Instant:
        return Instant(WALL_US + self.mono_us - NOW_US, self.mono_us)

    @property
    def now_s(self) -> float:
        return (self.mono_us - NOW_US) / 1e6

    def queue(self, which: Alarm, event: str = "raised") -> tuple[Event, ...]:
        self.alarms[which.alarm_id] = which
        return self.take(self.outbox.queue(which, event, self.now))

    def take(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Journal events and apply them, as a desk does."""
        for event in events:
            known = self.alarms.get(getattr(event, "alarm_id", ""))
            if isinstance(event, AlertQueued) and event.event != "position":
                alert_of(event.body)
            self.journal.append((event, known, self.now))
            self.outbox.apply(event, known, self.now)
        return events

    def send_due(self) -> None:
        for offer in self.outbox.due(self.now):
            self.sent.append(Sent(self.now_s, offer))
            if offer.attempt == 1 and offer.event == "position":
                alert_of(offer.body)
            self.take((offer.record,))
            took_s, answer = self.answers(offer)
            self.landing.append((self.mono_us + round(took_s * 1e6), len(self.sent), offer, answer))

    def run(self, seconds: float) -> None:
        """Let time pass: from one thing to do to the next."""
        until_us = self.mono_us + round(seconds * 1e6)
        while True:
            self.send_due()
            nexts = [landing[0] for landing in self.landing]
            deadline_us = self.outbox.next_deadline_us()
            if deadline_us is not None:
                nexts.append(deadline_us)
            if not nexts or min(nexts) > until_us:
                self.mono_us = until_us
                return
            self.mono_us = max(self.mono_us, min(nexts))
            self.landing.sort()
            while self.landing and self.landing[0][0] <= self.mono_us:
                _, _, offer, answer = self.landing.pop(0)
                self.take(self.outbox.answered(offer, answer, self.now))
            self.take(self.outbox.on_deadline(self.now))

    def restart(self) -> None:
        """kill -9, and a new process that has only the journal."""
        self.landing.clear()
        self.outbox = self.new_outbox()
        for event, known, at in self.journal:
            self.outbox.apply(event, known, Instant(at.wall_us, 0))
        for which, event_name in self.outbox.resume(self.alarms.values(), self.now):
            self.queue(which, event_name)

    def times(self, centre_id: str, route_id: str = "webhook-1", event: str | None = None) -> list[float]:
        return [
            round(sent.at_s, 3)
            for sent in self.sent
            if sent.offer.centre_id == centre_id and sent.offer.route_id == route_id and event in (None, sent.offer.event)
        ]

    def events(self, kind: type[Event]) -> list[Event]:
        return [event for event, _, _ in self.journal if isinstance(event, kind)]
