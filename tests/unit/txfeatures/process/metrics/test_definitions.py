import re

import pytest

from txfeatures.domain.features import REQUIRED
from txfeatures.process.metrics import DEFINITIONS, Metric
from txfeatures.process.settings import SERVICES


@pytest.mark.parametrize("metric", DEFINITIONS, ids=lambda metric: metric.name)
def test_every_name_follows_the_convention_and_is_described(metric: Metric) -> None:
    assert re.fullmatch(rf"txf_({'|'.join(SERVICES)})_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert metric.description.endswith(".")


def test_names_are_unique() -> None:
    assert len({metric.name for metric in DEFINITIONS}) == len(DEFINITIONS)


def test_the_stages_that_keep_state_count_their_transactions_alike() -> None:
    nouns = {
        service: {
            m.name.removeprefix(f"txf_{service}_") for m in DEFINITIONS if m.service == service
        }
        for service in SERVICES
    }
    transactional = {
        "transactions_total",
        "commit_duration_seconds",
        "rebalance_pause_seconds",
        "recovery_seconds",
        "lag_records",
    }
    assert [s for s in SERVICES if transactional <= nouns[s]] == ["dedup", "aggregator"]
    assert [s for s in SERVICES if transactional & nouns[s]] == ["dedup", "aggregator"]


def test_every_reason_for_a_dead_letter_of_a_row_is_known_beforehand() -> None:
    [metric] = [m for m in DEFINITIONS if m.name == "txf_fs_writer_dlq_records_total"]
    reasons = {f"{how}_{name}" for name in REQUIRED for how in ("missing", "bad")}
    assert reasons < set(metric.known["reason"])
