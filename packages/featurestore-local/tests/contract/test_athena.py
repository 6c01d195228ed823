import io
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore_support.account import Account, refusal

pytestmark = pytest.mark.integration

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def start(account: Account, sql: str, **params: Any) -> str:
    started = account.client("athena").start_query_execution(
        QueryString=sql,
        ResultConfiguration={"OutputLocation": f"s3://{account.bucket}/athena/"},
        **params,
    )
    query_id: str = started["QueryExecutionId"]
    return query_id


@pytest.mark.rule("A1")
def test_a_query_leaves_its_rows_as_csv(account: Account) -> None:
    ended = account.query("SELECT 'a \"b\"' AS x, 2 AS y, CAST(NULL AS varchar) AS z, ''")
    assert (ended["Status"]["State"], ended["StatementType"]) == ("SUCCEEDED", "DML")
    location = ended["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{account.bucket}/athena/{ended['QueryExecutionId']}.csv"
    key = location.removeprefix(f"s3://{account.bucket}/")
    body = account.client("s3").get_object(Bucket=account.bucket, Key=key)["Body"].read()
    assert body == b'"x","y","z","_col3"\n"a ""b""","2",,""\n'


@pytest.mark.rule("A1")
def test_values_and_types_have_athenas_form(account: Account) -> None:
    ended = account.query(
        "SELECT 1 AS i, CAST(2 AS bigint) AS b, CAST(1700049600 AS double) AS d, true AS t, "
        "DATE '2023-11-15' AS day, TIMESTAMP '2023-11-15 12:00:00' AS ts, from_unixtime(0) AS z, "
        "7 / 2 AS whole, ARRAY[1, 2] AS a"
    )
    answer = account.client("athena").get_query_results(QueryExecutionId=ended["QueryExecutionId"])
    result = answer["ResultSet"]
    assert [datum["VarCharValue"] for datum in result["Rows"][1]["Data"]] == [
        "1",
        "2",
        "1.7000496E9",
        "true",
        "2023-11-15",
        "2023-11-15 12:00:00.000",
        "1970-01-01 00:00:00.000 UTC",
        "3",
        "[1, 2]",
    ]
    assert [each["Type"] for each in result["ResultSetMetadata"]["ColumnInfo"]] == [
        "integer",
        "bigint",
        "double",
        "boolean",
        "date",
        "timestamp",
        "timestamp with time zone",
        "integer",
        "array",
    ]


@pytest.mark.rule("A2")
def test_results_come_in_pages_headed_once(account: Account) -> None:
    ended = account.query("SELECT n FROM UNNEST(sequence(1, 5)) AS t (n) ORDER BY n")
    pages = account.client("athena").get_paginator("get_query_results")
    found = [
        [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
        for page in pages.paginate(
            QueryExecutionId=ended["QueryExecutionId"], PaginationConfig={"PageSize": 4}
        )
    ]
    assert found == [["n", "1", "2", "3"], ["4", "5"]]
    params = {"QueryExecutionId": ended["QueryExecutionId"], "MaxResults": 1001}
    refused = refusal(account.client("athena").get_query_results, **params)
    assert refused == ("InvalidRequestException", 400)


@pytest.mark.rule("A3")
@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT * FROM sagemaker_featurestore.nowhere", "TABLE_NOT_FOUND"),
        ("SELECT x FROM (SELECT 1 AS y)", "COLUMN_NOT_FOUND"),
        ("SELECT invented(1)", "FUNCTION_NOT_FOUND"),
        ("SELECT CAST('x' AS bigint)", "INVALID_CAST_ARGUMENT"),
    ],
)
def test_a_query_that_can_not_be_run_fails_with_a_reason(
    account: Account, sql: str, reason: str
) -> None:
    ended = account.query(sql)
    assert ended["Status"]["State"] == "FAILED"
    assert ended["Status"]["StateChangeReason"].startswith(reason)
    results = account.client("athena").get_query_results
    params = {"QueryExecutionId": ended["QueryExecutionId"]}
    assert refusal(results, **params) == ("InvalidRequestException", 400)


@pytest.mark.rule("A3")
def test_what_can_not_be_parsed_or_put_anywhere_is_refused_at_once(account: Account) -> None:
    call = account.client("athena").start_query_execution
    there = {"OutputLocation": f"s3://{account.bucket}/athena"}
    for params in (
        {"QueryString": "SELCT 1", "ResultConfiguration": there},
        {"QueryString": "SELECT 1; SELECT 2", "ResultConfiguration": there},
        {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": "somewhere"}},
    ):
        assert refusal(call, **params) == ("InvalidRequestException", 400)


@pytest.mark.rule("A4")
def test_a_query_that_is_stopped_is_cancelled(account: Account) -> None:
    numbers = "UNNEST(sequence(1, 10000))"
    sql = f"SELECT sum(a.n * b.n * c.n) FROM {numbers} a (n), {numbers} b (n), {numbers} c (n)"
    query_id = start(account, sql)
    athena = account.client("athena")
    athena.stop_query_execution(QueryExecutionId=query_id)

    def ended() -> str | None:
        found = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        state: str = found["Status"]["State"]
        return None if state in {"QUEUED", "RUNNING"} else state

    assert account.eventually(ended) == "CANCELLED"


@pytest.mark.rule("A4")
def test_a_token_starts_a_query_once(account: Account) -> None:
    token = {"ClientRequestToken": str(uuid.uuid4())}
    assert start(account, "SELECT 1", **token) == start(account, "SELECT 1", **token)
    assert start(account, "SELECT 1") != start(account, "SELECT 1")


@pytest.mark.rule("A5")
def test_partitions_may_be_projected(account: Account) -> None:
    glue, s3 = account.client("glue"), account.client("s3")
    name = f"projected_{uuid.uuid4().hex}"
    root = f"s3://{account.bucket}/{name}/"
    for folder, value in (
        ("date=2023-11-15/hour=07", 1),
        ("date=2023-11-15/hour=8", 2),
        ("date=1999-01-01/hour=07", 3),
        ("elsewhere", 4),
    ):
        body = io.BytesIO()
        pq.write_table(pa.table({"n": [value]}), body)
        s3.put_object(Bucket=account.bucket, Key=f"{name}/{folder}/x.parquet", Body=body.getvalue())
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(
        DatabaseName=name,
        TableInput={
            "Name": "t",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [
                {"Name": "date", "Type": "string"},
                {"Name": "hour", "Type": "int"},
            ],
            "Parameters": {
                "projection.enabled": "true",
                "projection.date.type": "date",
                "projection.date.format": "yyyy-MM-dd",
                "projection.date.range": "2009-01-03,NOW",
                "projection.hour.type": "integer",
                "projection.hour.range": "0,23",
                "projection.hour.digits": "2",
                "storage.location.template": root + "date=${date}/hour=${hour}/",
            },
            "StorageDescriptor": {
                "Columns": [{"Name": "n", "Type": "bigint"}, {"Name": "later", "Type": "string"}],
                "Location": root,
                "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
                "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
            },
        },
    )
    sql = f"""SELECT * FROM "{name}"."t" WHERE "date" = '2023-11-15'"""
    assert account.rows(sql) == [["1", None, "2023-11-15", "7"]]
    glue.delete_table(DatabaseName=name, Name="t")
    glue.delete_database(Name=name)
