"""Iceberg tables of offline stores, in Glue's catalog and S3 as Iceberg's readers expect them.

pyiceberg writes metadata, manifests and snapshots. It takes seconds to import, so this
module is imported only when an Iceberg table is created or read.
"""

import io
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchIcebergTableError,
    NoSuchPropertyException,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import TruncateTransform
from pyiceberg.types import (
    BooleanType,
    DoubleType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestamptzType,
)

from featurestore_local.clock import Clock
from featurestore_local.errors import TableError
from featurestore_local.model import FeatureGroup
from featurestore_local.values import FeatureType

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client

_TYPES: dict[FeatureType, PrimitiveType] = {
    FeatureType.INTEGRAL: LongType(),
    FeatureType.FRACTIONAL: DoubleType(),
    FeatureType.STRING: StringType(),
}
_SYSTEM_COLUMNS: dict[str, PrimitiveType] = {
    "write_time": TimestamptzType(),
    "api_invocation_time": TimestamptzType(),
    "is_deleted": BooleanType(),
}
# Each flush adds a snapshot, and each commit rewrites the list of snapshots: it is kept short.
_MOST_SNAPSHOTS = 200
_SNAPSHOTS_KEPT = 100
_PROPERTIES = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
}


class IcebergTables:
    """The Iceberg tables of the account.

    Changes are made one at a time: moto's Glue doesn't check versions, so one of two
    concurrent commits would be lost.

    Args:
        glue: The catalog; if a commit to it fails, the table is unchanged.
        s3: Stores metadata and data.
        clock: Determines the age of a snapshot.
    """

    def __init__(self, glue: "GlueClient", s3: "S3Client", clock: Clock) -> None:
        self._catalog = _Catalog(glue, _S3Files(s3))
        self._clock = clock
        self._lock = threading.Lock()

    def put(self, group: FeatureGroup) -> None:
        """Create the table of a group, or add the columns that it lacks.

        Raises:
            TableError: The table isn't an Iceberg table.
            ClientError: Glue or S3 refused.
        """
        offline = group.offline
        assert offline is not None  # noqa: S101  # groups of this table format have both
        assert offline.catalog is not None  # noqa: S101
        _, database, name = offline.catalog
        columns = {feature: _TYPES[kind] for feature, kind in group.features.items()}
        with self._lock, _translated():
            self._catalog.create_namespace_if_not_exists(database)
            if not self._catalog.table_exists((database, name)):
                schema = _schema(columns | _SYSTEM_COLUMNS)
                source = schema.find_field(group.event_time).field_id
                by_day = PartitionField(
                    source, 1000, TruncateTransform(10), f"{group.event_time}_trunc"
                )
                self._catalog.create_table(
                    (database, name),
                    schema,
                    location=offline.resolved_s3_uri.removesuffix("/data"),
                    partition_spec=PartitionSpec(by_day),
                    properties=_PROPERTIES,
                )
                return
            table = self._catalog.load_table((database, name))
            known = set(table.schema().column_names)
            with table.update_schema() as update:
                for feature, kind in columns.items():
                    if feature not in known:
                        update.add_column(feature, kind)
                        update.move_before(feature, next(iter(_SYSTEM_COLUMNS)))

    def data_files(self, database: str, name: str) -> list[DataFile]:
        """Return the data files of the current snapshot.

        Raises:
            TableError: The table can't be read.
        """
        with _translated():
            return _data_files(self._catalog.load_table((database, name)))

    def append(self, database: str, name: str, uris: Sequence[str]) -> None:
        """Add Parquet objects to a table, in one snapshot.

        Raises:
            ClientError: Glue or S3 refused; the table is as it was.
            TableError: The table is gone or has other columns; it is unchanged.
        """
        with self._lock, _translated():
            table = self._catalog.load_table((database, name))
            table.add_files(list(uris), check_duplicate_files=False)
            if len(table.metadata.snapshots) > _MOST_SNAPSHOTS:
                self._expire(table, before_s=math.inf, keep=_SNAPSHOTS_KEPT)

    def rewrite(
        self, database: str, name: str, pack: Callable[[Sequence[DataFile]], Mapping[str, Any]]
    ) -> None:
        """Replace data files by objects that hold the same rows, in one snapshot.

        Args:
            database: Database of the table.
            name: Name of the table.
            pack: Receives the current data files and returns, by the URI of each new object,
                the files that it replaces.

        Raises:
            ClientError: Glue or S3 refused; the table is as it was.
            TableError: The table can't be read.
        """
        with self._lock, _translated():
            table = self._catalog.load_table((database, name))
            packed = pack(_data_files(table))
            if not packed:
                return
            with table.transaction() as change, change.update_snapshot().overwrite() as overwrite:
                for files in packed.values():
                    for file in files:
                        overwrite.delete_data_file(file)
                for file in parquet_files_to_data_files(table.io, table.metadata, iter(packed)):
                    overwrite.append_data_file(file)

    def expire(self, database: str, name: str, *, max_age_s: float, keep: int) -> None:
        """Remove old snapshots except the newest ``keep``, and delete objects that are unused then.

        Raises:
            ClientError: Glue or S3 refused.
            TableError: The table can't be read.
        """
        with self._lock, _translated():
            table = self._catalog.load_table((database, name))
            self._expire(table, before_s=self._clock.now() - max_age_s, keep=keep)

    def set_properties(self, database: str, name: str, properties: Mapping[str, str]) -> None:
        """Set properties of a table.

        Raises:
            ClientError: Glue or S3 refused.
            TableError: The table can't be read.
        """
        with self._lock, _translated():
            table = self._catalog.load_table((database, name))
            with table.transaction() as change:
                change.set_properties(dict(properties))

    @staticmethod
    def _expire(table: Table, *, before_s: float, keep: int) -> None:
        snapshots = sorted(table.metadata.snapshots, key=lambda each: each.timestamp_ms)
        old = [each for each in snapshots[:-keep] if each.timestamp_ms < before_s * 1000]
        if not old:
            return
        before = _objects_of(table.io, old)
        table.maintenance.expire_snapshots().by_ids([each.snapshot_id for each in old]).commit()
        for uri in sorted(before - _objects_of(table.io, table.metadata.snapshots)):
            table.io.delete(uri)


def _schema(columns: Mapping[str, PrimitiveType]) -> Schema:
    numbered = enumerate(columns.items(), start=1)
    return Schema(*(NestedField(place, name, kind) for place, (name, kind) in numbered))


def _data_files(table: Table) -> list[DataFile]:
    tasks = list(table.scan().plan_files())
    if any(task.delete_files for task in tasks):
        raise TableError(
            f"Table {'.'.join(table.name())} has delete files, which are not supported here; "
            "rewrite its data with the tool that wrote them."
        )
    return [task.file for task in tasks]


def _objects_of(files: FileIO, snapshots: Iterable[Snapshot]) -> set[str]:
    manifests = {each.manifest_path: each for s in snapshots for each in s.manifests(files)}
    entries = (e for each in manifests.values() for e in each.fetch_manifest_entry(files))
    data = {entry.data_file.file_path for entry in entries}
    return data | manifests.keys() | {each.manifest_list for each in snapshots}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (
        CommitFailedException,
        NoSuchIcebergTableError,
        NoSuchPropertyException,
        NoSuchTableError,
        TableAlreadyExistsError,
        ValidationException,
        ValueError,
    ) as error:
        raise TableError(str(error)) from error


class _Catalog(GlueCatalog):
    """pyiceberg's catalog on top of the server's own clients."""

    def __init__(self, glue: "GlueClient", files: FileIO) -> None:
        super().__init__("featurestore_local", client=glue)
        self._files = files

    def _load_file_io(self, *_: Any, **__: Any) -> FileIO:
        return self._files


class _S3Files(FileIO):
    """S3 objects as pyiceberg's files, read and written whole because they are small."""

    def __init__(self, s3: "S3Client") -> None:
        super().__init__()
        self._s3 = s3

    def new_input(self, location: str) -> InputFile:
        return _S3File(self._s3, location)

    def new_output(self, location: str) -> OutputFile:
        return _S3File(self._s3, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        uri = location if isinstance(location, str) else location.location
        self._s3.delete_object(**_address(uri))


class _S3File(InputFile, OutputFile):
    def __init__(self, s3: "S3Client", location: str) -> None:
        super().__init__(location)
        self._s3 = s3

    def __len__(self) -> int:
        return self._s3.head_object(**_address(self.location))["ContentLength"]

    def exists(self) -> bool:
        try:
            return len(self) >= 0
        except self._s3.exceptions.ClientError:
            return False

    def open(self, seekable: bool = True) -> Any:  # noqa: ARG002  # every stream is
        return io.BytesIO(self._s3.get_object(**_address(self.location))["Body"].read())

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> Any:  # noqa: ARG002  # names are unique
        return _Upload(self._s3, self.location)


class _Upload(io.BytesIO):
    def __init__(self, s3: "S3Client", uri: str) -> None:
        super().__init__()
        self._s3 = s3
        self._uri = uri

    def close(self) -> None:
        if not self.closed:
            self._s3.put_object(**_address(self._uri), Body=self.getvalue())
        super().close()


def _address(uri: str) -> Any:
    parts = urlsplit(uri)
    return {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
