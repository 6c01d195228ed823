from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kafka_local import EmbeddedKafka

    from microbatch_support.cluster import Job

_names = count(1)


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedKafka"]:
    from kafka_local import EmbeddedKafka

    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def job(shared_kafka: "EmbeddedKafka", tmp_path: Path) -> Callable[..., "Job"]:
    from microbatch_support.cluster import Job

    def make(*, partitions: int = 4) -> Job:
        name = f"job{next(_names)}"
        return Job(shared_kafka.bootstrap_servers, name, tmp_path, partitions=partitions)

    return make
