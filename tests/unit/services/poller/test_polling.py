import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.memory_sink import MemorySink, ids, tx, tx_hash
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import Heartbeat, OutgoingRecord
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.tracing import OFF, Context, Tracing
from txfeatures_poller.delivery import Delivery
from txfeatures_poller.logic import Element, Whole
from txfeatures_poller.polling import HELD_BACK_S, READY_PARTITIONS, READY_POLL, Polling
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import Answer, PollFailedError, Push
from txfeatures_poller.spool import Spool, SpoolError

FEED_MS = 1_729_334_941_000


def answer(
    *transactions: bytes, feed_time_ms: int = FEED_MS, other_clock_ms: int | None = None
) -> Answer:
    return Answer(
        source="example.org",
        transactions=transactions,
        feed_time_ms=feed_time_ms,
        fetched_at_ms=1,
        whole=Whole.of(b"0123456789"),
        other_clock_ms=other_clock_ms,
    )


def failure(
    outcome: str = "http_429",
    *,
    feed_time_ms: int | None = FEED_MS,
    retry_after_s: float | None = None,
    letter: Element | None = None,
) -> PollFailedError:
    return PollFailedError(
        outcome,
        "for a test",
        feed_time_ms=feed_time_ms,
        retry_after_s=retry_after_s,
        letter=letter,
    )


class ScriptedSource:
    """Gives what a test has scripted, and notes when it was asked.

    Attributes:
        pushes: What is pushed in each wait, after half of it; None for nothing.
    """

    name = "example.org"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.script: list[Answer | PollFailedError] = []
        self.asked_at_s: list[float] = []
        self.pushes: list[Push | None] = []
        self.takes_s = 0.0

    def wait(self, stop: threading.Event, timeout_s: float) -> Push | None:
        push = self.pushes.pop(0) if self.pushes else None
        self._clock.wait(stop, timeout_s / 2 if push else timeout_s)
        return push

    def fetch(self) -> Answer:
        self.asked_at_s.append(self._clock.monotonic())
        self._clock.advance(self.takes_s)
        step = self.script.pop(0)
        if isinstance(step, PollFailedError):
            raise step
        return step


class FullDisk(Spool):
    def append(self, records: Sequence[OutgoingRecord]) -> None:
        raise SpoolError("no space left")


class Service:
    """A polling with fakes around it."""

    def __init__(self, spool: Spool, *, tracing: Tracing = OFF, **settings: float) -> None:
        self.clock = ManualClock()
        self.runtime = Runtime(metrics=Metrics("poller"), clock=self.clock, tracing=tracing)
        self.source = ScriptedSource(self.clock)
        self.sink = MemorySink()
        self.delivery = Delivery(sink=self.sink, spool=spool, runtime=self.runtime)
        self.polling = Polling(
            Settings.model_validate({"name": "poller-0", "full_answer": 2} | settings),
            source=self.source,
            delivery=self.delivery,
            runtime=self.runtime,
            random=lambda: 0.5,
        )

    def poll(self, *script: Answer | PollFailedError) -> None:
        """Poll once for each scripted answer."""
        self.source.script += script
        for _ in script:
            self.polling.step()

    def heartbeats(self) -> list[Heartbeat]:
        return [wire.decode_heartbeat(record.value) for record in self.sink.of("feed")]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.runtime.metrics.registry.get_sample_value(f"txf_poller_{name}", labels)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.sqlite") as spool:
        yield spool


@pytest.fixture
def service(spool: Spool) -> Service:
    return Service(spool)


def test_a_poll_publishes_transactions_then_ticks_and_when_those_are_safe_its_heartbeat(
    service: Service,
) -> None:
    service.poll(answer(tx(1), tx(2)))
    data, heartbeat = service.sink.calls
    assert ids(data) == [tx_hash(1), tx_hash(2), "tick", "tick"]
    assert ids(heartbeat) == ["poller-0"]
    assert {record.timestamp_ms for record in service.sink.records} == {FEED_MS}


def test_the_span_of_the_sending_ends_with_the_acknowledgement_and_marks_the_heartbeat(
    spool: Spool,
) -> None:
    marked = Context(headers=(("traceparent", b"00"),))
    acknowledged: list[int] = []

    class Spans(Tracing):
        @contextmanager
        def send(self, topic: str, records: int) -> Iterator[Context]:
            assert (topic, records) == ("raw", 3)
            yield marked
            acknowledged.append(len(traced.sink.records))

    traced = Service(spool, tracing=Spans())
    traced.poll(answer(tx(1)))
    assert acknowledged == [3]
    assert {record.headers[-1] for record in traced.sink.records} == {*marked.headers}


def test_a_transaction_is_published_once_however_often_it_is_shown(service: Service) -> None:
    service.poll(answer(tx(1), tx(2)), answer(tx(3), tx(2)), answer(tx(3), tx(1)))
    assert [id_ for id_ in ids(service.sink.of("raw")) if id_ != "tick"] == [
        tx_hash(1),
        tx_hash(2),
        tx_hash(3),
    ]


def test_what_is_larger_than_the_setting_is_a_dead_letter_without_its_bytes(
    service: Service, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tx(1, script="f" * 2_000_000)
    service.poll(answer(large))
    assert ids(service.sink.of("raw"))[0] == tx_hash(1)
    monkeypatch.setenv("TXF_KAFKA_MAX_RECORD_BYTES", "1048576")
    small = Service(spool)
    small.poll(answer(large, tx(2)))
    [letter] = small.sink.of("raw.dlq")
    assert letter.value is None
    assert wire.header(letter.headers, wire.REASON_HEADER) == b"too_large"
    assert ids(small.sink.of("raw"))[0] == tx_hash(2)


def test_a_heartbeat_says_what_the_poll_brought(service: Service) -> None:
    service.poll(answer(tx(1), tx(2, fee=-1)), answer(tx(1), tx(3), feed_time_ms=FEED_MS + 1000))
    assert service.heartbeats() == [
        Heartbeat(poller="poller-0", poll_id=1, feed_time_ms=FEED_MS, outcome="ok", seen=2, new=1),
        Heartbeat(
            poller="poller-0", poll_id=2, feed_time_ms=FEED_MS + 1000, outcome="ok", seen=2, new=1
        ),
    ]


def test_a_failed_poll_ticks_and_says_why(service: Service) -> None:
    service.poll(failure("html", feed_time_ms=FEED_MS))
    assert ids(service.sink.records) == ["tick", "tick", "poller-0"]
    assert [(h.outcome, h.is_alive) for h in service.heartbeats()] == [("html", False)]


def test_before_the_feeds_time_is_known_a_failed_poll_says_nothing(service: Service) -> None:
    service.poll(failure(feed_time_ms=None))
    assert service.sink.records == []


TWO_DAYS_MS = 2 * 86_400_000


@pytest.mark.parametrize("ahead_ms", [TWO_DAYS_MS, 3_600_000])
def test_an_answer_of_a_wrong_clock_suffers_alone(service: Service, ahead_ms: int) -> None:
    service.poll(
        answer(tx(1)),
        answer(tx(2), tx(1), feed_time_ms=FEED_MS + ahead_ms),
        failure(feed_time_ms=FEED_MS + ahead_ms),
        answer(tx(3), tx(2), feed_time_ms=FEED_MS + 3000),
    )
    assert [(h.outcome, h.feed_time_ms) for h in service.heartbeats()] == [
        ("ok", FEED_MS),
        ("clock_jump", FEED_MS),
        ("http_429", FEED_MS),
        ("ok", FEED_MS + 3000),
    ]
    keys = [key for key in ids(service.sink.of("raw")) if key != "tick"]
    assert keys == [tx_hash(1), tx_hash(3), tx_hash(2)]
    assert max(record.timestamp_ms for record in service.sink.records) == FEED_MS + 3000
    assert service.sample("polls_total", outcome="clock_jump") == 1


def test_a_date_behind_does_not_turn_the_clock_back(service: Service) -> None:
    service.poll(answer(tx(1)), answer(tx(2), feed_time_ms=FEED_MS - TWO_DAYS_MS))
    assert {record.timestamp_ms for record in service.sink.records} == {FEED_MS}


def test_a_wrong_clock_is_refused_from_the_first_answer_on(service: Service) -> None:
    ahead_ms = FEED_MS + TWO_DAYS_MS
    wrong = answer(tx(1), feed_time_ms=ahead_ms, other_clock_ms=FEED_MS)
    service.poll(wrong, wrong, failure(feed_time_ms=ahead_ms), answer(feed_time_ms=ahead_ms))
    assert service.sink.records == []
    service.poll(answer(tx(1)))
    assert [heartbeat.outcome for heartbeat in service.heartbeats()] == ["ok"]


def test_a_jump_that_transactions_confirm_is_followed(service: Service) -> None:
    later = answer(tx(2, time=1_729_334_940 + 7200), feed_time_ms=FEED_MS + 7_200_000)
    service.poll(answer(tx(1)), later)
    assert service.heartbeats()[-1].feed_time_ms == FEED_MS + 7_200_000


def test_the_dead_letter_of_a_whole_answer_is_sent_once(service: Service) -> None:
    letter = Whole.of(b"[[[[").refused("too_many", "brackets")
    service.poll(failure("too_many", letter=letter), failure("too_many", letter=letter))
    assert [record.value for record in service.sink.of("raw.dlq")] == [b"[[[["]
    assert [heartbeat.outcome for heartbeat in service.heartbeats()] == ["too_many"] * 2


def test_polls_start_at_a_fixed_rate(service: Service) -> None:
    service.source.takes_s = 0.3
    service.poll(*[answer(tx(1))] * 3)
    assert service.source.asked_at_s == pytest.approx([0.0, 1.0, 2.0])


def test_a_slow_poll_is_not_made_up_for(service: Service) -> None:
    service.source.takes_s = 5.0
    service.poll(*[answer(tx(1))] * 3)
    assert service.source.asked_at_s == pytest.approx([0.0, 5.0, 10.0])


def test_failures_back_off_and_keep_to_retry_after(service: Service) -> None:
    service.poll(failure(), failure(), failure(), failure(retry_after_s=30.0), answer(tx(1)))
    assert service.source.asked_at_s == pytest.approx([0.0, 1.0, 2.0, 4.0, 34.0])


def test_a_gap_is_counted_said_and_followed_sooner(service: Service) -> None:
    service.poll(answer(tx(1), tx(2)), answer(tx(3), tx(4)), answer(tx(3), tx(4)))
    assert [heartbeat.gap for heartbeat in service.heartbeats()] == [False, True, False]
    assert service.sample("gaps_total") == 1
    assert service.source.asked_at_s == pytest.approx([0.0, 1.0, 1.5])


def test_failed_polls_in_between_do_not_hide_a_gap(service: Service) -> None:
    service.poll(answer(tx(1), tx(2)), failure(), answer(tx(3), tx(4)))
    assert service.heartbeats()[-1].gap


def test_an_answer_that_is_not_full_is_no_gap(service: Service) -> None:
    service.poll(answer(tx(1), tx(2)), answer(tx(3)), answer(tx(4), tx(5)))
    assert not any(heartbeat.gap for heartbeat in service.heartbeats())


def test_full_answers_of_nothing_but_the_same_poison_are_no_gap(service: Service) -> None:
    poison = tx(1, fee=...), tx(2, fee=...)
    service.poll(answer(*poison), answer(*poison))
    assert not any(heartbeat.gap for heartbeat in service.heartbeats())


def test_an_outage_of_kafka_does_not_stop_the_polls_and_keeps_their_order(
    service: Service,
) -> None:
    service.poll(answer(tx(1)))
    service.sink.room = 1
    service.poll(answer(tx(2)), answer(tx(2), tx(3), feed_time_ms=FEED_MS + 1000), failure())
    service.sink.room = None
    while not service.delivery.is_empty:
        service.delivery.drain()
    service.poll(answer(tx(4)))
    poll = ["tick", "tick", "poller-0"]
    assert ids(service.sink.records) == [
        *(tx_hash(1), *poll),
        *(tx_hash(2), *poll),
        *(tx_hash(3), *poll),
        *poll,
        *(tx_hash(4), *poll),
    ]


def test_a_start_without_kafka_polls_and_ticks_once_the_partitions_are_known(
    service: Service,
) -> None:
    service.sink.room = 0
    service.poll(answer(tx(1)))
    assert service.runtime.health.missing() == [READY_POLL, READY_PARTITIONS]
    service.sink.room = None
    while not service.delivery.is_empty:
        service.delivery.drain()
    service.poll(answer(tx(2)))
    assert ids(service.sink.records) == [
        *(tx_hash(1), "poller-0"),
        *(tx_hash(2), "tick", "tick", "poller-0"),
    ]


def test_it_is_ready_after_a_poll_that_was_answered_and_acknowledged(service: Service) -> None:
    assert service.runtime.health.missing() == [READY_POLL, READY_PARTITIONS]
    service.poll(failure())
    assert service.runtime.health.missing() == [READY_POLL]
    service.poll(answer(tx(1)))
    assert service.runtime.health.missing() == []


def test_a_full_spool_holds_the_polls_back_until_it_is_drained(spool: Spool) -> None:
    service = Service(spool, spool_max_bytes=0)
    service.sink.room = 0
    service.poll(answer(tx(1)))
    service.polling.step()
    service.polling.step()
    assert len(service.source.asked_at_s) == 1
    assert service.sample("spool_refusals_total") == 2
    service.sink.room = None
    while not service.delivery.is_empty:
        service.delivery.drain()
    service.poll(answer(tx(2)))
    assert len(service.source.asked_at_s) == 2
    assert service.clock.monotonic() >= 2 * HELD_BACK_S


def test_what_neither_kafka_nor_the_disk_took_is_published_by_the_next_poll(
    tmp_path: Path,
) -> None:
    with FullDisk(tmp_path / "spool.sqlite") as spool:
        service = Service(spool)
        service.sink.room = 0
        with pytest.raises(SpoolError):
            service.poll(answer(tx(1)))
        service.sink.room = None
        service.poll(answer(tx(1)))
    assert ids(service.sink.of("raw")) == [tx_hash(1), "tick", "tick"]
    assert service.source.asked_at_s == pytest.approx([0.0, 1.0])


def test_a_producer_beyond_repair_ends_the_polls(service: Service) -> None:
    service.sink.is_broken = True
    with pytest.raises(FatalError):
        service.poll(answer(tx(1)))


def test_told_to_stop_it_does_not_poll(service: Service) -> None:
    service.runtime.stop.set()
    service.polling.step()
    assert service.source.asked_at_s == []


def test_metrics_tell_the_polls(service: Service) -> None:
    service.source.takes_s = 0.25
    service.poll(answer(tx(1), tx(2)), failure("timeout"), answer(tx(3), tx(4)))
    assert service.sample("polls_total", outcome="ok") == 2
    assert service.sample("polls_total", outcome="timeout") == 1
    assert service.sample("poll_duration_seconds_sum") == pytest.approx(0.75)
    assert service.sample("response_bytes_total") == 20
    assert service.sample("transactions_seen_total") == 4
    assert service.sample("feed_time_seconds") == FEED_MS / 1000
    assert service.sample("interval_seconds") == 0.5


def test_each_trouble_is_logged_when_it_begins(spool: Spool) -> None:
    service = Service(spool, spool_max_bytes=0)
    with capture_logs() as logs:
        service.poll(failure("timeout"), failure("timeout"), failure("html"), answer(tx(1), tx(2)))
        service.poll(answer(tx(3), tx(4)), answer(tx(5), tx(6)), answer(tx(5), tx(6)))
        service.poll(answer(tx(7, fee=-1)), answer(tx(8, fee=-1)))
        service.sink.room = 0
        service.poll(answer(tx(9)))
        service.polling.step()
        service.polling.step()
    assert [entry["event"] for entry in logs] == [
        "poll_failed",
        "poll_failed",
        "poll_recovered",
        "feed_outran_poll",
        "transactions_rejected",
        "kafka_refused",
        "spool_full",
    ]
    assert logs[4]["inspect"] == "txfeatures dlq list --topic raw.dlq"


def push(*transactions: bytes, feed_time_ms: int = FEED_MS, poll_after_s: float = 1.0) -> Push:
    pushed = replace(answer(*transactions, feed_time_ms=feed_time_ms), source="ws.example.org")
    return Push(answer=pushed, poll_after_s=poll_after_s)


def test_pushed_transactions_are_published_like_polled_ones_between_two_polls(
    service: Service,
) -> None:
    service.source.pushes = [None, push(tx(2), tx(1), tx(3, fee=-1), feed_time_ms=FEED_MS + 500)]
    service.poll(answer(tx(1)))
    service.polling.step()
    assert ids(service.sink.of("raw")) + ids(service.sink.of("feed")) == [
        *(tx_hash(1), "tick", "tick"),
        *(tx_hash(2), "tick", "tick"),
        *("poller-0", "poller-0"),
    ]
    assert ids(service.sink.calls[-1]) == ["poller-0"]
    [letter] = service.sink.of("raw.dlq")
    assert letter.value == tx(3, fee=-1)
    assert service.heartbeats()[1] == Heartbeat(
        poller="poller-0", poll_id=2, feed_time_ms=FEED_MS + 500, outcome="ok", seen=3, new=1
    )
    assert service.sample("pushed_transactions_total") == 3
    assert service.sample("polls_total", outcome="ok") == 1


def test_the_records_of_a_push_name_the_host_that_pushed(service: Service) -> None:
    service.source.pushes = [push(tx(1))]
    service.polling.step()
    assert wire.header(service.sink.of("raw")[0].headers, "txf-source") == b"ws.example.org"


def test_a_push_puts_the_next_poll_off_as_the_source_wants(service: Service) -> None:
    service.source.pushes = [None, push(tx(2), poll_after_s=7.0), push(tx(3), poll_after_s=0.0)]
    service.poll(answer(tx(1)))
    service.polling.step()
    service.polling.step()
    service.poll(answer(tx(3)))
    assert service.source.asked_at_s == pytest.approx([0.0, 0.5 + 3.5])


def test_a_push_does_not_hasten_polls_that_fail(service: Service) -> None:
    service.source.pushes = [None, push(tx(1), poll_after_s=0.0)]
    service.poll(failure(retry_after_s=30.0))
    service.polling.step()
    service.poll(answer(tx(1)))
    assert service.source.asked_at_s == pytest.approx([0.0, 30.0])


def test_pushes_in_between_are_no_gap_and_a_poll_that_shows_none_of_them_is_one(
    service: Service,
) -> None:
    service.source.pushes = [None, push(tx(3)), None, push(tx(6)), None]
    service.poll(answer(tx(1), tx(2)))
    service.polling.step()
    service.poll(answer(tx(4), tx(3)))
    service.polling.step()
    service.poll(answer(tx(7), tx(8)))
    assert [heartbeat.gap for heartbeat in service.heartbeats()] == [False] * 4 + [True]
    assert service.sample("gaps_total") == 1


def test_after_a_gap_pushes_put_no_poll_off(service: Service) -> None:
    service.source.pushes = [None, None, push(tx(5), poll_after_s=9.0)]
    service.poll(answer(tx(1), tx(2)), answer(tx(3), tx(4)))
    service.polling.step()
    service.poll(answer(tx(5), tx(4)))
    assert service.source.asked_at_s == pytest.approx([0.0, 1.0, 1.5])


def test_a_push_of_a_wrong_clock_is_refused_and_shown_by_the_next_poll(service: Service) -> None:
    service.source.pushes = [None, push(tx(2), feed_time_ms=FEED_MS + TWO_DAYS_MS)]
    service.poll(answer(tx(1)))
    service.polling.step()
    service.poll(answer(tx(2)))
    assert [h.outcome for h in service.heartbeats()] == ["ok", "clock_jump", "ok"]
    assert {record.timestamp_ms for record in service.sink.records} == {FEED_MS}
    assert tx_hash(2) in ids(service.sink.of("raw"))


def test_a_full_spool_takes_no_pushes(spool: Spool) -> None:
    service = Service(spool, spool_max_bytes=0)
    service.sink.room = 0
    service.source.pushes = [push(tx(1)), push(tx(2))]
    service.polling.step()
    service.polling.step()
    assert len(service.source.pushes) == 1


def test_what_was_pushed_when_it_was_told_to_stop_is_published(service: Service) -> None:
    service.source.pushes = [push(tx(1))]
    service.runtime.stop.set()
    service.polling.step()
    assert ids(service.sink.of("raw")) == [tx_hash(1), "tick", "tick"]


def test_a_push_makes_it_ready(service: Service) -> None:
    service.source.pushes = [push(tx(1))]
    service.polling.step()
    assert service.runtime.health.missing() == []
