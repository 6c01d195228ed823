"""Notes on records of ``deduped`` that were gone before fs_writer could archive them.

fs_writer writes one for each stretch that it had to skip, so that the audit can name the cause of
what the archive lacks.
"""

import re
from dataclasses import dataclass

import msgspec

from txfeatures.archive.bucket import Bucket
from txfeatures.domain.errors import FatalError
from txfeatures.domain.topics import DEDUPED

SKIPS = "archive/skipped/"
"""Prefix of the notes."""

_KEY = re.compile(rf"{SKIPS}{DEDUPED}\.[\w-]{{22}}-\d+-\d{{20}}\.json", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A stretch of a partition that was gone.

    Attributes:
        topic: Kafka's id of the topic ``deduped``.
        partition: Partition of that topic.
        committed_offset: Offset from which it was to be read.
        first_offset: Offset from which it could be read.
        records: Number of records between them, at most.
        reason: The cause, as the log has it: ``expired``, ``beyond_end`` or ``truncated``.
    """

    topic: str
    partition: int
    committed_offset: int
    first_offset: int
    records: int
    reason: str

    @property
    def key(self) -> str:
        """The key of its note: the same stretch has one note, however often it is skipped."""
        log = f"{DEDUPED}.{self.topic}-{self.partition}"
        return f"{SKIPS}{log}-{self.committed_offset:020d}.json"


def store_skip(bucket: Bucket, skip: Skip) -> None:
    """Store the note of a skip.

    Raises:
        S3UnavailableError: S3 refuses for now.
        FatalError: There is no bucket.
    """
    bucket.put(skip.key, msgspec.json.encode(skip), content_type="application/json")


def skips(bucket: Bucket) -> list[Skip]:
    """Return all skips, by topic, partition and offset.

    Raises:
        TransientError: S3 refuses for now.
        FatalError: There is no bucket, or a note is damaged.
    """
    keys = [listed.key for listed in bucket.list(SKIPS) if _KEY.fullmatch(listed.key)]
    return [_decode(key, bucket.get(key).body) for key in keys]


def _decode(key: str, body: bytes) -> Skip:
    try:
        return msgspec.json.decode(body, type=Skip)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FatalError(
            f"{key} is damaged ({error}); restore its previous version or delete it"
        ) from error
