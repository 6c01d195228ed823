"""The librdkafka clients of a worker."""

import confluent_kafka
from confluent_kafka.admin import AdminClient

from faust_microbatch.engine.config import Config


class Clients:
    """Makes clients with the properties of a `Config`."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def member(self) -> confluent_kafka.Consumer:
        """Return the consumer that is a member of the group."""
        return confluent_kafka.Consumer(self._config.member())

    def reader(self) -> confluent_kafka.Consumer:
        """Return a consumer of changelogs, which reports the end of each partition."""
        # The client waits for more at the end of a partition; a recovery waits for the end alone.
        extra = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
        return confluent_kafka.Consumer({**self._config.reader(), **extra})

    def producer(self, transactional_id: str) -> confluent_kafka.Producer:
        """Return the transactional producer."""
        return confluent_kafka.Producer(self._config.producer(transactional_id))

    def admin(self) -> AdminClient:
        """Return a client for metadata and offsets."""
        return AdminClient(self._config.client())
