"""The step that archives every transaction of ``deduped`` in S3.

Offsets are committed at the ends of objects only, after S3's acknowledgement. An object
left unfinished by a crash, a stop or a lost partition is read again from there and cut in
the same way: the same name, the same bytes.

Objects bear the id of the topic that they were read from. If the topic was made anew, nothing
is stored or committed any more until the step has been opened anew.
"""

from collections import defaultdict, deque

from txfeatures.archive.layout import ObjectName
from txfeatures.archive.schema import encode
from txfeatures.archive.skips import Skip
from txfeatures.domain.errors import FatalError
from txfeatures.domain.topics import DEDUPED
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import Partition
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.logic import ArchiveObject, CutRules, Cutter
from txfeatures_fs_writer.ports import Archive, OpenSource, StoreUnavailableError, TopicId

GROUP = "fs_writer-archive"
STORE = "s3"

POLL_TIMEOUT_S = 0.5
MAX_RECORDS = 500

VERIFY_AFTER_S = 30.0
"""A reader that waits at an offset which a topic made anew has too would never notice it."""

log = get_logger(__name__)


class ArchiveStep:
    """Read one batch of transactions and store the objects it completes.

    Called again and again by one thread.

    Raises:
        TransientError: S3 or Kafka refuses for now; call again.
        FatalError: The bucket does not exist, or the topic was made anew; open the step anew.
    """

    def __init__(
        self,
        *,
        open_source: OpenSource,
        topic_id: TopicId,
        archive: Archive,
        rules: CutRules,
        freshness: Freshness,
        runtime: Runtime,
    ) -> None:
        self._source = open_source(
            on_assigned=self._resume, on_revoked=self._forget, on_skipped=self._note
        )
        self._topic_id = topic_id
        self._topic = ""
        self._verified_s = runtime.clock.monotonic()
        self._archive = archive
        self._freshness = freshness
        self._runtime = runtime
        self._cutters: defaultdict[int, Cutter] = defaultdict(lambda: Cutter(rules))
        self._complete: deque[ArchiveObject] = deque()
        self._uncommitted: dict[Partition, int] = {}
        self._resumed: set[int] = set()  # partitions whose next object may be a repeated one

    def __call__(self) -> None:
        """Store the complete objects, or else those of the next batch, and commit them."""
        if not self._topic:
            self._topic = self._topic_id()
        if not self._complete:
            self._read()
        idle_s = self._runtime.clock.monotonic() - self._verified_s
        if self._complete or self._uncommitted or idle_s >= VERIFY_AFTER_S:
            self._verify_topic()
        while self._complete:
            self._store(self._complete[0])
            done = self._complete.popleft()
            self._uncommitted[DEDUPED, done.partition] = done.next_offset
        self._source.commit(self._uncommitted)
        self._uncommitted.clear()

    def _note(self, skipped: SkippedRecords) -> None:
        # Called while polling: if it fails, the partition is not read on.
        self._verify_topic()  # a topic made anew has not lost what its predecessor had
        self._archive.note(
            Skip(
                topic=self._topic,
                partition=skipped.partition,
                committed_offset=skipped.committed_offset,
                first_offset=skipped.first_offset,
                records=skipped.records,
                reason=skipped.reason,
            )
        )

    def _verify_topic(self) -> None:
        if self._topic_id() != self._topic:
            raise FatalError(
                f"topic {DEDUPED} was made anew while it was archived; the step begins again"
            )
        self._verified_s = self._runtime.clock.monotonic()

    def _resume(self, partitions: set[Partition]) -> None:
        self._forget(partitions)
        self._resumed |= {number for _, number in partitions}

    def _forget(self, partitions: set[Partition]) -> None:
        # Called while polling, hence with nothing complete.
        for topic, number in partitions:
            self._cutters.pop(number, None)
            self._uncommitted.pop((topic, number), None)

    def _read(self) -> None:
        records = self._source.poll(max_records=MAX_RECORDS, timeout_s=POLL_TIMEOUT_S)
        if not records:
            return
        metrics, feed_time_ms = self._runtime.metrics, max(r.timestamp_ms for r in records)
        metrics.count_flow("in", DEDUPED, (record.size_bytes for record in records))
        metrics.set("feed_time_seconds", feed_time_ms / 1000, topic=DEDUPED)
        self._freshness.saw(feed_time_ms)
        for record in records:
            self._complete.extend(self._cutters[record.partition].add(record))

    def _store(self, complete: ArchiveObject) -> None:
        if not complete.rows:
            return
        name = complete.name(self._topic)
        if complete.partition in self._resumed:
            if self._archive.has_without_topic(name, complete.rows[0]):
                log.info("object_archived_before", name=name.key)
                return
            self._resumed.discard(complete.partition)
        body = encode(complete.rows)
        metrics, rows = self._runtime.metrics, len(complete.rows)
        with self._runtime.tracing.process(complete.rows, group=GROUP):
            self._put(name, body, rows)
        metrics.count("archive_objects_total")
        metrics.count("archived_transactions_total", rows)
        metrics.count("records_total", rows, direction="out", topic=STORE)
        metrics.count("bytes_total", len(body), direction="out", topic=STORE)
        log.info("object_archived", name=name.key, rows=rows, size_bytes=len(body))

    def _put(self, name: ObjectName, body: bytes, rows: int) -> None:
        clock, metrics = self._runtime.clock, self._runtime.metrics
        started_s = clock.monotonic()
        try:
            self._archive.put(name, body, rows=rows)
        except StoreUnavailableError as error:
            metrics.count("retries_total", store=STORE, code=error.code)
            raise
        finally:
            metrics.observe("put_duration_seconds", clock.monotonic() - started_s, store=STORE)
