"""The outputs of the stages, as `measure` reads them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import Consumer

from bench.cluster import PARTITIONS, Cluster, read
from bench.measure import Count, Output
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import ALWAYS
from txfeatures.domain.topics import AGGREGATED, DEDUPED

_READ_S = 0.5  # the client's wait to fill a batch, even at the end of the topic
_PATIENCE = 60  # consecutive reads without a record


@contextmanager
def deduped(cluster: Cluster, expected: int) -> Iterator[Output]:
    """Open ``deduped``, which must hold ``expected`` different keys."""
    yield _Deduped(cluster=cluster, expected=expected)


@contextmanager
def aggregated(cluster: Cluster, expected: int, *, group: str, source: str) -> Iterator[Output]:
    """Open ``aggregated``, whose rows must count ``expected`` transactions in all.

    Rows wait for the slowest partition, so the first one is late; the start of the work is
    taken from the committed offset of ``group`` in ``source`` instead.
    """
    with cluster.reader(AGGREGATED) as consumer:
        yield _Aggregated(
            cluster=cluster, group=group, source=source, consumer=consumer, expected=expected
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deduped:
    """The output ``deduped``; ``visible`` counts offsets, also those of transaction markers."""

    cluster: Cluster
    expected: int

    def done(self) -> float:
        return min(1.0, self.visible() / self.expected)

    def visible(self) -> int:
        return self.cluster.end(DEDUPED)

    def count(self) -> Count:
        keys: Counter[object] = Counter()
        ended: set[int] = set()
        patience = _PATIENCE
        with self.cluster.reader(DEDUPED) as consumer:
            while len(ended) < PARTITIONS:
                messages, now_ended = read(consumer, _READ_S)
                keys.update(message.key() for message in messages)
                ended |= now_ended
                patience = _PATIENCE if messages or now_ended else patience - 1
                if not patience:
                    raise FatalError(f"{DEDUPED} can't be read to its end; run it again")
        return Count(missing=self.expected - len(keys), duplicates=keys.total() - len(keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aggregated:
    """The output ``aggregated``; ``visible`` counts transactions in the last rows of minutes."""

    cluster: Cluster
    group: str
    source: str
    consumer: Consumer
    expected: int
    totals: dict[str, int] = field(default_factory=dict)

    def done(self) -> float:
        return self.cluster.committed(self.group, self.source) / self.cluster.end(self.source)

    def visible(self) -> int:
        messages, _ = read(self.consumer, 0.0)
        for message in messages:  # a minute's revisions come in order: one key, one partition
            row = wire.decode_row(message.value(), ALWAYS)
            self.totals[str(row["tx_minute"])] = int(row["total_nb_trx_1min"])
        return sum(self.totals.values())

    def count(self) -> Count:
        found = self.visible()
        return Count(
            missing=max(0, self.expected - found), duplicates=max(0, found - self.expected)
        )
