"""What people read about the configuration: the reference page, a commented first file, and the effective values.

All of it is made from the string literals under the options' fields, so that no page can say something else than
the code.
"""

import ast
import dataclasses
import functools
import inspect
import json
import textwrap

from gateway.config import Config
from gateway.config.build import Shape, default_of, sections, shapes_of
from gateway.config.limits import CHOICES, FILES, limits_of, number_text

WIDTH = 120

_SAMPLES: dict[str, object] = {
    "ApiOptions.public_url": "https://gateway.example",
    "ApiOptions.tiles_file": "city.tiles",
    "TlsOptions.cert_file": "tls.crt",
    "TlsOptions.key_file": "tls.key",
    "TlsOptions.client_ca_file": "clients.crt",
    "ListenOptions.bind": "127.0.0.1:5023",
    "ListenOptions.allow": ("10.20.0.0/16",),
    "SmsOptions.kind": "kannel",
    "SmsOptions.path_secret_file": "sms.secret",
    "SdsOptions.name": "tetra",
    "SdsOptions.token_file": "sds.token",
    "CentreOptions.id": "centre-1",
    "CentreOptions.name": "Centre 1",
    "CentreOptions.area": "centre-1.geojson",
    "CentreOptions.area_filter": "province=Oost-Vlaanderen",
    "CentreOptions.backup": "centre-2",
    "CentreOptions.callback_secret_files": ("centre-1.secret",),
    "CentreOptions.national_fallback": True,
    "RouteOptions.kind": "webhook",
    "RouteOptions.id": "webhook-1",
    "RouteOptions.url": "http://127.0.0.1:9000/hook",
    "RouteOptions.secret_files": ("centre-1.secret",),
    "RouteOptions.ca_file": "centre-1.crt",
    "RouteOptions.client_cert_file": "gateway.crt",
    "RouteOptions.client_key_file": "gateway.key",
    "FallbackOptions.url": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "FallbackOptions.username": "gateway",
    "FallbackOptions.password_file": "kannel.secret",
    "FallbackOptions.to_file": "duty.numbers",
    "FallbackOptions.command": ("/usr/local/bin/page-duty",),
    "RoadOptions.file": "city.roads",
    "RoadOptions.profile": "police.toml",
}
"What stands in the first file where the default says nothing."

_WRITTEN = frozenset(
    {
        "GatewayOptions.name", "GatewayOptions.data_dir", "ApiOptions.bind", "ListenOptions.bind", "ListenOptions.protocol",
        "CentreOptions.id", "CentreOptions.national_fallback", "RouteOptions.kind", "RouteOptions.url", "RouteOptions.secret_files",
    }
)  # fmt: skip
"The keys that the first file sets; all others stand in it as comments."


@functools.cache
def words_of(owner: type) -> dict[str, str]:
    """Field -> the string literal under it, over its base classes too."""
    words: dict[str, str] = {}
    for cls in reversed([base for base in owner.__mro__ if dataclasses.is_dataclass(base)]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for statement, following in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and isinstance(following, ast.Expr)):
                continue
            if isinstance(following.value, ast.Constant) and isinstance(following.value.value, str):
                words[statement.target.id] = " ".join(following.value.value.split())
    return words


def purpose_of(owner: type) -> str:
    """The first sentence about an option class."""
    return (inspect.getdoc(owner) or "").split("\n\n")[0].replace("\n", " ")


def toml_value(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return number_text(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    # A JSON text is a TOML text, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def bounds_text(owner: str, key: str, shape: Shape) -> str:
    """What the value may be, in words."""
    name = f"{owner}.{key}"
    if name in CHOICES:
        return " or ".join(CHOICES[name])
    if name in FILES:
        return ("list of: " if shape.is_list else "") + FILES[name].value
    limits = limits_of(owner, key) if shape.inner in (int, float) else None
    return f"{shape.words}, {number_text(limits[0])} to {number_text(limits[1])}" if limits else shape.words


# ------------------------------------------------------------------------------------------- reference page


def reference() -> str:
    """``docs/configuration.md``."""
    lines = [
        "# Configuration",
        "",
        "One TOML file, read by `gateway serve -c gateway.toml`. `gateway init` writes a first one, `gateway check -c gateway.toml` says everything",
        "that is wrong with one at once. Keys end in their unit. A file is named relative to the configuration. Secrets are files that only the",
        "gateway's user may read. Unknown keys are errors. This page is made by `gateway check --reference`; the test suite keeps it complete.",
        "",
    ]
    for header, owner in sections(Config):
        if all(dataclasses.is_dataclass(shape.inner) for shape in shapes_of(owner).values()):
            continue
        lines += [f"## `{header}`", "", purpose_of(owner), ""]
        rows = [_row(owner, key, shape) for key, shape in shapes_of(owner).items() if not dataclasses.is_dataclass(shape.inner)]
        lines += ["| key | default | may be | meaning |", "| --- | --- | --- | --- |", *rows, ""]
    return "\n".join(lines[:-1]) + "\n"


def _row(owner: type, key: str, shape: Shape) -> str:
    default = default_of({field.name: field for field in dataclasses.fields(owner)}[key])
    shown = "required" if default is dataclasses.MISSING else "" if default in (None, (), "") else f"`{toml_value(default)}`"
    cells = (f"`{key}`", shown, bounds_text(owner.__name__, key, shape), words_of(owner)[key])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# ----------------------------------------------------------------------------------------------- first file


def first_file() -> str:
    """A configuration that works at once, with every other key as a comment (``#key``)."""
    lines = [
        "# Configuration of the alarm gateway. Say what is wrong with it: gateway check -c THIS_FILE",
        "# A line such as #name = \"gateway\" shows a key and its default: remove the # to set it.",
        "",
    ]
    for header, owner in sections(Config):
        keys = [(key, shape) for key, shape in shapes_of(owner).items() if not dataclasses.is_dataclass(shape.inner)]
        if not keys:
            continue
        is_written = any(f"{owner.__name__}.{key}" in _WRITTEN for key, _ in keys)
        lines += _prose(purpose_of(owner)) + [header if is_written else f"#{header}"]
        for key, shape in keys:
            words, bounds = words_of(owner)[key], bounds_text(owner.__name__, key, shape)
            lines += _prose(words if words == bounds else f"{words} ({bounds})") + [_assignment(owner, key)]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _assignment(owner: type, key: str) -> str:
    name = f"{owner.__name__}.{key}"
    default = default_of({field.name: field for field in dataclasses.fields(owner)}[key])
    value = _SAMPLES.get(name, default)
    return f"{'' if name in _WRITTEN else '#'}{key} = {toml_value(value)}"


def _prose(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False, break_long_words=False)


# ----------------------------------------------------------------------------------------- effective values


def effective(options: object, show_defaults: bool) -> dict[str, object]:
    """The configuration as plain values: what was set, or everything. Empty sections are left out."""
    values: dict[str, object] = {}
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        value, default = getattr(options, field.name), default_of(field)
        if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
            values[field.name] = [effective(item, show_defaults) for item in value]
        elif dataclasses.is_dataclass(value):
            inner = effective(value, show_defaults)
            if inner:
                values[field.name] = inner
        elif show_defaults or value != default:
            values[field.name] = list(value) if isinstance(value, tuple) else value
    return values


def as_toml(values: dict[str, object], path: str = "") -> str:
    """Nested plain values as TOML text; what is not known is a comment."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict) and not _is_tables(value)}
    lines = [f"#{key} is not set" if value is None else f"{key} = {toml_value(value)}" for key, value in plain.items()]
    if path and lines:
        lines.insert(0, path)
    blocks = ["\n".join(lines) + "\n"] if lines else []
    prefix = path.strip("[]") + "." if path else ""
    for key, value in values.items():
        if isinstance(value, dict):
            blocks.append(as_toml(value, f"[{prefix}{key}]"))
        elif _is_tables(value):
            assert isinstance(value, list)
            blocks += [as_toml(item, f"[[{prefix}{key}]]") for item in value]
    return "\n".join(block for block in blocks if block)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
