"""The worker's partitions, their committed offsets, and the tables that are whole."""

from collections.abc import Iterable, Mapping

from faust_microbatch.engine.records import Batch, Partition


class Ownership:
    """The worker's partitions.

    Tables are partitioned by number: partition 3 of every table belongs with partition 3 of
    every source topic. In between two rebalances a number's tables are kept if the group's
    offsets are those at which this worker left it: another worker that had written to the
    tables would have moved an offset in the same transaction.
    """

    def __init__(self) -> None:
        self._committed: dict[Partition, int | None] = {}
        self._whole: set[int] = set()

    @property
    def partitions(self) -> set[Partition]:
        """The partitions of source topics."""
        return set(self._committed)

    def take_over(self, committed: Mapping[Partition, int | None]) -> set[int]:
        """Replace what is owned; return the numbers whose tables are still whole.

        Args:
            committed: The group's offset of each partition that is owned now.
        """
        before, self._committed = self._committed, dict(committed)
        self._whole = {
            number for number in self._whole if _of(number, before) == _of(number, committed)
        }
        return set(self._whole)

    def restored(self) -> None:
        """Note that the tables of every number are whole."""
        self._whole = {number for _, number in self._committed}

    def committed(self, batches: Iterable[Batch]) -> None:
        """Note the offsets of committed batches."""
        for batch in batches:
            self._committed[batch.source] = batch.next_offset


def _of(
    number: int, committed: Mapping[Partition, int | None]
) -> Mapping[Partition, int | None] | None:
    return {p: offset for p, offset in committed.items() if p[1] == number} or None
