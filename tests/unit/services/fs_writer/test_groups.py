from contextlib import ExitStack
from typing import Any

import pytest

from txfeatures.kafka.skips import SkippedRecords
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import KafkaSettings
from txfeatures_fs_writer import groups

SKIPPED = SkippedRecords(
    topic="deduped",
    partition=0,
    committed_offset=100,
    first_offset=250,
    records=150,
    reason="expired",
)


class Source:
    """A source that skips records when it is opened."""

    def __init__(self, *_: Any, on_skipped: Any, **__: Any) -> None:
        on_skipped(SKIPPED)

    def close(self) -> None: ...


def test_skipped_records_are_counted_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "KafkaSource", Source)
    runtime = Runtime(metrics=Metrics("fs_writer"))
    passed_on: list[SkippedRecords] = []
    with ExitStack() as stack:
        open_source = groups.opener(
            KafkaSettings(), "deduped", group="g", stack=stack, runtime=runtime
        )
        open_source(
            on_assigned=lambda _: None, on_revoked=lambda _: None, on_skipped=passed_on.append
        )
    assert passed_on == [SKIPPED]
    counted = runtime.metrics.registry.get_sample_value(
        "txf_fs_writer_skipped_records_total", {"topic": "deduped"}
    )
    assert counted == 150
