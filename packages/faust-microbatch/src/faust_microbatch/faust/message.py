"""Faust's message of a batch."""

from faust.types import ConsumerMessage

from faust_microbatch.engine.records import Batch


class BatchMessage(ConsumerMessage):
    """A batch as Faust's message: its key and value are empty, the batch is beside them."""

    __slots__ = ("batch",)

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
