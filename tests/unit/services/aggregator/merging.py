"""The second stage with its state, and messages to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.declared import DEFAULT
from txfeatures.domain.model import Heartbeat, Partial, PartitionUpdate
from txfeatures.domain.rules import AggregatorRules
from txfeatures_aggregator.merge import MergedRow, MergeOutcome, merge
from txfeatures_aggregator.state import Frontier, Minute

START_S = 1_729_296_000
"""2024-10-19 00:00:00 UTC: the start of a minute."""

DAY_S = 24 * 3600


@dataclass(slots=True)
class Merging:
    """The second stage with its state."""

    rules: AggregatorRules = field(default_factory=AggregatorRules)
    frontier: Frontier = field(default_factory=Frontier)
    minutes: dict[int, Minute] = field(default_factory=dict)

    def take(self, *messages: PartitionUpdate | Heartbeat) -> MergeOutcome:
        outcome = merge(
            self.frontier, self.minutes, messages, rules=self.rules, declaration=DEFAULT
        )
        self.frontier = outcome.frontier
        self.minutes.update(outcome.changed)
        for minute_s in outcome.forgotten:
            self.minutes.pop(minute_s)
        return outcome

    def rows(self, *messages: PartitionUpdate | Heartbeat) -> list[tuple[object, ...]]:
        """Return kind, minute from the start, revision and count of each row sent."""
        return [brief(row) for row in self.take(*messages).rows]


def brief(row: MergedRow) -> tuple[object, ...]:
    minute = int(str(row.row["tx_minute"])[14:16])
    return row.kind, minute, row.row["revision"], row.row["total_nb_trx_1min"]


def partial(count: int, *, fees: int = 0, late: int = 0) -> Partial:
    return Partial(states={"total_nb_trx_1min": count, "total_fee_1min": fees}, late=late)


def said(
    at_s: float,
    counts: dict[int, int] | None = None,
    *,
    watermark_s: int = -100,
    partition: int = 0,
    partitions: int = 1,
    minutes: dict[int, Partial] | None = None,
) -> PartitionUpdate:
    """Return an update; minutes and times are counted from the start."""
    found = minutes or {minute: partial(count) for minute, count in (counts or {}).items()}
    return PartitionUpdate(
        partition=partition,
        partitions=partitions,
        feed_time_ms=round((START_S + at_s) * 1000),
        known_ms=round((START_S + at_s) * 1000),
        watermark_s=START_S + watermark_s,
        moved_ms=round((START_S + at_s) * 1000),
        minutes={START_S + 60 * minute: state for minute, state in found.items()},
    )


def beat(at_s: float, *, outcome: str = "ok", gap: bool = False, poll: int = 1) -> Heartbeat:
    return Heartbeat(
        poller="a",
        poll_id=poll,
        feed_time_ms=round((START_S + at_s) * 1000),
        outcome=outcome,
        gap=gap,
    )


def only(rows: Sequence[MergedRow]) -> MergedRow:
    [row] = rows
    return row
