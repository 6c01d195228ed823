"""Traces from the poll to the Feature Store; off unless ``TXF_TRACING_ENDPOINT`` is set.

Trace context travels in the headers of Kafka records (W3C ``traceparent``). A batch belongs to
many traces at once, so its span is linked to theirs and is a child of none. `Tracing` does
nothing and costs nothing while traces are off; ``txfeatures.process.spans`` makes the spans
and is the only module that imports OpenTelemetry.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from txfeatures.domain.model import Headers, KafkaRecord, OutgoingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The headers that link outgoing records to a span; empty while traces are off."""

    headers: Headers = ()

    def mark(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """Return ``records`` with the headers of the span added."""
        if not self.headers:
            return records
        return [replace(record, headers=(*record.headers, *self.headers)) for record in records]


_NO_CONTEXT = Context()


class Tracing:
    """The spans of a service while traces are off: none."""

    def span(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a span around internal work, child of the current span."""
        return nullcontext()

    def past(self, name: str, *, start_s: float, end_s: float) -> None:
        """Record a span of internal work that is over, in a trace of its own.

        Args:
            name: Its name.
            start_s: Its start, epoch seconds.
            end_s: Its end, epoch seconds.
        """

    def send(self, topic: str, records: int) -> AbstractContextManager[Context]:  # noqa: ARG002
        """Return a span around the sending of ``records`` records to ``topic``."""
        return nullcontext(_NO_CONTEXT)

    def process(
        self,
        records: Sequence[KafkaRecord],  # noqa: ARG002
        *,
        group: str,  # noqa: ARG002
    ) -> AbstractContextManager[Context]:
        """Return a span around the work on a batch, linked to the spans that sent its records.

        Args:
            records: The batch, of one topic and not empty. Only some records of a large batch
                are linked.
            group: The consumer group that has read it.
        """
        return nullcontext(_NO_CONTEXT)


OFF = Tracing()
