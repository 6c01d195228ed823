import base64
import json
import threading
from typing import Any

import pyarrow as pa
import pytest

from featurestore_local.athena.engine import Query
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.results import rows_of


def run(lake: Any, sql: str, *parameters: str) -> list[list[str | None]]:
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    return rows_of(query.run(sql, parameters).body)[1:]


def test_a_table_has_the_rows_of_its_objects_and_null_where_one_lacks_a_column(lake: Any) -> None:
    lake.put("t/a.parquet", [{"n": 1, "extra": True}])
    lake.put("t/deep/b.parquet", [{"n": 2, "later": "x"}])
    lake.table(columns={"n": "bigint", "later": "string"})
    assert run(lake, "SELECT * FROM t ORDER BY n") == [["1", None], ["2", "x"]]


def test_a_table_without_objects_has_its_columns(lake: Any) -> None:
    lake.table(columns={"n": "bigint", "Words": "array<string>"})
    assert run(lake, "SELECT n, words FROM db.t") == []


def test_all_objects_count_as_scanned(lake: Any) -> None:
    lake.put("t/a.parquet", [{"n": 1}])
    lake.table()
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    size = lake.objects.head("s3://lake/t/a.parquet").size_bytes
    assert query.run("SELECT count(*) FROM t", ()).scanned_bytes == size


def test_bytes_are_text_where_the_table_says_so(lake: Any) -> None:
    lake.put("t/a.parquet", [{"n": b'{"\xc3\xbc": 1}'}])
    lake.table(columns={"n": "string"})
    assert run(lake, "SELECT n FROM t") == [['{"ü": 1}']]


@pytest.mark.parametrize("kind", ["string", "double", "timestamp", "boolean"])
def test_a_column_of_another_type_in_the_file_fails(lake: Any, kind: str) -> None:
    lake.put("t/a.parquet", [{"n": 1}])
    lake.table(columns={"n": kind})
    with pytest.raises(QueryError, match=f"HIVE_BAD_DATA: .*incompatible with type {kind}"):
        run(lake, "SELECT n FROM t")


def test_a_type_that_is_not_read_here_is_said_so(lake: Any) -> None:
    lake.table(columns={"n": "map<string,string>"})
    with pytest.raises(QueryError, match="NOT_SUPPORTED: Columns of type map"):
        run(lake, "SELECT 1 FROM t")


def test_small_numbers_are_read_into_larger_columns(lake: Any) -> None:
    lake.put("t/a.parquet", pa.table({"n": pa.array([1], pa.int32())}))
    lake.table(columns={"n": "bigint"})
    assert run(lake, "SELECT n FROM t") == [["1"]]


def test_registered_partitions_are_read_and_no_others(lake: Any) -> None:
    for day in ("1", "2"):
        lake.put(f"t/day={day}/a.parquet", [{"n": int(day)}])
    lake.table(PartitionKeys=[{"Name": "day", "Type": "int"}])
    table = lake.glue.get_table(DatabaseName="db", Name="t")["Table"]
    storage = table["StorageDescriptor"] | {"Location": "s3://lake/t/day=2/"}
    lake.glue.create_partition(
        DatabaseName="db",
        TableName="t",
        PartitionInput={"Values": ["2"], "StorageDescriptor": storage},
    )
    assert run(lake, "SELECT n, day + 1 FROM t") == [["2", "3"]]


def test_manifests_of_projected_partitions_name_the_objects(lake: Any) -> None:
    live = lake.put("data/a.parquet", [{"n": 1}])
    lake.put("data/superseded.parquet", [{"n": 1}])
    lake.s3.put_object(
        Bucket="lake", Key="t/date=2023-11-15/hour=07/part-0.txt", Body=f"{live}\n".encode()
    )
    lake.table(
        PartitionKeys=[{"Name": "date", "Type": "string"}, {"Name": "hour", "Type": "string"}],
        Parameters={
            "projection.enabled": "true",
            "projection.date.type": "date",
            "projection.date.format": "yyyy-MM-dd",
            "projection.date.range": "2009-01-03,NOW+1DAYS",
            "projection.hour.type": "integer",
            "projection.hour.range": "0,23",
            "projection.hour.digits": "2",
        },
        storage={"InputFormat": "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"},
    )
    rows = run(lake, """SELECT n, "date", "hour" FROM t WHERE "date" = '2023-11-15'""")
    assert rows == [["1", "2023-11-15", "07"]]


def test_a_view_is_its_query_in_its_own_database(lake: Any) -> None:
    lake.put("t/a.parquet", [{"n": 1}, {"n": 2}])
    lake.table()
    said = {"originalSql": "SELECT max(n) AS newest FROM t", "schema": "db", "columns": []}
    text = base64.b64encode(json.dumps(said).encode()).decode()
    lake.table("v", TableType="VIRTUAL_VIEW", ViewOriginalText=f"/* Presto View: {text} */")
    lake.table("w", TableType="VIRTUAL_VIEW", ViewOriginalText="SELECT 1")
    assert run(lake, "SELECT newest, n FROM db.v JOIN t ON n = newest") == [["2", "2"]]
    with pytest.raises(QueryError, match="INVALID_VIEW"):
        run(lake, "SELECT * FROM w")


def test_a_table_of_another_format_is_refused(lake: Any) -> None:
    lake.table(storage={"SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde"}})
    with pytest.raises(QueryError, match="not stored as Parquet"):
        run(lake, "SELECT * FROM t")


@pytest.mark.parametrize("sql", ["SELECT * FROM nothing", "SELECT * FROM nowhere.t"])
def test_a_table_that_is_not_there_is_named(lake: Any, sql: str) -> None:
    with pytest.raises(QueryError, match=r"TABLE_NOT_FOUND: Table 'awsdatacatalog\."):
        run(lake, sql)


def test_parameters_are_literals(lake: Any) -> None:
    lake.put("t/a.parquet", [{"n": 1}, {"n": 2}])
    lake.table()
    assert run(lake, "SELECT n, ? FROM t WHERE n > ?", "'x'", "1") == [["2", "x"]]


def test_a_query_that_is_stopped_before_it_begins_does_not_run(lake: Any) -> None:
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    query.stop()
    with pytest.raises(QueryError, match="USER_CANCELED"):
        query.run("SELECT 1", ())


def test_a_query_that_is_stopped_while_it_runs_ends(lake: Any) -> None:
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    numbers = "UNNEST(sequence(1, 10000))"
    sql = f"SELECT sum(a.n * b.n * c.n) FROM {numbers} a (n), {numbers} b (n), {numbers} c (n)"
    timer = threading.Timer(0.5, query.stop)
    timer.start()
    with pytest.raises(QueryError):
        query.run(sql, ())
    timer.join()


def test_stopping_a_query_that_has_ended_does_nothing(lake: Any) -> None:
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    assert query.run("SELECT 1", ()).columns
    query.stop()
