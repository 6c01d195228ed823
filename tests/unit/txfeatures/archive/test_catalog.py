from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from txfeatures.archive.catalog import DATABASE, TABLE, ensure_archive_table, table
from txfeatures.archive.schema import SCHEMA

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> "Iterator[GlueClient]":
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        yield boto3.client("glue", region_name="eu-west-1")


def test_the_table_is_made_once(glue: "GlueClient") -> None:
    assert ensure_archive_table(glue, "bucket") == "created"
    assert ensure_archive_table(glue, "bucket") == "exists already"
    found = glue.get_table(DatabaseName=DATABASE, Name=TABLE)["Table"]
    columns = found["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in columns] == SCHEMA.names
    assert {column["Name"]: column["Type"] for column in columns}["fee"] == "bigint"


def test_columns_of_a_newer_release_are_added(glue: "GlueClient") -> None:
    old = table("bucket")
    old["StorageDescriptor"]["Columns"] = [{"Name": n} for n in SCHEMA.names[:-2]]
    glue.create_database(DatabaseInput={"Name": DATABASE})
    glue.create_table(DatabaseName=DATABASE, TableInput=old)
    assert ensure_archive_table(glue, "bucket") == "columns added"
    found = glue.get_table(DatabaseName=DATABASE, Name=TABLE)["Table"]
    assert len(found["StorageDescriptor"]["Columns"]) == len(SCHEMA.names)


def test_hours_are_projected_onto_the_folders_of_the_manifests() -> None:
    parameters = table("bucket")["Parameters"]
    assert parameters["projection.enabled"] == "true"
    assert parameters["storage.location.template"] == (
        "s3://bucket/archive/manifests/date=${date}/hour=${hour}/"
    )
    assert parameters["projection.hour.digits"] == "2"
