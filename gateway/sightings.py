"""A report as it is judged: whose it is, when it was by a clock that is put right, and where she was last."""

from dataclasses import replace

from gateway.alarms import Sighting
from gateway.model import LIFE, Device, Facts, Frame, Instant, Kind, Link, Report, Trust
from gateway.positions import LastFixes, is_place
from gateway.times import DeviceClocks


class Sightings:
    """What is known beside a report, of every device: its clock, and for a while the place before a press."""

    def __init__(self, facts: Facts, last_fix_s: float, *, is_simulation: bool) -> None:
        self.last_fixes = LastFixes(round(last_fix_s * 1_000_000))
        self._facts = facts
        self._clocks = DeviceClocks()
        self._is_simulation = is_simulation

    def of(
        self, frame: Frame, report: Report, device: Device, link: Link, trust: Trust, doubts: tuple[str, ...], now: Instant
    ) -> Sighting:
        """One report of a frame. Heartbeats and logins teach the zone of the device's clock."""
        time = self._clocks.normalise(device.device_id, report.event_at_us, now.wall_us, stored=report.stored)
        if link.transport in ("tcp", "udp") and len(frame.reports) == 1 and _is_live(report):
            self._clocks.observe_live(device.device_id, report.event_at_us, now.wall_us)
        fix = report.fix
        if fix is not None and fix.at_us is not None and not (report.stored and time.quality == "bad"):  # months in a store are no wrong clock
            at_us = self._clocks.corrected(device.device_id, fix.at_us, report.event_at_us, time, now.wall_us)
            if at_us != fix.at_us:
                report = replace(report, fix=replace(fix, at_us=at_us))
        return Sighting(
            device=device,
            case=self._facts.case(device.case_ref) if device.case_ref else None,
            protocol=frame.protocol,
            transport=link.transport,
            report=report,
            raw=frame.raw,
            time=time,
            now=now,
            trust=trust,
            doubts=doubts,
            simulated=self._is_simulation or link.simulated or device.simulated,
        )

    def with_last_fix(self, sighting: Sighting) -> Sighting:
        """Where the deployment allows it: the last position before the press, in memory only, for the alarm alone."""
        device, report, now_us = sighting.device, sighting.report, sighting.now.mono_us
        if device.unit_id is not None:
            return sighting
        if report.fix is not None and is_place(report.fix) and report.fix.valid:
            self.last_fixes.keep(device.device_id, report.fix, now_us)
            return sighting
        known = self.last_fixes.of(device.device_id, now_us) if report.kinds & LIFE else None
        return replace(sighting, report=replace(report, fix=replace(known, valid=False))) if known else sighting


def _is_live(report: Report) -> bool:
    """A sign of life that no device keeps for later."""
    return bool(report.kinds) and not report.kinds & ~(Kind.LOGIN | Kind.HEARTBEAT) and report.fix is None and not report.stored
