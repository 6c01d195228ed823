"""Maintenance of Iceberg tables: OPTIMIZE, VACUUM and ALTER TABLE ... SET TBLPROPERTIES."""

import io
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from featurestore_local.athena.dialect import CATALOG, TableName
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.objects import Objects
from featurestore_local.athena.tables import Tables, is_iceberg
from featurestore_local.errors import TableError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

    from featurestore_local.iceberg import IcebergTables

MAX_PARTITIONS_PER_RUN = 100
"""Most partitions of one OPTIMIZE; with more, it must be run again, as on Athena."""

_PART = r'(?:"[^"]+"|\w+)'
_NAME = rf"(?P<name>{_PART}(?:\.{_PART}){{0,2}})"
_OPTIMIZE = re.compile(rf"OPTIMIZE\s+{_NAME}\s+REWRITE\s+DATA\s+USING\s+BIN_PACK", re.IGNORECASE)
_VACUUM = re.compile(rf"VACUUM\s+{_NAME}", re.IGNORECASE)
_ALTER = re.compile(
    rf"ALTER\s+TABLE\s+{_NAME}\s+SET\s+TBLPROPERTIES\s*\((?P<pairs>.*)\)", re.IGNORECASE | re.DOTALL
)
_PAIR = re.compile(r"'([^']+)'\s*=\s*'([^']*)'")
_FIRST_WORD = re.compile(r"\s*(OPTIMIZE|VACUUM|ALTER)\b", re.IGNORECASE)

# Athena's defaults of the table's properties.
_MAX_AGE_S, _MIN_SNAPSHOTS = "432000", "1"


def is_maintenance(sql: str) -> bool:
    """Return whether a statement is for ``Maintenance``."""
    return _FIRST_WORD.match(sql) is not None


class Maintenance:
    """Runs the statements that change an Iceberg table's files or properties, never its rows."""

    def __init__(
        self, objects: Objects, iceberg: "Callable[[], IcebergTables]", tables: Tables
    ) -> None:
        self._objects = objects
        self._iceberg = iceberg
        self._tables = tables

    def run(self, sql: str, *, database: str) -> None:
        """Run one statement.

        Raises:
            QueryError: The statement failed, or must be run again.
        """
        statement = sql.strip().rstrip(";").strip()
        try:
            if match := _OPTIMIZE.fullmatch(statement):
                self._optimize(_table_name(match["name"], database))
            elif match := _VACUUM.fullmatch(statement):
                self._vacuum(_table_name(match["name"], database))
            elif match := _ALTER.fullmatch(statement):
                self._set(_table_name(match["name"], database), match["pairs"])
            else:
                raise QueryError(
                    "NOT_SUPPORTED",
                    "Supported are OPTIMIZE t REWRITE DATA USING BIN_PACK (of all partitions), "
                    "VACUUM t and ALTER TABLE t SET TBLPROPERTIES ('k' = 'v')",
                )
        except (BotoCoreError, ClientError, TableError) as error:
            raise QueryError("GENERIC_INTERNAL_ERROR", str(error)) from error

    def _optimize(self, name: TableName) -> None:
        location = self._iceberg_table(name)["StorageDescriptor"]["Location"].rstrip("/")
        is_done = True

        def pack(files: "Sequence[DataFile]") -> "dict[str, list[DataFile]]":
            nonlocal is_done
            partitions: dict[str, list[DataFile]] = defaultdict(list)
            for file in files:
                # A file's folder has the name of its partition.
                partitions[file.file_path.split("/")[-2]].append(file)
            scattered = [each for each in sorted(partitions.items()) if len(each[1]) > 1]
            is_done = len(scattered) <= MAX_PARTITIONS_PER_RUN
            return {
                self._packed(f"{location}/data", part, [file.file_path for file in found]): found
                for part, found in scattered[:MAX_PARTITIONS_PER_RUN]
            }

        self._iceberg().rewrite(name.database, name.table, pack)
        if not is_done:
            raise QueryError(
                "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED", "Run OPTIMIZE again for the other partitions"
            )

    def _packed(self, folder: str, partition: str, uris: Sequence[str]) -> str:
        # Newest first, so that columns that were added later come last, as in the table.
        parts = [pq.read_table(io.BytesIO(self._objects.read(uri))) for uri in uris]
        parts.sort(key=lambda part: part.num_columns, reverse=True)
        rows = pa.concat_tables(parts, promote_options="permissive")
        file = io.BytesIO()
        pq.write_table(rows, file, compression="none")
        stamp = max(uri.rpartition("/")[2].partition("_")[0] for uri in uris)
        token = uuid.uuid4().hex
        uri = f"{folder}/{token[:8]}/{partition}/{stamp}_{token[8:24]}.parquet"
        self._objects.write(uri, file.getvalue())
        return uri

    def _vacuum(self, name: TableName) -> None:
        properties = self._iceberg_table(name)["Parameters"]
        self._iceberg().expire(
            name.database,
            name.table,
            max_age_s=float(properties.get("vacuum_max_snapshot_age_seconds", _MAX_AGE_S)),
            keep=int(properties.get("vacuum_min_snapshots_to_keep", _MIN_SNAPSHOTS)),
        )

    def _set(self, name: TableName, pairs: str) -> None:
        properties = dict(_PAIR.findall(pairs))
        if not properties:
            raise QueryError("SYNTAX_ERROR", f"No 'property' = 'value' in ({pairs})")
        self._iceberg_table(name)
        self._iceberg().set_properties(name.database, name.table, properties)

    def _iceberg_table(self, name: TableName) -> dict[str, Any]:
        table = self._tables.describe(name)
        if not is_iceberg(table):
            raise QueryError("NOT_SUPPORTED", f"Table '{name.table}' is not an Iceberg table")
        return table


def _table_name(text: str, database: str) -> TableName:
    parts = [part.strip('"').lower() for part in re.findall(_PART, text)]
    if len(parts) == 3 and parts[0] != CATALOG:
        raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{parts[0]}' does not exist")
    return TableName(database=parts[-2] if len(parts) > 1 else database, table=parts[-1])
