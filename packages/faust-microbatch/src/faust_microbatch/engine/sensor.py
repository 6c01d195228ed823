"""Measurements of a running worker."""

from faust_microbatch.engine.skip import Skip


class Sensor:
    """Hooks for metrics; every one does nothing here.

    They are called from several threads and must be quick.
    """

    def on_read(self, topic: str, records: int, size_bytes: int) -> None:
        """Measure a batch that was read."""

    def on_sent(self, topic: str, records: int, size_bytes: int) -> None:
        """Measure records committed to ``topic``, changelogs included."""

    def on_commit(self, batches: int, duration_s: float) -> None:
        """Measure a commit, from the begin of its transaction, retries included."""

    def on_abort(self, reason: str) -> None:
        """Count an abort; the same batches follow in another transaction."""

    def on_rebalance(self, partitions: int, pause_s: float) -> None:
        """Measure the pause after which the worker owns ``partitions``."""

    def on_recovery(self, records: int, duration_s: float) -> None:
        """Measure a recovery from that many changelog records."""

    def on_skip(self, skip: Skip) -> None:
        """Count records that were gone from their topic before they were read."""

    def on_lag(self, topic: str, partition: int, records: int) -> None:
        """Measure the distance to the end, once a second; a commit marker counts as a record."""
