"""Counts of all services, read from their ``/metrics``."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from txfeatures_local.demo.plan import HOST


class Counts:
    """The samples of all services at one moment; those of several pollers are added up."""

    def __init__(self, samples: Mapping[str, list[tuple[Mapping[str, str], float]]]) -> None:
        self._samples = samples

    def total(self, name: str, **labels: str) -> int:
        """Return the sum of the samples ``name`` that carry ``labels``; 0 if there is none."""
        return int(sum(self._values(name, labels)))

    def latest(self, name: str) -> float | None:
        """Return the largest sample ``name``, None if there is none."""
        return max(self._values(name, {}), default=None)

    def _values(self, name: str, labels: Mapping[str, str]) -> Iterator[float]:
        for found, value in self._samples.get(name, ()):
            if labels.items() <= found.items():
                yield value


def read(ports: Mapping[str, int], client: httpx.Client) -> Counts:
    """Read the metrics of the services at ``ports``; one that does not answer adds nothing."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for port in ports.values():
        try:
            text = client.get(f"http://{HOST}:{port}/metrics").text
        except httpx.HTTPError:
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name].append((sample.labels, sample.value))
    return Counts(samples)
