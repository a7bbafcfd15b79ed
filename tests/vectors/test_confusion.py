"""A shared port: no opening is taken for another protocol, and the page about it says what is measured."""

import pytest

from gateway.protocols import PROTOCOLS
from tests.vectors.confusion import TRANSPORTS, measured, page
from tests.vectors.sheets import ROOT


@pytest.mark.parametrize("name", [entry.name for entry in PROTOCOLS if set(entry.transports) & set(TRANSPORTS)])
def test_no_opening_is_taken_for_another_protocol(name: str) -> None:
    for transport in TRANSPORTS:
        assert not +measured(name, transport).taken_for


def test_the_page_says_what_is_measured() -> None:
    text = (ROOT / "docs/recognition.md").read_text(encoding="utf-8")
    assert text == page(), "write it anew: python -m tests.vectors.confusion > docs/recognition.md"
