"""Maintenance of Iceberg tables: OPTIMIZE, VACUUM and ALTER TABLE ... SET TBLPROPERTIES."""

import io
import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from featurestore_local.athena.dialect import CATALOG, TableName
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.objects import Objects
from featurestore_local.athena.tables import Tables
from featurestore_local.iceberg import IcebergTables, as_input, is_iceberg

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient

MAX_PARTITIONS_PER_RUN = 100
"""Above so many, OPTIMIZE does a part and asks to be run again, as Athena does."""

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
    """Runs the statements that change how an Iceberg table lies, never its rows."""

    def __init__(
        self, glue: "GlueClient", objects: Objects, iceberg: IcebergTables, tables: Tables
    ) -> None:
        self._glue = glue
        self._objects = objects
        self._iceberg = iceberg
        self._tables = tables

    def run(self, sql: str, *, database: str) -> None:
        """Do one statement.

        Raises:
            QueryError: It can't be done, or not in one go.
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
                    "Done here are OPTIMIZE t REWRITE DATA USING BIN_PACK (of all partitions), "
                    "VACUUM t and ALTER TABLE t SET TBLPROPERTIES ('k' = 'v')",
                )
        except (BotoCoreError, ClientError) as error:
            raise QueryError("GENERIC_INTERNAL_ERROR", str(error)) from error

    def _optimize(self, name: TableName) -> None:
        table = self._iceberg_table(name)
        partitions: dict[str, list[str]] = defaultdict(list)
        for uri in self._iceberg.data_files(table):
            partitions[uri.split("/")[-2]].append(uri)
        scattered = {part: uris for part, uris in sorted(partitions.items()) if len(uris) > 1}
        location = table["StorageDescriptor"]["Location"].rstrip("/")
        for part, uris in list(scattered.items())[:MAX_PARTITIONS_PER_RUN]:
            stamp = max(uri.rpartition("/")[2].partition("_")[0] for uri in uris)
            token = uuid.uuid4().hex
            packed = f"{location}/{token[:8]}/{part}/{stamp}_{token[8:24]}.parquet"
            self._objects.write(packed, self._packed(uris))
            self._iceberg.replace(name.database, name.table, added=[packed], removed=uris)
        if len(scattered) > MAX_PARTITIONS_PER_RUN:
            raise QueryError(
                "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED", "Run OPTIMIZE again for the other partitions"
            )

    def _packed(self, uris: Sequence[str]) -> bytes:
        # Newest first: the columns that were added later come last, as in the table.
        parts = [pq.read_table(io.BytesIO(self._objects.read(uri))) for uri in uris]
        parts.sort(key=lambda part: part.num_columns, reverse=True)
        file = io.BytesIO()
        pq.write_table(pa.concat_tables(parts, promote_options="default"), file, compression="none")
        return file.getvalue()

    def _vacuum(self, name: TableName) -> None:
        properties = self._iceberg_table(name)["Parameters"]
        unread = self._iceberg.expire(
            name.database,
            name.table,
            max_age_s=float(properties.get("vacuum_max_snapshot_age_seconds", _MAX_AGE_S)),
            keep=int(properties.get("vacuum_min_snapshots_to_keep", _MIN_SNAPSHOTS)),
        )
        for uri in sorted(unread):
            self._objects.delete(uri)

    def _set(self, name: TableName, pairs: str) -> None:
        properties = dict(_PAIR.findall(pairs))
        if not properties:
            raise QueryError("SYNTAX_ERROR", f"No 'property' = 'value' in ({pairs})")
        with self._iceberg.lock:
            table = self._tables.describe(name)
            table["Parameters"] = table.get("Parameters", {}) | properties
            self._glue.update_table(DatabaseName=name.database, TableInput=as_input(table))

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
