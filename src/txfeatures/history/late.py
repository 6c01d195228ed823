"""Late transactions of a partition, and the moments at which its minutes close.

The aggregator walks a partition's log with a watermark. Here the same walk consists of running
maxima over whole columns: the watermark before each record is the greatest of all watermarks
up to it.

Ticks are not archived, and nothing here needs them: final rows and corrections are made at whole
seconds of the feed's clock, of the transactions that are known by then.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from txfeatures.domain.model import MILLI, MINUTE_S
from txfeatures.domain.rules import Rules

_NEVER = -(2**62)
_EVER = 2**62

LOG = pa.schema([("topic_offset", pa.int64()), ("feed_time_ms", pa.int64()), ("time", pa.int64())])
"""A partition's log; ``time`` is null if it can't be read."""

EXCEPTIONS = pa.schema(
    [("topic_offset", pa.int64()), ("counts", pa.bool_()), ("late_ms", pa.int64())]
)

CLOSINGS = pa.schema([("closed_s", pa.int64()), ("from_s", pa.int64()), ("is_idle", pa.bool_())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on a partition's transactions.

    Attributes:
        exceptions: Those that came after their minute was closed, or that don't count (``late``
            or ``future``), with the feed's clock at that moment. All others count, on time.
        closings: Stretches of feed time, each from ``from_s`` on, in which the watermark reaches
            ``closed_s``; both rise. In an idle one it follows the feed's clock there.
    """

    exceptions: pa.Table
    closings: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """The watermark before and after each record, and the feed time when event time last rose."""

    before_s: pa.Array
    after_s: pa.Array
    moved_ms: pa.Array


def judge(log: pa.Table, rules: Rules) -> Judged:
    """Judge every record of one partition's log (`LOG`); it needs at least one.

    It need not be in order, but in order it is quicker.
    """
    log = _in_order(log)
    time_s = log["time"].combine_chunks()
    feed_ms = pc.cumulative_max(log["feed_time_ms"].combine_chunks())
    is_future = pc.fill_null(
        pc.greater(time_s, pc.add(pc.divide(feed_ms, MILLI), rules.max_skew_s)), False
    )
    is_timely = pc.and_not(pc.is_valid(time_s), is_future)
    end_s = pc.add(pc.multiply(pc.divide(time_s, MINUTE_S), MINUTE_S), MINUTE_S)

    # A forgotten transaction moves nothing, but that it is forgotten shows only on the walk.
    # A walk with too many of them has watermarks that are too low, so this only ever adds some.
    is_forgotten = pa.repeat(pa.scalar(False), len(log))
    while True:
        walk = _walk(feed_ms, _only(time_s, pc.and_not(is_timely, is_forgotten)), rules)
        found = _passed(end_s, pc.subtract(walk.before_s, rules.allowed_lateness_s), is_timely)
        if found.equals(is_forgotten):
            break
        is_forgotten = found

    is_closed = _passed(end_s, walk.before_s, is_timely)
    exceptions = pa.table(
        [log["topic_offset"], pc.invert(pc.or_(is_future, is_forgotten)), feed_ms],
        schema=EXCEPTIONS,
    )
    return Judged(
        exceptions=exceptions.filter(pc.or_(is_future, is_closed)),
        closings=_closings(walk, feed_ms, rules),
    )


def without(log: pa.Table, *, dropped: pa.ChunkedArray, unread: pa.ChunkedArray) -> pa.Table:
    """Return a log without some records, and with others as ones that can't be read.

    Args:
        log: A partition's log.
        dropped: Offsets of records that the aggregator never received.
        unread: Offsets of records that it could not read.
    """
    log = log.select(LOG.names)
    if len(dropped):
        log = log.filter(pc.invert(pc.is_in(log["topic_offset"], value_set=dropped)))
    if len(unread):
        is_unread = pc.is_in(log["topic_offset"], value_set=unread)
        time_s = pc.if_else(is_unread, pa.scalar(None, pa.int64()), log["time"])
        log = log.set_column(LOG.names.index("time"), "time", time_s)
    return log


def _in_order(log: pa.Table) -> pa.Table:
    offsets = log["topic_offset"].combine_chunks()
    if pc.all(pc.greater(offsets.slice(1), offsets.slice(0, len(offsets) - 1))).as_py() is False:
        return log.sort_by("topic_offset")
    return log


def _walk(feed_ms: pa.Array, time_s: pa.Array, rules: Rules) -> _Walk:
    # The last whole second before a record: what is known at its own second includes it.
    second_s = pc.subtract(_until_second(feed_ms), 1)
    newest_s = pc.cumulative_max(time_s)
    newest_before_s = _shift(newest_s, _NEVER)
    rises = pc.greater(time_s, newest_before_s)
    moved_ms = pc.cumulative_max(pc.if_else(rises, feed_ms, 0))
    is_idle = pc.greater_equal(
        pc.subtract(pc.multiply(second_s, MILLI), _shift(moved_ms, 0)), rules.idle_s * MILLI
    )
    followed_s = pc.if_else(is_idle, second_s, _NEVER)
    before_s = pc.cumulative_max(
        pc.subtract(pc.max_element_wise(newest_before_s, followed_s), rules.out_of_orderness_s)
    )
    after_s = pc.max_element_wise(before_s, pc.subtract(newest_s, rules.out_of_orderness_s))
    return _Walk(before_s=before_s, after_s=after_s, moved_ms=moved_ms)


def _closings(walk: _Walk, feed_ms: pa.Array, rules: Rules) -> pa.Table:
    known_s = _until_second(feed_ms)
    idle_from_s = pc.max_element_wise(known_s, pc.add(_until_second(walk.moved_ms), rules.idle_s))
    # Idle up to the last whole second at which the next record is not known; and before the first.
    idle_from_s = pa.concat_arrays([pa.array([0]), idle_from_s])
    idle_to_s = pc.subtract(pa.concat_arrays([known_s, pa.array([_EVER])]), 1)
    follows = pc.less_equal(idle_from_s, idle_to_s)
    followed_s = pc.subtract(idle_to_s, rules.out_of_orderness_s)
    by_record = pa.table([walk.after_s, known_s, pa.repeat(False, len(known_s))], schema=CLOSINGS)
    by_clock = pa.table([followed_s, idle_from_s, follows], schema=CLOSINGS).filter(follows)
    table = pa.concat_tables([by_record, by_clock]).sort_by(
        [("from_s", "ascending"), ("closed_s", "ascending")]
    )
    reached_s = pc.cumulative_max(table["closed_s"].combine_chunks())
    closed_s = pc.multiply(pc.divide(reached_s, MINUTE_S), MINUTE_S)
    table = table.set_column(0, "closed_s", closed_s)
    return table.filter(pc.greater(closed_s, _shift(closed_s, _NEVER)))


def _until_second(time_ms: pa.Array) -> pa.Array:
    return pc.divide(pc.add(time_ms, MILLI - 1), MILLI)


def _passed(end_s: pa.Array, watermark_s: pa.Array, is_timely: pa.Array) -> pa.Array:
    return pc.fill_null(pc.and_(is_timely, pc.less_equal(end_s, watermark_s)), False)


def _only(time_s: pa.Array, counts: pa.Array) -> pa.Array:
    return pc.if_else(counts, time_s, _NEVER)


def _shift(values: pa.Array, first: int) -> pa.Array:
    """Return the value before each value, ``first`` before the first."""
    return pa.concat_arrays([pa.array([first], values.type), values.slice(0, len(values) - 1)])
