"""Counts of all processes, read from their ``/metrics``."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

METRICS = "/metrics"
READY = "/readyz"

Samples = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]


@dataclass(frozen=True, slots=True)
class Counts:
    """The samples of all processes at one moment; those of several pollers are added up.

    Attributes:
        samples: Name of a metric -> labels and value of each of its series.
        unready: Processes that are not ready, and those without an answer.
        answered: Number of processes whose metrics were read.
    """

    samples: Samples
    unready: tuple[str, ...] = ()
    answered: int = 0

    def total(self, name: str, **labels: str) -> int:
        """Return the sum of the samples ``name`` that carry ``labels``; 0 if there is none."""
        return int(sum(self._values(name, labels)))

    def latest(self, name: str) -> float | None:
        """Return the largest sample ``name``, None if there is none."""
        return max(self._values(name, {}), default=None)

    def earliest(self, name: str) -> float | None:
        """Return the smallest sample ``name``, None if there is none."""
        return min(self._values(name, {}), default=None)

    def _values(self, name: str, labels: Mapping[str, str]) -> Iterator[float]:
        for found, value in self.samples.get(name, ()):
            if labels.items() <= found.items():
                yield value


def read(addresses: Mapping[str, str], client: httpx.Client) -> Counts:
    """Read the metrics of the processes at ``addresses``; one without an answer adds nothing."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    unready: list[str] = []
    answered = 0
    for name, address in addresses.items():
        try:
            text = client.get(f"{address}{METRICS}").raise_for_status().text
            families = list(text_string_to_metric_families(text))
            is_ready = client.get(f"{address}{READY}").is_success
        except (httpx.HTTPError, ValueError):  # ValueError: not the text of metrics
            unready.append(name)
            continue
        answered += 1
        if not is_ready:
            unready.append(name)
        for family in families:
            for sample in family.samples:
                samples[sample.name].append((sample.labels, sample.value))
    return Counts(samples, tuple(unready), answered)
