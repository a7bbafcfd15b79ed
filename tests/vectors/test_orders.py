"""What goes out to devices, byte for byte, and what their answers mean: ``tests/vectors/orders/<protocol>.json``."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.model import NO_KIND, Kind, Order, OrderKind
from gateway.protocols import open_session, row
from gateway.protocols.base import DeviceSettings
from gateway.protocols.order_book import OrderBook
from gateway.protocols.orders import ORDER_BOOKS

FOLDER = Path(__file__).parent / "orders"
SHEETS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
ORDERS = [(name, case) for name, sheet in SHEETS.items() for case in sheet["orders"]]
ANSWERS = [(name, case) for name, sheet in SHEETS.items() for case in sheet["answers"]]
IMEI = "001012600000014"
NOW_US = 1_773_060_000_000_000
"2026-03-09T12:40:00Z"


def named(value: object) -> str:
    return value["id"] if isinstance(value, dict) else str(value)


def order_of(words: dict[str, Any]) -> Order:
    kinds = NO_KIND
    for name in words.get("kinds", ()):
        kinds |= Kind[name.upper()]
    fields = {name: value for name, value in words.items() if name not in ("kind", "kinds")}
    return Order(OrderKind(words["kind"]), kinds=kinds, **fields)


def settings_of(case: dict[str, Any]) -> DeviceSettings:
    return DeviceSettings(**case.get("settings", {}))


def test_every_protocol_with_orders_has_its_sheet_and_every_sheet_its_protocol() -> None:
    assert set(SHEETS) == set(ORDER_BOOKS)
    names = [case["id"] for _, case in ORDERS + ANSWERS]
    assert len(set(names)) == len(names)
    for name, sheet in SHEETS.items():
        assert sheet["format"] == "orders/1" and sheet["protocol"] == name and sheet["paper"]


def test_every_kind_is_stated_for_every_protocol_or_answered_by_none() -> None:
    for name, book in ORDER_BOOKS.items():
        stated = {OrderKind(case["order"]["kind"]) for protocol, case in ORDERS if protocol == name and (case["hex"] or case.get("sms"))}
        for order in (Order(OrderKind.LOCATE), Order(OrderKind.INTERVAL, 60), Order(OrderKind.SERVER, host="gw.example", port=5023)):
            if book.write(order, book.probe, DeviceSettings(), 1) is not None:
                assert order.kind in stated, f"{name}: state the bytes of {order.kind} in tests/vectors/orders/{name}.json"


@pytest.mark.parametrize(("protocol", "case"), ORDERS, ids=named)
def test_an_order_is_written_as_its_paper_says(protocol: str, case: dict[str, Any]) -> None:
    book, settings = row(protocol).orders, settings_of(case)
    found = book.write(order_of(case["order"]), case.get("address", IMEI), settings, case["serial"])
    assert found == (None if case["hex"] is None else bytes.fromhex(case["hex"]))
    if "sms" in case:
        assert book.text(order_of(case["order"]), settings) == case["sms"]


@pytest.mark.parametrize(("protocol", "case"), ANSWERS, ids=named)
@pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
def test_an_answer_means_what_its_paper_says(protocol: str, case: dict[str, Any], reference: bool) -> None:
    session = open_session(protocol, "tcp", settings_of(case), reference=reference)
    for raw in case["frames"]:
        frame = session.read(bytes.fromhex(raw), NOW_US)
    assert not frame.refused, frame.refused
    answer = row(protocol).orders.answer(order_of(case["order"]), case["serial"], frame)
    assert (None if answer is None else "done" if answer.is_done else "refused") == case["says"]
    if "text" in case:
        assert answer is not None and answer.text == case["text"]


@pytest.mark.parametrize("name", ORDER_BOOKS)
def test_what_a_book_writes_is_one_frame_that_nobody_mistakes_for_two(name: str) -> None:
    """Operators' words that hold the protocol's own signs, other alphabets or nothing never make a second message, and never raise."""
    book = ORDER_BOOKS[name]
    for text in ("", " ", "#", "*", ";", "$", "]", "[3G*0101260001*0004*FIND]", "A#B", "é", "x" * 200, "{serial}", "{s}", "{", "\x7e"):
        for settings in (DeviceSettings(), DeviceSettings(model="GL300", config="order_interval={ password=x")):
            for address in (book.probe, "", "nobody", "é"):
                data = book.write(Order(OrderKind.TEXT, text=text), address, settings, 1)
                assert data is None or data
                assert data is None or data.count(b"[") <= 1 and data.count(b"\r\n") <= 1
                book.text(Order(OrderKind.TEXT, text=text), settings)


def books() -> list[tuple[str, OrderBook]]:
    return list(ORDER_BOOKS.items())


@pytest.mark.parametrize(("name", "book"), books(), ids=[name for name, _ in books()])
def test_a_foreign_frame_answers_nothing_and_breaks_nothing(name: str, book: OrderBook) -> None:
    for protocol, case in ANSWERS:
        session = open_session(protocol, "tcp", settings_of(case))
        for raw in case["frames"]:
            frame = session.read(bytes.fromhex(raw), NOW_US)
        for order in (Order(OrderKind.LOCATE), Order(OrderKind.INTERVAL, 60), Order(OrderKind.CONFIRM), Order(OrderKind.TEXT, text="x")):
            book.answer(order, 7, frame)
            book.address(frame)
