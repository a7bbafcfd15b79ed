"""The registry's nouns: devices, cases, units, users. One pattern for the four, ownership included."""

import hashlib
from collections.abc import Callable

import msgspec

from gateway.api import access, shapes
from gateway.api.doors import Json
from gateway.api.house import House
from gateway.api.identify import TOKEN_PREFIX
from gateway.api.messages import Answer, Call, Errand, reply_json
from gateway.api.problems import Refused
from gateway.model import Instant

Handler = Callable[..., Answer]


def is_own(house: House, call: Call, noun: str, key: str) -> bool:
    """Whether this entry (or one that is to be made) is the caller's to keep."""
    if noun == "case":
        return access.may_keep_case(call.principal, house.registry.case(key))
    if noun == "device":
        return access.may_keep_device(call.principal, house.registry.device(key), house.registry)
    return True


def require_own_target(house: House, call: Call, noun: str, fields: Json) -> None:
    """A case team may not put a case into another zone, nor a device into another zone's case."""
    who = call.principal
    if who.role != "case_team":
        return
    if noun == "case" and who.zone != access.ALL and fields.get("zone", who.zone) != who.zone:
        raise Refused("forbidden", f"zone: this team keeps zone {who.zone} only.")
    if noun == "device" and (ref := fields.get("case_ref")) is not None:
        case = house.registry.case(str(ref))
        if case is None or not access.is_zones_own(who.zone, case):
            raise Refused("unknown_case")


def lister(noun: str) -> Handler:
    """GET of all."""

    def list_entries(house: House, call: Call, given: None) -> Answer:
        key = f"{noun}_{'ref' if noun == 'case' else 'id'}"
        entries = [entry for entry in house.registry.list(noun) if is_own(house, call, noun, str(entry[key]))]
        return reply_json({"entries": entries})

    list_entries.__doc__ = f"Every {noun} that is the caller's to keep."
    return list_entries


def getter(noun: str) -> Handler:
    """GET of one."""

    def get_entry(house: House, call: Call, given: None) -> Answer:
        key = call.parts["id"]
        entry = house.registry.get(noun, key)
        if entry is None or not is_own(house, call, noun, key):
            raise Refused(f"unknown_{noun}")
        health = {"health": house.desk.device_health(key)} if noun == "device" else {}
        return reply_json({"entry": entry, "token": None, **health})

    get_entry.__doc__ = f"One {noun}."
    return get_entry


def putter(noun: str) -> Handler:
    """PUT of one."""

    def put_entry(house: House, call: Call, given: msgspec.Struct) -> Answer:
        key = call.parts["id"]
        fields: Json = msgspec.to_builtins(given)
        if not is_own(house, call, noun, key):
            raise Refused(f"unknown_{noun}")
        if noun == "case" and house.registry.case(key) is None and call.principal.zone not in (None, access.ALL):
            fields.setdefault("zone", call.principal.zone)
        require_own_target(house, call, noun, fields)
        return enter(house, call, noun, key, fields)

    put_entry.__doc__ = f"Enter or change a {noun}. Fields that are absent stay what they are."
    return put_entry


def enter(house: House, call: Call, noun: str, key: str, fields: Json, token: str | None = None) -> Errand:
    """Write to the registry, off the loop, and show what stands there now."""
    actor, now_us = call.principal.name, call.now.wall_us

    def show(entry: object, now: Instant) -> Answer:
        return reply_json({"entry": entry, "token": token})

    return Errand("registry", lambda: house.registry.put(noun, key, fields, actor, now_us), show)


def remover(noun: str) -> Handler:
    """DELETE of one."""

    def remove_entry(house: House, call: Call, given: None) -> Answer:
        key = call.parts["id"]
        if not is_own(house, call, noun, key):
            raise Refused(f"unknown_{noun}")
        if noun == "user" and key == call.principal.name:
            raise Refused("conflict", "Nobody removes themself: ask another administrator.")
        actor, now_us = call.principal.name, call.now.wall_us

        def tell(existed: object, now: Instant) -> Answer:
            if not existed:
                raise Refused(f"unknown_{noun}")
            if noun == "user":
                house.sessions.end_of_user(key)
            return reply_json({"done": True})

        return Errand("registry", lambda: house.registry.remove(noun, key, actor, now_us), tell)

    remove_entry.__doc__ = f"Take a {noun} out. Alarms pass all the same; the journal keeps what happened."
    return remove_entry


def put_user(house: House, call: Call, given: shapes.UserEntry) -> Answer:
    """Enter or change a user. A changed user is logged out everywhere; a new token is shown once."""
    key = call.parts["id"]
    fields: Json = msgspec.to_builtins(given)
    password = fields.pop("password", None)
    is_token_wanted = fields.pop("new_token", False)
    if password and is_token_wanted:
        raise Refused("bad_field", "password, new_token: a user has one of them, not both.")
    if key == call.principal.name and (fields.get("active") is False or fields.get("role", call.principal.role) != call.principal.role):
        raise Refused("conflict", "Nobody takes away their own role: ask another administrator.")
    house.sessions.end_of_user(key)
    if is_token_wanted:
        token = house.random_bytes(32).hex()
        fields["secret_hash"] = TOKEN_PREFIX + hashlib.sha256(token.encode()).hexdigest()
        return enter(house, call, "user", key, fields, f"{key}:{token}")
    if password is None:
        return enter(house, call, "user", key, fields)

    def with_hash(secret_hash: object, now: Instant) -> Answer:
        return enter(house, call, "user", key, fields | {"secret_hash": secret_hash})

    return Errand("password", lambda: house.hash_secret(key, str(password)), with_hash)


def adopt(house: House, call: Call, given: shapes.Adoption) -> Answer:
    """Register a device that was heard and is unknown, under the identity that it was heard with."""
    identity = call.parts["identity"]
    heard = next((entry for entry in house.desk.unknown_devices() if entry["identity"] == identity), None)
    if heard is None:
        raise Refused("unknown_device", "No unknown device with this identity was heard.")
    key = given.id or identity
    if house.registry.device(key) is not None or house.registry.device_named(identity) is not None:
        raise Refused("conflict", "This id or identity is registered already.")
    fields: Json = {"identifiers": [identity], "protocol": heard.get("protocol"), "state": "active"}
    if given.case:
        fields["case_ref"] = given.case
    if given.unit:
        fields["unit_id"] = given.unit
    require_own_target(house, call, "device", fields)
    return enter(house, call, "device", key, fields)


def list_unknown(house: House, call: Call, given: None) -> Answer:
    """Identities that were heard and are not registered, with when and how often."""
    return reply_json({"entries": list(house.desk.unknown_devices())})


def list_incidents(house: House, call: Call, given: None) -> Answer:
    """Devices of the caller's cases that were lost, are back, are low or were tampered with; newest first."""

    def is_theirs(device_id: str) -> bool:
        return house.registry.device(device_id) is not None and is_own(house, call, "device", device_id)

    return reply_json({"entries": list(house.desk.incidents(is_theirs))})


def open_test_window(house: House, call: Call, given: shapes.Nothing) -> Answer:
    """The next press of this device, within 15 minutes, is a test."""
    key = call.parts["id"]
    device = house.registry.device(key)
    if device is None or not access.may_keep_device(call.principal, device, house.registry):
        raise Refused("unknown_device")
    return reply_json({"done": True}, events=house.desk.open_test_window(key, call.principal.name, call.now))
