"""Late transactions of a partition, and the moments at which its minutes were closed.

The aggregator walks a partition's log with a watermark. Here the same walk consists of running
maxima over whole columns: the watermark before each record is the greatest of all watermarks
up to it.

Ticks are not archived. Within one poller's log that changes nothing: a tick's time is
never past that of the next record, whose own time lets the same rules speak before it is
judged. Only ticks before the first record, or those of a second poller that run ahead of a
record, could make a promise that is missed here; it can move a verdict by the seconds between.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules

_NEVER = -(2**62)

LOG = pa.schema([("topic_offset", pa.int64()), ("feed_time_ms", pa.int64()), ("time", pa.int64())])
"""A partition's log; ``time`` is null if it can't be read."""

EXCEPTIONS = pa.schema(
    [("topic_offset", pa.int64()), ("counts", pa.bool_()), ("late_ms", pa.int64())]
)

CLOSINGS = pa.schema([("closed_s", pa.int64()), ("feed_time_ms", pa.int64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on a partition's transactions.

    Attributes:
        exceptions: Those that came after their minute was closed, or that don't count (``late``
            or ``future``), with the feed's clock at that moment. All others count, on time.
        closings: Feed time at which all minutes that end by ``closed_s`` were closed; both rise.
        moved_ms: The feed's clock when the newest event time last rose.
    """

    exceptions: pa.Table
    closings: pa.Table
    moved_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """The watermark before and after each record, and when event time last rose."""

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
        pc.greater(time_s, pc.add(pc.divide(feed_ms, 1000), rules.max_skew_s)), False
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
        closings=_closings(walk.after_s, feed_ms),
        moved_ms=walk.moved_ms[-1].as_py(),
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
    feed_s = pc.divide(feed_ms, 1000)
    first_ms = feed_ms[0].as_py()
    first_s = first_ms // 1000 - rules.idle_s
    newest_s = pc.max_element_wise(pc.cumulative_max(time_s), first_s)
    newest_before_s = _shift(newest_s, first_s)
    rises = pc.greater(time_s, newest_before_s)
    moved_ms = pc.cumulative_max(pc.if_else(rises, feed_ms, first_ms))
    is_idle = pc.greater_equal(
        pc.subtract(feed_ms, _shift(moved_ms, first_ms)), rules.idle_s * 1000
    )
    followed_s = pc.if_else(is_idle, feed_s, _NEVER)
    before_s = pc.cumulative_max(
        pc.subtract(pc.max_element_wise(newest_before_s, followed_s), rules.out_of_orderness_s)
    )
    after_s = pc.max_element_wise(before_s, pc.subtract(newest_s, rules.out_of_orderness_s))
    return _Walk(before_s=before_s, after_s=after_s, moved_ms=moved_ms)


def _closings(watermark_s: pa.Array, feed_ms: pa.Array) -> pa.Table:
    closed_s = pc.multiply(pc.divide(watermark_s, MINUTE_S), MINUTE_S)
    table = pa.table([closed_s, feed_ms], schema=CLOSINGS)
    return table.filter(pc.greater(closed_s, _shift(closed_s, _NEVER)))


def _passed(end_s: pa.Array, watermark_s: pa.Array, is_timely: pa.Array) -> pa.Array:
    return pc.fill_null(pc.and_(is_timely, pc.less_equal(end_s, watermark_s)), False)


def _only(time_s: pa.Array, counts: pa.Array) -> pa.Array:
    return pc.if_else(counts, time_s, _NEVER)


def _shift(values: pa.Array, first: int) -> pa.Array:
    """Return the value before each value, ``first`` before the first."""
    return pa.concat_arrays([pa.array([first], values.type), values.slice(0, len(values) - 1)])
