"""A desk with two centres, a few devices and a hand-moved clock."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace

from gateway import events as ev
from gateway.alarms import AlarmOptions
from gateway.delivery.envelope import Sender
from gateway.delivery.offers import STORED, Answer, Offer
from gateway.delivery.options import CentreOptions, OutboxOptions, RouteOptions
from gateway.delivery.outbox import Outbox
from gateway.desk import Desk, Verdict
from gateway.model import Case, CaseRef, CentreId, Device, DeviceId, Fix, Frame, Instant, Kind, Link, Report, Trust, Unit, UnitId
from gateway.router.areas import Areas, AreaSource
from gateway.router.decide import Router
from gateway.router.options import RoadOptions
from gateway.supervision import SupervisionOptions

START_US = 1_773_576_000_000_000
WEST = Fix(510_000_000, 35_000_000, accuracy_m=10.0)
EAST = Fix(510_000_000, 45_000_000, accuracy_m=10.0)
LINK = Link(1, "tcp test", "tcp", "10.0.0.1:1000", Trust.T2)


def square(west: float, east: float) -> str:
    ring = [[west, 50.0], [east, 50.0], [east, 52.0], [west, 52.0], [west, 50.0]]
    return json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}})


class People:
    """Three buttons of two cases, one car with a tracker of its own."""

    def __init__(self) -> None:
        self.known = {
            "dev-1": Device(DeviceId("dev-1"), ("111",), case_ref=CaseRef("GE-1")),
            "dev-2": Device(DeviceId("dev-2"), ("222",), case_ref=CaseRef("GE-2")),
            "car": Device(DeviceId("car"), ("900",), unit_id=UnitId("G-1")),
        }

    def device(self, device_id: str) -> Device | None:
        return self.known.get(device_id)

    def device_named(self, identifier: str) -> Device | None:
        return next((device for device in self.known.values() if identifier in device.identifiers), None)

    def case(self, case_ref: str) -> Case | None:
        return Case(CaseRef(case_ref))

    def unit(self, unit_id: str) -> Unit | None:
        return next((unit for unit in self.units() if unit.unit_id == unit_id), None)

    def units(self) -> Iterator[Unit]:
        return iter((Unit(UnitId("G-1")), Unit(UnitId("G-2"))))

    def devices(self) -> list[Device]:
        return list(self.known.values())


class Story:
    """One desk; ``frame`` is what a device says."""

    def __init__(self, options: AlarmOptions | None = None) -> None:
        self.people = People()
        self.now = Instant(START_US, 1_000_000_000)
        centres = (
            CentreOptions("west", "west", national_fallback=True, backup="east", route=(RouteOptions("webhook", "http://127.0.0.1/w"),)),
            CentreOptions("east", "east", route=(RouteOptions("webhook", "http://127.0.0.1/e"),)),
        )
        areas = Areas(
            [AreaSource(CentreId("west"), square(3.0, 4.0), national_fallback=True), AreaSource(CentreId("east"), square(4.0, 5.0))]
        )
        self.desk = Desk(
            self.people,
            Router(areas, self.people, RoadOptions()),
            Outbox(OutboxOptions(), centres, self.people, random.Random(1)),
            options or AlarmOptions(),
            SupervisionOptions(),
            sender=Sender(),
            centre_ids=frozenset({"west", "east"}),
        )
        self.desk.replayed(self.now)
        self.serial = 0

    def wait(self, seconds: float) -> None:
        """Time passes; what falls due happens."""
        us = round(seconds * 1e6)
        self.now = Instant(self.now.wall_us + us, self.now.mono_us + us)
        self.desk.on_deadline(self.now)
        self.desk.decide(self.now)

    def frame(self, kinds: Kind, fix: Fix | None = None, *, identity: str | None = "111", link: Link = LINK, **more: object) -> Verdict:
        """A frame arrives now; centre and unit are decided."""
        self.serial += 1
        report = Report(kinds, replace(fix, at_us=self.now.wall_us) if fix else None, self.now.wall_us, self.serial)
        frame = Frame("gt06", link.transport, b"raw%d" % self.serial, identity, (report,), b"ok")
        verdict = self.desk.frame(replace(frame, **more), link, self.now)  # type: ignore[arg-type]
        self.desk.decide(self.now)
        return verdict

    def deliver(self) -> list[Offer]:
        """Every offer that is due is stored by its centre."""
        offers, _ = self.desk.due(self.now)
        for offer in offers:
            self.desk.answered(offer, Answer(STORED, "stored"), self.now)
        return list(offers)

    def raised(self, verdict: Verdict) -> str:
        """The alarm that a frame raised."""
        return next(event.alarm_id for event in verdict.events if isinstance(event, ev.AlarmRaised))
