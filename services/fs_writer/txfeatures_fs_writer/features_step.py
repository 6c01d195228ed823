"""The step that puts rows of ``aggregated`` into the Feature Store.

A batch is *lent* from the topic until every row of it is acknowledged by the stores
or by the dead letter topic; only then is its offset committed, and only then is the
topic polled again: that is the backpressure. A call that fails keeps the batch, so that
the next one goes on where it stopped and no acknowledged row is put again.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from txfeatures.domain.dead_letter_limit import DeadLetterLimit
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import Feature
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import AGGREGATED, dead_letter_command, dead_letter_topic
from txfeatures.domain.wire import dead_letter
from txfeatures.feature_store.codec import TableFormat
from txfeatures.feature_store.writer import Outcome
from txfeatures.kafka.source import Partition, next_offsets
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, backoff_s
from txfeatures_fs_writer.call_limit import CallLimit
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.logic import (
    Put,
    Refusal,
    Verdict,
    calls,
    plan,
)
from txfeatures_fs_writer.ports import (
    DeadLetterSink,
    FeatureStore,
    OpenSource,
    StoreUnavailableError,
)

GROUP = "fs_writer-features"
STORE = "feature-store"

POLL_TIMEOUT_S = 0.1
"""Short, as a row is worth most when it is new."""

ATTEMPTS = 3
"""Waves without any progress within one step; the supervisor waits for what lasts longer."""

LONGEST_STEP_S = 60.0
"""Of a step that is refused now and then: the supervisor must get the error in time to leave
the consumer group before Kafka throws the step out."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A batch on its way: the rows still to be put, and the fate of the others.

    Attributes:
        records: The batch.
        superseded: Provisional rows of it that are left out.
        minutes: Per minute, the puts that are not acknowledged yet, in order.
        verdicts: Position in the batch -> fate of the record.
        taken: The puts that were acknowledged.
    """

    records: Sequence[Record]
    superseded: int
    minutes: Sequence[deque[Put]]
    verdicts: dict[int, Verdict]
    taken: list[Put]


class FeaturesStep:
    """Put one batch of rows; called again and again by one thread.

    Raises:
        TransientError: A store, the dead letter topic or Kafka refuses for now; call again.
        TooManyDeadLettersError: A partition's dead letters pass their limit.
    """

    def __init__(
        self,
        *,
        open_source: OpenSource,
        dead_letters: DeadLetterSink,
        store: FeatureStore,
        pool: Executor,
        concurrency: int,
        max_records: int,
        dead_letter_limit: int,
        max_record_bytes: int,
        features: Sequence[Feature],
        table_format: TableFormat,
        freshness: Freshness,
        runtime: Runtime,
    ) -> None:
        self._source = open_source(on_assigned=self._forget, on_revoked=self._forget)
        self._dead_letters = dead_letters
        self._store = store
        self._pool = pool
        self._call_limit = CallLimit(concurrency)
        self._max_records = max_records
        self._features = features
        self._table_format: TableFormat = table_format
        self._dead_letter_limit = dead_letter_limit
        self._max_record_bytes = max_record_bytes
        self._freshness = freshness
        self._runtime = runtime
        self._lent: Lent | None = None
        self._uncommitted: dict[Partition, int] = {}
        self._limits: dict[int, DeadLetterLimit] = {}

    def __call__(self) -> None:
        """Put the batch in hand, or else the next one, and commit it."""
        if self._lent is None:
            self._lent = self._borrow()
        if self._lent is not None:
            with self._runtime.tracing.process(self._lent.records, group=GROUP):
                self._put_all(self._lent)
                self._bury(self._lent)
                self._settle(self._lent)
        self._source.commit(self._uncommitted)
        self._uncommitted.clear()

    def _forget(self, partitions: set[Partition]) -> None:
        # Called while polling, hence with nothing lent.
        for topic, number in partitions:
            self._uncommitted.pop((topic, number), None)
            self._limits.pop(number, None)

    def _borrow(self) -> Lent | None:
        records = self._source.poll(max_records=self._max_records, timeout_s=POLL_TIMEOUT_S)
        if not records:
            return None
        feed_time_ms = max(record.timestamp_ms for record in records)
        self._runtime.metrics.set("feed_time_seconds", feed_time_ms / 1000, topic=AGGREGATED)
        self._freshness.saw(feed_time_ms)
        todo = plan(records, self._features, self._table_format)
        return Lent(
            records=records,
            superseded=todo.superseded,
            minutes=[deque(puts) for puts in todo.minutes],
            verdicts=dict(todo.unreadable),
            taken=[],
        )

    def _put_all(self, lent: Lent) -> None:
        clock, stop = self._runtime.clock, self._runtime.stop
        deadline_s = clock.monotonic() + LONGEST_STEP_S
        attempt = 1
        while waiting := [minute for minute in lent.minutes if minute]:
            answered = len(lent.verdicts)
            error = self._put_wave(lent, waiting)
            if len(lent.verdicts) > answered:
                attempt = 1
            if error is None:
                continue
            is_last = attempt == ATTEMPTS or clock.monotonic() > deadline_s
            if is_last or clock.wait(stop, backoff_s(attempt)):
                raise error
            attempt += 1

    def _put_wave(self, lent: Lent, waiting: Sequence[deque[Put]]) -> StoreUnavailableError | None:
        """Try the next put of every minute; return an error if the store refuses for now."""
        # A wave has one put of each minute, and the next wave begins when all of this one
        # are answered: so order holds within a minute however calls overtake each other.
        puts_of = {minute[0].position: minute for minute in waiting}
        shared = deque(calls([minute[0] for minute in waiting], parallel=self._call_limit.calls))
        while shared:
            now = [shared.popleft() for _ in range(min(self._call_limit.calls, len(shared)))]
            refused: StoreUnavailableError | None = None
            for call, answers in zip(now, self._pool.map(self._call, now), strict=True):
                for put, answer in zip(call, answers, strict=True):
                    if isinstance(answer, StoreUnavailableError):
                        refused = answer
                    else:
                        puts_of[put.position].popleft()
                        self._judge(lent, put, answer)
            if refused is not None:
                # It ends the wave: a store that throttles needs fewer calls, and one that
                # is down would cost a time-out for each.
                self._call_limit.decrease()
                return refused
            self._call_limit.increase()
        return None

    def _judge(self, lent: Lent, put: Put, answer: InvalidMessageError | None) -> None:
        if answer is None:
            lent.verdicts[put.position] = None
            lent.taken.append(put)
            self._freshness.wrote(put.record, now_s=self._runtime.clock.now())
        else:
            lent.verdicts[put.position] = Refusal(record=put.record, error=answer)

    def _call(self, call: Sequence[Put]) -> Sequence[Outcome]:
        clock, metrics = self._runtime.clock, self._runtime.metrics
        started_s = clock.monotonic()
        try:
            answers = self._store.put(call)
        except StoreUnavailableError as error:
            answers = [error] * len(call)
        metrics.observe("put_duration_seconds", clock.monotonic() - started_s, store=STORE)
        for code in {a.code for a in answers if isinstance(a, StoreUnavailableError)}:
            metrics.count("retries_total", store=STORE, code=code)
        return answers

    def _bury(self, lent: Lent) -> None:
        """Send refused records to the dead letter topic, within the limit."""
        limits = self._limits_after(lent)
        verdicts = [lent.verdicts[position] for position in sorted(lent.verdicts)]
        dead = [verdict for verdict in verdicts if verdict]
        if dead:
            letters = [
                dead_letter(refusal.record, refusal.error, max_record_bytes=self._max_record_bytes)
                for refusal in dead
            ]
            self._dead_letters.publish(letters)
            self._count_dead(dead, letters)
        self._limits |= limits  # only now: a publish that fails is made again

    def _limits_after(self, lent: Lent) -> dict[int, DeadLetterLimit]:
        errors: defaultdict[int, list[tuple[int, InvalidMessageError | None]]] = defaultdict(list)
        for position, verdict in sorted(lent.verdicts.items()):
            record = lent.records[position]
            errors[record.partition].append((record.offset, verdict.error if verdict else None))
        return {number: self._limit(number).after(found) for number, found in errors.items()}

    def _limit(self, partition: int) -> DeadLetterLimit:
        return self._limits.get(partition) or DeadLetterLimit(
            topic=AGGREGATED, partition=partition, limit=self._dead_letter_limit
        )

    def _count_dead(self, dead: Sequence[Refusal], letters: Sequence[OutgoingRecord]) -> None:
        metrics = self._runtime.metrics
        metrics.count_flow("out", dead_letter_topic(AGGREGATED), (r.size_bytes for r in letters))
        for refusal in dead:
            metrics.count("dlq_records_total", reason=refusal.error.reason)
            log.warning(
                "row_refused",
                partition=refusal.record.partition,
                offset=refusal.record.offset,
                error=str(refusal.error),
                inspect=dead_letter_command(AGGREGATED),
            )

    def _settle(self, lent: Lent) -> None:
        """Give the batch back, as all of it is acknowledged, and count it.

        Counted here and not when it is read: a step that is opened anew reads it again.
        """
        metrics = self._runtime.metrics
        metrics.count_flow("in", AGGREGATED, (record.size_bytes for record in lent.records))
        metrics.count("superseded_rows_total", lent.superseded)
        for kind, is_final in (("final", True), ("provisional", False)):
            metrics.count("rows_total", sum(p.is_final == is_final for p in lent.taken), kind=kind)
        metrics.count_flow("out", STORE, (put.size_bytes for put in lent.taken))
        now_s = self._runtime.clock.now()
        for position, record in enumerate(lent.records):
            if position not in lent.verdicts:  # superseded: the store has a newer row instead
                self._freshness.wrote(record, now_s=now_s)
        if lent.taken:
            self._freshness.put(max(put.event_time_s for put in lent.taken))
        self._uncommitted |= next_offsets(lent.records)
        self._lent = None
