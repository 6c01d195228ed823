import pytest
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.semconv._incubating.attributes import messaging_attributes as semantic
from opentelemetry.trace import SpanKind, StatusCode, TraceFlags

from bench.collector import running_collector
from tests.support.spans import Recorder, linked, span_id
from txfeatures.domain.model import Headers, OutgoingRecord, Record
from txfeatures.process.settings import TracingSettings
from txfeatures.process.spans import MAX_LINKS, TRACEPARENT, LinkedSampler, Spans
from txfeatures.process.telemetry import open_tracing
from txfeatures.process.tracing import Context


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def poller(recorder: Recorder) -> Spans:
    return recorder.tracing("poller")


@pytest.fixture
def dedup(recorder: Recorder) -> Spans:
    return recorder.tracing("dedup")


def record(headers: Headers = (), topic: str = "raw") -> Record:
    return Record(
        topic=topic,
        partition=0,
        offset=1,
        key=b"k",
        value=b"v",
        timestamp_ms=0,
        headers=(("txf-source", b"a"), *headers),
    )


def sent(tracing: Spans) -> Context:
    with tracing.span("poll"), tracing.send("raw", 2) as context:
        return context


def sampled(headers: Headers) -> bool:
    [(_, value)] = headers
    return bool(int(value[-2:], 16) & TraceFlags.SAMPLED)


def test_records_carry_the_span_that_sent_them(recorder: Recorder, poller: Spans) -> None:
    context = sent(poller)
    sending, poll = recorder.spans()
    assert (sending.name, poll.name) == ("send raw", "poll")
    assert sending.parent is not None
    assert sending.parent.span_id == span_id(poll)
    [(name, value)] = context.headers
    assert name == "traceparent"
    assert value.split(b"-")[2] == f"{span_id(sending):016x}".encode()


def test_a_batch_is_linked_to_each_span_it_came_from_once_and_child_of_none(
    recorder: Recorder, poller: Spans, dedup: Spans
) -> None:
    contexts = [sent(poller) for _ in range(3)]
    records = [record(context.headers) for context in contexts for _ in range(4)]
    with dedup.span("open"), dedup.process(records, group="dedup"):
        pass
    [processing] = recorder.spans("process raw")
    assert linked(processing) == {span_id(span) for span in recorder.spans("send raw")}
    assert len(processing.links) == 3
    assert processing.parent is None


def test_the_links_of_a_batch_are_bounded(recorder: Recorder, poller: Spans, dedup: Spans) -> None:
    records = [record(sent(poller).headers) for _ in range(2 * MAX_LINKS + 1)]
    with dedup.process(records, group="dedup"):
        pass
    [processing] = recorder.spans("process raw")
    assert MAX_LINKS // 2 < len(processing.links) <= MAX_LINKS


@pytest.mark.parametrize(
    "value", [b"", b"00", b"\xff\xfe", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"x" * 999]
)
def test_a_header_that_is_no_trace_context_is_passed_over(
    recorder: Recorder, dedup: Spans, value: bytes
) -> None:
    with dedup.process([record(((TRACEPARENT, value),)), record()], group="dedup"):
        pass
    [processing] = recorder.spans()
    assert linked(processing) == set()


def test_spans_are_named_and_described_by_the_conventions_for_messaging(
    recorder: Recorder, poller: Spans, dedup: Spans
) -> None:
    context = sent(poller)
    with dedup.process([record(context.headers), record()], group="dedup"):
        pass
    [sending], [processing] = recorder.spans("send raw"), recorder.spans("process raw")
    assert (sending.kind, processing.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    described = {
        semantic.MESSAGING_SYSTEM: "kafka",
        semantic.MESSAGING_DESTINATION_NAME: "raw",
        semantic.MESSAGING_BATCH_MESSAGE_COUNT: 2,
    }
    assert sending.attributes == described | {
        semantic.MESSAGING_OPERATION_NAME: "send",
        semantic.MESSAGING_OPERATION_TYPE: semantic.MessagingOperationTypeValues.SEND.value,
    }
    assert processing.attributes == described | {
        semantic.MESSAGING_OPERATION_NAME: "process",
        semantic.MESSAGING_OPERATION_TYPE: semantic.MessagingOperationTypeValues.PROCESS.value,
        semantic.MESSAGING_CONSUMER_GROUP_NAME: "dedup",
    }


def test_what_fails_is_said_in_its_span_and_goes_on_failing(
    recorder: Recorder, dedup: Spans
) -> None:
    with pytest.raises(ValueError, match="no"), dedup.process([record()], group="dedup"):
        raise ValueError("no")
    [processing] = recorder.spans()
    assert processing.status.status_code is StatusCode.ERROR


def test_what_follows_a_poll_is_sampled_as_the_poll_was(recorder: Recorder) -> None:
    left_out = sent(recorder.tracing("poller", ratio=0.0))
    taken = sent(recorder.tracing("poller", ratio=1.0))
    assert (sampled(left_out.headers), sampled(taken.headers)) == (False, True)
    never, always = recorder.tracing("dedup", ratio=0.0), recorder.tracing("dedup", ratio=1.0)
    with always.process([record(left_out.headers)], group="dedup") as context:
        assert not sampled(context.headers)
    with never.process([record(left_out.headers), record(taken.headers)], group="dedup") as context:
        assert sampled(context.headers)
    assert len(recorder.spans("process raw")) == 1


def test_what_comes_from_nowhere_is_sampled_by_ratio() -> None:
    def decide(ratio: float) -> Decision:
        return LinkedSampler(ratio).should_sample(None, 2**64 - 1, "process raw", links=[]).decision

    assert (decide(0.0), decide(1.0)) == (Decision.DROP, Decision.RECORD_AND_SAMPLE)
    assert "0.5" in LinkedSampler(0.5).get_description()


def test_work_that_is_over_has_a_trace_of_its_own_with_its_times(
    recorder: Recorder, dedup: Spans
) -> None:
    with dedup.span("around"):
        dedup.past("commit", start_s=1_700_000_000.0, end_s=1_700_000_000.5)
    [commit] = recorder.spans("commit")
    assert commit.parent is None
    assert (commit.start_time, commit.end_time) == (17 * 10**17, 17 * 10**17 + 5 * 10**8)


def test_what_is_left_at_the_end_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    records = [OutgoingRecord(topic="raw", key=b"k", value=b"v", timestamp_ms=0)]
    with running_collector() as collector:
        settings = TracingSettings.model_validate({"endpoint": collector.endpoint})
        with open_tracing(settings, service="poller") as tracing, tracing.send("raw", 1) as context:
            assert context.mark(records)[0].headers
        assert [(service, span.name) for service, span in collector.spans()] == [
            ("poller", "send raw")
        ]
