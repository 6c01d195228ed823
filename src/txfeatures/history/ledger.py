"""The ledger of Kafka's topics: the input of each stage equals its output.

Transactions are identified by their hash, records by their place, read committed. The topics
must still hold everything: records deleted by retention can't be accounted for.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError, TransientError
from txfeatures.domain.features import RECORD_IDENTIFIER
from txfeatures.domain.model import Record
from txfeatures.domain.topics import AGGREGATED, DEDUPED, LATE, RAW, dead_letter_topic
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

GROUP = "txfeatures-audit"
"""Nothing is ever committed for it."""

MAX_RECORDS = 1000
PATIENCE_S = 60.0
ORIGIN = "__streams.errors.topic"
"""Header of a dead letter that was a record of a topic; those of the poller have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One equation: ``in`` = ``out`` + the records set aside.

    Attributes:
        name: The service.
        taken: Records that it received.
        given: Transactions that it published.
        duplicates: Repeats of a hash among the records received.
        late: Set aside as too late, or as too far in the future.
        dead: Dead letters of records received.
    """

    name: str
    taken: int
    given: int
    duplicates: int = 0
    late: int = 0
    dead: int = 0

    @property
    def missing(self) -> int:
        """Transactions unaccounted for; negative if some were counted more than once."""
        return self.taken - self.given - self.duplicates - self.late - self.dead


def ledger(kafka: KafkaSettings, *, clock: Clock) -> list[Stage]:
    """Read the topics to their ends and return the equation of each stage.

    Args:
        kafka: The brokers.
        clock: Bounds the waiting.

    Raises:
        TransientError: The brokers don't answer.
    """
    raw_hashes: set[bytes] = set()
    raw = 0
    for record in _transactions(kafka, RAW, clock):
        raw += 1
        raw_hashes.add(record.key or b"")
    deduped = sum(1 for _ in _transactions(kafka, DEDUPED, clock))
    raw_dead = list(_dead_letters(kafka, RAW, clock))
    unread = {record.key or b"" for record in raw_dead}
    counted = sum(_last_counts(kafka, clock).values())
    return [
        Stage(
            name="dedup",
            taken=raw,
            given=deduped,
            duplicates=raw - len(raw_dead) - len(raw_hashes - unread),
            dead=len(raw_dead),
        ),
        Stage(
            name="aggregator",
            taken=deduped,
            given=counted,
            late=sum(1 for _ in _transactions(kafka, LATE, clock)),
            dead=sum(1 for _ in _dead_letters(kafka, DEDUPED, clock)),
        ),
    ]


def _last_counts(kafka: KafkaSettings, clock: Clock) -> dict[str, int]:
    """Return minute -> transactions of its last revision in ``aggregated``."""
    last: dict[str, tuple[int, int]] = {}
    for record in _records(kafka, AGGREGATED, clock):
        try:
            row = wire.decode_row(record.value)
        except InvalidMessageError:
            continue  # fs_writer makes it a dead letter
        revision = int(row["revision"]), int(row["total_nb_trx_1min"])
        name = str(row[RECORD_IDENTIFIER])
        last[name] = max(last.get(name, revision), revision)
    return {name: count for name, (_, count) in last.items()}


def _dead_letters(kafka: KafkaSettings, topic: str, clock: Clock) -> Iterator[Record]:
    for record in _records(kafka, dead_letter_topic(topic), clock):
        if wire.header(record.headers, ORIGIN) == topic.encode():
            yield record


def _transactions(kafka: KafkaSettings, topic: str, clock: Clock) -> Iterator[Record]:
    return (record for record in _records(kafka, topic, clock) if not wire.is_tick(record))


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
