"""What is written to a feature group of any kind is read back equal, or refused by name."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pytest

from tests.contract.feature_store.conftest import KINDS, Group
from tests.support.declared import row
from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_name
from txfeatures.domain.model import Partial, Row
from txfeatures.feature_store.errors import StoreUnavailableError

pytestmark = pytest.mark.integration

MINUTE_S = 1_729_334_940  # 2024-10-19 10:49
MINUTES = [MINUTE_S + 60 * number for number in range(130)]


def a_row(minute_s: int = MINUTE_S, *, revision: int = 1, **states: int) -> Row:
    partial = Partial(states={"total_nb_trx_1min": 3, "total_fee_1min": 29_100_000_001} | states)
    return row(
        partial,
        minute_s=minute_s,
        event_time_ms=minute_s * 1000 + 61_025 + revision,
        revision=revision,
        is_final=True,
        gaps=0,
    )


with_offline_store = pytest.mark.parametrize(
    "group", [kind for kind in KINDS if "OfflineStore" in kind.targets], indirect=True, ids=str
)


def offline_rows(relation: duckdb.DuckDBPyRelation, like: Row) -> list[dict[str, Any]]:
    found = relation.order(f"{RECORD_IDENTIFIER}, {EVENT_TIME}")
    return [
        {name: value for name, value in zip(found.columns, values, strict=True) if name in like}
        for values in found.fetchall()
    ]


def test_a_row_is_read_back_equal(group: Group) -> None:
    assert group.put(a_row()) == [None]
    assert group.rows([MINUTE_S]) == {minute_name(MINUTE_S): a_row()}


def test_a_largest_total_and_a_smallest_fraction_are_exact(group: Group) -> None:
    extreme = {**a_row(), "total_fee_1min": 2**63 - 1, "avg_fee_1min": 5e-324}
    assert group.put(extreme) == [None]
    assert group.rows([MINUTE_S]) == {minute_name(MINUTE_S): extreme}


def test_minutes_without_a_record_are_left_out(group: Group) -> None:
    group.put(a_row(MINUTES[3]))
    assert list(group.rows(MINUTES)) == [minute_name(MINUTES[3])]


def test_a_later_revision_replaces_an_earlier_one_and_not_the_other_way_round(
    group: Group,
) -> None:
    first, second = a_row(revision=1), a_row(revision=2, total_fee_1min=7)
    for each in (first, second, first):
        assert group.put(each) == [None]
    assert group.rows([MINUTE_S]) == {minute_name(MINUTE_S): second}


def test_a_batch_is_written_and_read_whole(group: Group) -> None:
    for start in range(0, len(MINUTES), 25):
        rows = [a_row(minute_s) for minute_s in MINUTES[start : start + 25]]
        assert group.put(*rows) == [None] * len(rows)
    assert group.rows(MINUTES) == {minute_name(m): a_row(m) for m in MINUTES}


def test_a_record_that_is_not_valid_is_refused_and_its_neighbours_are_taken(group: Group) -> None:
    bad = group.write({**a_row(MINUTES[1]), "total_fee_1min": "many"})
    good = [group.write(a_row(minute_s)) for minute_s in (MINUTES[0], MINUTES[2])]
    taken, refused, other = group.writer.put([good[0], bad, good[1]])
    assert (taken, other) == (None, None)
    assert isinstance(refused, InvalidMessageError)
    assert refused.reason == "store_refused"
    assert set(group.rows(MINUTES)) == {minute_name(MINUTES[0]), minute_name(MINUTES[2])}
    with pytest.raises(FatalError, match="refused the record"):
        group.writer.put_all([bad], group.retries)


PASSING = ["ThrottlingException", "InternalFailure", "ServiceUnavailable", "drop", "unprocessed"]


@pytest.mark.parametrize("error", PASSING)
def test_a_bad_moment_is_reported_by_put_and_repeated_by_put_all(group: Group, error: str) -> None:
    writes = [group.write(a_row(minute_s)) for minute_s in MINUTES[:3]]
    group.order("BatchWriteRecord", error)
    outcomes = group.writer.put(writes)
    assert all(isinstance(outcome, StoreUnavailableError) for outcome in outcomes)
    group.order("BatchWriteRecord", error, times=2)
    group.writer.put_all(writes, group.retries)
    assert len(group.rows(MINUTES)) == 3


@pytest.mark.parametrize("error", PASSING)
def test_a_bad_moment_is_not_seen_by_a_reader(group: Group, error: str) -> None:
    group.put(a_row())
    group.order("BatchGetRecord", error, times=2)
    assert group.rows([MINUTE_S]) == {minute_name(MINUTE_S): a_row()}


def test_what_lasts_is_unavailable_and_not_refused(group: Group) -> None:
    for operation in ("BatchGetRecord", "PutRecord"):
        group.order(operation, "ThrottlingException", times=8)
    with pytest.raises(StoreUnavailableError, match="throttled or unavailable"):
        group.rows([MINUTE_S])
    with pytest.raises(StoreUnavailableError, match="throttled or unavailable"):
        group.writer.put_all([group.write(a_row())], group.retries)


def test_a_missing_permission_is_a_refusal(group: Group) -> None:
    for operation in ("BatchGetRecord", "PutRecord"):
        group.order(operation, "AccessForbidden")
    with pytest.raises(FatalError, match="the permissions"):
        group.rows([MINUTE_S])
    with pytest.raises(FatalError, match=r"refused .* permissions"):
        group.writer.put_all([group.write(a_row())], group.retries)


@with_offline_store
def test_offline_rows_are_read_back_equal_with_every_revision(group: Group) -> None:
    rows = [a_row(MINUTES[0], revision=1), a_row(MINUTES[0], revision=2), a_row(MINUTES[1])]
    for each in (*rows, rows[0]):  # a repeat adds an equal row
        group.put(each)
    found = group.offline(MINUTES)
    assert found.damages == []
    assert offline_rows(found.rows, a_row()) == [dict(rows[n]) for n in (0, 0, 1, 2)]
    assert offline_rows(found.latest(), a_row()) == [dict(rows[1]), dict(rows[2])]
    known_at_s = float(rows[0][EVENT_TIME])
    assert offline_rows(found.latest(known_at_s=known_at_s), a_row()) == [dict(rows[0])]


@with_offline_store
def test_a_row_for_one_store_is_not_in_the_other(group: Group) -> None:
    group.writer.put([group.write(a_row(MINUTES[0]), "OnlineStore")])
    group.writer.put([group.write(a_row(MINUTES[1]), "OfflineStore")])
    assert list(group.rows(MINUTES)) == [minute_name(MINUTES[0])]
    found: Sequence[dict[str, Any]] = offline_rows(group.offline(MINUTES).latest(), a_row())
    assert [each[RECORD_IDENTIFIER] for each in found] == [minute_name(MINUTES[1])]
