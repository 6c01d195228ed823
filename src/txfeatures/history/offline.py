"""The offline store as it lies in S3: every row ever put, and the latest of each minute.

The objects are read themselves, not through Athena: a row counts the same however often
it lies there, since only the latest of its minute is taken. So objects that a compaction
has doubled for a while change nothing.
"""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

import itertools
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.archive.bucket import Bucket, S3Bucket
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER, minute_name
from txfeatures.history.minutes import Span

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

OFFLINE = "offline"
"""The relation that `load` makes."""

ROWS = ", ".join(f.name for f in FEATURES)

THREADS = 8
FILES_AT_ONCE = 256

_SQL_TYPES = {"Integral": "BIGINT", "Fractional": "DOUBLE", "String": "VARCHAR"}

_HOUR = re.compile(r"year=(\d{4})/month=(\d\d)/day=(\d\d)/hour=(\d\d)/")
_DAY = re.compile(r"_trunc=(\d{4})-(\d\d)-(\d\d)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStore:
    """Where the offline store of a feature group lies.

    Attributes:
        bucket: Its bucket.
        prefix: What the keys of its data begin with, ``.../data/``.
    """

    bucket: Bucket
    prefix: str

    @classmethod
    def of(cls, sagemaker: "SageMakerClient", s3: "S3Client", group: str) -> Self:
        """Ask SageMaker where it is.

        Raises:
            FatalError: There is no such group, or it has no offline store.
            TransientError: AWS does not answer.
        """
        try:
            found = sagemaker.describe_feature_group(FeatureGroupName=group)
        except sagemaker.exceptions.ResourceNotFound as error:
            raise FatalError(
                f"there is no feature group {group}; run `txfeatures bootstrap` "
                "or set TXF_AWS_FEATURE_GROUP"
            ) from error
        except ClientError as error:
            raise FatalError(f"AWS refused: {error}") from error
        except BotoCoreError as error:
            raise TransientError(f"AWS does not answer: {error}") from error
        store = found.get("OfflineStoreConfig")
        uri = store["S3StorageConfig"].get("ResolvedOutputS3Uri") if store else None
        if uri is None:
            raise FatalError(
                f"feature group {group} has no offline store; set TXF_AWS_FEATURE_GROUP to one "
                "that `txfeatures bootstrap` made"
            )
        address = urlsplit(uri)
        return cls(bucket=S3Bucket(s3, address.netloc), prefix=f"{address.path.strip('/')}/")

    def keys(self, *, start_s: int, end_s: float) -> Iterator[str]:
        """Yield the objects that may hold event times in [start_s, end_s]."""
        for listed in self.bucket.list(self.prefix, after=self._before(start_s)):
            period = _period(listed.key)
            if period is None or (period[1] > start_s and period[0] <= end_s):
                yield listed.key

    def _before(self, start_s: int) -> str:
        # True of Glue's layout only, whose keys sort by time; those of Iceberg have a random start.
        moment = datetime.fromtimestamp(start_s, UTC)
        hour = f"{self.prefix}year={moment:%Y}/month={moment:%m}/day={moment:%d}/hour={moment:%H}"
        first = next(self.bucket.list(self.prefix), None)
        is_sorted = first is not None and first.key.startswith(f"{self.prefix}year=")
        return hour if is_sorted else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """An object that can't be relied on, and why."""

    key: str
    reason: str


def load(
    connection: duckdb.DuckDBPyConnection,
    store: OfflineStore,
    span: Span,
    directory: Path,
    *,
    known_at_s: float | None = None,
) -> list[Damage]:
    """Make the relation ``offline``: all rows of the minutes of ``span`` that were ever put.

    Its columns are those of the features, ``known_ms`` (event time, epoch milliseconds),
    ``api_invocation_time``, ``write_time`` and ``is_deleted``.

    Args:
        connection: Where to.
        store: Where from.
        span: The minutes that are wanted. A row is never known before its minute begins.
        directory: For objects on their way; some hundreds at a time.
        known_at_s: Rows that became known later are not needed, epoch seconds.

    Returns:
        Objects that can't be read.
    """
    typed = ", ".join(f"{f.name} {_column_type(f.name, f.type)}" for f in FEATURES)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {OFFLINE} ({typed}, known_ms BIGINT, "
        "api_invocation_time TIMESTAMP, write_time TIMESTAMP, is_deleted BOOLEAN)"
    )
    damages: list[Damage] = []
    end_s = float("inf") if known_at_s is None else known_at_s
    keys = store.keys(start_s=span.start_s, end_s=end_s)
    directory.mkdir(parents=True, exist_ok=True)
    while batch := _take(keys, FILES_AT_ONCE):
        paths = [directory / f"{number}.parquet" for number in range(len(batch))]
        with ThreadPoolExecutor(THREADS, "offline") as pool:
            list(pool.map(store.bucket.download, batch, paths))
        try:
            _insert(connection, paths, span)
        except duckdb.Error:
            damages += _insert_each(connection, batch, paths, span)
        for path in paths:
            path.unlink()
    return damages


def latest_sql(*, known_at_s: float | None = None) -> str:
    """Return a SELECT of the latest row of each minute, as known at a moment.

    A deleted minute has none: deletions are filtered after ranking, or what they deleted
    would come back.
    """
    known = f"WHERE known_ms <= {int(known_at_s * 1000)}" if known_at_s is not None else ""
    return f"""SELECT * EXCLUDE (place) FROM (
        SELECT *, row_number() OVER (PARTITION BY {RECORD_IDENTIFIER} ORDER BY known_ms DESC,
            api_invocation_time DESC, write_time DESC, revision DESC) AS place
        FROM {OFFLINE} {known})
    WHERE place = 1 AND NOT coalesce(is_deleted, false)"""


def _insert(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], span: Span) -> None:
    rows = connection.read_parquet([str(path) for path in paths], union_by_name=True)
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))

    def column(name: str, kind: str) -> str:
        # Files from before a feature was added lack its column.
        return f'CAST("{name}" AS {kind})' if name in types else f"CAST(NULL AS {kind})"

    features = ", ".join(column(f.name, _column_type(f.name, f.type)) for f in FEATURES)
    system = ", ".join(
        (
            _known_ms(types.get(EVENT_TIME, "DOUBLE")),
            column("api_invocation_time", "TIMESTAMP"),
            column("write_time", "TIMESTAMP"),
            column("is_deleted", "BOOLEAN"),
        )
    )
    first, end = minute_name(span.start_s), minute_name(span.end_s)
    wanted = f"{RECORD_IDENTIFIER} >= '{first}' AND {RECORD_IDENTIFIER} < '{end}'"
    rows.filter(wanted).project(f"{features}, {system}").insert_into(OFFLINE)


def _insert_each(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str], paths: Sequence[Path], span: Span
) -> Iterator[Damage]:
    for key, path in zip(keys, paths, strict=True):
        try:
            _insert(connection, [path], span)
        except duckdb.Error as error:
            yield Damage(key=key, reason=f"can't be read: {str(error).splitlines()[0]}")


def _known_ms(kind: str) -> str:
    if kind == "VARCHAR":
        return f"epoch_ms(CAST(rtrim({EVENT_TIME}, 'Z') AS TIMESTAMP))"
    return f"CAST(round({EVENT_TIME} * 1000) AS BIGINT)"


def _column_type(name: str, kind: str) -> str:
    # Of a String event time (Iceberg) only what it means is of interest: ``known_ms``.
    return "VARCHAR" if name == EVENT_TIME else _SQL_TYPES[kind]


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


def _take(keys: Iterator[str], count: int) -> list[str]:
    return list(itertools.islice(keys, count))
