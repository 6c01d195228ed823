"""The offline store: rows wait a while, then become Parquet objects in S3."""

import secrets
import string
import threading
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.clock import Clock
from txfeatures.logs import get_logger
from txfeatures_local.aws.layout import OfflineRow, object_uri, parquet, partitions
from txfeatures_local.aws.model import FeatureGroup, Record
from txfeatures_local.aws.registry import Registry

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_TOKEN_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 24

logger = get_logger(__name__)


class OfflineStore:
    """Rows of all feature groups that are not in S3 yet.

    A row leaves this buffer only when S3 has acknowledged its object; while S3 refuses,
    the group's offline store counts as Blocked and its rows are tried again.

    Args:
        registry: Told which groups are blocked, and asked for their newest schema.
        s3: Where objects go.
        clock: Says when rows were put and paces the loop.
        delay_s: How long rows wait; AWS takes up to 15 minutes.
    """

    def __init__(self, registry: Registry, *, s3: "S3Client", clock: Clock, delay_s: float) -> None:
        self._registry = registry
        self._s3 = s3
        self._clock = clock
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._groups: dict[str, FeatureGroup] = {}
        self._rows: dict[str, list[OfflineRow]] = defaultdict(list)

    def file(self, group: FeatureGroup, record: Record) -> None:
        """Take a record; it is in S3 some time after the delay."""
        key = self._key(group)
        with self._lock:
            self._groups[key] = group
            self._rows[key].append(OfflineRow(record=record, invoked_at_s=self._clock.now()))

    def run(self, stop: threading.Event) -> None:
        """Flush whenever the delay has passed, until ``stop`` is set, and once more then."""
        while not self._clock.wait(stop, self._delay_s):
            self.flush()
        self.flush()

    def flush(self) -> int:
        """Write all rows that wait; return how many could not be written and still wait."""
        with self._flushing:
            with self._lock:
                batches, self._rows = self._rows, defaultdict(list)
            return sum(self._flush_group(key, rows) for key, rows in batches.items())

    def _flush_group(self, key: str, rows: list[OfflineRow]) -> int:
        group = self._groups[key]
        reason: str | None = None
        kept: list[OfflineRow] = []
        for partition, part in partitions(group, rows):
            try:
                self._write(group, partition, part)
            except (BotoCoreError, ClientError) as error:
                reason, kept = str(error), kept + part
        if kept:
            logger.warning("offline_rows_kept", group=group.name, rows=len(kept), reason=reason)
            with self._lock:
                self._rows[key] = kept + self._rows[key]
        self._tell(group, reason)
        return len(kept)

    def _write(self, group: FeatureGroup, partition: str, rows: list[OfflineRow]) -> None:
        assert group.offline is not None  # noqa: S101  # data.py files rows of such groups only
        token = "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))
        uri = urlsplit(object_uri(group.offline, partition, rows, token))
        body = parquet(group, rows, written_at_s=self._clock.now())
        self._s3.put_object(Bucket=uri.netloc, Key=uri.path.lstrip("/"), Body=body)

    def _tell(self, group: FeatureGroup, blocked_reason: str | None) -> None:
        with self._registry.lock:
            state = self._registry.find(group.name)
            if state is not None and self._key(state.group) == self._key(group):
                state.blocked_reason = blocked_reason

    @staticmethod
    def _key(group: FeatureGroup) -> str:
        # A group may be deleted and made again under its name: its path tells them apart.
        return group.offline.resolved_s3_uri if group.offline else group.name
