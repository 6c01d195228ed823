"""Where backfilled rows go: the offline store, or a Parquet file."""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER, minute_start_s
from txfeatures.history import offline
from txfeatures.history.backfill import HistoricRow, read_rows
from txfeatures.history.minutes import COLUMNS, Span, rows_sql
from txfeatures.history.offline import OFFLINE, OfflineStore
from txfeatures.process.clock import Clock
from txfeatures.process.runtime import backoff_s
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sagemaker_featurestore_runtime.type_defs import (
        BatchWriteRecordEntryTypeDef,
    )

BATCH = 25
"""Most entries of one BatchWriteRecord (SageMaker Feature Store)."""

ATTEMPTS = 8

REFUSED_FOR_GOOD = frozenset(
    {"AccessDeniedException", "AccessForbidden", "ResourceNotFound", "ValidationError",
     "ValidationException"}
)  # fmt: skip

SCHEMA = pa.schema(
    [
        (
            f.name,
            {"Integral": pa.int64(), "Fractional": pa.float64(), "String": pa.string()}[f.type],
        )
        for f in FEATURES
    ]
)
"""Columns of a backfilled file: those of the offline store, without the store's own."""


@dataclass(slots=True, kw_only=True)
class OfflineSink:
    """The offline store: rows that it lacks, and new revisions of rows that differ.

    A row that it has already is left alone, and so is a deleted minute. A row that differs, or
    that lacks a feature declared later, gets another revision with the next event time: the
    history before it stays as it was known.

    Args:
        client: Of the data plane.
        settings: Name of the feature group, and how it wants event times.
        store: Where its rows are read.
        directory: For files on their way.
        clock: Paces the calls.
        stop: Set to end between two calls.
        rows_per_s: Most rows that are put in a second.
    """

    client: "SageMakerFeatureStoreRuntimeClient"
    settings: AwsSettings
    store: OfflineStore
    directory: Path
    clock: Clock
    stop: threading.Event
    rows_per_s: float

    def begin(self) -> None:
        """Nothing is left behind by a run that was given up."""

    def wanted(self, connection: duckdb.DuckDBPyConnection, span: Span) -> Iterator[HistoricRow]:
        """Yield the rows that the store lacks, minute by minute."""
        damages = offline.load(connection, self.store, span, self.directory)
        if damages:
            raise FatalError(
                f"{damages[0].key} of the offline store {damages[0].reason}; "
                "restore it, then run this again"
            )
        return read_rows(connection, _difference_sql())

    def write(self, rows: Sequence[HistoricRow]) -> None:
        """Put rows, some at a time, at the pace that was set.

        Raises:
            FatalError: The store refuses a row for good.
            TransientError: It does not take them for now, or the run is to stop.
        """
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            self._put([self._entry(row) for row in batch])
            if self.clock.wait(self.stop, len(batch) / self.rows_per_s):
                raise TransientError("stopped; run it again to go on from here")

    def finish(self) -> None:
        """Rows are in the store as they are acknowledged."""

    def _entry(self, row: HistoricRow) -> "BatchWriteRecordEntryTypeDef":
        return {
            "FeatureGroupName": self.settings.feature_group,
            "Record": [
                {"FeatureName": name, "ValueAsString": text}
                for name, text in _texts(row, self.settings.table_format).items()
            ],
            "TargetStores": ["OfflineStore"],
        }

    def _put(self, entries: "list[BatchWriteRecordEntryTypeDef]") -> None:
        why = "entries were left unprocessed"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self.client.batch_write_record(Entries=entries)
            except ClientError as error:
                why = str(error)
                if error.response.get("Error", {}).get("Code") in REFUSED_FOR_GOOD:
                    raise FatalError(f"the offline store refused: {error}") from error
            except BotoCoreError as error:
                why = str(error)
            else:
                for refused in answer["Errors"]:
                    raise FatalError(
                        f"the offline store refused {refused['Entry']['Record'][0]}: "
                        f"{refused['ErrorMessage']}; compare the feature group with "
                        "`txfeatures features`"
                    )
                if not answer["UnprocessedEntries"]:
                    return
                entries = answer["UnprocessedEntries"]  # type: ignore[assignment]
            if self.clock.wait(self.stop, backoff_s(attempt)):
                break
        raise TransientError(f"the offline store does not take rows ({why}); run it again to go on")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSink:
    """A Parquet file with every revision; it appears when it is whole."""

    path: Path

    @property
    def parts(self) -> Path:
        """Where the rows of a run lie that is not finished."""
        return self.path.with_name(f"{self.path.name}.parts")

    def begin(self) -> None:
        """Make an empty folder for the parts.

        Raises:
            FatalError: It can't be made.
        """
        try:
            shutil.rmtree(self.parts, ignore_errors=True)
            self.parts.mkdir()
        except OSError as error:
            raise FatalError(
                f"{self.parts} can't be made ({error.strerror}); name a file in an existing folder"
            ) from error

    def wanted(
        self,
        connection: duckdb.DuckDBPyConnection,
        span: Span,  # noqa: ARG002 - the relation has no other minutes
    ) -> Iterator[HistoricRow]:
        """Yield every revision."""
        rows = f"{rows_sql('revisions')} ORDER BY {RECORD_IDENTIFIER}, revision"
        return read_rows(connection, rows)

    def write(self, rows: Sequence[HistoricRow]) -> None:
        """Write a part, named by its first minute, so that a repeat replaces it."""
        if not rows:
            return
        part = self.parts / f"{minute_start_s(str(rows[0][RECORD_IDENTIFIER])):012d}.parquet"
        unfinished = part.with_suffix(".unfinished")
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), unfinished)
        os.replace(unfinished, part)  # noqa: PTH105 - the same call, said plainly

    def finish(self) -> None:
        """Make one file of the parts, in order, and remove them."""
        unfinished = self.parts / "whole.unfinished"
        with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
            for part in sorted(self.parts.glob("*.parquet")):
                writer.write_table(pq.read_table(part))
        os.replace(unfinished, self.path)  # noqa: PTH105
        shutil.rmtree(self.parts)


def _difference_sql() -> str:
    """Return what the offline store lacks of ``revisions``.

    A row that became known later than the archive reaches is newer than what was recomputed.
    """
    differs = " OR ".join(f"r.{name} IS DISTINCT FROM top.{name}" for name in COLUMNS)
    features = ", ".join(
        {
            "revision": "top.revision + 1 AS revision",
            "nb_gaps_1min": "top.nb_gaps_1min",
            EVENT_TIME: f"greatest(r.{EVENT_TIME}, (top.known_ms + 1) / 1000) AS {EVENT_TIME}",
        }.get(f.name, f"r.{f.name}")
        for f in FEATURES
    )
    return f"""WITH r AS ({rows_sql("revisions")}),
    top AS (
        SELECT * FROM {OFFLINE} QUALIFY row_number() OVER (
            PARTITION BY {RECORD_IDENTIFIER} ORDER BY known_ms DESC,
            api_invocation_time DESC, write_time DESC, revision DESC) = 1
    ), newest AS (
        SELECT * FROM r QUALIFY row_number() OVER (
            PARTITION BY {RECORD_IDENTIFIER} ORDER BY revision DESC) = 1
    )
    SELECT * FROM (
        SELECT r.* FROM r ANTI JOIN top USING ({RECORD_IDENTIFIER})
        UNION ALL BY NAME
        SELECT {features} FROM newest r JOIN top USING ({RECORD_IDENTIFIER})
        WHERE NOT coalesce(top.is_deleted, false) AND ({differs})
          AND top.known_ms <= (SELECT settled_ms FROM horizon)
    ) ORDER BY {RECORD_IDENTIFIER}, revision"""


def _texts(row: Mapping[str, object], table_format: str) -> dict[str, str]:
    texts = {name: v if isinstance(v, str) else repr(v) for name, v in row.items()}
    if table_format == "iceberg":
        moment = datetime.fromtimestamp(float(texts[EVENT_TIME]), UTC)
        texts[EVENT_TIME] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return texts
