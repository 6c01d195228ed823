"""Conversion of tables in Glue's catalog to views in the engine, over their current objects."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from featurestore_local.athena.dialect import CATALOG, TableName, literal, quoted
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.objects import Objects, S3Object
from featurestore_local.athena.projection import Projection, is_projected
from featurestore_local.clock import Clock
from featurestore_local.errors import TableError

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient

    from featurestore_local.iceberg import IcebergTables

_TYPES = {
    "string": "VARCHAR",
    "binary": "BLOB",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
# Athena reads a file's column only if its type is of the same family as the table's.
_FAMILIES = (
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"},
    {"FLOAT", "DOUBLE"},
    {"VARCHAR", "BLOB"},
    {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"},
)
_SYMLINKS = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A data object and the values of the partition it lies in."""

    found: S3Object
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The query of a view, and the database of tables that it names without one."""

    sql: str
    database: str


class Tables:
    """Glue's tables, as the engine reads them.

    Args:
        glue: The catalog.
        objects: Reads the data.
        iceberg: Returns the Iceberg tables.
        clock: Gives ``NOW`` in a projection.
    """

    def __init__(
        self,
        glue: "GlueClient",
        objects: Objects,
        iceberg: "Callable[[], IcebergTables]",
        clock: Clock,
    ) -> None:
        self._glue = glue
        self._objects = objects
        self._iceberg = iceberg
        self._clock = clock

    def describe(self, name: TableName) -> dict[str, Any]:
        """Return Glue's description of a table.

        Raises:
            QueryError: There is no such table.
        """
        try:
            found = self._glue.get_table(DatabaseName=name.database, Name=name.table)
        except self._glue.exceptions.EntityNotFoundException as error:
            raise QueryError(
                "TABLE_NOT_FOUND", f"Table '{CATALOG}.{name.database}.{name.table}' does not exist"
            ) from error
        return dict(found["Table"])

    def view(self, table: Mapping[str, Any]) -> View | None:
        """Return the query of a view, or None for another table.

        Raises:
            QueryError: The view was not created by Athena.
        """
        if table.get("TableType") != "VIRTUAL_VIEW":
            return None
        match = _VIEW.search(table.get("ViewOriginalText", ""))
        try:
            found = json.loads(base64.b64decode(match[1])) if match else {}
            return View(sql=found["originalSql"], database=found["schema"])
        except (KeyError, ValueError, binascii.Error) as error:
            raise QueryError(
                "INVALID_VIEW", f"View '{table['Name']}' was not created by Athena"
            ) from error

    def create(
        self, connection: duckdb.DuckDBPyConnection, name: TableName, table: Mapping[str, Any]
    ) -> int:
        """Create a view of a table under its name; return the size of its objects in bytes.

        Raises:
            QueryError: Its objects don't match the definition of the table.
        """
        keys = table.get("PartitionKeys", [])
        located = list(self._locate(table))
        columns = [*table["StorageDescriptor"]["Columns"], *keys]
        source = "(SELECT 1) WHERE false"
        present: dict[str, str] = {}
        if located:
            source, present = self._source(connection, [k["Name"] for k in keys], located)
        items = ", ".join(_item(column, present, table) for column in columns)
        view = f"{CATALOG}.{quoted(name.database)}.{quoted(name.table)}"
        sql = f"CREATE VIEW {view} AS SELECT {items} FROM {source}"  # noqa: S608  # all quoted
        connection.execute(sql)
        return sum(each.found.size_bytes for each in located)

    def _locate(self, table: Mapping[str, Any]) -> Iterable[Located]:
        if is_iceberg(table):
            try:
                files = self._iceberg().data_files(table["DatabaseName"], table["Name"])
            except TableError as error:
                raise QueryError("ICEBERG_INVALID_METADATA", str(error)) from error
            return [Located(found=self._objects.head(file.file_path)) for file in files]
        if "Parquet" not in table["StorageDescriptor"].get("SerdeInfo", {}).get(
            "SerializationLibrary", ""
        ):
            raise QueryError("NOT_SUPPORTED", f"Table '{table['Name']}' is not stored as Parquet")
        located = self._partitioned(table)
        if table["StorageDescriptor"].get("InputFormat") == _SYMLINKS:
            return [
                Located(found=self._objects.head(uri), values=each.values)
                for each in located
                for uri in self._objects.read(each.found.uri).decode().split()
            ]
        return located

    def _partitioned(self, table: Mapping[str, Any]) -> Iterable[Located]:
        location = table["StorageDescriptor"]["Location"]
        keys = [key["Name"] for key in table.get("PartitionKeys", [])]
        if not keys:
            return [Located(found=found) for found in self._objects.under(location)]
        properties = table.get("Parameters", {})
        if is_projected(properties):
            projection = Projection(location, keys, properties, now_s=self._clock.now())
            named = (
                (found, projection.values_of(found.uri))
                for found in self._objects.under(projection.root)
            )
            return [Located(found=f, values=values) for f, values in named if values is not None]
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=table["DatabaseName"], TableName=table["Name"]
        )
        return [
            Located(found=found, values=tuple(partition["Values"]))
            for page in pages
            for partition in page["Partitions"]
            for found in self._objects.under(partition["StorageDescriptor"]["Location"])
        ]

    def _source(
        self,
        connection: duckdb.DuckDBPyConnection,
        keys: Sequence[str],
        located: Sequence[Located],
    ) -> tuple[str, dict[str, str]]:
        files = [str(self._objects.copy(each.found)) for each in located]
        listed = ", ".join(literal(file) for file in sorted(set(files)))
        read = f"read_parquet([{listed}], union_by_name = true, filename = true)"
        sql = f"DESCRIBE SELECT * FROM {read}"  # noqa: S608  # all quoted
        described = connection.execute(sql).fetchall()
        present = {str(row[0]).lower(): str(row[1]) for row in described}
        if not keys:
            return read, present
        rows = ", ".join(
            f"({', '.join(literal(text) for text in (file, *each.values))})"
            for file, each in zip(files, located, strict=True)
        )
        names = ", ".join(quoted(name) for name in ("filename", *keys))
        source = f"{read} AS data JOIN (VALUES {rows}) AS place({names}) USING (filename)"
        return source, present | dict.fromkeys(keys, "PARTITION")


def is_iceberg(table: Mapping[str, Any]) -> bool:
    """Return whether Glue describes an Iceberg table."""
    return str(table.get("Parameters", {}).get("table_type", "")).upper() == "ICEBERG"


def _item(column: Mapping[str, Any], present: Mapping[str, str], table: Mapping[str, Any]) -> str:
    name, wanted = column["Name"], _engine_type(column["Type"])
    there = present.get(name.lower())
    if there is None:  # a column added after the file was written, or no file yet
        value = "NULL"
    elif there == "PARTITION":
        value = f"place.{quoted(name)}"
    elif there == "BLOB" and wanted == "VARCHAR":
        value = f"decode({quoted(name)})"
    elif _same_family(there, wanted):
        value = quoted(name)
    else:
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Field {name}'s type {there} in parquet file is incompatible with type "
            f"{column['Type']} defined in table schema of '{table['Name']}'",
        )
    return f"CAST({value} AS {wanted}) AS {quoted(name)}"


def _same_family(there: str, wanted: str) -> bool:
    return there == wanted or any(there in f and wanted in f for f in _FAMILIES)


def _engine_type(glue_type: str) -> str:
    kind = glue_type.lower()
    if kind.startswith("array<") and kind.endswith(">"):
        return f"{_engine_type(kind[len('array<') : -1])}[]"
    if kind.startswith(("varchar(", "char(")):
        return "VARCHAR"
    if re.fullmatch(r"decimal\(\d+,\s*\d+\)", kind):
        return kind.upper()
    if kind not in _TYPES:
        raise QueryError("NOT_SUPPORTED", f"Columns of type {glue_type} are not supported here")
    return _TYPES[kind]
