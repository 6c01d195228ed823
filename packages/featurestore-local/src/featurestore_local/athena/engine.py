"""Execution of one query in DuckDB, over views of its tables."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from featurestore_local.athena.dialect import (
    CATALOG,
    TableName,
    column_names,
    connect,
    explained,
    quoted,
    tables_of,
)
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.results import Column, column, csv_of, text
from featurestore_local.athena.tables import Tables

_MAX_VIEW_DEPTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a query.

    Attributes:
        body: The rows as CSV, as stored in S3.
        scanned_bytes: Size of the objects of the tables that were read.
    """

    columns: tuple[Column, ...]
    body: bytes
    scanned_bytes: int


class Query:
    """A query that runs once; ``stop`` may be called from another thread.

    Args:
        tables: The tables that it can read.
        directory: Directory of the copies of objects.
        database: Database of the tables that are named without one.
    """

    def __init__(self, tables: Tables, *, directory: str, database: str) -> None:
        self._tables = tables
        self._database = database
        self._connection = connect(directory)
        self._made: set[TableName] = set()
        self._is_stopped = False

    def stop(self) -> None:
        """End the query early, or before it begins; ``run`` then raises QueryError."""
        self._is_stopped = True
        with suppress(duckdb.Error):  # it has ended by itself
            self._connection.interrupt()

    def run(self, sql: str, parameters: Sequence[str]) -> Result:
        """Run the query and return its result.

        Args:
            sql: One query.
            parameters: A SQL literal for each question mark.

        Raises:
            QueryError: The query failed; the message is in Athena's form.
        """
        try:
            with self._connection:
                scanned_bytes = self._prepare(sql, self._database, depth=0)
                self._use(self._database)
                values = [self._value(parameter) for parameter in parameters]
                if self._is_stopped:  # an interruption between two statements is lost
                    raise QueryError("USER_CANCELED", "Query cancelled by user")
                found = self._connection.execute(sql, values)
                described = found.description
                rows = [[text(value) for value in row] for row in found.fetchall()]
                names = column_names(self._connection, sql, [each[0] for each in described])
        except duckdb.Error as error:
            raise explained(error) from error
        except (BotoCoreError, ClientError) as error:
            raise QueryError("GENERIC_INTERNAL_ERROR", str(error)) from error
        columns = tuple(column(name, each[1]) for name, each in zip(names, described, strict=True))
        return Result(columns=columns, body=csv_of(columns, rows), scanned_bytes=scanned_bytes)

    def _prepare(self, sql: str, database: str, *, depth: int) -> int:
        if depth > _MAX_VIEW_DEPTH:
            raise QueryError("STACK_OVERFLOW", "The views refer to one another in a circle")
        scanned_bytes = 0
        for name in tables_of(self._connection, sql, database=database):
            if name in self._made:  # possibly by a view that reads it too
                continue
            table = self._tables.describe(name)
            self._connection.execute(
                f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{quoted(name.database)}"
            )
            if (view := self._tables.view(table)) is None:
                scanned_bytes += self._tables.create(self._connection, name, table)
            else:
                scanned_bytes += self._prepare(view.sql, view.database, depth=depth + 1)
                self._use(view.database)
                target = f"{CATALOG}.{quoted(name.database)}.{quoted(name.table)}"
                self._connection.execute(f"CREATE OR REPLACE VIEW {target} AS {view.sql}")
            self._made.add(name)
        return scanned_bytes

    def _use(self, database: str) -> None:
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{quoted(database)}")
        self._connection.execute(f"USE {CATALOG}.{quoted(database)}")

    def _value(self, parameter: str) -> Any:
        [[value]] = self._connection.execute(f"SELECT {parameter}").fetchall()
        return value
