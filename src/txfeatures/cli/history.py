"""Common parts of the commands over the past: spans, and opening the stores."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.reading import fetch
from txfeatures.cli.options import ARCHIVE, epoch_s
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import Declaration
from txfeatures.domain.model import MINUTE_S
from txfeatures.feature_store.offline import OfflineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.history.engine import engine
from txfeatures.history.sources import Acquire, ArchiveSource, RecordingSource
from txfeatures.history.span import Span
from txfeatures.process import aws
from txfeatures.process.declared import load_features
from txfeatures.process.progress import Progress, unseen
from txfeatures.process.settings import AwsSettings, FeaturesSettings, load

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A database, a working directory and the stores of AWS, opened when they are needed.

    Attributes:
        retries: How calls of AWS are repeated; its flag ends the command.
    """

    connection: duckdb.DuckDBPyConnection
    directory: Path
    retries: Retries

    @cached_property
    def settings(self) -> AwsSettings:
        """The settings of AWS, which can be called with them."""
        settings = load(AwsSettings)
        aws.require_credentials(settings)
        return settings

    @cached_property
    def s3(self) -> "S3Client":
        """A client of S3."""
        return self.retries.attach(aws.s3(self.settings))

    def archive(
        self, *, is_complete: bool, acquire: Acquire = fetch, progress: Progress = unseen
    ) -> ArchiveSource:
        """Open the archive; ``acquire`` fetches its objects, ``progress`` hears of its hours."""
        return ArchiveSource(
            bucket=S3Bucket(self.s3, self.settings.bucket),
            directory=self.directory,
            acquire=acquire,
            progress=progress,
            is_complete=is_complete,
        )

    def source(
        self, name: str, *, is_complete: bool = False, progress: Progress = unseen
    ) -> ArchiveSource | RecordingSource:
        """Open the archive, or the recording of that name."""
        if name == ARCHIVE:
            return self.archive(is_complete=is_complete, progress=progress)
        return RecordingSource(path=Path(name), directory=self.directory)

    @cached_property
    def declaration(self) -> Declaration:
        """The declared features."""
        return load_features(load(FeaturesSettings))

    def offline_store(self) -> OfflineStore:
        """Open the offline store."""
        sagemaker = self.retries.attach(aws.sagemaker(self.settings))
        return OfflineStore.locate(
            sagemaker,
            self.s3,
            self.settings.feature_group,
            features=self.declaration.features,
        )


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Open a database and a directory that are gone afterwards."""
    retries = Retries()
    with TemporaryDirectory(prefix="txfeatures-history-") as name:
        directory = Path(name)
        with engine(directory) as connection:
            yield Workspace(connection=connection, directory=directory, retries=retries)


def choose_span(
    start: datetime | None, end: datetime | None, whole: Callable[[], Span | None]
) -> Span:
    """Return the minutes from ``start`` to ``end``; an end that is not given is that of ``whole``.

    Raises:
        FatalError: There are none.
    """
    if start is not None and end is not None:
        span = Span(start_s=_minute(start), end_s=_minute(end))
    else:
        found = whole()
        if found is None:
            raise FatalError(
                "no transaction is archived yet; fs_writer archives in pieces of "
                "TXF_FS_WRITER_ARCHIVE_CUT_S seconds of the feed: try again after that time"
            )
        span = Span(
            start_s=_minute(start) if start else found.start_s,
            end_s=_minute(end) if end else found.end_s,
        )
    if span.start_s >= span.end_s:
        raise FatalError("no minute lies between start and end; --end must be after --start")
    return span


def _minute(moment: datetime) -> int:
    return epoch_s(moment) // MINUTE_S * MINUTE_S
