"""The offline store, which buffers rows and writes them to S3 as Parquet objects."""

import logging
import random
import string
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from featurestore_local.clock import Clock
from featurestore_local.errors import TableError
from featurestore_local.layout import OfflineRow, object_uri, parquet, partitions
from featurestore_local.model import FeatureGroup, Record
from featurestore_local.registry import Registry

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from featurestore_local.iceberg import IcebergTables

_TOKEN_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 24

logger = logging.getLogger(__name__)


class OfflineStore:
    """The buffer of offline rows that are not in S3 yet.

    A row leaves the buffer only when S3 has acknowledged its object; while S3 refuses it,
    the group's offline store is Blocked and its rows are retried.

    Args:
        registry: Records which groups are blocked.
        s3: Stores the objects.
        iceberg: Returns the Iceberg tables; called only for groups that have one.
        clock: Dates the rows and objects.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        s3: "S3Client",
        iceberg: "Callable[[], IcebergTables]",
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._s3 = s3
        self._iceberg = iceberg
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._groups: dict[str, FeatureGroup] = {}
        self._rows: dict[str, list[OfflineRow]] = defaultdict(list)
        self._objects = 0

    def file(self, group: FeatureGroup, record: Record) -> None:
        """Add a record to the buffer."""
        key = self._key(group)
        with self._lock:
            self._groups[key] = group
            self._rows[key].append(OfflineRow(record=record, invoked_at_s=self._clock.now()))

    def flush(self) -> int:
        """Write all buffered rows; return the number of rows that could not be written."""
        with self._flushing:
            with self._lock:
                batches, self._rows = self._rows, defaultdict(list)
            return sum(self._flush_group(key, rows) for key, rows in batches.items())

    def _flush_group(self, key: str, rows: list[OfflineRow]) -> int:
        group = self._groups[key]
        reason: str | None = None
        kept: list[OfflineRow] = []
        uris: list[str] = []
        for partition, part in partitions(group, rows):
            try:
                uris.append(self._write(group, partition, part))
            except (BotoCoreError, ClientError) as error:
                reason, kept = str(error), kept + part
        try:
            self._commit(group, uris)
        except (BotoCoreError, ClientError, TableError) as error:
            reason, kept = str(error), rows
        if kept:
            logger.warning(
                "%d offline rows of %s could not be written: %s", len(kept), group.name, reason
            )
            with self._lock:
                self._rows[key] = kept + self._rows[key]
        self._set_blocked_reason(group, reason)
        return len(kept)

    def _write(self, group: FeatureGroup, partition: str, rows: list[OfflineRow]) -> str:
        assert group.offline is not None  # noqa: S101  # data.py files rows of such groups only
        written_at_s = self._clock.now()
        self._objects += 1
        # A replayed change must give the same name: a compaction may refer to the object.
        chance = random.Random(f"{self._objects} {written_at_s!r}")  # noqa: S311  # no secret
        token = "".join(chance.choices(_TOKEN_ALPHABET, k=_TOKEN_LENGTH))
        uri = object_uri(group.offline, partition, rows, token)
        body = parquet(group, rows, written_at_s=written_at_s)
        parts = urlsplit(uri)
        self._s3.put_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"), Body=body)
        return uri

    def _commit(self, group: FeatureGroup, uris: list[str]) -> None:
        offline = group.offline
        if uris and offline and offline.table_format == "Iceberg" and offline.catalog:
            _, database, name = offline.catalog
            self._iceberg().append(database, name, uris)

    def _set_blocked_reason(self, group: FeatureGroup, reason: str | None) -> None:
        with self._registry.lock:
            state = self._registry.find(group.name)
            if state is not None and self._key(state.group) == self._key(group):
                state.blocked_reason = reason

    @staticmethod
    def _key(group: FeatureGroup) -> str:
        # A group may be deleted and recreated under the same name; only its path differs then.
        return group.offline.resolved_s3_uri if group.offline else group.name


def flush_regularly(
    flush: Callable[[], int], *, stop: threading.Event, clock: Clock, delay_s: float
) -> None:
    """Flush after every delay, until ``stop`` is set."""
    while not clock.wait(stop, delay_s):
        flush()
