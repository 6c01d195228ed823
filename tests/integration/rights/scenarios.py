"""The use of AWS of each process, by the code that the process runs."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.integration.history.commands import audited, command
from tests.support.declared import DEFAULT, FEATURES
from tests.support.local_account import make_group
from txfeatures.archive.catalog import DATABASE, TABLE, ensure_archive_table, table
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.schema import encode
from txfeatures.archive.skips import Skip
from txfeatures.bootstrap.bucket import ensure_bucket
from txfeatures.bootstrap.feature_group import FeatureGroup
from txfeatures.bootstrap.schema import definitions
from txfeatures.compaction.offline_store import compact_offline_store
from txfeatures.doctor.diagnosis import Extent, diagnose
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import Record, Row
from txfeatures.feature_store.codec import to_values
from txfeatures.feature_store.offline import OfflineStore
from txfeatures.feature_store.online import OnlineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.feature_store.writer import FeatureGroupWriter, OfflineWrite
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader
from txfeatures_fs_writer.stores import S3Archive

Scenario = Callable[[Path, list[Row]], None]

RECORD = Record(
    topic="deduped",
    partition=0,
    offset=7,
    key=b"",
    timestamp_ms=1_697_709_600_000,
    value=json.dumps({"hash": f"{7:064x}", "time": 1_697_709_600, "fee": 7}).encode(),
)
SPAN = ("--start", "2024-10-19 10:49", "--end", "2024-10-19 11:04")


def settings() -> AwsSettings:
    return AwsSettings()


def runtime(service: str) -> Runtime:
    return Runtime(metrics=Metrics(service), clock=SystemClock())


def outdate() -> None:
    """Put in place what an earlier release made: fewer features, no tags, fewer columns."""
    sagemaker, group = aws.sagemaker(settings()), settings().feature_group
    sagemaker.delete_feature_group(FeatureGroupName=group)
    older_features = [
        d for d in definitions(settings(), FEATURES) if d["FeatureName"] != "rbf_share_1min"
    ]
    make_group(settings(), FeatureDefinitions=older_features, Tags=None)
    older: Any = table(settings().bucket)
    older["StorageDescriptor"]["Columns"] = older["StorageDescriptor"]["Columns"][:-1]
    aws.glue(settings()).update_table(DatabaseName=DATABASE, TableInput=older)


def bootstrap(_: Path, __: list[Row]) -> None:
    s3, name = aws.s3(settings()), settings().bucket
    ensure_bucket(s3, name, kms_key_arn=settings().kms_key_arn)
    # The policy for TLS only is left out where there is no TLS; this one concerns nothing.
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
    statement["Resource"] = f"arn:aws:s3:::{name}/none/*"
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": [statement]}))
    FeatureGroup(aws.sagemaker(settings()), settings(), DEFAULT, runtime("bootstrap")).ensure()
    ensure_archive_table(aws.glue(settings()), settings().bucket)


def put_rows(_: Path, rows: list[Row]) -> None:
    store = FeatureGroupWriter(aws.feature_store(settings()), settings().feature_group)
    writes = [
        OfflineWrite(values=to_values(row, "iceberg"), targets=("OnlineStore",)) for row in rows[:2]
    ]
    assert store.put(writes[:1]) == [None]
    assert store.put(writes) == [None, None]


def put_objects(_: Path, __: list[Row]) -> None:
    archive = S3Archive(settings())
    name = ObjectName(
        shelf=Shelf(date="2023-10-19", hour="10", partition=0, topic="A" * 22), first=7
    )
    assert not archive.has_without_topic(name, RECORD)
    archive.put(name, encode([RECORD]), rows=1)
    archive.note(
        Skip(topic="t", partition=0, committed_offset=3, first_offset=9, records=6, reason="")
    )


def put_both(directory: Path, rows: list[Row]) -> None:
    put_rows(directory, rows)
    put_objects(directory, rows)


def read_rows(_: Path, rows: list[Row]) -> None:
    reader = FeatureStoreReader.connect(settings(), FEATURES, runtime=runtime("api"))
    assert reader.read([minute_start_s(str(rows[0][RECORD_IDENTIFIER]))])
    reader.close()


def compact(_: Path, __: list[Row]) -> None:
    run("compact", "--grace-s", "0", "--end", "2024-10-20")
    stop_compacting()


def stop_compacting() -> None:
    """Stop it while Athena runs a statement."""
    athena = aws.athena(settings())
    running = {"QueryExecution": {"Status": {"State": "RUNNING"}}}
    stopped = runtime("compact")
    stopped.stop.set()
    with (
        patch.object(athena, "get_query_execution", lambda **_: running),
        patch.object(aws, "athena", lambda _: athena),
        pytest.raises(FatalError, match="stopped during OPTIMIZE"),
    ):
        compact_offline_store(settings(), runtime=stopped, say=print)


def audit(_: Path, __: list[Row]) -> None:
    _code, report = audited("--complete", *SPAN)
    assert report["minutes"] == 15


def backfill(directory: Path, __: list[Row]) -> None:
    run("backfill", "--state", str(directory / "state.json"), *SPAN)


def dataset(directory: Path, __: list[Row]) -> None:
    run("dataset", *SPAN, "--out", str(directory / "training-set.parquet"))


def run(name: str, *arguments: str) -> None:
    result = command(name, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)


def notebooks(directory: Path, rows: list[Row]) -> None:
    """Make the calls of the notebooks."""
    newest = str(rows[0][RECORD_IDENTIFIER])
    client, group = aws.feature_store(settings()), settings().feature_group
    assert list(OnlineStore(client, group, retries=Retries()).read([minute_start_s(newest)]))
    assert client.get_record(FeatureGroupName=group, RecordIdentifierValueAsString=newest)
    sagemaker, s3 = aws.sagemaker(settings()), aws.s3(settings())
    found = sagemaker.describe_feature_group(FeatureGroupName=group)["OfflineStoreConfig"]
    catalog = found["DataCatalogConfig"]
    rows_of = f'"{catalog["Database"]}"."{catalog["TableName"]}"'
    transactions_of = f'"{DATABASE}"."{TABLE}" WHERE date = \'2024-10-19\''
    for source in (rows_of, transactions_of):
        answer = query(f"SELECT count(*) FROM {source}", s3)
        assert int(answer.splitlines()[1].strip(b'"')) > 0
    OfflineStore.locate(sagemaker, s3, group, features=FEATURES)
    dataset(directory, rows)


def query(sql: str, s3: Any) -> bytes:
    """Run a query as the notebooks do; return its result, which Athena leaves in S3."""
    athena = aws.athena(settings())
    started = athena.start_query_execution(
        QueryString=sql,
        ResultConfiguration={"OutputLocation": f"s3://{settings().bucket}/athena-results/"},
    )
    while True:
        asked = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        execution = asked["QueryExecution"]
        if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
            break
    assert execution["Status"]["State"] == "SUCCEEDED", execution
    place = urlsplit(execution["ResultConfiguration"]["OutputLocation"])
    body: bytes = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    return body


def examine(_: Path, __: list[Row]) -> None:
    extent = Extent(sides=frozenset({"aws"}), writes=True, settles=True)
    findings = list(diagnose(extent, runtime("doctor")))
    assert [finding for finding in findings if finding.state == "failure"] == []
    # Calls that it leaves out here: one needs TLS, the other an AWS that has quotas.
    with suppress(ClientError):
        aws.s3(settings()).get_bucket_policy(Bucket=settings().bucket)
    with suppress(ClientError):
        aws.service_quotas(settings()).list_service_quotas(ServiceCode="sagemaker")


SCENARIOS: Mapping[str, Scenario] = {
    "fs_writer": put_both,
    "fs_writer-features": put_rows,
    "fs_writer-archive": put_objects,
    "api": read_rows,
    "backfill": backfill,
    "audit": audit,
    "compact": compact,
    "dataset": dataset,
    "data_scientist": notebooks,
    "doctor": examine,
}
"""In an order in which each finds what it needs; bootstrap comes before."""
