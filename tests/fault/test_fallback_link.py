"""The human fallback's own link: what it sends, and that nothing it meets ends more than one text."""

import sys
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import h11
import pytest
import trio

from gateway.delivery.options import FallbackOptions
from gateway.errors import ConfigError
from gateway.events import FallbackSent
from gateway.shell.fallback import Fallback, numbers_in
from tests.centre_world import MemoryNetwork, TrioClock

TEXT = "STALKING ALARM 13:03 UTC. case GE-2026-0042 & more"


class Kannel:
    """A sendsms service that says what it is told to."""

    def __init__(self, status: int = 202, body: bytes = b"0: Accepted for delivery") -> None:
        self.status, self.body = status, body
        self.asked: list[dict[str, list[str]]] = []

    async def serve(self, stream: trio.abc.Stream) -> None:
        parser = h11.Connection(h11.SERVER)
        while not isinstance(event := parser.next_event(), h11.Request):
            parser.receive_data(bytes(await stream.receive_some(65_536)))
        url = urlsplit(event.target.decode())
        self.asked.append({"path": [url.path], **parse_qs(url.query)})
        await stream.send_all(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (self.status, len(self.body), self.body))


@pytest.fixture
def options(tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    (tmp_path / "to").write_text("# on duty\n+32 475 00.00.01  # first\n\n0032475000002\n+32475000001\n")
    return FallbackOptions(
        "kannel", "http://10.0.0.1:13013/cgi-bin/sendsms?from=8112", "gw", str(tmp_path / "password"), str(tmp_path / "to")
    )


async def tell(nursery, options, kannel, *, simulated: bool = False) -> FallbackSent:
    network = MemoryNetwork(nursery)
    if kannel:
        network.handlers["10.0.0.1"] = kannel.serve
    return await Fallback(options, TrioClock(), network).tell("a" * 32, TEXT, simulated=simulated)


async def test_a_text_goes_to_everybody_on_duty(autojump_clock, nursery, options):
    kannel = Kannel()
    sent = await tell(nursery, options, kannel)
    assert sent == FallbackSent("a" * 32, "kannel", True, "accepted 2 of 2")
    assert sorted(asked["to"][0] for asked in kannel.asked) == ["+32475000001", "0032475000002"]
    first = kannel.asked[0]
    assert first["path"] == ["/cgi-bin/sendsms"] and first["from"] == ["8112"] and first["text"] == [TEXT]
    assert (first["username"], first["password"], first["charset"]) == (["gw"], ["s3cret"], ["UTF-8"])


async def test_an_order_by_text_goes_to_one_number_and_says_whether_it_was_taken(autojump_clock, nursery, options):
    for kannel, taken in ((Kannel(), True), (Kannel(503, b"Temporal failure"), False)):
        network = MemoryNetwork(nursery)
        network.handlers["10.0.0.1"] = kannel.serve
        fallback = Fallback(options, TrioClock(), network)
        assert fallback.has_texts
        assert await fallback.text_to("+32470000009", "WHERE#") is taken
        assert [(asked["to"], asked["text"]) for asked in kannel.asked] == [(["+32470000009"], ["WHERE#"])]


@pytest.mark.parametrize(
    "status, body, reason",
    [
        (202, b"3: Queued for later delivery", "accepted 2 of 2"),
        (403, b"Authorization failed for sendsms", "refused_403"),
        (200, b"<html>Login</html>", "refused_200"),
        (503, b"Temporal failure, try again later.", "refused_503"),
    ],
)
async def test_only_kannels_own_word_counts(autojump_clock, nursery, options, status, body, reason):
    sent = await tell(nursery, options, Kannel(status, body))
    assert sent.reason == reason and sent.ok == reason.startswith("accepted")


async def test_a_link_that_is_down_or_silent_is_a_reason(autojump_clock, nursery, options):
    assert (await tell(nursery, options, None)).reason == "connect_refused"

    class Mute(Kannel):
        async def serve(self, stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

    assert (await tell(nursery, options, Mute())).reason == "silent"


async def test_a_simulated_alarm_tells_nobody_but_a_fallback_for_tests(autojump_clock, nursery, options):
    kannel = Kannel()
    sent = await tell(nursery, options, kannel, simulated=True)
    assert (sent.ok, sent.reason, kannel.asked) == (False, "simulated", [])
    assert (await tell(nursery, replace(options, test=True), kannel, simulated=True)).ok


async def test_without_a_fallback_nobody_is_told_and_it_is_said(autojump_clock, nursery):
    sent = await tell(nursery, FallbackOptions(), None)
    assert (sent.ok, sent.channel, sent.reason) == (False, "none", "none")


async def test_a_mistake_of_ours_is_a_reason_too(autojump_clock, nursery, options):
    network = MemoryNetwork(nursery)
    network.connect = None  # type: ignore[method-assign, assignment]
    sent = await Fallback(options, TrioClock(), network).tell("a" * 32, TEXT, simulated=False)
    assert (sent.ok, sent.reason) == (False, "crashed")


async def test_a_program_gets_the_text_on_its_standard_input(tmp_path):
    out = tmp_path / "out"
    script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    fallback = Fallback(FallbackOptions("command", command=(sys.executable, "-c", script)), TrioClock(), None)  # type: ignore[arg-type]
    sent = await fallback.tell("a" * 32, TEXT, simulated=False)
    assert sent == FallbackSent("a" * 32, "command", True, "accepted") and out.read_text() == TEXT


@pytest.mark.parametrize(
    "command, reason",
    [
        ((sys.executable, "-c", "import sys; sys.exit(3)"), "exit_3"),
        (("/nonexistent/pager",), "not_started_FileNotFoundError"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "silent"),
    ],
)
async def test_a_program_that_fails_or_hangs_is_a_reason(command, reason):
    options = FallbackOptions("command", command=command, timeout_s=0.3)
    sent = await Fallback(options, TrioClock(), None).tell("a" * 32, TEXT, simulated=False)  # type: ignore[arg-type]
    assert (sent.ok, sent.reason) == (False, reason)


@pytest.mark.parametrize("text", ["", "# nobody\n", "+32475000001\ncall me\n", "12\n", "\n".join(f"+3247500{n:04d}" for n in range(40))])
def test_numbers_that_cannot_be_called_are_refused_without_being_shown(tmp_path, text):
    (tmp_path / "to").write_text(text)
    with pytest.raises(ConfigError) as error:
        numbers_in("fallback.to_file", str(tmp_path / "to"))
    assert "32475" not in str(error.value).replace("+32475000001", "") and "call me" not in str(error.value)


@pytest.mark.parametrize("change", [{"password_file": "/nonexistent"}, {"to_file": None}, {"url": "mailto:x"}])
def test_a_fallback_that_cannot_work_says_so_at_the_start(options, change):
    with pytest.raises(ConfigError):
        Fallback(replace(options, **change), TrioClock(), None)  # type: ignore[arg-type]
