"""An Iceberg offline store compacted by the local Athena."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from featurestore_local import LocalAws

from tests.support.local_account import entered, make_bucket, make_group
from txfeatures.compaction.offline_store import _results, compact_offline_store
from txfeatures.domain.errors import FatalError
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

pytestmark = pytest.mark.integration

AWS = AwsSettings(table_format="iceberg", feature_group="iceberg-group", timeout_s=60)
GLUE = AwsSettings(feature_group="glue-group", timeout_s=60)


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws(settling_s=0.0, offline_delay_s=0.0) as local, entered(local):
        make_bucket(AWS)
        make_group(AWS)
        make_group(GLUE)
        yield local


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("compact"), clock=SystemClock())


def test_an_iceberg_table_is_optimized_and_vacuumed(local_aws: LocalAws, runtime: Runtime) -> None:
    said: list[str] = []
    compact_offline_store(AWS, runtime=runtime, say=said.append)
    assert [line.split(": ")[1].split()[0] for line in said] == ["OPTIMIZE", "VACUUM"]
    assert all(line.endswith("done with run 1") for line in said)


def test_a_dry_run_runs_nothing(local_aws: LocalAws, runtime: Runtime) -> None:
    said: list[str] = []
    compact_offline_store(AWS, runtime=runtime, say=said.append, is_dry_run=True)
    assert [line.split("would run ")[1].split()[0] for line in said] == ["OPTIMIZE", "VACUUM"]


def test_a_table_in_glue_format_is_left_alone(local_aws: LocalAws, runtime: Runtime) -> None:
    said: list[str] = []
    compact_offline_store(GLUE, runtime=runtime, say=said.append)
    assert said == ["offline store: its format is not Iceberg, so it can't be compacted"]


def test_a_feature_group_that_is_not_there_is_said_so(
    local_aws: LocalAws, runtime: Runtime
) -> None:
    with pytest.raises(FatalError, match="run `txfeatures bootstrap`"):
        compact_offline_store(AwsSettings(feature_group="none"), runtime=runtime, say=print)


class Scripted:
    """An Athena whose statements end as told, in turn."""

    def __init__(self, *reasons: str | None) -> None:
        self.meta = MagicMock()
        self.reasons = list(reasons)
        self.started: list[str] = []
        self.stopped = 0

    def start_query_execution(self, **asked: Any) -> dict[str, str]:
        self.started.append(asked["QueryString"].split()[0])
        return {"QueryExecutionId": str(len(self.started))}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        reason = self.reasons.pop(0)
        status = {"State": "SUCCEEDED"}
        if reason is not None:
            status = {"State": "FAILED", "StateChangeReason": reason}
        if reason == "RUNNING":
            status = {"State": "RUNNING"}
        return {"QueryExecution": {"Status": status}}

    def stop_query_execution(self, **_: str) -> None:
        self.stopped += 1


MORE = "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED: there is more to do"
MORE_VACUUM = "ICEBERG_VACUUM_MORE_RUNS_NEEDED: there is more to do"


def scripted(monkeypatch: pytest.MonkeyPatch, *reasons: str | None) -> Scripted:
    athena = Scripted(*reasons)
    monkeypatch.setattr(aws, "athena", lambda _settings: athena)
    return athena


def test_statements_are_repeated_until_nothing_is_left(
    local_aws: LocalAws, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    athena = scripted(monkeypatch, MORE, MORE, None, MORE_VACUUM, None)
    compact_offline_store(AWS, runtime=runtime, say=said.append)
    assert athena.started == ["OPTIMIZE"] * 3 + ["VACUUM"] * 2
    assert [line[-1] for line in said] == ["3", "2"]


def test_another_failure_ends_the_run_with_what_athena_said(
    local_aws: LocalAws, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, "TABLE_NOT_FOUND: no such table")
    with pytest.raises(FatalError, match=r"Athena failed OPTIMIZE.*TABLE_NOT_FOUND"):
        compact_offline_store(AWS, runtime=runtime, say=print)


def test_a_stop_stops_the_statement_too(
    local_aws: LocalAws, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    athena = scripted(monkeypatch, "RUNNING")
    runtime.stop.set()
    with pytest.raises(FatalError, match="run it again to go on"):
        compact_offline_store(AWS, runtime=runtime, say=print)
    assert athena.stopped == 1


def test_the_results_of_queries_are_encrypted_with_the_key_that_is_set() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    results = _results(AwsSettings(kms_key_arn=key))
    assert results["EncryptionConfiguration"] == {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    assert "EncryptionConfiguration" not in _results(AwsSettings())
