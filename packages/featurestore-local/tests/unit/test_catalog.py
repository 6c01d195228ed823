from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from featurestore_local.catalog import put_table
from featurestore_local.model import OfflineSettings

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient


@pytest.fixture
def glue() -> "GlueClient":
    return boto3.Session("any", "any", region_name="eu-west-1").client("glue")


def offline(**changes: Any) -> OfflineSettings:
    settings = {
        "s3_uri": "s3://b",
        "resolved_s3_uri": "s3://b/data",
        "catalog": ("AwsDataCatalog", "db", "table"),
    }
    return OfflineSettings(**(settings | changes))


def test_a_table_lists_the_features_and_what_aws_adds(glue: "GlueClient", make_group: Any) -> None:
    columns = [
        {"Name": "id", "Type": "string"},
        {"Name": "time", "Type": "double"},
        {"Name": "count", "Type": "bigint"},
        {"Name": "write_time", "Type": "timestamp"},
        {"Name": "api_invocation_time", "Type": "timestamp"},
        {"Name": "is_deleted", "Type": "boolean"},
    ]
    table = {
        "Name": "table",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": "s3://b/data",
            "InputFormat": ANY,
            "OutputFormat": ANY,
            "SerdeInfo": ANY,
        },
    }
    with Stubber(glue) as stub:
        stub.add_response("create_database", {}, {"DatabaseInput": {"Name": "db"}})
        stub.add_response("create_table", {}, {"DatabaseName": "db", "TableInput": table})
        put_table(glue, make_group(offline=offline()))
        stub.assert_no_pending_responses()


def test_a_table_that_exists_is_brought_up_to_date_and_keeps_what_was_set_on_it(
    glue: "GlueClient", make_group: Any
) -> None:
    with Stubber(glue) as stub:
        stub.add_client_error("create_database", "AlreadyExistsException")
        stub.add_client_error("create_table", "AlreadyExistsException")
        held = {"Name": "table", "Parameters": {"mine": "x"}}
        stub.add_response("get_table", {"Table": held})
        parameters = {"EXTERNAL": "TRUE", "mine": "x", "classification": "parquet"}
        table = {
            "Name": "table",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
            "StorageDescriptor": ANY,
        }
        stub.add_response("update_table", {}, {"DatabaseName": "db", "TableInput": table})
        put_table(glue, make_group(offline=offline()))
        stub.assert_no_pending_responses()


def test_a_group_without_a_wanted_table_makes_no_call(glue: "GlueClient", make_group: Any) -> None:
    with Stubber(glue) as stub:
        put_table(glue, make_group(offline=None))
        put_table(glue, make_group(offline=offline(catalog=None)))
        stub.assert_no_pending_responses()
