"""Spans in memory."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from txfeatures.process.spans import Spans, provider


class Recorder:
    """The recorded spans of several services."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()

    def tracing(self, service: str, *, ratio: float = 1.0) -> Spans:
        """Return a tracing of ``service`` that records its spans here."""
        made = provider(service, ratio=ratio)
        made.add_span_processor(SimpleSpanProcessor(self._exporter))
        return Spans(made)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Return the finished spans in order, optionally of one name."""
        found = self._exporter.get_finished_spans()
        return [span for span in found if name is None or span.name == name]


def span_id(span: ReadableSpan) -> int:
    """Return the id of a span."""
    assert span.context is not None
    return int(span.context.span_id)


def linked(span: ReadableSpan) -> set[int]:
    """Return the ids of the spans that ``span`` is linked to."""
    return {link.context.span_id for link in span.links}
