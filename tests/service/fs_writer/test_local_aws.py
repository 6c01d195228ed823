import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq
import pytest
from featurestore_local import LocalAws

from tests.service.fs_writer.fakes import TOPIC, DeadLetters, Log
from tests.support.declared import FEATURES
from tests.support.local_account import Controls, entered, make_bucket, make_group
from tests.support.rows import MINUTE_S, row_record
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.reading import live_objects
from txfeatures.bootstrap.schema import OFFLINE_STORE_PREFIX
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Partial, Record
from txfeatures.feature_store.writer import FeatureGroupWriter
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step
from txfeatures.process.settings import AwsSettings
from txfeatures_fs_writer.archive import build_archive
from txfeatures_fs_writer.features import build_features
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.settings import Settings
from txfeatures_fs_writer.stores import S3Archive

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.integration

AWS = AwsSettings()
PARTIAL = Partial(states={"total_nb_trx_1min": 3, "total_fee_1min": 29_100_000_000})
NAME = ObjectName(shelf=Shelf(date="2024-10-19", hour="10", partition=0), first=7)


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws(settling_s=0.0) as local, entered(local):
        make_bucket(AWS)
        make_group(AWS)
        yield local


@pytest.fixture
def controls(local_aws: LocalAws) -> Controls:
    return Controls(local_aws.endpoint_url)


def offline_rows(client: "S3Client") -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for listed in client.list_objects_v2(Bucket=AWS.bucket, Prefix=f"{OFFLINE_STORE_PREFIX}/").get(
        "Contents", []
    ):
        if listed["Key"].endswith(".parquet"):
            body = client.get_object(Bucket=AWS.bucket, Key=listed["Key"])["Body"].read()
            found += pq.read_table(io.BytesIO(body)).to_pylist()
    return found


@pytest.fixture
def dead_letters() -> DeadLetters:
    return DeadLetters()


@pytest.fixture
def features(dead_letters: DeadLetters) -> Iterator[tuple[Log, Step]]:
    with ThreadPoolExecutor(4) as pool:
        log, runtime = Log([]), Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
        yield (
            log,
            build_features(
                Settings(),
                open_source=log.open,
                dead_letters=dead_letters,
                store=FeatureGroupWriter(aws.feature_store(AWS), AWS.feature_group),
                pool=pool,
                freshness=Freshness(runtime.metrics),
                runtime=runtime,
                features=FEATURES,
            ),
        )


def test_rows_are_read_back_from_both_stores_as_they_were(
    controls: Controls, features: tuple[Log, Step], dead_letters: DeadLetters
) -> None:
    log, step = features
    log.records += [row_record(0, partial=PARTIAL)]
    step()
    log.records += [row_record(1, revision=2, final=True, partial=PARTIAL, millis=25)]
    controls.order(
        {"operation": "PutRecord", "error": "ThrottlingException"},
        {"operation": "PutRecord", "error": "InternalFailure"},
    )
    step()
    assert log.committed == {("aggregated", 0): 2}
    assert dead_letters.records == []

    answer = aws.feature_store(AWS).get_record(
        FeatureGroupName=AWS.feature_group, RecordIdentifierValueAsString="2024-10-19 10:49:00"
    )
    online = {value["FeatureName"]: value["ValueAsString"] for value in answer["Record"]}
    assert online["revision"] == "2"
    assert online["total_fee_1min"] == "29100000000"
    assert float(online["avg_fee_1min"]) == 9_700_000_000.0
    assert online["event_time"] == "1729334942.025"

    controls.flush()
    (offline,) = offline_rows(aws.s3(AWS))
    assert offline["revision"] == 2
    assert offline["total_fee_1min"] == 29_100_000_000
    assert offline["event_time"] == 1729334942.025


def test_a_row_that_the_store_refuses_is_a_dead_letter(
    controls: Controls, features: tuple[Log, Step], dead_letters: DeadLetters
) -> None:
    log, step = features
    log.records += [row_record(0, revision=9)]
    controls.order({"operation": "PutRecord", "error": "ValidationError"})
    step()
    (letter,) = dead_letters.records
    assert dict(letter.headers)["txf-reason"] == b"store_refused"
    assert log.committed == {("aggregated", 0): 1}


def test_a_backlog_of_many_minutes_is_written_in_full_through_every_partial_failure(
    controls: Controls, features: tuple[Log, Step], dead_letters: DeadLetters
) -> None:
    log, step = features
    minutes = range(100, 180)
    log.records += [
        row_record(offset, minute, revision, final=True)
        for offset, (revision, minute) in enumerate((r, m) for r in (1, 2) for m in minutes)
    ]
    controls.order(
        {"operation": "BatchWriteRecord", "error": "ThrottlingException"},
        {"operation": "BatchWriteRecord", "error": "unprocessed", "processed": 3, "times": 2},
        {"operation": "BatchWriteRecord", "error": "InternalFailure"},
    )
    step()
    assert log.committed == {("aggregated", 0): 160}
    assert dead_letters.records == []
    client = aws.feature_store(AWS)
    found = client.batch_get_record(
        Identifiers=[
            {
                "FeatureGroupName": AWS.feature_group,
                "RecordIdentifiersValueAsString": [minute_name(MINUTE_S + 60 * m) for m in minutes],
                "FeatureNames": ["revision"],
            }
        ]
    )["Records"]
    revisions = [record["Record"][0]["ValueAsString"] for record in found]
    assert revisions == ["2"] * 80


def transaction(offset: int, after_s: int) -> Record:
    return Record(
        topic="deduped",
        partition=0,
        offset=offset,
        key=b"ab" * 32,
        value=msgspec.json.encode({"hash": "ab" * 32, "time": MINUTE_S, "fee": offset}),
        timestamp_ms=(MINUTE_S + after_s) * 1000,
    )


def test_transactions_are_read_back_from_the_archive_even_if_the_answer_was_lost(
    controls: Controls,
) -> None:
    log = Log([*(transaction(offset, 0) for offset in range(3)), transaction(3, 300)])
    runtime = Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
    step = build_archive(
        Settings(),
        open_source=log.open,
        topic_id=lambda: TOPIC,
        archive=S3Archive(AWS),
        freshness=Freshness(runtime.metrics),
        runtime=runtime,
    )
    controls.order({"operation": "s3:PUT", "error": "commit_then_drop"})
    with pytest.raises(TransientError):
        step()
    step()
    assert log.committed == {("deduped", 0): 3}
    client = aws.s3(AWS)
    (name,) = live_objects(S3Bucket(client, AWS.bucket))
    assert name.key == (
        f"archive/deduped/date=2024-10-19/hour=10/deduped.{TOPIC}-0-00000000000000000000.parquet"
    )
    answer = client.get_object(Bucket=AWS.bucket, Key=name.key)
    body = answer["Body"].read()
    assert pq.read_table(io.BytesIO(body))["fee"].to_pylist() == [0, 1, 2]
    assert answer["Metadata"] == {"sha256": hashlib.sha256(body).hexdigest(), "rows": "3"}


def test_a_bucket_that_is_not_there_is_said_so(local_aws: LocalAws) -> None:
    archive = S3Archive(AwsSettings(bucket="another-bucket"))
    with pytest.raises(FatalError, match="no bucket another-bucket"):
        archive.put(NAME, b"PAR1", rows=1)
