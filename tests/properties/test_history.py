"""Recomputed minutes compared with the logic of the stream, on generated feeds."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.properties.drive import Folding, Merging, record
from tests.properties.feeds import Feed, feeds
from tests.properties.oracle import Moment
from tests.properties.test_aggregation import interleaved
from tests.support.declared import COMPUTED, DEFAULT
from txfeatures.archive.schema import encode
from txfeatures.domain.features import COUNT, EVENT_TIME
from txfeatures.domain.model import Record
from txfeatures.domain.rules import Rules
from txfeatures.history.late import LOG, judge
from txfeatures.history.minutes import Minutes
from txfeatures.history.sources import FileSource, read_minutes, slim
from txfeatures.history.span import Span

EVER = Span(start_s=0, end_s=2**40 // 60 * 60)


def records_of(log: Sequence[Moment], partition: int) -> list[Record]:
    return [record(m, partition=partition, offset=3 * n) for n, m in enumerate(log)]


def archived(records: Sequence[Record]) -> list[Record]:
    return [one for one in records if one.key is not None]


def recomputed(
    connection: duckdb.DuckDBPyConnection, records: Sequence[Record], rules: Rules, folder: Path
) -> Minutes:
    whole, path = folder / "whole.parquet", folder / "slim.parquet"
    whole.write_bytes(encode(records))
    slim([whole], path)
    return read_minutes(
        connection, FileSource(paths=[path], whole=EVER), EVER, rules=rules, declaration=DEFAULT
    )


@settings(max_examples=60, deadline=None)
@given(feed=feeds())
def test_verdicts_without_ticks_are_those_of_the_stream(feed: Feed) -> None:
    for partition, log in enumerate(feed.logs):
        records = records_of(log, partition)
        kept = archived(records)
        if not kept:
            continue
        folding = Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        late = folding.take(records).late
        columns = [
            [one.offset for one in kept],
            [one.timestamp_ms for one in kept],
            [m.time for m in log if not m.is_tick],
        ]
        judged = judge(pa.table(columns, schema=LOG), feed.rules)
        found = judged.exceptions.to_pylist()
        uncounted = {one.offset for one, _ in folding.uncounted}
        assert {one["topic_offset"] for one in found if not one["counts"]} == uncounted
        assert sum(one["counts"] for one in found) == late


@settings(max_examples=30, deadline=None)
@given(feed=feeds(), random=st.randoms(use_true_random=False))
def test_final_rows_and_corrections_are_those_of_the_stream_known_at_the_same_moments(
    feed: Feed, random: Random
) -> None:
    records = []
    lanes = []
    for partition, log in enumerate(feed.logs):
        folding = Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        of_log = records_of(log, partition)
        folding.take(of_log)
        lanes.append(folding.updates)
        records += archived(of_log)
    # A partition of which the archive has nothing does not exist for it.
    assume({record.partition for record in records} == set(range(feed.partitions)))
    merging = Merging(rules=feed.rules)
    merging.take(interleaved(lanes, random))
    names = ("tx_minute", *COMPUTED, "nb_late_trx_1min", "is_final", EVENT_TIME)
    expected = sorted(
        tuple(merged.row[name] for name in names)
        for merged in merging.rows
        if merged.kind != "provisional"
    )
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        minutes = recomputed(connection, records, feed.rules, Path(folder))
        assert minutes.withheld == 0
        counted = f"{COUNT} > 0"  # the stream was told of no poll
        found = minutes.revisions.filter(counted).project(", ".join(names)).fetchall()
    assert sorted(found) == expected
