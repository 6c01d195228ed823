"""The stages of the benchmark: their inputs, systems and outputs."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench import outputs
from bench.cluster import PARTITIONS, Cluster
from bench.load import heartbeats, transactions, uniques, with_ticks
from bench.measure import Output
from bench.systems import Product, System, peers
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, FEED, RAW

FEW = "raw-few"
"""The input of slow systems: the first tenth of ``raw``."""

SLOW_SHARE = 10

BUSY_PER_S = 1000
"""Transactions per second of the feed in the aggregating stages: a hundred times the live rate,
so that ticks and rows are as rare per transaction as on a busy feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One comparison.

    Attributes:
        name: Name in the results.
        systems: The systems, in the order of a round.
        scale: Factor of the number of records.
        inputs: Number of records -> topic -> its records at the start of a run.
        output: Opens the output for a number of records.
    """

    name: str
    systems: tuple[System, ...]
    scale: int = 1
    inputs: Callable[[int], Mapping[str, Iterable[OutgoingRecord]]]
    output: Callable[[Cluster, int], AbstractContextManager[Output]]


def stages() -> tuple[Stage, ...]:
    """Return all stages, in the order of their runs."""
    return (
        Stage(
            name="dedup",
            systems=(Product(services=("dedup",)), *peers()),
            inputs=_raw,
            output=lambda cluster, count: outputs.deduped(cluster, uniques(count)),
        ),
        Stage(
            name="aggregator",
            systems=(Product(services=("aggregator",)),),
            inputs=_deduped,
            output=lambda cluster, count: outputs.aggregated(
                cluster, count, group="aggregator", source=DEDUPED
            ),
        ),
        Stage(
            name="chain",
            systems=(Product(services=("dedup", "aggregator")),),
            scale=5,
            inputs=_raw_with_ticks,
            output=lambda cluster, count: outputs.aggregated(
                cluster, uniques(count), group="dedup", source=RAW
            ),
        ),
    )


def _raw(count: int) -> Mapping[str, Iterable[OutgoingRecord]]:
    return {RAW: transactions(RAW, count), FEW: transactions(FEW, count // SLOW_SHARE)}


def _deduped(count: int) -> Mapping[str, Iterable[OutgoingRecord]]:
    sent = transactions(DEDUPED, count, per_s=BUSY_PER_S, doubles=False)
    return {
        DEDUPED: with_ticks(sent, partitions=PARTITIONS),
        FEED: heartbeats(count, per_s=BUSY_PER_S),
    }


def _raw_with_ticks(count: int) -> Mapping[str, Iterable[OutgoingRecord]]:
    sent = transactions(RAW, count, per_s=BUSY_PER_S)
    return {
        RAW: with_ticks(sent, partitions=PARTITIONS),
        FEED: heartbeats(count, per_s=BUSY_PER_S),
    }
