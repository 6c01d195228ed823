import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import (
    FIRST_BACKOFF_S,
    GIVE_UP_AFTER_S,
    LARGEST_BACKOFF_S,
    Health,
    Runtime,
    backoff_s,
    run,
    stop_on_signals,
)


class WatchedClock(ManualClock):
    """A manual clock that remembers how long it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        self.waits_s.append(timeout_s)
        return super().wait(stop, timeout_s)


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def runtime(clock: WatchedClock) -> Runtime:
    return Runtime(metrics=Metrics("dedup"), clock=clock)


@pytest.fixture
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def failing(runtime: Runtime, *errors: Exception) -> Callable[[], None]:
    """Return a step that fails with each error in turn, then stops the service."""
    rest = list(errors)

    def step() -> None:
        if rest:
            raise rest.pop(0)
        runtime.stop.set()

    return step


@pytest.mark.usefixtures("_signals_as_they_were")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_only_sets_the_flag(number: signal.Signals) -> None:
    stop = threading.Event()
    stop_on_signals(stop)
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(10)


def test_steps_run_again_and_again_until_told_to_stop(runtime: Runtime) -> None:
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        if len(calls) == 5:
            runtime.stop.set()

    assert run({"count": step}, runtime=runtime) == 0
    assert len(calls) == 5


def test_a_service_told_to_stop_before_it_starts_does_nothing(runtime: Runtime) -> None:
    calls: list[int] = []
    runtime.stop.set()
    assert run({"count": lambda: calls.append(1)}, runtime=runtime) == 0
    assert calls == []


def test_what_may_pass_is_tried_again_after_longer_and_longer_waits(
    runtime: Runtime, clock: WatchedClock
) -> None:
    step = failing(runtime, *(TransientError("down") for _ in range(4)))
    assert run({"write": step}, runtime=runtime) == 0
    assert clock.waits_s == [0.2, 0.4, 0.8, 1.6]


def test_a_wait_is_at_least_as_long_as_the_other_side_asks(
    runtime: Runtime, clock: WatchedClock
) -> None:
    step = failing(
        runtime,
        TransientError("throttled", retry_after_s=7.0),
        TransientError("throttled", retry_after_s=0.001),
    )
    assert run({"write": step}, runtime=runtime) == 0
    assert clock.waits_s == [7.0, 0.4]


def test_success_starts_the_waits_from_the_shortest_again(
    runtime: Runtime, clock: WatchedClock
) -> None:
    outcomes = [TransientError("down"), TransientError("down"), None, TransientError("down")]

    def step() -> None:
        if not outcomes:
            runtime.stop.set()
        elif error := outcomes.pop(0):
            raise error

    assert run({"write": step}, runtime=runtime) == 0
    assert clock.waits_s == [0.2, 0.4, 0.2]


def test_what_does_not_pass_in_time_ends_the_service(
    runtime: Runtime, clock: WatchedClock, caplog: pytest.LogCaptureFixture
) -> None:
    def step() -> None:
        raise TransientError("down")

    assert run({"write": step}, runtime=runtime) == 1
    assert GIVE_UP_AFTER_S < clock.monotonic() <= GIVE_UP_AFTER_S + LARGEST_BACKOFF_S


def test_an_outage_that_passes_in_time_does_not_count_towards_the_next(
    runtime: Runtime, clock: WatchedClock
) -> None:
    def fail_for(seconds: float) -> Iterator[TransientError | None]:
        until = clock.monotonic() + seconds
        while clock.monotonic() < until:
            yield TransientError("down")
        yield None

    outcomes = (outcome for _ in range(3) for outcome in fail_for(200.0))

    def step() -> None:
        outcome = next(outcomes, StopIteration)
        if outcome is StopIteration:
            runtime.stop.set()
        elif isinstance(outcome, TransientError):
            raise outcome

    assert run({"write": step}, runtime=runtime) == 0
    assert clock.monotonic() > 2 * GIVE_UP_AFTER_S


@pytest.mark.parametrize("error", [FatalError("the topic is gone"), ValueError("a bug")])
def test_a_step_that_fails_for_good_ends_the_process_with_1(
    runtime: Runtime, error: Exception
) -> None:
    assert run({"write": failing(runtime, error)}, runtime=runtime) == 1
    assert runtime.stop.is_set()


def test_one_dead_step_stops_the_others(runtime: Runtime) -> None:
    entered = threading.Event()

    def patient() -> None:
        entered.set()
        runtime.stop.wait(10)

    def doomed() -> None:
        entered.wait(10)
        raise FatalError("gone")

    assert run({"patient": patient, "doomed": doomed}, runtime=runtime) == 1


@pytest.mark.parametrize(
    ("attempt", "expected_s"),
    [(1, FIRST_BACKOFF_S), (2, 0.4), (6, 6.4), (7, LARGEST_BACKOFF_S), (10**6, LARGEST_BACKOFF_S)],
)
def test_waits_double_up_to_a_bound(attempt: int, expected_s: float) -> None:
    assert backoff_s(attempt) == pytest.approx(expected_s)


def test_health_names_what_is_missing_until_it_is_there() -> None:
    health = Health()
    assert health.missing() == []
    health.wait_for("table")
    health.wait_for("partitions")
    assert health.missing() == ["partitions", "table"]
    health.has("table")
    health.has("never asked for")
    assert health.missing() == ["partitions"]
