"""Dead letters of the streaming services: buried within a limit."""

from collections.abc import Sequence

from faust_microbatch import Batch

from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.domain.model import KafkaRecord
from txfeatures.domain.topics import dead_letter_topic
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics

log = get_logger(__name__)


class DeadLetters:
    """Sends what can't be read to the dead letter topic, from the partition where it stood.

    Args:
        limit: Dead letters of a partition in a row, without a transaction in between that
            could be read, that are too many: a bad release must stop, not empty its topic.
        metrics: Where to count.
    """

    def __init__(self, *, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._in_a_row: dict[tuple[str, int], int] = {}

    def bury(self, batch: Batch, dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]) -> None:
        """Send the dead letters of ``batch``; every batch must be shown, also one without.

        Raises:
            FatalError: They are too many; nothing of this batch is sent or acknowledged.
        """
        self._count(batch, dead)
        letters = [wire.dead_letter(record, error) for record, error in dead]
        batch.send(dead_letter_topic(batch.topic), letters, partition=batch.partition)
        for record, error in dead:
            self._metrics.count("dlq_records_total", reason=error.reason)
            log.warning(
                "dead_letter",
                reason=error.reason,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            )

    def _count(self, batch: Batch, dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]) -> None:
        place = (batch.topic, batch.partition)
        before = self._in_a_row.get(place, 0)
        if not dead and not before:
            return
        transactions = sum(not wire.is_tick(record) for record in batch.records)
        run = before + len(dead) if transactions == len(dead) else 0
        if run > self._limit:
            raise FatalError(
                f"more than {self._limit} records of {batch.topic} in a row can't be read (the "
                f"last: {dead[-1][1]}); compare this release with the one that wrote them, or "
                "raise the dead letter limit, then start again"
            )
        self._in_a_row[place] = run
