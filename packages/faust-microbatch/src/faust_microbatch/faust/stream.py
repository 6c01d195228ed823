"""Agents' streams: a batch is finished when the agent requests the next one."""

from asyncio import sleep
from collections.abc import AsyncIterator
from typing import Any, cast

import faust
from faust.types import TopicT

from faust_microbatch.engine.records import Batch
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.consumer import Consumer


class Stream(faust.Stream[Batch]):
    """A stream of batches.

    Faust's own iterator acknowledges in a ``finally``, hence also what raised, and what it
    skipped. This one acknowledges only when the agent requests the next batch.
    """

    def __aiter__(self) -> AsyncIterator[Batch]:
        """Iterate over the batches of a topic.

        Raises:
            MicrobatchError: The stream is of something else.
        """
        if not isinstance(self.channel, TopicT):
            raise MicrobatchError(f"{self.channel} is no topic; only topics have batches")
        batches = self._batches(self.channel)
        self._active_agens.add(batches)
        return batches

    async def _batches(self, channel: Any) -> AsyncIterator[Batch]:
        self._finalized = True
        started = await self.maybe_start()
        engine = cast("Consumer", self.app.consumer).engine
        try:
            while not self.should_stop:
                await sleep(0)  # several agents take turns
                event = await channel.__anext__()
                if not engine.begin(event.value):
                    continue
                self._set_current_event(event)
                try:
                    yield event.value
                except BaseException as error:
                    engine.abandon(event.value, error)
                    raise
                self._set_current_event(None)
                event.ack()
        except StopAsyncIteration:  # thrown into the channel to stop the agent
            return
        finally:
            self._channel_stop_iteration(channel)
            if started:
                await self.stop()
                self.service_reset()
