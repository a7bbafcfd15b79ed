"""A pressed button stays a pressed button, whatever else the same frame says: the reason why kinds are a set.

A well-known server asks such bits one after the other and reports the first one set. Every protocol that has bits, flags or
several events in a frame has its builder in ``presses/``; a row that has none must say in NO_COMPANIONS why it cannot.
"""

import importlib
import pkgutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Kind
from gateway.protocols import PROTOCOLS, open_session, row
from gateway.protocols.base import DeviceSettings
from tests.property import presses
from tests.vectors.sheets import NOW_US, decoders

MODELS = st.sampled_from([None, "VL103", "LL303", "LW4G-4B", "R11", "GK310", "FMB920"])
PRESSES = {
    entry.name: importlib.import_module(f"tests.property.presses.{entry.name.replace('-', '_')}").press
    for entry in PROTOCOLS
    if entry.name.replace("-", "_") in {module.name for module in pkgutil.iter_modules(presses.__path__)}
}
NO_COMPANIONS = {
    "app": "a press names one kind",
    "sms": "texts have no bits; the pairs that trackers send stand in its vectors (tk203-both)",
    "nmea": "a receiver of a police unit: no alarm in it",
    "taip": "a receiver of a police unit: no alarm in it",
    "queclink": "a message names one event: its type",
    "sia-dc09": "a block names one event code",
    "gps103": "a report has one keyword",
    "topin": "an SOS frame has no content",
    "eelink": "a package has one alarm code; several packages stand in its vectors (udp-position-and-sos)",
    "meitrack": "a report has one event; a list may have two, which stand in its vectors (cce-sos-and-battery)",
    "trv": "a report has one alarm code",
    "xexun": "a sentence has one keyword",
    "laipac": "a report has one event code",
    "osmand": "a request names one alarm",
    "tetra-lip": "a report has one reason for sending",
}


@pytest.mark.parametrize("name", list(PRESSES))
@given(data=st.data(), model=MODELS)
@settings(max_examples=100, deadline=None)
def test_sos_survives_any_companion_alarm(name: str, data: st.DataObject, model: str | None) -> None:
    transport, messages = data.draw(PRESSES[name]())
    for reference in decoders(name):
        session = open_session(name, transport, DeviceSettings(model=model), reference=reference)
        frame = [session.read(raw, NOW_US) for raw in messages][-1]
        assert frame.refused is None
        assert frame.kinds & Kind.SOS_BUTTON
        assert frame.urgency.value == "A"


def test_no_protocol_is_forgotten() -> None:
    assert {entry.name for entry in PROTOCOLS} <= PRESSES.keys() | NO_COMPANIONS.keys()
    assert not PRESSES.keys() & NO_COMPANIONS.keys()
    assert {row(name).name for name in PRESSES} == PRESSES.keys()
