import pytest

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
