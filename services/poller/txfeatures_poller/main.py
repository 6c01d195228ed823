"""poller: the source's newest transactions in; ``raw`` and ``feed`` out.

A transaction is marked published only when Kafka has acknowledged it or the spool on disk
holds it: an outage of Kafka may repeat transactions, it loses none. A killed process loses
at most the transactions that only its last answer showed; a second poller sees those too.
The heartbeat of a poll follows its transactions.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack, closing

from txfeatures.domain.topics import ALIKE
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, run
from txfeatures.process.shell import Program, serve
from txfeatures_poller.delivery import Delivery, Sink
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
    """Wire the service; return its steps: ``poll``, and ``drain``, which empties the spool."""
    delivery = Delivery(sink=sink, spool=spool, runtime=runtime)
    polling = Polling(settings, source=source, delivery=delivery, runtime=runtime, random=random)
    return {"poll": polling.step, "drain": delivery.drain}


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve("poller", Settings, _open)


def _open(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    spool = stack.enter_context(Spool(settings.spool_dir / f"{settings.name}.sqlite"))
    sink = stack.enter_context(
        closing(KafkaSink(settings.kafka, client_id=settings.name, alike=ALIKE))
    )
    source = stack.enter_context(HttpSource.from_settings(settings, clock=runtime.clock))
    steps = build(
        settings,
        source=source,
        sink=sink,
        spool=spool,
        runtime=runtime,
        random=random.Random().random,  # noqa: S311 - jitter
    )

    def program() -> int:
        exit_code = run(steps, runtime=runtime)
        if spool.size_bytes:
            log.warning("spool_left", bytes=spool.size_bytes)
        return exit_code

    return program
