from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import declared
from tests.support.declared import COMPUTED, DEFAULT
from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import ANEW, TOPIC, shelf_of, store
from tests.unit.txfeatures.feature_store.offline_store import Offline, stored
from txfeatures.archive.skips import Skip, store_skip
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Row
from txfeatures.domain.rules import Rules
from txfeatures.feature_store.codec import to_values
from txfeatures.history.audit import Report, Sources, _compare_all, _Reach, audit
from txfeatures.history.comparison import Comparison, Finding, StoredRow, Where
from txfeatures.history.engine import engine
from txfeatures.history.inspection import Inspection
from txfeatures.history.ledger import Stage
from txfeatures.history.sources import ArchiveSource
from txfeatures.history.span import Span

REACH = _Reach(settled_s=1000.0, offline_s=500.0)


def final(known_s: float | str) -> dict[str, Any]:
    return {"is_final": 1, "event_time": known_s}


@pytest.mark.parametrize(
    ("archive", "offline", "online", "expected"),
    [
        (final(900.0), final(900.0), final(900.0), False),
        (None, final(900.0), final(1001.0), True),  # corrected later than the archive reaches
        (final(900.0), None, final(900.0), True),  # on its way to the offline store
        (final(900.0), final(400.0), final(900.0), True),
        (final(400.0), None, final(400.0), False),
        (None, None, {"is_final": 0, "event_time": 900.0}, True),  # still open
        (final(400.0), final(400.0), {"is_final": 0, "event_time": 390.0}, False),
        (final(400.0), final(400.0), final("nonsense"), False),
        (final(400.0), final(400.0), {"is_final": 1}, False),
    ],
)
def test_what_the_archive_or_a_store_cannot_know_yet_is_pending(
    archive: Mapping[str, Any] | None,
    offline: Mapping[str, Any] | None,
    online: Mapping[str, Any] | None,
    expected: bool,
) -> None:
    assert REACH.is_pending(archive, offline, online) is expected


def test_nothing_is_pending_once_the_feed_has_ended() -> None:
    ended = _Reach(settled_s=inf, offline_s=inf)
    assert not ended.is_pending(final(10.0**9), None, None)
    assert not ended.is_pending(None, None, {"is_final": 0, "event_time": 900.0})


@pytest.mark.parametrize("only", ["archive", "offline", "online"])
@pytest.mark.parametrize("is_final", [0, 1])
def test_a_minute_that_one_source_alone_has_is_reported(only: Where, is_final: int) -> None:
    row = {
        **declared.row(
            declared.EMPTY, minute_s=0, event_time_ms=900, revision=1, is_final=True, gaps=0
        ),
        "total_nb_trx_1min": 3,
        "is_final": is_final,
    }
    rows: dict[Where, dict[int, StoredRow]] = {"archive": {}, "offline": {}, "online": {}}
    rows[only] = {0: row}
    report = Report(start="", end="")
    _compare_all(rows, Comparison(computed=COMPUTED), _Reach(settled_s=inf, offline_s=inf), report)
    assert report.minutes == 1
    assert report.pending == 0
    assert {finding.where for finding in report.findings} == (
        {"offline", "online"} if only == "archive" else {only}
    )
    assert not report.is_clean


def test_a_report_is_clean_without_findings_and_with_balanced_stages() -> None:
    balanced = Stage(name="dedup", taken=10, given=7, duplicates=1, late=1, dead=1)
    assert Report(start="", end="", stages=[balanced]).is_clean
    for one in (replace(balanced, missing=1), replace(balanced, extra=1)):
        assert not Report(start="", end="", stages=[balanced, one]).is_clean
        assert not Report(start="", end="", stages=[one, balanced]).is_clean
    finding = Finding(minute="", where="archive", kind="damage", detail="x")
    assert not Report(start="", end="", findings=[finding]).is_clean


class Online:
    """An online store of one row."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def read(self, minutes: Iterable[int]) -> Iterator[tuple[str, Mapping[str, str]]]:
        name = str(self._row["tx_minute"])
        if minute_start_s(name) in minutes:
            yield name, to_values(self._row, "glue")


@pytest.mark.parametrize("is_skipped", [False, True])
def test_a_loss_before_the_archive_is_named_once_and_not_blamed_on_the_archive(
    tmp_path: Path, *, is_skipped: bool
) -> None:
    bucket, offline, day_s = MemoryBucket(), Offline(), 24 * 3600
    shelf = shelf_of(TOPIC)
    store(bucket, range(3), shelf=shelf)
    store(bucket, range(250_000, 250_003), shelf=shelf)  # 250 s later, by the clock of parts
    store(bucket, range(3), shelf=shelf_of(ANEW))
    skip = Skip(
        topic=TOPIC,
        partition=0,
        committed_offset=3,
        first_offset=250_000,
        records=249_997,
        reason="expired",
    )
    if is_skipped:
        store_skip(bucket, skip)
        store_skip(bucket, replace(skip, topic=f"{ANEW[:-1]}Q"))
    minute_s = 1_729_335_120
    offline.put(stored(minute_s, minute_s + 120, total_nb_trx_1min=5))
    row = declared.row(
        declared.EMPTY,
        minute_s=minute_s,
        event_time_ms=(minute_s + 120) * 1000,
        revision=1,
        is_final=True,
        gaps=0,
    )
    online = Online({**row, "total_nb_trx_1min": 5})
    report = Report(start="", end="")
    with engine(tmp_path / "db") as connection:
        audit(
            connection,
            Sources(
                archive=ArchiveSource(
                    bucket=bucket, directory=tmp_path / "archive", is_complete=True
                ),
                inspection=Inspection(s3=cast("Any", None)),
                offline=offline.store,
                online=cast("Any", online),
            ),
            Span(start_s=minute_s - day_s, end_s=minute_s + day_s),
            rules=Rules(),
            directory=tmp_path / "offline",
            report=report,
            declaration=DEFAULT,
        )
    short = [finding for finding in report.findings if finding.minute == "2024-10-19 10:52:00"]
    gone = [finding.detail for finding in report.findings if not finding.minute]
    if not is_skipped:
        assert [(finding.where, finding.kind) for finding in short] == [("archive", "missing")]
        assert gone == []
        return
    assert [(finding.where, finding.kind) for finding in short] == [("kafka", "gone")]
    assert len(gone) == 1
    assert "249,997 records of deduped partition 0 were gone" in gone[0]
    assert "minutes 2024-10-19 10:49:00 to 2024-10-19 10:54:00" in gone[0]
