"""The ledger of Kafka's topics: the input of each stage equals its output.

Transactions are identified by their hash or counted by minute, records by their place, read
committed. The topics must still hold everything: records deleted by retention can't be accounted
for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError, TransientError
from txfeatures.domain.features import ALWAYS, COUNT, RECORD_IDENTIFIER, minute_name
from txfeatures.domain.model import MINUTE_S, Record
from txfeatures.domain.topics import AGGREGATED, DEDUPED, LATE, RAW, dead_letter_topic
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

GROUP = "txfeatures-audit"
"""Nothing is ever committed for it."""

MAX_RECORDS = 1000
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One equation: ``in`` = ``out`` + the records set aside.

    Losses and surpluses are summed up apart, since a sum of both could be 0.

    Attributes:
        name: The service.
        taken: Records that it received.
        given: Transactions that it published.
        duplicates: Repeats of a hash among the records received.
        late: Set aside as too late, or as too far in the future.
        dead: Dead letters of records received.
        missing: Transactions received that are nowhere.
        extra: Transactions published more often than received.
    """

    name: str
    taken: int
    given: int
    duplicates: int = 0
    late: int = 0
    dead: int = 0
    missing: int = 0
    extra: int = 0

    @property
    def is_balanced(self) -> bool:
        """True if every transaction is accounted for, and none twice."""
        return not self.missing and not self.extra


def ledger(kafka: KafkaSettings, *, clock: Clock) -> list[Stage]:
    """Read the topics to their ends and return the equation of each stage.

    Args:
        kafka: The brokers.
        clock: Bounds the waiting.

    Raises:
        TransientError: The brokers don't answer.
    """

    def records(topic: str) -> Iterator[Record]:
        return (each for each in _records(kafka, topic, clock) if not wire.is_tick(each))

    raw_dead = records(dead_letter_topic(RAW))
    deduped_dead = records(dead_letter_topic(DEDUPED))
    return [
        dedup_stage(records(RAW), records(DEDUPED), dead=raw_dead),
        aggregator_stage(
            records(DEDUPED), records(AGGREGATED), late=records(LATE), dead=deduped_dead
        ),
    ]


def dedup_stage(
    raw: Iterable[Record], deduped: Iterable[Record], *, dead: Iterable[Record]
) -> Stage:
    """Return the equation of dedup, hash by hash: each that could be read is given once."""
    buried = {_origin(record) for record in dead} - {None}
    taken = 0
    hashes: Counter[bytes | None] = Counter()
    for record in raw:
        taken += 1
        if (RAW, record.partition, record.offset) not in buried:
            hashes[record.key] += 1
    wanted, given = Counter(dict.fromkeys(hashes, 1)), Counter(each.key for each in deduped)
    return Stage(
        name="dedup",
        taken=taken,
        given=given.total(),
        duplicates=hashes.total() - len(hashes),
        dead=taken - hashes.total(),
        missing=(wanted - given).total(),
        extra=(given - wanted).total(),
    )


def aggregator_stage(
    deduped: Iterable[Record],
    aggregated: Iterable[Record],
    *,
    late: Iterable[Record],
    dead: Iterable[Record],
) -> Stage:
    """Return the equation of the aggregator, minute by minute."""
    wanted = Counter(map(_minute, deduped))
    counted = Counter(_last_counts(aggregated))
    set_aside = Counter(map(_minute, late))
    buried = Counter(_minute(each) for each in dead if (_origin(each) or ("",))[0] == DEDUPED)
    given = counted + set_aside + buried
    return Stage(
        name="aggregator",
        taken=wanted.total(),
        given=counted.total(),
        late=set_aside.total(),
        dead=buried.total(),
        missing=(wanted - given).total(),
        extra=(given - wanted).total(),
    )


def _last_counts(aggregated: Iterable[Record]) -> dict[str, int]:
    """Return minute -> transactions of its last revision."""
    last: dict[str, tuple[int, int]] = {}
    for record in aggregated:
        try:
            row = wire.decode_row(record.value, ALWAYS)
        except InvalidMessageError:
            continue  # fs_writer makes it a dead letter
        revision = int(row["revision"]), int(row[COUNT])
        name = str(row[RECORD_IDENTIFIER])
        last[name] = max(last.get(name, revision), revision)
    return {name: count for name, (_, count) in last.items()}


def _minute(record: Record) -> str:
    """Return the minute of a transaction; empty if it can't be read."""
    try:
        return minute_name(wire.decode_transaction(record.value).time // MINUTE_S * MINUTE_S)
    except InvalidMessageError:
        return ""


def _origin(dead: Record) -> tuple[str, int, int] | None:
    """Return topic, partition and offset of the record that became a dead letter.

    None for one of the poller, which never was a record.
    """
    names = ("topic", "partition", "offset")
    found = [wire.header(dead.headers, f"__streams.errors.{name}") for name in names]
    if None in found:
        return None
    topic, partition, offset = (each.decode() for each in found if each is not None)
    return topic, int(partition), int(offset)


def _records(kafka: KafkaSettings, topic: str, clock: Clock) -> Iterator[Record]:
    """Yield every record that a topic holds now."""
    left = {number: end for number, end in committed_ends(kafka, topic).items() if end}
    if not left:
        return
    received_s = clock.monotonic()
    with closing(KafkaSource(kafka, [topic], group=f"{GROUP}-{topic}")) as source:
        while left:
            records = source.poll(max_records=MAX_RECORDS, timeout_s=0.5)
            for record in records:
                if record.partition in left:
                    yield record
                    if record.offset + 1 >= left[record.partition]:
                        del left[record.partition]
            if records:
                received_s = clock.monotonic()
            elif clock.monotonic() - received_s > PATIENCE_S:
                raise TransientError(f"topic {topic} was not read to its end; run it again")
