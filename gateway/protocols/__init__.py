"""Bytes <-> meaning: one file per device protocol, one row each in the table below.

A new protocol is one file in this folder, one vector file in ``tests/vectors/`` and one row here; the shared tests, the
listeners and the commands pick it up from the row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway import _fastpath
from gateway.protocols import (
    app,
    eelink,
    eview,
    gps103,
    gt06,
    h02,
    jt808,
    laipac,
    meitrack,
    minifinder,
    nmea,
    osmand,
    queclink,
    sia_dc09,
    sms,
    taip,
    teltonika,
    tetra_lip,
    tk103,
    topin,
    trv,
    watch,
    xexun,
    xexun2,
    xexun3,
)
from gateway.protocols.auto import AutoSession
from gateway.protocols.base import NOTHING_KNOWN, DeviceSettings, Session
from gateway.protocols.order_book import OrderBook
from gateway.protocols.orders import NO_ORDERS, ORDER_BOOKS


class SessionMaker(Protocol):
    """A session class: what opens one connection of a protocol."""

    def __call__(self, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None) -> Session: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One device protocol."""

    name: str
    transports: tuple[str, ...]
    port: int
    "Where its devices are told to call, when nothing else is configured; 0 for what comes over a bridge or the API."
    reference: SessionMaker
    "The readable decoder: oracle of the tests, fallback for a quarantined frame."
    fast: Callable[[Session], Session] | None
    "The compiled twin, equal on every input: built around a reference session, which reads what is rare."
    recognise: Callable[[bytes], int]
    """How surely the first bytes of a connection are this protocol's: 0 cannot be, 1-49 could become so when more bytes come,
    50-100 decided."""

    @property
    def words(self) -> Mapping[str, str]:
        """Words that a device's ``config`` may hold for this protocol, and what each says."""
        words: Mapping[str, str] = getattr(self.reference, "WORDS", {})
        return {**words, **self.orders.words}

    @property
    def orders(self) -> OrderBook:
        """What its devices can be asked for (``orders.py``)."""
        return ORDER_BOOKS.get(self.name, NO_ORDERS)


PROTOCOLS = (
    #   name     transports  port  reference      fast twin  first bytes
    Row("gt06", ("tcp",), 5023, gt06.Session, _fastpath.Twin, gt06.recognise),
    Row("teltonika", ("tcp", "udp"), 5027, teltonika.Session, _fastpath.Twin, teltonika.recognise),
    Row("eview", ("tcp",), 5230, eview.Session, _fastpath.Twin, eview.recognise),
    Row("queclink", ("tcp", "udp"), 5004, queclink.Session, _fastpath.Twin, queclink.recognise),
    Row("sia-dc09", ("tcp", "udp"), 5300, sia_dc09.Session, None, sia_dc09.recognise),
    Row("sms", ("sms",), 0, sms.Session, None, sms.recognise),
    Row("app", ("http",), 0, app.Session, None, app.recognise),
    Row("h02", ("tcp", "udp"), 5013, h02.Session, _fastpath.Twin, h02.recognise),
    Row("eelink", ("tcp", "udp"), 5064, eelink.Session, None, eelink.recognise),
    Row("meitrack", ("tcp", "udp"), 5020, meitrack.Session, None, meitrack.recognise),
    Row("topin", ("tcp",), 5050, topin.Session, None, topin.recognise),
    Row("trv", ("tcp",), 5041, trv.Session, None, trv.recognise),
    Row("watch", ("tcp",), 5093, watch.Session, _fastpath.Twin, watch.recognise),
    Row("minifinder", ("tcp",), 5062, minifinder.Session, None, minifinder.recognise),
    Row("gps103", ("tcp", "udp"), 5001, gps103.Session, None, gps103.recognise),
    Row("tk103", ("tcp", "udp"), 5002, tk103.Session, None, tk103.recognise),
    Row("jt808", ("tcp", "udp"), 5015, jt808.Session, _fastpath.Twin, jt808.recognise),
    Row("xexun", ("tcp",), 5006, xexun.Session, None, xexun.recognise),
    Row("xexun2", ("tcp",), 5231, xexun2.Session, None, xexun2.recognise),
    Row("xexun3", ("tcp",), 5232, xexun3.Session, None, xexun3.recognise),
    Row("laipac", ("tcp", "udp"), 5045, laipac.Session, None, laipac.recognise),
    Row("osmand", ("http", "tcp"), 5055, osmand.Session, _fastpath.Twin, osmand.recognise),
    Row("tetra-lip", ("sds",), 0, tetra_lip.Session, None, tetra_lip.recognise),
    Row("nmea", ("tcp", "udp"), 5005, nmea.Session, None, nmea.recognise),
    Row("taip", ("tcp", "udp"), 5031, taip.Session, None, taip.recognise),
)


# Protocols whose devices also send their frames as text. Queclink calls it the report mode "forced SMS".
sms.Session.CARRIED = (sms.Carried(queclink.recognise, queclink.Session),)


def row(name: str) -> Row:
    """The row of a protocol. Raises ``KeyError`` for a name that is not in the table."""
    for entry in PROTOCOLS:
        if entry.name == name:
            return entry
    raise KeyError(name)


def open_session(name: str, transport: str, settings: DeviceSettings = NOTHING_KNOWN, peer: str | None = None, reference: bool = False) -> Session:
    """A session of the protocol ``name``, compiled where there is a twin and ``reference`` is not asked for.

    ``auto`` recognises the protocol from the first bytes, among those that the transport carries.
    Raises: KeyError: no such protocol.
    """
    if name == "auto":

        def open_named(name: str, settings: DeviceSettings) -> Session:
            return open_session(name, transport, settings, peer, reference)

        return AutoSession([entry for entry in PROTOCOLS if transport in entry.transports], open_named, transport, settings)
    entry = row(name)
    session = entry.reference(transport, settings, peer)
    return session if reference or entry.fast is None else entry.fast(session)
