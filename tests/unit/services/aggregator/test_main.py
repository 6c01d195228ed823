from typing import Any

import faust
import pytest

from services.aggregator import main as module
from services.aggregator.settings import Settings
from txfeatures.errors import FatalError
from txfeatures.runtime import Runtime
from txfeatures.settings import KafkaSettings, environment_names


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment_names(Settings):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "configure_logging", lambda *_, **__: None)


def test_the_worker_runs_as_wide_as_its_topic_and_its_exit_code_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def topic_partitions(_: KafkaSettings, topic: str) -> int:
        assert topic == "deduped"
        return 7

    def run_worker(app: faust.App, *, runtime: Runtime, ready: str, **_: Any) -> int:
        assert app.conf.id == "aggregator"
        assert app.conf.topic_partitions == 7
        assert runtime.metrics.collectors()
        assert ready == "partitions of deduped"
        return 42

    monkeypatch.setattr(module, "topic_partitions", topic_partitions)
    monkeypatch.setattr(module, "run_worker", run_worker)
    assert module.main() == 42


def test_a_wrong_setting_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_AGGREGATOR_HTTP_PORT", "-1")
    assert module.main() == 1
    assert capsys.readouterr().err == (
        "aggregator: TXF_AGGREGATOR_HTTP_PORT='-1': Input should be greater than or equal to 0\n"
    )


def test_a_missing_topic_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_topic(*_: object) -> int:
        raise FatalError("Kafka has no topic; run bootstrap first")

    monkeypatch.setattr(module, "topic_partitions", no_topic)
    assert module.main() == 1
    assert capsys.readouterr().err == "aggregator: Kafka has no topic; run bootstrap first\n"
