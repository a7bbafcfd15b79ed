"""What an operator may say about the process, its listeners and its API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """The process."""

    name: str = "gateway"
    "Name in alerts and logs."
    data_dir: str = "data"
    "Folder of journal and registry; relative to the configuration file."
    simulation: bool = False
    "A demo or a test: every alarm is marked as simulated and only centres with test = true are offered any."
    reserve_mib: int = 64
    "Disk space kept back for alarms."


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Certificate of a listener."""

    cert_file: str
    "PEM certificate chain."
    key_file: str
    "PEM key."
    client_ca_file: str | None = None
    "Authority of client certificates; when set, a client must show one."


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """One device port."""

    bind: str
    "address:port; port 0 takes a free one."
    protocol: str = "auto"
    "Name of a device protocol, or auto: recognised from the first bytes."
    transport: str = "tcp"
    "tcp, udp, or http: requests of telephone apps on a port of their own."
    tls: TlsOptions | None = None
    "TLS for devices that can."
    group: str = "public"
    "public: an identity is only claimed (T1). apn: the carrier's private network (T2). apn-sim: the carrier also asserts the SIM (T3)."
    allow: tuple[str, ...] = ()
    "Networks that may connect (CIDR); empty: all."
    connections_max: int = 20_000
    "Connections at the same time."
    connections_per_source_max: int = 2_000
    "Connections from one address at the same time."
    login_timeout_s: float = 10.0
    "An unidentified connection lives this long."
    frame_timeout_s: float = 20.0
    "A begun frame must be complete within this time."
    idle_timeout_s: float = 4_500.0
    "An identified connection that says nothing for this long is closed."


@dataclass(frozen=True, slots=True)
class SmsOptions:
    """One SMS bridge."""

    kind: str
    "kannel"
    path_secret_file: str
    "File with the secret part of the bridge's path: /sms/kannel/<secret>."
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    "Networks the bridge may call from."
    trusted: bool = False
    "True: home-routed messages of the carrier's own (T3). False: a sending number is only a claim (T1)."


@dataclass(frozen=True, slots=True)
class SdsOptions:
    """One TETRA gateway that brings short data of radios: POST /sds/NAME."""

    name: str
    "Its name, the last part of the address that it calls."
    token_file: str
    "File with the secret that it sends as Authorization: Bearer."
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    "Networks it may call from."
    trusted: bool = False
    "True: the network authenticates its radios, and nobody else sends (T3). False: an ISSI is only a claim (T1)."


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """The HTTP door: API, console, metrics."""

    bind: str = "127.0.0.1:8080"
    "address:port; port 0 takes a free one."
    tls: TlsOptions | None = None
    "TLS; without it only loopback addresses may be bound unless behind_proxy is set."
    behind_proxy: bool = False
    "A proxy on this host ends TLS."
    public_url: str | None = None
    "Address by which people reach the console; used in links."
    tiles_file: str | None = None
    "Base map of the console, made by `gateway roads tiles`; without one the console's map has no ground."
    connections_max: int = 2_000
    "Connections at the same time."
    connections_per_source_max: int = 500
    "Connections from one address at the same time: a whole control room can sit behind one."
    session_idle_s: float = 900.0
    "A console session ends after this long without a request."
    session_max_s: float = 43_200.0
    "A console session ends after this long in any case."


@dataclass(frozen=True, slots=True)
class RetentionOptions:
    """How long what is kept. Proposals: the data controller decides. Not enforced in this version: nothing is deleted."""

    raw_frames_days: int = 30
    "Raw frames of a closed alarm."
    alarms_days: int = 365
    "Alarm records after the alarm is closed."
    access_log_days: int = 1826
    "Who looked at what."
