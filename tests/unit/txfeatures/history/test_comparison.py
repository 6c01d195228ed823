from typing import Any

import pytest

from tests.support.declared import COMPUTED, EMPTY, row
from txfeatures.history.comparison import Comparison, Finding, StoredRow

MINUTE_S = 1_729_334_940
NAME = "2024-10-19 10:49:00"
EMPTY_ROW = row(
    EMPTY,
    minute_s=MINUTE_S,
    event_time_ms=(MINUTE_S + 120) * 1000,
    revision=3,
    is_final=True,
    gaps=0,
)
ROW = {**EMPTY_ROW, "total_nb_trx_1min": 5, "total_fee_1min": 50, "avg_fee_1min": 10.0}
ZERO = EMPTY_ROW

comparison = Comparison(computed=COMPUTED)
compare, lacking = comparison.compare, comparison.lacking


def changed(**values: Any) -> StoredRow:
    return {**ROW, **values}


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.where, finding.kind) for finding in findings]


@pytest.mark.parametrize(
    ("archive", "offline", "online", "expected"),
    [
        (ROW, ROW, ROW, []),
        (None, None, None, []),
        (None, ZERO, ZERO, []),
        (ROW, changed(total_fee_1min=51), ROW, [("offline", "mismatch")]),
        (ROW, ROW, changed(total_fee_1min=51), [("online", "mismatch")]),
        (
            ROW,
            changed(total_fee_1min=51),
            changed(total_fee_1min=52),
            [("offline", "mismatch"), ("online", "mismatch")],
        ),
        (changed(total_fee_1min=49), ROW, ROW, [("archive", "mismatch")]),
        (None, ROW, ROW, [("archive", "missing")]),
        (ROW, None, ROW, [("offline", "missing")]),
        (ROW, ROW, None, [("online", "missing")]),
        (ROW, None, None, [("offline", "missing"), ("online", "missing")]),
        (None, ZERO, None, [("online", "missing")]),
        (None, None, ZERO, []),  # on its way to the offline store
        (None, None, ROW, [("online", "extra")]),
        (None, ROW, None, [("offline", "extra")]),
        (ROW, ROW, changed(is_final=0), [("online", "mismatch")]),
        (ROW, ROW, changed(revision=4), [("offline", "missing")]),
        (ROW, changed(revision=4), ROW, []),
        (ROW, ROW, changed(nb_gaps_1min=1), [("online", "mismatch")]),
        (ROW, ROW, changed(nb_late_trx_1min=1), [("online", "mismatch")]),
        (changed(nb_late_trx_1min=1, revision=1, event_time=0.0), ROW, ROW, []),
        (ROW, changed(total_fee_1min="x"), ROW, [("offline", "mismatch")]),
    ],
)
def test_two_who_agree_name_the_third(
    archive: StoredRow | None,
    offline: StoredRow | None,
    online: StoredRow | None,
    expected: list[tuple[str, str]],
) -> None:
    assert said(compare(NAME, archive, offline, online)) == expected


def test_a_mismatch_gives_both_values_of_what_differs_only() -> None:
    (finding,) = compare(NAME, ROW, changed(total_fee_1min=51), ROW)
    assert finding.minute == NAME
    assert finding.values == {"total_fee_1min": (50, 51)}


def test_a_feature_declared_after_a_row_was_written_is_no_mismatch() -> None:
    older = {name: value for name, value in ROW.items() if name != "max_fee_1min"}
    assert compare(NAME, ROW, older, older) == []
    assert lacking(older) == ["max_fee_1min"]
    assert lacking(ROW) == lacking(None) == []


def test_a_feature_that_one_store_lost_of_the_same_revision_is_a_mismatch() -> None:
    less = {name: value for name, value in ROW.items() if name != "max_fee_1min"}
    for offline, online in ((ROW, less), (less, ROW)):
        (finding,) = compare(NAME, ROW, offline, online)
        assert (finding.where, finding.kind) == ("online", "mismatch")
        assert set(finding.values) == {"max_fee_1min"}
    assert compare(NAME, ROW, {**ROW, "revision": 4}, less) == []  # a later one adds it


def test_a_row_without_its_count_is_a_mismatch() -> None:
    broken = {name: value for name, value in ROW.items() if name != "total_nb_trx_1min"}
    assert said(compare(NAME, ROW, ROW, broken)) == [("online", "mismatch")]
