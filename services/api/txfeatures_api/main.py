"""api: the online store's features over HTTP, by the feed's clock.

The answers of one process never go back: neither the latest minute nor the revision of a
minute. It writes nothing, so any number may run, and a crash loses nothing.
"""

import socket
from contextlib import ExitStack, closing
from functools import partial

from txfeatures.domain import topics
from txfeatures.domain.errors import TransientError
from txfeatures.kafka.source import KafkaTail
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, run
from txfeatures.process.shell import Program, serve
from txfeatures_api import logic
from txfeatures_api.feed_clock import FeedClock, Tail, follow
from txfeatures_api.reader import CONNECTIONS, FeatureStoreReader
from txfeatures_api.routes import create_app
from txfeatures_api.rows import Rows, RowStore
from txfeatures_api.server import answer, listen
from txfeatures_api.settings import Settings
from txfeatures_api.shared_reads import SharedReads

FEED_CLOCK = "the feed's clock"
ONLINE_STORE = "the online store"

log = get_logger(__name__)


def build(
    settings: Settings,
    *,
    store: RowStore,
    tail: Tail,
    listener: socket.socket,
    runtime: Runtime,
) -> dict[str, Step]:
    """Wire the service; return its steps: one follows the feed's clock, one answers."""
    feed_clock = FeedClock()
    reads = SharedReads(cache_s=settings.cache_s, clock=runtime.clock, threads=CONNECTIONS)
    rows = Rows(store, reads=reads, lookback_minutes=settings.lookback_minutes)
    app = create_app(rows=rows, feed_clock=feed_clock, runtime=runtime)
    follow_feed = follow(feed_clock, tail=tail, runtime=runtime)
    prove_store = _prove(store, feed_clock, runtime)

    def feed() -> None:
        follow_feed()
        prove_store()

    return {
        "feed": feed,
        "http": answer(app, listener, drain_s=settings.drain_s, runtime=runtime),
    }


def _prove(store: RowStore, feed_clock: FeedClock, runtime: Runtime) -> Step:
    """Return the step that makes the process ready: once, the clock known and the store read."""
    missing = {FEED_CLOCK, ONLINE_STORE}
    for what in missing:
        runtime.health.wait_for(what)

    def found(what: str) -> None:
        missing.discard(what)
        runtime.health.has(what)

    def step() -> None:
        if missing and feed_clock.is_known:
            found(FEED_CLOCK)
            try:
                store.read([logic.minute_of(feed_clock.now_ms())])
            except TransientError as error:
                log.warning("store_unreachable", error=str(error))
            else:
                found(ONLINE_STORE)

    return step


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve("api", Settings, _open, own_operations=True)


def _open(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    listener = stack.enter_context(listen(settings.http_host, settings.http_port))
    store = FeatureStoreReader.connect(settings.aws, runtime=runtime)
    stack.enter_context(closing(store))
    tail = stack.enter_context(closing(KafkaTail(settings.kafka, topics.FEED)))
    steps = build(settings, store=store, tail=tail, listener=listener, runtime=runtime)
    return partial(run, steps, runtime=runtime)
