"""Reads of the offline store: every row ever put, and the latest one of each minute.

The Parquet objects are read themselves, not through Athena. A row counts the same however
often it is stored, since only the latest of its minute is taken: objects that a compaction has
doubled for a while change nothing.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import duckdb

from txfeatures.archive.bucket import Bucket, S3Bucket
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, Feature, minute_name
from txfeatures.feature_store.group import describe
from txfeatures.process.progress import Progress, unseen

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

THREADS = 8
FILES_AT_ONCE = 256

_TABLE = "offline_store"
_SQL_TYPES = {"Integral": "BIGINT", "Fractional": "DOUBLE", "String": "VARCHAR"}
_SYSTEM = {
    "api_invocation_time": "TIMESTAMP", "write_time": "TIMESTAMP", "is_deleted": "BOOLEAN",
}  # fmt: skip
"""The columns that Feature Store adds."""

_HOUR = re.compile(r"year=(\d{4})/month=(\d\d)/day=(\d\d)/hour=(\d\d)/")
_DAY = re.compile(r"_trunc=(\d{4})-(\d\d)-(\d\d)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """An object that can't be relied on, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineRows:
    """Rows as they were put, repeats included.

    Attributes:
        rows: Columns are those of the features, ``known_ms`` (event time, epoch milliseconds),
            ``api_invocation_time``, ``write_time`` and ``is_deleted``. Valid until the next
            read with the same connection.
        damages: Objects that can't be read.
    """

    rows: duckdb.DuckDBPyRelation
    damages: Sequence[Damage] = ()

    def newest(self, *, known_at_s: float | None = None) -> duckdb.DuckDBPyRelation:
        """Return the newest row of each minute that was known at a moment, deletions included."""
        rows = self.rows
        if known_at_s is not None:
            rows = rows.filter(f"known_ms <= {int(known_at_s * 1000)}")
        ranked = rows.project(
            f"*, row_number() OVER (PARTITION BY {RECORD_IDENTIFIER} ORDER BY known_ms DESC, "
            "api_invocation_time DESC, write_time DESC, revision DESC) AS place"
        )
        return ranked.filter("place = 1").project("* EXCLUDE (place)")

    def latest(self, *, known_at_s: float | None = None) -> duckdb.DuckDBPyRelation:
        """Return the newest row of each minute that is not deleted.

        Deletions are filtered after the ranking, or the rows that they deleted would come back.
        """
        return self.newest(known_at_s=known_at_s).filter("NOT coalesce(is_deleted, false)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStore:
    """The offline store of a feature group.

    Attributes:
        bucket: Its bucket.
        prefix: Beginning of the keys of its data, ``.../data/``.
        features: The declared features, which its rows are read as.
    """

    bucket: Bucket
    prefix: str
    features: Sequence[Feature]

    @classmethod
    def locate(
        cls,
        sagemaker: "SageMakerClient",
        s3: "S3Client",
        group: str,
        *,
        features: Sequence[Feature],
    ) -> Self:
        """Return the offline store of a feature group, as SageMaker describes it.

        Raises:
            FatalError: There is no such group, or it has no offline store.
            TransientError: AWS does not answer.
        """
        store = describe(sagemaker, group).get("OfflineStoreConfig")
        uri = store["S3StorageConfig"].get("ResolvedOutputS3Uri") if store else None
        if uri is None:
            raise FatalError(
                f"feature group {group} has no offline store; set TXF_AWS_FEATURE_GROUP to one "
                "that `txfeatures bootstrap` made"
            )
        address = urlsplit(uri)
        return cls(
            bucket=S3Bucket(s3, address.netloc),
            prefix=f"{address.path.strip('/')}/",
            features=features,
        )

    def keys(self, *, start_s: int, end_s: float) -> Iterator[str]:
        """Yield the objects that may hold event times in [start_s, end_s]."""
        for key in self._data(after=self._before(start_s)):
            period = _period(key)
            if period is None or (period[1] > start_s and period[0] <= end_s):
                yield key

    def read(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Path,
        *,
        start_s: int,
        end_s: int,
        known_at_s: float | None = None,
        progress: Progress = unseen,
    ) -> OfflineRows:
        """Return all rows of the minutes in [start_s, end_s) that were ever put.

        Args:
            connection: Holds the rows.
            directory: For objects on their way; some hundreds at a time.
            start_s: The first minute. A row is never known before its minute begins.
            end_s: The minute after the last one.
            known_at_s: Rows that became known later are not needed, epoch seconds.
            progress: Called with ``(objects read, objects in all)``.

        Raises:
            TransientError: AWS does not answer.
            FatalError: AWS refuses.
        """
        declared = {f.name: _SQL_TYPES[f.type] for f in self.features}
        columns = declared | {"known_ms": "BIGINT"} | _SYSTEM
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TABLE} ({typed})")
        wanted = (
            f"{RECORD_IDENTIFIER} >= '{minute_name(start_s)}' "
            f"AND {RECORD_IDENTIFIER} < '{minute_name(end_s)}'"
        )
        damages: list[Damage] = []
        last_s = float("inf") if known_at_s is None else known_at_s
        keys = list(self.keys(start_s=start_s, end_s=last_s))
        directory.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(keys), FILES_AT_ONCE):
            batch = keys[start : start + FILES_AT_ONCE]
            paths = [directory / f"{number}.parquet" for number in range(len(batch))]
            with ThreadPoolExecutor(THREADS, "offline") as pool:
                list(pool.map(self.bucket.download, batch, paths))
            try:
                self._insert(connection, paths, wanted)
            except duckdb.Error:
                damages += self._insert_each(connection, batch, paths, wanted)
            for path in paths:
                path.unlink()
            progress(start + len(batch), len(keys))
        return OfflineRows(rows=connection.table(_TABLE), damages=damages)

    def _insert(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], wanted: str
    ) -> None:
        rows = connection.read_parquet([str(path) for path in paths], union_by_name=True)
        types = dict(zip(rows.columns, map(str, rows.types), strict=True))
        known_ms = _known_ms(types.get(EVENT_TIME, "DOUBLE"))

        def column(name: str, kind: str) -> str:
            if name == EVENT_TIME:
                return f"{known_ms} / 1000"
            # Files from before a feature was added lack its column.
            return f'CAST("{name}" AS {kind})' if name in types else f"CAST(NULL AS {kind})"

        features = [column(f.name, _SQL_TYPES[f.type]) for f in self.features]
        system = [column(name, kind) for name, kind in _SYSTEM.items()]
        rows.filter(wanted).project(", ".join([*features, known_ms, *system])).insert_into(_TABLE)

    def _insert_each(
        self,
        connection: duckdb.DuckDBPyConnection,
        keys: Sequence[str],
        paths: Sequence[Path],
        wanted: str,
    ) -> Iterator[Damage]:
        for key, path in zip(keys, paths, strict=True):
            try:
                self._insert(connection, [path], wanted)
            except duckdb.Error as error:
                yield Damage(key=key, reason=f"can't be read: {str(error).splitlines()[0]}")

    def _data(self, *, after: str = "") -> Iterator[str]:
        # Folders and names that begin so are no data by the convention of Hive, which Athena
        # follows too; the others are "folders", as S3's console and Hadoop make them, and notes.
        for listed in self.bucket.list(self.prefix, after=after):
            names = listed.key.removeprefix(self.prefix).split("/")
            if names[-1].endswith(".parquet") and not any(n.startswith(("_", ".")) for n in names):
                yield listed.key

    def _before(self, start_s: int) -> str:
        # True of Glue's layout only, whose keys sort by time; those of Iceberg have a random start.
        moment = datetime.fromtimestamp(start_s, UTC)
        hour = f"{self.prefix}year={moment:%Y}/month={moment:%m}/day={moment:%d}/hour={moment:%H}"
        is_sorted = next(self._data(), "").startswith(f"{self.prefix}year=")
        return hour if is_sorted else ""


def _known_ms(kind: str) -> str:
    if kind == "VARCHAR":  # a String event time, of an Iceberg table
        return f"epoch_ms(CAST(rtrim({EVENT_TIME}, 'Z') AS TIMESTAMP))"
    return f"CAST(round({EVENT_TIME} * 1000) AS BIGINT)"


def _period(key: str) -> tuple[int, int] | None:
    """Return the first second of event time an object's partition holds, and the one after."""
    if found := _HOUR.search(key):
        return _from("%Y %m %d %H", found, 3600)
    if found := _DAY.search(key):
        return _from("%Y %m %d", found, 86_400)
    return None


def _from(form: str, found: re.Match[str], length_s: int) -> tuple[int, int]:
    start = datetime.strptime(" ".join(found.groups()), form).replace(tzinfo=UTC)
    return int(start.timestamp()), int(start.timestamp()) + length_s
