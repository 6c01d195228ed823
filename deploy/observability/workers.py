"""The dashboard of the workers: their load, and the durations of their steps."""

from collections.abc import Callable

from deploy.observability.panels import (
    Board,
    Panel,
    Query,
    Row,
    last_hour,
    per_second,
    series,
    slowest,
)


def _stateful(expr: Callable[[str], str]) -> tuple[Query, ...]:
    """Return a curve per stateful service; ``expr`` returns the PromQL for its name."""
    return tuple(Query(expr=expr(name), legend=name) for name in ("dedup", "aggregator"))


_KAFKA = Row(
    title="Kafka transactions",
    panels=(
        Panel(
            title="Committed",
            description="Kafka transactions per second.",
            unit="cps",
            queries=_stateful(
                lambda name: per_second(f"txf_{name}_transactions_total", 'outcome="committed"')
            ),
        ),
        Panel(
            title="Aborted",
            description="Aborted in the last hour; later ones commit their batches.",
            unit="short",
            queries=_stateful(
                lambda name: last_hour(f"txf_{name}_transactions_total", 'outcome="aborted"')
            ),
        ),
        Panel(
            title="Duration of a commit",
            description="95th percentile, from the start of the Kafka transaction, with retries.",
            unit="s",
            queries=_stateful(lambda name: slowest(f"txf_{name}_commit_duration_seconds")),
        ),
    ),
)

_STATE = Row(
    title="State",
    panels=(
        Panel(
            title="Hashes remembered",
            description="Hashes in the memory of dedup, up to 120 bytes each.",
            unit="short",
            queries=(Query(expr=f"sum({series('txf_dedup_remembered_hashes')})", legend="hashes"),),
        ),
        Panel(
            title="Recovery",
            description="Duration of the last recovery of tables.",
            unit="s",
            queries=_stateful(lambda name: f"max({series(f'txf_{name}_recovery_seconds')})"),
        ),
        Panel(
            title="Lost to rebalances",
            description="Seconds in the last hour for which rebalances paused the workers.",
            unit="s",
            queries=_stateful(lambda name: last_hour(f"txf_{name}_rebalance_pause_seconds_sum")),
        ),
    ),
)

_CALLS = Row(
    title="Calls and requests",
    panels=(
        Panel(
            title="Duration of a poll",
            description="95th percentile, from the request to the whole answer.",
            unit="s",
            queries=(Query(expr=slowest("txf_poller_poll_duration_seconds"), legend="poll"),),
        ),
        Panel(
            title="Duration of a put",
            description="95th percentile of a call to a store, without retries.",
            unit="s",
            queries=(
                Query(
                    expr=slowest("txf_fs_writer_put_duration_seconds", by="store"),
                    legend="{{store}}",
                ),
            ),
        ),
        Panel(
            title="Duration of a request",
            description="95th percentile, from the request to the last byte of the answer.",
            unit="s",
            queries=(
                Query(
                    expr=slowest("txf_api_request_duration_seconds", by="route"),
                    legend="{{route}}",
                ),
            ),
        ),
    ),
)

_READS = Row(
    title="Reads of the online store by the api",
    panels=(
        Panel(
            title="Reads",
            description="Reads by outcome.",
            unit="cps",
            queries=(
                Query(
                    expr=per_second("txf_api_store_reads_total", by="outcome"),
                    legend="{{outcome}}",
                ),
            ),
        ),
    ),
)

WORKERS = Board(
    uid="txfeatures-workers",
    title="txfeatures: workers",
    description="Load of the services, and durations of their steps.",
    rows=(_KAFKA, _STATE, _CALLS, _READS),
)
