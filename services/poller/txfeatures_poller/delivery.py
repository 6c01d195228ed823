"""Records on their way to Kafka: acknowledged, or kept on disk until they are, in order.

The poll's thread puts; the drain's thread sends the queue. Only ``put`` makes an
empty spool non-empty and only ``drain`` empties it, so nothing overtakes: ``put``
sends only when nothing waits, and else joins the queue. It is not kept waiting for a
broker that is away: after a while the batch in flight goes to the spool as well, and
``drain`` settles it when its fate is known.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import RAW
from txfeatures.kafka.client import UndeliveredError
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures_poller.spool import Spool, SpoolError

DRAIN_PAUSE_S = 0.5
"""Between two looks at an empty spool, and between two tries while Kafka is away."""

PATIENCE_S = 2.0
"""A poll's wait for Kafka: well below the 10 s in which the newest 100 may all change."""

log = get_logger(__name__)


class Sink(Protocol):
    """A sink of records; ``txfeatures.kafka.client.KafkaSink`` is one."""

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Send and wait for the acknowledgements; UndeliveredError holds the others."""
        ...

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of ``topic``; TransientError if it is unknown now."""
        ...


class Delivery:
    """Delivers records to Kafka, at least once and in order.

    Args:
        patience_s: The longest wait of ``put`` for the acknowledgements.
    """

    def __init__(
        self, *, sink: Sink, spool: Spool, runtime: Runtime, patience_s: float = PATIENCE_S
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._runtime = runtime
        self._patience_s = patience_s
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="send")
        self._in_flight: Future[Sequence[OutgoingRecord]] | None = None  # the spool's first batch
        self._partitions: int | None = None
        self._last_error: str | None = None
        self._show_size()
        if not self.is_empty:
            log.info("spool_found", bytes=spool.size_bytes)

    @property
    def is_empty(self) -> bool:
        """Return True if nothing waits: all records put have been acknowledged."""
        return self._spool.size_bytes == 0

    @property
    def size_bytes(self) -> int:
        """Return the bytes that wait on disk."""
        return self._spool.size_bytes

    def partitions(self) -> int | None:
        """Return the number of partitions of ``raw``, None while Kafka is away.

        Raises:
            FatalError: There is no such topic.
        """
        if self._partitions is None and self.is_empty:
            try:
                self._partitions = self._sink.partitions(RAW)
            except TransientError as error:
                self._report(error)
        return self._partitions

    def put(self, records: Sequence[OutgoingRecord]) -> None:
        """Send ``records`` after everything put before; they are safe when this returns.

        Safe means acknowledged by Kafka or kept on disk.

        Raises:
            SpoolError: Neither Kafka nor the disk takes them.
            FatalError: The producer is beyond repair; the records are kept on disk.
        """
        if not records:
            return
        if not self.is_empty:
            self._append(records)
            return
        sending = self._sender.submit(self._publish, records)
        try:
            unsent = sending.result(self._patience_s)
        except TimeoutError:
            self._in_flight = sending  # before the batch is there for ``drain`` to see
            try:
                self._append(records)
            except SpoolError:
                self._in_flight = None
                raise
        except FatalError:
            self._append(records)
            raise
        else:
            if unsent:
                self._append(unsent)

    def drain(self) -> None:
        """Send the batch that has waited longest, or wait for one: the step of the drain's loop.

        Raises:
            SpoolError: The disk fails.
            FatalError: The producer is beyond repair; the batch stays on disk.
        """
        batch = self._spool.first()
        if batch is None:
            self._runtime.clock.wait(self._runtime.stop, DRAIN_PAUSE_S)
            return
        sending, self._in_flight = self._in_flight, None
        unsent = self._publish(batch.records) if sending is None else sending.result()
        self._spool.keep(batch, unsent)
        self._show_size()
        if unsent:
            self._runtime.clock.wait(self._runtime.stop, DRAIN_PAUSE_S)
        elif self.is_empty:
            log.info("spool_drained")

    def _append(self, records: Sequence[OutgoingRecord]) -> None:
        self._spool.append(records)
        self._show_size()

    def _publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """Send; return the records that were not acknowledged, in order."""
        try:
            self._sink.publish(records)
        except UndeliveredError as error:
            self._report(error)
            unsent = {id(record) for record in error.records}
            self._count([record for record in records if id(record) not in unsent])
            return error.records
        self._last_error = None
        self._count(records)
        return ()

    def _report(self, error: TransientError) -> None:
        """Log a refusal when it begins or changes, not at each try."""
        if str(error) != self._last_error:
            log.warning("kafka_refused", error=str(error))
        self._last_error = str(error)

    def _count(self, acknowledged: Sequence[OutgoingRecord]) -> None:
        metrics = self._runtime.metrics
        sizes: dict[str, list[int]] = {}
        for record in acknowledged:
            sizes.setdefault(record.topic, []).append(record.size_bytes)
        for topic, sizes_bytes in sizes.items():
            metrics.count_flow("out", topic, sizes_bytes)
        transactions = sum(r.topic == RAW and r.key is not None for r in acknowledged)
        metrics.count("transactions_published_total", transactions)
        reasons = (wire.header(record.headers, wire.REASON_HEADER) for record in acknowledged)
        for reason, count in Counter(filter(None, reasons)).items():
            metrics.count("dlq_records_total", count, reason=reason.decode())

    def _show_size(self) -> None:
        self._runtime.metrics.set("spool_bytes", self._spool.size_bytes)
