"""The closed list of metrics: ``txf_<service>_<noun>_<unit>[_total]``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from txfeatures.domain.features import REQUIRED
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, PARTIALS, RAW

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its full name, kind, label names and meaning.

    Attributes:
        known: Label -> the values known in advance. Their series start at 0; without them an
            alert on the increase of a counter misses its first count.
    """

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service that exposes it."""
        return next(s for s in _SERVICES if self.name.startswith(f"txf_{s}_"))


_SERVICES = ("poller", "dedup", "aggregator", "fs_writer", "api")

_NO_ANSWER = (
    *("timeout", "connection", "http_429", "http_5xx", "html"),
    *("not_json", "wrong_shape", "too_large", "too_many", "bad_encoding", "no_date"),
    "clock_jump",
)
_UNREADABLE = ("not_json", "not_utf8", "not_object", "too_deep")
_STORES = ("feature-store", "s3")


def _unreadable(*fields: str) -> tuple[str, ...]:
    """Return the reasons of dead letters for JSON with the required ``fields``."""
    return (*_UNREADABLE, *(f"{how}_{name}" for name in fields for how in ("missing", "bad")))


_BAD_TRANSACTION = _unreadable("hash", "time", "fee")


def _flow(service: str, *, reasons: tuple[str, ...]) -> tuple[Metric, ...]:
    """Return the metrics of every service that uses Kafka; ``reasons`` are of dead letters."""
    return (
        Metric(
            name=f"txf_{service}_records_total",
            kind="counter",
            labels=("direction", "topic"),
            description="Kafka records read (in) and acknowledged (out).",
        ),
        Metric(
            name=f"txf_{service}_bytes_total",
            kind="counter",
            labels=("direction", "topic"),
            description="Bytes of the keys and values of Kafka records read and acknowledged.",
        ),
        Metric(
            name=f"txf_{service}_dlq_records_total",
            kind="counter",
            labels=("reason",),
            known={"reason": reasons},
            description="Records sent to a dead letter topic.",
        ),
    )


def _skipped(service: str, *topics: str) -> Metric:
    """Return the metric of a service that goes on where its group left off in ``topics``."""
    return Metric(
        name=f"txf_{service}_skipped_records_total",
        kind="counter",
        labels=("topic",),
        known={"topic": topics},
        description="Records lost before they were read: their offsets are no longer in the topic. "
        "An upper bound, as a commit marker counts as one.",
    )


def _transactions(service: str) -> tuple[Metric, ...]:
    """Return the metrics of every service on `faust_microbatch`."""
    return (
        Metric(
            name=f"txf_{service}_transactions_total",
            kind="counter",
            labels=("outcome",),
            known={"outcome": ("committed", "aborted")},
            description="Kafka transactions committed, or aborted and retried.",
        ),
        Metric(
            name=f"txf_{service}_commit_duration_seconds",
            kind="histogram",
            description="Duration of a Kafka transaction, retries included.",
        ),
        Metric(
            name=f"txf_{service}_rebalance_pause_seconds",
            kind="histogram",
            description="Pause of the worker during a rebalance.",
        ),
        Metric(
            name=f"txf_{service}_recovery_seconds",
            kind="gauge",
            description="Duration of the last recovery of tables.",
        ),
        Metric(
            name=f"txf_{service}_lag_records",
            kind="gauge",
            labels=("topic", "partition"),
            description="Records of a source topic not yet read; a commit marker counts as one.",
        ),
        Metric(
            name=f"txf_{service}_partition_time_seconds",
            kind="gauge",
            labels=("partition",),
            description="The feed clock that a partition has reached, epoch seconds.",
        ),
    )


DEFINITIONS: tuple[Metric, ...] = (
    *_flow("poller", reasons=(*_BAD_TRANSACTION, "too_large", "too_many", "too_many_rejected")),
    Metric(
        name="txf_poller_polls_total",
        kind="counter",
        labels=("outcome",),
        known={"outcome": ("ok", *_NO_ANSWER)},
        description="Polls by outcome: ok, or the reason of the failure.",
    ),
    Metric(
        name="txf_poller_poll_duration_seconds",
        kind="histogram",
        description="Duration of a poll, from the request to the whole answer.",
    ),
    Metric(
        name="txf_poller_response_bytes_total",
        kind="counter",
        description="Bytes of the bodies of answers, decompressed.",
    ),
    Metric(
        name="txf_poller_transactions_seen_total",
        kind="counter",
        description="Transactions in answers, repeats included.",
    ),
    Metric(
        name="txf_poller_transactions_published_total",
        kind="counter",
        description="Transactions acknowledged by Kafka.",
    ),
    Metric(
        name="txf_poller_pushed_transactions_total",
        kind="counter",
        description="Transactions that the websocket pushed.",
    ),
    Metric(
        name="txf_poller_websocket_connected",
        kind="gauge",
        description="1 while the websocket is open, 0 while there is none.",
    ),
    Metric(
        name="txf_poller_websocket_ends_total",
        kind="counter",
        labels=("reason",),
        known={"reason": ("closed", "silent", "flood", "refused", "timeout", "connection")},
        description="Websockets that ended, or that could not be opened: each is a reconnect.",
    ),
    Metric(
        name="txf_poller_gaps_total",
        kind="counter",
        description="Times the feed outran the poll.",
    ),
    Metric(
        name="txf_poller_feed_time_seconds",
        kind="gauge",
        description="The feed clock at the last poll, epoch seconds.",
    ),
    Metric(
        name="txf_poller_interval_seconds",
        kind="gauge",
        description="Current interval between two polls.",
    ),
    Metric(
        name="txf_poller_spool_bytes",
        kind="gauge",
        description="Bytes on disk that Kafka has not acknowledged.",
    ),
    Metric(
        name="txf_poller_spool_refusals_total",
        kind="counter",
        description="Polls skipped because the spool was full.",
    ),
    *_flow("dedup", reasons=("bad_key", "too_large")),
    _skipped("dedup", RAW),
    *_transactions("dedup"),
    Metric(
        name="txf_dedup_duplicates_total",
        kind="counter",
        description="Records dropped because their hash was remembered.",
    ),
    Metric(
        name="txf_dedup_remembered_hashes",
        kind="gauge",
        labels=("partition",),
        description="Hashes that a partition remembers.",
    ),
    *_flow("aggregator", reasons=(*_BAD_TRANSACTION, "empty", "feature_overflow")),
    _skipped("aggregator", DEDUPED, PARTIALS, FEED),
    *_transactions("aggregator"),
    Metric(
        name="txf_aggregator_folded_transactions_total",
        kind="counter",
        description="Transactions folded into their minute.",
    ),
    Metric(
        name="txf_aggregator_ticks_total",
        kind="counter",
        description="Ticks of the feed clock read from deduped.",
    ),
    Metric(
        name="txf_aggregator_late_transactions_total",
        kind="counter",
        labels=("outcome",),
        known={"outcome": ("counted", "late", "future")},
        description="Transactions off time: counted within the lateness allowed; late and future "
        "ones not counted.",
    ),
    Metric(
        name="txf_aggregator_rows_total",
        kind="counter",
        labels=("kind",),
        known={"kind": ("provisional", "final", "correction")},
        description="Rows published: provisional, final or correction.",
    ),
    Metric(
        name="txf_aggregator_overflows_total",
        kind="counter",
        description="Rows not published because a total overflows 64 bits.",
    ),
    Metric(
        name="txf_aggregator_watermark_time_seconds",
        kind="gauge",
        description="The merged watermark, epoch seconds.",
    ),
    Metric(
        name="txf_aggregator_feed_time_seconds",
        kind="gauge",
        description="The feed clock that this worker has reached, epoch seconds.",
    ),
    *_flow("fs_writer", reasons=(*_unreadable(*sorted(REQUIRED)), "store_refused")),
    _skipped("fs_writer", DEDUPED, AGGREGATED),
    Metric(
        name="txf_fs_writer_step_failing",
        kind="gauge",
        labels=("step",),
        description="1 while a step fails and goes on trying, or has ended at its dead letter "
        "limit; 0 while it works.",
    ),
    Metric(
        name="txf_fs_writer_rows_total",
        kind="counter",
        labels=("kind",),
        known={"kind": ("provisional", "final")},
        description="Rows that Feature Store acknowledged: provisional or final.",
    ),
    Metric(
        name="txf_fs_writer_row_age_seconds",
        kind="histogram",
        description="Time from the answer of the oldest poll whose transactions are new in a row "
        "until the online store had the row, or a newer one of its minute; by the machines' "
        "clocks, also in a replay.",
    ),
    Metric(
        name="txf_fs_writer_superseded_rows_total",
        kind="counter",
        description="Provisional rows not put because their batch had a newer revision.",
    ),
    Metric(
        name="txf_fs_writer_retries_total",
        kind="counter",
        labels=("store", "code"),
        known={"store": _STORES, "code": ("ThrottlingException", "SlowDown")},
        description="Calls retried because a store refused them for now.",
    ),
    Metric(
        name="txf_fs_writer_put_duration_seconds",
        kind="histogram",
        labels=("store",),
        known={"store": _STORES},
        description="Duration of a call to a store, without retries.",
    ),
    Metric(
        name="txf_fs_writer_archived_transactions_total",
        kind="counter",
        description="Transactions in archive objects that S3 acknowledged.",
    ),
    Metric(
        name="txf_fs_writer_archive_objects_total",
        kind="counter",
        description="Archive objects that S3 acknowledged.",
    ),
    Metric(
        name="txf_fs_writer_feed_time_seconds",
        kind="gauge",
        labels=("topic",),
        description="The feed clock reached in a topic, epoch seconds.",
    ),
    Metric(
        name="txf_fs_writer_event_time_seconds",
        kind="gauge",
        description="Newest event_time in the online store, epoch seconds.",
    ),
    Metric(
        name="txf_fs_writer_freshness_seconds",
        kind="gauge",
        description="Feed clock minus the newest event_time in the online store.",
    ),
    Metric(
        name="txf_api_requests_total",
        kind="counter",
        labels=("route", "status"),
        description="Requests answered.",
    ),
    Metric(
        name="txf_api_refused_total",
        kind="counter",
        labels=("reason",),
        known={
            "reason": (
                "body",
                "connections",
                "evicted",
                "header_size",
                "host",
                "malformed",
                "receive_time",
                "send_time",
                "unauthenticated",
                "url",
            )
        },
        description="Requests and connections refused before any route.",
    ),
    Metric(
        name="txf_api_request_duration_seconds",
        kind="histogram",
        labels=("route",),
        description="Duration from the request to the last byte of the answer.",
    ),
    Metric(
        name="txf_api_store_reads_total",
        kind="counter",
        labels=("outcome",),
        known={"outcome": ("ok", "ThrottlingException")},
        description="Reads of the online store: ok, or the code of the error.",
    ),
    Metric(
        name="txf_api_unreadable_records_total",
        kind="counter",
        labels=("reason",),
        description="Records of the online store skipped because they can't be read.",
    ),
    Metric(
        name="txf_api_stream_dropped_rows_total",
        kind="counter",
        description="Rows not sent to a client of the stream that was too slow: it got newer ones.",
    ),
    Metric(
        name="txf_api_staleness_seconds",
        kind="gauge",
        description="Feed clock minus the event_time of the newest row served.",
    ),
)
