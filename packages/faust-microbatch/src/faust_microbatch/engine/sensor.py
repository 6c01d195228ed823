"""What a worker tells of itself while it runs."""


class Sensor:
    """Hooks for metrics; every one does nothing here.

    They are called from several threads and must be quick.
    """

    def on_read(self, topic: str, records: int, size_bytes: int) -> None:
        """Learn that a batch was read."""

    def on_sent(self, topic: str, records: int, size_bytes: int) -> None:
        """Learn that records were committed to ``topic``, changelogs included."""

    def on_commit(self, batches: int, duration_s: float) -> None:
        """Learn of a commit; the duration is from the transaction's begin, retries included."""

    def on_abort(self, reason: str) -> None:
        """Learn of an abort; the same batches follow in another transaction."""

    def on_rebalance(self, partitions: int, pause_s: float) -> None:
        """Learn that the worker owns ``partitions`` now, after a pause."""

    def on_recovery(self, records: int, duration_s: float) -> None:
        """Learn that tables were restored from that many changelog records."""

    def on_lag(self, topic: str, partition: int, records: int) -> None:
        """Learn how far the end is, about once a second; a commit marker counts as a record."""
