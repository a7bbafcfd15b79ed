"""Configuration: every mistake at once, each with its line, its key, what is wrong and what to do."""

import base64
import dataclasses
import json
import re
from pathlib import Path

import pytest

from gateway import config as room
from gateway.config import Config, difference, inspect, load_config, parse_bind
from gateway.config.build import sections, shapes_of
from gateway.config.files import wrong_with_area_text
from gateway.config.limits import CHOICES, FILES, LIMITS, NOT_BUILT, limits_of
from gateway.errors import ConfigError

PROTOCOLS = {"gt06": ("tcp",), "teltonika": ("tcp", "udp"), "watch": ("tcp",), "osmand": ("http", "tcp"), "sms": ()}
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

GOOD = """\
[gateway]
data_dir = "data"
[[listen]]
bind = "127.0.0.1:5023"
protocol = "gt06"
[[centre]]
id = "cic-ovl"
national_fallback = true
[[centre.route]]
kind = "webhook"
url = "https://cad.example/hook"
secret_files = ["cad.secret"]
"""
TEN_LINES = GOOD.split("\n", 2)[2]
"The smallest configuration that serves a device protocol and delivers."

SQUARE = [[3.0, 51.0], [4.0, 51.0], [4.0, 52.0], [3.0, 52.0], [3.0, 51.0]]


@pytest.fixture(autouse=True)
def known_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks do not depend on which protocols this version happens to have."""
    monkeypatch.setattr(room, "_protocols", lambda: PROTOCOLS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that a configuration may name, good ones and bad ones."""
    files = {
        "cad.secret": SECRET,
        "short.secret": "whsec_" + base64.b64encode(b"too short").decode(),
        "bare.secret": "not a webhook secret",
        "two.secret": f"{SECRET}\n{SECRET}",
        "broken.secret": "whsec_!!!!",
        "empty.secret": "\n",
        "path.secret": "abcdefghij0123456789",
        "odd.secret": "short/one",
        "duty.numbers": "# nights\n+32 470 00 00 00\n+32470000001 # Sundays\n",
        "bad.numbers": "+32470000000\n0470000000\n",
        "none.numbers": "# nobody\n",
        "tls.crt": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        "tls.key": "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n",
        "locked.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "area.geojson": json.dumps({"type": "Polygon", "coordinates": [SQUARE]}),
        "point.geojson": json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [3, 51]}}),
        "text.geojson": "here be dragons",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "shared.secret").write_text(SECRET)
    (tmp_path / "shared.secret").chmod(0o644)
    (tmp_path / "latin.geojson").write_bytes(b"\xe9\xe8")
    (tmp_path / "folder").mkdir()
    return tmp_path


def told(folder: Path, text: str) -> list[str]:
    """What is said about this text, without the name of the file."""
    (folder / "gateway.toml").write_text(text)
    return [str(complaint).removeprefix(f"{folder / 'gateway.toml'}:") for complaint in inspect(folder / "gateway.toml").complaints]


def warned(folder: Path, text: str) -> str:
    (folder / "gateway.toml").write_text(text)
    return "\n".join(str(warning) for warning in inspect(folder / "gateway.toml").warnings)


# ---------------------------------------------------------------------------------------------- what is good


def test_ten_lines_serve_gt06_and_deliver_to_a_webhook(folder: Path) -> None:
    assert len(TEN_LINES.splitlines()) == 10
    (folder / "gateway.toml").write_text(TEN_LINES)
    config = load_config(folder / "gateway.toml")
    assert config.listen[0].protocol == "gt06"
    assert config.gateway.data_dir == str(folder / "data")
    (centre,) = config.centre
    assert (centre.name, centre.route[0].id) == ("cic-ovl", "webhook-1")
    assert centre.route[0].secret_files == (str(folder / "cad.secret"),)


@pytest.mark.parametrize("section", ["", "[gateway]\n"])
def test_defaults_that_name_a_folder_are_relative_to_the_file_too(folder: Path, section: str) -> None:
    (folder / "gateway.toml").write_text(section + TEN_LINES)
    assert load_config(folder / "gateway.toml").gateway.data_dir == str(folder / "data")


def test_absolute_paths_stay(folder: Path) -> None:
    (folder / "gateway.toml").write_text(GOOD.replace('"data"', '"/var/lib/gateway"'))
    assert load_config(folder / "gateway.toml").gateway.data_dir == "/var/lib/gateway"


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(folder: Path) -> None:
    (folder / "gateway.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_config(folder / "gateway.toml").centre[0].id == "cic-ovl"
    (folder / "gateway.toml").write_bytes(GOOD.replace("\n", "\r\n").replace("gt06", "gt07").encode())
    assert inspect(folder / "gateway.toml").complaints[0].line == 5


def test_a_good_area_and_its_filter(folder: Path) -> None:
    area = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"province": "Oost"}, "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE]]}},
            {"type": "Feature", "properties": {"province": "West"}, "geometry": {"type": "Point", "coordinates": [3, 51]}},
        ],
    }
    (folder / "provinces.geojson").write_text(json.dumps(area))
    text = GOOD.replace('id = "cic-ovl"', 'id = "cic-ovl"\narea = "provinces.geojson"\narea_filter = "province=Oost"')
    assert told(folder, text) == []
    assert "correct area_filter" in told(folder, text.replace("=Oost", "=Nord"))[0]


# ------------------------------------------------------------------------------ every mistake, all at once

MISTAKES = """\
data_dir = "data"                  #! data_dir: belongs in [gateway]
[gateway]
name = "a/b"                       #! gateway.name: is no id
reserve_mib = "64"                 #! gateway.reserve_mib: remove the quotes
simulation = 1                     #! gateway.simulation: expected true or false, found number 1
data_dri = "x"                     #! gateway.data_dri: did you mean data_dir?
"odd key" = 1                      #! gateway."odd key": unknown key
[api]
bind = "8080"                      #! api.bind: is not address:port
public_url = "gateway.example"     #! api.public_url: is no address
session_idle_s = 5                 #! api.session_idle_s: 5 is out of range; choose 60 to 86_400
session_max_s = inf                #! api.session_max_s: inf is out of range
[[listen]]
bind = "127.0.0.1:5023"
protocol = "gt60"                  #! listen[0].protocol: did you mean gt06?
transport = "sctp"                 #! listen[0].transport: known: http, tcp, udp
group = "vpn"                      #! listen[0].group: "vpn" is unknown
allow = [
    "10.0.0.0/8",
    "10.0.0.1/8",                  #! listen[0].allow[1]: did you mean 10.0.0.0/8?
    "everybody",                   #! listen[0].allow[2]: is no network
    7,                             #! listen[0].allow[3]: expected text, found number 7; put it in quotes
]
connections_max = 0                #! listen[0].connections_max: 0 is out of range; choose 1 to 1_000_000
idle_timeout_s = -1                #! listen[0].idle_timeout_s: -1 is out of range
secret_files = ["x"]               #! listen[0].secret_files: belongs in [[centre.route]]
[[listen]]
bind = "127.0.0.1:5023"
protocol = "watch"
transport = "udp"                  #! listen[1].transport: watch is not spoken over udp; set transport = "tcp"
tls = { cert_file = "tls.crt" }    #! listen[1].tls: with TLS are not in this version #! listen[1].tls.key_file: missing
[[listen]]                         #! listen[2].bind: missing; a text is required here
protocol = "sms"                   #! listen[2].protocol: has no port of its own
[[listen]]
bind = "5023"                      #! listen[3].bind: is not address:port
[[listen]]
bind = ":5024"                     #! listen[4].bind: write 0.0.0.0 before the port
[[listen]]
bind = "127.0.0.1:70000"           #! listen[5].bind: port 70000 does not exist
[[listen]]
bind = "gateway.example:5025"      #! listen[6].bind: does not begin with an address
[[listen]]
bind = "::1:5026"                  #! listen[7].bind: stands in brackets
tls = { cert_file = "tls.key", key_file = "tls.crt" } #! listen[7].tls.cert_file: holds no certificate #! listen[7].tls.key_file: private key
[api.tls]
cert_file = "tls.crt"
key_file = "locked.key"            #! api.tls.key_file: passphrase
client_ca_file = "gone.crt"        #! api.tls.client_ca_file: is not there
cypher = 1                         #! api.tls.cypher: unknown key
[[listen]]
bind = "[::]:5023"                 #! listen[8].bind: tcp port 5023 is already taken by listen[0] (line 14)
[[sms]]
kind = "kanel"                     #! sms[0].kind: did you mean kannel?
path_secret_file = "odd.secret"    #! sms[0].path_secret_file: is no secret of a bridge
[[sms]]
kind = "smpp"                      #! sms[1].kind: smpp is not in this version; remove it
system_id = "carrier"
[[sms]]
kind = "kannel"
path_secret_file = "path.secret"
trusted = "yes"                    #! sms[2].trusted: expected true or false, found text; remove the quotes
[[sms]]
kind = "kannel"
path_secret_file = "path.secret"   #! sms[3].path_secret_file: is that of sms[2] as well
[[centre]]
id = "cic-ovl"
area = "point.geojson"             #! centre[0].area: feature 0 is no Polygon or MultiPolygon but Point
backup = "cic-wlv"                 #! centre[0].backup: did you mean cic-wvl?
national_fallback = true
[[centre.route]]
kind = "webhook"
url = "ftp://cad.example"          #! centre[0].route[0].url: is no address
secret = "whsec_x"                 #! centre[0].route[0].secret: did you mean secret_files?
secret_files = [
    "cad.secret",
    "gone.secret",                 #! centre[0].route[0].secret_files[1]: is not there
    "shared.secret",               #! centre[0].route[0].secret_files[2]: everybody on this machine
    "short.secret",                #! centre[0].route[0].secret_files[3]: it has 9 bytes; 24 to 64
    "bare.secret",                 #! centre[0].route[0].secret_files[4]: must begin with whsec_
    "two.secret",                  #! centre[0].route[0].secret_files[5]: more than one line
    "broken.secret",               #! centre[0].route[0].secret_files[6]: is not base64
    "empty.secret",                #! centre[0].route[0].secret_files[7]: is empty
    "folder",                      #! centre[0].route[0].secret_files[8]: is not a file
]
connect_timeout_s = nan            #! centre[0].route[0].connect_timeout_s: nan is out of range
connections_max = 2.5              #! centre[0].route[0].connections_max: expected a whole number, found number 2.5
[[centre.route]]
kind = "stream"                    #! centre[0].route[1].kind: stream is not in this version
host = "cad.example"
[[centre.route]]
kind = "webhok"                    #! centre[0].route[2].kind: did you mean webhook?
url = "https://user:pw@cad.example" #! centre[0].route[2].url: secrets come by file
client_cert_file = "tls.crt"       #! centre[0].route[2].client_cert_file: needs client_key_file beside it
[[centre.route]]
id = "webhook-1"                   #! centre[0].route[3].id: "webhook-1" is taken already
kind = "webhook"
url = "https://cad.example/a#b"    #! centre[0].route[3].url: which is never sent
secret_files = "cad.secret"        #! centre[0].route[3].secret_files: expected a list of text, found text; put it in square brackets
[[centre]]                         #! centre[1]: has no route
id = "cic-wvl"
area = "text.geojson"              #! centre[1].area: is not JSON
backup = "cic-wvl"                 #! centre[1].backup: is the centre itself
national_fallback = true           #! centre[1].national_fallback: centre cic-ovl takes them already
[[centre]]
id = "CIC-OVL"                     #! centre[2].id: is taken already
area_filter = "province"           #! centre[2].area_filter: there is no area to filter
[[centre.route]]                   #! centre[2].route[0].url: missing
kind = "webhook"
url_ = 1                           #! centre[2].route[0].url_: did you mean url?
[[centre]]
id = "../../etc"                   #! centre[3].id: is no id
area = "latin.geojson"             #! centre[3].area: is not text in UTF-8
area_filter = "province"           #! centre[3].area_filter: is not property=value
route = [{ kind = "webhook", url = "http://127.0.0.1:1/", ca_file = "tls.crt" }] #! centre[3].route[0].ca_file: is of no use without TLS
[fallback]                         #! fallback.username: missing; fallback.kind = "kannel" needs it
kind = "kannel"
url = "http://[::1/"               #! fallback.url: is no address
password_file = "empty.secret"     #! fallback.password_file: is empty
to_file = "bad.numbers"            #! fallback.to_file: line 2 is no telephone number
command = ["page-duty"]            #! fallback.command: does not belong to
[roads]
file = "gone.roads"                #! roads.file: is not there
profile = "folder"                 #! roads.profile: is not a file
candidates = 5000                  #! roads.candidates: 5000 is out of range
[delivery]
repeat_s = 3                       #! delivery.repeat_s: belongs in [delivery.outbox]
[delivery.outbox]
attempts_s = [0, 1, 1]             #! delivery.outbox.attempts_s: does not rise
backup_centre_s = 30
human_fallback_s = 20              #! delivery.outbox.human_fallback_s: comes before backup_centre_s
escalation_2_s = 1979-05-27        #! delivery.outbox.escalation_2_s: found a date or time
[alarms]
unknown_devices = "ignore"         #! alarms.unknown_devices: known: list, raise
last_fix_s = 3600                  #! alarms.last_fix_s: choose 0 to 900
[supervision]
battery_critical_percent = 30      #! supervision.battery_critical_percent: is above battery_low_percent
[retention]
raw_frames_days = 0                #! retention.raw_frames_days: 0 is out of range
alarms_days = []                   #! retention.alarms_days: found a list; give one value
[cluster]                          #! cluster: not in this version; remove it
dsn = "postgresql://"
[lsiten]                           #! lsiten: did you mean listen?
"""


def test_every_mistake_is_reported_at_once_with_its_line(folder: Path) -> None:
    expected = []
    for number, line in enumerate(MISTAKES.splitlines(), 1):
        for mark in line.split("#! ")[1:]:
            path, words = mark.strip().split(": ", 1)
            expected.append((number, path, words))
    (folder / "gateway.toml").write_text(MISTAKES)
    found = inspect(folder / "gateway.toml").complaints
    assert {(complaint.line, complaint.path) for complaint in found} == {(line, path) for line, path, _ in expected}
    assert [complaint.line for complaint in found] == sorted(complaint.line for complaint in found)
    said = {(complaint.line, complaint.path): complaint.text for complaint in found}
    for line, path, words in expected:
        assert words in said[line, path], f"line {line}: {path}"
    assert len(expected) >= 60


def test_each_mistake_alone_is_one_line_with_file_line_key_and_remedy(folder: Path) -> None:
    (folder / "gateway.toml").write_text(MISTAKES)
    for complaint in inspect(folder / "gateway.toml").complaints:
        text = str(complaint)
        assert "\n" not in text
        assert re.match(rf"{re.escape(str(folder))}/gateway\.toml:\d+: \S.*: \S", text)
        assert ";" in complaint.text, f"no remedy: {text}"


def test_load_raises_them_together(folder: Path) -> None:
    (folder / "gateway.toml").write_text(MISTAKES)
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "gateway.toml")
    assert len(caught.value.complaints) == len(inspect(folder / "gateway.toml").complaints)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("[[centre]]\n", "[centre]\n"), 6, "write [[centre]]"),
        (("[gateway]\n", "[[gateway]]\n"), 1, "write [gateway] in single brackets"),
        (("national_fallback = true\n", ""), 6, "write national_fallback = true in one"),
        (('[gateway]\ndata_dir = "data"\n', "gateway = 3\n"), 1, "expected a table, found number 3"),
        (('[gateway]\ndata_dir = "data"\n', "api.tls = [1]\n"), 1, "expected a table, found a list"),
        (("[[centre.route]]", "[centre.route]"), 9, "write [[centre.route]]"),
        (('"gt06"', '"gt06"\ntls = []'), 6, "give it as a table: [listen.tls]"),
        (('"gt06"', '"gt06"\ntls = 5'), 6, "give it as a table: [listen.tls]"),
        (("[gateway]", '[fallback]\nkind = "command"\ncommand = ["/dev/null"]\n[gateway]'), 3, "is no program that can be run"),
        (("[gateway]", '[fallback]\nkind = "command"\ncommand = ["true"]\n[gateway]'), 3, "write the whole path"),
        (("[gateway]", '[fallback]\nkind = "command"\ncommand = ["/bin/true", "-x"]\n[gateway]'), None, None),
        (("[[listen]]\n", '[[listen]]\n"bind" = "127.0.0.1:80"\n[[listen]]\n'), None, None),
        (('"gt06"', '""'), 5, "is empty"),
        (('"data"', '"a\\u0000b"'), 2, "NUL"),
        (('"data"', '"cad.secret"'), 2, "is not a folder"),
        (('id = "cic-ovl"\n', ""), 6, None),
        (('"127.0.0.1:5023"', '"127.0.0.1:8080"'), 4, "already taken by api"),
        (('"127.0.0.1:5023"', '"0.0.0.0:8080"'), 4, "already taken by api"),
        (('"127.0.0.1:5023"', '"[::]:8080"'), 4, "already taken by api"),
        (('"127.0.0.1:5023"', '"localhost:8080"'), 4, "already taken by api"),
        (('"127.0.0.1:5023"', '"127.0.0.2:8080"'), None, None),
        (('"127.0.0.1:5023"', '"127.0.0.1:0"'), None, None),
        (('"gt06"', '"teltonika"\ntransport = "udp"'), None, None),
        (("[gateway]", '[[sds]]\nname = "tetra"\ntoken_file = "path.secret"\n[gateway]'), None, None),
        (("[gateway]", '[[sds]]\nname = "a/b"\ntoken_file = "path.secret"\n[gateway]'), 2, "is no id"),
        (("[gateway]", '[[sds]]\nname = "tetra"\ntoken_file = "odd.secret"\n[gateway]'), 3, "no secret of a bridge"),
        (("[gateway]", '[[sds]]\nname = "t"\ntoken_file = "path.secret"\nallow = ["10.0.0.1/8"]\n[gateway]'), 4, "10.0.0.0/8"),
        (("[gateway]", 2 * '[[sds]]\nname = "t"\ntoken_file = "path.secret"\n' + "[gateway]"), 5, "choose another name"),
        (('"gt06"', '"osmand"\ntransport = "http"'), None, None),
        (('protocol = "gt06"', 'transport = "http"'), 3, "name the protocol: osmand"),
        (('"gt06"', '"gt06"\ntransport = "http"'), 6, 'set transport = "tcp"'),
        (('"127.0.0.1:5023"\nprotocol = "gt06"', '"127.0.0.1:8080"\nprotocol = "osmand"\ntransport = "http"'), 4, "already taken by api"),
        (('protocol = "gt06"', "protocol = 'gt06'\ntransport = \"\"\"\nudp\"\"\""), 6, "gt06 is not spoken over udp"),
    ],
)
def test_small_slips(folder: Path, change: tuple[str, str], line: int | None, words: str | None) -> None:
    said = told(folder, GOOD.replace(*change, 1))
    if words is None and line is None:
        assert said == []
    else:
        assert len(said) == 1, said
        assert said[0].startswith(f"{line}: ")
        assert (words or "missing") in said[0]


@pytest.mark.parametrize("bind", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"])
def test_the_api_is_not_shown_to_others_without_tls(folder: Path, bind: str) -> None:
    text = f'[api]\nbind = "{bind}"\n' + GOOD
    assert "can be reached from other machines and there is no TLS" in told(folder, text)[0]
    assert told(folder, text.replace("[api]", "[api]\nbehind_proxy = true")) == []
    assert told(folder, text.replace("[api]", '[api]\ntls = { cert_file = "tls.crt", key_file = "tls.key" }')) == []


def test_no_centre_at_all_is_refused(folder: Path) -> None:
    assert "no centre: nobody would be alerted" in told(folder, "[gateway]\n")[0]
    assert "no centre" in told(folder, "")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[gateway]\nname = \n", "2: column 8: this is not TOML: invalid value"),
        ("[gateway]\nname = 'a\n", "2: at the end of the file: this is not TOML"),
        ("[gateway]\na = 1\na = 2\n", "3: column 6: this is not TOML: cannot overwrite a value"),
        ("[gateway\n", "1: column 9: this is not TOML"),
        ("listen = [\n1,\n", "2: at the end of the file: this is not TOML"),
        ("[a]\n[a]\n", "2: column 3: this is not TOML: cannot declare"),
        ("a = " + "[" * 5000, "1: is nested too deeply"),
    ],
)
def test_a_syntax_error_says_line_and_column(folder: Path, text: str, expected: str) -> None:
    (said,) = told(folder, text)
    assert said.startswith(expected)


def test_a_file_that_cannot_be_read_is_one_complaint(folder: Path) -> None:
    assert "is not there; write one with `gateway init" in str(inspect(folder / "gone.toml").complaints[0])
    assert "can't be read" in str(inspect(folder / "folder").complaints[0])
    (folder / "gateway.toml").write_bytes(b"[gateway]\nname = '\xe9'\n")
    (complaint,) = inspect(folder / "gateway.toml").complaints
    assert (complaint.line, "0xe9 is not UTF-8" in complaint.text) == (2, True)


def test_a_secret_that_we_may_not_read_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(path: Path, *_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", forbid)
    (folder / "gateway.toml").write_bytes(GOOD.encode())
    assert "can't be read (permission denied); give the gateway's user the right to" in inspect(folder / "gateway.toml").complaints[0].text


def test_complaints_never_repeat_a_secret(folder: Path) -> None:
    text = GOOD.replace('secret_files = ["cad.secret"]', 'secret_files = "whsec_c2VjcmV0"\npassword = "hunter2"')
    said = "\n".join(told(folder, text))
    assert "c2VjcmV0" not in said
    assert "hunter2" not in said
    (folder / "cad.secret").write_text("whsec_?c2VjcmV0")
    assert "c2VjcmV0" not in "\n".join(told(folder, GOOD))


def test_what_a_stranger_wrote_cannot_drive_the_terminal(folder: Path) -> None:
    said = told(folder, '"\\u001b[2J" = 1\n[[listen]]\nbind = "\\u001b[31m:1"\nprotocol = "\\u202e"\n' + GOOD.split("\n", 2)[2])
    assert all(line.isprintable() for line in said)


# -------------------------------------------------------------------------------------------------- warnings


def test_warnings_tell_what_works_and_is_hardly_meant(folder: Path) -> None:
    said = warned(folder, GOOD.replace("https://", "http://").replace('secret_files = ["cad.secret"]', "test = 1"))
    assert "nobody is told by another link" in said
    assert "no road index" in said
    assert "is not encrypted" in said
    assert "alerts are not signed" in said


def test_a_fallback_text_that_says_too_much_or_too_little_is_odd(folder: Path) -> None:
    text = GOOD + '[fallback]\nkind = "command"\ncommand = ["/bin/true"]\n'
    assert "set api.public_url" in warned(folder, text)
    assert ": fallback" not in warned(folder, text + '[api]\npublic_url = "https://gateway.example"\n')
    assert "reads where she is" in warned(folder, text + "position = true\n")


def test_a_private_network_that_anybody_reaches_is_odd(folder: Path) -> None:
    text = GOOD.replace('"127.0.0.1:5023"', '"0.0.0.0:5023"\ngroup = "apn-sim"')
    assert "vouches for every sender" in warned(folder, text)
    assert "vouches" not in warned(folder, text.replace("apn-sim", "public"))


def test_test_centres_and_simulations_belong_together(folder: Path) -> None:
    assert "is somebody there at night?" in warned(folder, GOOD.replace("national_fallback", "test = true\nnational_fallback"))
    assert "simulated alarms reach nobody" in warned(folder, GOOD.replace("[gateway]", "[gateway]\nsimulation = true"))
    assert "it gets alarms only as the backup" in warned(folder, GOOD.replace("national_fallback = true\n", ""))


# ---------------------------------------------------------------------------------------------------- areas


@pytest.mark.parametrize(
    ("coordinates", "wrong"),
    [
        ([SQUARE], None),
        ([SQUARE, [[3.2, 51.2], [3.4, 51.2], [3.4, 51.4], [3.2, 51.2]]], None),
        ([SQUARE[:-1]], "does not end where it began"),
        ([SQUARE[:3]], "fewer than four"),
        ([[[3, 51], [4, 51], [4, 152], [3, 51]]], "not on earth"),
        ([[[3, 51], ["4", 51], [4, 52], [3, 51]]], "not two numbers"),
        ([[[3], [4], [5], [3]]], "not two numbers"),
        ([[3, 51, 4, 52]], "not two numbers"),
        ([], "without rings"),
        ({}, "without rings"),
        ([{}], "fewer than four"),
        (None, "without rings"),
        ([[[float("nan"), 51]] * 4], "not on earth"),
    ],
)
def test_rings_are_closed_and_on_earth(coordinates: object, wrong: str | None) -> None:
    (said,) = wrong_with_area_text(json.dumps({"type": "Polygon", "coordinates": coordinates}), [None])
    assert (said is None) if wrong is None else (said is not None and wrong in said)


def test_one_file_may_hold_the_areas_of_many_centres(folder: Path) -> None:
    (folder / "bad.geojson").write_text("{}")
    text = GOOD + "".join(f'[[centre]]\nid = "c{n}"\narea = "bad.geojson"\narea_filter = "n={n}"\n[[centre.route]]\nkind = "webhook"\n'
                          f'url = "https://c{n}.example"\n' for n in range(3))  # fmt: skip
    assert [line.partition(" ")[2].partition(":")[0] for line in told(folder, text)] == [f"centre[{n}].area" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "[]", "3", "null", "{}", "[" * 100_000, '{"type":"Feature"}', '{"type":"MultiPolygon"}', '{"type":"MultiPolygon","coordinates":[]}',
        '{"type":"FeatureCollection","features":[]}', '{"type":"FeatureCollection","features":3}', '{"type":"FeatureCollection","features":[3]}',
    ],
)  # fmt: skip
def test_what_is_no_area_is_said_so(text: str) -> None:
    assert all(wrong_with_area_text(text, [None, "a=b"]))


# ----------------------------------------------------------------------------------------------------- binds


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:5023", ("127.0.0.1", 5023)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:5023", ("::1", 5023)),
        ("[0:0:0:0:0:0:0:1]:5023", ("::1", 5023)),
        ("localhost:65535", ("127.0.0.1", 65535)),
    ],
)
def test_bind_is_address_and_port(text: str, bind: tuple[str, int]) -> None:
    assert parse_bind(text) == bind


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "5023", "127.0.0.1", "127.0.0.1:", "127.0.0.1:a", "127.0.0.1:-1", "127.0.0.1:65536", "1.2.3:1", "[::1]", "::1:5", "[::1:5",
        "127.0.0.1:²", "*:1", "127.0.0.1:5023 ", "host:1", "127.0.0.1:999999999999",
    ],
)  # fmt: skip
def test_what_is_no_bind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write|choose|brackets|numbers"):
        parse_bind(text)


# ---------------------------------------------------------------------------------------------------- reload


def test_difference_says_what_changes_live_and_what_needs_a_restart(folder: Path) -> None:
    (folder / "gateway.toml").write_text(GOOD)
    old = load_config(folder / "gateway.toml")
    assert difference(old, old) == []
    (folder / "gateway.toml").write_text(
        GOOD.replace("5023", "5024").replace("/hook", "/other") + '[[centre]]\nid = "b"\n[[centre.route]]\nkind = "webhook"\nurl = "https://b.example"\n'
    )
    said = difference(old, load_config(folder / "gateway.toml"))
    assert "live: centre[cic-ovl].route[webhook-1].url: https://cad.example/hook -> https://cad.example/other" in said
    assert "live: centre[b]: added" in said
    assert "restart: listen[tcp 127.0.0.1:5023]: removed" in said
    assert "restart: listen[tcp 127.0.0.1:5024]: added" in said
    assert len(said) == 4


# ---------------------------------------------------------------------------------- the tables are complete


def test_every_number_has_a_range_and_its_default_lies_in_it() -> None:
    for header, owner in sections(Config):
        for field in dataclasses.fields(owner):
            shape = shapes_of(owner)[field.name]
            if shape.inner in (int, float):
                limits = limits_of(owner.__name__, field.name)
                assert limits, f"{header} {field.name} has no range in gateway/config/limits.py"
                values = field.default if isinstance(field.default, tuple) else (field.default,)
                assert all(value is dataclasses.MISSING or limits[0] <= value <= limits[1] for value in values), field.name


def test_every_file_key_is_known_as_one() -> None:
    for _, owner in sections(Config):
        for key in shapes_of(owner):
            if key == "file" or key.endswith(("_file", "_files", "_dir")):
                assert f"{owner.__name__}.{key}" in FILES


def test_no_table_names_what_does_not_exist() -> None:
    known = {f"{owner.__name__}.{key}" for _, owner in sections(Config) for key in shapes_of(owner)}
    assert not {*FILES, *CHOICES, *LIMITS, *NOT_BUILT} - known
