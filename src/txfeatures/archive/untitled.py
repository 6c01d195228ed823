"""Objects that an earlier release stored, under names without a topic's id.

Such a release may have stored an object and ended before it committed the offset. The object is
read again and must not be stored a second time under the name that it has today.
"""

import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.archive.bucket import Bucket, MissingError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.domain.model import Record

_COLUMNS = ["topic_offset", "feed_time_ms", "json"]


def has_untitled(bucket: Bucket, name: ObjectName, first: Record) -> bool:
    """Return whether a live object without a topic holds the rows of ``name``.

    An object of the same offsets may be one of a topic that was deleted before, so the first
    row decides.

    Args:
        bucket: Bucket of the archive.
        name: Name of a part.
        first: The part's first row.

    Raises:
        S3UnavailableError: S3 refuses for now.
        FatalError: There is no bucket, or the manifest is damaged.
    """
    untitled = replace(name, shelf=replace(name.shelf, topic=""))
    live = Manifests(bucket).read(untitled.shelf).live
    holders = [each for each in live if each == untitled or each.covers(untitled)]
    return any(_holds(bucket, holder, first) for holder in holders)


def _holds(bucket: Bucket, holder: ObjectName, first: Record) -> bool:
    try:
        body = io.BytesIO(bucket.get(holder.key).body)
        rows = pq.read_table(
            body, columns=_COLUMNS, filters=[("topic_offset", "=", first.offset)]
        ).to_pylist()
    except (MissingError, pa.ArrowException):  # the audit names it
        return False
    wanted = (first.offset, first.timestamp_ms, first.value)
    return any(tuple(row[column] for column in _COLUMNS) == wanted for row in rows)
