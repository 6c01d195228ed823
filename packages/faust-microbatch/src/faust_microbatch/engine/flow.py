"""The batches between the fetcher and the committer, and how they come to rest."""

import asyncio

from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.records import Batch


class Flow:
    """The batches that agents have been given; belongs to the event loop.

    A batch waits until an agent begins it and is done when every agent on its topic has
    finished it. Halting drops those that wait, for the next reader of their partitions, and
    waits for those that were begun: tables know of them already.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._waiting: set[Batch] = set()
        self._begun: set[Batch] = set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._is_open = False

    def open(self) -> None:
        """Let batches in."""
        self._is_open = True

    def admit(self, batch: Batch) -> bool:
        """Count a batch in; return False if it was dropped."""
        if self._is_open:
            self._waiting.add(batch)
        else:
            self._drop(batch)
        return self._is_open

    def begin(self, batch: Batch) -> bool:
        """Note that an agent takes the batch; return False if it was dropped."""
        if batch in self._waiting:
            self._waiting.remove(batch)
            self._begun.add(batch)
            self._at_rest.clear()
        return batch in self._begun

    def finish(self, batch: Batch) -> None:
        """Note that every agent has finished the batch."""
        self._begun.discard(batch)
        if not self._begun:
            self._at_rest.set()

    async def halt(self, timeout_s: float) -> None:
        """Let nothing in, drop what waits, and return when what was begun is finished.

        Raises:
            TimeoutError: The agents took longer than ``timeout_s``.
        """
        self._is_open = False
        for batch in self._waiting:
            self._drop(batch)
        self._waiting.clear()
        await asyncio.wait_for(self._at_rest.wait(), timeout_s)

    def is_busy(self) -> bool:
        """Return whether batches wait or were begun; callable from any thread."""
        return bool(self._waiting or self._begun)

    def unfinished(self) -> list[Batch]:
        """Return the batches that were begun and not finished."""
        return list(self._begun)

    def _drop(self, batch: Batch) -> None:
        batch.forget_records()
        self._budget.release(batch.memory_bytes)
