import threading

import pytest

from txfeatures.process.clock import Clock, ManualClock, SystemClock


def test_the_machines_clock_goes_on() -> None:
    clock: Clock = SystemClock()
    earlier = clock.monotonic()
    assert clock.monotonic() >= earlier
    assert clock.now() > 1_700_000_000


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 0.001])
def test_a_wait_that_nobody_stops_ends_by_itself(timeout_s: float) -> None:
    assert SystemClock().wait(threading.Event(), timeout_s) is False


def test_a_wait_ends_at_once_when_stopped() -> None:
    stop = threading.Event()
    stop.set()
    assert SystemClock().wait(stop, 3600) is True


def test_a_manual_clock_stands_until_it_is_told() -> None:
    clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_waiting_on_a_manual_clock_takes_its_time_at_once() -> None:
    clock: Clock = ManualClock(100.0)
    assert clock.wait(threading.Event(), 30.0) is False
    assert clock.now() == 130.0
    assert clock.wait(threading.Event(), -1.0) is False
    assert clock.now() == 130.0


def test_a_manual_clock_does_not_advance_for_who_was_stopped() -> None:
    clock, stop = ManualClock(100.0), threading.Event()
    stop.set()
    assert clock.wait(stop, 30.0) is True
    assert clock.now() == 100.0
