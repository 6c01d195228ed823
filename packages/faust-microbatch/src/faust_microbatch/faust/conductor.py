"""From batches to the agents' queues."""

from faust.events import Event
from faust.transport.conductor import Conductor as FaustConductor

from faust_microbatch.engine.records import Batch
from faust_microbatch.faust.message import BatchMessage


class Conductor(FaustConductor):
    """Hands each batch to every agent on its topic."""

    def deliver(self, batch: Batch) -> None:
        """Queue a batch; there is always room, the budget bounds what is in flight."""
        message = BatchMessage(batch)
        channels = self._tp_index[message.tp]
        message.incref(len(channels))
        event = Event(self.app, None, batch, None, message)
        for channel in channels:
            channel.queue.force_put_nowait(event)
