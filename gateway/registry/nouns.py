"""The nouns of the registry: which fields each has, what they may be, and what they mean.

Written once; the CLI, the API and the documentation read it from here. A field's ``read`` takes what JSON (or a
person) gives and returns what is kept, or raises ``ValueError`` with what is wrong and what to do.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.model import Case, CaseRef, CentreId, Device, DeviceId, Trust, Unit, UnitId, User
from gateway.registry.identifiers import canonical, wrong_with

Values = Mapping[str, object]

ID_LENGTH_MAX = 64
IDENTIFIERS_MAX = 16
TEXT_LENGTH_MAX = 2000

_ID = re.compile(r"[A-Za-z0-9+][A-Za-z0-9._+:@-]*")

ROLES = ("operator", "supervisor", "case_team", "carrier", "unit", "operations", "auditor", "admin")
CASE_MOVES = {
    "REQUESTED": ("GRANTED", "ENDED"),
    "GRANTED": ("PROVISIONED", "ENDED"),
    "PROVISIONED": ("ACTIVE", "SUSPENDED", "ENDED"),
    "ACTIVE": ("SUSPENDED", "ENDED"),
    "SUSPENDED": ("ACTIVE", "ENDED"),
    "ENDED": (),
}
"{state: next states}. A protection that is granted again is a new case. An alarm passes in every state."


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a noun."""

    name: str
    read: Callable[[object], object]
    meaning: str
    may_be: str
    "What it may be, in words."
    kind: str = "text"
    "text, number, flag, list or map: how a command line gives it."
    default: object = None
    is_secret: bool = False
    "Written, never read back; whether there is one is said."
    is_ours: bool = False
    "Set by the registry alone."

    @property
    def shown_as(self) -> str:
        """Its name in an answer; of a secret only whether there is one."""
        return f"has_{self.name.removesuffix('_hex').removesuffix('_hash')}" if self.is_secret else self.name


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of entry."""

    name: str
    key: str
    "What its id is called: device_id, case_ref, …"
    fields: tuple[Field, ...]
    build: Callable[[str, Values], object]
    columns: tuple[str, ...]
    "The fields that fit a line of a table."

    def field(self, name: str) -> Field | None:
        """The field with this name."""
        return next((field for field in self.fields if field.name == name), None)


# -------------------------------------------------------------------------------------------------- readers


def read_id(value: object) -> str:
    """Ids are never parts of a path and never need quoting."""
    text = _plain(value, ID_LENGTH_MAX)
    if not _ID.fullmatch(text) or ".." in text:
        raise ValueError("must begin with a letter, digit or + and hold only A-Z a-z 0-9 . _ + : @ -, no two dots in a row")
    return text


def _plain(value: object, length_max: int) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    text = value.strip()
    if not text or len(text) > length_max:
        raise ValueError(f"must have 1 to {length_max} characters")
    if not text.isprintable():
        raise ValueError("holds a control character or an invisible one; remove it")
    return text


def _text(length_max: int) -> Callable[[object], object]:
    return lambda value: _plain(value, length_max)


def _prose(value: object) -> str:
    """Several lines are allowed; nothing that a terminal would act on."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    lines = [_plain(line, TEXT_LENGTH_MAX) for line in value.splitlines() if line.strip()]
    text = "\n".join(lines)
    if not 1 <= len(text) <= TEXT_LENGTH_MAX:
        raise ValueError(f"must have 1 to {TEXT_LENGTH_MAX} characters")
    return text


def _choice(*words: str) -> Callable[[object], object]:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return str(value)

    return read


def _number(low: int, high: int) -> Callable[[object], object]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _hex(*byte_counts: int) -> Callable[[object], object]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"([0-9a-fA-F]{2})+", value) or len(value) // 2 not in byte_counts:
            few = f"{byte_counts[0]} to {byte_counts[-1]}" if len(byte_counts) > 3 else ", ".join(map(str, byte_counts))
            raise ValueError(f"must be hex of {few} bytes")
        return value.lower()

    return read


def _listed(read_item: Callable[[object], object], count_max: int) -> Callable[[object], object]:
    """A list without doubles, in the order given."""

    def read(value: object) -> list[object]:
        if not isinstance(value, list | tuple) or len(value) > count_max:
            raise ValueError(f"must be a list of at most {count_max}")
        return list(dict.fromkeys(read_item(item) for item in value))

    return read


def _identifier(value: object) -> str:
    if not isinstance(value, str) or len(value) > 4 * ID_LENGTH_MAX:
        raise ValueError("must be a list of texts")
    name = canonical(value)
    if wrong := wrong_with(name):
        raise ValueError(f"one of them {wrong}")
    return name


def _centre_refs(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping) or len(value) > 64:
        raise ValueError("must be a table of centre id and reference, at most 64")
    return {read_id(centre): _plain(reference, ID_LENGTH_MAX) for centre, reference in sorted(value.items(), key=str)}


def _scope(value: object) -> str:
    return "*" if value == "*" else str(_plain(value, ID_LENGTH_MAX))


def _secret_hash(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}|\$argon2id\$[!-~]{40,300}", value):
        raise ValueError("must be an argon2id hash or sha256: and 64 hex digits")
    return value


# ---------------------------------------------------------------------------------------------------- nouns


def _device(key: str, values: Values) -> Device:
    filled = _filled(DEVICE, values)
    filled["identifiers"] = tuple(_strings(filled["identifiers"]))
    # A tier that a newer version knows and this one does not is worth no more than a claim.
    filled["trust_max"] = Trust.__members__.get(str(filled["trust_max"]), Trust.T1)
    return Device(DeviceId(key), **filled)  # type: ignore[arg-type]


def _case(key: str, values: Values) -> Case:
    filled = _filled(CASE, values)
    refs = filled["centre_refs"]
    filled["centre_refs"] = tuple((str(centre), str(ref)) for centre, ref in refs.items()) if isinstance(refs, Mapping) else ()
    return Case(CaseRef(key), **filled)  # type: ignore[arg-type]


def _unit(key: str, values: Values) -> Unit:
    filled = _filled(UNIT, values)
    filled["capabilities"] = tuple(_strings(filled["capabilities"]))
    return Unit(UnitId(key), **filled)  # type: ignore[arg-type]


def _user(key: str, values: Values) -> User:
    filled = _filled(USER, values)
    centre = filled["centre_id"]
    filled["centre_id"] = CentreId(str(centre)) if centre is not None else None
    return User(key, **filled)  # type: ignore[arg-type]


def _filled(noun: Noun, values: Values) -> dict[str, object]:
    """Every field with its value or default. Fields that a newer version wrote are left alone."""
    return {field.name: values.get(field.name, field.default) for field in noun.fields}


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


DEVICE = Noun(
    "device",
    "device_id",
    (
        Field("identifiers", _listed(_identifier, IDENTIFIERS_MAX), "What the device calls itself on the wire: IMEI, account, sending number, ISSI.",
              "up to 16 names of 2 to 64 plain characters", "list", ()),
        Field("protocol", _text(32), "The protocol it speaks.", "name of a protocol"),
        Field("model", _text(64), "Maker and model.", "text"),
        Field("config", _text(256), "Words for its protocol, parted by blanks: a variant, a switch. The protocol's page lists them.", "text"),
        Field("case_ref", read_id, "The case that it protects.", "reference of a case"),
        Field("unit_id", read_id, "The unit whose tracker it is: it moves the unit and never raises an alarm for a case.", "call sign of a unit"),
        Field("state", _choice("provisioned", "active", "suspended", "retired"), "For people; an alarm passes in every state.",
              "provisioned, active, suspended or retired", default="active"),
        Field("interval_s", _number(1, 604_800), "How often it promises to be heard; late at 1.5 times, lost at 3 times.", "1 to 604800",
              "number", 1800),
        Field("trust_max", _choice(*Trust.__members__), "The highest tier of trust that its frames may get.", "T0 to T5", default="T5"),
        Field("app_key_hex", _hex(*range(32, 65)), "Secret of the app path.", "hex of 32 to 64 bytes", is_secret=True),
        Field("key_hex", _hex(*range(1, 65)), "Key of a protocol that encrypts, or a telephone app's token.", "hex of 1 to 64 bytes", is_secret=True),
        Field("clock_offset_s", _number(-86_400, 86_400), "Its local time minus UTC, when it sends local time without saying so.",
              "-86400 to 86400", "number"),
        Field("simulated", _flag, "Part of a simulation: nothing of it reaches a real centre.", "true or false", "flag", False),
        Field("bound_at_us", _number(0, 1 << 62), "When it was given to its case, in Unix microseconds; older frames never show up in it.",
              "set by the registry", "number", is_ours=True),
    ),
    _device,
    ("protocol", "state", "case_ref", "unit_id", "identifiers"),
)  # fmt: skip

CASE = Noun(
    "case",
    "case_ref",
    (
        Field("state", _choice(*CASE_MOVES), "Where the protection stands; an alarm passes in every state.", ", ".join(CASE_MOVES), default="ACTIVE"),
        Field("zone", _text(32), "The police zone that keeps the file.", "text"),
        Field("risk", _choice("standard", "high"), "Class of risk.", "standard or high"),
        Field("instructions", _prose, "What the operator must know at once. No names, no addresses.", "text of up to 2000 characters"),
        Field("centre_refs", _centre_refs, "What each centre calls the file.", "centre id and reference, up to 64", "map", {}),
    ),
    _case,
    ("state", "zone", "risk", "instructions"),
)

UNIT = Noun(
    "unit",
    "unit_id",
    (
        Field("status", _choice("available", "busy", "off"), "Whether it can be sent.", "available, busy or off", default="available"),
        Field("zone", _text(32), "The police zone that it belongs to.", "text"),
        Field("capabilities", _listed(_text(32), 32), "What it can do.", "up to 32 words", "list", ()),
        Field("simulated", _flag, "Part of a simulation.", "true or false", "flag", False),
    ),
    _unit,
    ("status", "zone", "capabilities"),
)

USER = Noun(
    "user",
    "user_id",
    (
        Field("role", _choice(*ROLES), "What the user may do.", " or ".join(ROLES)),
        Field("secret_hash", _secret_hash, "argon2id of the password, or SHA-256 of the token.", "set through password or token", is_secret=True),
        Field("centre_id", _scope, "Operators and supervisors: the centre whose alarms they see; * is every centre.", "id of a centre, or *"),
        Field("zone", _scope, "Case teams: the zone whose cases they keep; * is every zone.", "zone, or *"),
        Field("active", _flag, "False: may not log in.", "true or false", "flag", True),
    ),
    _user,
    ("role", "centre_id", "zone", "active"),
)

NOUNS = {noun.name: noun for noun in (DEVICE, CASE, UNIT, USER)}
