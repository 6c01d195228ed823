"""Recomputed minutes compared with the logic of the stream, on generated feeds."""

from collections.abc import Sequence
from itertools import dropwhile, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
from hypothesis import assume, given, settings

from tests.properties.drive import Folding, Merging, record
from tests.properties.feeds import Feed, feeds
from tests.properties.oracle import Moment
from tests.support.declared import COMPUTED, DEFAULT
from txfeatures.archive.schema import encode
from txfeatures.domain.features import EVENT_TIME, minute_start_s
from txfeatures.domain.model import Record
from txfeatures.domain.rules import Rules
from txfeatures.history.late import LOG, judge
from txfeatures.history.minutes import Minutes
from txfeatures.history.sources import FileSource, read_minutes, slim
from txfeatures.history.span import Span

EVER = Span(start_s=0, end_s=2**40 // 60 * 60)


def without_first_ticks(log: Sequence[Moment]) -> list[Moment]:
    return list(dropwhile(lambda moment: moment.is_tick, log))


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
    for partition, full_log in enumerate(feed.logs):
        records = records_of(without_first_ticks(full_log), partition)
        kept = archived(records)
        if not kept:
            continue
        folding = Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        late = folding.take(records).late
        columns = [
            [one.offset for one in kept],
            [one.timestamp_ms for one in kept],
            [m.time for m in without_first_ticks(full_log) if not m.is_tick],
        ]
        judged = judge(pa.table(columns, schema=LOG), feed.rules)
        found = judged.exceptions.to_pylist()
        uncounted = {one.offset for one, _ in folding.uncounted}
        assert {one["topic_offset"] for one in found if not one["counts"]} == uncounted
        assert sum(one["counts"] for one in found) == late


@settings(max_examples=15, deadline=None)
@given(feed=feeds())
def test_last_revisions_are_those_of_the_stream(feed: Feed) -> None:
    logs = [without_first_ticks(log) for log in feed.logs]
    assume(all(logs))
    merging = Merging(rules=feed.rules)
    records = []
    updates = []
    for partition, log in enumerate(logs):
        folding = Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        of_log = records_of(log, partition)
        folding.take(of_log)
        updates += folding.updates
        records += archived(of_log)
    updates.sort(key=lambda update: update.feed_time_ms)
    merging.take(updates)
    expected = {minute_start_s(str(merged.row["tx_minute"])): merged.row for merged in merging.rows}
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        minutes = recomputed(connection, records, feed.rules, Path(folder))
        found = minutes.revisions.order("tx_minute, revision")
        rows = [dict(zip(found.columns, values, strict=True)) for values in found.fetchall()]
        assert minutes.withheld == 0
    last = {minute_start_s(row["tx_minute"]): row for row in rows}
    counted = {minute_s: row for minute_s, row in last.items() if row["total_nb_trx_1min"]}
    assert counted.keys() == {m for m, row in expected.items() if row["total_nb_trx_1min"]}
    for minute_s, row in counted.items():
        wanted = expected[minute_s]
        for name in (*COMPUTED, "nb_late_trx_1min", "is_final"):
            assert row[name] == wanted[name], name
    for before, after in pairwise(rows):
        if before["tx_minute"] == after["tx_minute"]:
            assert after["revision"] == before["revision"] + 1
            assert after[EVENT_TIME] > before[EVENT_TIME]
            assert after["total_nb_trx_1min"] > before["total_nb_trx_1min"]
