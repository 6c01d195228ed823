"""The transactions: whole finished batches in, committed offsets out.

A thread of its own, so that the agents work on the next batches while the last ones are
sent. Each transaction holds a run of finished batches, in the order they were finished:
the records they sent, the changelog records of the tables they wrote, the offset after them.

A batch's outbox stays in memory until its transaction is committed. So an aborted
transaction is simply made again; nothing has to be read or computed twice. A transaction
that can't be made again, because another worker owns the partitions by now, ends the worker.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from faust_microbatch.clock import Clock
from faust_microbatch.engine.crash import Crash, CrashedError
from faust_microbatch.engine.outbox import Sent, produce
from faust_microbatch.engine.records import Batch, Partition
from faust_microbatch.engine.sensor import Sensor

OPERATION_TIMEOUT_S = 5.0
"""Seconds that one call may block; a call that may be retried is repeated until it succeeds."""

MAX_ABORTS = 5
"""Aborts in a row after which a transaction is held to be impossible."""

log = logging.getLogger(__name__)

Committed = Callable[[Sequence[Batch]], None]


class Committer:
    """Commits batches in the order they are given.

    Args:
        producer: Makes the transactional producer.
        metadata: Returns the group's metadata; the coordinator refuses the offsets of a worker
            that has lost its partitions.
        on_committed: Called in the committer's thread with the batches of each transaction.
        is_more_coming: Tells whether batches have been read that are not finished yet.
        interval_s: How long finished batches are gathered into one transaction while more are
            coming; the last one is committed at once.
    """

    def __init__(
        self,
        producer: Callable[[], Producer],
        *,
        metadata: Callable[[], object],
        on_committed: Committed,
        is_more_coming: Callable[[], bool],
        interval_s: float,
        crash: Crash,
        sensor: Sensor,
        clock: Clock,
    ) -> None:
        self._make_producer = producer
        self._metadata = metadata
        self._on_committed = on_committed
        self._is_more_coming = is_more_coming
        self._interval_s = interval_s
        self._crash = crash
        self._sensor = sensor
        self._clock = clock
        self._inbox: queue.SimpleQueue[Batch | Future[None] | None] = queue.SimpleQueue()
        self._positions: dict[Partition, int] = {}
        self._began: float | None = None
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> Future[None]:
        """Start the thread; the result is there when former transactions are fenced."""
        self._thread.start()
        return self._ready

    def busy_s(self) -> float:
        """Return for how long the transaction in progress has been going on; 0 if there is none.

        The fencing of former transactions, at the start, counts as one.

        Calls into librdkafka can outlast their timeout, some for ever (its issues 5456 and
        5511), so another thread has to look at the clock.
        """
        began = self._began
        return 0.0 if began is None else self._clock.monotonic() - began

    def put(self, batch: Batch) -> None:
        """Take a finished batch."""
        self._inbox.put(batch)

    def drain(self) -> Future[None]:
        """Commit without delay what was put before; the result is there when that is done."""
        drained: Future[None] = Future()
        self._inbox.put(drained)
        return drained

    def stop(self) -> None:
        """Commit what was put before and end the thread, which a crash ends without that."""
        self._inbox.put(None)
        self._crash.join(self._thread, 0.0)

    def _run(self) -> None:
        with self._crash.on_error("the committer failed"):
            self._began = self._clock.monotonic()
            self._producer = self._make_producer()
            self._retry(self._producer.init_transactions)
            self._began = None
            self._ready.set_result(None)
            while self._work():
                pass

    def _work(self) -> bool:
        """Gather and commit one transaction; return whether to go on."""
        batches, end = self._gather()
        if batches:
            self._commit(batches)
        if isinstance(end, Future):
            self._positions.clear()  # partitions may come back at another offset
            end.set_result(None)
        return end is not None

    def _gather(self) -> tuple[list[Batch], Future[None] | bool | None]:
        """Return finished batches, and what ended the gathering: a drain, the stop, or the wait."""
        first = self._inbox.get()
        if not isinstance(first, Batch):
            return [], first
        batches = [first]
        deadline = self._clock.monotonic() + self._interval_s
        while True:
            left_s = deadline - self._clock.monotonic() if self._is_more_coming() else 0.0
            try:
                item = self._inbox.get(timeout=max(0.0, left_s))
            except queue.Empty:
                return batches, True
            if not isinstance(item, Batch):
                return batches, item
            batches.append(item)

    def _commit(self, batches: Sequence[Batch]) -> None:
        offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in self._follow(batches).items()
        ]
        began = self._began = self._clock.monotonic()
        for _ in range(MAX_ABORTS):
            try:
                sent = self._transaction(batches, offsets)
            except KafkaException as error:
                self._abort(error)
            else:
                for topic, count in sent.items():
                    self._sensor.on_sent(topic, count.records, count.size_bytes)
                self._sensor.on_commit(len(batches), self._clock.monotonic() - began)
                self._on_committed(batches)
                self._began = None
                return
        self._crash(f"a transaction was aborted {MAX_ABORTS} times in a row")

    def _transaction(
        self, batches: Sequence[Batch], offsets: list[TopicPartition]
    ) -> Mapping[str, Sent]:
        producer = self._producer
        producer.begin_transaction()
        sent = produce(producer, (batch.outbox for batch in batches))
        self._retry(producer.send_offsets_to_transaction, offsets, self._metadata())
        self._retry(producer.commit_transaction)
        return sent

    def _abort(self, error: KafkaException) -> None:
        reason = kafka_error(error)
        if reason.fatal() or not reason.txn_requires_abort() or reason.code() in _NOT_OURS:
            self._crash(f"a transaction can't be repaired ({reason.str()})", error)
        log.warning("transaction aborted, to be made again: %s", reason.str())
        self._sensor.on_abort(reason.name())
        self._retry(self._producer.abort_transaction)

    def _retry(self, operation: Callable[..., object], *arguments: object) -> None:
        """Call until it succeeds or fails with an error that is not to be retried.

        Raises:
            CrashedError: The worker has crashed; it must not commit any more.
        """
        while True:
            if self._crash.happened:
                raise CrashedError(f"{operation.__name__} is not called after a crash")
            try:
                operation(*arguments, OPERATION_TIMEOUT_S)
            except KafkaException as error:
                if not kafka_error(error).retriable():
                    raise
                log.warning("%s is tried again: %s", operation.__name__, error)
            else:
                return

    def _follow(self, batches: Sequence[Batch]) -> Mapping[Partition, int]:
        """Return the next offsets; a batch that does not follow the last one is refused."""
        offsets: dict[Partition, int] = {}
        for batch in batches:
            expected = self._positions.get(batch.source, batch.start)
            if expected != batch.start:
                self._crash(f"{batch} begins at {batch.start}, but {expected} is next")
            offsets[batch.source] = self._positions[batch.source] = batch.next_offset
        return offsets


_NOT_OURS = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
}
"""The partitions belong to another worker, or will in a moment."""


def kafka_error(error: KafkaException) -> KafkaError:
    """Return the error inside an exception."""
    inside: KafkaError = error.args[0]
    return inside
