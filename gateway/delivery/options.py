"""What an operator may say about centres, their routes, the outbox and the human fallback."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """One way into a centre; a centre's routes are tried in the order in which they stand."""

    kind: str
    "webhook"
    url: str
    "http:// or https:// address that receives alerts."
    id: str | None = None
    "Name in logs and records; default: kind and position, such as webhook-1."
    secret_files: tuple[str, ...] = ()
    "Files with Standard Webhooks secrets (whsec_…); several while keys are rotated. Every one signs."
    ca_file: str | None = None
    "Authority that the centre's certificate must come from; default: the system's."
    client_cert_file: str | None = None
    "Certificate by which we show ourselves."
    client_key_file: str | None = None
    "Key of client_cert_file."
    connect_timeout_s: float = 1.0
    "How long a TCP connection may take."
    tls_timeout_s: float = 2.0
    "How long a TLS handshake may take."
    answer_timeout_s: float = 3.0
    "How long the centre may take to answer."
    connections_max: int = 4
    "Connections kept warm at the same time."


@dataclass(frozen=True, slots=True)
class CentreOptions:
    """An emergency centre that receives alerts."""

    id: str
    "Short name in records, such as cic-ovl."
    name: str = ""
    "Name that people read."
    area: str | None = None
    "GeoJSON file with the polygons it answers for."
    area_filter: str | None = None
    "property=value that selects features of that file, such as province=Oost-Vlaanderen; default: all of them."
    backup: str | None = None
    "Id of the centre that is offered the alarm as well when this one stays silent."
    national_fallback: bool = False
    "Takes every alarm that lies in nobody's area. Exactly one centre must."
    test: bool = False
    "Only a centre that says so may be given simulated alarms."
    callback_secret_files: tuple[str, ...] = ()
    "Secrets by which the centre signs its acknowledgements; default: those of its first route."
    route: tuple[RouteOptions, ...] = ()
    "The ways into this centre, best first."

    @property
    def route_ids(self) -> tuple[str, ...]:
        """The name of each route in logs and records: what the operator wrote, or kind and position."""
        return tuple(route.id or f"{route.kind}-{n}" for n, route in enumerate(self.route, 1))


@dataclass(frozen=True, slots=True)
class OutboxOptions:
    """When an alert is repeated and who is asked next. Defaults: the contract's section 5."""

    attempts_s: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    "When an alarm is offered again, counted from its first attempt."
    repeat_s: float = 10.0
    "After those: again every so often until stored, closed or refused for good."
    jitter_share: float = 0.1
    "Share by which each wait varies, so that gateways do not march in step."
    next_channel_s: float = 2.0
    "A silent channel: the next one of the same centre starts in parallel."
    backup_centre_s: float = 5.0
    "Nothing stored: the backup centre is offered it as well."
    human_fallback_s: float = 10.0
    "Nothing stored: a person is told by another link."
    repeat_until_taken_s: float = 15.0
    "Stored but taken by nobody: escalation 1, offered again, and every so often after."
    escalation_2_s: float = 30.0
    "Taken by nobody: the backup centre as well."
    escalation_3_s: float = 60.0
    "Taken by nobody: the human fallback."
    fallback_repeat_s: float = 300.0
    "Still taken by nobody: the human fallback is told again every so often, and every repeat_until_taken_s while telling it fails."
    attempts_at_once_max: int = 2
    "Channels used for one alarm and one centre at the same time."


@dataclass(frozen=True, slots=True)
class FallbackOptions:
    """The human fallback: a text that a person can act on, through a link that needs no centre."""

    kind: str = "none"
    "kannel: SMS through a Kannel sendsms service. command: a program of the operator's gets the text on standard input. none: nobody (check warns)."
    url: str | None = None
    "Address of Kannel's sendsms service."
    username: str | None = None
    "Kannel user."
    password_file: str | None = None
    "File with the Kannel user's password."
    to_file: str | None = None
    "File with the telephone numbers of the people on duty, one a line."
    command: tuple[str, ...] = ()
    "Program and arguments for kind command."
    timeout_s: float = 5.0
    "How long the link may take."
    position: bool = False
    "True: the text carries the coordinates. Whoever carries the text can then read where she is; without them it carries the link to the console."
    test: bool = False
    "Only a fallback that says so may be told of simulated alarms."


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Everything about delivery that is not a centre."""

    outbox: OutboxOptions = field(default_factory=OutboxOptions)
    "Schedule."
