"""What the commands over the past share: spans, progress, opening the stores."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from txfeatures.archive.bucket import S3Bucket
from txfeatures.cli.options import ARCHIVE
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import MINUTE_S
from txfeatures.history.engine import engine
from txfeatures.history.minutes import Span
from txfeatures.history.offline import OfflineStore
from txfeatures.history.sources import ArchiveSource, RecordingSource
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every command over the past has: a database, room on disk, the AWS settings."""

    connection: duckdb.DuckDBPyConnection
    directory: Path
    settings: AwsSettings

    def source(self, name: str, *, is_complete: bool = False) -> ArchiveSource | RecordingSource:
        """Open the archive, or the recording of that name."""
        if name != ARCHIVE:
            return RecordingSource(path=Path(name), directory=self.directory)
        return ArchiveSource(
            bucket=S3Bucket(aws.s3(self.settings), self.settings.bucket),
            directory=self.directory,
            is_complete=is_complete,
        )

    def offline_store(self) -> OfflineStore:
        """Ask where the offline store is."""
        return OfflineStore.of(
            aws.sagemaker(self.settings), aws.s3(self.settings), self.settings.feature_group
        )


@contextmanager
def workshop() -> Iterator[Workshop]:
    """Open a database and a directory that are gone afterwards."""
    with TemporaryDirectory(prefix="txfeatures-history-") as name:
        directory = Path(name)
        with engine(directory) as connection:
            yield Workshop(connection=connection, directory=directory, settings=load(AwsSettings))


def epoch_s(moment: datetime) -> int:
    """Return the epoch seconds of a moment that was given without a zone."""
    return int(moment.replace(tzinfo=UTC).timestamp())


def choose_span(
    start: datetime | None, end: datetime | None, whole: Callable[[], Span | None]
) -> Span:
    """Return the minutes asked for, as far as they were said, else those of ``whole``.

    Raises:
        FatalError: There are none.
    """
    if start is not None and end is not None:
        span = Span(start_s=_minute(start), end_s=_minute(end))
    else:
        found = whole()
        if found is None:
            raise FatalError("there is nothing yet: no transaction is archived")
        span = Span(
            start_s=_minute(start) if start else found.start_s,
            end_s=_minute(end) if end else found.end_s,
        )
    if span.start_s >= span.end_s:
        raise FatalError("no minute lies between start and end; --end must be after --start")
    return span


@contextmanager
def progress_bar(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while the context lasts; yields what moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("minutes"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _minute(moment: datetime) -> int:
    return epoch_s(moment) // MINUTE_S * MINUTE_S
