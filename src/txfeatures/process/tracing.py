"""Traces from the poll to the Feature Store; off unless ``TXF_TRACING_ENDPOINT`` is set.

Trace context travels in the headers of Kafka records (W3C ``traceparent``). Whoever reads a
batch works for many traces at once: its span is linked to theirs, and child of none. `Tracing`
itself does nothing, which is what it costs while traces are off; ``txfeatures.process.spans``
is the one that makes spans, and the only module that imports OpenTelemetry.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from txfeatures.domain.model import Headers, KafkaRecord, OutgoingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A span as the records that come out of it know it; its headers are empty while off."""

    headers: Headers = ()

    def mark(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """Return ``records`` with the span's headers, or as they are if it has none."""
        if not self.headers:
            return records
        return [replace(record, headers=(*record.headers, *self.headers)) for record in records]


_NO_CONTEXT = Context()


class Tracing:
    """The spans of a service; this one makes none."""

    def span(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a span around work of our own, child of the one that is open."""
        return nullcontext()

    def send(self, topic: str, records: int) -> AbstractContextManager[Context]:  # noqa: ARG002
        """Return a span around sending that many records to ``topic``."""
        return nullcontext(_NO_CONTEXT)

    def process(
        self,
        records: Sequence[KafkaRecord],  # noqa: ARG002
        *,
        group: str,  # noqa: ARG002
    ) -> AbstractContextManager[Context]:
        """Return a span around the work on a batch, linked to the spans its records came from.

        Args:
            records: The batch, of one topic and not empty. Of a large one only some records
                are looked at.
            group: The consumer group that has read it.
        """
        return nullcontext(_NO_CONTEXT)


OFF = Tracing()
