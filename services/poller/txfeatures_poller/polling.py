"""One poll after another: request, publish new transactions, tick, and send a heartbeat.

What a source pushes between two polls is published in the same way.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from txfeatures.domain.model import Heartbeat
from txfeatures.domain.topics import RAW, dead_letter_command
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures_poller import logic
from txfeatures_poller.delivery import Delivery
from txfeatures_poller.feed_clock import FeedClock
from txfeatures_poller.pace import Limits, Pace
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import Answer, PollFailedError, Push

READY_PARTITIONS = "the partitions of raw"
READY_POLL = "a poll that was answered and published"

HELD_BACK_S = 1.0
"""Between two looks at a full spool."""

_OK = "ok"

log = get_logger(__name__)


class Source(Protocol):
    """A source of transactions; ``HttpSource`` and ``WebsocketSource`` are."""

    @property
    def name(self) -> str:
        """Return the host that polls request, for the records' headers."""
        ...

    def wait(self, stop: threading.Event, timeout_s: float) -> Push | None:
        """Wait until ``stop`` is set or ``timeout_s`` has passed; return early what was pushed."""
        ...

    def fetch(self) -> Answer:
        """Return the newest transactions; PollFailedError if there is no answer."""
        ...


def limits(settings: Settings) -> Limits:
    """Return the bounds of the pace."""
    return Limits(
        interval_s=settings.interval_s,
        min_interval_s=settings.min_interval_s,
        backoff_first_s=settings.backoff_first_s,
        backoff_max_s=settings.backoff_max_s,
    )


class Polling:
    """The polls of one process.

    Args:
        random: Returns a number from 0 to 1, for the jitter.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Source,
        delivery: Delivery,
        runtime: Runtime,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._source = source
        self._delivery = delivery
        self._runtime = runtime
        self._random = random
        self._published = logic.Recent(settings.remembered_transactions)
        self._clock = FeedClock(max_jump_ms=int(settings.max_clock_jump_s * 1000))
        self._shown = logic.Recent(settings.max_elements)
        self._pace = Pace.initial(limits(settings))
        self._poll_id = 0
        self._due_s = runtime.clock.monotonic()
        # The state of the last poll: a failure that lasts is logged when it begins.
        self._outcome = _OK
        self._rejected: frozenset[str] = frozenset()
        self._was_gap = False
        self._was_held_back = False
        runtime.health.wait_for(READY_PARTITIONS)
        runtime.health.wait_for(READY_POLL)

    def step(self) -> None:
        """Wait until the next poll is due, then poll, or publish what is pushed before.

        While the spool is full, only wait: what the source pushes then waits in the network.

        Raises:
            SpoolError: Neither Kafka nor the disk takes the poll's transactions. They are not
                marked published, so the next answer repeats them.
            FatalError: Kafka has no topic raw, or the producer is beyond repair.
        """
        clock = self._runtime.clock
        if self._is_held_back():
            clock.wait(self._runtime.stop, HELD_BACK_S)
            return
        push = self._source.wait(self._runtime.stop, self._due_s - clock.monotonic())
        if push is not None:
            self._publish_push(push)
            return
        if self._runtime.stop.is_set():
            return
        started_s = clock.monotonic()
        self._due_s = started_s + self._pace.interval_s  # should what follows fail
        retry_after_s = self._poll()
        elapsed_s = clock.monotonic() - started_s
        wait_s = self._pace.wait_s(
            elapsed_s=elapsed_s, draw=self._random(), retry_after_s=retry_after_s
        )
        self._due_s = started_s + elapsed_s + wait_s
        self._runtime.metrics.set("interval_seconds", self._pace.interval_s)

    def _is_held_back(self) -> bool:
        held_back = self._delivery.size_bytes > self._settings.spool_max_bytes
        if held_back:
            self._runtime.metrics.count("spool_refusals_total")
            if not self._was_held_back:
                log.error("spool_full", bytes=self._delivery.size_bytes)
        self._was_held_back = held_back
        return held_back

    def _publish_push(self, push: Push) -> None:
        """Publish what was pushed; polls that work are put off."""
        self._poll_id += 1
        with self._runtime.tracing.span("push"):
            try:
                selection = self._select(push.answer)
            except PollFailedError as error:
                self._note(error.outcome, detail=str(error))
                self._fail(error)
                return
            self._runtime.metrics.count("pushed_transactions_total", len(push.answer.transactions))
            self._take(push.answer, selection)
            self._shown.update(selection.identities)
        if self._pace.is_steady:
            self._due_s = self._runtime.clock.monotonic() + push.poll_after_s

    def _poll(self) -> float | None:
        """Poll once; return the pause in seconds that the source wants."""
        self._poll_id += 1
        with self._runtime.tracing.span("poll"):
            return self._fetch_and_publish()

    def _fetch_and_publish(self) -> float | None:
        clock = self._runtime.clock
        started_s = clock.monotonic()
        try:
            with self._runtime.tracing.span("fetch"):
                answer = self._source.fetch()
            selection = self._select(answer)
        except PollFailedError as error:
            self._finish(error.outcome, clock.monotonic() - started_s, detail=str(error))
            self._pace = self._pace.failed()
            self._fail(error)
            return error.retry_after_s
        self._finish(_OK, clock.monotonic() - started_s)
        is_full = len(answer.transactions) >= self._settings.full_answer
        gap = logic.is_gap(self._shown, selection.identities if is_full else None)
        self._take(answer, selection, gap=gap)
        self._shown = logic.Recent(self._settings.max_elements)
        if is_full:
            self._shown.update(selection.identities)
        self._pace = self._pace.answered(gap=gap)
        self._report_gap(gap)
        return None

    def _select(self, answer: Answer) -> logic.Selection:
        """Return the elements of an answer, unless its feed time is refused."""
        selection = logic.select(
            answer.transactions,
            self._published,
            max_record_bytes=self._settings.kafka.max_record_bytes,
        )
        clock = self._clock.answered(
            answer.feed_time_ms,
            now_s=self._runtime.clock.monotonic(),
            other_clock_ms=answer.other_clock_ms,
            new_times_s=[element.time_s for element in selection.new if element.error is None],
        )
        if clock is None:
            self._clock = self._clock.refused()
            raise PollFailedError(
                "clock_jump",
                f"the answer's feed time {answer.feed_time_ms / 1000:.0f} is far off, and neither "
                "its new transactions nor the other clock confirm it: correct the clock that is "
                "wrong, or raise TXF_POLLER_MAX_CLOCK_JUMP_S",
                feed_time_ms=None,
            )
        self._clock = clock
        return logic.bounded(
            selection, answer.whole, self._published, max_rejected=self._settings.max_rejected
        )

    def _fail(self, error: PollFailedError) -> None:
        """Publish the outcome of a failed poll, as far as the feed's time is known."""
        clock = self._runtime.clock
        self._clock = self._clock.failed(error.feed_time_ms, now_s=clock.monotonic())
        feed_time_ms = self._clock.at_failure(error.feed_time_ms)
        if feed_time_ms is None:
            return
        new = (
            [error.letter] if error.letter and error.letter.identity not in self._published else []
        )
        origin = self._origin(self._source.name, feed_time_ms, int(clock.now() * 1000))
        heartbeat = self._heartbeat(feed_time_ms, error.outcome)
        self._publish(new, heartbeat, origin)
        self._published.update(element.identity for element in new)

    def _origin(self, source: str, feed_time_ms: int, fetched_at_ms: int) -> logic.Origin:
        return logic.Origin(
            source=source,
            poller=self._settings.name,
            poll_id=self._poll_id,
            feed_time_ms=feed_time_ms,
            fetched_at_ms=fetched_at_ms,
        )

    def _take(self, answer: Answer, selection: logic.Selection, *, gap: bool = False) -> None:
        """Publish the new elements of an answer and its heartbeat."""
        self._runtime.metrics.count("response_bytes_total", answer.whole.size_bytes)
        self._runtime.metrics.count("transactions_seen_total", len(answer.transactions))
        feed_time_ms = self._clock.at(answer.feed_time_ms)
        origin = self._origin(answer.source, feed_time_ms, answer.fetched_at_ms)
        heartbeat = self._heartbeat(
            feed_time_ms,
            _OK,
            seen=len(answer.transactions),
            new=sum(element.error is None for element in selection.new),
            gap=gap,
        )
        self._publish(selection.new, heartbeat, origin)
        # Only now: transactions that neither Kafka nor the spool has taken must come again.
        self._published.update(element.identity for element in selection.new)
        if self._delivery.is_empty:
            self._runtime.health.has(READY_POLL)
        self._report_rejected(selection.new)

    def _heartbeat(
        self, feed_time_ms: int, outcome: str, *, seen: int = 0, new: int = 0, gap: bool = False
    ) -> Heartbeat:
        return Heartbeat(
            poller=self._settings.name,
            poll_id=self._poll_id,
            feed_time_ms=feed_time_ms,
            outcome=outcome,
            seen=seen,
            new=new,
            gap=gap,
        )

    def _publish(
        self, new: Sequence[logic.Element], heartbeat: Heartbeat, origin: logic.Origin
    ) -> None:
        self._runtime.metrics.set("feed_time_seconds", heartbeat.feed_time_ms / 1000)
        partitions = self._delivery.partitions()
        if partitions is not None:
            self._runtime.health.has(READY_PARTITIONS)
        # Without their number there are no ticks: Kafka is away, and later ticks go further.
        records = [logic.record(element, origin) for element in new]
        records += logic.ticks(partitions or 0, origin)
        with self._runtime.tracing.send(RAW, len(records)) as context:
            self._delivery.put(context.mark(records))
        self._delivery.put(context.mark([logic.heartbeat_record(heartbeat)]))

    def _finish(self, outcome: str, duration_s: float, *, detail: str = "") -> None:
        self._runtime.metrics.count("polls_total", outcome=outcome)
        self._runtime.metrics.observe("poll_duration_seconds", duration_s)
        self._note(outcome, detail=detail)

    def _note(self, outcome: str, *, detail: str) -> None:
        """Log a failure when it begins and when it ends."""
        if outcome != self._outcome:
            if outcome == _OK:
                log.info("poll_recovered", after=self._outcome)
            else:
                log.warning("poll_failed", outcome=outcome, error=detail)
        self._outcome = outcome

    def _report_gap(self, gap: bool) -> None:
        if gap:
            self._runtime.metrics.count("gaps_total")
            if not self._was_gap:
                log.warning("feed_outran_poll", interval_s=self._pace.interval_s)
        self._was_gap = gap

    def _report_rejected(self, new: Sequence[logic.Element]) -> None:
        errors = [element.error for element in new if element.error is not None]
        reasons = Counter(error.reason for error in errors)
        if not reasons.keys() <= self._rejected:
            log.warning(
                "transactions_rejected",
                error=str(errors[0]),
                inspect=dead_letter_command(RAW),
                **reasons,
            )
        self._rejected = frozenset(reasons)
