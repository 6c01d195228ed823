"""Metrics: a closed list, counted per batch, with low-cardinality labels and base units.

Only the names and labels in ``DEFINITIONS`` exist. They are listed in docs/reference/metrics.md.
"""

from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from txfeatures.process.metrics.definitions import DEFINITIONS, Metric

__all__ = ["DEFINITIONS", "Metric", "Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one service in one process.

    Args:
        service: Name of the service, which selects its ``DEFINITIONS``.
        registry: Registry of the metrics; a new one by default.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._by_partition: list[Gauge] = []
        self._histograms: dict[str, Histogram] = {}
        self._prefix = f"txf_{service}_"
        # Looked up once: it takes longer than to count.
        self._counter = cache(self._find_counter)
        self._histogram = cache(self._find_histogram)
        for metric in DEFINITIONS:
            if metric.service == service:
                self._make(metric)

    def count(self, noun: str, amount: float = 1, **labels: str) -> None:
        """Add ``amount`` to the counter ``txf_<service>_<noun>``; KeyError if there is none."""
        self._counter(noun, **labels).inc(amount)

    def set(self, noun: str, value: float, **labels: str) -> None:
        """Set the gauge ``txf_<service>_<noun>``; KeyError if there is none."""
        gauge = self._gauges[self._prefix + noun]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def forget_partitions(self) -> None:
        """Drop the gauges of single partitions, which another worker may own from now on."""
        for gauge in self._by_partition:
            gauge.clear()

    def observe(self, noun: str, seconds: float, **labels: str) -> None:
        """Add a duration to the histogram ``txf_<service>_<noun>``; KeyError if there is none."""
        self._histogram(noun, **labels).observe(seconds)

    def count_flow(self, direction: Literal["in", "out"], topic: str, sizes: Iterable[int]) -> None:
        """Count a batch of records of one topic by number and bytes; ``sizes`` are bytes."""
        sizes = list(sizes)
        if sizes:
            self.count("records_total", len(sizes), direction=direction, topic=topic)
            self.count("bytes_total", sum(sizes), direction=direction, topic=topic)

    def collectors(self) -> list[Collector]:
        """Return all metrics, for tests."""
        return [*self._counters.values(), *self._gauges.values(), *self._histograms.values()]

    def _find_counter(self, noun: str, **labels: str) -> Counter:
        counter = self._counters[self._prefix + noun]
        return counter.labels(**labels) if labels else counter

    def _find_histogram(self, noun: str, **labels: str) -> Histogram:
        histogram = self._histograms[self._prefix + noun]
        return histogram.labels(**labels) if labels else histogram

    def _make(self, metric: Metric) -> None:
        name, text, labels = metric.name, metric.description, metric.labels
        made: Counter | Gauge | Histogram
        if metric.kind == "counter":
            made = self._counters[name] = Counter(name, text, labels, registry=self.registry)
        elif metric.kind == "gauge":
            made = self._gauges[name] = Gauge(name, text, labels, registry=self.registry)
            if "partition" in labels:
                self._by_partition.append(self._gauges[name])
        else:
            made = self._histograms[name] = Histogram(
                name, text, labels, registry=self.registry, buckets=_SECONDS
            )
        if metric.known:
            for values in product(*(metric.known[label] for label in labels)):
                made.labels(*values)
