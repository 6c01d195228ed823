"""The fetcher: the only thread that calls the group's consumer.

librdkafka's Python client serialises calls on a consumer, and unfairly: a call from
another thread starves while this one loops in ``consume``. So other threads leave commands.

The life of a partition: assigned -> its committed offset is known -> its tables are
whole (`Fetcher.start_reading`) -> read, until it is revoked. Partitions are handed to the
client only when they are to be read, each with the offset to start from; there is no
seek. Commits of the former owner that are still pending are waited for: the offsets
requested are the stable ones. An offset that the topic no longer holds, at the start or
later, is an error of a read; the partition is then read on from the first offset there is.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from faust_microbatch.clock import Clock
from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.crash import Crash
from faust_microbatch.engine.records import Batch, Partition
from faust_microbatch.engine.sensor import Sensor
from faust_microbatch.engine.skip import skip

OFFSETS_TIMEOUT_S = 1.0
IDLE_S = 0.02
"""Seconds that a read waits for its first record; commands wait as long."""
SLICE_S = 0.001
"""Seconds that a read waits for more at a time, as long as its linger is not over."""
ROOM_PATIENCE_S = 1.0
"""Seconds that the fetcher waits for room in the budget before it pauses its partitions.

A pause throws away what was fetched ahead, so it is kept for a sink or a broker that is
slow; in between, the agents are only a little behind."""
ROOM_LOOK_S = 0.01
LAG_INTERVAL_S = 1.0
CRASH_PATIENCE_S = 5.0
"""Seconds that a crashed worker may take to leave the group; the session ends without it."""

_OUT_OF_THE_GROUP = (KafkaError._FATAL, KafkaError._MAX_POLL_EXCEEDED)  # noqa: SLF001
"""Codes of a read's errors; a fatal error does not set ``fatal()`` there."""

log = logging.getLogger(__name__)


class Listener(Protocol):
    """The owner of a fetcher; called in the fetcher's thread."""

    def on_batches(self, batches: Sequence[Batch]) -> None:
        """Take batches that were read."""

    def on_assigned(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        """Take over these partitions, committed up to there (None: never).

        They are read after `Fetcher.start_reading`.
        """

    def on_revoked(self) -> None:
        """Give all partitions back; return when nothing of them is pending."""


class Fetcher:
    """Reads the group's share of ``topics``.

    Args:
        consumer: Makes the consumer.
        topics: The topics to subscribe to.
        max_records: Most records of one read.
        linger_s: How long a read waits, after its first record, for the other partitions of
            the same topic, and for more of what is still coming.
        budget: Bytes that may be in flight.
    """

    def __init__(
        self,
        consumer: Callable[[], Consumer],
        topics: Sequence[str],
        *,
        listener: Listener,
        max_records: int,
        linger_s: float,
        budget: Budget,
        crash: Crash,
        sensor: Sensor,
        clock: Clock,
    ) -> None:
        self._make_consumer = consumer
        self._topics = topics
        self._listener = listener
        self._max_records = max_records
        self._linger_s = linger_s
        self._budget = budget
        self._crash = crash
        self._sensor = sensor
        self._clock = clock
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)
        self._stopping = threading.Event()
        self._generation = 0
        self._metadata: object = None
        self._unknown: list[TopicPartition] = []
        self._positions: dict[Partition, int | None] = {}
        self._reading: set[Partition] = set()
        self._gone: set[Partition] = set()
        self._skipped: dict[Partition, tuple[int, int]] = {}
        self._is_paused = False
        self._lag_at = 0.0

    def start(self) -> None:
        """Join the group."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the group and end the thread; call from another one."""
        self._stopping.set()
        self._crash.join(self._thread, CRASH_PATIENCE_S)

    def start_reading(self, generation: int, partitions: Iterable[Partition]) -> None:
        """Read ``partitions`` from their committed offsets, unless a rebalance came between."""
        self._commands.put(lambda: self._start_reading(generation, partitions))

    def metadata(self) -> object:
        """Return the group's metadata, which identify the worker and its generation."""
        return self._metadata

    def _run(self) -> None:
        with self._crash.on_error("the fetcher failed"):
            self._consumer = self._make_consumer()
            self._consumer.subscribe(
                list(self._topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not (self._stopping.is_set() or self._crash.happened):
                self._step()
            self._consumer.close()

    def _step(self) -> None:
        while not self._commands.empty():
            self._commands.get()()
        if self._unknown:
            self._request_committed()
        if self._gone:
            self._read_on()
        self._make_room()
        if messages := self._read():
            self._deliver(messages)
        self._report_lag()

    def _read(self) -> list[Message]:
        """Return what there is, and for a moment also what was written with it."""
        # librdkafka waits until a read is full or the time is over, so the first record is
        # awaited alone, and the others in slices, until one is empty and nobody is missing.
        messages = self._consumer.consume(1, IDLE_S)
        for _ in range(max(1, round(self._linger_s / SLICE_S))):
            if not 0 < len(messages) < self._max_records:
                break
            more = self._consumer.consume(self._max_records - len(messages), SLICE_S)
            messages += more
            if not more and self._is_whole(messages):
                break
        return messages

    def _is_whole(self, messages: Sequence[Message]) -> bool:
        """Return whether every partition of the topics that were read has a record."""
        found = {(message.topic(), message.partition()) for message in messages}
        topics = {topic for topic, _ in found}
        return {source for source in self._reading if source[0] in topics} <= found

    def _deliver(self, messages: Sequence[Message]) -> None:
        by_partition: dict[Partition, list[Message]] = {}
        for message in messages:
            source: Partition = (message.topic(), message.partition())  # type: ignore[assignment]
            error = message.error()
            if error is None:
                by_partition.setdefault(source, []).append(message)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
                self._gone.add(source)
            else:
                self._on_error(error)
        batches = []
        for source, own in by_partition.items():
            if source not in self._reading:  # given back while they were being read
                continue
            _, skipped = self._skipped.pop(source, (0, 0))
            batch = Batch(*source, own, start=self._positions[source], skipped=skipped)
            self._positions[source] = batch.next_offset
            self._budget.take(batch.memory_bytes)
            self._sensor.on_read(source[0], len(batch), batch.size_bytes)
            batches.append(batch)
        if batches:
            self._listener.on_batches(batches)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _OUT_OF_THE_GROUP:
            self._crash(f"the consumer is out of the group ({error.str()})")
        log.warning("Kafka's consumer: %s", error.str())

    def _make_room(self) -> None:
        """Wait for room in the budget; when that takes long, pause and go on polling."""
        deadline = self._clock.monotonic() + ROOM_PATIENCE_S
        while self._budget.is_full and not self._is_paused and not self._stopping.is_set():
            if self._clock.monotonic() >= deadline:
                self._consumer.pause(self._assigned(self._reading))
                self._is_paused = True
            self._clock.wait(self._stopping, ROOM_LOOK_S)
        if self._is_paused and not self._budget.is_full:
            self._consumer.resume(self._assigned(self._reading))
            self._is_paused = False

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._generation += 1
        self._metadata = consumer.consumer_group_metadata()
        consumer.assign([])
        if partitions:
            self._unknown = partitions
        else:
            self._listener.on_assigned(self._generation, {})

    def _request_committed(self) -> None:
        try:
            answers = self._consumer.committed(self._unknown, OFFSETS_TIMEOUT_S)
        except KafkaException as error:
            # Among others: a transaction of the former owner is not resolved yet.
            log.info("committed offsets are not known yet: %s", error)
            return
        if any(answer.error for answer in answers):
            log.info("committed offsets are not known yet: %s", answers)
            return
        self._unknown = []
        self._positions = {
            (answer.topic, answer.partition): answer.offset if answer.offset >= 0 else None
            for answer in answers
        }
        self._listener.on_assigned(self._generation, dict(self._positions))

    def _start_reading(self, generation: int, partitions: Iterable[Partition]) -> None:
        if generation != self._generation:
            return
        self._reading.update(partitions)
        self._assign()

    def _read_on(self) -> None:
        """Read partitions whose next offset is gone from the first one there is."""
        for source in sorted(self._gone & self._reading):
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(*source), OFFSETS_TIMEOUT_S
                )
            except KafkaException as error:
                log.warning("the offsets of %s-%d are not known yet: %s", *source, error)
                return
            self._report(source, low, high)
            self._gone.discard(source)
        self._gone.clear()
        self._assign()

    def _report(self, source: Partition, low: int, high: int) -> None:
        position = self._positions[source]
        if position is None:  # the group has no offset yet, so it can't have lost one
            return
        first, before = self._skipped.get(source, (position, 0))
        gone = skip(*source, first, low=low, high=high)
        self._skipped[source] = (low, before + gone.records)
        log.error("up to %d records are lost before they were read: %s", gone.records, gone)
        self._sensor.on_skip(gone)

    def _assign(self) -> None:
        self._consumer.assign(self._assigned(self._reading))
        self._is_paused = False

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        if not self._crash.happened:
            self._listener.on_revoked()
        self._generation += 1
        self._unknown = []
        self._positions = {}
        self._reading = set()
        self._gone = set()
        self._skipped = {}
        self._is_paused = False

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._crash(f"{len(partitions)} partitions were lost without a revocation")

    def _assigned(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [
            TopicPartition(*source, OFFSET_BEGINNING if position is None else position)
            for source in sorted(partitions)
            for position, _ in (self._skipped.get(source, (self._positions[source], 0)),)
        ]

    def _report_lag(self) -> None:
        now = self._clock.monotonic()
        if now < self._lag_at:
            return
        self._lag_at = now + LAG_INTERVAL_S
        for source in self._reading:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*source), cached=True)
            position = self._positions[source]
            if high >= 0 and position is not None:
                self._sensor.on_lag(*source, max(0, high - position))
