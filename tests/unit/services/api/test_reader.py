from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.declared import FEATURES
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import TableFormat, Values, to_values
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader

MakeRow = Callable[..., Row]

MINUTE = "2024-10-19 10:49:00"
MINUTE_S = minute_start_s(MINUTE)


@dataclass(slots=True)
class Store:
    """Has the records it is given."""

    records: list[Values]

    def read(self, minutes: Iterable[int]) -> Iterator[tuple[str, Values]]:
        del minutes
        return ((record["tx_minute"], record) for record in self.records)


def reader_of(runtime: Runtime, *records: Values) -> FeatureStoreReader:
    return FeatureStoreReader(Store(list(records)), runtime=runtime, features=FEATURES)  # type: ignore[arg-type]


@pytest.mark.parametrize("table_format", ["glue", "iceberg"])
def test_a_row_is_read_of_a_group_in_either_format(
    make_row: MakeRow, runtime: Runtime, table_format: TableFormat
) -> None:
    reader = reader_of(runtime, to_values(make_row(MINUTE), table_format))
    assert reader.read([MINUTE_S]) == [make_row(MINUTE)]


def test_a_record_that_cannot_be_read_is_counted_and_left_out(
    make_row: MakeRow, runtime: Runtime
) -> None:
    good = make_row("2024-10-19 10:50:00")
    bad = to_values(make_row(MINUTE)) | {"revision": "first"}
    assert reader_of(runtime, bad, to_values(good)).read([MINUTE_S, MINUTE_S + 60]) == [good]
    counted = runtime.metrics.registry.get_sample_value(
        "txf_api_unreadable_records_total", {"reason": "bad_revision"}
    )
    assert counted == 1


def test_a_time_out_is_counted_and_not_repeated_while_a_client_waits(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    class Hanging:
        def batch_get_record(self, **_: Any) -> Any:
            raise ReadTimeoutError(endpoint_url="any")

    monkeypatch.setattr(aws, "feature_store", lambda *_, **__: Hanging())
    reader = FeatureStoreReader.connect(AwsSettings(), runtime=runtime, features=FEATURES)
    with pytest.raises(TransientError, match="ReadTimeoutError"):
        reader.read([MINUTE_S])
    counted = runtime.metrics.registry.get_sample_value(
        "txf_api_store_reads_total", {"outcome": "ReadTimeoutError"}
    )
    assert counted == 1


def test_a_missing_region_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("txfeatures.process.aws._session", _session_without_region)
    with pytest.raises(FatalError, match="set AWS_DEFAULT_REGION"):
        FeatureStoreReader.connect(AwsSettings(), runtime=runtime, features=FEATURES)


def _session_without_region() -> Any:
    session = botocore.session.Session()
    session.set_config_variable("config_file", "/nowhere")
    return boto3.Session(botocore_session=session)
