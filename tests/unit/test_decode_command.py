"""``gateway decode`` and ``gateway identify``: what goes in a line at a time comes out a line at a time."""

import io
import json
import sys
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.protocols.base import NOTHING_KNOWN
from tests.unit.gt06_frames import IMEI, alarm, frame, login
from tests.vectors.sheets import OWN_CASES

SOS = alarm(0x16, 4, 1)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line on some standard input; gives exit code, output lines and error text."""

    def run(words: str, text: str | bytes, *more: str) -> tuple[int, list[str], str]:
        data = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = main([*words.split(), *more])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return run


def test_each_line_gives_one_object(door: Any) -> None:
    text = f"{login().hex()}\n{SOS.hex().upper()}\r\n  {SOS.hex(' ')} \nno hex\n{SOS.hex()[:-1]}\n\xff\n{SOS.hex()}"
    code, lines, _ = door("decode --protocol gt06", text.encode("latin-1"))
    told = [json.loads(line) for line in lines]
    assert code == 0
    assert [one.get("reject") for one in told] == [None, None, None, "framing", "framing", "framing", None]
    assert told[1] == told[2] == told[6]
    assert (told[1]["device"], told[1]["kinds"], told[1]["class"]) == (IMEI, ["sos_button"], "A")
    assert told[3] == {"protocol": "gt06", "reject": "framing", "offset": 0, "detail": "no hexadecimal digit at character 1 of the line"}
    assert told[4]["detail"] == "an odd number of hexadecimal digits"


@pytest.mark.parametrize("reference", ["", " --reference"])
def test_a_blank_line_is_a_new_connection(door: Any, reference: str) -> None:
    _, lines, _ = door("decode --protocol gt06" + reference, f"{login().hex()}\n\n{SOS.hex()}\n")
    assert [json.loads(line).get("reject") for line in lines] == [None, "identity"]


def test_a_stream_gives_an_object_a_frame_with_its_bytes(door: Any) -> None:
    data = (login() + SOS).hex()
    _, lines, _ = door("decode --protocol gt06 --stream", "\n".join((data[:10], data[10:60], "zz", data[60:], "", SOS.hex())))
    told = [json.loads(line) for line in lines]
    assert [one.get("raw") for one in told] == [login().hex(), "", SOS.hex(), SOS.hex()]
    assert [one.get("reject") for one in told] == [None, "framing", None, "identity"]


def test_auto_recognises_each_connection_anew(door: Any) -> None:
    _, lines, _ = door("decode --protocol auto", f"{login().hex()}\n{SOS.hex()}\n\n{b'[SG*0101260001*0002*LK]'.hex()}\n\n00ff\n")
    assert [json.loads(line)["protocol"] for line in lines] == ["gt06", "gt06", "watch", "auto"]


def test_device_settings_change_what_a_code_means(door: Any) -> None:
    text = f"{login().hex()}\n{alarm(0x16, 0, 9).hex()}\n"
    _, lines, _ = door("decode --protocol gt06 --device-settings", text, '{"model": "VL103", "clock_offset_s": 3600, "config": {"a": true, "b": 2}}')
    assert json.loads(lines[1])["kinds"] == ["tow"]
    assert json.loads(lines[1])["event_at"] == "2026-03-09T12:03:11Z"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON object is expected"),
        ('{"modl": "VL103"}', "modl: unknown key; did you mean model?"),
        ('{"model": 7}', "model: str | None expected, 7 found"),
        ('{"clock_offset_s": true}', "clock_offset_s: int | None expected, true found"),
        ('{"clock_offset_s": 999999999999999999999}', "at most 64800 seconds from UTC"),
    ],
)
def test_settings_that_cannot_be_meant_are_said_before_anything_is_read(door: Any, given: str, said: str) -> None:
    code, lines, error = door("decode --protocol gt06 --device-settings", login().hex(), given)
    assert (code, lines) == (2, [])
    assert said in error


def test_an_unknown_protocol_is_wrong_use(door: Any) -> None:
    code, lines, error = door("decode --protocol gt6", login().hex())
    assert (code, lines) == (2, [])
    assert "did you mean gt06?" in error


def test_text_from_a_device_cannot_break_its_line(door: Any) -> None:
    """R-45: line ends, escapes and overrides inside a text stay inside its JSON string."""
    text = "a\r\nb\x1b[2J\u202e\u2028".encode("utf-16-be")
    answer = frame(0x21, bytes(4) + b"\x02" + text, long=True)
    _, lines, _ = door("decode --protocol gt06", f"{login().hex()}\n{answer.hex()}\n")
    assert len(lines) == 2
    assert lines[1].isascii() and lines[1].isprintable()
    assert json.loads(lines[1])["text"] == "a\r\nb\x1b[2J\u202e\u2028"


def test_identify_names_the_protocol_and_the_device(door: Any) -> None:
    code, lines, _ = door("identify --json", f"{login().hex()}\n{SOS.hex()}\n")
    assert code == 0
    assert json.loads(lines[0])[0] == {"protocol": "gt06", "confidence": 100, "device": IMEI}


def test_identify_answers_a_connection_at_a_time(door: Any) -> None:
    code, lines, _ = door(
        "identify --json --transport tcp", f"{login().hex()[:10]}\n{login().hex()[10:]}\n\n\n{b'[SG*0101260001*0002*LK]'.hex()}\n\n01020304ff\n"
    )
    assert code == 0
    told = [json.loads(line) for line in lines]
    assert [[one["protocol"] for one in found[:1]] for found in told] == [["gt06"], ["watch"], []]
    assert told[0][0]["device"] == IMEI


def test_identify_says_no_when_nobody_knows_the_bytes(door: Any) -> None:
    assert door("identify --transport tcp", "01020304ff\n")[:2] == (1, ["no protocol that we know begins with these bytes"])
    assert door("identify", "")[0] == 1
    code, _, error = door("identify", "hello\n")
    assert code == 2 and "line 1" in error


def test_identify_puts_the_right_protocol_first_for_every_vector(door: Any) -> None:
    cases = [case for case in OWN_CASES if not case.expect.get("reject") and not case.optional and case.transport == "tcp"]
    text = "\n\n".join("\n".join(raw.hex() for raw in case.frames) for case in cases)
    _, lines, _ = door("identify --json", text)
    assert len(lines) == len(cases)
    for case, line in zip(cases, lines, strict=True):
        best = json.loads(line)[0]
        assert best["protocol"] == case.protocol, case.name
        if case.expect.get("device") and case.settings == NOTHING_KNOWN:
            assert best.get("device") == case.expect["device"], case.name
