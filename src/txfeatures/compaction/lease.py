"""A lease that excludes a second compaction, which would only waste work, not lose rows.

The lease is an object in the bucket, written conditionally. It expires by itself, so a
killed compaction delays the next one by a few minutes at most.
"""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from txfeatures.archive.bucket import Bucket, MissingError
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import Clock

KEY = "archive/compaction.lease"
LEASE_S = 300.0


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    until_s: float


class Lease:
    """The right to compact, for a limited time.

    Every call may raise S3UnavailableError, also if another compaction acquires the lease at
    the same moment: call again.

    Args:
        bucket: Bucket of the archive.
        clock: The machine's clock; S3 refuses requests from one that is 15 minutes off.
        owner: A name unique to this run.
    """

    def __init__(self, bucket: Bucket, clock: Clock, owner: str) -> None:
        self._bucket = bucket
        self._clock = clock
        self._owner = owner
        self._etag: str | None = None
        self._until_s = 0.0

    def acquire(self) -> None:
        """Acquire the lease, or extend it if this run holds it already.

        Raises:
            FatalError: Another compaction holds it.
        """
        with suppress(MissingError):
            stored = self._bucket.get(KEY)
            self._etag = stored.etag
            held = msgspec.json.decode(stored.body, type=_Holder)
            if held.owner != self._owner and held.until_s > self._clock.now():
                until = datetime.fromtimestamp(held.until_s, UTC)
                raise FatalError(
                    f"{held.owner} compacts this archive; if it is dead, "
                    f"try again after {until:%H:%M:%S} UTC"
                )
        self._write(LEASE_S)

    def renew(self) -> None:
        """Extend the lease if less than half of it is left; call between two pieces of work.

        Raises:
            FatalError: It has expired and another compaction holds it.
        """
        if self._until_s - self._clock.now() < LEASE_S / 2:
            self.acquire()

    def release(self) -> None:
        """End the lease, so that the next compaction can begin at once; a failure is no error."""
        with suppress(FatalError, TransientError):
            self._write(0.0)

    def _write(self, lasting_s: float) -> None:
        until_s = self._clock.now() + lasting_s
        body = msgspec.json.encode(_Holder(owner=self._owner, until_s=until_s))
        self._etag = self._bucket.put_if(KEY, body, etag=self._etag)
        self._until_s = until_s
