from pathlib import Path

import pytest

from kafka_local import EmbeddedKafka, LocalKafkaError
from kafka_local.clock import ManualClock
from kafka_local.command import main, watch


def test_a_broker_that_ended_by_itself_is_named(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, port=29_092)
    with pytest.raises(LocalKafkaError, match=r"127\.0\.0\.1:29092 ended by itself; its log"):
        watch(kafka, ManualClock())


def test_too_few_brokers_end_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--brokers", "0"]) == 1
    assert capsys.readouterr().err == "A cluster of 0 brokers can't run; ask for one or more.\n"
