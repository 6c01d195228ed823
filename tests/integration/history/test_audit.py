import pytest

from tests.integration.conftest import StartPipeline
from tests.integration.history.account import AWS, Account, corrupt_object, put_changed
from tests.integration.history.commands import audited, command
from tests.integration.history.replay import PARTITIONS
from tests.support import oracle
from tests.support.local_account import Controls
from tests.support.shared_data import RECORDED, RECORDING
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.reading import live_objects
from txfeatures.process import aws

pytestmark = pytest.mark.integration


def test_audit_finds_nothing_after_a_replay_and_names_each_planted_corruption(
    replay: Account,
) -> None:
    code, report = audited("--complete")
    assert report["findings"] == []
    assert code == 0
    assert report["transactions"] == RECORDED
    assert report["minutes"] == len(oracle.minutes(RECORDING))
    assert report["objects"] == 2 * PARTITIONS  # of two hours

    damaged = live_objects(replay.bucket)[1].key
    corrupt_object(replay.s3, damaged)
    put_changed(replay.runtime, "2024-10-19 10:53:00", "OnlineStore", total_fee_1min="1")
    put_changed(replay.runtime, "2024-10-19 10:55:00", "OfflineStore", max_fee_1min="1")
    replay.controls.flush()
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


@pytest.mark.parametrize("account", ["glue", "iceberg"], indirect=True)
def test_an_audit_outlasts_a_bad_moment_of_every_service(replay: Account) -> None:
    replay.controls.order(
        {"operation": "DescribeFeatureGroup", "error": "ThrottlingException", "times": 2},
        {"operation": "BatchGetRecord", "error": "ThrottlingException"},
        {"operation": "BatchGetRecord", "error": "ServiceUnavailable"},
        {"operation": "BatchGetRecord", "error": "drop"},
        {"operation": "BatchGetRecord", "error": "unprocessed", "processed": 7},
        {"operation": "s3:GET", "error": "SlowDown", "times": 2},
        {"operation": "s3:GET", "error": "InternalError", "after": 5},
        {"operation": "s3:HEAD", "error": "drop"},
    )
    code, report = audited("--complete")
    assert report["findings"] == []
    assert report["transactions"] == 430
    assert code == 0


def test_audit_after_a_replay_of_the_whole_pipeline_finds_nothing_and_then_what_was_planted(
    start: StartPipeline,
) -> None:
    pipeline = start(RECORDING)
    pipeline.drain()
    with pytest.MonkeyPatch.context() as environ:
        for name, value in pipeline.stack.environment().items():
            if name.startswith(("AWS_", "TXF_KAFKA_")):
                environ.setenv(name, value)
        aws._session.cache_clear()
        Controls(pipeline.stack.addresses.aws).flush()
        code, report = audited("--complete", "--kafka")
        assert report["findings"] == []
        assert code == 0
        assert report["transactions"] == RECORDED
        assert [stage["given"] for stage in report["stages"]] == [RECORDED, RECORDED]

        s3, runtime = aws.s3(AWS), aws.feature_store(AWS)
        damaged = live_objects(S3Bucket(s3, AWS.bucket))[0].key
        s3.put_object(Bucket=AWS.bucket, Key=damaged, Body=b"PAR1 no more")
        put_changed(runtime, "2024-10-19 10:57:00", "OnlineStore", total_nb_trx_1min="1")
        put_changed(runtime, "2024-10-19 10:58:00", "OfflineStore", total_fee_1min="1")
        Controls(pipeline.stack.addresses.aws).flush()
        code, report = audited("--complete")
    aws._session.cache_clear()
    assert code == 1
    found = {(f["where"], f["minute"]) for f in report["findings"]}
    assert {("online", "2024-10-19 10:57:00"), ("offline", "2024-10-19 10:58:00")} <= found
    assert any(damaged in f["detail"] for f in report["findings"] if f["where"] == "archive")
