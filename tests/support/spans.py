"""Spans in memory, and a collector of exported spans."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
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


class Collector:
    """The spans exported by OTLP over HTTP.

    Attributes:
        endpoint: URL to export to.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self._bodies: list[bytes] = []

    def take(self, body: bytes) -> None:
        """Store the body of one request."""
        self._bodies.append(body)

    def spans(self) -> list[tuple[str, Span]]:
        """Return the name of the service and the span, for each span."""
        return [
            (service.value.string_value, span)
            for body in list(self._bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for service in resource.resource.attributes
            if service.key == "service.name"
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector until the context ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
