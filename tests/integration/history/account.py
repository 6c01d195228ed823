"""A local AWS with a feature group and an archive, and damage to both."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from featurestore_local import LocalAws

from tests.support.local_account import Controls, make_bucket, make_group
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.schema import encode
from txfeatures.bootstrap.schema import OFFLINE_STORE_PREFIX
from txfeatures.domain.features import EVENT_TIME
from txfeatures.domain.model import Record, Row
from txfeatures.feature_store.codec import TableFormat, to_record, to_values
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


AWS = AwsSettings()


class Account:
    """A local AWS with a feature group and a bucket."""

    def __init__(self, local: LocalAws, table_format: TableFormat) -> None:
        self.controls = Controls(local.endpoint_url)
        self._format: TableFormat = table_format
        self.s3: S3Client = aws.s3(AWS)
        self.bucket = S3Bucket(self.s3, AWS.bucket)
        self.runtime = aws.feature_store(AWS)
        make_bucket(AWS)
        make_group(AwsSettings(table_format=table_format))

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
            Record=to_record(to_values(row, self._format)),
            TargetStores=list(targets),
        )

    def offline_rows(self) -> list[dict[str, Any]]:
        found = []
        for listed in self.bucket.list(f"{OFFLINE_STORE_PREFIX}/"):
            found += pq.read_table(io.BytesIO(self.bucket.get(listed.key).body)).to_pylist()
        return found


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
