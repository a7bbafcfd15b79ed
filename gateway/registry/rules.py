"""What an entry must be beside the others: unique names, references that lead somewhere, states that follow.

A change that breaks a rule is refused as a whole, with the name of what stands against it. What is only odd comes
back as warnings.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from gateway.errors import CommandError
from gateway.registry.identifiers import key_of, odd_about
from gateway.registry.nouns import CASE_MOVES, NOUNS, Noun, Values
from gateway.registry.snapshot import Snapshot

INTERVAL_HIGH_RISK_S = 180


@dataclass(frozen=True, slots=True)
class Known:
    """What the configuration and the protocols know; None: not told, so nothing is said about it."""

    protocols: Mapping[str, Collection[str]] | None = None
    "Device protocols, each with the words that a device's ``config`` may hold for it: ``no_sack``, or ``interval=…`` with a value."
    centres: frozenset[str] | None = None


def refuse(noun: str, key: str, words: str, code: str = "conflict") -> CommandError:
    """The error that says which entry, what is wrong and what to do."""
    return CommandError(f"{noun} {key}: {words}", code=code)


def read_fields(noun: Noun, key: str, fields: Mapping[str, object]) -> dict[str, object]:
    """The fields as they are kept; None stands for "back to the default". Raises CommandError with every mistake."""
    read: dict[str, object] = {}
    wrong = []
    for name, value in fields.items():
        field = noun.field(name)
        if field is None or field.is_ours:
            known = [field.name for field in noun.fields if not field.is_ours]
            guess = get_close_matches(name, known, n=1)
            words = "is set by the registry; leave it out" if field else f"is no field of a {noun.name}; "
            wrong.append(f"{name} {words}" + ("" if field else f"did you mean {guess[0]}?" if guess else f"known: {', '.join(known)}"))
            continue
        try:
            read[name] = None if value is None else field.read(value)
        except ValueError as error:
            wrong.append(f"{name} {error}")
    if wrong:
        raise refuse(noun.name, key, "; ".join(wrong), "wrong_use")
    return read


def check(snapshot: Snapshot, noun: str, key: str, before: Values | None, after: Values, known: Known) -> list[str]:
    """Warnings about an entry that is added or set. Raises CommandError when it may not stand beside the others."""
    if before is None:
        check_spelling(snapshot, noun, key)
    return list(_CHECKS[noun](snapshot, key, before, after, known))


def check_spelling(snapshot: Snapshot, noun: str, key: str) -> None:
    """Two ids that differ in case alone would be taken for one another."""
    other = snapshot.spellings.get((noun, key.lower()))
    if other is not None and other != key:
        raise refuse(noun, key, f"is there already as {other}; use that id or one that differs in more than capitals")


def check_removal(snapshot: Snapshot, noun: str, key: str) -> list[str]:
    """Warnings about taking an entry out. Raises CommandError while another one leans on it."""
    if noun in ("case", "unit"):
        field = NOUNS[noun].key
        leaning = [device.device_id for device in snapshot.devices() if getattr(device, field) == key]
        if leaning:
            todo = f"take it away first: gateway device set {leaning[0]} --clear {field}"
            raise refuse(noun, key, f"device {leaning[0]}{_others(leaning)} belongs to it; {todo}")
    if noun == "user":
        _require_admin(snapshot, key, {})
    if noun == "device" and (device := snapshot.device(key)) and device.case_ref:
        return [f"device {key} protected case {device.case_ref}: its alarms come from an unknown device from now on"]
    return []


def _others(ids: Sequence[str]) -> str:
    return f" and {len(ids) - 1} more" if len(ids) > 1 else ""


def _check_device(snapshot: Snapshot, key: str, before: Values | None, after: Values, known: Known) -> Iterator[str]:
    names, known_names = after.get("identifiers", ()), (before or {}).get("identifiers", ())
    assert isinstance(names, list | tuple) and isinstance(known_names, list | tuple)
    for name in map(str, names):
        other = snapshot.names.get(key_of(name))
        if other is not None and other != key:
            raise refuse("device", key, f"identifier ending in {name[-4:]} belongs to device {other}; take it away there first, or correct it here")
        if name not in known_names and (odd := odd_about(name)):
            yield odd
    if len({key_of(str(name)) for name in names}) < len(names):
        raise refuse("device", key, "an identifier stands twice, in other capitals; name it once")
    case_ref, unit_id = after.get("case_ref"), after.get("unit_id")
    if case_ref is not None and unit_id is not None:
        raise refuse("device", key, "has a case_ref and a unit_id; a device protects a case or is the tracker of a unit")
    if case_ref is not None:
        yield from _check_binding(snapshot, key, before, after, str(case_ref))
    if unit_id is not None and snapshot.unit(str(unit_id)) is None:
        raise _missing(snapshot, "device", key, "unit", str(unit_id))
    if known.protocols is not None and after.get("protocol") not in (None, *known.protocols):
        yield f"protocol {after['protocol']} is none of this version: {', '.join(sorted(known.protocols))}"
    yield from _odd_words(after, known)
    if not names and not after.get("app_key_hex"):
        yield "no identifiers: nothing on the wire will be taken for this device"


def _is_kin(known_word: str, name: str) -> bool:
    """Is it a value of this word? ``interval=…`` has one name, ``event…=…`` many."""
    beginning, is_open, _ = known_word.partition("=")[0].partition("…")
    return name.startswith(beginning) if is_open else name == beginning


def _odd_words(after: Values, known: Known) -> Iterator[str]:
    """Words of ``config`` that the device's protocol does not know: a switch that is misspelt does nothing."""
    if known.protocols is None or not after.get("config"):
        return
    protocol = str(after.get("protocol") or "")
    words = known.protocols.get(protocol) if protocol else [word for some in known.protocols.values() for word in some]
    for word in str(after["config"]).replace(",", " ").split() if words is not None else ():
        name, equals, _ = word.partition("=")
        if not any(known_word == word or (equals and _is_kin(known_word, name)) for known_word in words or ()):
            guess = get_close_matches(word, words or (), n=1)
            hint = f"did you mean {guess[0]}?" if guess else f"known: {', '.join(words or ()) or 'none'}"
            yield f"config word {word} says nothing to {protocol or 'any protocol'}; {hint}"


def _check_binding(snapshot: Snapshot, key: str, before: Values | None, after: Values, case_ref: str) -> Iterator[str]:
    case = snapshot.case(case_ref)
    if case is None:
        raise _missing(snapshot, "device", key, "case", case_ref)
    if case.state == "ENDED" and (before or {}).get("case_ref") != case_ref:
        raise refuse("device", key, f"case {case_ref} has ended; a protection that is granted again is a new case")
    interval_s = after.get("interval_s", 1800)
    if case.risk == "high" and isinstance(interval_s, int) and interval_s > INTERVAL_HIGH_RISK_S:
        yield f"case {case_ref} is of high risk: interval_s is {interval_s}, at most {INTERVAL_HIGH_RISK_S} is advised"


def _check_case(snapshot: Snapshot, key: str, before: Values | None, after: Values, known: Known) -> Iterator[str]:
    was, state = str((before or {}).get("state", "ACTIVE")), str(after.get("state", "ACTIVE"))
    if before is not None and state != was and state not in CASE_MOVES[was]:
        following = " or ".join(CASE_MOVES[was])
        words = f"from {was} it can become {following}" if following else f"{was} is final; a protection that is granted again is a new case"
        raise refuse("case", key, f"can't become {state}; {words}")
    refs = after.get("centre_refs", {})
    assert isinstance(refs, Mapping)
    for centre in refs:
        if known.centres is not None and centre not in known.centres:
            yield f"centre_refs: no centre {centre} is configured"
    if state == "ENDED" and state != was:
        bound = [device.device_id for device in snapshot.devices() if device.case_ref == key]
        if bound:
            yield f"device {bound[0]}{_others(bound)} still belongs to it; its alarms pass, marked as of an ended case"


def _check_unit(snapshot: Snapshot, key: str, before: Values | None, after: Values, known: Known) -> Iterator[str]:
    return iter(())


def _check_user(snapshot: Snapshot, key: str, before: Values | None, after: Values, known: Known) -> Iterator[str]:
    if after.get("role") is None:
        raise refuse("user", key, "has no role; give one", "wrong_use")
    if after.get("secret_hash") is None:
        raise refuse("user", key, "has neither password nor token; give one", "wrong_use")
    _require_admin(snapshot, key, after)
    role, centre = after["role"], after.get("centre_id")
    if role in ("operator", "supervisor") and centre is None:
        yield f"role {role} without centre_id: sees no alarm; name the centre, or * for every one"
    if role == "case_team" and after.get("zone") is None:
        yield "role case_team without zone: keeps no case; name the zone, or * for every one"
    if known.centres is not None and centre not in (None, "*", *known.centres):
        yield f"centre_id: no centre {centre} is configured"


def _require_admin(snapshot: Snapshot, key: str, after: Values) -> None:
    """Somebody must stay able to let others in."""
    admins = {user.user_id for user in snapshot.users() if user.role == "admin" and user.active}
    if admins == {key} and (after.get("role") != "admin" or not after.get("active", True)):
        raise refuse("user", key, "is the last active admin; make another one first")


def _missing(snapshot: Snapshot, noun: str, key: str, wanted: str, name: str) -> CommandError:
    guess = get_close_matches(name, snapshot.rows[wanted], n=1)
    todo = f"did you mean {guess[0]}?" if guess else f"add it first: gateway {wanted} add {name}"
    return refuse(noun, key, f"{NOUNS[wanted].key}: there is no {wanted} {name}; {todo}", f"unknown_{wanted}")


_CHECKS = {"device": _check_device, "case": _check_case, "unit": _check_unit, "user": _check_user}
