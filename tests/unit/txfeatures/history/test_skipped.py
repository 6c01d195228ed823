from dataclasses import replace

import duckdb
import pytest

from txfeatures.archive.skips import Skip
from txfeatures.history.comparison import Finding
from txfeatures.history.skipped import Hole, explained, holes

SKIP = Skip(
    topic="t",
    partition=3,
    committed_offset=100,
    first_offset=250,
    records=150,
    reason="expired",
)
HOLE = Hole(skip=SKIP, start_s=60, end_s=420)
MISSING = Finding(minute="1970-01-01 00:04:00", where="archive", kind="missing", detail="none")


def found(rows: list[tuple[int, int, int]], skip: Skip = SKIP) -> list[Hole]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            "CREATE TABLE records(topic_partition INT, topic_offset BIGINT, feed_time_ms BIGINT)"
        )
        if rows:
            connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
        return holes(connection, [skip], lambda topic, number: number if topic == "t" else None)


def test_a_hole_reaches_from_the_last_row_before_it_to_the_first_after_it() -> None:
    rows = [
        (3, 90, 60_000),
        (3, 99, 130_000),
        (3, 250, 400_000),
        (3, 300, 900_000),
        (0, 98, 300_000),
        (0, 260, 301_000),
    ]
    assert found(rows) == [HOLE]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(3, 99, 130_000)],  # it begins after these rows
        [(3, 250, 400_000)],  # it ended before these
        [(0, 99, 130_000), (0, 250, 400_000)],  # of another partition
        [(3, 99, 400_000), (3, 250, 130_000)],
    ],
)
def test_a_hole_elsewhere_is_not_shown(rows: list[tuple[int, int, int]]) -> None:
    assert found(rows) == []


def test_a_hole_of_another_topic_is_not_shown() -> None:
    rows = [(3, 99, 130_000), (3, 250, 400_000)]
    assert found(rows, replace(SKIP, topic="u")) == []


def test_the_loss_is_named_with_its_minutes() -> None:
    finding = HOLE.finding()
    assert (finding.where, finding.kind, finding.minute) == ("kafka", "gone", "")
    assert finding.detail == (
        "150 records of deduped partition 3 were gone before fs_writer read them (expired, from "
        "offset 100): minutes 1970-01-01 00:01:00 to 1970-01-01 00:06:00 lack theirs"
    )


def test_what_the_archive_lacks_in_a_hole_is_not_blamed_on_the_archive() -> None:
    (finding,) = explained([MISSING], [HOLE])
    assert (finding.where, finding.kind) == ("kafka", "gone")
    assert "150 records of deduped partition 3 were gone before fs_writer" in finding.detail


@pytest.mark.parametrize(
    "finding",
    [
        replace(MISSING, minute="1970-01-01 00:00:00"),
        replace(MISSING, minute="1970-01-01 00:07:00"),
        replace(MISSING, minute="", kind="damage"),
        replace(MISSING, where="online"),
    ],
)
def test_other_findings_keep_their_cause(finding: Finding) -> None:
    assert explained([finding], [HOLE]) == [finding]
