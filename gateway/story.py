"""The whole story of one alarm, for a person who was not there: each record as a sentence with its time."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway import events as ev
from gateway.model import Candidate, Decision, Fix, Order, OrderKind, kind_names


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    seq: int
    at_us: int
    since_ms: float
    "Since the first record of the alarm."
    what: str
    "Name of the event."
    text: str


def tell(alarm_id: str, entries: Iterable[tuple[int, int, object]], *, with_positions: bool = False) -> list[Line]:
    """The story of ``alarm_id`` from (seq, at_us, event) triples in journal order.

    ``with_positions``: coordinates are spelt out; otherwise only their age, accuracy and source.
    """
    lines: list[Line] = []
    frame: tuple[int, int, ev.FrameKept] | None = None
    born_us: int | None = None
    for seq, at_us, event in entries:
        if isinstance(event, ev.FrameKept):
            frame = (seq, at_us, event)
            continue
        if alarm_id not in (getattr(event, "alarm_id", None), getattr(event, "into", None)):
            continue
        born_us = at_us if born_us is None else born_us
        if frame is not None and isinstance(event, _FROM_DEVICE):
            lines.append(Line(frame[0], frame[1], (frame[1] - born_us) / 1000, "FrameKept", _frame_text(frame[2])))
            frame = None
        lines.append(Line(seq, at_us, (at_us - born_us) / 1000, type(event).__name__, _text_of(event, with_positions)))
    return lines


_FROM_DEVICE = (ev.AlarmRaised, ev.AlarmPressed, ev.PositionReported, ev.NetworksReported, ev.CancelClaimed, ev.FaultReported, ev.PreAlarmCancelled)


def _frame_text(frame: ev.FrameKept) -> str:
    doubt = f"; its {frame.refused} is wrong, so it was not answered" if frame.refused else ""
    return f"A frame of {len(frame.raw)} bytes came in over {frame.transport} ({frame.protocol}, {frame.listener}, trust {frame.trust.name}){doubt}."


def _place(fix: Fix | None, with_positions: bool) -> str:
    if fix is None:
        return "no position"
    said = f"a position by {fix.source}" if fix.valid else "a last known position"
    if fix.accuracy_m is not None:
        said += f" within {fix.accuracy_m:.0f} m"
    return said + (f" ({fix.lat_e7 / 1e7:.6f}, {fix.lon_e7 / 1e7:.6f})" if with_positions else "")


def _minutes(candidate: Candidate) -> str:
    return f"{candidate.unit_id} in {candidate.travel_s / 60:.1f} min over {candidate.distance_m / 1000:.1f} km"


def _decision_text(decision: Decision, reason: str) -> str:
    area, proposal = decision.area, decision.proposal
    text = f"Centre {area.centre_id} is responsible ({area.basis}; {reason})."
    if proposal.candidates:
        first, *others = proposal.candidates
        by = {"road": "by road", "straight_line": "as the crow flies"}.get(proposal.basis or "", "")
        text += f" Proposed unit: {_minutes(first)} {by} ({proposal.reason})."
        if others:
            text += " Then " + ", ".join(_minutes(other) for other in others) + "."
    else:
        text += f" No unit is proposed ({proposal.status}): {proposal.reason}."
    if proposal.skipped:
        text += " Not considered: " + ", ".join(f"{one.unit_id} ({one.reason})" for one in proposal.skipped) + "."
    return text


def _answer_text(event: ev.AlertAnswered) -> str:
    who = f"{event.centre_id} by {event.route_id}, attempt {event.attempt}"
    result = {4: "a human took it", 3: "stored", -1: "refused for good"}.get(event.level, "failed")
    return f"Message {event.seq} to {who}: {result} after {event.took_ms:.1f} ms" + (f" ({event.reason})." if event.reason else ".")


def _order_text(order: Order) -> str:
    match order.kind:
        case OrderKind.INTERVAL:
            return f"a report every {order.seconds} s"
        case OrderKind.LOCATE:
            return "its position"
        case OrderKind.CONFIRM:
            return "silence, because a centre has the alarm,"
        case OrderKind.SERVER:
            return "another server"
    return "something in an operator's own words"


def _text_of(event: object, with_positions: bool) -> str:
    match event:
        case ev.AlarmRaised():
            kind = "Test alarm" if event.test else "Pre-alarm" if event.pending else "Alarm"
            text = f"{kind} raised: {', '.join(kind_names(event.kinds))}; {_place(event.fix, with_positions)}; device clock {event.time_quality}"
            text += f"; case {event.case_ref or 'unknown'}; trust {event.trust.name}"
            return text + (f"; doubts: {', '.join(event.doubts)}." if event.doubts else ".")
        case ev.AlarmDurable():
            return "On the disk: a sync covers the record."
        case ev.DeviceAnswered():
            return "The device was answered."
        case ev.AlarmPressed(copy=True):
            return f"The same press came again over {event.transport}."
        case ev.AlarmPressed():
            return f"Pressed again over {event.transport}: {', '.join(kind_names(event.kinds))}."
        case ev.AlarmExpired():
            return f"The pre-alarm became an alarm: {event.reason}."
        case ev.PreAlarmCancelled():
            return "The pre-alarm was cancelled in time; nobody was alerted."
        case ev.PositionReported():
            kind = "Now at" if event.current else "History:"
            return f"{kind} {_place(event.fix, with_positions)}" + (f"; doubts: {', '.join(event.doubts)}." if event.doubts else ".")
        case ev.NetworksReported():
            return f"No fix: the device sees {len(event.networks.cells)} cells and {len(event.networks.wifi)} access points."
        case ev.CancelClaimed():
            return "The device says that it is over. The alarm stays: only a human ends it."
        case ev.FaultReported():
            return f"The device reports: {', '.join(kind_names(event.kinds))}."
        case ev.DeviceSilent():
            return f"Lost contact: the device has been silent for {event.silent_s} s."
        case ev.DeviceHeard():
            return "The device is heard again."
        case ev.AlarmRouted():
            return _decision_text(event.decision, event.reason)
        case ev.AlertQueued():
            return f"Message {event.seq} ({event.event}) is due to {event.centre_id} ({event.role}), {len(event.body)} bytes."
        case ev.AlertOffered():
            return f"Message {event.seq} sent to {event.centre_id} by {event.route_id}, attempt {event.attempt}."
        case ev.AlertAnswered():
            return _answer_text(event)
        case ev.AlarmEscalated():
            return f"Escalation {event.level}: {event.action}, because {event.reason}."
        case ev.FallbackSent():
            result = "given to the link" if event.ok else "failed"
            return f"Human fallback by {event.channel}: {result}" + (f" ({event.reason})." if event.reason else ".")
        case ev.CentreTold():
            who = event.operator or "The centre's system"
            said = {"accepted": "took it", "displayed": "sees it", "dispatched": "sent a unit", "arrived": "reports a unit on the scene"}
            text = f"{who} at {event.centre_id} {said.get(event.level, 'says ' + event.level)}"
            return text + (f" ({event.unit})." if event.unit else ".")
        case ev.AlarmResolved():
            return f"Resolved by {event.operator}: {event.outcome}."
        case ev.AlarmReopened():
            return f"Reopened by {event.operator}: {event.reason}."
        case ev.TestMarkedReal():
            return f"{event.operator} made the test a real alarm."
        case ev.TrackingExtended():
            return f"{event.operator} follows for {event.seconds // 60} min more."
        case ev.TrackingStopped():
            return f"Live tracking ended: {event.reason}."
        case ev.AlarmClosed():
            return f"Closed: {event.reason}."
        case ev.OrderAsked():
            return f"{_order_text(event.order).capitalize()} is asked of the device ({event.reason}, by {event.actor})."
        case ev.OrderSent():
            again = f", attempt {event.attempt}: it may have had it before" if event.attempt > 1 else ""
            return f"The order left for the device over {event.via}{again}."
        case ev.OrderEnded():
            return f"The order was {event.outcome}: {event.reason}."
        case ev.Viewed():
            return f"{event.actor} looked at {event.what}: {event.why}."
    return type(event).__name__
