"""The estimate: quantities of a deployment at a load, multiplied by rates [pure]."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from txfeatures.cost.rates import Broker, Node, Rates
from txfeatures.domain.topics import DAY_H, TOPICS

HOURS = 730.0
"""Hours of a month, as AWS counts them."""

SECONDS = HOURS * 3600.0
GB = 1e9
LIVE = 20.0
"""Transactions per second up to which batches are as small as those of the live feed."""

Kind = Literal["lean", "standard", "serverless"]

KEPT_ONLINE_MINUTES = 30 * DAY_H * 60
"""A month of rows in the online store."""

FLAT_CPU, FLAT_MEMORY_GB = 1.2, 3.0
"""Requests of the pods besides what grows with the load: values-eks.yaml and cluster add-ons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load and how long its traces are kept.

    Attributes:
        rate: Transactions per second.
        polls: Polls of the source per second.
        retention_h: Hours that Kafka keeps `raw` and `deduped`.
        remembered_h: Hours that dedup remembers a hash.
        archive_months: Months of archive in the bucket.
        partitions: Partitions of each topic that scales.
    """

    rate: float
    polls: float
    retention_h: float
    remembered_h: float
    archive_months: float
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the bill: what, the quantity in words, and dollars per month."""

    item: str
    quantity: str
    usd: float
    is_looked_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A bill."""

    kind: Kind
    load: Load
    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """Dollars per month."""
        return sum(line.usd for line in self.lines)


def estimate(kind: Kind, load: Load, rates: Rates) -> Estimate:
    """Return the bill of a deployment.

    ``lean`` has two brokers and two nodes at least, ``standard`` three of each, in as many
    zones; ``serverless`` is standard on MSK Serverless.
    """
    bill = _Bill(kind=kind, load=load, rates=rates)
    lines = (bill.cluster(), *bill.nodes(), *bill.kafka(), *bill.network(), *bill.stores())
    return Estimate(kind=kind, load=load, lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    kind: Kind
    load: Load
    rates: Rates

    def cluster(self) -> Line:
        return self._line("EKS cluster", HOURS, "eks_cluster_hour", "h")

    def nodes(self) -> tuple[Line, ...]:
        hashes = self.load.rate * self.load.remembered_h * 3600.0
        memory = FLAT_MEMORY_GB + hashes * self.rates.footprint.memory_bytes_per_hash / GB
        # The poller and the archive parse each transaction as well, at a like cost.
        cpu = FLAT_CPU + 3.0 * self.load.rate * self.rates.footprint.cpu_us_per_record / 1e6
        node, count = _cheapest_nodes(self.rates.nodes, cpu, memory, self._zones)
        return (
            Line(
                item=f"nodes, {node.name}",
                quantity=f"{count} for {cpu:.1f} cores and {memory:.1f} GB",
                usd=count * HOURS * node.usd_hour,
                is_looked_up=bool(node.looked_up),
            ),
            self._line("disks of the nodes", 20.0 * count, "disk_gb_month", "GB"),
        )

    def kafka(self) -> tuple[Line, ...]:
        stored = self._written_gb_s * self.load.retention_h * 3600.0 + self._changelog_gb
        if self.kind == "serverless":
            return (
                self._line("MSK Serverless", HOURS, "serverless_cluster_hour", "h"),
                self._line(
                    "its partitions",
                    HOURS * sum(self.load.partitions if t.scales else 1 for t in TOPICS),
                    "serverless_partition_hour",
                    "h",
                ),
                self._line("written to it", self._written_gb_s * SECONDS, "serverless_in_gb", "GB"),
                self._line("read from it", self._read_gb_s * SECONDS, "serverless_out_gb", "GB"),
                self._line("stored in it", stored, "serverless_storage_gb_month", "GB"),
            )
        broker, count = _cheapest_brokers(self.rates.brokers, self._written_gb_s * 1e3, self._zones)
        return (
            Line(
                item=f"MSK brokers, {broker.name}",
                quantity=f"{count} for {self._written_gb_s * 1e3:.2f} MB/s",
                usd=count * HOURS * broker.usd_hour,
                is_looked_up=bool(broker.looked_up),
            ),
            # Half as much again, so that no disk is full when the feed is busy; at least 20 GB.
            self._line(
                "storage of the brokers",
                max(20.0 * count, 1.5 * self._zones * stored),
                "kafka_storage_gb_month",
                "GB",
            ),
        )

    def network(self) -> tuple[Line, ...]:
        answers = self.load.polls * self.rates.footprint.answer_bytes / GB
        fetched = max(answers, self.load.rate * self.rates.footprint.answer_bytes / 100.0 / GB)
        crossing = (self._written_gb_s + self._read_gb_s) * (self._zones - 1) / self._zones
        return (
            self._line("NAT gateway", HOURS, "nat_hour", "h"),
            self._line("data through it", fetched * SECONDS, "nat_gb", "GB"),
            self._line("its public address", HOURS, "public_ip_hour", "h"),
            self._line("traffic between zones", crossing * SECONDS, "cross_zone_gb", "GB"),
        )

    def stores(self) -> tuple[Line, ...]:
        # A provisional row a second and a final one a minute; the api reads the newest four.
        rows = (1.0 + 1.0 / 60.0) * SECONDS / 1e6
        reads = 4.0 * SECONDS / 1e6
        online = KEPT_ONLINE_MINUTES * self.rates.footprint.row_bytes / GB
        archived = self.load.rate * self.rates.footprint.archive_bytes * SECONDS / GB
        # An object and its manifest per partition and cut of 300 s.
        objects = 2.0 * self.load.partitions * SECONDS / 300.0 / 1e6
        return (
            self._line("Feature Store, writes", rows, "write_million", "million"),
            self._line("Feature Store, reads", reads, "read_million", "million"),
            self._line("Feature Store, online", online, "online_gb_month", "GB"),
            self._line("archive in S3", archived * self.load.archive_months, "s3_gb_month", "GB"),
            self._line("objects written to S3", objects, "s3_put_million", "million"),
            self._line("logs", 5.0, "logs_gb", "GB"),
            self._line("images", 3.0, "images_gb_month", "GB"),
        )

    @property
    def _zones(self) -> int:
        return 2 if self.kind == "lean" else 3

    @property
    def _bytes(self) -> float:
        found = self.rates.footprint
        return found.broker_bytes_live if self.load.rate <= LIVE else found.broker_bytes_loaded

    @property
    def _written_gb_s(self) -> float:
        """Writes to `raw` and `deduped`; the other topics are small beside them."""
        return 2.0 * self.load.rate * self._bytes / GB

    @property
    def _read_gb_s(self) -> float:
        """`raw` is read by dedup, `deduped` by aggregator and archive."""
        return 3.0 * self.load.rate * self._bytes / GB

    @property
    def _changelog_gb(self) -> float:
        hashes = self.load.rate * self.load.remembered_h * 3600.0
        return hashes * self.rates.footprint.changelog_bytes_per_hash / GB

    def _line(self, item: str, quantity: float, rate: str, unit: str) -> Line:
        found = self.rates.rates[rate]
        return Line(
            item=item,
            quantity=f"{quantity:,.1f} {unit}",
            usd=quantity * found.usd,
            is_looked_up=bool(found.looked_up),
        )


def _cheapest_nodes(
    nodes: Sequence[Node], cpu: float, memory_gb: float, at_least: int
) -> tuple[Node, int]:
    counts = [
        (node, max(at_least, math.ceil(cpu / node.cpu), math.ceil(memory_gb / node.memory_gb)))
        for node in nodes
    ]
    return min(counts, key=lambda found: found[0].usd_hour * found[1])


def _cheapest_brokers(
    brokers: Sequence[Broker], written_mb_s: float, zones: int
) -> tuple[Broker, int]:
    """Brokers come in multiples of the zones."""
    counts = [
        (broker, zones * max(1, math.ceil(written_mb_s / broker.ingress_mb_s / zones)))
        for broker in brokers
    ]
    return min(counts, key=lambda found: found[0].usd_hour * found[1])
