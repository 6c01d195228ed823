"""OpenTelemetry spans for `txfeatures.process.tracing`, with its semantic names for messaging.

Import it only if traces are on: OpenTelemetry is an extra of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context as OtelContext
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from txfeatures import __version__
from txfeatures.domain.model import Headers, KafkaRecord
from txfeatures.domain.wire import header
from txfeatures.process.tracing import Context, Tracing

TRACEPARENT = "traceparent"

MAX_LINKS = 32
"""Most records of a batch whose spans are linked, to bound the cost of a batch."""

EXPORT_TIMEOUT_S = 3.0
MAX_WAITING = 512
"""Most spans that wait for the collector, as many as one request takes: if the collector is
down, a service must not wait for more than two requests before it stops."""

_w3c = TraceContextTextMapPropagator()


class LinkedSampler(Sampler):
    """A sampler that follows the decision of linked spans, and samples others by ratio."""

    def __init__(self, ratio: float) -> None:
        self._by_ratio = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: OtelContext | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the decision of the poll that the records came from."""
        sampler: Sampler = self._by_ratio
        if links:
            is_sampled = any(link.context.trace_flags.sampled for link in links)
            sampler = ALWAYS_ON if is_sampled else ALWAYS_OFF
        return sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """Return the name and ratio of the sampler."""
        return f"LinkedSampler{{{self._by_ratio.get_description()}}}"


class Spans(Tracing):
    """The spans of one service."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("txfeatures", __version__)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Open a span around internal work."""
        with self._tracer.start_as_current_span(name):
            yield

    def past(self, name: str, *, start_s: float, end_s: float) -> None:
        """Record a span of internal work that is over."""
        span = self._tracer.start_span(
            name, context=OtelContext(), start_time=_nanoseconds(start_s)
        )
        span.end(_nanoseconds(end_s))

    @contextmanager
    def send(self, topic: str, records: int) -> Iterator[Context]:
        """Open a span around the sending of records."""
        attributes = _attributes("send", topic, records)
        with self._tracer.start_as_current_span(
            f"send {topic}", kind=SpanKind.PRODUCER, attributes=attributes
        ):
            yield _context()

    @contextmanager
    def process(self, records: Sequence[KafkaRecord], *, group: str) -> Iterator[Context]:
        """Open a span around the work on a batch."""
        topic = records[0].topic
        attributes = _attributes("process", topic, len(records))
        with self._tracer.start_as_current_span(
            f"process {topic}",
            context=OtelContext(),  # a trace of its own, even inside another span
            kind=SpanKind.CONSUMER,
            attributes={**attributes, "messaging.consumer.group.name": group},
            links=_links(records),
        ):
            yield _context()


def provider(service: str, *, ratio: float) -> TracerProvider:
    """Return a provider without an exporter that samples ``ratio`` of new traces."""
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "txfeatures",
            "service.version": __version__,
        }
    )
    return TracerProvider(resource=resource, sampler=ParentBased(LinkedSampler(ratio)))


@contextmanager
def exported(endpoint: str, *, ratio: float, service: str) -> Iterator[Tracing]:
    """Export a service's spans to ``endpoint`` (OTLP over HTTP) until the context ends."""
    made = provider(service, ratio=ratio)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    made.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING, max_export_batch_size=MAX_WAITING)
    )
    try:
        yield Spans(made)
    finally:
        made.shutdown()


def _attributes(operation: str, topic: str, records: int) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.batch.message_count": records,
    }


def _context() -> Context:
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    headers: Headers = tuple((name, value.encode()) for name, value in carrier.items())
    return Context(headers=headers)


def _links(records: Sequence[KafkaRecord]) -> list[Link]:
    step = -(-len(records) // MAX_LINKS)
    parents = (header(record.headers, TRACEPARENT) for record in records[::step])
    found = (_w3c.extract({TRACEPARENT: _text(p)}) for p in dict.fromkeys(parents) if p)
    contexts = (get_current_span(context).get_span_context() for context in found)
    return [Link(context) for context in contexts if context.is_valid]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")
