"""Statistics of the desk -> the text that Prometheus reads.

Statistics are nested counters: ``{"frames": {"gt06": {"A": {"accepted": 12}}}}``. ``FAMILIES`` names the levels.
A family that stands in no row is exported as a gauge whose single label is the path. Label values come from
closed sets (protocol, class, centre, outcome …); one that looks like a device's number is not exported as such.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from gateway import __version__

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric."""

    labels: tuple[str, ...]
    kind: str
    help: str


FAMILIES: dict[str, Family] = {
    "frames": Family(("protocol", "class", "outcome"), "counter", "Frames received, by what became of them."),
    "frames_refused": Family(("protocol", "reason"), "counter", "Frames that were not believed, by reason."),
    "bytes_skipped": Family(("port",), "counter", "Bytes that belonged to no frame."),
    "kernel_drops": Family(("port",), "counter", "Datagrams that the kernel dropped before we could read them."),
    "alarms": Family(("state",), "gauge", "Alarms at hand."),
    "undelivered": Family((), "gauge", "Alarms that no centre has stored yet."),
    "untaken": Family((), "gauge", "Alarms that no human has taken yet."),
    "alerts": Family((), "gauge", "Alerts that wait for their centre or travel to it."),
    "attempts": Family((), "gauge", "Attempts to hand an alert over that are under way."),
    "alerts_lost": Family(("why",), "counter", "Alerts that no route of their centre took, and last words given up after days."),
    "alerts_withheld": Family((), "counter", "Times that a simulated alarm was kept from a centre that is not for tests."),
    "routes_failing": Family(("route",), "gauge", "1: the last answer of this route was a failure, or its centre disabled it."),
    "orders": Family(("state",), "gauge", "Orders to devices at hand; those that ended are kept up to a bound."),
    "devices": Family(("state",), "gauge", "Registered devices by supervision."),
    "unknown_devices": Family((), "gauge", "Identities heard that nobody registered."),
    "scans": Family((), "counter", "Sources that tried one identity after another."),
    "links": Family(("port", "ended"), "counter", "Connections, by how they ended or why they were turned away."),
    "links_open": Family(("port",), "gauge", "Connections that live now."),
    "evicted": Family((), "counter", "Connections of strangers that made room for others."),
    "requests": Family(("status",), "counter", "HTTP requests answered, by status."),
    "consoles": Family((), "gauge", "Event streams that are open."),
    "crashes": Family(("where",), "counter", "Failures that a bulkhead held."),
    "journal_records": Family((), "counter", "Records made durable."),
    "journal_waiting": Family((), "gauge", "Records whose sync is awaited."),
    "journal_refused": Family(("class",), "counter", "Records for which queue or disk had no room; never of class A or B."),
    "journal_failures": Family((), "counter", "Failed writes and syncs."),
    "journal_unsaved": Family((), "gauge", "Records that wait in memory for a broken disk."),
    "undurable": Family((), "counter", "Groups of records that could not be made durable when they had to be."),
}

UNKNOWN = Family(("path",), "gauge", "A figure without a row of its own in the table.")

_ODD = re.compile(r"[^a-z0-9_]")
_CLOSED = re.compile(r"[A-Za-z0-9_.:/ +-]{1,64}")
_NUMBER_OF_SOMEBODY = re.compile(r"\d{6,}")


def label_of(value: object) -> str:
    """A label value, or ``other`` for what cannot be one of a closed set."""
    text = str(value)
    if not _CLOSED.fullmatch(text) or _NUMBER_OF_SOMEBODY.search(text):
        return "other"
    return text


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every number in a nested mapping, with the labels that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, label_of(key)))
    elif isinstance(value, int | float):
        yield path, float(value)


def family_of(name: str, value: object) -> Metric:
    """One metric with all its values. Values that fold into the same labels are summed up; a value that lies deeper or
    less deep than its family says makes the whole family one with paths for labels."""
    known = FAMILIES.get(name, UNKNOWN)
    found: dict[tuple[str, ...], float] = {}
    for path, number in leaves(value):
        found[path] = found.get(path, 0.0) + number
    if any(len(path) != len(known.labels) for path in found):
        known = UNKNOWN
        found = {("/".join(path),): number for path, number in found.items()}
    make = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = make(f"gateway_{_ODD.sub('_', name.lower())}", known.help, labels=known.labels)
    for labels, number in found.items():
        family.add_metric(labels, number)
    return family


class Statistics:
    """What Prometheus' own writer asks for its metrics."""

    def __init__(self, statistics: Mapping[str, object], is_ready: bool) -> None:
        self._statistics = statistics
        self._is_ready = is_ready

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield InfoMetricFamily("gateway_build", "The running version.", {"version": __version__})
        yield GaugeMetricFamily("gateway_ready", "1: an alarm would be accepted and made durable now.", float(self._is_ready))
        for name, value in self._statistics.items():
            yield family_of(name, value)


def exposition(statistics: Mapping[str, object], is_ready: bool) -> bytes:
    """The whole text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Statistics(statistics, is_ready))
    return generate_latest(registry)
