from collections.abc import Mapping
from math import inf
from typing import Any

import pytest

from txfeatures.history.audit import Report, _Reach
from txfeatures.history.comparison import Finding
from txfeatures.history.ledger import Stage

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


def test_a_report_is_clean_without_findings_and_with_balanced_stages() -> None:
    balanced = Stage(name="dedup", taken=10, given=7, duplicates=1, late=1, dead=1)
    report = Report(start="", end="", stages=[balanced])
    assert report.is_clean
    report.stages.append(Stage(name="aggregator", taken=7, given=6))
    assert report.stages[1].missing == 1
    assert not report.is_clean
    finding = Finding(minute="", where="archive", kind="damage", detail="x")
    assert not Report(start="", end="", findings=[finding]).is_clean
