"""The ports of fs_writer's steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from txfeatures.archive.layout import ObjectName
from txfeatures.archive.skips import Skip
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.feature_store.errors import StoreUnavailableError as StoreUnavailableError
from txfeatures.feature_store.writer import Outcome
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import Partition
from txfeatures_fs_writer.logic import Put

OnPartitions = Callable[[set[Partition]], None]
OnSkipped = Callable[[SkippedRecords], None]


class Source(Protocol):
    """A topic, read by one member of a group."""

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        """Return the next records; raises TransientError."""
        ...

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset of each partition; raises TransientError."""
        ...


class OpenSource(Protocol):
    """Joins a group, whose ``poll`` reports partitions gained and lost, and records skipped."""

    def __call__(
        self,
        *,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
        on_skipped: OnSkipped | None = None,
    ) -> Source:
        """Return the source."""
        ...


class DeadLetterSink(Protocol):
    """The dead letter topic."""

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Return once all are acknowledged; raises TransientError."""
        ...


class FeatureStore(Protocol):
    """A store of rows; safe to call from several threads."""

    def put(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        """Put up to 25 rows of different minutes with one call.

        Returns:
            The answer for each, in order: None once the stores have it,
            InvalidMessageError if they refuse it for good, StoreUnavailableError if they
            may take it later.

        Raises:
            StoreUnavailableError: They may take all of them later.
        """
        ...


TopicId = Callable[[], str]
"""Returns the present id of the topic that is archived; raises TransientError or FatalError."""


class Archive(Protocol):
    """A store of archive objects."""

    def has_without_topic(self, name: ObjectName, first: Record) -> bool:
        """Return whether an earlier release stored this object, under a name without a topic.

        Args:
            name: Name of the object.
            first: Its first row, by which it is recognized.

        Raises:
            StoreUnavailableError: It can't be known now.
        """
        ...

    def note(self, skip: Skip) -> None:
        """Return once the note of a skip is durable.

        Raises:
            StoreUnavailableError: It may be taken later.
            FatalError: The bucket does not exist.
        """
        ...

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        """Return once the object is durable and live; one of that name is overwritten.

        Raises:
            StoreUnavailableError: It may be taken later.
            FatalError: It can't be taken before a person has repaired the bucket.
        """
        ...
