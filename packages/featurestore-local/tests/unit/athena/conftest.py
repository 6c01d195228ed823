import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from featurestore_local.athena.objects import Objects
from featurestore_local.athena.tables import Tables
from featurestore_local.clock import ManualClock
from featurestore_local.iceberg import IcebergTables

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
NOON_S = 1_700_049_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """A bucket and a database of moto's, in this process."""

    s3: Any
    glue: Any
    athena: Any
    directory: Path
    clock: ManualClock
    objects: Objects
    iceberg: IcebergTables
    tables: Tables

    def put(self, key: str, rows: list[dict[str, Any]] | pa.Table) -> str:
        """Store rows as Parquet and return the object's URI."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
        body = io.BytesIO()
        pq.write_table(table, body)
        self.s3.put_object(Bucket="lake", Key=key, Body=body.getvalue())
        return f"s3://lake/{key}"

    def delete(self, uri: str) -> None:
        """Delete the object at a URI."""
        self.s3.delete_object(Bucket="lake", Key=uri.removeprefix("s3://lake/"))

    def table(self, name: str = "t", **changes: Any) -> None:
        """Make a table of a column ``n`` over the folder of its name."""
        columns = changes.pop("columns", {"n": "bigint"})
        storage = {
            "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
            "Location": f"s3://lake/{name}/",
            "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
        } | changes.pop("storage", {})
        wanted = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {},
            "StorageDescriptor": storage,
        }
        self.glue.create_table(DatabaseName="db", TableInput=wanted | changes)


@lru_cache(maxsize=1)
def session() -> boto3.Session:
    return boto3.Session("any", "any", region_name="eu-west-1")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto answers for AWS's own addresses
    with mock_aws():
        s3, glue = session().client("s3"), session().client("glue")
        s3.create_bucket(
            Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        glue.create_database(DatabaseInput={"Name": "db"})
        clock = ManualClock(NOON_S)
        objects = Objects(s3, tmp_path)
        iceberg = IcebergTables(glue, s3, clock)
        yield Lake(
            s3=s3,
            glue=glue,
            athena=session().client("athena"),
            directory=tmp_path,
            clock=clock,
            objects=objects,
            iceberg=iceberg,
            tables=Tables(glue, objects, lambda: iceberg, clock),
        )
