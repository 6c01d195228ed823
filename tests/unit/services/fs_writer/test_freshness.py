import pytest

from tests.support.rows import row_record
from txfeatures.domain.model import Headers
from txfeatures.domain.wire import fetched_at
from txfeatures.process.metrics import Metrics
from txfeatures_fs_writer.freshness import Freshness


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("fs_writer")


def value(metrics: Metrics, noun: str) -> float | None:
    return metrics.registry.get_sample_value(f"txf_fs_writer_{noun}")


def test_freshness_is_the_feed_clock_less_the_newest_event_time(metrics: Metrics) -> None:
    freshness = Freshness(metrics)
    freshness.saw(100_500)
    freshness.put(98.0)
    assert value(metrics, "event_time_seconds") == 98.0
    assert value(metrics, "freshness_seconds") == 2.5


def test_freshness_gets_worse_while_only_the_feed_moves_on(metrics: Metrics) -> None:
    freshness = Freshness(metrics)
    freshness.put(98.0)
    freshness.saw(100_000)
    freshness.saw(160_000)
    assert value(metrics, "freshness_seconds") == 62.0


def test_neither_clock_goes_back(metrics: Metrics) -> None:
    freshness = Freshness(metrics)
    freshness.saw(100_000)
    freshness.put(98.0)
    freshness.saw(10_000)
    freshness.put(38.0)
    assert value(metrics, "event_time_seconds") == 98.0
    assert value(metrics, "freshness_seconds") == 2.0


def test_no_freshness_is_claimed_before_the_first_row(metrics: Metrics) -> None:
    Freshness(metrics).saw(100_000)
    assert value(metrics, "freshness_seconds") == 0.0
    assert value(metrics, "event_time_seconds") == 0.0


def test_a_row_is_as_old_as_its_oldest_poll_by_the_time_of_day(metrics: Metrics) -> None:
    Freshness(metrics).wrote(row_record(0, headers=fetched_at(1_700_000_000_250)), now_s=1.7e9 + 1)
    assert value(metrics, "row_age_seconds_sum") == 0.75
    assert value(metrics, "row_age_seconds_count") == 1


def test_a_row_of_a_machine_whose_clock_is_ahead_is_new_at_most(metrics: Metrics) -> None:
    Freshness(metrics).wrote(row_record(0, headers=fetched_at(5_000)), now_s=4.0)
    assert value(metrics, "row_age_seconds_sum") == 0
    assert value(metrics, "row_age_seconds_count") == 1


@pytest.mark.parametrize("headers", [(), (("txf-fetched-at", b"soon"),)])
def test_a_row_without_the_time_of_its_polls_has_no_age(metrics: Metrics, headers: Headers) -> None:
    Freshness(metrics).wrote(row_record(0, headers=headers), now_s=4.0)
    assert value(metrics, "row_age_seconds_count") == 0
