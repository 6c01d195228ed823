"""Keeps a second compaction out, to spare work: nothing would be lost without it.

The lease is an object of the bucket that is written on condition; it lapses by itself,
so a compaction that was killed keeps the next one out for a few minutes at most.
"""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from txfeatures.archive.bucket import Bucket, MissingError
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import Clock

KEY = "archive/compaction.lease"
LEASE_S = 300.0


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    until_s: float


class Lease:
    """The right to compact, for a while.

    Every call may raise S3UnavailableError, as when another compaction took the lease at
    the same moment: call again.

    Args:
        bucket: Where the archive lies.
        clock: What time it is; S3 itself refuses calls of a machine that is 15 minutes off.
        owner: A name that no other run has.
    """

    def __init__(self, bucket: Bucket, clock: Clock, owner: str) -> None:
        self._bucket = bucket
        self._clock = clock
        self._owner = owner
        self._etag: str | None = None
        self._until_s = 0.0

    def take(self) -> None:
        """Take the lease, or prolong it if it is ours already.

        Raises:
            FatalError: Another compaction has it.
        """
        with suppress(MissingError):
            stored = self._bucket.get(KEY)
            self._etag = stored.etag
            held = msgspec.json.decode(stored.body, type=_Held)
            if held.owner != self._owner and held.until_s > self._clock.now():
                until = datetime.fromtimestamp(held.until_s, UTC)
                raise FatalError(
                    f"{held.owner} compacts this archive; if it is dead, "
                    f"try again after {until:%H:%M:%S} UTC"
                )
        self._write(LEASE_S)

    def keep(self) -> None:
        """Prolong the lease when it runs out soon; call between two pieces of work.

        Raises:
            FatalError: It has lapsed and another compaction has it by now.
        """
        if self._until_s - self._clock.now() < LEASE_S / 2:
            self.take()

    def give_back(self) -> None:
        """Let the next compaction begin at once; not being able to is no error."""
        with suppress(FatalError, TransientError):
            self._write(0.0)

    def _write(self, lasting_s: float) -> None:
        until_s = self._clock.now() + lasting_s
        body = msgspec.json.encode(_Held(owner=self._owner, until_s=until_s))
        self._etag = self._bucket.put_if(KEY, body, etag=self._etag)
        self._until_s = until_s
