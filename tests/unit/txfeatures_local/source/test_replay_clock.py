import pytest

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures_local.source.replay_clock import ClockMode, check_speed, start


def test_the_poll_clock_moves_one_second_an_answer_and_by_nothing_else() -> None:
    machine = ManualClock()
    clock = start(ClockMode.POLL, 1729334970.063, clock=machine, speed=9)
    assert clock.now_s() == 1729334970
    machine.advance(100)
    assert [clock.next_s(), clock.next_s()] == [1729334971, 1729334972]
    assert clock.now_s() == 1729334972


def test_the_real_clock_starts_at_the_first_arrival_and_runs_at_its_speed() -> None:
    machine = ManualClock()
    machine.advance(50)
    clock = start(ClockMode.REAL, 1729334970.5, clock=machine, speed=60)
    assert clock.next_s() == 1729334970.5
    machine.advance(2)
    assert clock.now_s() == clock.next_s() == 1729335090.5


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_is_no_positive_number_is_refused(speed: float) -> None:
    with pytest.raises(FatalError, match="a number above 0"):
        check_speed(speed)
