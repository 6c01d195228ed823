import pytest

from txfeatures_poller.pace import Limits, Pace


def initial(**changes: float) -> Pace:
    return Pace.initial(
        Limits(
            interval_s=changes.get("interval_s", 1.0),
            min_interval_s=changes.get("min_interval_s", 0.4),
            backoff_first_s=2.0,
            backoff_max_s=60.0,
        )
    )


def failed(times: int) -> Pace:
    pace = initial()
    for _ in range(times):
        pace = pace.failed()
    return pace


def test_the_next_poll_starts_one_interval_after_the_last_one_started() -> None:
    assert initial().wait_s(elapsed_s=0.25, draw=0.9) == 0.75


def test_a_poll_slower_than_the_interval_is_followed_at_once() -> None:
    assert initial().wait_s(elapsed_s=7.0, draw=0.9) == 0.0


def test_interval_zero_never_waits() -> None:
    pace = initial(interval_s=0.0).answered(gap=True).answered(gap=False)
    assert pace.wait_s(elapsed_s=0.0, draw=0.9) == 0.0


def test_a_gap_halves_the_interval_down_to_the_least() -> None:
    first = initial().answered(gap=True)
    second = first.answered(gap=True)
    assert (first.interval_s, second.interval_s) == (0.5, 0.4)


def test_the_least_interval_never_lengthens_a_shorter_one() -> None:
    assert initial(interval_s=0.1, min_interval_s=0.4).answered(gap=True).interval_s == 0.1


def test_the_interval_recovers_slowly_to_the_usual_one_and_stays_there() -> None:
    pace = initial().answered(gap=True)
    intervals_s = []
    for _ in range(40):
        pace = pace.answered(gap=False)
        intervals_s.append(pace.interval_s)
    assert intervals_s[0] == pytest.approx(0.51)
    assert intervals_s == sorted(intervals_s)
    assert intervals_s[-1] == 1.0


def test_a_failure_ends_the_haste_after_a_gap() -> None:
    assert initial().answered(gap=True).failed().interval_s == 1.0


@pytest.mark.parametrize(
    ("failures", "ceiling_s"), [(1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (5000, 60.0)]
)
def test_the_backoff_is_drawn_below_a_ceiling_that_doubles_up_to_the_largest(
    failures: int, ceiling_s: float
) -> None:
    pace = failed(failures)
    assert pace.wait_s(elapsed_s=1.0, draw=0.0) == 0.0
    assert pace.wait_s(elapsed_s=1.0, draw=0.5) == ceiling_s / 2
    assert pace.wait_s(elapsed_s=1.0, draw=1.0) == ceiling_s


def test_a_failed_poll_is_never_followed_faster_than_the_usual_rate() -> None:
    assert failed(1).wait_s(elapsed_s=0.2, draw=0.0) == pytest.approx(0.8)


def test_an_answer_ends_the_backoff() -> None:
    assert failed(9).answered(gap=False).wait_s(elapsed_s=1.0, draw=1.0) == 0.0


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, 0.0), (0.0, 0.0), (30.0, 30.0)])
def test_a_source_is_left_alone_as_long_as_it_asks(asked_s: float | None, waited_s: float) -> None:
    assert failed(1).wait_s(elapsed_s=1.0, draw=0.0, retry_after_s=asked_s) == waited_s


def test_a_longer_backoff_outlasts_retry_after() -> None:
    assert failed(6).wait_s(elapsed_s=1.0, draw=1.0, retry_after_s=5.0) == 60.0
