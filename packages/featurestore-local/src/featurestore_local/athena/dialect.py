"""Trino's SQL on DuckDB: checks of statements, their tables, and functions that differ."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from featurestore_local.athena.errors import QueryError, invalid_request

CATALOG = "awsdatacatalog"

# Functions that Trino has and DuckDB hasn't, or has under another name.
_MACROS = (
    "from_unixtime(x) AS to_timestamp(x)",
    "to_unixtime(x) AS epoch_us(x) / 1e6",
    "from_iso8601_timestamp(x) AS CAST(x AS TIMESTAMPTZ)",
    "from_iso8601_date(x) AS CAST(x AS DATE)",
    "to_iso8601(x) AS strftime(x, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "date_add(unit, n, x) AS x + n * CASE lower(unit) "
    "WHEN 'millisecond' THEN INTERVAL 1 millisecond WHEN 'second' THEN INTERVAL 1 second "
    "WHEN 'minute' THEN INTERVAL 1 minute WHEN 'hour' THEN INTERVAL 1 hour "
    "WHEN 'day' THEN INTERVAL 1 day WHEN 'week' THEN INTERVAL 7 day "
    "WHEN 'month' THEN INTERVAL 1 month WHEN 'year' THEN INTERVAL 1 year END",
    "date_format(x, form) AS strftime(x, replace(replace(replace(replace(form, '%M', '%B'), "
    "'%i', '%M'), '%s', '%S'), '%T', '%H:%M:%S'))",
    "approx_percentile(x, p) AS approx_quantile(x, p)",
    "approx_distinct(x) AS approx_count_distinct(x)",
    "arbitrary(x) AS any_value(x)",
    "regexp_like(x, p) AS regexp_matches(x, p)",
    "from_utf8(x) AS decode(x)",
    "to_utf8(x) AS encode(x)",
    "json_extract_scalar(x, p) AS json_extract_string(x, p)",
    "sequence(first, last) AS generate_series(first, last)",
    "element_at(x, i) AS x[i]",
    "cardinality(x) AS len(x)",
)
_ERROR_CODES = (
    (duckdb.ConversionException, "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.ParserException, "SYNTAX_ERROR"),
    (duckdb.PermissionException, "SYNTAX_ERROR"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """The full name of a table, in lower case."""

    database: str
    table: str


def connect(directory: str) -> duckdb.DuckDBPyConnection:
    """Return an engine that accepts Trino's SQL and reads files of one directory only.

    Its time zone is UTC; ``/`` between integers gives an integer, as in Trino.
    """
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "integer_division": True, "threads": 2}
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH ':memory:' AS {CATALOG}")
    connection.execute(f"SET allowed_directories = [{literal(directory)}]")
    connection.execute("SET enable_external_access = false")
    for macro in _MACROS:
        connection.execute(f"CREATE TEMP MACRO {macro}")
    connection.execute("SET lock_configuration = true")
    return connection


def check_query(sql: str) -> None:
    """Refuse anything but a single query.

    Raises:
        AwsError: InvalidRequestException.
    """
    with duckdb.connect() as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            raise invalid_request(f"Queries of this type are not supported: {error}") from error
        if len(statements) != 1:
            raise invalid_request(f"Only one sql statement is allowed. Got: {sql}")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise invalid_request(
                "This local Athena runs queries, OPTIMIZE, VACUUM and ALTER TABLE ... SET "
                "TBLPROPERTIES; use Glue for anything else."
            )


def tables_of(
    connection: duckdb.DuckDBPyConnection, sql: str, *, database: str
) -> frozenset[TableName]:
    """Return the tables that a query reads, without those of its own WITH clauses.

    Args:
        connection: Parses the query.
        sql: One query.
        database: Database of the tables that are named without one.

    Raises:
        QueryError: The query names a catalog other than Glue's.
    """
    nodes = list(_nodes(_tree(connection, sql)))
    own = {
        entry["key"].lower()
        for node in nodes
        if isinstance(node.get("cte_map"), dict)
        for entry in node["cte_map"]["map"]
    }
    found = set()
    for node in nodes:
        if node.get("type") != "BASE_TABLE":
            continue
        catalog, schema, name = (
            node[part].lower() for part in ("catalog_name", "schema_name", "table_name")
        )
        if catalog not in {"", CATALOG}:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{catalog}' does not exist")
        if schema or name not in own:
            found.add(TableName(database=schema or database, table=name))
    return frozenset(found)


def column_names(
    connection: duckdb.DuckDBPyConnection, sql: str, named: Sequence[str]
) -> list[str]:
    """Return a result's column names as in Trino: ``_col1`` for an expression without a name.

    Args:
        connection: Parses the query.
        sql: One query.
        named: The names that the engine returned.
    """
    node = _tree(connection, sql)["statements"][0]["node"]
    while "select_list" not in node:  # UNION and the like: the first part names the columns
        node = node.get("left") or node["children"][0]
    items = node["select_list"]
    stars = [index for index, item in enumerate(items) if item["class"] == "STAR"]
    names = [name.lower() for name in named]
    before = stars[0] if stars else len(items)
    after = len(items) - stars[-1] - 1 if stars else 0
    places = [*range(before), *range(len(names) - after, len(names))]
    for place, item in zip(places, [*items[:before], *items[len(items) - after :]], strict=True):
        if not item["alias"] and item["class"] != "COLUMN_REF":
            names[place] = f"_col{place}"
    return names


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def explained(error: duckdb.Error) -> QueryError:
    """Return an error of the engine as an error of Athena."""
    text = str(error)
    if isinstance(error, duckdb.BinderException) and "not found" in text.partition("\n")[0]:
        return QueryError("COLUMN_NOT_FOUND", text)
    if isinstance(error, duckdb.CatalogException) and "Function" in text:
        return QueryError("FUNCTION_NOT_FOUND", text)
    for kind, code in _ERROR_CODES:
        if isinstance(error, kind):
            return QueryError(code, text)
    return QueryError("GENERIC_USER_ERROR", text)


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    [[text]] = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    return json.loads(text)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for branch in tree.values():
            yield from _nodes(branch)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)
