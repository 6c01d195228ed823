"""The rows that are served: read once for all requests, and never older than before."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from txfeatures.domain.model import Row
from txfeatures_api import logic
from txfeatures_api.shared_reads import SharedReads

REMEMBERED_MINUTES = 2_000
"""Some 2 MB; a client that polls reads the last hour or day."""


class RowStore(Protocol):
    """A store of rows."""

    def read(self, minutes: Sequence[int]) -> list[Row]:
        """Return the rows of those of ``minutes`` that have one, in any order.

        Raises:
            TransientError: The store is unavailable for now.
            FatalError: Refused for good.
        """
        ...


class Rows:
    """Rows by minute; within a process neither the latest minute nor a revision goes back.

    Reads of the store are eventually consistent: it may return an older row than before. The rows
    that were served are remembered, and the newer one wins.
    """

    def __init__(self, store: RowStore, *, reads: SharedReads, lookback_minutes: int) -> None:
        self._store = store
        self._reads = reads
        self._lookback_minutes = lookback_minutes
        self._latest: dict[bool, Row] = {}
        self._served: OrderedDict[str, Row] = OrderedDict()

    async def latest(self, feed_time_ms: int, *, only_final: bool) -> Row | None:
        """Return the newest row, of all or only of the final ones; None if there is none."""
        known = self._latest.get(only_final)

        def search() -> Row | None:
            for look in logic.looks(
                feed_time_ms=feed_time_ms,
                lookback_minutes=self._lookback_minutes,
                known=known,
            ):
                row = logic.choose_latest(self._store.read(look), only_final=only_final)
                if row is not None:
                    return row
            return None

        found = await self._reads.get(("latest", only_final), search)
        if found is not None:
            newest = self._newest(found)
            # Looked up again: another answer may have come while this one was awaited.
            self._latest[only_final] = logic.newer(self._latest.get(only_final), newest)
        return self._latest.get(only_final)

    async def between(self, first_s: int, last_s: int) -> list[Row]:
        """Return the rows from ``first_s`` to ``last_s``, both included, oldest first."""
        minutes = logic.minutes_between(first_s, last_s)
        found = await self._reads.get((first_s, last_s), lambda: self._store.read(minutes))
        return sorted(map(self._newest, found), key=logic.name)

    def _newest(self, row: Row) -> Row:
        """Return the newest revision served of the minute of ``row``, which may be itself."""
        name = logic.name(row)
        newest = logic.newer(self._served.pop(name, None), row)
        self._served[name] = newest
        if len(self._served) > REMEMBERED_MINUTES:
            self._served.popitem(last=False)
        return newest
