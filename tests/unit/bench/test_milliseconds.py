from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench import milliseconds
from bench.steps import STEPS, Seen

WAYS = [[0.001 * (poll + step) for step in range(len(STEPS))] for poll in range(1, 101)]


def test_an_exported_span_is_read_with_its_links_and_the_size_of_its_batch() -> None:
    exported = Span(
        name="process raw",
        span_id=b"12345678",
        parent_span_id=b"87654321",
        start_time_unix_nano=1_700_000_000_500_000_000,
        end_time_unix_nano=1_700_000_001_000_000_000,
        links=[Span.Link(span_id=b"aaaaaaaa"), Span.Link(span_id=b"bbbbbbbb")],
    )
    exported.attributes.add(key="messaging.batch.message_count").value.int_value = 11
    exported.attributes.add(key="messaging.system").value.string_value = "kafka"
    assert milliseconds.seen("dedup", exported) == Seen(
        service="dedup",
        name="process raw",
        id=b"12345678",
        parent=b"87654321",
        start_s=1_700_000_000.5,
        end_s=1_700_000_001.0,
        links=frozenset({b"aaaaaaaa", b"bbbbbbbb"}),
        records=11,
    )


def test_the_means_of_the_steps_add_up_to_that_of_the_whole() -> None:
    *steps, whole = milliseconds.table(WAYS).rows
    assert [tuple(row[:2]) for row in steps] == list(STEPS)
    means = [float(row[2]) for row in steps]
    assert means == [50.5 + number for number in range(len(STEPS))]
    assert float(whole[2]) == sum(means)


def test_a_step_has_its_median_and_its_99th_percentile() -> None:
    first, *_ = milliseconds.table(WAYS).rows
    assert list(first[2:]) == ["50.5", "50.5", "99.0"]


def test_the_page_has_the_machine_the_polls_and_the_figures() -> None:
    page = milliseconds.text(milliseconds.table(WAYS), {"cpu": "a chip", "cores": 2}, polls=100)
    assert "\n- cpu: a chip\n- cores: 2\n" in page
    assert "## Steps of 100 polls" in page
    assert "| dedup | reads it | 52.5 | 52.5 | 101.0 |" in page
    assert "$" not in page
