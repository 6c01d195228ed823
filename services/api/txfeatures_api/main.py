"""api: the online store's features over HTTP, by the feed's clock.

The answers of one process never go back: neither the latest minute nor the revision of a
minute. It writes nothing, so any number may run, and a crash loses nothing.
"""

import socket
from contextlib import ExitStack, closing
from functools import partial

from starlette.types import ASGIApp

from txfeatures.domain import topics
from txfeatures.domain.features import Declaration
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.tails import TAIL_RECORDS, KafkaTail
from txfeatures.process.declared import load_features
from txfeatures.process.runtime import Runtime, Step, run
from txfeatures.process.shell import Program, serve
from txfeatures_api.authentication import Authenticator, Tokens
from txfeatures_api.changes import follow_changes
from txfeatures_api.edge import protect
from txfeatures_api.features import open_features
from txfeatures_api.feed_clock import FeedClock, follow
from txfeatures_api.following import Tail
from txfeatures_api.limits import Limits
from txfeatures_api.openid import Keys, OpenId, fetch_from
from txfeatures_api.pipeline import Pipeline, Positions
from txfeatures_api.reader import FeatureStoreReader
from txfeatures_api.routes import create_app
from txfeatures_api.rows import RowStore
from txfeatures_api.server import answer, listen
from txfeatures_api.settings import Settings
from txfeatures_api.watch import watch

FEED_CLOCK = "the feed's clock"
ONLINE_STORE = "the online store"


def build(
    settings: Settings,
    *,
    declaration: Declaration,
    store: RowStore,
    tail: Tail,
    listener: socket.socket,
    runtime: Runtime,
    positions: Positions,
    changes: Tail | None = None,
) -> dict[str, Step]:
    """Wire the service; return its steps.

    They follow the feed's clock, read the newest rows, answer, and, if there are ``changes``
    (a tail of ``aggregated``), follow the rows that the store gets. With ``positions`` the
    counts of the pipeline are served.
    """
    feed_clock = FeedClock()
    features = open_features(settings, store, feed_clock, runtime, declaration)
    pipeline = Pipeline(positions, clock=runtime.clock)
    app = create_app(features=features, pipeline=pipeline, runtime=runtime)
    health = runtime.health
    for what in (FEED_CLOCK, ONLINE_STORE):
        health.wait_for(what)
    steps = {
        "feed": follow(feed_clock, tail=tail, runtime=runtime),
        "store": watch(
            features.watch,
            interval_s=settings.cache_s,
            runtime=runtime,
            on_clock=lambda: health.has(FEED_CLOCK),
            on_read=lambda: health.has(ONLINE_STORE),
            on_stop=features.hub.close,
        ),
        "http": answer(
            protected(app, settings, runtime),
            listener,
            limits=limits(settings),
            drain_s=settings.drain_s,
            runtime=runtime,
        ),
    }
    if changes is not None:
        steps["changes"] = follow_changes(
            features.rows, declaration.features, tail=changes, runtime=runtime
        )
    return steps


def protected(app: ASGIApp, settings: Settings, runtime: Runtime) -> ASGIApp:
    """Return the application as the public port serves it."""
    authenticators: list[Authenticator] = []
    if settings.clients:
        authenticators.append(Tokens(settings.clients))
    if settings.oidc_issuer is not None and settings.oidc_audience is not None:
        authenticators.append(
            OpenId(
                issuer=settings.oidc_issuer,
                audience=settings.oidc_audience,
                leeway_s=settings.oidc_leeway_s,
                keys=Keys(fetch_from(settings.oidc_issuer), clock=runtime.clock),
            )
        )
    return protect(
        app,
        hosts=settings.hosts,
        origins=settings.origins,
        authenticators=authenticators,
        runtime=runtime,
    )


def limits(settings: Settings) -> Limits:
    """Return the limits that are settings."""
    return Limits(
        connections=settings.max_connections,
        receive_s=settings.receive_timeout_s,
        send_s=settings.send_timeout_s,
        keep_alive_s=settings.keep_alive_s,
    )


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve("api", Settings, _open)


def _open(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    listener = stack.enter_context(listen(settings.public_host, settings.public_port))
    declaration = load_features(settings.features)
    store = FeatureStoreReader.connect(settings.aws, declaration.features, runtime=runtime)
    stack.enter_context(closing(store))
    tail = stack.enter_context(closing(KafkaTail(settings.kafka, topics.FEED)))
    positions = stack.enter_context(closing(KafkaAdmin(settings.kafka)))
    changes = stack.enter_context(
        closing(KafkaTail(settings.kafka, topics.AGGREGATED, back=TAIL_RECORDS))
    )
    steps = build(
        settings,
        declaration=declaration,
        store=store,
        tail=tail,
        listener=listener,
        runtime=runtime,
        changes=changes,
        positions=positions,
    )
    return partial(run, steps, runtime=runtime)
