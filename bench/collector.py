"""A collector of exported spans, in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kafka_local.ports import HOST
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


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

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        collector.endpoint = f"http://{HOST}:{server.server_address[1]}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
