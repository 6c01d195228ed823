"""Single flight and a short cache: equal requests share one read of the store."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio.to_thread

from txfeatures.process.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    started_s: float
    task: asyncio.Task[Any]

    def is_over(self, *, before_s: float) -> bool:
        if not self.task.done():
            return False
        failed = self.task.cancelled() or self.task.exception() is not None
        return failed or self.started_s <= before_s


class SharedReads:
    """Runs blocking reads in threads, one for all requests of a key; for one event loop.

    Args:
        cache_s: A result is used again until it is so old, counted from the read's start.
            Failures are shared by the requests that wait for them and never used again.
        clock: Measures that age.
        threads: Most reads at the same time.
    """

    def __init__(self, *, cache_s: float, clock: Clock, threads: int) -> None:
        self._cache_s = cache_s
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(threads)
        self._reads: dict[Hashable, _Read] = {}

    async def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return the result of ``read``, or its last result for the same ``key`` if that is fresh.

        Exceptions of ``read`` are raised.
        """
        now_s = self._clock.monotonic()
        self._reads = {
            known: read
            for known, read in self._reads.items()
            if not read.is_over(before_s=now_s - self._cache_s)
        }
        if key not in self._reads:
            task = asyncio.create_task(self._in_thread(read))
            self._reads[key] = _Read(started_s=now_s, task=task)
        # Shielded: one caller that goes away must not take the read from the others.
        result: T = await asyncio.shield(self._reads[key].task)
        return result

    async def _in_thread(self, read: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._limiter)
