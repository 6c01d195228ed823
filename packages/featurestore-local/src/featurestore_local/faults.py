"""Faults that tests order ahead, so that a client's bad days can be rehearsed.

A fault is a JSON object, say ``{"operation": "PutRecord", "error": "ThrottlingException",
"times": 3}``. Calls that aren't Feature Store's are named by service and method: ``s3:PUT``.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

UNPROCESSED = "unprocessed"
HANG = "hang"
DROP = "drop"
COMMIT_THEN_DROP = "commit_then_drop"
BATCH_OPERATIONS = ("BatchGetRecord", "BatchWriteRecord")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failure of the next calls of an operation.

    Attributes:
        operation: For example ``PutRecord``, or ``s3:PUT``.
        error: The code of an AWS error, or one of ``unprocessed`` (a batch is done in part),
            ``hang`` (no answer), ``drop`` (the connection ends, nothing is done) and
            ``commit_then_drop`` (it is done, but the answer is lost).
        times: How many calls it befalls.
        after: How many calls are let through before.
        processed: With ``unprocessed``: how many entries, or how many identifiers of each
            feature group, are done nevertheless.
        hang_s: With ``hang``: seconds until the connection ends.
        message: The error's text.
    """

    operation: str
    error: str
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    processed: Annotated[int, msgspec.Meta(ge=0)] = 0
    hang_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    message: str = "Ordered by the fault plan."

    def __post_init__(self) -> None:
        if self.error == UNPROCESSED and self.operation not in BATCH_OPERATIONS:
            raise ValueError(f"only {' and '.join(BATCH_OPERATIONS)} leave parts unprocessed")


class FaultPlan:
    """The faults still to come, first ordered first, and the calls so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()

    def order(self, faults: list[Fault]) -> None:
        """Add faults behind those already ordered."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Forget all faults and counts."""
        with self._lock:
            self._faults.clear()
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Return the calls per operation, whatever their outcome."""
        with self._lock:
            return dict(self._counts)

    def next(self, operation: str) -> Fault | None:
        """Count a call and return what befalls it."""
        with self._lock:
            self._counts[operation] += 1
            for index, fault in enumerate(self._faults):
                if fault.operation == operation:
                    return self._use(index, fault)
        return None

    def _use(self, index: int, fault: Fault) -> Fault | None:
        if fault.after:
            self._faults[index] = msgspec.structs.replace(fault, after=fault.after - 1)
            return None
        if fault.times > 1:
            self._faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)
        else:
            del self._faults[index]
        return fault


def process_in_part(
    fault: Fault,
    handler: Callable[[dict[str, Any]], dict[str, Any] | None],
    params: dict[str, Any],
) -> dict[str, Any]:
    """Do a batch operation for its first parts and answer the rest as unprocessed."""
    keep = fault.processed
    if "Entries" in params:
        entries = params["Entries"]
        result = handler(params | {"Entries": entries[:keep]}) or {}
        return result | {"UnprocessedEntries": entries[keep:]}
    ids = "RecordIdentifiersValueAsString"
    identifiers = params["Identifiers"]
    done = [each | {ids: each[ids][:keep]} for each in identifiers]
    left = [each | {ids: each[ids][keep:]} for each in identifiers if each[ids][keep:]]
    result = handler(params | {"Identifiers": done}) or {}
    return result | {"UnprocessedIdentifiers": left}
