"""The human fallback's text: what a person on duty must know when no centre has taken an alarm.

It leaves the house by a link that is not ours, so it holds no name, no address and, unless the operator of the
gateway has said that the link may carry them, no coordinates: the console's link leads to those, behind a login.
Plain ASCII, because one other character would halve what fits into an SMS.
"""

import math

from gateway.delivery.envelope import Sender, live_link, rfc3339
from gateway.model import Alarm, Facts

TEXT_CHARS_MAX = 306
"Two SMS of 153 characters each."


def fallback_text(alarm: Alarm, reason: str, facts: Facts, sender: Sender, *, position: bool = False) -> str:
    """One line on which a person can act: what, whose, since when, why she is told, whom to send, where to look."""
    marks = ("SIMULATED " if alarm.simulated else "") + ("TEST " if alarm.test else "")
    parts = [f"{marks}STALKING ALARM {_clock(alarm.received_at_us)} UTC", _whose(alarm, facts), reason, _proposal(alarm)]
    parts.append(_place(alarm) if position else "")
    parts.append(live_link(sender, alarm.alarm_id) or f"alarm {alarm.alarm_id}")
    *front, link = (ascii(part)[1:-1] for part in parts if part)
    # The link is what she acts on: the words before it give way, never the link.
    return f"{'. '.join(front)[: max(0, TEXT_CHARS_MAX - len(link) - 2)]}. {link}"


def _clock(at_us: int) -> str:
    return (rfc3339(at_us) or "????-??-??T??:??")[11:16]


def _whose(alarm: Alarm, facts: Facts) -> str:
    if not alarm.case_ref:
        return "case unknown"
    case = facts.case(alarm.case_ref)
    return f"case {alarm.case_ref}" + (f" zone {case.zone}" if case and case.zone else "")


def _proposal(alarm: Alarm) -> str:
    proposal = alarm.decision.proposal if alarm.decision else None
    if proposal is None or not proposal.candidates:
        return "no unit known"
    first = proposal.candidates[0]
    minutes = f" {max(1, round(first.travel_s / 60))} min" if math.isfinite(first.travel_s) else ""
    return f"nearest unit {first.unit_id}{minutes}"


def _place(alarm: Alarm) -> str:
    seen = alarm.position or alarm.last_known
    if seen is None:
        return "no position"
    return f"{'at' if alarm.position else 'last at'} {seen.fix.lat_e7 / 1e7:.5f},{seen.fix.lon_e7 / 1e7:.5f} {_clock(seen.received_at_us)}"
