from typing import Any

import msgspec
import pytest

from featurestore_local.faults import Fault, FaultPlan, process_in_part


def test_a_fault_befalls_as_many_calls_as_ordered() -> None:
    plan = FaultPlan()
    plan.order([Fault(operation="PutRecord", error="X", times=2)])
    errors = [getattr(plan.next("PutRecord"), "error", None) for _ in range(3)]
    assert errors == ["X", "X", None]


def test_a_fault_lets_calls_through_before() -> None:
    plan = FaultPlan()
    plan.order([Fault(operation="PutRecord", error="X", after=1)])
    errors = [getattr(plan.next("PutRecord"), "error", None) for _ in range(3)]
    assert errors == [None, "X", None]


def test_faults_come_in_the_order_given_and_leave_other_operations_alone() -> None:
    plan = FaultPlan()
    plan.order([Fault(operation="PutRecord", error=error) for error in ("X", "Y")])
    assert plan.next("GetRecord") is None
    errors = [getattr(plan.next("PutRecord"), "error", None) for _ in range(2)]
    assert errors == ["X", "Y"]


def test_calls_are_counted_until_cleared() -> None:
    plan = FaultPlan()
    plan.order([Fault(operation="PutRecord", error="X")])
    plan.next("PutRecord")
    plan.next("GetRecord")
    assert plan.counts() == {"PutRecord": 1, "GetRecord": 1}
    plan.clear()
    assert plan.counts() == {}


@pytest.mark.parametrize(
    "order",
    [
        {"operation": "PutRecord"},
        {"operation": "PutRecord", "error": "X", "times": 0},
        {"operation": "PutRecord", "error": "X", "often": 1},
        {"operation": "PutRecord", "error": "unprocessed"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(order, Fault)


def test_a_batch_write_is_processed_in_part() -> None:
    fault = Fault(operation="BatchWriteRecord", error="unprocessed", processed=1)
    done: list[Any] = []

    def handler(params: dict[str, Any]) -> dict[str, Any]:
        done.extend(params["Entries"])
        return {"Errors": [], "UnprocessedEntries": []}

    result = process_in_part(fault, handler, {"Entries": ["a", "b", "c"]})
    assert result == {"Errors": [], "UnprocessedEntries": ["b", "c"]}
    assert done == ["a"]


def test_a_batch_get_is_processed_in_part() -> None:
    fault = Fault(operation="BatchGetRecord", error="unprocessed", processed=1)
    ids = "RecordIdentifiersValueAsString"

    def handler(params: dict[str, Any]) -> dict[str, Any]:
        return {"Records": [i for each in params["Identifiers"] for i in each[ids]]}

    identifiers = [
        {"FeatureGroupName": "g", ids: ["a", "b"]},
        {"FeatureGroupName": "h", ids: ["c"]},
    ]
    assert process_in_part(fault, handler, {"Identifiers": identifiers}) == {
        "Records": ["a", "c"],
        "UnprocessedIdentifiers": [{"FeatureGroupName": "g", ids: ["b"]}],
    }
