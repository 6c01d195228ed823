"""What is between the poll thread and the agents, and how it comes to rest."""

import asyncio
from typing import Any

from faust.types import ConsumerMessage

from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.records import Batch


class BatchMessage(ConsumerMessage):
    """A batch as Faust's message: its key and value are empty, the batch is beside them."""

    __slots__ = ("batch", "is_begun", "is_dropped")

    def __init__(self, batch: Batch) -> None:
        super().__init__(
            batch.topic,
            batch.partition,
            batch.next_offset - 1,
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=None,
            checksum=None,
        )
        self.batch = batch
        self.is_begun = False
        self.is_dropped = False


class Flow:
    """The batches that agents have been given, in the event loop's hands.

    A batch waits until an agent begins it and is done when every agent on its topic has
    finished it. Halting drops those that wait, for whoever reads them next, and waits for
    those that were begun: tables know of them already.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._waiting: set[BatchMessage] = set()
        self._begun: set[BatchMessage] = set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._is_open = False

    def open(self) -> None:
        """Let batches in."""
        self._is_open = True

    def admit(self, message: BatchMessage) -> bool:
        """Count a batch in; return False if it was dropped."""
        if self._is_open:
            self._waiting.add(message)
        else:
            self._drop(message)
        return self._is_open

    def begin(self, message: BatchMessage) -> bool:
        """Note that an agent takes the batch; return False if it must pass it over."""
        if message.is_dropped:
            return False
        if not message.is_begun:
            message.is_begun = True
            self._waiting.discard(message)
            self._begun.add(message)
            self._at_rest.clear()
        return True

    def is_begun(self, message: BatchMessage) -> bool:
        """Return whether an agent has begun the batch and not all have finished it."""
        return message in self._begun

    def finish(self, message: BatchMessage) -> None:
        """Note that every agent has finished the batch."""
        self._begun.discard(message)
        if not self._begun:
            self._at_rest.set()

    async def halt(self, timeout_s: float) -> None:
        """Let nothing in, drop what waits, and return when what was begun is finished.

        Raises:
            TimeoutError: The agents took longer than ``timeout_s``.
        """
        self._is_open = False
        for message in self._waiting:
            self._drop(message)
        self._waiting.clear()
        await asyncio.wait_for(self._at_rest.wait(), timeout_s)

    def unfinished(self) -> list[Any]:
        """Return the batches that were begun and not finished."""
        return [message.batch for message in self._begun]

    def _drop(self, message: BatchMessage) -> None:
        message.is_dropped = True
        message.batch.forget_records()
        self._budget.release(message.batch.memory_bytes)
