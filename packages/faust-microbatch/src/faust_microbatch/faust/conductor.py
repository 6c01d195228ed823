"""From batches to the agents' queues."""

from faust.events import Event
from faust.transport.conductor import Conductor as FaustConductor

from faust_microbatch.engine.flow import BatchMessage


class Conductor(FaustConductor):
    """Hands each batch to every agent on its topic."""

    def deliver(self, message: BatchMessage) -> None:
        """Queue a batch; there is always room, the budget bounds what is in flight."""
        channels = self._tp_index[message.tp]
        message.incref(len(channels))
        event = Event(self.app, None, message.batch, None, message)
        for channel in channels:
            channel.queue.force_put_nowait(event)
