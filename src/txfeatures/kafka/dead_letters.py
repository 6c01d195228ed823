"""Dead letters of the streaming services, published within the limit."""

from collections.abc import Sequence

from faust_microbatch import Batch

from txfeatures.domain import wire
from txfeatures.domain.dead_letter_limit import DeadLetterLimit
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import KafkaRecord
from txfeatures.domain.topics import (
    MAX_RECORD_BYTES,
    dead_letter_command,
    dead_letter_topic,
)
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics

log = get_logger(__name__)


class DeadLetters:
    """Sends unreadable records to the dead letter topic, to the partition of the same number.

    Args:
        limit: Most dead letters of a partition; see `txfeatures.domain.dead_letter_limit`.
        max_record_bytes: Size of the largest record; the value of a larger one is left out.
        metrics: Where to count.
    """

    def __init__(
        self, *, limit: int, max_record_bytes: int = MAX_RECORD_BYTES, metrics: Metrics
    ) -> None:
        self._limit = limit
        self._max_record_bytes = max_record_bytes
        self._metrics = metrics
        self._limits: dict[tuple[str, int], DeadLetterLimit] = {}

    def bury(self, batch: Batch, dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]) -> None:
        """Send the dead letters of ``batch``; call it for every batch, also one without any.

        Raises:
            TooManyDeadLettersError: They pass the limit; nothing of this batch is sent or
                acknowledged.
        """
        self._count(batch, dead)
        letters = [
            wire.dead_letter(record, error, max_record_bytes=self._max_record_bytes)
            for record, error in dead
        ]
        batch.send(dead_letter_topic(batch.topic), letters, partition=batch.partition)
        for record, error in dead:
            self._metrics.count("dlq_records_total", reason=error.reason)
            log.warning(
                "dead_letter",
                reason=error.reason,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                inspect=dead_letter_command(record.topic),
            )

    def _count(self, batch: Batch, dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]) -> None:
        partition = (batch.topic, batch.partition)
        limit = self._limits.get(partition)
        if not dead and limit is None:
            return  # readable records matter only after a dead letter
        if limit is None:
            limit = DeadLetterLimit(topic=batch.topic, partition=batch.partition, limit=self._limit)
        errors = {record.offset: error for record, error in dead}
        limit = limit.after(
            (record.offset, errors.get(record.offset))
            for record in batch.records
            if not wire.is_tick(record)
        )
        if limit.dead:
            self._limits[partition] = limit
        else:
            self._limits.pop(partition, None)
