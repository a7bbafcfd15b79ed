"""``gateway centre``: play a centre (``fake``), or try the way to a real one step by step (``try``)."""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from gateway.clock import SystemClock, monotonic_ns
from gateway.delivery.envelope import Heading, NoFacts, Sender, compose, minimal_alarm
from gateway.delivery.offers import STORED, Answer, Offer
from gateway.delivery.options import CentreOptions, RouteOptions
from gateway.delivery.webhook import interpret_untrusted, request_for
from gateway.errors import CommandError, DeliveryError
from gateway.model import Kind
from gateway.shell.centre import RouteClient
from gateway.shell.dial import SystemNetwork, call, secure
from gateway.shell.exchange import ask_once
from gateway.sim.centre import BEHAVIOURS, Callback, ReceivedAlert, StandInCentre, read_secret

EXIT_DONE, EXIT_NO = 0, 1
LEVELS = ("displayed", "accepted", "dispatched", "arrived", "closed", "rejected")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(metavar="fake|try", required=True)
    steps = "; ".join(f"{name} {need}".strip() + f": {what}" for name, (need, what) in BEHAVIOURS.items())

    text = "a stand-in centre that takes alerts, or misbehaves by a script"
    act = acts.add_parser("fake", help=text, description=text, epilog=f"steps of a script: {steps}")
    act.add_argument("--bind", default="127.0.0.1:0", metavar="HOST:PORT", help="where to listen; port 0 takes a free one (default: 127.0.0.1:0)")
    act.add_argument("--script", default="ok", metavar="STEPS", help='such as "late 5, reject 503 x3, ok": a step a request, the last one stays')
    act.add_argument("--secret-file", action="append", default=[], type=Path, metavar="F", help="secret of the signature; several: any of them")
    act.add_argument("--gateway", default="", metavar="URL", help="the gateway's API, for acknowledgements by its operator")
    act.add_argument("--ack-after", type=float, metavar="S", help="its operator takes each alarm after S seconds (with --gateway)")
    act.add_argument("--acks", default="", metavar="LIST", help='what its operator says, and when: "displayed 1, accepted 3, arrived 60"')
    act.add_argument("--operator", default="operator-1", metavar="NAME", help="who that is (default: operator-1)")
    act.add_argument("--count", type=int, metavar="N", help="end after N requests")
    act.add_argument("--json", action="store_true", help="one JSON object a line, alerts included")
    act.set_defaults(act=_fake)

    text = "walk the way to a configured centre with a test alert: name, connection, TLS, answer"
    act = acts.add_parser("try", help=text, description=text)
    act.add_argument("-c", "--config-file", metavar="FILE", default="gateway.toml", help="the configuration (default: gateway.toml)")
    act.add_argument("centre", metavar="CENTRE", help="its id")
    act.add_argument("--route", metavar="ID", help="only this route")
    act.add_argument("--json", action="store_true", help="one JSON object a step")
    act.set_defaults(act=_try)


def run(options: argparse.Namespace) -> int:
    return int(options.act(options))


# ----------------------------------------------------------------------------------------------------------- fake


def _fake(options: argparse.Namespace) -> int:
    callbacks = _callbacks(options.acks, options.ack_after)
    if callbacks and not options.gateway.startswith("http://"):
        raise CommandError("--acks and --ack-after need --gateway http://HOST:PORT, where acknowledgements go")
    host, _, port = options.bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise CommandError(f"--bind {options.bind}: write HOST:PORT, such as 127.0.0.1:9000")
    clock = SystemClock()
    enough = trio.Event()
    seen = 0

    def on_alert(received: ReceivedAlert) -> None:
        nonlocal seen
        seen += 1
        print(json.dumps(_as_json(received), ensure_ascii=False) if options.json else _as_line(received), flush=True)
        if options.count is not None and seen >= options.count:
            enough.set()

    centre = StandInCentre(
        lambda: clock.now().wall_us,
        script=options.script,
        secrets=[_secret(path) for path in options.secret_file],
        callbacks=callbacks,
        gateway_url=options.gateway,
        operator=options.operator,
        on_alert=on_alert,
    )
    trio.run(_play, centre, host.strip("[]"), int(port), enough, options.json)
    return EXIT_DONE


async def _play(centre: StandInCentre, host: str, port: int, enough: trio.Event, as_json: bool) -> None:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise CommandError(f"--bind {host}:{port}: {error.strerror or error}; choose another port") from None
    found_port = listeners[0].socket.getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{found_port}/"
    print(json.dumps({"listening": url}) if as_json else f"listening {url}", flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre.run, listeners)
        await enough.wait()
        await trio.sleep(0.2)  # The last answer shall leave before the process does.
        nursery.cancel_scope.cancel()


def _callbacks(acks: str, ack_after_s: float | None) -> list[Callback]:
    found = [] if ack_after_s is None else [Callback("accepted", ack_after_s)]
    for part in filter(None, (part.strip() for part in acks.split(","))):
        level, _, seconds = part.partition(" ")
        try:
            found.append(Callback(level, float(seconds)))
        except ValueError:
            raise CommandError(f"--acks {part!r}: write LEVEL SECONDS, such as accepted 3") from None
        if level not in LEVELS:
            raise CommandError(f"--acks {part!r}: the level is one of {', '.join(LEVELS)}")
    return found


def _secret(path: Path) -> bytes:
    try:
        return read_secret(path.read_text())
    except (OSError, ValueError):
        raise CommandError(f"--secret-file {path}: not a readable whsec_ secret") from None


def _as_json(received: ReceivedAlert) -> dict[str, object]:
    return {
        "at_us": received.at_us, "webhook_id": received.message_id, "verified": received.verified, "repeated": received.repeated,
        "step": received.step.name, "bytes": len(received.body), "alert": received.alert,
    }  # fmt: skip


def _as_line(received: ReceivedAlert) -> str:
    """One line for a person. No coordinates: terminals are looked over."""
    alert = received.alert
    responder = alert.get("responder")
    unit = responder.get("unit") if isinstance(responder, dict) else None
    position = alert.get("position")
    where = position.get("status") if isinstance(position, dict) else "?"
    marks = [word for word, is_so in (("repeated", received.repeated), ("UNSIGNED OR WRONG SIGNATURE", not received.verified)) if is_so]
    what = (alert.get("event", "?"), alert.get("alarm_id", "?"), f"seq={alert.get('seq')}")
    return " ".join(map(_printable, (*what, f"position={where}", f"unit={unit}", f"-> {received.step.name}", *marks)))


def _printable(word: object) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(word)[:80])


# ------------------------------------------------------------------------------------------------------------ try


REMEDIES = {
    "dns": "the name is not known here: check the host in url, and this machine's DNS",
    "connect_refused": "nobody listens there: check port and firewall, and that the centre's service runs",
    "connect_timeout": "no answer to the connection: a firewall drops it, or the address is wrong",
    "tls_timeout": "connected, and no TLS: is this really an https port?",
    "tls_certificate": "the certificate is not from the authority we trust, or is for another name: set ca_file, or correct the host in url",
    "tls": "TLS failed: does the centre ask for our certificate (client_cert_file)? does it speak TLS 1.2 or newer?",
    "silent": "the request was taken and not answered in time: raise answer_timeout_s only after asking the centre why",
    "reset": "the centre broke off: look into its log",
    "closed": "the centre hung up without an answer: look into its log",
    "refused_401": "our signature is not accepted: both sides must have the same secret, and clocks within 5 minutes",
    "refused_403": "we are not allowed in: the centre must admit this address or certificate",
    "refused_404": "nothing there takes alerts: check the path in url",
    "refused_405": "the path does not take POST: check url",
    "refused_415": "the centre does not take application/cloudevents+json: it must",
    "gone": "the centre disabled this address: ask it for the new one",
    "redirect": "the centre sends us elsewhere, and alerts are never redirected: write the final address into url",
    "html": "a web page answered, probably a login of a proxy: alerts need a way around it",
    "malformed": "the acknowledgement is no JSON: the centre must correct it",
    "ack_of_another": "the acknowledgement names another alarm: the centre must correct it",
    "ack_unknown": "ack is none of stored, displayed, accepted, rejected: the centre must correct it",
}
"What to do about each way in which a centre cannot be reached."


@dataclass(slots=True)
class _Walk:
    """The steps of one route, printed as they happen."""

    route_id: str
    as_json: bool
    failed: str | None = None

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        began_ns = monotonic_ns()
        try:
            yield
        except DeliveryError as error:
            self.failed = error.reason
            self.say(name, began_ns, False, error.reason, str(error.__cause__ or ""))
            raise
        self.say(name, began_ns, True, "", detail)

    def say(self, name: str, began_ns: int, ok: bool, reason: str, detail: str) -> None:
        took_ms = (monotonic_ns() - began_ns) / 1e6
        remedy = "" if ok else REMEDIES.get(reason, "look into the centre's log")
        if self.as_json:
            said = {"route": self.route_id, "step": name, "ok": ok, "ms": round(took_ms, 1), "reason": reason, "detail": detail, "remedy": remedy}
            print(json.dumps({key: value for key, value in said.items() if value != ""}), flush=True)
            return
        line = f"{self.route_id:12} {name:8} {'ok' if ok else 'FAILED':6} {took_ms:8.1f} ms  {_printable_line(f'{reason} {detail}'.strip())}"
        print(line.rstrip(), flush=True)
        if remedy:
            print(f"{'':12} do: {remedy}", flush=True)


def _try(options: argparse.Namespace) -> int:
    from gateway.config import load_config  # Brings every protocol with it; a stand-in needs none.

    config = load_config(options.config_file)
    centre = next((centre for centre in config.centre if centre.id == options.centre), None)
    if centre is None:
        known = ", ".join(centre.id for centre in config.centre) or "none"
        raise CommandError(f"{options.config_file}: no centre has the id {options.centre!r}; known: {known}")
    routes = [(name, route) for name, route in zip(centre.route_ids, centre.route, strict=True) if options.route in (None, name)]
    if not routes:
        raise CommandError(f"centre {centre.id}: no route {options.route!r}; known: {', '.join(centre.route_ids)}")
    sender = Sender(config.gateway.name, config.api.public_url)
    results = [trio.run(_walk, centre, name, route, sender, options.json) for name, route in routes]
    if not all(results):
        print(f"{results.count(False)} of {len(results)} routes of {centre.id} do not work", file=sys.stderr)
    return EXIT_DONE if all(results) else EXIT_NO


async def _walk(centre: CentreOptions, route_id: str, route: RouteOptions, sender: Sender, as_json: bool) -> bool:
    """Each step of one attempt, with its time."""
    clock, network, walk = SystemClock(), SystemNetwork(), _Walk(route_id, as_json)
    way = RouteClient(route, clock, network)
    offer = _test_offer(centre, route_id, sender, clock)
    began_ns = 0
    try:
        with walk.step("name", way.url.host):
            addresses = await way.book.find()
        with walk.step("connect", " ".join(addresses)):
            stream = await call(network, way.book, route.connect_timeout_s)
        if way.tls is not None:
            with walk.step("tls", "certificate believed"):
                stream = await secure(stream, way.tls, way.url, route.tls_timeout_s)
        began_ns = monotonic_ns()
        with trio.move_on_after(route.answer_timeout_s):
            reply = await ask_once(stream, way.url.authority, request_for(offer, way.url, way.secrets, clock.now().wall_us))
            answer = interpret_untrusted(offer, reply.status, reply.headers, reply.body)
            signed = f"signed with {len(way.secrets)} secret(s)" if way.secrets else "not signed: no secret_files"
            walk.say("alert", began_ns, answer.level >= STORED, answer.reason, _detail(answer, reply.status, signed))
            return answer.level >= STORED
        walk.say("alert", began_ns, False, "silent", "")
    except DeliveryError as error:
        if walk.failed is None:
            walk.say("alert", began_ns, False, error.reason, "")
    return False


def _detail(answer: Answer, status: int, signed: str) -> str:
    who = f", operator {answer.told.operator}" if answer.told and answer.told.operator else ""
    return f"status {status}, {signed}{who}"


def _test_offer(centre: CentreOptions, route_id: str, sender: Sender, clock: SystemClock) -> Offer:
    """An alert that is marked as a test and says nothing of anybody."""
    now_us = clock.now().wall_us
    alarm = replace(minimal_alarm(secrets.token_hex(16), "gateway-try", now_us, "gateway", "none"), kinds=Kind.TEST_AUTO, test=True, doubts=())
    body = compose(alarm, Heading(centre.id, "primary", 1, "test", now_us), NoFacts(), sender)
    return Offer(alarm.alarm_id, centre.id, route_id, 1, 1, "test", False, body)


def _printable_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:200])
