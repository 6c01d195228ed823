"""A pytest plugin: the fixture ``kafka_broker``, a broker that runs for the whole session."""

from collections.abc import Iterator

import pytest

from kafka_local.embedded import EmbeddedKafka


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Provide a running Kafka broker, started for the first test that uses it.

    Its address is ``kafka_broker.bootstrap_servers``. All tests of a session share it: give
    topics and groups names of their own, and start an `EmbeddedKafka` of your own to kill it.
    """
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka-local")) as kafka:
        yield kafka
