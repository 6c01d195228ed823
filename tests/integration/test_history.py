import io
import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from services.aggregator.logic import Rules
from services.fs_writer.logic import values
from tests.integration.conftest import StartPipeline
from tests.properties.drive import Folding, Merging
from tests.support import oracle
from tests.support.shared_data import BLOCK, shared_data
from txfeatures import aws, recording
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.reading import live_objects
from txfeatures.archive.schema import encode
from txfeatures.cli.audit import audit
from txfeatures.cli.backfill import backfill
from txfeatures.cli.dataset import dataset
from txfeatures.clock import SystemClock
from txfeatures.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER, minute_name
from txfeatures.model import Record, Row
from txfeatures.settings import AwsSettings
from txfeatures.topics import DEDUPED
from txfeatures.wire import tick
from txfeatures_local.aws import LocalAws

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.integration

PARTITIONS = 4
AWS = AwsSettings()
COMMANDS: dict[str, Callable[..., None]] = {
    "audit": audit,
    "backfill": backfill,
    "dataset": dataset,
}
PATIENCE_S = 120.0


def command(name: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(COMMANDS[name])
    return CliRunner().invoke(app, list(arguments))


def audited(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = command("audit", "--json", *arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


class Account:
    """A local AWS with a feature group and a bucket."""

    def __init__(self, local: LocalAws, table_format: str) -> None:
        self._local = local
        is_iceberg = table_format == "iceberg"
        self.s3: S3Client = aws.s3(AWS)
        self.bucket = S3Bucket(self.s3, AWS.bucket)
        self.runtime = aws.feature_store(AWS)
        self.s3.create_bucket(
            Bucket=AWS.bucket,
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        aws.sagemaker(AWS).create_feature_group(
            FeatureGroupName=AWS.feature_group,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {
                    "FeatureName": f.name,
                    "FeatureType": "String" if is_iceberg and f.name == EVENT_TIME else f.type,
                }
                for f in FEATURES
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
            OfflineStoreConfig={
                "S3StorageConfig": {"S3Uri": f"s3://{AWS.bucket}/offline"},
                "TableFormat": "Iceberg" if is_iceberg else "Glue",
            },
            RoleArn=AWS.role_arn.get_secret_value(),
        )

    def archive(self, records: Sequence[Record]) -> None:
        shelves: dict[Shelf, list[Record]] = {}
        for record in records:
            shelf = Shelf.at(record.timestamp_ms // 1000, record.partition)
            shelves.setdefault(shelf, []).append(record)
        manifests = Manifests(self.bucket)
        for shelf, found in shelves.items():
            name = ObjectName(shelf=shelf, first=found[0].offset)
            store_object(self.bucket, name, encode(found), rows=len(found))
            manifests.add(name)

    def put(self, row: Row, *targets: Any) -> None:
        self.runtime.put_record(
            FeatureGroupName=AWS.feature_group,
            Record=[{"FeatureName": n, "ValueAsString": v} for n, v in values(row).items()],
            TargetStores=list(targets),
        )

    def flush(self) -> None:
        flush(self._local.endpoint_url)

    def offline_rows(self) -> list[dict[str, Any]]:
        found = []
        for listed in self.bucket.list("offline/"):
            found += pq.read_table(io.BytesIO(self.bucket.get(listed.key).body)).to_pylist()
        return found


def flush(endpoint_url: str) -> None:
    with urlopen(Request(f"{endpoint_url}/_local/flush", b"{}", method="POST"), timeout=30) as done:
        assert done.status == 200


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    table_format = getattr(request, "param", "glue")
    with pytest.MonkeyPatch.context() as environ, LocalAws(settling_s=0.0) as local:
        for name, value in (
            ("AWS_ENDPOINT_URL", local.endpoint_url),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_DEFAULT_REGION", local.region),
            ("TXF_AWS_TABLE_FORMAT", table_format),
        ):
            environ.setenv(name, value)
        aws._session.cache_clear()
        yield Account(local, table_format)
    aws._session.cache_clear()


def replayed(path: Path) -> list[list[Record]]:
    """Return the partitions of ``deduped`` as a poll a second fills them, with ticks."""
    logs: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    offsets = [0] * PARTITIONS

    def add(partition: int, feed_ms: int, value: bytes | None, key: bytes | None) -> None:
        headers = tick(DEDUPED, partition, feed_ms).headers if key is None else ()
        logs[partition].append(
            Record(
                topic=DEDUPED, partition=partition, offset=offsets[partition], key=key,
                value=value, timestamp_ms=feed_ms, headers=headers,
            )
        )  # fmt: skip
        offsets[partition] += 1

    feed_ms = 0
    for arrival in recording.read(path):
        polled_ms = (int(arrival.arrived_at) + 1) * 1000
        while feed_ms and feed_ms < polled_ms:
            for partition in range(PARTITIONS):
                add(partition, feed_ms, b"", None)
            feed_ms += 1000
        feed_ms = polled_ms
        key = str(arrival.hash).encode()
        add(zlib.crc32(key) % PARTITIONS, feed_ms, bytes(arrival.tx), key)
    for later_s in (0, 60, 120, 180, 240):
        for partition in range(PARTITIONS):
            add(partition, feed_ms + later_s * 1000, b"", None)
    return logs


def final_rows(logs: Sequence[Sequence[Record]]) -> list[Row]:
    rules = Rules()
    merging = Merging(rules=rules)
    updates = []
    for partition, log in enumerate(logs):
        folding = Folding(partition=partition, partitions=PARTITIONS, rules=rules)
        folding.take(log)
        updates += folding.updates
    merging.take(sorted(updates, key=lambda update: update.feed_time_ms))
    return [merged.row for merged in merging.rows if merged.row["is_final"]]


@pytest.fixture
def replay(account: Account) -> Account:
    """An account in which the services have archived and stored a replay."""
    logs = replayed(shared_data(BLOCK))
    account.archive([record for log in logs for record in log if record.key is not None])
    for row in final_rows(logs):
        account.put(row, "OnlineStore", "OfflineStore")
    account.flush()
    return account


def corrupt_object(s3: "S3Client", key: str) -> None:
    """Change one fee in an object that stays readable Parquet."""
    table = pq.read_table(io.BytesIO(s3.get_object(Bucket=AWS.bucket, Key=key)["Body"].read()))
    fees = [table["fee"][0].as_py() + 1, *table["fee"].to_pylist()[1:]]
    body = io.BytesIO()
    changed = table.set_column(table.column_names.index("fee"), "fee", pa.array(fees, pa.int64()))
    pq.write_table(changed, body)
    s3.put_object(Bucket=AWS.bucket, Key=key, Body=body.getvalue())


def put_changed(runtime: Any, minute: str, target: str, **changes: str) -> None:
    """Put a row with other values and the next event time."""
    found = runtime.get_record(
        FeatureGroupName=AWS.feature_group, RecordIdentifierValueAsString=minute
    )
    row = {item["FeatureName"]: item["ValueAsString"] for item in found["Record"]}
    row |= {EVENT_TIME: repr(float(row[EVENT_TIME]) + 0.001)} | changes
    runtime.put_record(
        FeatureGroupName=AWS.feature_group,
        Record=[{"FeatureName": n, "ValueAsString": v} for n, v in row.items()],
        TargetStores=[target],
    )


def test_audit_finds_nothing_after_a_replay_and_names_each_planted_corruption(
    replay: Account,
) -> None:
    code, report = audited("--complete")
    assert report["findings"] == []
    assert code == 0
    assert report["transactions"] == 4863
    assert report["minutes"] == len(oracle.minutes(shared_data(BLOCK)))
    assert report["objects"] == 2 * PARTITIONS  # of two hours

    damaged = live_objects(replay.bucket)[1].key
    corrupt_object(replay.s3, damaged)
    put_changed(replay.runtime, "2024-10-19 10:53:00", "OnlineStore", total_fee_1min="1")
    put_changed(replay.runtime, "2024-10-19 10:55:00", "OfflineStore", max_fee_1min="1")
    replay.flush()
    code, report = audited("--complete")
    assert code == 1
    found = {(f["where"], f["kind"], f["minute"]): f for f in report["findings"]}
    assert damaged in found["archive", "damage", ""]["detail"]
    online = found["online", "mismatch", "2024-10-19 10:53:00"]["values"]
    assert online["total_fee_1min"][1] == 1
    offline = found["offline", "mismatch", "2024-10-19 10:55:00"]["values"]
    assert offline["max_fee_1min"][1] == 1
    assert {key[0] for key in found} == {"archive", "online", "offline"}
    assert len(found) == 4  # and the minute of the changed fee
    table = command("audit", "--complete")
    assert table.exit_code == 1
    assert "4 findings" in table.stdout


def test_a_dataset_knows_only_what_was_known_at_the_time(replay: Account, tmp_path: Path) -> None:
    span = ("--start", "2024-10-19 10:40", "--end", "2024-10-19 11:10")
    for source in ("offline-store", "archive"):
        out = tmp_path / f"{source}.parquet"
        result = command(
            "dataset", *span, "--out", str(out), "--source", source, "--complete",
            "--known-at", "2024-10-19 10:55:30",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        rows = pq.read_table(out).to_pylist()
        assert [row["tx_minute"] for row in rows] == [
            f"2024-10-19 10:{minute}:00" for minute in range(40, 55)
        ]
        known = {row["tx_minute"]: row for row in rows if not row["is_gap"]}
        assert all(row[EVENT_TIME] <= 1_729_335_330 for row in known.values())
        assert all(row["total_nb_trx_1min"] is None for row in rows if row["is_gap"])
        assert "2024-10-19 10:52:00" in known
        assert "2024-10-19 10:54:00" not in known


def test_a_backfill_killed_in_the_middle_and_run_again_gives_the_rows_once(
    account: Account, tmp_path: Path
) -> None:
    start_s, minutes = 1_729_296_000, 1600
    records = [
        Record(
            topic=DEDUPED, partition=0, offset=n, key=b"", timestamp_ms=second * 1000,
            value=json.dumps({"hash": f"{n:064x}", "time": second, "fee": n}).encode(),
        )
        for n, second in enumerate(range(start_s, start_s + minutes * 60, 30))
    ]  # fmt: skip
    account.archive(records)
    state = tmp_path / "state.json"
    arguments = ["--end", "2024-10-20 02:00", "--state", str(state), "--rows-per-s"]
    code = "import typer; from txfeatures.cli.backfill import backfill; typer.run(backfill)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "300"],
        env=dict(os.environ),
        start_new_session=True,
    )
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_S
    while not state.exists():
        assert process.poll() is None
        assert clock.monotonic() < deadline
        clock.wait(threading.Event(), 0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    account.flush()
    before = len(account.offline_rows())
    assert 0 < before < 1560

    result = command("backfill", *arguments, "10000")
    assert result.exit_code == 0, result.output
    assert not state.exists()
    account.flush()
    rows = account.offline_rows()
    once = {(row[RECORD_IDENTIFIER], row[EVENT_TIME]) for row in rows}
    wanted = [minute_name(start_s + 60 * n) for n in range(1560)]
    assert sorted(name for name, _ in once) == wanted
    assert {row["total_nb_trx_1min"] for row in rows} == {2}
    assert {row["revision"] for row in rows} == {1}

    again = command("backfill", *arguments, "10000")
    assert ": 0 rows written" in again.stdout


def test_a_backfill_repairs_what_differs_and_leaves_the_rest(
    replay: Account, tmp_path: Path
) -> None:
    put_changed(replay.runtime, "2024-10-19 10:52:00", "OfflineStore", total_fee_1min="7")
    replay.flush()
    span = ("--start", "2024-10-19 10:45", "--end", "2024-10-19 10:54")
    assert ": 1 rows would be written" in command("backfill", *span, "--dry-run").stdout
    result = command("backfill", *span, "--state", str(tmp_path / "state.json"))
    assert result.exit_code == 0, result.output
    replay.flush()
    assert audited("--complete")[0] == 0


@pytest.mark.parametrize("account", ["iceberg"], indirect=True)
def test_a_recording_backfilled_into_an_iceberg_group_makes_the_training_set_of_the_oracle(
    account: Account, tmp_path: Path
) -> None:
    recorded = shared_data(BLOCK)
    result = command(
        "backfill", "--from", str(recorded), "--state", str(tmp_path / "state.json"),
        "--rows-per-s", "1000",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    account.flush()
    out = tmp_path / "out.parquet"
    span = ("--start", "2024-10-19 10:49", "--end", "2024-10-19 11:04")
    result = command("dataset", *span, "--out", str(out))
    assert result.exit_code == 0, result.output
    assert {
        row["tx_minute"]: (row["total_nb_trx_1min"], row["total_fee_1min"])
        for row in pq.read_table(out).to_pylist()
    } == oracle.minutes(recorded)


def test_audit_after_a_replay_of_the_whole_pipeline_finds_nothing_and_then_what_was_planted(
    start: StartPipeline,
) -> None:
    recorded = shared_data(BLOCK)
    pipeline = start(recorded)
    pipeline.drain()
    with pytest.MonkeyPatch.context() as environ:
        for name, value in pipeline.stack.environment().items():
            if name.startswith(("AWS_", "TXF_KAFKA_")):
                environ.setenv(name, value)
        aws._session.cache_clear()
        flush(pipeline.stack.addresses.aws)
        code, report = audited("--complete", "--kafka")
        assert report["findings"] == []
        assert code == 0
        assert report["transactions"] == 4863
        assert [stage["given"] for stage in report["stages"]] == [4863, 4863]

        s3, runtime = aws.s3(AWS), aws.feature_store(AWS)
        damaged = live_objects(S3Bucket(s3, AWS.bucket))[0].key
        s3.put_object(Bucket=AWS.bucket, Key=damaged, Body=b"PAR1 no more")
        put_changed(runtime, "2024-10-19 10:57:00", "OnlineStore", total_nb_trx_1min="1")
        put_changed(runtime, "2024-10-19 10:58:00", "OfflineStore", total_fee_1min="1")
        flush(pipeline.stack.addresses.aws)
        code, report = audited("--complete")
    aws._session.cache_clear()
    assert code == 1
    found = {(f["where"], f["minute"]) for f in report["findings"]}
    assert {("online", "2024-10-19 10:57:00"), ("offline", "2024-10-19 10:58:00")} <= found
    assert any(damaged in f["detail"] for f in report["findings"] if f["where"] == "archive")
