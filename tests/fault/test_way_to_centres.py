"""The network between us and a centre at its worst (F-50 to F-54): names, silence, TLS; on a network in memory, hours in a blink.

To be survived: no name server and no silent address holds up an alarm that could go out; nobody without the right
certificate is told where she is; one centre's trouble is its own.
"""

import ssl

import pytest
import trio
import trustme

from gateway.delivery.offers import FAILED, STORED, Offer
from gateway.errors import ConfigError, DeliveryError
from gateway.shell.centre import CentreClient
from gateway.shell.dial import AddressBook, SystemNetwork
from gateway.sim.centre import StandInCentre
from tests.centre_world import BODY, OFFER, MemoryNetwork, TrioClock, calling, centre_at, offer, secret_file

WALL_US = 1_773_061_391_250_000


def stand_in(script: str = "ok") -> StandInCentre:
    return StandInCentre(lambda: TrioClock().now().wall_us, script=script)


async def test_a_centre_that_needs_long_is_waited_for_and_no_longer(autojump_clock, nursery):
    network, centre = MemoryNetwork(nursery), stand_in("late 29, late 31")
    network.handlers["10.0.0.1"] = centre.serve
    async with calling(centre_at("http://10.0.0.1/"), network=network, clock=TrioClock()) as client:
        assert (await client.offer(offer(1))).level == STORED
        answer = await client.offer(offer(2))
        assert (answer.level, answer.reason) == (FAILED, "silent") and answer.took_ms >= 30_000


async def test_a_hung_centre_delays_no_other(autojump_clock, nursery):
    network, hung, well = MemoryNetwork(nursery), stand_in("hang"), stand_in()
    network.handlers |= {"10.0.0.1": hung.serve, "10.0.0.2": well.serve}
    slow, quick = centre_at("http://10.0.0.1/"), centre_at("http://10.0.0.2/", centre_id="wvl")
    finished: list[tuple[float, str]] = []

    async def ask(client: CentreClient, which: Offer) -> None:
        await client.offer(which)
        finished.append((trio.current_time(), which.centre_id))

    async with calling(slow, quick, network=network, clock=TrioClock()) as client:
        began = trio.current_time()
        async with trio.open_nursery() as asking:
            for n in range(40):
                asking.start_soon(ask, client, offer(n))
                asking.start_soon(ask, client, Offer(f"{n:032x}", "wvl", "webhook-1", 1, 1, "raised", False, BODY))
        assert max(at for at, centre_id in finished if centre_id == "wvl") - began < 1
        assert len(well.stored) == 40
        assert all(at - began <= 63 for at, _ in finished)


async def test_an_address_that_worked_is_used_for_a_day_while_no_name_server_answers(autojump_clock, nursery):
    network = MemoryNetwork(nursery)
    network.names["cad.example"] = ["10.0.0.1", "10.0.0.1", "10.0.0.2"]
    book = AddressBook(network, TrioClock(), "cad.example", 80)
    assert await book.find() == ("10.0.0.1", "10.0.0.2")
    network.hang_names = True
    await trio.sleep(23 * 3600)
    began = trio.current_time()
    assert await book.find() == ("10.0.0.1", "10.0.0.2")
    assert trio.current_time() == began
    assert await book.refresh()
    await trio.sleep(2 * 3600)
    with pytest.raises(DeliveryError, match="dns"):
        await book.find()
    network.hang_names, network.names["cad.example"] = False, ["10.0.0.3"]
    assert await book.find() == ("10.0.0.3",)


async def test_an_alarm_goes_out_while_no_name_server_answers(autojump_clock, nursery):
    network, centre = MemoryNetwork(nursery), stand_in()
    network.handlers["10.0.0.1"] = centre.serve
    network.names["cad.example"] = ["10.0.0.1"]
    async with calling(centre_at("http://cad.example/"), network=network, clock=TrioClock()) as client:
        assert (await client.offer(offer(1))).level == STORED
        network.hang_names = True
        await trio.sleep(600)
        assert (await client.offer(offer(2))).took_ms < 100


async def test_a_name_that_nobody_knows_fails_soon_and_is_found_when_it_is_there(autojump_clock, nursery):
    network, centre = MemoryNetwork(nursery), stand_in()
    network.handlers["10.0.0.1"] = centre.serve
    ups: list[tuple[str, str]] = []
    async with calling(centre_at("http://cad.example/"), network=network, clock=TrioClock(), ups=ups) as client:
        assert (await client.offer(OFFER)).reason == "dns"
        network.names["cad.example"] = ["10.0.0.1"]
        await trio.sleep(5)
        assert ups == [("ovl", "webhook-1")]
        assert (await client.offer(OFFER)).level == STORED


async def test_a_name_server_that_hangs_is_waited_for_two_seconds(autojump_clock, nursery):
    network = MemoryNetwork(nursery)
    network.hang_names = True
    async with calling(centre_at("http://cad.example/"), network=network, clock=TrioClock()) as client:
        answer = await client.offer(OFFER)
        assert answer.reason == "dns" and answer.took_ms <= 2_100


async def test_a_silent_address_does_not_hold_up_the_next_one(autojump_clock, nursery):
    network, centre = MemoryNetwork(nursery), stand_in()
    network.names["cad.example"] = ["2001:db8::1", "10.0.0.1"]
    network.silent.add("2001:db8::1")
    network.handlers["10.0.0.1"] = centre.serve
    async with calling(centre_at("http://cad.example/", connections_max=1), network=network, clock=TrioClock()) as client:
        answer = await client.offer(OFFER)
        assert answer.level == STORED and answer.took_ms < 600


async def test_a_firewall_that_drops_everything_costs_a_second(autojump_clock, nursery):
    network = MemoryNetwork(nursery)
    network.silent.add("10.0.0.1")
    async with calling(centre_at("http://10.0.0.1/"), network=network, clock=TrioClock()) as client:
        answer = await client.offer(OFFER)
        assert answer.reason == "connect_timeout" and answer.took_ms <= 1_100


async def test_a_refused_connection_says_so(autojump_clock, nursery):
    async with calling(centre_at("http://10.0.0.9/"), network=MemoryNetwork(nursery), clock=TrioClock()) as client:
        assert (await client.offer(OFFER)).reason == "connect_refused"


async def test_a_centre_that_keeps_dying_never_ends_the_client(autojump_clock, nursery):
    network = MemoryNetwork(nursery)

    async def broken(stream: trio.abc.Stream) -> None:
        await stream.send_all(bytes(range(256)))
        await trio.aclose_forcefully(stream)

    network.handlers["10.0.0.1"] = broken
    async with calling(centre_at("http://10.0.0.1/"), network=network, clock=TrioClock()) as client:
        for n in range(20):
            assert (await client.offer(offer(n))).level == FAILED
            await trio.sleep(1)
        centre = stand_in()
        network.handlers["10.0.0.1"] = centre.serve
        await trio.sleep(2)
        assert (await client.offer(offer(99))).level == STORED


async def test_a_mistake_of_ours_is_an_answer_too(autojump_clock, nursery):
    class Broken(MemoryNetwork):
        async def connect(self, address: str, port: int) -> trio.abc.Stream:
            raise ValueError("a bug")

    async with calling(centre_at("http://10.0.0.1/"), network=Broken(nursery), clock=TrioClock()) as client:
        assert (await client.offer(OFFER)).reason == "crashed"
        assert client.statistics()[0].counters.crashed >= 1


async def test_more_offers_than_slots_wait_their_turn(autojump_clock, nursery):
    network, centre = MemoryNetwork(nursery), stand_in("late 1")
    network.handlers["10.0.0.1"] = centre.serve
    answers = []
    async with calling(centre_at("http://10.0.0.1/", connections_max=2), network=network, clock=TrioClock()) as client:
        began = trio.current_time()

        async def ask(n: int) -> None:
            answers.append((await client.offer(offer(n))).level)

        async with trio.open_nursery() as asking:
            for n in range(6):
                asking.start_soon(ask, n)
        assert answers == [STORED] * 6 and trio.current_time() - began >= 3


# --------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(centre: StandInCentre, authority: trustme.CA, name: str = "cad.example", *, wants_client: trustme.CA | None = None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if wants_client:
        wants_client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    async def serve(stream: trio.abc.Stream) -> None:
        await centre.serve(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    return serve


async def tls_answer(nursery, tmp_path, handler, **more: object):
    network = MemoryNetwork(nursery)
    network.names["cad.example"] = ["10.0.0.1"]
    network.handlers["10.0.0.1"] = handler
    async with calling(centre_at("https://cad.example/hook", tmp_path, **more), network=network, clock=TrioClock()) as client:
        return await client.offer(OFFER)


def pinned(authority: trustme.CA, tmp_path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def test_a_pinned_authority_is_believed(autojump_clock, nursery, tmp_path, authority):
    centre = stand_in()
    answer = await tls_answer(nursery, tmp_path, serving(centre, authority), ca_file=pinned(authority, tmp_path))
    assert answer.level == STORED and len(centre.stored) == 1


@pytest.mark.parametrize("wrong", ["authority", "name", "unpinned"])
async def test_nobody_with_another_certificate_is_told_anything(autojump_clock, nursery, tmp_path, authority, wrong):
    centre = stand_in()
    handler = serving(centre, trustme.CA() if wrong == "authority" else authority, "evil.example" if wrong == "name" else "cad.example")
    more = {} if wrong == "unpinned" else {"ca_file": pinned(authority, tmp_path)}
    answer = await tls_answer(nursery, tmp_path, handler, **more)
    assert answer.reason == "tls_certificate" and not centre.received


async def test_a_centre_may_want_our_certificate(autojump_clock, nursery, tmp_path, authority):
    ours = trustme.CA()
    cert = ours.issue_cert("gateway.example")
    for name, blob in (("cert.pem", cert.cert_chain_pems[0]), ("key.pem", cert.private_key_pem)):
        blob.write_to_path(str(tmp_path / name))
    centre = stand_in()
    handler, ca_file = serving(centre, authority, wants_client=ours), pinned(authority, tmp_path)
    assert (await tls_answer(nursery, tmp_path, handler, ca_file=ca_file)).level == FAILED
    mine = {"client_cert_file": str(tmp_path / "cert.pem"), "client_key_file": str(tmp_path / "key.pem")}
    assert (await tls_answer(nursery, tmp_path, handler, ca_file=ca_file, **mine)).level == STORED


async def test_a_port_that_speaks_no_tls_is_noticed_in_time(autojump_clock, nursery, tmp_path, authority):
    async def mute(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async def plain(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await trio.aclose_forcefully(stream)

    assert (await tls_answer(nursery, tmp_path, mute)).reason == "tls_timeout"
    assert (await tls_answer(nursery, tmp_path, plain)).reason == "tls"


def test_every_file_that_cannot_be_used_is_named_at_once(tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("whsec_short")
    centres = [
        centre_at("https://a.example/", ca_file=str(tmp_path / "none.pem")),
        centre_at("https://b.example/", ca_file=str(bad)),
        centre_at("http://c.example/", secret_files=(str(bad), str(tmp_path / "none"))),
        centre_at("https://d.example/", client_cert_file=str(bad), client_key_file=str(bad)),
        centre_at("gopher://e.example/"),
        centre_at("http://f.example/", secret_files=(secret_file(tmp_path, "odd", "whsec_é"),)),
    ]
    with pytest.raises(ConfigError) as error:
        CentreClient(centres, TrioClock(), SystemNetwork(), None)  # type: ignore[arg-type]
    assert len(error.value.complaints) == 6
    assert "short" not in str(error.value)


async def test_names_of_this_host_are_resolved_off_the_loop():
    addresses = await SystemNetwork().resolve("localhost", 80)
    assert "127.0.0.1" in addresses or "::1" in addresses
