"""poller: the source's newest transactions in; ``raw`` and ``feed`` out.

A transaction is marked published only when Kafka has acknowledged it or the spool
on disk holds it: an outage of Kafka may repeat transactions, it loses none. A killed
process loses at most what its last answer alone showed; a second poller sees that too.
The heartbeat of a poll follows its transactions.
"""

import random
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing

from txfeatures.domain.errors import FatalError
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.logs import configure_logging, get_logger
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step, operations_server, run, stop_on_signals
from txfeatures.process.settings import load
from txfeatures.process.telemetry import open_tracing
from txfeatures_poller.outbox import Outbox, Sink
from txfeatures_poller.polling import Polling, Source
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource
from txfeatures_poller.spool import Spool

log = get_logger(__name__)


def build(
    settings: Settings,
    *,
    source: Source,
    sink: Sink,
    spool: Spool,
    runtime: Runtime,
    random: Callable[[], float],
) -> dict[str, Step]:
    """Wire the service; return its steps: ``poll``, and ``drain`` for what Kafka didn't take."""
    outbox = Outbox(sink=sink, spool=spool, runtime=runtime)
    polling = Polling(settings, source=source, outbox=outbox, runtime=runtime, random=random)
    return {"poll": polling.step, "drain": outbox.drain}


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        return _run(load(Settings))
    except FatalError as error:
        sys.stderr.write(f"poller: {error}\n")
        return 1


def _run(settings: Settings) -> int:
    configure_logging(settings.log, service="poller")
    api_code = settings.api_code.get_secret_value() if settings.api_code else None
    with ExitStack() as stack:
        tracing = stack.enter_context(open_tracing(settings.tracing, service="poller"))
        runtime = Runtime(metrics=Metrics("poller"), tracing=tracing)
        stop_on_signals(runtime.stop)
        spool = stack.enter_context(Spool(settings.spool_dir / f"{settings.name}.sqlite"))
        sink = stack.enter_context(closing(KafkaSink(settings.kafka, client_id=settings.name)))
        source = stack.enter_context(
            HttpSource(
                str(settings.url),
                api_code=api_code,
                timeout_s=settings.timeout_s,
                max_body_bytes=settings.max_body_bytes,
                feed_clock=settings.feed_clock,
                clock=runtime.clock,
            )
        )
        steps = build(
            settings,
            source=source,
            sink=sink,
            spool=spool,
            runtime=runtime,
            random=random.Random().random,  # noqa: S311 - jitter
        )
        # Built first: until then it would call itself ready.
        stack.enter_context(operations_server(settings.http_host, settings.http_port, runtime))
        exit_code = run(steps, runtime=runtime)
        if spool.size_bytes:
            log.warning("spool_left", bytes=spool.size_bytes)
        return exit_code
