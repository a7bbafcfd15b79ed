"""Who may do what: roles, and which alarms and cases are one's own.

Default deny. Which role may call which route stands in the table of ``routes.py``; whether the object is one's
own is decided here. Somebody who may not see an object is told that it does not exist.
"""

from collections.abc import Iterable

from gateway.api.messages import Principal
from gateway.model import Alarm, Case, Device, Facts, OrderKind

ROLES = ("operator", "supervisor", "case_team", "carrier", "unit", "operations", "auditor", "admin")
"Roles of users; a registry entry has exactly one."

OTHERS = ("public", "local", "device", "centre", "bridge")
"Roles that nobody can be given: a stranger, the control socket, a signed device, a signed centre, an SMS bridge."

PUBLIC = frozenset({"public"})
EVERYBODY = frozenset((*ROLES, "local"))
DISPATCH = frozenset({"operator", "supervisor", "local"})
SUPERVISION = frozenset({"supervisor", "local"})
CASE_TEAM = frozenset({"case_team", "local"})
PROVISIONING = frozenset({"case_team", "admin", "local"})
ADMINISTRATION = frozenset({"admin", "local"})
VIEWERS = DISPATCH | {"case_team", "unit"}
"Who may see positions of protected persons: of alarms that are their own, and only while there is an alarm."
RUNNERS = frozenset({"operations", "admin", "supervisor", "operator", "local"})

ORDERING = DISPATCH | {"operations"}
"Who may ask a device for something; for what, see ``ORDERS_OF``."

ORDERS_OF: dict[str, frozenset[OrderKind]] = {
    "operator": frozenset({OrderKind.LOCATE}),
    "supervisor": frozenset(OrderKind),
    "operations": frozenset({OrderKind.INTERVAL, OrderKind.SERVER, OrderKind.TEXT}),
    "local": frozenset(OrderKind),
}
"Operations runs devices and sees no position: it does not ask for one."

ALL = "*"


def centres_of(alarm: Alarm) -> set[str]:
    """The centres whose alarm this is: chosen, told or acting."""
    centres: set[str] = set(alarm.offered_to)
    if alarm.decision:
        area = alarm.decision.area
        centres.update((area.centre_id, *area.overlap))
    if alarm.taken_centre:
        centres.add(alarm.taken_centre)
    return centres


def is_centres_own(centre_id: str | None, alarm: Alarm) -> bool:
    """An alarm for which no centre is chosen yet belongs to every centre: rather seen twice than by nobody."""
    if centre_id is None:
        return False
    centres = centres_of(alarm)
    return centre_id == ALL or not centres or centre_id in centres


def is_zones_own(zone: str | None, case: Case | None) -> bool:
    """A case without a zone belongs to no zone's team, only to those of every zone."""
    if zone is None:
        return False
    return zone == ALL or (case is not None and case.zone == zone)


def may_see(who: Principal, alarm: Alarm, facts: Facts) -> bool:
    """Whether this alarm, its position and its track may be shown to them."""
    match who.role:
        case "local":
            return True
        case "operator" | "supervisor":
            return is_centres_own(who.centre_id, alarm)
        case "case_team":
            return is_zones_own(who.zone, facts.case(alarm.case_ref) if alarm.case_ref else None)
        case "unit":
            return alarm.is_open and alarm.unit_assigned == who.name
        case "centre":
            return who.name in centres_of(alarm)
        case _:
            return False


def may_keep_case(who: Principal, case: Case | None) -> bool:
    """Whether a registered case (None: a new one) may be read and changed by them."""
    if who.role == "case_team":
        return case is None or is_zones_own(who.zone, case)
    return who.role == "local"


def may_keep_device(who: Principal, device: Device | None, facts: Facts) -> bool:
    """A device of a case belongs to the case's team; one without a case to whoever provisions."""
    if who.role == "case_team" and device is not None and device.case_ref:
        return is_zones_own(who.zone, facts.case(device.case_ref))
    return who.role in PROVISIONING


def may_order(who: Principal, alarms: Iterable[Alarm]) -> bool:
    """Whether a device with these alarms may be asked for anything by them: a control room reaches the devices of its own alarms."""
    if who.role in ("operator", "supervisor"):
        return who.centre_id == ALL or any(is_centres_own(who.centre_id, alarm) for alarm in alarms)
    return who.role in ORDERING
