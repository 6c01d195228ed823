"""Reads of minutes that are not known: shared, few at a time, and within a budget."""

import asyncio
import math
from collections.abc import Sequence

import anyio.to_thread

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import Clock
from txfeatures.process.logs import get_logger
from txfeatures_api import logic
from txfeatures_api.rows import UNREAD, Rows, RowStore, chunks
from txfeatures_api.served import ServedRow
from txfeatures_api.unavailable import UnavailableError

READS_AT_ONCE = 4
PER_S = 1.0
"""Reads by which the budget grows each second."""

log = get_logger(__name__)


class Budget:
    """Reads that clients may cause: some at once, then one a second [pure]."""

    def __init__(self, burst: int) -> None:
        self._burst = burst
        self._left = float(burst)
        self._at_s = 0.0

    def take(self, now_s: float) -> None:
        """Take one.

        Raises:
            TransientError: None is left; the sentence and ``retry_after_s`` have the wait.
        """
        self._left = min(self._burst, self._left + (now_s - self._at_s) * PER_S)
        self._at_s = now_s
        if self._left < 1:
            wait_s = math.ceil((1 - self._left) / PER_S)
            raise UnavailableError(
                "Too many minutes that are not in memory were requested at once; "
                "try again, or request a shorter range.",
                retry_after_s=wait_s,
            )
        self._left -= 1


class Ranges:
    """Rows of any minutes; for one event loop.

    Unknown minutes are read in aligned blocks of a whole BatchGetRecord, so that clients whose
    ranges overlap share reads.
    """

    def __init__(self, store: RowStore, rows: Rows, *, clock: Clock, burst: int) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._budget = Budget(burst)
        self._limiter = anyio.CapacityLimiter(READS_AT_ONCE)
        self._reads: dict[int, asyncio.Task[None]] = {}

    async def rows(self, minutes: Sequence[int]) -> list[ServedRow]:
        """Return the rows of ``minutes``, in their order.

        Raises:
            TransientError: The store is unavailable, or the budget is spent.
        """
        await self.read(minutes)
        return self._rows.known(minutes)

    async def read(self, minutes: Sequence[int]) -> None:
        """Read those of ``minutes`` that are not known.

        Raises:
            TransientError: The store is unavailable, or the budget is spent.
        """
        if unknown := self._rows.unknown(minutes):
            blocks = chunks(unknown, logic.LARGEST_READ_MINUTES)
            tasks = [self._read(block) for block in blocks]
            # Shielded: one client that goes away must not take the reads from the others.
            await asyncio.gather(*map(asyncio.shield, tasks))

    def _read(self, block: range) -> asyncio.Task[None]:
        if block.start not in self._reads:
            self._budget.take(self._clock.monotonic())
            task = asyncio.create_task(self._read_block(block))
            self._reads[block.start] = task
            task.add_done_callback(lambda done: self._forget(block.start, done))
        return self._reads[block.start]

    def _forget(self, start_s: int, done: asyncio.Task[None]) -> None:
        del self._reads[start_s]
        if not done.cancelled():
            done.exception()  # looked at here too: its clients may all have gone away

    async def _read_block(self, block: range) -> None:
        try:
            found = await anyio.to_thread.run_sync(
                self._store.read, block, abandon_on_cancel=True, limiter=self._limiter
            )
        except (TransientError, FatalError) as error:
            # The store's own words are for the operator.
            log.warning("range_unread", first_s=block.start, error=str(error))
            wait_s = error.retry_after_s if isinstance(error, TransientError) else None
            raise UnavailableError(UNREAD, retry_after_s=wait_s) from error
        self._rows.receive(block, found)
