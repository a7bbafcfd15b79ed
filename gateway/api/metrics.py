"""Statistics of the desk -> the text that Prometheus reads.

Statistics are nested counters: ``{"frames": {"gt06": {"A": {"accepted": 12}}}}``. ``FAMILIES`` names the levels.
A family that stands in no row is exported as a gauge whose single label is the path. Label values come from
closed sets (protocol, class, centre, outcome …); one that looks like a device's number is not exported as such.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway import __version__

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric."""

    labels: tuple[str, ...]
    kind: str
    help: str


FAMILIES: dict[str, Family] = {
    "frames": Family(("protocol", "class", "outcome"), "counter", "Frames received, by what became of them."),
    "alarms": Family(("state",), "gauge", "Alarms at hand."),
    "alarms_raised": Family((), "counter", "Alarms raised."),
    "offers": Family(("centre", "outcome"), "counter", "Attempts to hand an alert to a centre."),
    "undelivered": Family((), "gauge", "Alarms that no centre has stored yet."),
    "undelivered_age_s": Family((), "gauge", "Age of the oldest alarm that no centre has stored yet."),
    "devices": Family(("state",), "gauge", "Registered devices by supervision."),
    "units": Family(("status",), "gauge", "Units."),
    "unknown_devices": Family((), "gauge", "Identities heard that nobody registered."),
    "links": Family(("port", "ended"), "counter", "Connections and messages, by how they ended."),
    "links_open": Family(("port",), "gauge", "Connections that live now."),
    "requests": Family(("status",), "counter", "HTTP requests answered, by status."),
    "journal_records": Family((), "counter", "Records made durable."),
    "journal_bytes": Family((), "counter", "Bytes made durable."),
    "journal_failures": Family((), "counter", "Failed writes and syncs."),
}

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


def exposition(statistics: Mapping[str, object], is_ready: bool) -> bytes:
    """The whole text. Values that fold into the same labels are summed up."""
    from prometheus_client import CollectorRegistry, generate_latest  # 145 ms to import: not at the start of every command
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
    from prometheus_client.metrics_core import Metric

    class Desk:
        """Reads the statistics when it is scraped."""

        def collect(self) -> Iterator[Metric]:
            yield InfoMetricFamily("gateway_build", "The running version.", {"version": __version__})
            yield GaugeMetricFamily("gateway_ready", "1: an alarm would be accepted and made durable now.", float(is_ready))
            for name, value in statistics.items():
                found: dict[tuple[str, ...], float] = {}
                known = FAMILIES.get(name)
                for path, number in leaves(value):
                    labels = path if known and len(path) == len(known.labels) else ("/".join(path),)
                    found[labels] = found.get(labels, 0.0) + number
                fits = known is not None and all(len(labels) == len(known.labels) for labels in found)
                make = CounterMetricFamily if known and known.kind == "counter" else GaugeMetricFamily
                family = make(f"gateway_{label_name(name)}", known.help if known else name, labels=known.labels if known and fits else ("path",))
                for labels, number in found.items():
                    family.add_metric(labels if fits else ("/".join(labels),), number)
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Desk())
    return generate_latest(registry)


def label_name(name: str) -> str:
    """A metric name out of a statistics key."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())
