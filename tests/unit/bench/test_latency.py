import pytest

from bench.latency import delays_s, summary


def test_a_delay_runs_from_a_poll_to_the_first_arrival_that_knew_of_it() -> None:
    arrivals = [(10.3, 9_000), (10.5, 10_000), (11.9, 11_000), (12.0, 12_000)]
    assert delays_s([10_000, 11_000], arrivals) == pytest.approx([0.5, 0.9])


def test_an_arrival_may_know_of_several_polls() -> None:
    assert delays_s([1_000, 2_000], [(2.5, 2_000)]) == pytest.approx([1.5, 0.5])


def test_a_poll_that_nothing_followed_is_left_out() -> None:
    assert delays_s([1_000, 5_000], [(1.25, 1_000)]) == [0.25]


def test_the_summary_has_the_median_and_nearly_the_worst() -> None:
    found = summary("the push", "aggregated", [number / 100 for number in range(101)])
    assert (found.to, found.polls) == ("aggregated", 101)
    assert found.p50_s == pytest.approx(0.5)
    assert found.p99_s == pytest.approx(0.99)
