"""The dashboard of the pipeline: input, output and lag."""

from deploy.observability.panels import (
    Board,
    Panel,
    Query,
    Row,
    behind,
    last_hour,
    per_minute,
    per_second,
    series,
    slowest,
)

_FLOW = Row(
    title="In and out",
    panels=(
        Panel(
            title="Bytes polled, in, archived",
            description="Bodies of the source's answers, which overlap; records acknowledged on "
            "raw; Parquet objects in S3.",
            unit="Bps",
            queries=(
                Query(expr=per_second("txf_poller_response_bytes_total"), legend="polled"),
                Query(
                    expr=per_second("txf_poller_bytes_total", 'direction="out"', 'topic="raw"'),
                    legend="in",
                ),
                Query(
                    expr=per_second("txf_fs_writer_bytes_total", 'direction="out"', 'topic="s3"'),
                    legend="archived",
                ),
            ),
        ),
        Panel(
            title="Rows to the Feature Store",
            description="Acknowledged rows: provisional rows of open minutes; final rows and "
            "their corrections.",
            unit="cpm",
            queries=(
                Query(expr=per_minute("txf_fs_writer_rows_total", by="kind"), legend="{{kind}}"),
            ),
        ),
        Panel(
            title="Transactions",
            description="Transactions handled by each stage.",
            unit="cps",
            queries=(
                Query(
                    expr=per_second("txf_poller_transactions_published_total"), legend="published"
                ),
                Query(expr=per_second("txf_poller_pushed_transactions_total"), legend="pushed"),
                Query(expr=per_second("txf_dedup_duplicates_total"), legend="duplicates"),
                Query(expr=per_second("txf_aggregator_folded_transactions_total"), legend="folded"),
                Query(
                    expr=per_second("txf_fs_writer_archived_transactions_total"), legend="archived"
                ),
            ),
        ),
    ),
)

_FRESHNESS = Row(
    title="Freshness and lag",
    panels=(
        Panel(
            title="Freshness",
            description="Feed clock minus the event_time of the newest row: in the online store, "
            "and as last served by the api.",
            unit="s",
            queries=(
                Query(expr=behind("txf_fs_writer_event_time_seconds"), legend="online store"),
                Query(expr=f"max({series('txf_api_staleness_seconds')})", legend="served"),
            ),
        ),
        Panel(
            title="Lag in time",
            description="Feed clock of the poller minus that of each stage's slowest partition.",
            unit="s",
            queries=(
                Query(expr=behind("txf_dedup_partition_time_seconds", of="min"), legend="dedup"),
                Query(
                    expr=behind("txf_aggregator_partition_time_seconds", of="min"),
                    legend="aggregator",
                ),
                Query(
                    expr=behind("txf_fs_writer_feed_time_seconds", 'topic="aggregated"'),
                    legend="fs_writer, features",
                ),
                Query(
                    expr=behind("txf_fs_writer_feed_time_seconds", 'topic="deduped"'),
                    legend="fs_writer, archive",
                ),
            ),
        ),
        Panel(
            title="Lag in records",
            description="Records not yet read by the workers; a commit marker counts as one.",
            unit="short",
            queries=(
                Query(
                    expr=f"sum by (topic) ({series('txf_dedup_lag_records')})", legend="{{topic}}"
                ),
                Query(
                    expr=f"sum by (topic) ({series('txf_aggregator_lag_records')})",
                    legend="{{topic}}",
                ),
            ),
        ),
    ),
)

_OBJECTIVE = Row(
    title="Objective: 99 % of rows online within 1 s of the poll's answer",
    panels=(
        Panel(
            title="Age of rows",
            description="Time from the answer of a row's oldest poll until the online store has "
            "it, by the machines' clocks.",
            unit="s",
            queries=tuple(
                Query(
                    expr=slowest("txf_fs_writer_row_age_seconds", share=share),
                    legend=f"{share:.0%}",
                )
                for share in (0.5, 0.99)
            ),
        ),
        Panel(
            title="Error budget",
            description="What is left of the rows that may be late within 30 days (as far as "
            "Prometheus keeps them), and the share of the last two minutes' rows that were.",
            unit="percentunit",
            queries=(
                Query(expr=f"min({series('txf:freshness_budget:ratio')})", legend="left"),
                Query(expr=f"max({series('txf:slow_rows:ratio')})", legend="late rows"),
            ),
        ),
        Panel(
            title="Burn rate",
            description="Speed at which each window spends the budget: at 1 it lasts for 30 days. "
            "14.4 over an hour, 6 over six hours and 1 over three days raise alerts.",
            unit="short",
            queries=(
                Query(
                    expr=f"max by (window) ({series('txf:freshness_burn:ratio')})",
                    legend="{{window}}",
                ),
            ),
        ),
    ),
)

_WATERMARK = Row(
    title="Watermark and lateness",
    panels=(
        Panel(
            title="Watermark behind the feed",
            description="Delay after which a minute becomes final; usually 60 to 80 s.",
            unit="s",
            queries=(
                Query(expr=behind("txf_aggregator_watermark_time_seconds"), legend="watermark"),
            ),
        ),
        Panel(
            title="Late transactions",
            description="counted: after their minute was final; late and future: not counted.",
            unit="cpm",
            queries=(
                Query(
                    expr=per_minute("txf_aggregator_late_transactions_total", by="outcome"),
                    legend="{{outcome}}",
                ),
            ),
        ),
        Panel(
            title="Rows published by the aggregator",
            description="Provisional rows, final rows, and corrections of final rows.",
            unit="cpm",
            queries=(
                Query(expr=per_minute("txf_aggregator_rows_total", by="kind"), legend="{{kind}}"),
            ),
        ),
    ),
)

_SOURCE = Row(
    title="Gaps and the source",
    panels=(
        Panel(
            title="Gaps",
            description="Gaps in the last hour, in which the feed outran the poll.",
            unit="short",
            queries=(Query(expr=last_hour("txf_poller_gaps_total"), legend="gaps"),),
        ),
        Panel(
            title="Polls",
            description="Polls by outcome, and ends of the websocket by reason.",
            unit="cpm",
            queries=(
                Query(
                    expr=per_minute("txf_poller_polls_total", by="outcome"), legend="{{outcome}}"
                ),
                Query(
                    expr=per_minute("txf_poller_websocket_ends_total", by="reason"),
                    legend="websocket {{reason}}",
                ),
            ),
        ),
        Panel(
            title="Interval between polls",
            description="Half after a gap, longer after failures.",
            unit="s",
            queries=(
                Query(expr=f"max({series('txf_poller_interval_seconds')})", legend="interval"),
            ),
        ),
    ),
)

_RECORDS_LOST = Row(
    title="Errors",
    panels=(
        Panel(
            title="Dead letters",
            description="Dead letters in the last hour.",
            unit="short",
            queries=tuple(
                Query(expr=last_hour(f"txf_{service}_dlq_records_total"), legend=service)
                for service in ("poller", "dedup", "aggregator", "fs_writer")
            ),
        ),
        Panel(
            title="Records not accounted for",
            description="Records read that were not published, duplicate, late or dead letters: "
            "those in flight. Must not drift.",
            unit="short",
            queries=(
                Query(
                    expr=f"sum by (stage) ({series('txf:unaccounted:records')})",
                    legend="{{stage}}",
                ),
            ),
        ),
        Panel(
            title="Totals overflowed",
            description="Rows not published in the last hour.",
            unit="short",
            queries=(Query(expr=last_hour("txf_aggregator_overflows_total"), legend="rows"),),
        ),
    ),
)

_REFUSALS = Row(
    title="Refusals",
    panels=(
        Panel(
            title="Calls refused by the stores",
            description="Refused calls are retried; nothing is lost.",
            unit="cpm",
            queries=(
                Query(
                    expr=per_minute("txf_fs_writer_retries_total", by="store, code"),
                    legend="{{store}}: {{code}}",
                ),
            ),
        ),
        Panel(
            title="Answers of the api",
            description="Answers by status.",
            unit="cps",
            queries=(
                Query(expr=per_second("txf_api_requests_total", by="status"), legend="{{status}}"),
            ),
        ),
        Panel(
            title="Spool",
            description="Bytes on the disks of pollers that Kafka has not acknowledged.",
            unit="bytes",
            queries=(Query(expr=f"sum({series('txf_poller_spool_bytes')})", legend="waiting"),),
        ),
    ),
)

PIPELINE = Board(
    uid="txfeatures-pipeline",
    title="txfeatures: pipeline",
    description="Input, output and lag of the pipeline.",
    rows=(_FLOW, _FRESHNESS, _OBJECTIVE, _WATERMARK, _SOURCE, _RECORDS_LOST, _REFUSALS),
)
