"""The ends of all partitions of a topic, followed outside of any group."""

from confluent_kafka import KafkaException, TopicPartition

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.kafka.client import connection, partition_count
from txfeatures.kafka.consumer import open_consumer
from txfeatures.kafka.reader import Reader
from txfeatures.kafka.security import Refusals
from txfeatures.process.logs import get_logger
from txfeatures.process.settings import KafkaSettings

log = get_logger(__name__)

TAIL_RECORDS = 1000
METADATA_TIMEOUT_S = 1.0
"""Short, so that a stop is noticed in between."""


class KafkaTail:
    """Follows all partitions of a topic, from the last records of each on.

    Args:
        settings: The brokers.
        topic: The topic.
        back: Records of each partition that are read first.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, back: int = 1) -> None:
        self._topic = topic
        self._back = back
        self._assigned = False
        properties = connection(settings)
        self._refusals: Refusals = properties["error_cb"]
        group = f"tail-{topic}"
        self._consumer = open_consumer(properties, group=group)
        self._reader = Reader(self._consumer, group=group)

    def poll(self, timeout_s: float) -> list[Record]:
        """Return the records since the last call; the first time, the last ones.

        Raises:
            TransientError: The brokers don't answer, or there is no such topic yet.
        """
        if not self._assigned:
            self._consumer.assign(self._starts())
            self._assigned = True
        records = self._reader.read(TAIL_RECORDS, timeout_s)
        if self._reader.gone:
            # Deleted, or the topic was made anew: a tail needs the newest records only.
            log.warning("tail_lost", topic=self._topic)
            self._reader.gone.clear()
            self._assigned = False
        return records

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _starts(self) -> list[TopicPartition]:
        try:
            starts = []
            # Counted each time: a partition that once had no leader stays unknown to the client
            # long after it has one again.
            count = partition_count(
                self._consumer, self._topic, self._refusals, timeout_s=METADATA_TIMEOUT_S
            )
            for number in range(count):
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, number), timeout=METADATA_TIMEOUT_S
                )
                starts.append(TopicPartition(self._topic, number, max(low, high - self._back)))
        except KafkaException as error:
            reason = self._refusals.message(error, self._consumer.poll)
            raise TransientError(f"the ends of {self._topic} are not known: {reason}") from error
        except FatalError as error:
            raise TransientError(str(error)) from error
        return starts
