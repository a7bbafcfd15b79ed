"""What a value may be, beyond its type: choices, ranges, and which texts are names of files.

Option classes say what exists and what it defaults to; the bounds stand here, because they are there to catch a
slip of the operator's hand before anything starts. A key is ``Class.field``; a number without a row of its own is
bounded by its unit.
"""

import enum


class FileKind(enum.Enum):
    """What a key that names a file or folder must find there."""

    FOLDER = "folder, made when missing"
    ANY = "file"
    PROGRAM = "program"
    SECRET = "file that only its owner may read"
    WEBHOOK_SECRET = "file with one Standard Webhooks secret (whsec_ and base64 of 24 to 64 bytes), readable by its owner alone"
    PATH_SECRET = "file with 16 or more of A-Z a-z 0-9 _ -, readable by its owner alone"
    NUMBERS = "file with telephone numbers in the form +32470000000, one a line, readable by its owner alone"
    CERTIFICATE = "PEM file with certificates"
    KEY = "PEM file with a private key, readable by its owner alone"
    AREA = "GeoJSON file with polygons, longitude first"


FILES = {
    "GatewayOptions.data_dir": FileKind.FOLDER,
    "TlsOptions.cert_file": FileKind.CERTIFICATE,
    "TlsOptions.key_file": FileKind.KEY,
    "TlsOptions.client_ca_file": FileKind.CERTIFICATE,
    "ApiOptions.tiles_file": FileKind.ANY,
    "SmsOptions.path_secret_file": FileKind.PATH_SECRET,
    "SdsOptions.token_file": FileKind.PATH_SECRET,
    "RouteOptions.secret_files": FileKind.WEBHOOK_SECRET,
    "RouteOptions.ca_file": FileKind.CERTIFICATE,
    "RouteOptions.client_cert_file": FileKind.CERTIFICATE,
    "RouteOptions.client_key_file": FileKind.KEY,
    "CentreOptions.area": FileKind.AREA,
    "CentreOptions.callback_secret_files": FileKind.WEBHOOK_SECRET,
    "FallbackOptions.password_file": FileKind.SECRET,
    "FallbackOptions.to_file": FileKind.NUMBERS,
    "RoadOptions.file": FileKind.ANY,
    "RoadOptions.profile": FileKind.ANY,
}

CHOICES = {
    "ListenOptions.transport": ("tcp", "udp", "http"),
    "ListenOptions.group": ("public", "apn", "apn-sim"),
    "SmsOptions.kind": ("kannel",),
    "RouteOptions.kind": ("webhook",),
    "AlarmOptions.unknown_devices": ("list", "raise"),
    "FallbackOptions.kind": ("none", "kannel", "command"),
    "OrderOptions.trust_min": ("T1", "T2", "T3", "T4", "T5"),
}

NOT_BUILT = {
    "SmsOptions.kind": ("smpp", "twilio", "modem"),
    "RouteOptions.kind": ("stream", "cap", "sip", "dc09"),
}
"What the contract names and this version does not do."

SECTIONS_NOT_BUILT = ("cluster",)

LIMITS: dict[str, tuple[float, float]] = {
    "GatewayOptions.reserve_mib": (8, 1_048_576),
    "ListenOptions.connections_max": (1, 1_000_000),
    "ListenOptions.connections_per_source_max": (1, 1_000_000),
    "ListenOptions.login_timeout_s": (1, 600),
    "ListenOptions.frame_timeout_s": (1, 600),
    "ListenOptions.idle_timeout_s": (30, 604_800),
    "ApiOptions.connections_max": (8, 1_000_000),
    "ApiOptions.connections_per_source_max": (1, 1_000_000),
    "ApiOptions.session_idle_s": (60, 86_400),
    "ApiOptions.session_max_s": (60, 604_800),
    "RouteOptions.connect_timeout_s": (0.05, 60),
    "RouteOptions.tls_timeout_s": (0.05, 60),
    "RouteOptions.answer_timeout_s": (0.05, 60),
    "RouteOptions.connections_max": (1, 64),
    "OutboxOptions.attempts_s": (0, 3_600),
    "OutboxOptions.repeat_s": (1, 300),
    "OutboxOptions.jitter_share": (0, 0.5),
    "OutboxOptions.next_channel_s": (0, 300),
    "OutboxOptions.backup_centre_s": (0, 300),
    "OutboxOptions.human_fallback_s": (0, 300),
    "OutboxOptions.repeat_until_taken_s": (1, 600),
    "OutboxOptions.escalation_2_s": (1, 3_600),
    "OutboxOptions.escalation_3_s": (1, 3_600),
    "OutboxOptions.fallback_repeat_s": (15, 86_400),
    "OutboxOptions.attempts_at_once_max": (1, 16),
    "FallbackOptions.timeout_s": (0.05, 60),
    "RoadOptions.candidates": (1, 50),
    "RoadOptions.position_warn_s": (1, 86_400),
    "RoadOptions.position_age_max_s": (1, 86_400),
    "RoadOptions.snap_m_max": (1, 50_000),
    "RoadOptions.settled_max": (1_000, 1_000_000_000),
    "RoadOptions.detour_share": (1, 10),
    "RoadOptions.straight_kmh": (1, 300),
    "RoadOptions.nearest_area_km": (0, 500),
    "AlarmOptions.pre_alarm_s": (1, 3_600),
    "AlarmOptions.test_window_s": (10, 86_400),
    "AlarmOptions.track_interval_s": (1, 3_600),
    "AlarmOptions.track_s": (60, 604_800),
    "AlarmOptions.track_extension_s": (60, 604_800),
    "AlarmOptions.no_location_s": (1, 3_600),
    "AlarmOptions.reopen_window_s": (0, 86_400),
    "AlarmOptions.close_after_s": (60, 2_592_000),
    "AlarmOptions.last_fix_s": (0, 900),
    "OrderOptions.live_interval_s": (1, 3_600),
    "OrderOptions.live_for_s": (0, 86_400),
    "OrderOptions.later_interval_s": (1, 3_600),
    "OrderOptions.answer_wait_s": (1, 3_600),
    "OrderOptions.sms_answer_wait_s": (10, 86_400),
    "OrderOptions.attempts_max": (1, 20),
    "OrderOptions.wait_s": (10, 604_800),
    "OrderOptions.automatic_wait_s": (60, 604_800),
    "SupervisionOptions.battery_low_percent": (1, 100),
    "SupervisionOptions.battery_critical_percent": (0, 100),
    "RetentionOptions.raw_frames_days": (1, 36_525),
    "RetentionOptions.alarms_days": (1, 36_525),
    "RetentionOptions.access_log_days": (1, 36_525),
}

_BY_UNIT: dict[str, tuple[float, float]] = {
    "s": (0, 31_622_400),  # a year
    "ms": (0, 86_400_000),
    "days": (1, 36_525),
    "share": (0, 1),
    "percent": (0, 100),
    "max": (1, 1_000_000_000),
    "min": (0, 1_000_000_000),
    "m": (0, 1_000_000),
    "km": (0, 1_000),
    "kmh": (0, 1_000),
}


def limits_of(owner: str, field: str) -> tuple[float, float] | None:
    """The least and the greatest value of a number; None when neither the key nor its unit is known."""
    return LIMITS.get(f"{owner}.{field}") or _BY_UNIT.get(field.rsplit("_", 1)[-1])


def number_text(value: float) -> str:
    """``1_000_000`` as TOML writes it, without a tail of zeros."""
    if value == int(value):
        return f"{int(value):_}" if abs(value) >= 10_000 else str(int(value))
    return repr(value)
