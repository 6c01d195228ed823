"""The state of a pipeline, from two readings of its metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from txfeatures.cli.top.counts import Counts
from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW

Total = Callable[[Counts], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        records_in: Records read since the start of its processes.
        records_out: Records acknowledged downstream.
        in_per_s: Records read per second between the readings.
        out_per_s: Records acknowledged per second between the readings.
        lag_records: Records that wait, None where the stage doesn't measure it.
        behind_s: Its feed clock behind the poller's, seconds.
    """

    name: str
    records_in: int
    records_out: int
    in_per_s: float
    out_per_s: float
    lag_records: int | None
    behind_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All stages, and the signs of trouble.

    Attributes:
        feed_time: The feed's clock at the last poll, ISO 8601, UTC.
        newest_minute: The minute in which the newest row of the online store became known.
        freshness_s: The feed's clock less the newest ``event_time`` in the online store.
        late: Late transactions, counted in a correction or not.
        unready: Processes that are not ready, or give no answer.
    """

    stages: tuple[Stage, ...]
    feed_time: str | None
    newest_minute: str | None
    freshness_s: float | None
    gaps: int
    late: int
    dead_letters: int
    unready: tuple[str, ...]


def pipeline(before: Counts, now: Counts, *, seconds: float) -> Pipeline:
    """Return the state at ``now``, with rates since ``before``, ``seconds`` ago."""

    def stage(name: str, taken: Total, given: Total, clock: str | None = None) -> Stage:
        lag = f"txf_{name}_lag_records"
        return Stage(
            name=name,
            records_in=taken(now),
            records_out=given(now),
            in_per_s=_rate(taken(now) - taken(before), seconds),
            out_per_s=_rate(given(now) - given(before), seconds),
            lag_records=now.total(lag) if lag in now.samples else None,
            behind_s=_behind(now, clock),
        )

    def flow(name: str, direction: str, topic: str) -> Total:
        metric = f"txf_{name}_records_total"
        return lambda counts: counts.total(metric, direction=direction, topic=topic)

    def total(name: str) -> Total:
        return lambda counts: counts.total(name)

    return Pipeline(
        stages=(
            stage(
                "poller",
                total("txf_poller_transactions_seen_total"),
                total("txf_poller_transactions_published_total"),
            ),
            stage(
                "dedup",
                flow("dedup", "in", RAW),
                flow("dedup", "out", DEDUPED),
                "txf_dedup_partition_time_seconds",
            ),
            stage(
                "aggregator",
                flow("aggregator", "in", DEDUPED),
                flow("aggregator", "out", AGGREGATED),
                "txf_aggregator_feed_time_seconds",
            ),
            stage(
                "fs_writer",
                flow("fs_writer", "in", AGGREGATED),
                total("txf_fs_writer_rows_total"),
                "txf_fs_writer_feed_time_seconds",
            ),
            stage("api", total("txf_api_requests_total"), total("txf_api_requests_total")),
        ),
        feed_time=_utc(now.latest("txf_poller_feed_time_seconds"), "seconds"),
        newest_minute=_utc(now.latest("txf_fs_writer_event_time_seconds"), "minutes"),
        freshness_s=now.latest("txf_fs_writer_freshness_seconds"),
        gaps=now.total("txf_poller_gaps_total"),
        late=now.total("txf_aggregator_late_transactions_total"),
        dead_letters=sum(now.total(f"txf_{name}_dlq_records_total") for name in DEAD_LETTERS),
        unready=now.unready,
    )


DEAD_LETTERS = ("poller", "dedup", "aggregator", "fs_writer")


def _rate(records: int, seconds: float) -> float:
    """Return records per second; a process that was restarted counts from 0 again."""
    return max(0.0, round(records / seconds, 1)) if seconds > 0 else 0.0


def _behind(counts: Counts, clock: str | None) -> float | None:
    feed_s = counts.latest("txf_poller_feed_time_seconds")
    reached_s = counts.earliest(clock) if clock else None
    if not feed_s or not reached_s:
        return None
    return max(0.0, round(feed_s - reached_s, 3))


def _utc(epoch_s: float | None, precision: str) -> str | None:
    if not epoch_s:
        return None
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return f"{moment.replace(tzinfo=None).isoformat(' ', precision)}"
