"""What types can't say: addresses, duplicates, references between centres, files, and what is unwise."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.config.build import shapes_of
from gateway.config.files import wrong_with_areas, wrong_with_file
from gateway.config.limits import CHOICES, FILES, FileKind
from gateway.config.lines import KeyPath
from gateway.config.notes import Notes, meant, printable
from gateway.delivery.options import CentreOptions, FallbackOptions, RouteOptions
from gateway.model import Trust
from gateway.orders import OrderOptions
from gateway.shell.options import ApiOptions, ListenOptions, SmsOptions

if TYPE_CHECKING:
    from gateway.config import Config

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KANNEL_KEYS = ("url", "username", "password_file", "to_file")

Bind = tuple[str, int]


def parse_bind(text: str) -> Bind:
    """``127.0.0.1:5023``, ``[::1]:5023`` or ``localhost:5023`` -> address and port.

    Raises ``ValueError`` with what is wrong and what to do.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise ValueError("is not address:port; write it as 127.0.0.1:5023 or [::1]:5023")
    if int(port) > 65_535:
        raise ValueError(f"port {port} does not exist; choose 0 to 65535")
    if host == "localhost":
        return "127.0.0.1", int(port)
    if host in ("", "*"):
        raise ValueError("names no address; write 0.0.0.0 before the port for every address of this machine")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("is not address:port; an IPv6 address stands in brackets, as in [::1]:5023")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        raise ValueError("does not begin with an address of this machine; write numbers, as in 127.0.0.1:5023") from None


def check(config: "Config", notes: Notes, protocols: Mapping[str, tuple[str, ...]]) -> None:
    """Complain of everything that the types let pass; warn of what is unwise."""
    check_id(notes, ("gateway", "name"), config.gateway.name)
    check_api(config.api, notes)
    for position, listen in enumerate(config.listen):
        check_listen(listen, ("listen", position), notes, protocols)
    if not config.listen and not config.sms and not config.sds:
        notes.warn((), "no [[listen]], no [[sms]] and no [[sds]]: only the app path of the API can raise an alarm")
    check_ports(config, notes)
    for position, bridge in enumerate(config.sms):
        check_networks(notes, ("sms", position, "allow"), bridge.allow)
    check_bridges(config.sms, notes)
    check_unique(notes, [(("sds", position, "name"), gate.name) for position, gate in enumerate(config.sds)])
    for position, gate in enumerate(config.sds):
        check_networks(notes, ("sds", position, "allow"), gate.allow)
    check_centres(config, notes)
    check_fallback(config.fallback, config.api.public_url, notes)
    check_order(config, notes)
    check_orders(config.orders, notes)
    if config.roads.file is None:
        notes.warn(("roads",), "no road index: units are proposed by straight lines; make one with `gateway roads build` and name it in roads.file")
    notes.warn(("retention",), "this version deletes nothing by itself: the journal keeps everything until somebody removes it")
    check_files(config, notes)


# ------------------------------------------------------------------------------------------------ addresses


def check_id(notes: Notes, path: KeyPath, value: str) -> None:
    """Ids stand in records, logs and addresses, so they are plain."""
    if not _ID.fullmatch(value):
        notes.complain(path, "is no id; use up to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit")


def check_bind(notes: Notes, path: KeyPath, text: str) -> Bind | None:
    try:
        return parse_bind(text)
    except ValueError as error:
        notes.complain(path, f'"{printable(text)}" {error}')
        return None


def check_url(notes: Notes, path: KeyPath, url: str) -> None:
    """An address of a centre or bridge; secrets are no part of it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        notes.complain(path, f"is no address ({error}); write it as https://host/path")
        return
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        notes.complain(path, "is no address; write it as https://host/path")
    elif parts.username is not None or parts.password is not None:
        notes.complain(path, "holds a user name or password; secrets come by file, remove it from the address")
    elif parts.fragment:
        notes.complain(path, "has a part after #, which is never sent; remove it")
    elif parts.scheme == "http" and not is_loopback(host):
        notes.warn(path, "is not encrypted: whoever is on the way reads where she is; use https")


def check_networks(notes: Notes, path: KeyPath, networks: Iterable[str]) -> None:
    for position, network in enumerate(networks):
        try:
            ip_network(network)
        except ValueError:
            try:
                fitting = ip_network(network, strict=False)
            except ValueError:
                notes.complain((*path, position), f'"{printable(network)}" is no network; write it as 10.20.0.0/16')
            else:
                notes.complain((*path, position), f"{network} names an address inside a network; did you mean {fitting}?")


def is_loopback(host: str) -> bool:
    """Only this machine can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_api(api: ApiOptions, notes: Notes) -> None:
    bind = check_bind(notes, ("api", "bind"), api.bind)
    if bind and not is_loopback(bind[0]) and api.tls is None and not api.behind_proxy and notes.is_sound("api", "tls"):
        notes.complain(
            ("api", "bind"),
            f"{bind[0]} can be reached from other machines and there is no TLS; give [api.tls] cert_file and key_file, "
            "bind 127.0.0.1, or say behind_proxy = true when a proxy on this host ends TLS",
        )
    if api.public_url is not None:
        check_url(notes, ("api", "public_url"), api.public_url)
    if api.session_idle_s > api.session_max_s:
        notes.complain(("api", "session_idle_s"), "is longer than session_max_s; make it shorter")


def check_listen(listen: ListenOptions, path: KeyPath, notes: Notes, protocols: Mapping[str, tuple[str, ...]]) -> None:
    bind = check_bind(notes, (*path, "bind"), listen.bind)
    check_networks(notes, (*path, "allow"), listen.allow)
    if listen.protocol not in ("auto", *protocols):
        notes.complain((*path, "protocol"), f'"{printable(listen.protocol)}" is unknown; {meant(listen.protocol, ("auto", *protocols))}')
    elif listen.protocol in protocols and listen.transport not in protocols[listen.protocol]:
        spoken = [transport for transport in protocols[listen.protocol] if transport in CHOICES["ListenOptions.transport"]]
        if spoken:
            notes.complain((*path, "transport"), f'{listen.protocol} is not spoken over {listen.transport}; set transport = "{spoken[0]}"')
        else:
            notes.complain((*path, "protocol"), f"{listen.protocol} has no port of its own; remove this [[listen]]")
    elif listen.protocol == "auto" and listen.transport == "http":
        spoken = [name for name, transports in protocols.items() if "http" in transports]
        notes.complain((*path, "protocol"), f"nothing is recognised over http; name the protocol: {' or '.join(spoken)}")
    if listen.transport == "http" and listen.tls is None and bind and not is_loopback(bind[0]):
        notes.warn((*path, "tls"), "is not encrypted: whoever is on the way reads where she is and can alarm in her name; give a certificate")
    if listen.transport == "udp" and listen.tls is not None:
        notes.complain((*path, "tls"), "datagrams with TLS are not in this version; remove it or use transport = \"tcp\"")
    if listen.connections_per_source_max > listen.connections_max and notes.is_sound(*path, "connections_max"):
        notes.complain((*path, "connections_per_source_max"), "is more than connections_max; lower it")
    if listen.group != "public" and not listen.allow and bind and not is_loopback(bind[0]):
        notes.warn((*path, "group"), f"{listen.group} vouches for every sender and allow is empty; name the carrier's networks in allow")


def check_ports(config: "Config", notes: Notes) -> None:
    """No two of our doors on one port of one address."""
    taken: list[tuple[str, Bind, KeyPath]] = []
    doors: list[tuple[str, str, KeyPath]] = [("tcp", config.api.bind, ("api", "bind"))]
    for position, listen in enumerate(config.listen):
        doors.append(("udp" if listen.transport == "udp" else "tcp", listen.bind, ("listen", position, "bind")))
    for transport, text, path in doors:
        try:
            bind = parse_bind(text)
        except ValueError:
            continue
        for other_transport, other, where in taken:
            if transport == other_transport and bind[1] == other[1] != 0 and _overlap(bind[0], other[0]):
                notes.complain(path, f"{transport} port {bind[1]} is already taken by {'.'.join(map(str, where[:1]))}"
                               f"{f'[{where[1]}]' if len(where) > 2 else ''} (line {notes.lines.get(where, 1)}); choose another")  # fmt: skip
                break
        taken.append((transport, bind, path))


def _overlap(one: str, two: str) -> bool:
    """Binding both fails: equal addresses, or one of them stands for all."""
    first, second = ip_address(one), ip_address(two)
    if first == second or IPv6Address("::") in (first, second):
        return True
    return first.version == second.version == 4 and IPv4Address("0.0.0.0") in (first, second)


def check_bridges(bridges: tuple[SmsOptions, ...], notes: Notes) -> None:
    seen: dict[str, int] = {}
    for position, bridge in enumerate(bridges):
        first = seen.setdefault(bridge.path_secret_file, position)
        if first != position and bridge.path_secret_file:
            notes.complain(("sms", position, "path_secret_file"), f"is that of sms[{first}] as well; each bridge needs a secret of its own")


# -------------------------------------------------------------------------------------------------- centres


def check_centres(config: "Config", notes: Notes) -> None:
    centres = config.centre
    if not centres:
        notes.complain(("centre",), "no centre: nobody would be alerted; add a [[centre]] with a [[centre.route]]")
        return
    check_unique(notes, [(("centre", position, "id"), centre.id) for position, centre in enumerate(centres)])
    for position, centre in enumerate(centres):
        check_centre(centre, ("centre", position), [other.id for other in centres], notes)
    check_national(centres, notes)
    if config.gateway.simulation and not any(centre.test for centre in centres) and notes.is_sound("centre"):
        notes.warn(("gateway", "simulation"), "no centre has test = true: simulated alarms reach nobody")
    for position, centre in enumerate(centres):
        if centre.test and not config.gateway.simulation:
            notes.warn(("centre", position, "test"), "a test centre in a gateway that is not a simulation; is somebody there at night?")


def check_unique(notes: Notes, ids: list[tuple[KeyPath, str]]) -> None:
    """Each id is plain and stands once."""
    seen: dict[str, KeyPath] = {}
    for path, value in ids:
        check_id(notes, path, value)
        first = seen.setdefault(value.lower(), path)
        if first != path and value:
            word = "name" if path[-1] == "name" else "id"
            notes.complain(path, f'"{printable(value)}" is taken already (line {notes.lines.get(first, 1)}); choose another {word}')


def check_centre(centre: CentreOptions, path: KeyPath, known: list[str], notes: Notes) -> None:
    if not centre.route and notes.is_sound(*path, "route"):
        notes.complain(path, f"centre {centre.id or '?'} has no route: nothing could reach it; add a [[centre.route]]")
    if centre.backup == centre.id and centre.backup:
        notes.complain((*path, "backup"), "is the centre itself; name another one")
    elif centre.backup is not None and centre.backup not in known:
        others = [other for other in known if other and other != centre.id]
        notes.complain((*path, "backup"), f'no centre has the id "{printable(centre.backup)}"; {meant(centre.backup, others)}')
    if centre.area_filter is not None:
        if centre.area is None:
            notes.complain((*path, "area_filter"), "there is no area to filter; name its file in area")
        elif not re.fullmatch(r"[^=]+=.+", centre.area_filter):
            notes.complain((*path, "area_filter"), "is not property=value; write it as province=Oost-Vlaanderen")
    if centre.area is None and not centre.national_fallback and not centre.test:
        notes.warn(path, f"centre {centre.id} has no area: it gets alarms only as the backup of another")
    named = [(route.id or f"{route.kind}-{position + 1}") for position, route in enumerate(centre.route)]
    check_unique(notes, [((*path, "route", position, "id"), name) for position, name in enumerate(named) if centre.route[position].kind])
    for position, route in enumerate(centre.route):
        check_route(route, (*path, "route", position), notes)


def check_route(route: RouteOptions, path: KeyPath, notes: Notes) -> None:
    if route.url:
        check_url(notes, (*path, "url"), route.url)
    if not route.secret_files and notes.is_sound(*path, "secret_files"):
        notes.warn((*path, "secret_files"), "none: alerts are not signed and acknowledgements of this centre can't be believed")
    check_pair(notes, path, "client_cert_file", route.client_cert_file, "client_key_file", route.client_key_file)
    if route.url.startswith("http:"):
        for key in ("ca_file", "client_cert_file"):
            if getattr(route, key) is not None:
                notes.complain((*path, key), "is of no use without TLS; write https in url or remove it")


def check_pair(notes: Notes, path: KeyPath, one: str, first: str | None, two: str, second: str | None) -> None:
    if (first is None) != (second is None):
        given, missing = (one, two) if second is None else (two, one)
        notes.complain((*path, given), f"needs {missing} beside it; add it")


def check_national(centres: tuple[CentreOptions, ...], notes: Notes) -> None:
    """Exactly one centre takes what lies in nobody's area."""
    if any(not notes.is_sound("centre", position, "national_fallback") for position in range(len(centres))):
        return
    nationals = [position for position, centre in enumerate(centres) if centre.national_fallback]
    if not nationals:
        notes.complain(("centre",), "no centre takes the alarms that lie in nobody's area; write national_fallback = true in one")
    for position in nationals[1:]:
        notes.complain(("centre", position, "national_fallback"), f"centre {centres[nationals[0]].id} takes them already; only one may")


def check_order(config: "Config", notes: Notes) -> None:
    """Times that only make sense one after the other."""
    outbox, supervision = config.delivery.outbox, config.supervision
    if list(outbox.attempts_s) != sorted(set(outbox.attempts_s)) and notes.is_sound("delivery", "outbox", "attempts_s"):
        notes.complain(("delivery", "outbox", "attempts_s"), "does not rise; write each time once, the earliest first")
    for earlier, later in (("backup_centre_s", "human_fallback_s"), ("escalation_2_s", "escalation_3_s")):
        if getattr(outbox, earlier) > getattr(outbox, later):
            notes.complain(("delivery", "outbox", later), f"comes before {earlier}; make it later or equal")
    if supervision.battery_critical_percent > supervision.battery_low_percent:
        notes.complain(("supervision", "battery_critical_percent"), "is above battery_low_percent; lower it")


def check_fallback(fallback: FallbackOptions, public_url: str | None, notes: Notes) -> None:
    """The keys of the chosen kind are there, and no others."""
    wanted = {"kannel": _KANNEL_KEYS, "command": ("command",)}.get(fallback.kind, ())
    if not notes.is_sound("fallback", "kind"):
        return
    for key in (*_KANNEL_KEYS, "command"):
        is_given, path = bool(getattr(fallback, key)), ("fallback", key)
        if key in wanted and not is_given and notes.is_sound(*path):
            notes.complain(path, f"missing; fallback.kind = \"{fallback.kind}\" needs it")
        elif is_given and key not in wanted:
            notes.complain(path, f"does not belong to fallback.kind = \"{fallback.kind}\"; remove it or choose another kind")
    if fallback.kind == "none":
        notes.warn(("fallback",), "nobody is told by another link when no centre answers; configure kind = \"kannel\" or \"command\"")
    elif fallback.position:
        notes.warn(("fallback", "position"), "whoever carries that text reads where she is; leave it false unless its readers have no console")
    elif public_url is None:
        notes.warn(("fallback",), "its text can name neither place nor console; set api.public_url")
    if fallback.kind == "kannel" and fallback.url is not None:
        check_url(notes, ("fallback", "url"), fallback.url)
    if fallback.kind == "command" and fallback.command and not fallback.command[0].startswith("/"):
        notes.complain(("fallback", "command"), "begins with a program without its folder; write the whole path, such as /usr/local/bin/page-duty")
    elif fallback.command and wrong_with_file(Path(fallback.command[0]), FileKind.PROGRAM):
        notes.complain(("fallback", "command"), f"{printable(fallback.command[0])} is no program that can be run; install it or correct the path")


def check_orders(orders: OrderOptions, notes: Notes) -> None:
    """Who could read an order, and which interval is the short one."""
    if notes.is_sound("orders", "trust_min") and orders.trust < Trust.T3:
        notes.warn(("orders", "trust_min"), "whoever claims to be a device is given its orders; put devices into an apn-sim group instead")
    if orders.live_interval_s > orders.later_interval_s:
        notes.complain(("orders", "later_interval_s"), "is shorter than live_interval_s; a new alarm is the one that needs the short interval")


# ---------------------------------------------------------------------------------------------------- files


def check_files(config: "Config", notes: Notes) -> None:
    """Every file that is named is there and holds what it should."""
    areas: dict[str, list[tuple[KeyPath, str | None]]] = {}
    for path, owner, value in named_files(config):
        kind = FILES[f"{type(owner).__name__}.{path[-1] if isinstance(path[-1], str) else path[-2]}"]
        if not notes.is_sound(*path):
            continue
        if isinstance(owner, CentreOptions) and kind is FileKind.AREA:
            areas.setdefault(value, []).append((path, owner.area_filter))
        elif wrong := wrong_with_file(Path(value), kind):
            notes.complain(path, wrong)
    for file, uses in areas.items():
        for (path, _), wrong in zip(uses, wrong_with_areas(Path(file), [area_filter for _, area_filter in uses]), strict=True):
            if wrong:
                notes.complain(path, wrong)


def named_files(config: "Config") -> list[tuple[KeyPath, object, str]]:
    """(key path, options that hold it, path) of each file and folder that the configuration names."""
    found: list[tuple[KeyPath, object, str]] = []
    for path, owner in options_in(config):
        for key in shapes_of(type(owner)):
            value = getattr(owner, key)
            if f"{type(owner).__name__}.{key}" not in FILES:
                continue
            if isinstance(value, tuple):
                found += [((*path, key, position), owner, item) for position, item in enumerate(value) if item]
            elif value:
                found.append(((*path, key), owner, value))
    return found


def options_in(options: object, path: KeyPath = ()) -> Iterable[tuple[KeyPath, object]]:
    """Every option class inside, with its path: sections, elements of arrays, nested tables."""
    yield path, options
    for key, shape in shapes_of(type(options)).items():
        if not hasattr(shape.inner, "__dataclass_fields__"):
            continue
        value = getattr(options, key)
        if isinstance(value, tuple):
            for position, item in enumerate(value):
                yield from options_in(item, (*path, key, position))
        elif value is not None:
            yield from options_in(value, (*path, key))

