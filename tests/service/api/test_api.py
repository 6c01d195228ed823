import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.declared import DEFAULT, EMPTY, row
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Heartbeat, Record, Row
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.operations import operations_server
from txfeatures.process.runtime import Runtime, run
from txfeatures_api import problems
from txfeatures_api.main import build
from txfeatures_api.server import listen
from txfeatures_api.settings import Settings

MINUTE = "2031-01-01 00:00:00"
MINUTE_S = minute_start_s(MINUTE)
PATIENCE_S = 30


class QueueTail:
    """A tail of ``feed`` that tests push heartbeats and outages into."""

    def __init__(self) -> None:
        self._polls: queue.Queue[Record | Exception] = queue.Queue()

    def push(self, feed_time_s: int) -> None:
        said = Heartbeat(poller="one", poll_id=1, feed_time_ms=feed_time_s * 1000, outcome="ok")
        self._polls.put(
            Record(
                topic="feed",
                partition=0,
                offset=0,
                key=b"one",
                value=wire.encode_heartbeat(said),
                timestamp_ms=said.feed_time_ms,
            )
        )

    def fail(self) -> None:
        self._polls.put(TransientError("Kafka's brokers don't answer"))

    def poll(self, timeout_s: float) -> list[Record]:
        try:
            polled = self._polls.get(timeout=0.02)
        except queue.Empty:
            return []
        if isinstance(polled, Exception):
            raise polled
        return [polled]


class MemoryStore:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failure: Exception | None = None

    def read(self, minutes: Sequence[int]) -> list[Row]:
        if self.failure is not None:
            raise self.failure
        return [each for each in self.rows if minute_start_s(str(each["tx_minute"])) in minutes]


class NoPositions:
    """Offsets of brokers that don't answer."""

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        raise TransientError("Kafka's brokers don't answer")

    def committed(self, group: str, topic: str) -> dict[int, int]:
        raise TransientError("Kafka's brokers don't answer")


class Service:
    """The api as built, on a real port of the loopback."""

    def __init__(self, base_url: str, operations_url: str, runtime: Runtime) -> None:
        self.url = base_url
        self._client = httpx.Client(base_url=base_url, trust_env=False)
        self._operations_url = operations_url
        self.runtime = runtime
        self.exit_code: int | None = None

    def get(self, path: str) -> httpx.Response:
        is_public = path not in ("/healthz", "/readyz", "/metrics")
        return self._client.get(path if is_public else f"{self._operations_url}{path}")

    def wait_for(self, path: str, is_right: Callable[[httpx.Response], bool]) -> httpx.Response:
        clock = SystemClock()
        deadline_s = clock.monotonic() + PATIENCE_S
        while not is_right(answer := self.get(path)):
            assert clock.monotonic() < deadline_s, answer.text
            clock.wait(self.runtime.stop, 0.02)
        return answer

    def wait_until_ready(self) -> None:
        self.wait_for("/readyz", lambda answer: answer.status_code == 200)


@contextmanager
def serving(
    store: Any, tail: QueueTail, *, drain_s: float = 0, positions: Any = None
) -> Iterator[Service]:
    settings = Settings(cache_s=0.05, drain_s=drain_s)
    runtime = Runtime(metrics=Metrics("api"))
    with (
        listen("127.0.0.1", 0) as listener,
        operations_server("127.0.0.1", 0, runtime) as operations,
    ):
        service = Service(
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            f"http://127.0.0.1:{operations}",
            runtime,
        )
        steps = build(
            settings,
            declaration=DEFAULT,
            store=store,
            tail=tail,
            positions=positions or NoPositions(),
            listener=listener,
            runtime=runtime,
        )

        def target() -> None:
            service.exit_code = run(steps, runtime=runtime)

        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            runtime.stop.set()
            thread.join(PATIENCE_S)
            service._client.close()
    assert not thread.is_alive()


@pytest.fixture
def tail() -> QueueTail:
    return QueueTail()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def make_row(*, revision: int = 1) -> Row:
    return row(
        EMPTY,
        minute_s=MINUTE_S,
        event_time_ms=MINUTE_S * 1000 + revision,
        revision=revision,
        is_final=False,
        gaps=0,
    )


def test_it_is_ready_when_the_feeds_clock_is_known_and_the_store_was_read(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.failure = TransientError("down")
    with serving(store, tail) as service:
        assert service.get("/healthz").status_code == 200
        waiting = "waiting for the feed's clock, the online store\n"
        assert service.get("/readyz").text == waiting
        tail.push(MINUTE_S)
        service.wait_for("/readyz", lambda answer: answer.text == "waiting for the online store\n")
        store.failure = None
        service.wait_until_ready()
    assert service.exit_code == 0


def test_a_recording_of_any_date_is_served_by_its_own_clock(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.rows = [make_row()]
    with serving(store, tail) as service:
        tail.push(MINUTE_S + 30)
        service.wait_until_ready()
        answer = service.get("/features/latest").json()
        assert (answer["tx_minute"], answer["as_of"]) == (MINUTE, "2031-01-01T00:00:30.000Z")
        tail.push(MINUTE_S + 40)
        service.wait_for(
            "/features/latest", lambda answer: answer.json()["staleness_s"] == pytest.approx(39.999)
        )


def test_an_outage_of_kafka_leaves_the_last_time_and_ends(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.rows = [make_row()]
    with serving(store, tail) as service:
        tail.push(MINUTE_S + 30)
        service.wait_until_ready()
        tail.fail()
        assert service.get("/features/latest").json()["as_of"] == "2031-01-01T00:00:30.000Z"
        assert service.get("/readyz").status_code == 200
        tail.push(MINUTE_S + 31)
        service.wait_for(
            "/features/latest", lambda answer: answer.json()["as_of"].endswith(":31.000Z")
        )


def test_an_outage_of_the_store_after_the_start_leaves_it_ready(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.rows = [make_row()]
    with serving(store, tail) as service:
        tail.push(MINUTE_S)
        service.wait_until_ready()
        store.failure = TransientError("ThrottlingException of the store")
        assert service.get("/features/latest").status_code == 200
        answer = service.get("/features/2030-12-01T00:00:00Z")
        assert answer.status_code == 503
        assert "Throttling" not in answer.text
        assert service.get("/readyz").status_code == 200


def test_a_store_that_refuses_for_good_at_the_start_ends_the_process(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.failure = FatalError("The feature group can't be read; run `txfeatures bootstrap`.")
    with serving(store, tail) as service:
        tail.push(MINUTE_S)
        assert service.runtime.stop.wait(PATIENCE_S)
    assert service.exit_code == 1


def test_it_goes_on_answering_while_load_balancers_turn_away(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.rows = [make_row()]
    with serving(store, tail, drain_s=2) as service:
        tail.push(MINUTE_S)
        service.wait_until_ready()
        assert service.get("/features/latest").status_code == 200  # the public port has begun
        service.runtime.stop.set()
        assert service.get("/readyz").text == "waiting for stopping\n"
        assert service.get("/features/latest").status_code == 200
    assert service.exit_code == 0


def test_without_kafka_the_counts_of_the_pipeline_are_a_problem_and_rows_are_served(
    store: MemoryStore, tail: QueueTail
) -> None:
    store.rows = [make_row()]
    with serving(store, tail) as service:
        tail.push(MINUTE_S + 30)
        service.wait_until_ready()
        answer = service.get("/v1/pipeline")
        assert answer.status_code == 503
        assert answer.json()["detail"] == problems.UNAVAILABLE
        assert service.get("/features/latest").status_code == 200
