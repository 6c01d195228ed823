"""poller: the source's newest transactions in; ``raw`` and ``feed`` out.

A transaction is marked published only when Kafka has acknowledged it or the spool on disk
holds it: an outage of Kafka may repeat transactions, it loses none. A killed process loses
at most the transactions that only its last answer showed; a second poller sees those too.
The heartbeat of a poll follows its transactions.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing

from txfeatures.domain.topics import ALIKE
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, run
from txfeatures.process.shell import Program, serve
from txfeatures_poller.delivery import Delivery, Sink
from txfeatures_poller.polling import Polling, Source, limits
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource
from txfeatures_poller.spool import Spool
from txfeatures_poller.subscription import Subscription
from txfeatures_poller.websocket import WebsocketSource

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
    """Wire the service; return its steps: ``poll``, and ``drain``, which empties the spool."""
    delivery = Delivery(sink=sink, spool=spool, runtime=runtime)
    polling = Polling(settings, source=source, delivery=delivery, runtime=runtime, random=random)
    return {"poll": polling.step, "drain": delivery.drain}


def open_source(
    settings: Settings, *, runtime: Runtime, random: Callable[[], float]
) -> AbstractContextManager[Source]:
    """Return the source that ``settings`` describe, which the caller enters.

    Raises:
        SettingsError: The HTTP client refuses a variable of the environment.
    """
    http = HttpSource.from_settings(settings, clock=runtime.clock)
    if settings.source == "http":
        return http
    subscription = Subscription(
        str(settings.websocket_url),
        timeout_s=settings.timeout_s,
        max_message_bytes=2 * settings.kafka.max_record_bytes,
        limits=limits(settings),
        clock=runtime.clock,
        metrics=runtime.metrics,
        random=random,
    )
    return WebsocketSource(subscription, http, settings=settings, clock=runtime.clock)


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve("poller", Settings, _open)


def _open(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    spool = stack.enter_context(Spool(settings.spool_dir / f"{settings.name}.sqlite"))
    sink = stack.enter_context(
        closing(KafkaSink(settings.kafka, client_id=settings.name, alike=ALIKE))
    )
    jitter = random.Random().random  # noqa: S311 - jitter
    source = stack.enter_context(open_source(settings, runtime=runtime, random=jitter))
    steps = build(settings, source=source, sink=sink, spool=spool, runtime=runtime, random=jitter)

    def program() -> int:
        exit_code = run(steps, runtime=runtime)
        if spool.size_bytes:
            log.warning("spool_left", bytes=spool.size_bytes)
        return exit_code

    return program
