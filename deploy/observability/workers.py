"""The dashboard of the workers: how hard they work, and how long their steps take."""

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

_STATEFUL = ("dedup", "aggregator")

_KAFKA = Row(
    title="Kafka transactions",
    panels=(
        Panel(
            title="Committed",
            description="Kafka transactions a second.",
            unit="cps",
            queries=tuple(
                Query(
                    expr=per_second(f"txf_{service}_transactions_total", 'outcome="committed"'),
                    legend=service,
                )
                for service in _STATEFUL
            ),
        ),
        Panel(
            title="Aborted",
            description="In the last hour; their batches follow in other ones.",
            unit="short",
            queries=tuple(
                Query(
                    expr=last_hour(f"txf_{service}_transactions_total", 'outcome="aborted"'),
                    legend=service,
                )
                for service in _STATEFUL
            ),
        ),
        Panel(
            title="Duration of a commit",
            description="From the begin of the Kafka transaction, retries included; 95 %.",
            unit="s",
            queries=tuple(
                Query(expr=slowest(f"txf_{service}_commit_duration_seconds"), legend=service)
                for service in _STATEFUL
            ),
        ),
    ),
)

_STATE = Row(
    title="State",
    panels=(
        Panel(
            title="Hashes remembered",
            description="By dedup; up to 120 bytes each.",
            unit="short",
            queries=(Query(expr=f"sum({series('txf_dedup_remembered_hashes')})", legend="hashes"),),
        ),
        Panel(
            title="Recovery",
            description="How long the last recovery of tables took.",
            unit="s",
            queries=tuple(
                Query(expr=f"max({series(f'txf_{service}_recovery_seconds')})", legend=service)
                for service in _STATEFUL
            ),
        ),
        Panel(
            title="Lost to rebalances",
            description="Seconds in the last hour in which workers stood still.",
            unit="s",
            queries=tuple(
                Query(expr=last_hour(f"txf_{service}_rebalance_pause_seconds_sum"), legend=service)
                for service in _STATEFUL
            ),
        ),
    ),
)

_CALLS = Row(
    title="Calls and requests",
    panels=(
        Panel(
            title="Duration of a poll",
            description="From the request to the whole answer; 95 %.",
            unit="s",
            queries=(Query(expr=slowest("txf_poller_poll_duration_seconds"), legend="poll"),),
        ),
        Panel(
            title="Duration of a put",
            description="One call to a store without its retries; 95 %.",
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
            description="From the request to the last byte of the api's answer; 95 %.",
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
    title="The online store as the api reads it",
    panels=(
        Panel(
            title="Reads",
            description="By outcome.",
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
    description="How hard the services work, and how long their steps take.",
    rows=(_KAFKA, _STATE, _CALLS, _READS),
)
