from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from featurestore_local.athena.dialect import (
    TableName,
    check_query,
    column_names,
    connect,
    explained,
    literal,
    quoted,
    tables_of,
)
from featurestore_local.athena.errors import QueryError
from featurestore_local.errors import AwsError


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(str(tmp_path)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", "3"),
        ("to_unixtime(from_unixtime(1.5))", "1.5"),
        ("from_iso8601_timestamp('2023-11-15T12:00:00Z') = from_unixtime(1700049600)", "true"),
        ("from_iso8601_date('2023-11-15')", "2023-11-15"),
        ("date_add('month', -1, DATE '2023-11-15')", "2023-10-15 00:00:00"),
        ("date_diff('minute', from_unixtime(0), from_unixtime(120))", "2"),
        (
            "date_format(TIMESTAMP '2023-11-15 12:34:56', '%Y-%m-%d %H:%i:%s')",
            "2023-11-15 12:34:56",
        ),
        ("approx_percentile(n, 0.5) FROM UNNEST(sequence(1, 3)) t (n)", "2"),
        ("approx_distinct(n) FROM UNNEST(ARRAY[1, 1]) t (n)", "1"),
        ("arbitrary(n) FROM UNNEST(ARRAY[1, 1]) t (n)", "1"),
        ("regexp_like('abc', 'b.')", "true"),
        ("""json_extract_scalar('{"a": {"b": 3}}', '$.a.b')""", "3"),
        ("from_utf8(to_utf8('ü'))", "ü"),
        ("element_at(ARRAY[5, 6], 2)", "6"),
        ("cardinality(ARRAY[5, 6])", "2"),
        ("max_by(a, b) FROM (VALUES (1, 2), (3, 1)) t (a, b)", "1"),
        ("count_if(n > 1) FROM UNNEST(ARRAY[1, 2]) t (n)", "1"),
    ],
)
def test_trinos_functions_are_understood(
    connection: duckdb.DuckDBPyConnection, expression: str, value: str
) -> None:
    [[found]] = connection.execute(f"SELECT CAST((SELECT {expression}) AS varchar)").fetchall()
    assert found == value


def test_files_elsewhere_are_out_of_reach(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(duckdb.PermissionException):
        connection.execute(f"SELECT * FROM read_text('{tmp_path.parent}/x')")


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "SELECT 1;", "WITH a AS (SELECT 1) TABLE a", "VALUES (1)"]
)
def test_one_query_is_taken(sql: str) -> None:
    check_query(sql)


@pytest.mark.parametrize(
    "sql", ["SELCT 1", "SELECT 1; SELECT 2", "", "CREATE TABLE t AS SELECT 1", "EXPLAIN SELECT 1"]
)
def test_all_else_is_refused(sql: str) -> None:
    with pytest.raises(AwsError) as caught:
        check_query(sql)
    assert caught.value.code == "InvalidRequestException"


def test_the_tables_of_a_query_are_found_wherever_they_stand(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = """
        WITH own AS (SELECT * FROM "T-1")
        SELECT (SELECT max(x) FROM db2.two) FROM own
        JOIN "AwsDataCatalog"."db3"."three" USING (x)
        WHERE EXISTS (SELECT 1 FROM db4.own) UNION SELECT 1 FROM five
    """
    assert tables_of(connection, sql, database="db") == {
        TableName(database="db", table="t-1"),
        TableName(database="db2", table="two"),
        TableName(database="db3", table="three"),
        TableName(database="db4", table="own"),
        TableName(database="db", table="five"),
    }


def test_another_catalog_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="CATALOG_NOT_FOUND"):
        tables_of(connection, "SELECT * FROM hive.db.t", database="db")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1, 2 AS B, x, t.x FROM t", ["_col0", "b", "x", "x"]),
        ("SELECT 1, *, x + 1, 2 AS c FROM t", ["_col0", "x", "y", "_col3", "c"]),
        ("SELECT *, *, 1 FROM t", ["x", "y", "x", "y", "_col4"]),
        ("SELECT count(*) FROM t UNION SELECT 1", ["_col0"]),
    ],
)
def test_nameless_columns_are_numbered(
    connection: duckdb.DuckDBPyConnection, sql: str, names: list[str]
) -> None:
    connection.execute("CREATE TABLE t (x INTEGER, y INTEGER)")
    named = [each[0] for each in connection.execute(sql).description]
    assert column_names(connection, sql, named) == names


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT x", "COLUMN_NOT_FOUND"),
        ("SELECT invented(1)", "FUNCTION_NOT_FOUND"),
        ("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("SELECT CAST(300 AS tinyint)", "INVALID_CAST_ARGUMENT"),
        ("SELECT 1 FROM (VALUES (1, 2)) t (a, b) GROUP BY a HAVING b > 1", "GENERIC_USER_ERROR"),
        ("SELECT * FROM read_csv('/x')", "SYNTAX_ERROR"),
    ],
)
def test_errors_are_explained_in_trinos_words(
    connection: duckdb.DuckDBPyConnection, sql: str, code: str
) -> None:
    with pytest.raises(duckdb.Error) as caught:
        connection.execute(sql).fetchall()
    assert str(explained(caught.value)).startswith(code)


def test_names_and_texts_are_quoted_whatever_they_hold(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    text, name = literal("it's"), quoted('a "b"')
    found = connection.execute(f"SELECT {text} AS {name}")
    assert [each[0] for each in found.description] == ['a "b"']
    assert found.fetchall() == [("it's",)]
