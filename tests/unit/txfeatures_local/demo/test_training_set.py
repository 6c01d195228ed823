from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from featurestore_local import LocalAws

from tests.support import declared
from tests.support.local_account import entered, make_bucket, make_group
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import to_values
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings
from txfeatures_local.demo.training_set import write_training_set

pytestmark = pytest.mark.integration

MINUTE_S = 1_729_334_940  # 2024-10-19 10:49
AWS = AwsSettings()


def a_row(minute_s: int) -> Row:
    return declared.row(
        declared.EMPTY,
        minute_s=minute_s,
        event_time_ms=minute_s * 1000 + 63,
        revision=2,
        is_final=True,
        gaps=0,
    )


@pytest.fixture
def aws_url() -> Iterator[str]:
    """A local AWS with a feature group, whose rows would be offline in ten minutes."""
    local = LocalAws(settling_s=0.0, offline_delay_s=600.0)
    with local, entered(local):
        make_bucket(AWS)
        make_group(AWS)
        yield local.endpoint_url


def test_it_holds_every_minute_from_the_first_row_to_the_last_and_says_which_are_gaps(
    aws_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [a_row(MINUTE_S), a_row(MINUTE_S + 120)]
    for row in rows:
        aws.feature_store(AWS).put_record(
            FeatureGroupName=AWS.feature_group,
            Record=[{"FeatureName": n, "ValueAsString": v} for n, v in to_values(row).items()],
        )
    path = tmp_path / "set.parquet"
    with httpx.Client(trust_env=False) as client:
        write_training_set(path, rows, aws_url=aws_url, client=client)
    table = pq.read_table(path)
    assert table["tx_minute"].to_pylist() == [
        "2024-10-19 10:49:00",
        "2024-10-19 10:50:00",
        "2024-10-19 10:51:00",
    ]
    assert table["is_gap"].to_pylist() == [False, True, False]
    assert capsys.readouterr().out == f"{path}: 3 minutes, 1 of them gaps\n"
