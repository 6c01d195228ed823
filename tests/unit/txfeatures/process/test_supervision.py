import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from txfeatures.domain.dead_letter_limit import TooManyDeadLettersError
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import LARGEST_BACKOFF_S, Runtime, run
from txfeatures.process.supervision import REOPEN_AFTER_S, SETTLED_AFTER_S, SupervisedStep

POLL_S = 0.5


class Service:
    """A supervised step whose outcome the test sets, and the opening of it that is in use."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.runtime = Runtime(metrics=Metrics("fs_writer"), clock=self.clock)
        self.failure: Exception | None = None
        self.refuses_to_open: Exception | None = None
        self.opened: list[str] = []
        self.step = SupervisedStep("archive", self.open, runtime=self.runtime)

    @contextmanager
    def open(self) -> Iterator[Callable[[], None]]:
        if self.refuses_to_open:
            raise self.refuses_to_open
        self.opened.append("open")
        yield self.work
        self.opened[-1] = "closed"

    def work(self) -> None:
        self.clock.advance(POLL_S)
        if self.failure:
            raise self.failure

    def run_for(self, seconds: float) -> int:
        """Call the step until the time has passed; return how many calls there were."""
        end_s, calls = self.clock.monotonic() + seconds, 0
        while self.clock.monotonic() < end_s:
            self.step()
            calls += 1
        return calls

    @property
    def is_failing(self) -> bool:
        shown = self.runtime.metrics.registry.get_sample_value(
            "txf_fs_writer_step_failing", {"step": "archive"}
        )
        assert bool(shown) == (self.runtime.health.missing() == ["the step archive"])
        return bool(shown)


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_short_failure_is_tried_again_and_not_reported(service: Service) -> None:
    service.failure = TransientError("slow down")
    service.run_for(SETTLED_AFTER_S / 2)
    assert not service.is_failing
    service.failure = None
    service.run_for(1)
    assert service.opened == ["open"]


def test_a_failure_that_lasts_is_reported_until_it_has_settled(service: Service) -> None:
    service.failure = TransientError("slow down")
    with capture_logs() as logs:
        service.run_for(2 * SETTLED_AFTER_S)
        assert service.is_failing
        service.failure = None
        service.run_for(SETTLED_AFTER_S / 2)
        assert service.is_failing
        service.run_for(SETTLED_AFTER_S)
    assert not service.is_failing
    events = [entry["event"] for entry in logs if entry["event"] != "step_retried"]
    assert events == ["step_failing", "step_recovered"]


def test_waits_grow_up_to_a_bound_also_when_the_step_is_opened_anew(service: Service) -> None:
    service.failure = FatalError("there is no bucket")
    calls = service.run_for(3600)
    assert 3600 / (LARGEST_BACKOFF_S + POLL_S) <= calls < 1.1 * 3600 / LARGEST_BACKOFF_S


def test_a_wait_is_at_least_as_long_as_the_other_side_asks(service: Service) -> None:
    service.failure = TransientError("slow down", retry_after_s=7.0)
    service.step()
    assert service.clock.monotonic() == POLL_S + 7.0


def test_a_step_leaves_its_group_before_kafka_throws_it_out(service: Service) -> None:
    service.failure = TransientError("slow down")
    service.run_for(REOPEN_AFTER_S - LARGEST_BACKOFF_S)
    assert service.opened == ["open"]
    service.run_for(3 * LARGEST_BACKOFF_S)
    assert service.opened == ["closed", "open"]
    service.run_for(2.5 * REOPEN_AFTER_S)
    assert service.opened == ["closed"] * 3 + ["open"]


@pytest.mark.parametrize("failure", [FatalError("there is no bucket"), ValueError("a defect")])
def test_what_is_fatal_or_a_defect_is_reported_at_once_and_begun_anew(
    service: Service, failure: Exception
) -> None:
    service.failure = failure
    service.step()
    assert service.is_failing
    assert service.opened == ["closed"]
    service.failure = None
    service.run_for(2 * SETTLED_AFTER_S)
    assert not service.is_failing
    assert service.opened == ["closed", "open"]


def test_a_step_that_can_not_be_opened_again_goes_on_trying(service: Service) -> None:
    service.failure = service.refuses_to_open = FatalError("committed offsets are not known")
    service.run_for(60)
    assert service.opened == ["closed"]
    service.failure = service.refuses_to_open = None
    service.run_for(60)
    assert service.opened == ["closed", "open"]
    assert not service.is_failing


def test_a_step_that_can_not_be_opened_at_the_start_stops_the_start() -> None:
    def open_step() -> Service:
        raise FatalError("no region")

    runtime = Runtime(metrics=Metrics("fs_writer"))
    with pytest.raises(FatalError, match="no region"):
        SupervisedStep("archive", open_step, runtime=runtime)  # type: ignore[arg-type]


def test_too_many_dead_letters_end_the_step_and_leave_the_others_working(service: Service) -> None:
    ended = threading.Event()

    def features() -> None:
        try:
            service.step()
        finally:
            ended.set()

    def other() -> None:
        assert ended.wait(10)
        assert not service.runtime.stop.wait(0.1)
        service.runtime.stop.set()

    service.failure = TooManyDeadLettersError("more than 3")
    assert run({"features": features, "other": other}, runtime=service.runtime, apart=True) == 1
    assert service.is_failing
    assert service.opened == ["closed"]


def test_the_process_ends_with_its_last_step(service: Service) -> None:
    service.failure = TooManyDeadLettersError("more than 3")
    assert run({"features": service.step}, runtime=service.runtime, apart=True) == 1


def test_close_closes_what_is_open(service: Service) -> None:
    service.step.close()
    assert service.opened == ["closed"]
