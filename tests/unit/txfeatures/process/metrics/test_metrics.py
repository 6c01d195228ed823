import pytest
from prometheus_client import CollectorRegistry, generate_latest

from txfeatures.process.metrics import DEFINITIONS, Metric, Metrics
from txfeatures.process.settings import SERVICES


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("dedup")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_registers_each_of_its_definitions_and_no_other(service: str) -> None:
    metrics = Metrics(service)
    wanted = {m.name: m for m in DEFINITIONS if m.service == service}
    found = {family.name: family for family in metrics.registry.collect()}
    assert {name.removesuffix("_total") for name in wanted} == found.keys()
    assert len(metrics.collectors()) == len(wanted)
    for name, metric in wanted.items():
        family = found[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.description)


def test_two_services_may_share_a_registry() -> None:
    registry = CollectorRegistry()
    Metrics("dedup", registry)
    Metrics("api", registry)
    text = generate_latest(registry).decode()
    assert "txf_dedup_duplicates_total" in text
    assert "txf_api_staleness_seconds" in text


def test_what_is_counted_adds_up(metrics: Metrics) -> None:
    metrics.count("duplicates_total")
    metrics.count("duplicates_total", 2)
    metrics.count("dlq_records_total", reason="bad_key")
    metrics.set("remembered_hashes", 6, partition="1")
    metrics.set("remembered_hashes", 7, partition="1")
    metrics.set("remembered_hashes", 8, partition="2")
    metrics.set("recovery_seconds", 0.5)
    assert value(metrics, "txf_dedup_duplicates_total") == 3
    assert value(metrics, "txf_dedup_dlq_records_total", reason="bad_key") == 1
    assert value(metrics, "txf_dedup_remembered_hashes", partition="1") == 7
    assert value(metrics, "txf_dedup_remembered_hashes", partition="2") == 8
    assert value(metrics, "txf_dedup_recovery_seconds") == 0.5


def test_durations_are_counted_with_and_without_labels() -> None:
    writer, poller = Metrics("fs_writer"), Metrics("poller")
    writer.observe("put_duration_seconds", 0.5, store="online")
    poller.observe("poll_duration_seconds", 0.25)
    assert value(writer, "txf_fs_writer_put_duration_seconds_sum", store="online") == 0.5
    assert value(poller, "txf_poller_poll_duration_seconds_count") == 1


def test_a_batch_is_counted_by_records_and_bytes(metrics: Metrics) -> None:
    metrics.count_flow("in", "raw", iter([3, 4]))
    labels = {"direction": "in", "topic": "raw"}
    assert value(metrics, "txf_dedup_records_total", **labels) == 2
    assert value(metrics, "txf_dedup_bytes_total", **labels) == 7


def test_an_empty_batch_makes_no_series(metrics: Metrics) -> None:
    metrics.count_flow("out", "deduped", [])
    assert value(metrics, "txf_dedup_records_total", direction="out", topic="deduped") is None


def test_a_name_that_is_not_declared_can_not_be_counted(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.count("surprises_total")
    with pytest.raises(KeyError):
        metrics.set("duplicates_total", 1)
    with pytest.raises(KeyError):
        metrics.observe("duplicates_total", 1)


def test_a_label_that_is_not_declared_can_not_be_counted(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.count("dlq_records_total", txid="ab")
    with pytest.raises(ValueError, match="label"):
        metrics.count("dlq_records_total")
    with pytest.raises(ValueError, match="label"):
        metrics.set("recovery_seconds", 1, partition="1")
    with pytest.raises(ValueError, match="label"):
        metrics.set("remembered_hashes", 1)


@pytest.mark.parametrize("metric", DEFINITIONS, ids=lambda metric: metric.name)
def test_what_can_be_told_beforehand_stands_at_0_from_the_start(metric: Metric) -> None:
    metrics = Metrics(metric.service)
    assert not metric.known or metric.known.keys() == set(metric.labels)
    suffix = "_count" if metric.kind == "histogram" else ""
    for label, values in metric.known.items():
        samples = [
            sample.labels[label]
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == metric.name + suffix and sample.value == 0
        ]
        assert set(samples) == set(values)
