import threading
from collections.abc import Iterator
from typing import Any

import pytest

from featurestore_local.athena import Athena
from featurestore_local.clock import SystemClock
from featurestore_local.errors import AwsError
from featurestore_local.model import OfflineSettings
from featurestore_local.values import FeatureType

STRING = FeatureType.STRING
ICEBERG = OfflineSettings(
    s3_uri="s3://lake",
    resolved_s3_uri="s3://lake/t/data",
    table_format="Iceberg",
    catalog=("AwsDataCatalog", "db", "t"),
)
RESULTS = {"ResultConfiguration": {"OutputLocation": "s3://lake/results/"}}


@pytest.fixture
def athena(lake: Any) -> Iterator[Athena]:
    athena = Athena(
        athena=lake.athena,
        glue=lake.glue,
        s3=lake.s3,
        iceberg=lambda: lake.iceberg,
        directory=lake.directory,
        clock=lake.clock,
    )
    yield athena
    athena.close()


def run(athena: Athena, sql: str, **params: Any) -> dict[str, Any]:
    query = athena.start_query_execution({"QueryString": sql} | RESULTS | params)
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + 30.0
    while True:
        found: dict[str, Any] = athena.get_query_execution(query)["QueryExecution"]
        if found["Status"]["State"] not in {"QUEUED", "RUNNING"}:
            return found
        assert clock.monotonic() < deadline
        clock.wait(never, 0.01)


def test_rows_are_had_page_by_page_and_from_the_bucket(athena: Athena, lake: Any) -> None:
    ended = run(athena, "SELECT n FROM UNNEST(sequence(1, 3)) t (n)")
    query_id = {"QueryExecutionId": ended["QueryExecutionId"]}
    first = athena.get_query_results(query_id | {"MaxResults": 3})
    rest = athena.get_query_results(query_id | {"NextToken": first["NextToken"]})
    rows = first["ResultSet"]["Rows"] + rest["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["n", "1", "2", "3"]
    assert "NextToken" not in rest
    body = lake.objects.read(ended["ResultConfiguration"]["OutputLocation"])
    assert body == b'"n"\n"1"\n"2"\n"3"\n'
    lake.delete(ended["ResultConfiguration"]["OutputLocation"])
    with pytest.raises(AwsError, match="Could not find results"):
        athena.get_query_results(query_id)


def test_a_query_that_failed_has_no_results(athena: Athena) -> None:
    ended = run(athena, "SELECT * FROM nowhere")
    assert ended["Status"]["State"] == "FAILED"
    with pytest.raises(AwsError, match="Final query state: FAILED"):
        athena.get_query_results({"QueryExecutionId": ended["QueryExecutionId"]})


def test_statements_of_maintenance_have_no_rows(athena: Athena, lake: Any, make_group: Any) -> None:
    lake.iceberg.put(make_group(offline=ICEBERG, features={"id": STRING, "time": STRING}))
    ended = run(athena, "VACUUM db.t")
    assert (ended["Status"]["State"], ended["StatementType"]) == ("SUCCEEDED", "DDL")
    results = athena.get_query_results({"QueryExecutionId": ended["QueryExecutionId"]})
    assert results["ResultSet"]["Rows"] == []


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"ResultConfiguration": {}}, "No output location provided"),
        ({"ResultConfiguration": {"OutputLocation": "lake/x"}}, "not a valid S3 path"),
        ({"ResultConfiguration": {"OutputLocation": "s3://nowhere/x"}}, "output bucket nowhere"),
        ({"WorkGroup": "nobodys"}, "nobodys is not found"),
        ({"QueryExecutionContext": {"Catalog": "hive"}}, "Catalog hive was not found"),
        ({"QueryString": "CREATE TABLE t (n int)"}, "use Glue for anything else"),
    ],
)
def test_a_query_without_sense_or_place_is_refused(
    athena: Athena, params: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint):
        athena.start_query_execution({"QueryString": "SELECT 1"} | RESULTS | params)


def test_a_workgroup_says_where_results_go(athena: Athena, lake: Any) -> None:
    lake.athena.create_work_group(
        Name="team",
        Configuration={
            "ResultConfiguration": {"OutputLocation": "s3://lake/team/"},
            "EnforceWorkGroupConfiguration": True,
        },
    )
    ended = run(athena, "SELECT 1", WorkGroup="team")
    assert ended["ResultConfiguration"]["OutputLocation"].startswith("s3://lake/team/")
    listed = athena.list_query_executions({"WorkGroup": "team"})
    assert listed == {"QueryExecutionIds": [ended["QueryExecutionId"]]}
    assert athena.list_query_executions({}) == {"QueryExecutionIds": []}


def test_several_queries_are_described_at_once(athena: Athena) -> None:
    ended = run(athena, "SELECT 1")
    ids = [ended["QueryExecutionId"], "unknown"]
    found = athena.batch_get_query_execution({"QueryExecutionIds": ids})
    assert [each["QueryExecutionId"] for each in found["QueryExecutions"]] == ids[:1]
    assert [e["QueryExecutionId"] for e in found["UnprocessedQueryExecutionIds"]] == ids[1:]


def test_a_page_that_this_service_did_not_give_is_refused(athena: Athena) -> None:
    ended = run(athena, "SELECT 1")
    params = {"QueryExecutionId": ended["QueryExecutionId"], "NextToken": "x"}
    with pytest.raises(AwsError, match="NextToken"):
        athena.get_query_results(params)


def test_an_ended_query_stays_as_it_is_when_stopped(athena: Athena) -> None:
    query_id = {"QueryExecutionId": run(athena, "SELECT 1")["QueryExecutionId"]}
    athena.stop_query_execution(query_id)
    described = athena.get_query_execution(query_id)["QueryExecution"]
    assert described["Status"]["State"] == "SUCCEEDED"
